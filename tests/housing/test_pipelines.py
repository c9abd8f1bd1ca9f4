"""Housing's days from sources to published files, on a project in a folder."""

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import fti
import housing.__main__ as day
from fti import models, runs
from fti.errors import SourceError, UserError
from fti.training import Train
from housing import (
    batch_inference_pipeline,
    comparables,
    groups,
    sample,
    scoring,
    table,
)
from tests.housing.conftest import FIRST

ROOT = Path(__file__).parents[2]
SECOND, LATER = FIRST + timedelta(days=1), FIRST + timedelta(days=31)
CLOSED = "http://127.0.0.1:9"  # nothing listens there


def test_a_day_run_twice_adds_no_rows_and_no_model(first_day, market, stored, published):
    before, files = stored(), published()
    day.main(market(FIRST), FIRST)
    for name, rows in stored().items():
        assert_frame_equal(rows, before[name])
    assert models.latest_model(first_day, "housing").version == 1
    assert published() == files
    records = runs.recent(first_day, 3)
    assert set(records["status"]) == {"success"} and set(records["date"]) == {str(FIRST)}
    assert not records["rows_out"].any()


def test_listings_are_valued_before_they_are_sold_and_scored_when_they_are(
    first_day, market, stored, published
):
    before = stored()["housing_valuations"]
    assert before["is_listing"].all() and len(before) == len(stored()["housing_listings"])
    assert published()["live"]["scored"] == 0
    later = FIRST + timedelta(days=20)
    day.main(market(later), later, train=Train.never)
    after, sales = stored()["housing_valuations"], stored()["housing_sales"]
    kept = after.merge(before[["sale_id", "model_version"]])
    assert_frame_equal(kept, before)
    sold = before["sale_id"].isin(sales["sale_id"])
    assert sold.sum() > 3
    live = published()["live"]
    assert live["scored"] == (sales["sold_on"] > pd.Timestamp(FIRST)).sum()
    assert live["since"] == str(
        sales.loc[sales["sold_on"] > pd.Timestamp(FIRST), "sold_on"].min().date()
    )
    assert live["mape"] < live["seed_mape"] * 2 and 0 < live["mape"] < 40
    table = published("valuations.parquet")
    of_sold = table[table["sale_id"].isin(before.loc[sold, "sale_id"])]
    assert len(of_sold) == sold.sum() and of_sold["price"].notna().all()
    error = of_sold["value"] / of_sold["price"] - 1
    assert of_sold["error"].to_numpy() == pytest.approx(error.to_numpy())


def test_before_a_model_learns_new_prices_the_current_one_values_them(
    first_day, market, stored, published
):
    day.main(market(LATER), LATER)
    assert models.latest_model(first_day, "housing").version == 2
    sales, said = stored()["housing_sales"], stored()["housing_valuations"]
    new = sales[sales["sold_on"] > pd.Timestamp(FIRST)]
    by_first = said[said["sale_id"].isin(new["sale_id"])]
    assert len(new) > 15 and set(by_first["sale_id"]) == set(new["sale_id"])
    assert set(by_first["model_version"]) == {1}
    live = published()["live"]
    assert live["scored"] == len(new) and sum(row["n"] for row in live["by_month"]) == len(new)
    training = runs.recent(first_day, 2).iloc[1]
    assert training["pipeline"] == "training"
    made_then = (said["model_version"] == 1) & (said["predicted_at"] == pd.Timestamp(LATER))
    assert training["rows_out"] == made_then.sum()
    waiting = said[~said["sale_id"].isin(sales["sale_id"])]
    assert 2 in set(waiting["model_version"])


def test_a_stored_valuation_can_be_made_again_and_never_sees_its_own_price(
    first_day, market, stored
):
    day.main(market(LATER), LATER, train=Train.never)
    files = models.fetch_model(first_day, "housing")
    scorer = scoring.load_scorer(files.folder)
    said = groups.read(first_day.get_feature_store(), groups.VALUATIONS)
    sales = groups.read(first_day.get_feature_store(), groups.SALES)[list(table.COLUMNS)]
    said = said[~said["is_listing"]]
    sold = sales.merge(said[["sale_id", "value"]], on="sale_id")
    assert len(sold) > 5
    wild = sold.drop(columns="value").assign(price=1e9)
    again = scorer.predict(wild, scorer.past(sales))
    assert again == pytest.approx(sold["value"].to_numpy())
    known = sales[sales["sold_on"] <= sold["sold_on"].min() - comparables.KNOWN_AFTER]
    only = scorer.predict(wild.head(1), scorer.past(known))
    assert only == pytest.approx(sold["value"].head(1).to_numpy(), rel=1e-6)


def test_a_file_of_history_has_no_live_record_and_says_so(home, quick, tmp_path, published):
    path = tmp_path / "history.parquet"
    sample.sales(date(2020, 1, 1), date(2021, 3, 1), per_day=1).to_parquet(path)
    day.main(str(path), date(2026, 1, 30))
    said, page = published(), published("report.html")
    assert said["live"]["scored"] == 0 and not said["live"]["listings_waiting"]
    assert "no sale since the model was trained" in page
    assert "The newest sale is of 2021-02-" in page and "5 years before this run" in page
    assert len(published("valuations.parquet")) == 0
    store = fti.login().get_feature_store()
    assert store.get_feature_group("housing_valuations", version=1) is None


def test_a_replay_of_the_courses_sales_builds_a_record(
    home, quick, shared, tmp_path, published, monkeypatch
):
    monkeypatch.setenv("HOUSING_MACRO", str(shared))
    path = tmp_path / "sales.csv"
    header, *lines = (shared / "stockholm_sales.csv").read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([header, *lines[::8]]) + "\n", encoding="utf-8")
    day.main(str(path), date(2021, 8, 1))
    said = published()
    assert not said["is_synthetic"] and said["currency"] == "SEK" and said["live"]["scored"] == 0
    assert said["model"]["trained_until"] <= "2021-08-01"
    day.main(str(path), date(2021, 9, 1), train=Train.never)
    live = published()["live"]
    assert live["scored"] > 5 and live["since"] > said["model"]["trained_until"]
    assert {row["month"] for row in live["by_month"]} <= {"2021-07", "2021-08", "2021-09"}
    assert 0 < live["mape"] < 30


@pytest.mark.parametrize("broken", ["nowhere.csv", "page.csv"])
def test_a_failing_source_leaves_what_was_stored(first_day, stored, published, tmp_path, broken):
    (tmp_path / "page.csv").write_text("<html>")
    before, files = stored(), published()
    with pytest.raises(SourceError):
        day.main(str(tmp_path / broken), SECOND)
    for name, rows in stored().items():
        assert_frame_equal(rows, before[name])
    assert published() == files
    assert runs.recent(first_day, 1)["status"][0] == "failure"


def test_published_files_are_what_the_apps_read(first_day, published):
    said = published()
    assert said["use_case"] == "housing" and said["is_synthetic"] and said["currency"] == "SEK"
    assert list(said["model"]["metrics"]) == [
        "mape", "mdape", "within_10", "within_20", "coverage_90", "ms_per_valuation",
    ]  # fmt: skip
    assert [of["name"] for of in said["other_models"]] == ["housing_seed_xgboost"]
    assert {"ranges", "agencies", "districts", "held_out", "trained_until"} <= set(said["model"])
    assert said["market"][-1]["index"] == 1 and said["market"][-1]["month"] == f"{FIRST:%Y-%m}"
    assert said["freshness"]["run_date"] == str(FIRST)
    assert said["sources"]["read"] > 600 and said["sources"]["left_out"] == 0
    assert {row["feature"] for row in said["drift"]} >= {"price", "district", "agency"}
    known = published("known_sales.parquet")
    assert list(known) == list(table.COLUMNS) and known["price"].notna().all()
    said = published("valuations.parquet")
    assert str(said["sold_on"].dtype) == "datetime64[us, UTC]"
    assert said["price"].isna().all() and said["error"].isna().all()
    assert (said["low_90"] < said["value"]).all() and set(said["confidence"]) <= set("ABCD")
    assert "built-in sample" in published("report.html")


def test_stored_types_are_those_that_hopsworks_takes(first_day, stored):
    for name, rows in stored().items():
        texts = rows.select_dtypes("object")
        assert texts.notna().all(axis=None) and (texts != "").all(axis=None), name
        assert not rows.select_dtypes("category").columns.any()
        times = rows.select_dtypes("datetime")
        assert len(times.columns) and all(times.notna().all())
        for column in times:
            assert (times[column] == times[column].dt.floor("D")).all()


def test_the_sample_does_not_meet_real_sales(first_day, stored, tmp_path, market):
    rows = pd.read_parquet(market(SECOND)).assign(source="csv")
    rows.to_parquet(tmp_path / "real.parquet")
    before = len(stored()["housing_sales"])
    with pytest.raises(UserError, match=r"the sample's sales.*FTI_PROJECT"):
        day.main(str(tmp_path / "real.parquet"), SECOND)
    assert len(stored()["housing_sales"]) == before


def test_without_a_model_there_is_one_sentence(home):
    with pytest.raises(UserError, match="no model housing yet: run its training pipeline"):
        batch_inference_pipeline.main(FIRST)


def test_days_without_training_need_neither_scikit_learn_nor_xgboost(first_day, market):
    code = (
        "import sys; from housing import __main__ as d; "
        f"d.main({market(SECOND)!r}, '{SECOND}'); "
        "print([m for m in ('sklearn', 'xgboost') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[1] == "not due (--train due)" and lines[-1] == "[]"
    assert "valued by model version 1" in lines[2]
