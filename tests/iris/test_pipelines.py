"""Iris' days from raw flowers to published files, on a project in a folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

import fti
import iris.__main__ as day
from fti import linear, models, monitor, runs
from fti.errors import SourceError, UserError
from fti.inference import Rows
from fti.training import Train
from iris import batch_inference_pipeline, feature_pipeline, training_pipeline
from iris.features import TASK, VARIETIES

ROOT = Path(__file__).parents[2]
FIRST, SECOND = "2026-01-30", "2026-01-31"
GROUPS = ("iris_flowers", "iris_synthetic_flowers", "iris_predictions")


def stored():
    """Every row of every feature group but that of the runs."""
    store = fti.login().get_feature_store()
    groups = {name: store.get_feature_group(name, version=1) for name in GROUPS}
    return {
        name: group.read().sort_values(group.primary_key, ignore_index=True)
        for name, group in groups.items()
        if group
    }


def published(name):
    return fti.read_published(fti.login(), "iris", name)


def command(*arguments, module="iris"):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", module, *arguments],
        cwd=ROOT, env={**os.environ, "PYTHONUTF8": "1"}, capture_output=True, text=True,
        encoding="utf-8",
    )  # fmt: skip


@pytest.fixture
def first_day(home):
    """A project in which the first day has run, scored once instead of ten times."""
    feature_pipeline.main(None, FIRST)
    training_pipeline.main(date=FIRST, repeats=1)
    batch_inference_pipeline.main(FIRST)
    return fti.login()


def test_a_day_run_twice_leaves_the_same_rows_one_model_and_files(first_day):
    before = stored()
    assert {name: len(table) for name, table in before.items()} == {
        "iris_flowers": 150,
        "iris_synthetic_flowers": 1,
        "iris_predictions": 151,
    }
    day.main(date=FIRST)
    for name, table in stored().items():
        assert_frame_equal(table, before[name])
    assert models.latest_model(first_day, "iris").version == 1
    records = runs.recent(first_day, 6)
    assert set(records["status"]) == {"success"} and set(records["date"]) == {FIRST}
    assert published("report.html").startswith("<!doctype html>")


def test_the_next_day_adds_one_flower_and_its_prediction(first_day):
    before = stored()
    day.main(date=SECOND)
    after = stored()
    assert_frame_equal(after["iris_flowers"], before["iris_flowers"])
    assert len(after["iris_synthetic_flowers"]) == 2 and len(after["iris_predictions"]) == 152
    new = after["iris_predictions"].tail(1)
    assert new["flower_id"].item() == after["iris_synthetic_flowers"]["flower_id"].iloc[-1]
    assert new["is_synthetic"].item() and new["predicted"].item() in VARIETIES
    assert len(published("monitor.json")["synthetic"]["history"]) == 2


def test_published_numbers_are_those_of_the_stored_predictions(first_day):
    summary, recent = published("monitor.json"), published("monitor.parquet")
    table = stored()["iris_predictions"]
    flowers = stored()["iris_flowers"].rename(columns={"variety": "outcome"})
    real = table[~table["is_synthetic"]].merge(flowers, on="flower_id")
    assert summary["real"]["accuracy"] == (real["predicted"] == real["outcome"]).mean()
    assert summary["real"]["accuracy"] == monitor.scores(TASK, real)["accuracy"]
    assert sum(row["n"] for row in summary["real"]["confusion"]) == 150
    assert len(recent) == 151
    assert summary["model"]["metrics"]["accuracy"] >= 0.97


def test_real_flowers_are_shown_with_what_was_said_out_of_fold(first_day):
    current = models.fetch_model(first_day, "iris")
    columns = TASK.probability_columns
    real = stored()["iris_predictions"].query("not is_synthetic")
    in_fold = linear.load(current.folder).predict_proba(stored()["iris_flowers"])
    assert abs(real[columns].to_numpy() - in_fold).max() > 1e-3
    assert real[columns].sum(axis=1).to_numpy() == pytest.approx(1)


def test_only_the_asked_kind_is_predicted(first_day):
    day.main(date=SECOND, train=Train.never, synthetic=3)
    group = first_day.get_feature_store().get_feature_group("iris_predictions", version=1)
    group.delete()
    batch_inference_pipeline.main(SECOND, Rows.synthetic)
    assert stored()["iris_predictions"]["is_synthetic"].tolist() == [True] * 4


def test_many_synthetic_flowers_of_a_drifted_day_raise_the_alarm(first_day):
    day.main(date=SECOND, train=Train.never, synthetic=300, drift=1.0)
    found = {row["feature"]: row["status"] for row in published("monitor.json")["drift"]}
    assert found["sepal_length"] == "act"


def test_other_flowers_under_the_same_numbers_are_refused(first_day, tmp_path):
    path = tmp_path / "flowers.csv"
    header = "sepal_length,sepal_width,petal_length,petal_width,variety"
    path.write_text(f"{header}\n5,3,1.5,.2,setosa\n")
    with pytest.raises(UserError, match=r"holds other flowers.*1 of 1.*FTI_PROJECT"):
        feature_pipeline.main(str(path), SECOND, 0)
    assert stored()["iris_flowers"]["sepal_length"][0] == 5.1


def test_a_bad_source_changes_nothing(first_day, tmp_path):
    before = stored()
    with pytest.raises(SourceError, match="there is no such file"):
        day.main(str(tmp_path / "none.csv"), SECOND)
    for name, table in stored().items():
        assert_frame_equal(table, before[name])
    assert runs.recent(first_day, 1)["status"][0] == "failure"


def test_training_without_flowers_is_one_sentence(home):
    with pytest.raises(UserError, match=r"python -m iris\.feature_pipeline"):
        training_pipeline.main(date=FIRST)


def test_the_command_runs_the_day(home):
    ran = command("--date", FIRST, "--train", "never")
    assert ran.returncode == 1 and "Traceback" not in ran.stderr
    assert ran.stdout.splitlines()[0] == "150 flowers, 150 new or changed; 1 invented"


def test_evaluating_prints_scores_and_registers_nothing(home):
    printed = command("--evaluate-only", "--repeats", "1", module="iris.training_pipeline")
    assert printed.returncode == 0, printed.stderr
    scores = json.loads(printed.stdout.splitlines()[-1])
    assert scores["log_loss"] < scores["baselines"]["seed_nearest_neighbours"]["log_loss"]
    assert not home.exists()
