"""The whole way twice: the second time nothing is new, and nothing is done."""

import json

import pytest

from fti import models, runs
from tests.whisper.spoken import recordings
from whisper.__main__ import main

SETTINGS = [
    "d_model=16", "heads=2", "ffn=32", "encoder_layers=1", "decoder_layers=1", "batch_size=8",
    "max_steps=6", "eval_steps=6", "save_steps=6", "max_new_tokens=4", "windows=1.2,2.4",
    "workers=0",
]  # fmt: skip


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    return str(recordings(tmp_path_factory.mktemp("spoken")))


def rows(project):
    """Give the rows of each feature group, those of runs apart."""
    groups = project.get_feature_store().get_feature_groups()
    return {group.name: len(group.read()) for group in groups if group.name != runs.GROUP}


def test_a_day_twice_adds_no_rows_and_trains_nothing_new(project, spoken, capsys):
    def day():
        main(source=spoken, language="en", date="2026-01-30", settings=SETTINGS)
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    first, before = day(), rows(project)
    second = day()
    assert rows(project) == before
    assert before["whisper_clips"] == 30 and before["whisper_evaluations"] > 0
    assert models.latest_model(project, "whisper").version == 1
    assert first.pop("seconds") > second.pop("seconds") > 0
    assert first == second

    assert {"wer", "wer_low", "wer_high", "wer_untrained", "clips", "audio_seconds"} <= set(first)
    assert first["clips"] == first["clips_known_speakers"] + first["clips_new_speakers"]
    assert 0 <= first["wer_low"] <= first["wer"] <= first["wer_high"]

    records = runs.recent(project)
    assert set(records["status"]) == {"success"}
    assert list(records["pipeline"]) == 2 * ["batch_inference", "training", "feature"]
    training = records[records["pipeline"] == "training"]["message"].tolist()
    assert training[0] == "not due (--train due)" and training[1].startswith("accepted")


def test_a_test_source_is_all_that_is_scored(project, spoken, tmp_path, capsys):
    others = recordings(tmp_path / "others", count=12, speakers=2)
    main(source=spoken, test_source=str(others), language="en", settings=SETTINGS)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["clips"] == 12
    clips = project.get_feature_store().get_feature_group("whisper_clips", version=1).read()
    assert (clips["split"] == "test").sum() == 12 and len(clips) == 42
