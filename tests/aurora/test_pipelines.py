"""Aurora's days from sources to published files, on a project in a folder."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import aurora.__main__ as day
import fti
from aurora import (
    batch_inference_pipeline,
    feature_pipeline,
    features,
    forecasting,
    training_pipeline,
)
from fti import console, models, runs
from fti.errors import SourceError, UserError
from fti.training import Train

ROOT = Path(__file__).parents[2]
FIRST, SECOND = "2026-01-30", "2026-01-31"
AUTUMN, NEXT = "2021-10-10", "2021-10-11"
SINCE = "2025-10-22"  # 100 days of the sample make a model
GROUPS = ("aurora_hours", "aurora_forecasts")
NIGHT = {
    "night", "verdict", "sentence", "best_hour", "best_probability", "first_worthwhile_hour",
    "hours_above", "cloud_cover", "kp", "darkness", "moon_lit", "moon_altitude",
}  # fmt: skip


def stored():
    """Every row of every feature group but that of the runs."""
    store = fti.login().get_feature_store()
    groups = {name: store.get_feature_group(name, version=1) for name in GROUPS}
    return {
        name: group.read().sort_values([*group.primary_key, "valid_hour"], ignore_index=True)
        for name, group in groups.items()
        if group
    }


def published(name="forecast.json"):
    return fti.read_published(fti.login(), "aurora", name)


def fill(home, source, date, since):
    """Run the three pipelines of a date in a folder of projects that is not there yet."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("HOPSWORKS_API_KEY", "FTI_PROJECT", "AURORA_SOURCE"):
            environment.delenv(name, raising=False)
        environment.setenv("FTI_BACKEND", "embedded")
        environment.setenv("FTI_HOME", str(home))
        feature_pipeline.main(source, date, since=console.day(since))
        training_pipeline.main(date=date)
        batch_inference_pipeline.main(source, date)
    return home


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of projects in which the first day of the sample has run: for copying."""
    return fill(tmp_path_factory.mktemp("trained") / "fti", "sample", FIRST, SINCE)


@pytest.fixture(scope="module")
def trained_in_autumn(tmp_path_factory, shared):
    """The same of a day of Kiruna 2021."""
    return fill(tmp_path_factory.mktemp("autumn") / "fti", str(shared), AUTUMN, "2021-02-15")


@pytest.fixture
def first_day(trained, home):
    """A project of its own in which the first day of the sample has run."""
    shutil.copytree(trained, home)
    return fti.login()


@pytest.fixture
def autumn_day(trained_in_autumn, home):
    """A project of its own in which a day of Kiruna 2021 has run."""
    shutil.copytree(trained_in_autumn, home)
    return fti.login()


def test_a_day_run_twice_adds_no_rows_and_no_model(first_day):
    before, files = stored(), published()
    assert len(before["aurora_forecasts"]) == 72
    day.main("sample", FIRST)
    for name, table in stored().items():
        assert_frame_equal(table, before[name])
    assert models.latest_model(first_day, "aurora").version == 1
    assert published() == files
    records = runs.recent(first_day, 3)
    assert set(records["status"]) == {"success"} and set(records["date"]) == {FIRST}


def test_the_next_day_keeps_the_forecast_adds_one_and_scores_the_night(first_day):
    before = stored()["aurora_forecasts"]
    assert published()["track_record"]["kiruna"]["nights"] == 0
    day.main("sample", SECOND)
    after = stored()["aurora_forecasts"]
    assert len(after) == 144
    assert_frame_equal(after.head(72), before)
    record = published()["track_record"]["kiruna"]
    assert record["nights"] == 1 and record["since"] == FIRST
    (lead,) = record["by_lead"]
    assert lead["lead"] == "0-24 h" and lead["hours"] == record["dark_hours"] >= 12
    (night,) = record["recent"]
    assert night["night"] == FIRST and night["seen"] in ("yes", "no")
    assert night["said"] == published_night(before)["probability"].max()
    assert published()["issued_at"] == f"{SECOND}T12:00:00+00:00"


def published_night(table):
    """The dark hours of the first night of a forecast."""
    hours = features.in_utc(table).head(24)
    return hours[hours["sun_altitude"] < features.DARK]


def test_an_earlier_day_run_again_does_not_bring_back_its_page(first_day):
    day.main("sample", SECOND)
    newest, record = published("forecast.parquet"), published()["track_record"]
    day.main("sample", FIRST)
    assert_frame_equal(published("forecast.parquet"), newest)
    assert published()["track_record"] == record
    assert len(stored()["aurora_forecasts"]) == 144


def test_published_files_are_what_the_apps_read(first_day):
    table, said = published("forecast.parquet"), published()
    assert list(table) == list(forecasting.COLUMNS) and len(table) == 72
    assert str(table["valid_hour"].dtype) == "datetime64[us, UTC]"
    assert table["valid_hour"].iloc[0] == pd.Timestamp(f"{FIRST}T12:00", tz="UTC")
    assert said["use_case"] == "aurora" and said["is_synthetic"] and not said["hindsight"]
    assert said["run_date"] == FIRST and said["issued_at"] == f"{FIRST}T12:00:00+00:00"
    site = said["sites"]["kiruna"]
    assert [set(night) for night in site["nights"]] == [NIGHT] * 3
    best = table.loc[table["valid_hour"] == pd.Timestamp(site["nights"][0]["best_hour"])]
    assert best["probability"].item() == site["nights"][0]["best_probability"]
    assert {row["what"] for row in said["sources"]} == {
        "Kp forecast", "Kp observed", "weather forecast", "weather observed", "camera",
    }  # fmt: skip
    assert said["model"]["version"] == 1 and set(said["model"]["metrics"]) >= {"auc", "brier"}
    assert said["model"]["held_out"]["seed_tree"]["auc"] < said["model"]["held_out"]["auc"]
    assert said["freshness"]["newest_row"] == f"{FIRST}T11:00:00+00:00"
    page = published("report.html")
    assert page.startswith("<!doctype html>") and "built-in sample" in page


def test_stored_forecasts_can_be_made_again_from_what_is_stored_with_them(first_day):
    forecaster = forecasting.load(models.fetch_model(first_day, "aurora"))
    table = published("forecast.parquet")
    again = forecaster.scorer.predict_proba(table)[:, 1]
    assert again == pytest.approx(table["probability"].to_numpy())


def test_each_site_has_its_forecast_and_those_without_a_camera_no_record(first_day):
    batch_inference_pipeline.main("sample", FIRST, ["kiruna", "abisko"])
    said, table = published(), published("forecast.parquet")
    assert list(said["sites"]) == ["kiruna", "abisko"]
    assert table["site"].tolist() == ["abisko"] * 72 + ["kiruna"] * 72
    assert said["track_record"]["abisko"]["dark_hours"] == 0
    assert len(stored()["aurora_forecasts"]) == 144


def test_from_the_web_another_day_is_not_forecast_and_the_rest_goes_on(autumn_day, caplog):
    before = published()
    with caplog.at_level(logging.WARNING):
        batch_inference_pipeline.main("web", NEXT)
    assert f"so there is none for {NEXT}" in caplog.text
    assert len(stored()["aurora_forecasts"]) == 72
    after = published()
    assert after["sites"] == before["sites"] and after["run_date"] == NEXT
    assert "on its own day" in after["sources"][0]["stale"]


def test_a_folder_of_the_past_is_forecast_in_hindsight_and_scored(autumn_day, shared):
    said = published()
    assert said["hindsight"] and not said["is_synthetic"]
    assert said["issued_at"] == f"{AUTUMN}T12:00:00+00:00"
    assert "made in hindsight" in published("report.html")
    assert said["credits"] == [
        "GFZ Potsdam, CC BY 4.0",
        "Weather data by Visual Crossing",
        "IRF Kiruna, KAGO all-sky camera",
    ]
    day.main(str(shared), NEXT)
    record = published()["track_record"]["kiruna"]
    assert record["nights"] == 1 and record["recent"][0]["night"] == AUTUMN
    assert len(stored()["aurora_forecasts"]) == 144


def test_long_after_a_folders_end_its_last_noon_is_forecast(autumn_day, shared):
    day.main(str(shared), SECOND)
    said = published()
    assert said["issued_at"] == f"{NEXT}T12:00:00+00:00" and said["run_date"] == SECOND


def test_a_failing_source_leaves_what_was_stored(autumn_day, tmp_path):
    before, files = stored(), published()
    for run in (day.main, batch_inference_pipeline.main):
        with pytest.raises(SourceError, match="no such folder"):
            run(str(tmp_path / "nowhere"), NEXT)
        for name, table in stored().items():
            assert_frame_equal(table, before[name])
        assert published() == files
        assert runs.recent(autumn_day, 1)["status"][0] == "failure"


def test_real_hours_do_not_meet_the_sample(first_day, shared):
    with pytest.raises(UserError, match="FTI_PROJECT"):
        batch_inference_pipeline.main(str(shared), AUTUMN)
    assert len(stored()["aurora_forecasts"]) == 72


def test_without_a_model_there_is_one_sentence(home):
    with pytest.raises(UserError, match="no model aurora yet: run its training pipeline"):
        batch_inference_pipeline.main("sample", FIRST)


def test_a_forecast_needs_neither_scikit_learn_nor_xgboost(first_day):
    code = (
        "import sys; from aurora import batch_inference_pipeline as b; b.main('sample', "
        f"'{SECOND}'); print([m for m in ('sklearn', 'xgboost') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    said, imported = ran.stdout.splitlines()
    assert said.startswith("72 hours forecast by model version 1; Kiruna: ")
    assert imported == "[]"


def test_training_can_be_left_out_of_a_day(first_day):
    day.main("sample", SECOND, train=Train.never)
    assert published()["model"]["version"] == 1
    assert runs.recent(first_day, 2)["message"][1] == "not due (--train never)"
