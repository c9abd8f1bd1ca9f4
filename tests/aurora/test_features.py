"""A row says what was known when it was issued, in UTC, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aurora import features, sample
from aurora.feeds import tables
from aurora.sites import SITES
from fti import quality

KIRUNA = SITES["kiruna"]
START = pd.Timestamp("2026-01-10", tz="UTC")
HOUR = pd.Timedelta(hours=1)


def hours(count, start=START):
    return pd.date_range(start, periods=count, freq="h", unit="us")


def kp_of(values, start=START, index="Kp", **known):
    step = tables.HOURS[index]
    times = pd.date_range(start, periods=len(values), freq=f"{step}h", unit="us")
    known = {"status": "def", **known}
    return tables.kp_table(times, np.asarray(values, dtype=float), index=index, **known)


def weather_of(count, start=START, **columns):
    given = {name: np.broadcast_to(values, count) for name, values in columns.items()}
    return tables.weather_table(hours(count, start), given, site=KIRUNA, source="test")


def row(kp, weather, hour, issued):
    return features.build_features("kiruna", hours(1, hour), kp, weather, issued).iloc[0]


@pytest.fixture(scope="module")
def season():
    """A fortnight of the sample: kp, weather, labels."""
    end = START + pd.Timedelta(days=14)
    return {
        "kp": sample.kp(START, end),
        "weather": sample.weather(START, end, KIRUNA),
        "labels": sample.labels(START, end, KIRUNA),
    }


# No future


@settings(deadline=None, max_examples=40)
@given(issue=st.integers(30, 300), lead=st.integers(0, 72))
def test_nothing_issued_later_changes_a_row(issue, lead):
    issued = START + issue * HOUR
    end = START + pd.Timedelta(days=16)
    kp, weather = sample.kp(START, end), sample.weather(START, end, KIRUNA)
    weather = weather.assign(issued_at=weather["time"])  # as if each hour had been told by itself
    later_kp = kp.assign(value=kp["value"].mask(kp["issued_at"] > issued, 9.0))
    later_weather = weather.assign(
        cloud_cover=weather["cloud_cover"].mask(weather["issued_at"] > issued, 0.0)
    )

    told, with_other_future, without_future = (
        row(k, w, issued + lead * HOUR, issued)
        for k, w in (
            (kp, weather),
            (later_kp, later_weather),
            (kp[kp["issued_at"] <= issued], weather[weather["issued_at"] <= issued]),
        )
    )

    pd.testing.assert_series_equal(told, with_other_future)
    pd.testing.assert_series_equal(told, without_future)


def test_an_interval_is_known_when_it_ends():
    kp, weather = kp_of([1, 1, 7]), weather_of(12)  # 7 from 6:00 to 9:00
    seven = START + 8 * HOUR

    assert row(kp, weather, seven, START + 9 * HOUR)["kp"] == 7
    before = row(kp, weather, seven, START + 9 * HOUR - pd.Timedelta(microseconds=1))
    assert before["kp"] == 1 and before["kp_age_h"] == 3


def test_all_hours_of_an_interval_have_its_value_and_none_that_of_the_next():
    kp = kp_of([1, 5, 2])
    table = features.kp_features(kp, hours(9), features.observed_at(hours(9)) + 9 * HOUR)
    assert table["kp"].tolist() == [1, 1, 1, 5, 5, 5, 2, 2, 2]


def test_history_is_of_the_hours_up_to_the_row():
    kp = kp_of([*[1.0] * 8, *[3.0] * 4, *[1.0] * 4])  # 3 from hour 24 to hour 36
    table = features.kp_features(kp, hours(48), features.observed_at(hours(48)))
    assert table["kp_max_12h"][23] == 1 and table["kp_max_12h"][[24, 46]].tolist() == [3, 3]
    assert table["kp_max_12h"][47] == 1
    assert table["kp_mean_24h"][35] == pytest.approx(2)


def test_the_last_forecast_counts_and_an_observation_over_it():
    times = START + 6 * HOUR
    early = kp_of([4.0] * 6, times, "Hp60", status="forecast", issued_at=START)
    late = kp_of([6.0] * 6, times, "Hp60", status="forecast", issued_at=START + 2 * HOUR)
    seen = kp_of([2.0, 2.0], times)
    kp, weather = pd.concat([late, early, seen], ignore_index=True), weather_of(12)

    at = {hour: row(kp, weather, times, START + hour * HOUR)["kp"] for hour in (0, 1, 2, 9)}

    assert at == {0: 4, 1: 4, 2: 6, 9: 2}


def test_a_forecast_index_is_of_no_age():
    kp = kp_of([4.0] * 72, START + HOUR, "Hp60", status="forecast", issued_at=START)
    table = features.build_features("kiruna", hours(72, START + HOUR), kp, weather_of(80), START)
    assert (table["kp_age_h"] == 0).all() and (table["kp"] == 4).all()


# Expectation


def test_without_a_forecast_the_index_falls_back_to_its_usual_level():
    kp, weather = kp_of([*[1.0] * 30, *[5.0] * 2]), weather_of(200)
    end = START + 96 * HOUR
    after = [row(kp, weather, end + lead * HOUR, end) for lead in (0, 12, 71)]

    values = [found["kp"] for found in after]
    assert 5 > values[0] > values[1] > values[2] > 1
    assert values[2] < 1.6  # the mean of the two days that the row can see is 1.5
    assert [found["kp_age_h"] for found in after] == [1, 13, 72]


def test_an_unknown_index_is_unknown():
    for kp in (kp_of([]), kp_of([2.0]), kp_of([np.nan] * 40)):
        found = row(kp, weather_of(12), START + 500 * HOUR, START + 500 * HOUR)
        assert found[[*features.KP, "kp_age_h"]].isna().all()


# Weather


def test_neighbouring_hours_and_the_day_before():
    weather = weather_of(
        30, cloud_cover=np.r_[[100.0] * 28, 40, 10], precipitation_mm=1.0, temperature_c=-5.0
    )
    found = row(kp_of([1]), weather, START + 28 * HOUR, START + 28 * HOUR)
    assert found["cloud_mean_3h"] == 50 and found["cloud_min_3h"] == 10
    assert found["snow_24h_mm"] == pytest.approx(24) and found["temperature_24h_c"] == -5


def test_rain_is_no_snow():
    found = row(kp_of([1]), weather_of(9, precipitation_mm=1.0, temperature_c=4.0), START, START)
    assert found["snow_24h_mm"] == 0 and found["precipitation_mm"] == 1


def test_providers_without_layers_visibility_or_total():
    bare = row(kp_of([1]), weather_of(9, cloud_cover=30.0, temperature_c=1.0), START, START)
    assert bare["cloud_cover"] == 30 and np.isnan(bare["cloud_low"])
    assert np.isnan(bare["visibility_km"])
    layers = weather_of(9, cloud_low=50.0, cloud_mid=50.0, cloud_high=0.0)
    assert row(kp_of([1]), layers, START, START)["cloud_cover"] == 75
    nothing = row(kp_of([1]), weather_of(9), START + 99 * HOUR, START)
    assert np.isnan(nothing["cloud_cover"]) and nothing["icon"] == "unknown"


def test_the_models_take_rows_of_which_nothing_is_known():
    rows = features.build_features("kiruna", hours(24), kp_of([]), weather_of(0), START)
    assert features.linear_terms(rows).notna().all().all()
    assert features.tree_columns(rows).shape == (24, len(features.tree_columns(rows).columns))


# The table


def test_columns_and_order_of_rows(season):
    asked = hours(40)[::-1]
    table = features.build_features("kiruna", asked, season["kp"], season["weather"], START)
    assert tuple(table) == features.COLUMNS
    assert (table["valid_hour"] == asked).all()
    assert str(table["valid_hour"].dtype) == str(table["issued_at"].dtype) == features.UTC_TIME


def test_many_issues_give_what_each_gives_alone(season):
    asked = hours(12, START + 48 * HOUR)
    issued = asked - pd.timedelta_range("0h", periods=12, freq="5h")
    weather = pd.concat(
        [sample.weather_forecast(START + day * 24 * HOUR, KIRUNA) for day in (0, 1)],
        ignore_index=True,
    )
    together = features.build_features("kiruna", asked, season["kp"], weather, issued)
    for k, (hour, issue) in enumerate(zip(asked, issued, strict=True)):
        pd.testing.assert_series_equal(
            row(season["kp"], weather, hour, issue), together.iloc[k], check_names=False
        )


def test_rows_of_the_past_and_of_a_perfect_forecast_are_the_same(season):
    asked = hours(48, START + 200 * HOUR)
    past = features.build_features(
        "kiruna", asked, season["kp"], season["weather"], features.observed_at(asked)
    )
    issued = asked[0]
    known = {
        name: season[name].assign(issued_at=season[name].get("issued_at", issued))
        for name in ("kp", "weather")
    }
    known["kp"]["issued_at"] = known["kp"]["issued_at"].clip(upper=issued)
    ahead = features.build_features("kiruna", asked, known["kp"], known["weather"], issued)
    # of the last hour before, the past knows what a forecast could not: nothing here
    pd.testing.assert_frame_equal(
        past.drop(columns="issued_at"), ahead.drop(columns="issued_at"), check_exact=False
    )


def test_a_row_is_the_same_whatever_hour_its_tables_begin_with(season):
    asked = hours(48, START + 250 * HOUR)
    kp, weather = season["kp"], season["weather"]
    late_kp = kp[kp["time"] >= asked[0] - features.LOOK_BACK * HOUR - features.KP_DELAY]
    late_weather = weather[weather["time"] >= asked[0] - 24 * HOUR]
    whole, late = (
        features.build_features("kiruna", asked, *tables, features.observed_at(asked))
        for tables in ((kp, weather), (late_kp, late_weather))
    )
    pd.testing.assert_frame_equal(whole, late, check_exact=True)


def test_stored_rows_are_as_the_schema_says_and_damage_is_not(season):
    asked = hours(48, START + 200 * HOUR)
    table = features.build_features(
        "kiruna", asked, season["kp"], season["weather"], asked, season["labels"]
    ).assign(source="sample")
    assert quality.check(table, features.schema(), "hours") is not None
    bare = table.assign(
        valid_hour=table["valid_hour"].dt.tz_localize(None),
        issued_at=table["issued_at"].dt.tz_localize(None),
    )
    pd.testing.assert_frame_equal(features.in_utc(bare), table)
    for column, damage in {
        "kp": 99.0,
        "cloud_cover": -1.0,
        "icon": "sunny",
        "aurora": "maybe",
        "site": "oslo",
        "source": "hearsay",
        "valid_hour": asked[0],
    }.items():
        with pytest.raises(quality.DataError):
            quality.check(table.assign(**{column: damage}), features.schema(), "hours")


def test_another_site_is_the_same_code(season):
    there = features.build_features("tromso", hours(24), season["kp"], season["weather"], START)
    here = features.build_features("kiruna", hours(24), season["kp"], season["weather"], START)
    assert (there["site"] == "tromso").all()
    assert (there["sun_altitude"] != here["sun_altitude"]).all()
    pd.testing.assert_series_equal(there["kp"], here["kp"])


# Labels


def test_labels_that_are_not_there_are_unknown(season):
    labels = season["labels"].head(10)
    table = features.build_features(
        "kiruna", hours(20), season["kp"], season["weather"], START, labels
    )
    assert (table["aurora"].tolist()[:10] == labels["aurora"]).all()
    assert (table["aurora"][10:] == "unknown").all()


def test_nights_of_a_summer_without_camera_are_unknown(shared):
    from aurora import sources

    labels = sources.read_labels(str(shared))
    watched = features.labels_while_watched(labels, "kiruna")

    unknown = watched["aurora"] == "unknown"
    assert (watched["aurora"] == "yes").sum() == (labels["aurora"] == "yes").sum()
    assert unknown.any()
    assert watched.loc[unknown, "time"].between("2021-04-20", "2021-08-31").all()
    no_picture = labels["time"].between("2021-05-03T12:00Z", "2021-08-11T11:00Z")
    sun = features.astronomy.sun_altitude(KIRUNA, labels["time"] + features.MIDDLE)
    assert unknown[no_picture & (sun < -6)].all()


def test_a_gap_that_still_lasts_is_one_and_one_before_the_first_aurora_is_not():
    states = ["no"] * (40 * 24)
    states[20] = "yes"
    lasting = features.labels_while_watched(tables.label_table(hours(960), states), "kiruna")
    night = lasting["time"].dt.hour.isin([22, 23, 0, 1])
    assert set(lasting.loc[night & (lasting.index > 24), "aurora"]) == {"unknown"}
    before = tables.label_table(hours(960), states[::-1])
    assert (features.labels_while_watched(before, "kiruna")["aurora"] != "unknown").all()


def test_a_quiet_fortnight_is_no_gap():
    states = ["no"] * (16 * 24)
    states[20] = states[15 * 24] = "yes"
    labels = tables.label_table(hours(len(states)), states)
    assert (features.labels_while_watched(labels, "kiruna")["aurora"] != "unknown").all()
