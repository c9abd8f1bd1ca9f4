"""Titanic's days from raw passengers to published files, on a project in a folder."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import fti
import titanic.__main__ as day
from fti import models, runs, training
from fti.errors import SourceError, SourceUnreachable, UserError
from fti.inference import Rows
from fti.training import Train
from titanic import batch_inference_pipeline, feature_pipeline, scoring, sources, training_pipeline
from titanic.features import TASK

ROOT = Path(__file__).parents[2]
FIRST, SECOND = "2026-01-30", "2026-01-31"
GROUPS = ("titanic_passengers", "titanic_synthetic_passengers", "titanic_predictions")
CLOSED = "http://127.0.0.1:9"  # nothing listens there


def write_csv(raw, path):
    headers = {name: column.header for name, column in sources.COLUMNS.items()}
    raw.rename(columns=headers).to_csv(path, index=False)
    return str(path)


def stored():
    """Every row of every feature group but that of the runs."""
    store = fti.login().get_feature_store()
    groups = {name: store.get_feature_group(name, version=1) for name in GROUPS}
    return {
        name: group.read().sort_values(group.primary_key, ignore_index=True)
        for name, group in groups.items()
        if group
    }


def commits(name):
    group = fti.login().get_feature_store().get_feature_group(name, version=1)
    return len(group.commit_details())


def published(name):
    return fti.read_published(fti.login(), "titanic", name)


def last_runs(n=3):
    records = runs.recent(fti.login(), n).iloc[::-1]
    return list(zip(records["pipeline"], records["date"], records["status"], strict=True))


def command(*arguments, module="titanic"):
    environment = {**os.environ, "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", module, *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip


@pytest.fixture(scope="session")
def csv(tmp_path_factory):
    """The first 300 passengers of the sample, as a file."""
    return write_csv(sources.sample().head(300), tmp_path_factory.mktemp("source") / "some.csv")


@pytest.fixture(scope="session")
def first_day(csv, tmp_path_factory):
    """A folder of projects in which the first day has run."""
    folder = tmp_path_factory.mktemp("first_day") / "fti"
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("FTI_PROJECT", raising=False)
        environment.setenv("FTI_BACKEND", "embedded")
        environment.setenv("FTI_HOME", str(folder))
        feature_pipeline.main(csv, FIRST)
        training_pipeline.main(date=FIRST, repeats=1)
        batch_inference_pipeline.main(FIRST)
    return folder


@pytest.fixture
def trained(first_day, home):
    """A project in which the first day has run."""
    shutil.copytree(first_day, home)
    return fti.login()


# The days


def test_the_first_day_leaves_rows_a_model_files_and_run_records(trained):
    tables = stored()
    assert {name: len(table) for name, table in tables.items()} == {
        "titanic_passengers": 300,
        "titanic_synthetic_passengers": 1,
        "titanic_predictions": 301,
    }
    assert not tables["titanic_predictions"].duplicated(["passenger_id", "model_version"]).any()
    assert last_runs() == [
        ("feature", FIRST, "success"),
        ("training", FIRST, "success"),
        ("batch_inference", FIRST, "success"),
    ]
    recent, summary = published("monitor.parquet"), published("monitor.json")
    assert len(recent) == 301 and recent["outcome"].notna().all()
    assert (summary["model"]["version"], summary["real"]["outcomes"]) == (1, 300)
    assert summary["freshness"]["run_date"] == FIRST
    assert published("report.html").startswith("<!doctype html>")


def test_a_day_run_again_changes_nothing(trained, csv):
    before, passengers = stored(), commits("titanic_passengers")
    day.main(csv, FIRST)
    for name, table in stored().items():
        assert_frame_equal(table, before[name])
    assert commits("titanic_passengers") == passengers
    assert models.latest_model(trained, "titanic").version == 1
    assert len(runs.recent(trained)) == 6


def test_the_next_day_adds_one_synthetic_passenger_and_its_prediction(trained, csv):
    before = stored()
    day.main(csv, SECOND)
    after = stored()
    assert_frame_equal(after["titanic_passengers"], before["titanic_passengers"])
    new = after["titanic_synthetic_passengers"].tail(1)
    assert len(after["titanic_synthetic_passengers"]) == 2
    assert new["generated_at"].iloc[0] == pd.Timestamp(SECOND)
    added = after["titanic_predictions"].tail(1)
    assert len(after["titanic_predictions"]) == 302
    assert list(added["passenger_id"]) == list(new["passenger_id"])
    assert len(published("monitor.json")["synthetic"]["history"]) == 2


def test_real_passengers_get_out_of_fold_probabilities_and_synthetic_ones_the_scorers(trained):
    current = models.fetch_model(trained, "titanic")
    rows = stored()["titanic_predictions"].set_index("passenger_id")
    held_out = training.read_out_of_fold(current.folder)
    assert rows.loc[~rows["is_synthetic"], "probability"].to_dict() == {
        key: given[1] for key, given in held_out.items()
    }

    scorer = scoring.load_scorer(current.folder)
    synthetic = stored()["titanic_synthetic_passengers"]
    expected = scoring.probabilities(scorer, synthetic)
    assert list(rows.loc[synthetic["passenger_id"], "probability"]) == list(expected)


def test_retraining_on_the_same_rows_passes_the_gate_and_old_predictions_stay(trained, csv):
    day.main(csv, SECOND, synthetic=20)
    before = stored()["titanic_predictions"]
    training_pipeline.main(date=SECOND, train=Train.always, repeats=1)
    batch_inference_pipeline.main(SECOND)

    message = runs.recent(trained, 2)["message"].iloc[1]
    assert message.startswith("accepted") and "on the same 300 rows" in message
    after = stored()["titanic_predictions"]
    old = after[after["model_version"] == 1].sort_values("passenger_id", ignore_index=True)
    assert_frame_equal(old, before)
    assert after["model_version"].value_counts().to_dict() == {1: 321, 2: 321}
    # though 21 synthetic passengers were there by then
    made_of = training.read_record(models.fetch_model(trained, "titanic").folder)
    assert (made_of["rows"], made_of["repeats"]) == (300, 1)
    view = trained.get_feature_store().get_feature_view("titanic", version=1)
    X, _ = view.get_training_data(made_of["training_dataset_version"])
    assert len(X) == 300


def test_a_corrected_passenger_makes_training_due(trained, csv, tmp_path):
    def due():
        view = training_pipeline.feature_view(fti.login().get_feature_store())
        data = training.fingerprint(view.query.read())
        latest = models.latest_model(trained, "titanic")
        return training.is_due(Train.due, TASK.recipe, data, latest)

    day.main(csv, SECOND)
    assert not due()
    raw = sources.read(csv)
    raw.loc[7, "age"] = 44.0
    day.main(write_csv(raw, tmp_path / "corrected.csv"), SECOND, train=Train.never)
    assert stored()["titanic_passengers"]["age"][7] == 44.0
    assert len(stored()["titanic_passengers"]) == 300
    assert due()


def test_a_model_that_the_gate_refused_is_not_trained_again_every_day(trained, csv, tmp_path):
    raw = sources.read(csv)
    raw.loc[7, "age"] = 44.0
    corrected = write_csv(raw, tmp_path / "corrected.csv")
    day.main(corrected, SECOND, train=Train.never)
    data = training.fingerprint(
        training_pipeline.feature_view(trained.get_feature_store()).query.read()
    )
    with fti.run(trained, "titanic", "training", SECOND) as run:
        run.message = "refused: log_loss"
        run.details = {"data": data, "recipe": TASK.recipe, "accepted": False}

    training_pipeline.main(date=SECOND, train=Train.due)

    assert models.latest_model(trained, "titanic").version == 1
    assert "not due" in runs.recent(trained, 1)["message"][0]


def test_the_course_s_passengers_run_through_the_day(passengers, home):
    course = ROOT.parent / "shared" / "data" / "titanic" / "titanic.csv"
    feature_pipeline.main(str(course), FIRST)
    training_pipeline.main(date=FIRST, repeats=1)
    batch_inference_pipeline.main(FIRST)
    summary = published("monitor.json")
    assert summary["model"]["rows"] == summary["real"]["outcomes"] == 891
    metrics, baselines = summary["model"]["metrics"], summary["model"]["baselines"]
    assert all(metrics["log_loss"] < scores["log_loss"] for scores in baselines.values())
    before = stored()
    day.main(str(course), FIRST)
    for name, table in stored().items():
        assert_frame_equal(table, before[name])
    assert commits("titanic_passengers") == 1


# Options


@pytest.mark.parametrize(("which", "predicted"), [("real", 300), ("synthetic", 5), ("both", 305)])
def test_those_who_were_asked_for_are_predicted(first_day, home, csv, which, predicted):
    shutil.copytree(first_day, home)
    group = fti.login().get_feature_store().get_feature_group("titanic_predictions", version=1)
    group.delete()
    day.main(csv, FIRST, synthetic=5, passengers=Rows(which))
    assert len(stored()["titanic_predictions"]) == predicted
    summary = published("monitor.json")
    outcomes = summary["real"]["outcomes"], summary["synthetic"]["outcomes"]
    assert outcomes == (300 * (which != "synthetic"), 5 * (which != "real"))


def test_predicting_one_kind_keeps_the_other_in_the_published_files(trained, csv):
    day.main(csv, SECOND, passengers=Rows.synthetic)
    assert published("monitor.json")["real"]["outcomes"] == 300


def test_drift_calls_for_action_only_when_there_is_some(trained, csv):
    day.main(csv, FIRST, synthetic=1000)
    assert len(stored()["titanic_synthetic_passengers"]) == 1000
    calm = {row["feature"]: row["status"] for row in published("monitor.json")["drift"]}
    assert "act" not in calm.values()
    day.main(csv, SECOND, synthetic=1000, drift=1.0)
    moved = {row["feature"]: row["status"] for row in published("monitor.json")["drift"]}
    assert moved["age"] == moved["fare"] == "act"
    assert moved["sex"] == "stable"


def test_evaluating_prints_scores_and_registers_nothing(home, tmp_path):
    csv = write_csv(sources.sample().head(150), tmp_path / "some.csv")
    printed = command(
        "--source", csv, "--evaluate-only", "--repeats", "1", module="titanic.training_pipeline"
    )
    assert printed.returncode == 0, printed.stderr
    scores = json.loads(printed.stdout.splitlines()[-1])
    assert {"accuracy", "auc", "log_loss", "brier", "baselines"} <= scores.keys()
    assert "majority" in scores["baselines"]
    assert not home.exists()


def test_the_command_takes_the_built_in_sample(home):
    with_sample = command("--source", "sample", "--train", "never", "--date", FIRST)
    assert with_sample.returncode == 1
    assert with_sample.stdout == "1316 passengers, 1316 new or changed; 1 invented\n" + (
        "not due (--train never)\n"
    )
    assert "Traceback" not in with_sample.stderr
    assert len(stored()["titanic_passengers"]) == 1316


# What goes wrong


def test_a_bad_source_is_one_sentence_and_changes_nothing(trained, csv, tmp_path):
    before = stored()
    bad = tmp_path / "bad.csv"
    bad.write_text(Path(csv).read_text().replace(",male,", ",man,", 1))
    failed = command("--source", str(bad), "--date", SECOND)
    assert failed.returncode == 1 and failed.stdout == ""
    assert "Traceback" not in failed.stderr and "'man'" in failed.stderr.splitlines()[-1]
    for name, table in stored().items():
        assert_frame_equal(table, before[name])
    assert last_runs(1) == [("feature", SECOND, "failure")]
    assert "'man'" in runs.recent(trained, 1)["message"][0]


def test_a_missing_source_names_the_sample(home, tmp_path):
    with pytest.raises(SourceError, match=r"there is no such file.*--source sample"):
        day.main(str(tmp_path / "none.csv"), FIRST)
    assert last_runs() == [("feature", FIRST, "failure")]


def test_without_network_the_day_ends_with_69_and_names_the_sample(home, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, CLOSED)
        monkeypatch.delenv(name.lower(), raising=False)
    failed = command("--date", FIRST)
    assert failed.returncode == SourceUnreachable.exit_code == 69
    assert "--source sample" in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr
    assert last_runs() == [("feature", FIRST, "failure")]


def test_other_people_under_the_same_numbers_are_refused(trained, csv, tmp_path):
    before = stored()
    others = sources.sample(seed=1).head(300)
    with pytest.raises(UserError, match=r"holds other passengers.*FTI_PROJECT"):
        day.main(write_csv(others, tmp_path / "others.csv"), SECOND)
    for name, table in stored().items():
        assert_frame_equal(table, before[name])


def test_predicting_without_a_model_is_one_sentence(home, csv):
    with pytest.raises(UserError) as raised:
        day.main(csv, FIRST, train=Train.never)
    assert "titanic" in str(raised.value) and "\n" not in str(raised.value)
    assert [status for *_, status in last_runs()] == ["success", "success", "failure"]


def test_training_without_passengers_is_one_sentence(home):
    with pytest.raises(UserError, match=r"python -m titanic\.feature_pipeline"):
        training_pipeline.main(date=FIRST)


def test_a_table_one_cannot_draw_from_stores_nothing_unless_nothing_is_drawn(home, tmp_path):
    survivors = sources.sample().query("survived == 1").head(2)
    few = write_csv(survivors, tmp_path / "few.csv")

    with pytest.raises(SourceError, match="survived and lost"):
        feature_pipeline.main(few, FIRST)
    assert fti.login().get_feature_store().get_feature_group("titanic_passengers", 1) is None

    feature_pipeline.main(few, FIRST, 0)
    assert len(stored()["titanic_passengers"]) == 2
