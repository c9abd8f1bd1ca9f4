"""What a forecast says at a moment: hours to come, alerts, worries, words, and "what if"."""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora import features, outlook, sample
from aurora.feeds.tables import ICONS
from aurora.sites import SITES
from fti.errors import UserError
from tests.aurora.hours_ahead import HOUR, NOON, forecast_rows

KIRUNA = SITES["kiruna"].time_zone
ROWS = forecast_rows()
MOMENTS = st.integers(-24 * 60, 96 * 60).map(lambda minutes: NOON + minutes * HOUR / 60)


def summary(issued_at=NOON, sources=(), is_synthetic=False, hindsight=False):
    return {
        "issued_at": issued_at.isoformat(),
        "sources": list(sources),
        "is_synthetic": is_synthetic,
        "hindsight": hindsight,
    }


def told(what, stale, site=None):
    return {"what": what, "origin": "web", "newest": None, "stale": stale, "site": site}


# Alerts


def test_an_alert_tells_of_the_hours_that_reach_the_threshold():
    assert outlook.alert(ROWS, 15, NOON) == {
        "above": True,
        "threshold": 15,
        "best_hour": "2026-11-21T21:00:00+00:00",
        "probability": 0.6,
        "first_hour_above": "2026-11-21T20:00:00+00:00",
        "hours_above": 4,
    }


def test_a_probability_equal_to_the_threshold_reaches_it():
    assert outlook.alert(ROWS, 60, NOON)["hours_above"] == 1
    assert not outlook.alert(ROWS, 61, NOON)["above"]


def test_an_hour_counts_until_it_is_over():
    end = NOON + 10 * HOUR
    assert outlook.alert(ROWS, 50, end - HOUR / 60)["above"]
    assert outlook.alert(ROWS, 50, end)["best_hour"] == "2026-11-22T21:00:00+00:00"


def test_when_all_hours_are_over_nothing_is_above_and_no_hour_is_best():
    assert outlook.alert(ROWS, 1, NOON + 72 * HOUR) == {
        "above": False,
        "threshold": 1,
        "best_hour": None,
        "probability": None,
        "first_hour_above": None,
        "hours_above": 0,
    }


@given(MOMENTS, st.floats(1, 100))
def test_an_alert_never_speaks_of_the_past(now, threshold):
    found = outlook.alert(ROWS, threshold, now)
    for name in ("best_hour", "first_hour_above"):
        assert found[name] is None or pd.Timestamp(found[name]) + HOUR > now
    assert found["above"] == (found["hours_above"] > 0) == (found["first_hour_above"] is not None)
    assert not found["above"] or found["probability"] >= threshold / 100


@given(st.sets(st.integers(0, 71)))
def test_spells_are_the_hours_joined(places):
    hours = [NOON + k * HOUR for k in sorted(places)]
    found = outlook.spells(hours)
    each = [start + k * HOUR for start, end in found for k in range(int((end - start) / HOUR))]
    assert each == hours
    assert all(end < start for (_, end), (start, _) in pairwise(found))


# Nights


@pytest.mark.parametrize(
    ("hours", "ahead"), [(-30, 2), (-7, 1), (-4, 0), (0, 0), (19.9, 0), (20, -1), (44, -2)]
)
def test_from_the_morning_on_tonight_is_the_night_to_come(hours, ahead):
    assert outlook.nights_ahead(NOON, NOON + hours * HOUR) == ahead


def test_the_night_to_show_is_tonight_then_the_next_then_the_first_again():
    starts = [NOON + 24 * k * HOUR for k in range(3)]
    days = [outlook.current(starts, NOON + 24 * k * HOUR) for k in (-3, 0, 1, 2, 3)]
    assert days == [0, 0, 1, 2, 0]


def test_the_index_is_averaged_over_blocks_of_three_hours():
    blocks = outlook.kp_blocks(forecast_rows(kp=np.arange(72.0)))
    assert [block.start.hour for block in blocks[:5]] == [12, 15, 18, 21, 0]
    assert [block.kp for block in blocks[:3]] == [1, 4, 7]
    assert {block.kp_from for block in blocks} == {"forecast"} and len(blocks) == 24


def test_a_block_is_nobody_s_forecast_as_soon_as_one_of_its_hours_is():
    said = np.where(np.arange(72) == 4, "none", "forecast")
    assert [b.kp_from for b in outlook.kp_blocks(forecast_rows(kp_from=said))[:3]] == [
        "forecast", "none", "forecast",
    ]  # fmt: skip


def test_the_moon_waxes_while_more_of_it_is_lit():
    assert outlook.is_waxing(ROWS)
    assert not outlook.is_waxing(ROWS.iloc[::-1])


# Words


def test_an_hour_is_named_on_two_clocks_also_when_they_change():
    hour = pd.Timestamp("2026-10-25T00:00", tz="UTC")  # an hour before summer time ends
    assert [outlook.clock(hour + k * HOUR, KIRUNA) for k in range(2)] == ["02–02 CEST", "02–03 CET"]
    assert outlook.clock(NOON + 9 * HOUR) == "21–22 UTC"
    assert outlook.clock(NOON + 9 * HOUR, "Asia/Kolkata") == "02:30–03:30 IST"


@pytest.mark.parametrize(
    ("cover", "icon", "words"),
    [
        (0, "clear-night", "clear sky"),
        (20, "clear-night", "clear sky"),
        (21, "partly-cloudy-night", "partly cloudy"),
        (75, "partly-cloudy-night", "mostly cloudy"),
        (95, "cloudy", "overcast"),
        (95, "snow", "snow"),
        (5, "fog", "fog"),
        (math.nan, "unknown", "cloud unknown"),
    ],
)
def test_the_sky_in_words(cover, icon, words):
    assert outlook.sky_words(float(cover), icon) == words


@pytest.mark.parametrize(
    ("sun", "words"), [(-20, "dark"), (-9, "nearly dark"), (-3, "twilight"), (2, "daylight")]
)
def test_the_light_in_words(sun, words):
    assert outlook.light_words(sun) == words


# Worries


@pytest.mark.parametrize(
    ("hours", "said"), [(-6, ""), (36, ""), (37, "37 hours"), (96, "4 days"), (45000, "5 years")]
)
def test_a_forecast_is_late_after_a_day_and_a_half(hours, said):
    late = outlook.late(summary(), NOON + hours * HOUR, "kiruna")
    assert [said in sentence for sentence in late] == ([True] if said else [])
    assert all(sentence.count(".") == 1 for sentence in late)


def test_what_a_source_says_of_itself_is_repeated_for_its_site():
    sources = [
        told("Kp forecast", "The newest of NOAA is 9 hours old."),
        told("weather forecast", "No weather.", site="abisko"),
        told("weather observed", "", site="kiruna"),
        told("camera", "No camera.", site="kiruna"),
    ]
    assert outlook.late(summary(sources=sources), NOON, "kiruna") == [sources[0]["stale"]]
    assert len(outlook.late(summary(sources=sources), NOON, "abisko")) == 2


def test_a_missing_camera_does_not_make_a_forecast_stale():
    sources = [told("camera", "No camera.", site="abisko")]
    assert outlook.late(summary(sources=sources), NOON, "abisko") == []
    assert outlook.unwatched(summary(sources=sources), "abisko") == ["No camera."]
    assert outlook.unwatched(summary(sources=sources), "kiruna") == []


def test_the_sample_and_hindsight_are_owned_up_to():
    assert outlook.cautions(summary()) == []
    (invented,) = outlook.cautions(summary(is_synthetic=True))
    (late,) = outlook.cautions(summary(hindsight=True))
    assert "sample" in invented and "hindsight" in late


# What if


@given(st.one_of(st.floats(), st.integers(), st.text(), st.booleans(), st.none(), st.just([3])))
def test_only_finite_numbers_within_the_limits_pass(value):
    try:
        found = outlook.checked_number("kp", value)
    except UserError as error:
        assert str(error) == "kp must be a number from 0 to 9 (the geomagnetic index)."
    else:
        assert 0 <= found <= 9 and isinstance(found, float)


@pytest.mark.parametrize("icon", ["", "sun", None, 3, ["snow"], "<script>", "unknown"])
def test_another_icon_is_refused_with_the_nine(icon):
    with pytest.raises(UserError, match=r"^icon must be one of clear-day, [a-z, -]+, wind\.$"):
        outlook.checked_icon(icon)


def test_every_icon_but_the_wind_stands_for_a_sky():
    assert set(outlook.SKIES) | {"wind"} == set(ICONS)


@pytest.mark.parametrize("icon", ICONS)
def test_the_seed_s_inputs_take_the_place_of_the_forecast_s(icon):
    hour = ROWS.iloc[[9]]
    found = outlook.what_if(hour, 7.5, 0.4, icon).iloc[0]
    assert (found["kp"], found["kp_max_12h"], found["kp_mean_24h"]) == (7.5, 7.5, 7.5)
    assert (found["kp_age_h"], found["visibility_km"], found["icon"]) == (0, 0.4, icon)
    kept = ("sun_altitude", "moon_lit", "temperature_c", "valid_hour", "issued_at")
    assert all(found[name] == hour[name].iloc[0] for name in kept)
    if icon == "wind":
        assert found["cloud_cover"] == 10 and found["wind_ms"] > 13.4
    else:
        sky = outlook.SKIES[icon]
        assert found["cloud_cover"] == found["cloud_mean_3h"] == found["cloud_min_3h"]
        assert (found["cloud_cover"], found["precipitation_mm"]) == sky
        layers = pd.DataFrame([found])[["cloud_low", "cloud_mid", "cloud_high"]].astype("float64")
        covered = features.total_cloud(layers.assign(cloud_cover=np.nan))
        assert covered.iloc[0] == pytest.approx(sky.cloud_cover)


def test_layers_that_nobody_knew_stay_unknown():
    hour = forecast_rows(cloud_low=np.nan, cloud_mid=np.nan, cloud_high=np.nan).iloc[[9]]
    found = outlook.what_if(hour, 3, 10, "cloudy")
    assert found[["cloud_low", "cloud_mid", "cloud_high"]].isna().all(axis=None)


def test_what_if_changes_no_column_of_the_feature_table():
    site, hours = SITES["kiruna"], pd.date_range(NOON, periods=2, freq="h", unit="us")
    kp, weather = sample.kp_forecast(NOON), sample.weather_forecast(NOON, site)
    table = features.build_features(site, hours, kp, weather, NOON)
    asked = outlook.what_if(table.iloc[[1]], 4.0, 10.0, "rain")
    assert list(asked) == list(features.COLUMNS)
    assert (asked.dtypes == table.dtypes).all()


def test_daylight_is_where_the_model_says_zero():
    assert outlook.is_daylight(forecast_rows(sun_altitude=-4.0).iloc[[0]])
    assert not outlook.is_daylight(forecast_rows(sun_altitude=-4.1).iloc[[0]])
