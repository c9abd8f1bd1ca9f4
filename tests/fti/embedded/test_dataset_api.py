"""Files of a project: uploaded, listed, moved and read, never outside it."""

from pathlib import Path

import pytest

from fti.embedded.exceptions import DatasetException, RestAPIError


@pytest.fixture
def files(project):
    return project.get_dataset_api()


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("<h1>first</h1>")
    return path


def test_an_uploaded_file_is_downloaded_again(files, report, tmp_path):
    assert files.upload(str(report), "Resources/titanic") == "Resources/titanic/report.html"
    assert files.exists("Resources/titanic/report.html")
    assert files.exists("/Projects/local/Resources/titanic/report.html")
    assert files.read_content("Resources/titanic/report.html").content == b"<h1>first</h1>"
    target = tmp_path / "copy.html"
    assert files.download("Resources/titanic/report.html", str(target)) == str(target)
    assert target.read_text() == "<h1>first</h1>"


def test_a_file_is_downloaded_into_a_folder_or_where_one_is(files, report, tmp_path, monkeypatch):
    files.upload(str(report), "Resources")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    found = files.download("Resources/report.html", str(tmp_path / "a"))
    assert found == str(tmp_path / "a" / "report.html")
    monkeypatch.chdir(tmp_path / "b")
    assert Path(files.download("Resources/report.html")) == tmp_path / "b" / "report.html"


def test_a_file_is_replaced_only_when_told_so(files, report, tmp_path):
    files.upload(str(report), "Resources")
    report.write_text("second")
    with pytest.raises(DatasetException, match=r"report.html already exists.*overwrite=True"):
        files.upload(str(report), "Resources")
    assert files.read_content("Resources/report.html").content == b"<h1>first</h1>"
    files.upload(str(report), "Resources", overwrite=True)
    assert files.read_content("Resources/report.html").content == b"second"
    with pytest.raises(OSError, match="already exists"):
        files.download("Resources/report.html", str(report))
    files.download("Resources/report.html", str(report), overwrite=True)


def test_a_folder_is_uploaded_and_replaced_whole(files, tmp_path):
    folder = tmp_path / "shards"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "one.txt").write_text("1")
    files.upload(str(folder), "Resources")
    (folder / "deep" / "one.txt").rename(folder / "two.txt")
    files.upload(str(folder), "Resources", overwrite=True)
    assert files.list("Resources/shards/deep") == []
    assert files.read_content("Resources/shards/two.txt").content == b"1"
    found = files.download("Resources/shards", str(tmp_path / "back"))
    assert (Path(found) / "two.txt").read_text() == "1"


def test_what_is_not_there_cannot_be_uploaded_or_downloaded(files, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        files.upload(str(tmp_path / "nothing"), "Resources")
    for use in (files.download, files.remove, files.list):
        with pytest.raises(RestAPIError, match="Path not found: Resources/nothing") as refused:
            use("Resources/nothing")
        assert (refused.value.error_code, refused.value.status_code) == (110011, 404)
    assert files.read_content("Resources/nothing") is None
    assert not files.exists("Resources/nothing")


def test_a_folder_is_listed_in_pages_by_name(files, report):
    for name in "cab":
        files.mkdir(f"Resources/{name}")
    paths = [f"/Resources/{name}" for name in "abc"]
    assert files.list("Resources") == paths
    assert files.list("Resources", offset=1, limit=1) == paths[1:2]
    assert files.list("Resources", offset=3) == []
    assert files.list("/Projects/local") == ["/Models", "/Resources"]
    assert files.list("") == files.list("/") == files.list("/Projects/local")
    assert files.list(paths[0]) == []


def test_folders_are_made_with_those_above_them(files):
    assert files.mkdir("Resources/a/b") == "/Projects/local/Resources/a/b"
    assert files.mkdir("Resources/a/b") == "/Projects/local/Resources/a/b"
    assert files.exists("Resources/a")


def test_files_and_folders_are_copied_and_moved(files, report):
    files.upload(str(report), "Resources/a")
    files.copy("Resources/a", "Resources/b")
    files.move("Resources/a/report.html", "Resources/c/moved.html")
    assert files.list("Resources/a") == []
    assert files.exists("Resources/b/report.html")
    assert files.exists("Resources/c/moved.html")
    for use in (files.copy, files.move):
        with pytest.raises(DatasetException, match="already exists"):
            use("Resources/b", "Resources/c")
        use("Resources/b", "Resources/c", overwrite=True)
        assert files.list("Resources/c") == ["/Resources/c/report.html"]
    assert not files.exists("Resources/b")


def test_a_folder_is_not_moved_into_itself_or_over_what_holds_it(files, report):
    files.upload(str(report), "Resources/a/b")
    for source, target in (
        ("Resources/a", "Resources/a/b"),
        ("Resources/a/b", "Resources/a"),
        ("Resources/a", "Resources/a"),
    ):
        with pytest.raises(DatasetException, match="cannot be moved"):
            files.move(source, target, overwrite=True)
    assert files.exists("Resources/a/b/report.html")


def test_files_and_folders_are_removed(files, report):
    files.upload(str(report), "Resources/a")
    files.remove("Resources/a/report.html")
    assert files.list("Resources/a") == []
    files.rm("Resources/a")
    assert not files.path_exists("Resources/a")


@pytest.mark.parametrize(
    "path",
    [
        "../outside",
        "Resources/../../outside",
        "Resources/a/../../../outside",
        "/etc/passwd",
        "/Projects/other/Resources/a",
        "catalog.sqlite",
        "offline",
        "Resources\\..\\..\\outside",
        "Resources/\0",
    ],
)
def test_no_path_leaves_the_files_of_the_project(files, report, path):
    for use in (
        files.exists,
        files.remove,
        files.list,
        files.download,
        files.mkdir,
        files.read_content,
        lambda path: files.upload(str(report), path),
        lambda path: files.copy("Resources", path),
        lambda path: files.move("Resources", path),
        lambda path: files.move(path, "Resources/a"),
    ):
        with pytest.raises(RestAPIError) as refused:
            use(path)
        assert refused.value.error_code == 110011


@pytest.mark.parametrize("path", ["", "/", ".", "/Projects/local", "/Projects/local/"])
def test_the_project_itself_is_not_a_file(files, project, path):
    for use in (files.remove, files.download, lambda path: files.copy(path, "Resources/a")):
        with pytest.raises(RestAPIError, match="not found"):
            use(path)
    for use in (files.copy, files.move):
        with pytest.raises(DatasetException):
            use("Resources", path, overwrite=True)
    assert project.catalog.find("feature_group") == []
    assert (project.home / "Resources").is_dir()
