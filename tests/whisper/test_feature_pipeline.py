"""Speech becomes shards and rows, once, and a run says what it did and what it left out."""

import csv
import json
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

pytest.importorskip("soundfile")
pytest.importorskip("av")

from fti import runs
from fti.errors import SourceError, UserError
from tests.whisper import corpora
from whisper import clips, feature_pipeline, labels, shards, storage

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_setting(monkeypatch):
    monkeypatch.delenv(storage.SETTING, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def words(tmp_path):
    """Forty recordings of four speakers."""
    return corpora.metadata_folder(tmp_path / "words", corpora.spoken(40, speakers=4))


def run(source, date="2026-11-21", **options):
    """Run the pipeline in this process, with a tokenizer that is made here."""
    feature_pipeline.store(str(source), date, **{"language": "en", "tokenizer": "train"} | options)


def stored(project):
    """Give the rows of the feature group by clip."""
    group = project.get_feature_store().get_feature_group("whisper_clips", version=1)
    return group.read().sort_values(["clip_id", "added_at"]).reset_index(drop=True)


def details(project):
    return json.loads(runs.recent(project)["details"][0])


def edit(folder, change):
    """Change the rows of a folder's table, and keep its header."""
    path = folder / "metadata.csv"
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *change(rows)])


def test_a_source_becomes_shards_and_rows(words, project, capsys):
    edit(words, lambda rows: [*rows, ["clips/none.wav", "gone", "voice 0"]])
    run(words)
    rows, folder = stored(project), storage.folder(project)
    assert len(rows) == 40
    clips.schema().validate(shards.table(folder, feature_pipeline.moment("2026-11-21")))
    assert set(rows["added_at"].astype(str)) == {"2026-11-21"}
    assert sorted(rows["clip_id"]) == sorted(
        one.clip_id for one in shards.read(shards.files(folder))
    )
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("40 clips, 0.01 hours of speech in ")
    assert said[0].endswith("40 new or changed")
    assert said[1].startswith("1 left out, no audio")
    record = runs.recent(project).iloc[0]
    assert (record["status"], record["rows_in"], record["rows_out"]) == ("success", 41, 40)
    assert details(project)["left_out"] == {clips.NO_AUDIO: 1}
    assert details(project)["tokenizer"] == shards.tokenizer_in(folder).fingerprint


@pytest.mark.parametrize("date", ["2026-11-21", "2026-11-22"])
def test_a_second_run_adds_and_makes_nothing(words, project, date, capsys):
    run(words)
    before = stored(project)
    stamps = {path: path.stat().st_ino for path in shards.files(storage.folder(project))}
    run(words, date)
    assert stored(project).equals(before)
    assert {path: path.stat().st_ino for path in shards.files(storage.folder(project))} == stamps
    assert capsys.readouterr().out.splitlines()[-1].endswith("; 0 new or changed")


def test_what_is_new_changed_or_gone_is_so_in_the_rows(words, project, capsys):
    run(words)
    before = stored(project)
    edit(
        words,
        lambda rows: (
            [[file, text.replace("number 3", "NUMBER 3"), who] for file, text, who in rows[:30]]
            + corpora.spoken(42, 4)[40:]
        ),
    )
    for number in (40, 41):
        sound = corpora.sound(1.0, 8_000, seed=number)
        (words / f"clips/{number}.wav").write_bytes(corpora.written(sound, 8_000))
    run(words, "2026-11-22")
    after = stored(project)
    assert after["clip_id"].nunique() == 32
    again = after.groupby("clip_id")["added_at"].max().astype(str)
    texts = after.groupby("clip_id")["text_raw"].last()
    assert (again[texts.str.contains("NUMBER 3|4[01]")] == "2026-11-22").all()
    assert (after["added_at"].astype(str) == "2026-11-21").sum() <= len(before) - 10
    assert "removed" in capsys.readouterr().out


def test_another_source_is_tested_on_and_this_one_trains(words, project, tmp_path):
    other = corpora.metadata_folder(tmp_path / "others", corpora.spoken(45, speakers=5)[40:])
    run(words, test_source=str(other))
    rows = stored(project)
    assert set(rows.loc[rows["split"] == "test", "corpus"]) == {"others"}
    assert (rows["split"] == "test").sum() == 5
    trained = rows[rows["split"] == "train"]
    assert trained["speaker"].nunique() == 4
    assert (rows["split"] == "validation").sum() == 4


def test_a_split_that_is_elsewhere_now_leaves_nothing_behind(words, project, tmp_path):
    run(words)
    other = corpora.metadata_folder(tmp_path / "others", corpora.spoken(45, speakers=5)[40:])
    run(words, test_source=str(other))
    rows = stored(project)
    assert set(rows.loc[rows["split"] == "test", "corpus"]) == {"others"}
    assert len(rows) == 45


def test_sound_that_is_in_training_and_test_is_told(words, project, tmp_path, caplog):
    run(words, test_source=str(words))
    assert "40 clips to train on or validate with are also in the test split" in caplog.text


def test_labels_are_by_the_tokenizer_of_the_shards_that_are_there(words, project, tmp_path):
    run(words)
    folder = storage.folder(project)
    first = shards.tokenizer_in(folder)
    assert len(first.label("words number", "en")) == 2
    other = corpora.metadata_folder(tmp_path / "others", corpora.spoken(20, 4))
    run(other, tokenizer=None)
    run(other, tokenizer="train")
    assert shards.tokenizer_in(folder) == first
    labels.train([" another"]).save(tmp_path / "another")
    with pytest.raises(UserError, match="another tokenizer"):
        run(other, tokenizer=str(tmp_path / "another"))
    assert len(stored(project)) == 60


def test_the_tokenizer_is_made_of_what_trains_only(words):
    said = list(feature_pipeline.texts(str(words), language="en"))
    assert sum(map(bool, said)) < 30
    assert all(text.startswith(" words number ") for text in filter(None, said))


def test_without_a_network_one_sentence_says_which_flag(words, project, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"--tokenizer openai/whisper-small: .* or train"):
        run(words, tokenizer=None)
    with pytest.raises(SourceError, match="no such file"):
        run(words / "nothing")
    assert set(runs.recent(project)["status"]) == {"failure"}


def test_machines_may_make_the_parts(words, project):
    sent = []

    def mapper(function, parts):
        for part in parts:
            sent.append(part)
            yield function(part)

    run(words, mapper=mapper)
    assert {part.path.parent.name for part in sent} == {"train", "validation", "test"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a file that can be waited for")
def test_a_run_that_is_stopped_goes_on(tmp_path, home):
    rows = [
        [file.replace("/", f"/{split}"), text, who + split, split]
        for split in ("test", "train")
        for file, text, who in corpora.spoken(3)
    ]
    folder = corpora.metadata_folder(tmp_path / "words", rows, "file_name,sentence,speaker,split")
    place = home.joinpath("projects/local", storage.KEPT)
    waiting = folder / "clips/train1.wav"
    sound = waiting.read_bytes()
    waiting.unlink()
    os.mkfifo(waiting)
    options = {"--source": str(folder), "--tokenizer": "train", "--processes": "1"}
    command = [sys.executable, "-m", "whisper.feature_pipeline", *chain(*options.items())]
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=ROOT, **piped)
    said = next(line for line in process.stderr if "clips made" in line)
    assert said.startswith("3 clips made")
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == runs.TERMINATED
    made = {path: path.stat().st_ino for path in shards.files(place)}
    assert len(made) == 1
    waiting.unlink()
    waiting.write_bytes(sound)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("6 clips")
    assert "2 parts made, 1 were there" in done.stderr
    assert all(path.stat().st_ino == inode for path, inode in made.items())
