"""A night is what its dark hours to come say of it."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aurora import nights

NOON = pd.Timestamp("2026-11-21T12:00", tz="UTC")  # a Saturday
HOUR = pd.Timedelta(hours=1)
UP, DOWN = 10.0, -20.0  # of the sun


def rows(probabilities, sun=None, inputs_at=NOON):
    """Hours from noon on, of which those from 16 to 6 are dark unless `sun` says otherwise."""
    hours = pd.date_range(NOON, periods=len(probabilities), freq="h", unit="us")
    night = (hours.hour >= 16) | (hours.hour < 6)
    return pd.DataFrame(
        {
            "valid_hour": hours,
            "inputs_at": inputs_at,
            "probability": probabilities,
            "sun_altitude": [DOWN if dark else UP for dark in night] if sun is None else sun,
            "cloud_cover": 10.0,
            "icon": "clear-night",
            "kp": 3.0,
            "moon_altitude": -5.0,
            "moon_lit": 0.4,
        }
    )


def with_hours(known, length=72):
    """Probabilities of 0.05, and others in the hours after noon that are named."""
    return [known.get(k, 0.05) for k in range(length)]


def test_the_sentence_says_night_hour_probability_and_sky():
    found = nights.summarize(rows(with_hours({9: 0.612, 33: 0.3, 57: 0.1})))
    assert [night["sentence"] for night in found] == [
        "Tonight, 21-22 UTC, 61%, clear sky, best hour",
        "Tomorrow night, 21-22 UTC, 30%, clear sky, best hour",
        "Monday night, 21-22 UTC, 10%, clear sky, best hour",
    ]
    assert [night["verdict"] for night in found] == ["good", "possible", "unlikely"]
    assert [night["night"] for night in found] == ["2026-11-21", "2026-11-22", "2026-11-23"]


@pytest.mark.parametrize(
    ("best", "verdict"),
    [(0.5, "good"), (0.4999, "possible"), (0.2, "possible"), (0.1999, "unlikely"), (0, "unlikely")],
)
def test_limits_belong_to_the_better_verdict(best, verdict):
    assert nights.verdict(best) == verdict


def test_hours_after_midnight_belong_to_the_night_before():
    (night,) = nights.summarize(rows(with_hours({15: 0.7}, 24)))
    assert night["best_hour"] == "2026-11-22T03:00:00+00:00"
    assert night["night"] == "2026-11-21"
    assert night["darkness"] == ["2026-11-21T16:00:00+00:00", "2026-11-22T05:00:00+00:00"]


def test_worthwhile_hours_are_counted_from_the_first():
    (night,) = nights.summarize(rows(with_hours({8: 0.2, 9: 0.19, 10: 0.6}, 24)))
    assert night["first_worthwhile_hour"] == "2026-11-21T20:00:00+00:00"
    assert night["hours_above"] == 2
    (night,) = nights.summarize(rows(with_hours({}, 24)))
    assert night["first_worthwhile_hour"] is None and night["hours_above"] == 0


def test_bright_hours_do_not_count():
    (night,) = nights.summarize(rows(with_hours({2: 0.9, 9: 0.3}, 24)))
    assert night["verdict"] == "possible" and night["best_probability"] == 0.3


def test_a_bright_night_says_so():
    (night,) = nights.summarize(rows([0.0] * 24, sun=UP))
    assert night["sentence"] == "Tonight, it does not get dark enough to see aurora"
    assert night["verdict"] == "unlikely" and night["best_probability"] == 0
    assert night["best_hour"] is None and night["darkness"] is None


def test_a_forecast_made_late_looks_only_at_hours_to_come():
    late = NOON + 8.5 * HOUR  # 20:30
    table = rows(with_hours({6: 0.9, 8: 0.4, 9: 0.3}, 24), inputs_at=late)
    (night,) = nights.summarize(table)
    assert night["best_hour"] == "2026-11-21T20:00:00+00:00"  # has half an hour left
    (night,) = nights.summarize(table.assign(inputs_at=NOON + 20 * HOUR))
    assert night["sentence"] == "Tonight, its dark hours are over"


def test_unknown_cloud_is_said():
    table = rows(with_hours({9: 0.3}, 24)).assign(cloud_cover=float("nan"), icon="unknown")
    (night,) = nights.summarize(table)
    assert "cloud unknown" in night["sentence"]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=72))
def test_whatever_the_probabilities_the_best_hour_is_dark_and_no_hour_beats_it(probabilities):
    table = rows(probabilities)
    dark = table[nights.is_dark(table)]
    for night in nights.summarize(table):
        mine = dark[nights.night_of(dark["valid_hour"]) == pd.Timestamp(night["night"], tz="UTC")]
        assert night["best_probability"] == (mine["probability"].max() if len(mine) else 0)
        assert night["hours_above"] == (mine["probability"] >= nights.WORTHWHILE).sum()
        assert (night["verdict"] != "unlikely") == (night["first_worthwhile_hour"] is not None)
