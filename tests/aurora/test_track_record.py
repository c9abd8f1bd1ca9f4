"""Forecasts are scored on the hours that were dark, watched, to come, and not trained on."""

import time

import numpy as np
import pandas as pd
import pytest

from aurora import track_record
from fti import published

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
NOON = pd.Timestamp("2026-01-10T12:00", tz="UTC")
UNTIL = NOON + 30 * DAY


def forecasts(days=1, first=NOON, late=0 * HOUR, **columns):
    """A forecast of 72 hours for each day; those from 16 to 6 are dark."""
    issued = pd.date_range(first, periods=days, freq="D", unit="us").repeat(72)
    hours = issued + np.tile(np.arange(72), days) * HOUR
    dark = (hours.hour >= 16) | (hours.hour < 6)
    table = {
        "site": "kiruna",
        "issued_at": issued,
        "valid_hour": hours,
        "inputs_at": issued + late,
        "trained_until": first - HOUR,
        "sun_altitude": np.where(dark, -20.0, 10.0),
        "probability": 0.5,
        "climatology": 0.25,
        "persistence": 0.75,
        "seed_tree": 1.0,
    }
    return pd.DataFrame(table | columns)


def hours(states, first=NOON):
    times = pd.date_range(first, periods=len(states), freq="h", unit="us")
    return pd.DataFrame({"valid_hour": times, "aurora": pd.Series(states, dtype=object)})


def nightly(*states):
    """Hours of nights that were all one state."""
    return hours([state for state in states for _ in range(24)])


def test_scores_by_lead_stand_beside_the_baselines():
    record = track_record.of_site(forecasts(), nightly("yes", "no", "yes"), UNTIL)
    assert record["since"] == "2026-01-10"
    assert record["nights"] == 3 and record["dark_hours"] == 42
    assert record["base_rate"] == pytest.approx(2 / 3)
    first, second, third = record["by_lead"]
    assert first == {
        "lead": "0-24 h",
        "hours": 14,
        "brier": 0.25,
        "climatology_brier": 0.75**2,
        "persistence_brier": 0.25**2,
        "seed_tree_brier": 0.0,
        "brier_skill": pytest.approx(1 - 0.25 / 0.75**2),
        "auc": None,
    }
    assert second["lead"] == "24-48 h" and second["seed_tree_brier"] == 1.0
    assert third["lead"] == "48-72 h" and third == first | {"lead": "48-72 h"}


def test_an_hour_forecast_three_times_counts_once_for_each_lead():
    record = track_record.of_site(forecasts(3), nightly(*["no", "yes"] * 3), UNTIL)
    assert [row["hours"] for row in record["by_lead"]] == [42, 42, 42]
    assert record["nights"] == 5 and record["dark_hours"] == 5 * 14


def test_by_day_and_unwatched_hours_are_not_scored():
    states = ["yes"] * 24 + ["unknown"] * 24
    found = track_record.outcomes(forecasts(), hours(states), UNTIL)
    assert (found["sun_altitude"] < -6).all()
    record = track_record.of_site(forecasts(), hours(states), UNTIL)
    assert record["nights"] == 1 and record["dark_hours"] == 14


def test_hours_that_had_begun_when_inputs_were_issued_are_no_forecast():
    late = track_record.of_site(forecasts(late=8.5 * HOUR), nightly("yes"), UNTIL)
    assert late["dark_hours"] == 9  # from 21 to 6
    lead = track_record.outcomes(forecasts(late=8.5 * HOUR), nightly("yes"), UNTIL)["lead"]
    assert lead.min() == 0.5


def test_hours_that_the_model_was_trained_on_are_left_out():
    seen = forecasts(trained_until=NOON + 12 * HOUR)
    assert track_record.of_site(seen, nightly("yes"), UNTIL)["dark_hours"] == 5  # from 1 to 6


def test_what_is_not_over_is_not_scored():
    record = track_record.of_site(forecasts(), nightly("yes", "yes", "yes"), NOON + DAY)
    assert record["nights"] == 1


def test_recent_nights_compare_the_evenings_forecast_with_what_was_seen():
    table = forecasts(3).assign(probability=lambda f: 0.1 + 0.2 * (f["issued_at"] - NOON).dt.days)
    states = ["no"] * 24 + ["unknown"] * 9 + ["yes"] + ["no"] * 14 + ["unknown"] * 24
    third, second, first = track_record.of_site(table, hours(states), NOON + 3 * DAY)["recent"]
    assert first == {
        "night": "2026-01-10", "said": 0.1, "seen": "no", "hours_seen": 0,
        "brier": pytest.approx(0.01),
    }  # fmt: skip
    assert second["seen"] == "yes" and second["hours_seen"] == 1
    assert second["said"] == pytest.approx(0.3)
    assert third == {
        "night": "2026-01-12", "said": pytest.approx(0.5), "seen": "unknown", "hours_seen": 0,
        "brier": None,
    }  # fmt: skip


def test_only_the_newest_nights_are_listed():
    recent = track_record.of_site(forecasts(40), nightly(*["yes"] * 40), NOON + 40 * DAY)["recent"]
    assert len(recent) == 30 and recent[0]["night"] == "2026-02-18"


@pytest.mark.parametrize("states", [[], ["unknown"] * 72])
def test_a_site_that_nobody_watches_has_an_empty_record(states):
    record = track_record.of_site(forecasts(), hours(states), UNTIL)
    assert record["nights"] == record["dark_hours"] == 0 and record["since"] is None
    assert record["by_lead"] == record["reliability"] == record["recent"] == []


def test_a_sure_and_right_forecast_has_skill_and_auc_one():
    table = forecasts().assign(probability=lambda f: (f["valid_hour"].dt.hour > 12).astype(float))
    states = ["yes" if hour > 12 else "no" for hour in table["valid_hour"].dt.hour]
    first = track_record.of_site(table, hours(states), UNTIL)["by_lead"][0]
    assert first["brier"] == 0 and first["brier_skill"] == 1 and first["auc"] == 1


def test_the_record_is_json_and_its_bins_count_the_first_day():
    record = track_record.of_site(forecasts(), nightly("yes", "no", "yes"), UNTIL)
    published.to_json(record)
    assert sum(row["n"] for row in record["reliability"]) == record["by_lead"][0]["hours"]


def test_ten_years_of_daily_forecasts_take_about_a_second():
    days = 3650
    table = forecasts(days, trained_until=NOON - DAY)
    rng = np.random.default_rng(0)
    table["probability"] = rng.random(len(table))
    seen = hours(rng.choice(["yes", "no", "unknown"], (days + 3) * 24))
    began = time.perf_counter()
    record = track_record.of_site(table, seen, NOON + days * DAY)
    assert time.perf_counter() - began < 5  # 0.4 s on an idle core
    assert record["nights"] == days and record["by_lead"][0]["hours"] > 30_000
