"""Training makes a model when it is due, scores it on later sales, and keeps the better one."""

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import fti
from fti import models, runs
from fti.errors import UserError
from fti.training import Train, read_record
from housing import automl, groups, model, scoring, seed_scoring, table, training, training_pipeline
from housing import sample as invented
from housing.training_pipeline import RECIPE, is_due
from tests.housing.conftest import BEGINNING, FIRST

ROOT = Path(__file__).parents[2]
NEWEST = pd.Timestamp("2025-06-30", tz="UTC")
PROMISED = ("mape", "mdape", "within_10", "coverage_90", "ms_per_valuation")
CLOSED = "http://127.0.0.1:9"  # nothing listens there


def last_run(project):
    return runs.recent(project, 1).iloc[0]


def sales_of(project):
    return groups.read(project.get_feature_store(), groups.SALES)


# What is registered


def test_the_model_is_registered_with_scores_record_and_both_forms(first_day):
    current = models.load_model(first_day, "housing", trusted=model.TRUSTED)
    assert list(current.metrics) == list(training.SCORES)
    record = read_record(current.folder)
    held_out = record["held_out"]
    assert {name: held_out[name] for name in training.SCORES} == current.metrics
    assert {"by_district", "by_price_band", "by_month", "seed_xgboost"} <= set(held_out)
    assert (record["recipe"], record["date"]) == (RECIPE, str(FIRST))
    assert record["verdict"].startswith("accepted: mape") and record["currency"] == "SEK"

    sales = sales_of(first_day)
    assert record["rows"] == len(sales)
    assert record["trained_until"] == f"{sales['sold_on'].max():%Y-%m-%d}"
    rows = sales[list(table.COLUMNS)].tail(20)
    scorer = scoring.load_scorer(current.folder)
    past = scoring.load_past(current.folder, scorer)
    assert len(past) == len(sales)
    np.testing.assert_allclose(
        scorer.predict(rows, past), current.model.predict(rows, sales[list(table.COLUMNS)])
    )


def test_the_seeds_model_is_registered_beside_it_with_its_own_scores(first_day):
    ours, seed = (
        models.fetch_model(first_day, name) for name in ("housing", "housing_seed_xgboost")
    )
    record = read_record(seed.folder)
    assert seed.manifest["format"] == "ubj" and record["recipe"] == "seed-xgboost-1"
    told = read_record(ours.folder)
    assert seed.metrics["mape"] == told["held_out"]["seed_xgboost"]["mape"]
    assert record["trained_until"] == told["trained_until"]
    assert seed_scoring.load(seed.folder).columns[0] == "number"


def test_the_record_says_what_was_seen_of_each_input(first_day):
    record = read_record(models.fetch_model(first_day, "housing").folder)
    sales = sales_of(first_day)
    area = record["ranges"]["living_area_m2"]
    assert (area["min"], area["max"]) == (
        sales["living_area_m2"].min(), sales["living_area_m2"].max(),
    )  # fmt: skip
    assert area["min"] < area["low"] < area["high"] < area["max"]
    assert set(record["agencies"]) == set(sales["agency"]) - {table.UNKNOWN}
    assert record["districts"][0] == sales["district"].mode()[0]


def test_inputs_that_nobody_knows_have_no_range():
    sales = invented.sales("2025-01-01", "2025-03-01").assign(fee=np.nan, pois_nearby=np.nan)
    told = training.described(sales)
    assert "fee" not in told["ranges"] and "extra_area_m2" in told["ranges"]


def test_the_training_dataset_holds_what_was_sold_up_to_the_date(first_day):
    record = read_record(models.fetch_model(first_day, "housing").folder)
    view = first_day.get_feature_store().get_feature_view("housing", version=1)
    X, labels = view.get_training_data(record["training_dataset_version"])
    assert len(X) == len(labels) == len(sales_of(first_day)) and list(labels) == ["price"]
    assert "policy_rate" in X and not {"sale_id", "currency", "price"} & set(X)


# When


@pytest.fixture
def latest(tmp_path):
    """A function that gives a version trained until some days before NEWEST, by a recipe."""

    def version(days, recipe=RECIPE):
        until = f"{NEWEST - pd.Timedelta(days=days):%Y-%m-%d}"
        (tmp_path / "training.json").write_text(
            json.dumps({"recipe": recipe, "trained_until": until})
        )
        return SimpleNamespace(download=lambda: str(tmp_path))

    return version


@pytest.mark.parametrize(
    ("days", "recipe", "due"), [(29, RECIPE, False), (30, RECIPE, True), (0, "older", True)]
)
def test_training_is_due_after_a_month_of_sales_or_with_another_recipe(latest, days, recipe, due):
    assert is_due(Train.due, NEWEST, latest(days, recipe)) == due


def test_training_is_due_without_a_model_and_as_asked(latest):
    assert is_due(Train.due, NEWEST, None) and is_due(Train.always, NEWEST, latest(0))
    assert not is_due(Train.never, NEWEST, None)


def test_what_the_gate_refused_is_not_tried_again_for_a_month(latest, project):
    assert training_pipeline.refused_until(project) is None
    for days, recipe, accepted in ((40, RECIPE, False), (3, RECIPE, True), (1, "older", False)):
        with fti.run(project, "housing", "training", FIRST) as run:
            until = f"{NEWEST - pd.Timedelta(days=days):%Y-%m-%d}"
            run.details = {"recipe": recipe, "trained_until": until, "accepted": accepted}
    refused = training_pipeline.refused_until(project)
    assert refused == NEWEST - pd.Timedelta(days=40)
    assert is_due(Train.due, NEWEST, latest(90, "older"), refused)
    assert not is_due(Train.due, NEWEST, latest(90, "older"), NEWEST - pd.Timedelta(days=3))


# The gate


def verdict(project, mape):
    """What a model of another recipe with this error meets; the current one is fitted again."""
    sales = training.known(sales_of(project))
    report = {"mape": mape, "rows": {"test": len(training.evaluation.split(sales)[1])}}
    return training.meet(project, sales, report, "another-recipe-1")


def test_another_recipe_meets_the_current_model_on_the_same_sales(first_day):
    better, worse = (verdict(first_day, mape) for mape in (0.1, 90.0))
    assert better.accepted and "on the same" in better.reason
    assert not worse.accepted and worse.reason.startswith("refused: mape 90.0000 against")


def test_the_same_recipe_is_not_compared_with_itself(first_day):
    report = {"mape": 90.0, "rows": {"test": 1}}
    found = training.meet(first_day, sales_of(first_day), report, RECIPE)
    assert found.accepted and found.reason == "accepted: the recipe of version 1, refitted"


# What keeps it from training


def test_too_few_sales_make_no_model_and_the_current_one_stays(first_day):
    training_pipeline.main(date=BEGINNING + timedelta(days=60), train=Train.always)
    said = last_run(first_day)["message"]
    assert said.endswith("it takes 300 to make a model; version 1 stays")
    assert models.latest_model(first_day, "housing").version == 1


def test_without_a_model_too_few_sales_are_one_sentence(home, store):
    rows = invented.sales("2025-01-01", "2025-01-11").assign(
        policy_rate=1.0, unemployment=1.0, gdp_growth=1.0
    )
    groups.add(store, groups.SALES, rows)
    with pytest.raises(UserError, match=r"There are \d+ sales up to .*it takes 300.*--source"):
        training_pipeline.main(date=date(2025, 2, 1), train=Train.due)


def test_training_without_sales_is_one_sentence(home):
    with pytest.raises(UserError, match=r"python -m housing\.feature_pipeline"):
        training_pipeline.main(date=FIRST)


def test_a_day_to_train_until_needs_the_option_that_evaluates(home):
    with pytest.raises(UserError, match="needs --evaluate-only"):
        training_pipeline.main(train_until=FIRST)
    assert not home.exists()


@pytest.mark.parametrize("preset", ["best", "none", None])
def test_a_preset_is_one_of_those_that_are_known(preset):
    if preset == "best":
        with pytest.raises(UserError, match="medium_quality, good_quality or none"):
            training_pipeline.chosen_preset(preset, "none")
    else:
        assert training_pipeline.chosen_preset(preset, "none") is None


@pytest.mark.skipif(automl.installed(), reason="AutoGluon is installed")
def test_without_autogluon_asking_for_it_is_one_sentence(home):
    with pytest.raises(UserError, match=r"housing-automl\.txt"):
        training_pipeline.main(date=FIRST, automl="medium_quality")


# Evaluation


def test_evaluating_a_file_prints_scores_and_touches_nothing_else(market, home):
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-m", "housing.training_pipeline"),
            *("--source", market(FIRST), "--train-until", "2025-06-30", "--evaluate-only"),
            *("--automl", "none"),
        ],
        cwd=ROOT, env={**os.environ, "PYTHONUTF8": "1", "HTTPS_PROXY": CLOSED},
        capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1], parse_constant=pytest.fail)
    assert all(isinstance(found[name], float) for name in PROMISED)
    seeds = set(PROMISED) - {"coverage_90"}
    assert all(isinstance(found["seed_xgboost"][name], float) for name in seeds)
    assert found["train_until"] <= "2025-06-30" and found["rows"]["test"] > 50
    assert not home.exists()
