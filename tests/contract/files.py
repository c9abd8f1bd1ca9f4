"""Scenarios of the project's files."""

from __future__ import annotations

import os
from pathlib import Path

from tests.contract.space import Space, refused, scenario


@scenario
def a_file_comes_back_as_it_was_uploaded(space: Space) -> None:
    local, folder = space.file("report.html"), space.remote
    assert space.files.upload(str(local), folder) == f"{folder}/report.html"
    assert space.files.exists(f"{folder}/report.html")
    back = space.files.download(f"{folder}/report.html", str(space.folder / "back.html"))
    assert Path(back).read_bytes() == b"some bytes"
    assert space.files.read_content(f"/{folder}/report.html").content == b"some bytes"


@scenario
def a_file_is_uploaded_in_chunks(space: Space) -> None:
    content = os.urandom(1_000_001)
    local, folder = space.file("large.bin", content), space.remote
    space.files.upload(str(local), folder, chunk_size=100_000)
    back = space.files.download(f"{folder}/large.bin", str(space.folder / "back.bin"))
    assert Path(back).read_bytes() == content


@scenario
def a_file_without_bytes_is_a_file(space: Space) -> None:
    local, folder = space.file("empty.txt", b""), space.remote
    space.files.upload(str(local), folder)
    back = space.files.download(f"{folder}/empty.txt", str(space.folder / "back.txt"))
    assert Path(back).read_bytes() == b""


@scenario
def a_file_is_overwritten_only_when_asked(space: Space) -> None:
    local, folder = space.file("report.html"), space.remote
    space.files.upload(str(local), folder)
    local.write_bytes(b"other bytes")
    refused("DatasetException", space.files.upload, str(local), folder)
    space.files.upload(str(local), folder, overwrite=True)
    refused("OSError", space.files.download, f"{folder}/report.html", str(local))
    back = space.files.download(f"{folder}/report.html", str(local), overwrite=True)
    assert Path(back).read_bytes() == b"other bytes"


@scenario
def a_folder_is_uploaded_with_what_is_in_it(space: Space) -> None:
    space.file("site/index.html")
    space.file("site/pictures/a.svg")
    space.files.upload(str(space.folder / "site"), space.remote)
    assert space.files.exists(f"{space.remote}/site/pictures/a.svg")


@scenario
def a_folder_is_listed_in_pages(space: Space) -> None:
    folder = space.remote
    for name in "cab":
        space.files.mkdir(f"{folder}/{name}")
    paths = [f"/{folder}/{name}" for name in "abc"]
    assert sorted(space.files.list(folder)) == paths
    first, rest = space.files.list(folder, limit=2), space.files.list(folder, offset=2)
    assert (len(first), sorted(first + rest)) == (2, paths)
    assert {"/Models", "/Resources"} <= set(space.files.list("/"))


@scenario
def files_are_copied_moved_and_removed(space: Space) -> None:
    local, folder = space.file("a.txt"), space.remote
    space.files.upload(str(local), folder)
    space.files.copy(f"{folder}/a.txt", f"{folder}/b.txt")
    space.files.move(f"{folder}/a.txt", f"{folder}/c.txt")
    refused("DatasetException", space.files.move, f"{folder}/b.txt", f"{folder}/c.txt")
    space.files.move(f"{folder}/b.txt", f"{folder}/c.txt", overwrite=True)
    assert space.files.list(folder) == [f"/{folder}/c.txt"]
    space.files.remove(f"{folder}/c.txt")
    assert not space.files.exists(f"{folder}/c.txt")


@scenario
def what_is_not_there_is_an_error_with_a_code(space: Space) -> None:
    missing = f"{space.remote}/nothing"
    assert not space.files.exists(missing)
    for call in (space.files.download, space.files.remove, space.files.list):
        assert refused("RestAPIError", call, missing).error_code == 110011
