"""Shards go to the project and come back, whole, and only what others do not have."""

import json

import pytest

pytest.importorskip("soundfile")
pytest.importorskip("av")

from fti.errors import SourceError
from tests.whisper import corpora
from whisper import labels, shards, storage
from whisper.clips import Recording

TOKENIZER = labels.train([" ord"])
SOUND = corpora.written(corpora.sound(1.0))


def write(folder, count=6, language="sv", text="ord"):
    """Write shards of two clips a part."""
    recordings = [
        Recording("made", language, f"{n}.wav", f"{text} {n}", "train", "ada", audio=SOUND)
        for n in range(count)
    ]
    shards.write(recordings, folder, TOKENIZER, part_clips=2)


def texts(folder):
    return sorted(clip.text_raw for clip in shards.read(shards.files(folder)))


def kept(project):
    """Give the folders of parts that the project has, by the part's name."""
    api = project.get_dataset_api()
    found = api.list(f"{storage.KEPT}/made/sv/train")
    return sorted(path.rpartition("/")[2][:10] for path in found)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder outside of the project, as on a machine that works for Hopsworks."""
    monkeypatch.delenv(storage.SETTING, raising=False)
    return tmp_path / "here"


@pytest.fixture
def other(tmp_path):
    """The folder of another machine."""
    return tmp_path / "other"


def test_an_embedded_project_has_its_shards_among_its_files(project, monkeypatch):
    monkeypatch.delenv(storage.SETTING, raising=False)
    folder = storage.folder(project)
    write(folder)
    assert storage.keep(project, folder) == 0
    assert storage.fetch(project, folder) == 0
    assert project.get_dataset_api().exists(f"{storage.KEPT}/made/sv/train/part-00002/part.json")


def test_a_folder_that_everybody_reads_is_used_as_it_is(project, tmp_path, monkeypatch):
    monkeypatch.setenv(storage.SETTING, str(tmp_path / "volume"))
    folder = storage.folder(project)
    assert folder == tmp_path / "volume"
    write(folder)
    assert storage.keep(project, folder) == storage.fetch(project, folder) == 0
    assert not project.get_dataset_api().exists(storage.KEPT)


def test_what_is_kept_here_is_fetched_there(project, here, other):
    write(here)
    told = []
    assert storage.keep(project, here, lambda *numbers: told.append(numbers)) == 4
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert storage.fetch(project, other) == 4
    assert texts(other) == texts(here)
    assert shards.tokenizer_in(other) == TOKENIZER
    assert shards.summary(other) == shards.summary(here)


def test_only_what_is_new_or_changed_goes_and_comes(project, here, other):
    write(here)
    storage.keep(project, here)
    storage.fetch(project, other)
    assert storage.keep(project, here) == storage.fetch(project, other) == 0
    write(here, 8)
    assert storage.keep(project, here) == storage.fetch(project, other) == 1
    write(here, 8, text="word")
    assert storage.keep(project, here) == storage.fetch(project, other) == 4
    assert texts(other) == [f"word {n}" for n in range(8)]
    assert kept(project) == [f"part-0000{n}" for n in range(4)]


def test_parts_that_are_gone_go_everywhere(project, here, other):
    write(here)
    storage.keep(project, here)
    storage.fetch(project, other)
    write(here, 2)
    storage.keep(project, here)
    assert storage.fetch(project, other) == 0
    assert texts(other) == ["ord 0", "ord 1"]
    assert kept(project) == ["part-00000"]


def test_an_upload_that_breaks_off_leaves_what_was_kept(project, here, other):
    write(here)
    storage.keep(project, here)
    write(here, 8, text="word")

    def broken(number, count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.keep(project, here, broken)
    storage.fetch(project, other)
    assert texts(other) == [f"ord {n}" for n in range(6)]
    storage.keep(project, here)
    storage.fetch(project, other)
    assert texts(other) == [f"word {n}" for n in range(8)]


def test_what_an_interrupted_run_made_stays_to_go_on_with(project, here, other):
    write(here)
    storage.keep(project, here)
    storage.fetch(project, other)
    write(here, 8, text="word")
    write(other, 6, "it")
    storage.keep(project, other)
    assert storage.fetch(project, here, adding=True) == 3
    assert sum(text.startswith("word") for text in texts(here)) == 8
    storage.keep(project, here)
    storage.fetch(project, other)
    assert texts(other) == sorted([f"ord {n}" for n in range(6)] + [f"word {n}" for n in range(8)])


def test_parts_of_before_are_replaced_by_those_of_another_machine(project, here, other):
    write(here)
    storage.keep(project, here)
    storage.fetch(project, other)
    write(other, 2, text="word")
    storage.keep(project, other)
    storage.fetch(project, here, adding=True)
    assert texts(here) == ["word 0", "word 1"]


def test_without_shards_one_sentence_says_how_to_make_some(project, here):
    with pytest.raises(SourceError, match=r"python -m whisper.feature_pipeline"):
        storage.fetch(project, here)
    assert storage.fetch(project, here, adding=True) == 0


@pytest.mark.parametrize("index", ["{", "[]", json.dumps({"a": {"files": []}})])
def test_a_damaged_index_is_one_sentence(project, here, tmp_path, index):
    write(here)
    storage.keep(project, here)
    (tmp_path / storage.INDEX).write_text(index, encoding="utf-8")
    api = project.get_dataset_api()
    api.upload(str(tmp_path / storage.INDEX), storage.KEPT, overwrite=True)
    with pytest.raises(SourceError, match=r"index\.json of the shards is damaged"):
        storage.fetch(project, here)
