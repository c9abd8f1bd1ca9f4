"""Training makes a model when it is due, scores it on later hours, and keeps the better one."""

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import fti
from aurora import feature_pipeline, features, model, scoring, training, training_pipeline
from aurora.training_pipeline import RECIPE, is_due
from fti import models, rows, runs
from fti.errors import UserError
from fti.training import Train, read_record

ROOT = Path(__file__).parents[2]
SINCE, DAY, LATER = "2025-09-20", dt.date(2025, 12, 1), dt.date(2025, 12, 4)
PROMISED = ("auc", "average_precision", "brier", "dark_auc", "dark_brier_skill")
NEWEST = pd.Timestamp("2025-12-01T06:00Z")
CLOSED = "http://127.0.0.1:9"  # nothing listens there


@pytest.fixture(scope="module")
def first_training(tmp_path_factory):
    """A folder of projects in which a model of ten weeks of the sample was trained."""
    folder = tmp_path_factory.mktemp("first_training") / "fti"
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("FTI_PROJECT", raising=False)
        environment.setenv("FTI_BACKEND", "embedded")
        environment.setenv("FTI_HOME", str(folder))
        feature_pipeline.main("sample", DAY, since=SINCE)
        training_pipeline.main(date=DAY, train=Train.due)
    return folder


@pytest.fixture
def trained(first_training, home):
    """A project with that model."""
    shutil.copytree(first_training, home)
    return fti.login()


def hours_of(project):
    """The stored hours, in order, times in UTC."""
    table = features.in_utc(rows.stored(project.get_feature_store(), "aurora_hours"))
    return table.sort_values("valid_hour", ignore_index=True)


def last_message(project):
    return runs.recent(project, 1)["message"][0]


def command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "aurora.training_pipeline", *arguments],
        cwd=ROOT, env={**os.environ, "PYTHONUTF8": "1", **environment},
        capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip


# What is registered


def test_the_model_is_registered_with_scores_record_and_both_forms(trained):
    current = models.load_model(trained, "aurora", trusted=model.TRUSTED)
    assert list(current.metrics) == list(training.SCORES)
    record = read_record(current.folder)
    held_out = record["held_out"]
    assert {name: held_out[name] for name in training.SCORES} == current.metrics
    assert held_out["brier"] < held_out["climatology"]["brier"]
    assert set(held_out["by_lead"]) == {"0", "6", "24", "72"}
    assert (record["recipe"], record["model"], record["date"]) == (RECIPE, model.OURS, str(DAY))
    assert record["verdict"].startswith("accepted: brier")

    table = hours_of(trained)
    said = current.model.predict_proba(table)
    scorer = scoring.load_scorer(current.folder)
    np.testing.assert_allclose(scorer.predict_proba(table), said, atol=1e-4)
    baselines = scoring.load_baselines(current.folder)
    assert (baselines.climatology(table) >= 0).all()


def test_the_record_says_which_hours_were_trained_on_and_which_scored(trained):
    record = read_record(models.fetch_model(trained, "aurora").folder)
    held_out, table = record["held_out"], hours_of(trained)
    first, trained_until = (pd.Timestamp(held_out[name]) for name in ("from", "trained_until"))
    assert first - trained_until > pd.Timedelta(days=1)
    watched = table[table["aurora"] != "unknown"]
    assert first.hour == 12 and pd.Timestamp(held_out["until"]) == watched["valid_hour"].max()
    newest = watched.loc[watched["sun_altitude"] < features.WATCHED_SUN, "valid_hour"].max()
    assert pd.Timestamp(record["trained_until"]) == newest
    assert record["rows"] == len(watched)
    dark = watched[watched["sun_altitude"] < features.DARK]
    assert held_out["rows"]["dark"] == (dark["valid_hour"] >= first).sum()
    assert 0.25 <= held_out["rows"]["dark"] / len(dark) < 0.3


def test_the_training_dataset_holds_what_was_there_before_noon(trained):
    record = read_record(models.fetch_model(trained, "aurora").folder)
    view = trained.get_feature_store().get_feature_view("aurora", version=1)
    X, labels = view.get_training_data(record["training_dataset_version"])
    assert len(X) == len(labels) == len(hours_of(trained))
    assert "icon" in X and "site" not in X


# When


def test_a_model_is_not_trained_again_within_a_week(trained):
    feature_pipeline.main("sample", LATER)
    training_pipeline.main(date=LATER, train=Train.due)
    assert last_message(trained) == "not due (--train due)"
    assert models.latest_model(trained, "aurora").version == 1
    assert runs.recent(trained, 1)["model_version"][0] == 1


def test_the_same_hours_pass_the_gate_as_no_worse(trained):
    training_pipeline.main(date=DAY, train=Train.always)
    message = last_message(trained)
    assert message.startswith("accepted: brier") and "on the same" in message
    assert models.latest_model(trained, "aurora").version == 2


@pytest.fixture
def latest(tmp_path):
    """A function that gives a version trained until a moment, by a recipe."""

    def version(until, recipe=RECIPE):
        record = {"recipe": recipe, "trained_until": until.isoformat()}
        (tmp_path / "training.json").write_text(json.dumps(record))
        return SimpleNamespace(download=lambda: str(tmp_path))

    return version


@pytest.mark.parametrize(
    ("days", "recipe", "due"),
    [(6.9, RECIPE, False), (7, RECIPE, True), (0, "older", True)],
)
def test_training_is_due_after_a_week_of_nights_or_with_another_recipe(latest, days, recipe, due):
    current = latest(NEWEST - pd.Timedelta(days=days), recipe)
    assert is_due(Train.due, NEWEST, current) == due


def test_training_is_due_without_a_model_and_as_asked(latest):
    assert is_due(Train.due, NEWEST, None) and is_due(Train.always, NEWEST, latest(NEWEST))
    assert not is_due(Train.never, NEWEST, None)


def test_what_the_gate_refused_is_not_tried_again_for_a_week(latest, project):
    current = latest(NEWEST - pd.Timedelta(days=30))
    assert training_pipeline.refused_until(project) is None
    for days, recipe, accepted in ((9, RECIPE, False), (3, RECIPE, True), (1, "older", False)):
        with fti.run(project, "aurora", "training", DAY) as run:
            until = (NEWEST - pd.Timedelta(days=days)).isoformat()
            run.details = {"recipe": recipe, "trained_until": until, "accepted": accepted}
    refused = training_pipeline.refused_until(project)
    assert refused == NEWEST - pd.Timedelta(days=9)
    assert is_due(Train.due, NEWEST, current, refused)
    assert not is_due(Train.due, NEWEST, current, NEWEST - pd.Timedelta(days=3))
    assert not is_due(Train.due, NEWEST, latest(NEWEST, "older"), NEWEST)


# The gate


def test_the_gate_refuses_a_worse_candidate_on_the_same_hours(trained):
    from aurora import evaluation

    table = hours_of(trained)
    _, test = evaluation.split(table)
    given = table.loc[test, ["valid_hour"]].assign(
        seen=(table.loc[test, "aurora"] == "yes").astype(int),
        dark=table.loc[test, "sun_altitude"] < features.DARK,
        climatology=0.1,
        ours=0.3,
    )
    refused = training.meet(model.Climatology(), table, given)
    assert not refused.accepted and "on the same" in refused.reason
    assert training.meet(model.Climatology(), table, given.assign(ours=given["seen"])).accepted
    assert training.meet(None, table, given).accepted


def test_too_few_hours_make_no_model_and_the_current_one_stays(trained):
    training_pipeline.main(date=dt.date(2025, 10, 1), train=Train.always)
    message = last_message(trained)
    assert message.startswith("No model is made of ") and message.endswith("; version 1 stays")
    assert models.latest_model(trained, "aurora").version == 1


def test_without_a_model_too_few_hours_are_one_sentence(home):
    feature_pipeline.main("sample", DAY, since="2025-11-25")
    with pytest.raises(UserError, match=r"dark hours.* to train on.*takes 200 each.*--source DIR"):
        training_pipeline.main(date=DAY, train=Train.due)
    assert models.latest_model(fti.login(), "aurora") is None


def test_training_without_hours_is_one_sentence(home):
    with pytest.raises(UserError, match=r"python -m aurora\.feature_pipeline"):
        training_pipeline.main(date=DAY)


# Evaluation


def test_evaluating_a_folder_prints_scores_and_touches_nothing_else(season_folder, home):
    folder = season_folder("2025-09-01", "2025-11-20")
    dates = ["--train-until", "2025-10-31", "--evaluate-from", "2025-11-01"]
    printed = command("--source", folder, *dates, "--evaluate-only", HTTPS_PROXY=CLOSED)
    assert printed.returncode == 0, printed.stderr
    found = json.loads(printed.stdout.splitlines()[-1], parse_constant=pytest.fail)
    for scores in (found, *(found[name] for name in ("seed_tree", "climatology", "persistence"))):
        assert all(isinstance(scores[name], float) for name in PROMISED)
    assert {"by_lead", "reliability", "rows", "spread"} <= set(found)
    bounds = [found[name] for name in ("trained_until", "from", "until")]
    assert bounds == [
        "2025-10-31T23:00:00+00:00",
        "2025-11-01T00:00:00+00:00",
        "2025-11-19T23:00:00+00:00",
    ]
    assert not home.exists()


def test_labels_beyond_weather_and_kp_are_scored_as_unknown_hours(season_folder, home, capsys):
    folder = Path(season_folder("2025-09-20", "2025-11-10"))
    labels = json.loads((folder / "labels.json").read_text())
    labels["labels"] += ["no"] * 36
    (folder / "labels.json").write_text(json.dumps(labels))
    training_pipeline.main(str(folder), evaluate_only=True)
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["until"] == "2025-11-11T11:00:00+00:00"
    assert not home.exists()


def test_days_to_evaluate_need_the_option_that_evaluates(home):
    with pytest.raises(UserError, match="need --evaluate-only"):
        training_pipeline.main(train_until=DAY)
    assert not home.exists()
