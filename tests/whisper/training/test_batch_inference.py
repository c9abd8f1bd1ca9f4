"""Recordings go in as files and come out as words, with a small model that was trained here."""

import json
import re
from datetime import date
from itertools import count

import pandas as pd
import pytest

import fti
from fti import rows
from whisper import (
    audio,
    batch_inference_pipeline,
    card,
    evaluation,
    exporting,
    registry,
    shards,
    transcribing,
    weekly,
)
from whisper.clips import TEST

DAY = date(2026, 11, 16)


@pytest.fixture(scope="module")
def model(overfitted, tmp_path_factory):
    """The folder of a model that knows its clips by heart."""
    folder = tmp_path_factory.mktemp("registered") / "model"
    tell = pd.Timestamp("2026-11-15", tz="UTC")
    scores = evaluation.evaluate(
        overfitted.model, overfitted.tokenizer, overfitted.shards, TEST, overfitted.recipe
    )
    facts = card.Facts(card.described(shards.table(overfitted.shards, tell)), {}, scores)
    exporting.export(
        overfitted.model, overfitted.tokenizer, overfitted.recipe, facts, folder, overfitted.shards
    )
    return folder


@pytest.fixture
def recordings(overfitted, tmp_path):
    """A folder of recordings, each with what is said in it, and of one that is damaged."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    spoken = list(shards.read(shards.files(overfitted.shards, split=TEST)))[:4]
    for number, clip in enumerate(spoken):
        (folder / f"{number}.flac").write_bytes(clip.audio)
        (folder / f"{number}.txt").write_text(clip.text_raw)
    (folder / "damaged.mp3").write_bytes(b"<html>not found</html>")
    return folder


@pytest.fixture
def project(project, model, overfitted, monkeypatch):
    """A project with a registered model and shards."""
    monkeypatch.setenv("WHISPER_SHARDS", str(overfitted.shards))
    assert registry.register(project, model) == 1
    return project


def run(recordings, **more):
    """Run the pipeline for a day."""
    batch_inference_pipeline.write_down(str(recordings), **{"date": DAY, "language": "en"} | more)


def test_recordings_come_out_as_the_words_that_are_said_in_them(project, recordings, capsys):
    run(recordings)
    store = project.get_feature_store()
    stored = rows.stored(store, transcribing.GROUP).set_index("title")
    said = {path.stem: path.read_text() for path in recordings.glob("*.txt")}
    assert set(stored.index) == {f"{name}.flac" for name in said}
    right = [stored.loc[f"{name}.flac", "text"] == text for name, text in said.items()]
    assert sum(right) >= 3
    assert stored["wer"].tolist() == [0.0 if one else 1.0 for one in sorted(right, reverse=True)]
    assert stored["cer"].isna().all()
    assert (stored["seconds"] > 0).all()
    (line,) = capsys.readouterr().out.splitlines()
    assert line == "4 recordings written down by model version 1, 1 could not be read"


def test_the_same_run_again_adds_nothing_and_a_new_recording_is_the_only_one(project, recordings):
    run(recordings)
    store = project.get_feature_store()
    before = rows.stored(store, transcribing.GROUP)
    (recordings / "0.flac").rename(recordings / "moved.flac")
    run(recordings, date=date(2026, 11, 17))
    again = rows.stored(store, transcribing.GROUP)
    assert len(again) == len(before) == 4
    samples = audio.decode(recordings / "1.flac")
    (recordings / "new.flac").write_bytes(audio.encode(0.5 * samples))
    run(recordings, date=date(2026, 11, 18))
    assert len(rows.stored(store, transcribing.GROUP)) == 5


def test_what_is_published_has_texts_scores_and_failures(project, recordings):
    run(recordings)
    told = fti.read_published(project, "whisper", "transcripts.json")
    assert told["recordings"] == len(told["transcripts"]) == 4
    assert told["failed"][0]["title"] == "damaged.mp3"
    assert told["failed"][0]["reason"].startswith("damaged.mp3: it is damaged, or no audio")
    assert {row["language"] for row in told["evaluations"]} == {"all", "en"}
    table = fti.read_published(project, "whisper", "transcripts.parquet")
    assert sorted(table["title"]) == ["0.flac", "1.flac", "2.flac", "3.flac"]
    page = fti.read_published(project, "whisper", "report.html")
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert json.loads(held[1]) == told["transcripts"]


def test_the_model_is_scored_once_a_week(project, overfitted):
    model = registry.fetch(project)
    days = [date(2026, 11, 16), date(2026, 11, 20), date(2026, 11, 23)]
    found = [len(weekly.evaluate(project, model, day)) for day in days]
    assert found == [2, 2, 4]
    known = weekly.evaluate(project, model, days[-1], weekly.When.never)
    assert known["data"].nunique() == 1
    assert known["error_rate"].max() <= model.scores["error_rate_high"]
    assert weekly.drops(known, model.scores) == []


def test_machines_elsewhere_get_jobs_and_give_outcomes(project, recordings):
    sent = count()

    def mapper(function, jobs):
        """Hand out jobs as Modal does, the last one first."""
        for job in reversed(list(jobs)):
            next(sent)
            yield function(job)

    run(recordings, mapper=mapper, evaluate=weekly.When.never)
    assert next(sent) == 5
    assert len(rows.stored(project.get_feature_store(), transcribing.GROUP)) == 4
