"""When the training pipeline trains, what it registers, and what it only tells."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from fti import models, runs
from fti.errors import UserError
from fti.training import Train
from tests.whisper.spoken import recordings
from tests.whisper.training.test_day import SETTINGS
from whisper import feature_pipeline, shards
from whisper.training_pipeline import choose, main, run

DATE = "2026-01-30"


@pytest.fixture
def knowing(project, overfitted, monkeypatch, tmp_path):
    """A project whose clips are 20 digits, and whose model knows them by heart."""
    from whisper import card, examination, learning, training

    monkeypatch.setenv("WHISPER_SHARDS", str(overfitted.shards))
    monkeypatch.setenv("WHISPER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    clips = shards.table(overfitted.shards, pd.Timestamp(DATE, tz="UTC"))
    feature_pipeline.store_rows(project, clips, set())
    found = examination.take(
        overfitted.model, overfitted.tokenizer, overfitted.shards, overfitted.recipe
    )
    record = {"recipe": "by-heart", "data": "", "training_dataset_version": 1}
    facts = card.Facts(
        card.described(clips),
        record | {"baselines": found.baselines},
        found.scores,
        found.baselines["untrained"],
    )
    fitted = training.Fitted(overfitted.model, [], 1, 0.0, 1, 1.0, "by-heart")
    learning.register(project, None, fitted, overfitted.recipe, facts, overfitted.shards)
    return replace(overfitted, recipe=replace(overfitted.recipe, max_steps=2, eval_steps=2))


def test_a_model_that_is_worse_is_refused_and_not_trained_again(project, knowing):
    refused = run(knowing.recipe, DATE, Train.due)
    assert refused["message"].startswith("refused: error_rate")
    assert refused["wer"] > 0.5 and refused["model_version"] == 1
    assert models.latest_model(project, "whisper").version == 1

    again = run(knowing.recipe, DATE, Train.due)
    assert again["message"] == "not due (--train due)"
    assert again["wer"] < refused["wer"]  # of the version that stays
    details = [json.loads(text) for text in runs.recent(project)["details"]]
    assert [one.get("accepted") for one in details] == [None, False]


def test_evaluating_only_prints_ours_and_baselines_and_opens_no_project(home, tmp_path, capsys):
    spoken = str(recordings(tmp_path / "spoken"))
    main(source=spoken, language="en", settings=SETTINGS, evaluate_only=True)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(told["baselines"]) == {"untrained", "commonest_text"}
    for scores in (told, *told["baselines"].values()):
        assert scores["wer"] >= 0 and scores["clips"] == told["clips"]
    assert told["wer_commonest_text"] == told["baselines"]["commonest_text"]["wer"] < 1
    assert not (home / "projects").exists()


def test_a_source_without_evaluating_is_refused_as_it_would_not_be_read(home):
    with pytest.raises(UserError, match="need --evaluate-only"):
        main(source="sample")


def test_without_clips_one_sentence_names_the_feature_pipeline(project):
    with pytest.raises(UserError, match=r"python -m whisper\.feature_pipeline"):
        run(choose("tiny"), DATE)
