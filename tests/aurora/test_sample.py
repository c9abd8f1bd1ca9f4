"""The built-in season is the same each time, and shaped as real ones are."""

import numpy as np
import pandas as pd
import pytest

from aurora import sample
from aurora.feeds import tables
from aurora.sites import SITES, sun_altitude
from fti.errors import SourceError

KIRUNA = SITES["kiruna"]
YEAR = pd.Timestamp("2025-07-01", tz="UTC"), pd.Timestamp("2026-07-01", tz="UTC")
HOUR = pd.Timedelta(hours=1)


@pytest.fixture(scope="module")
def season():
    """A year of all tables in one, by hour."""
    hours = sample.weather(*YEAR, KIRUNA).merge(sample.labels(*YEAR, KIRUNA), on="time")
    hours["hp60"] = sample.kp(*YEAR, "Hp60")["value"]
    return hours.assign(sun=sun_altitude(KIRUNA, hours["time"] + HOUR / 2))


def similarity(values, lag):
    return np.corrcoef(values[:-lag], values[lag:])[0, 1]


def test_an_hour_is_the_same_in_whatever_range_it_is_asked_for():
    start, end = pd.Timestamp("2025-06-29T05:00Z"), pd.Timestamp("2025-07-03T07:00Z")
    for read in (
        sample.kp,
        lambda a, b: sample.kp(a, b, "Hp60"),
        lambda a, b: sample.weather(a, b, KIRUNA),
        lambda a, b: sample.labels(a, b, KIRUNA),
    ):
        long = read(start - 300 * HOUR, end + 300 * HOUR)
        pd.testing.assert_frame_equal(read(start, end), tables.between(long, start, end))
        assert read(start, end)["time"].is_monotonic_increasing


def test_the_numbers_are_the_same_on_every_machine():
    start = pd.Timestamp("2026-01-10T18:00Z")
    kp = sample.kp(start, start + 12 * HOUR)["value"]
    assert kp.tolist() == [0.333, 1.0, 1.0, 0.667]
    cloud = sample.weather(start, start + 3 * HOUR, KIRUNA)["cloud_cover"]
    assert cloud.tolist() == pytest.approx([97.0, 98.6, 98.7], abs=0.11)


def test_kp_is_in_thirds_and_as_often_high_as_it_is():
    kp = sample.kp(*YEAR)["value"].to_numpy()
    assert np.abs(kp * 3 - np.round(kp * 3)).max() < 0.01
    assert kp.min() >= 0
    assert kp.max() <= 9
    assert 1.2 < kp.mean() < 2.4
    assert 0.005 < (kp >= 5).mean() < 0.06


def test_kp_persists_for_hours_and_comes_back_with_the_sun():
    kp = sample.kp(*YEAR)["value"].to_numpy()
    assert similarity(kp, 1) > 0.7
    assert similarity(kp, 8) < similarity(kp, 1) - 0.3
    assert similarity(kp, 218) > 0.12 > abs(similarity(kp, 110))


def test_kp_is_the_mean_of_its_three_hours(season):
    means = season["hp60"].to_numpy().reshape(-1, 3).mean(axis=1).clip(max=9)
    assert np.abs(means - sample.kp(*YEAR)["value"]).max() < 0.35


def test_cloud_stays_for_hours_and_is_all_or_nothing_most_of_the_time(season):
    cloud = season["cloud_cover"].to_numpy()
    assert similarity(cloud, 3) > 0.6 > 0.3 > similarity(cloud, 24)
    assert 50 < cloud.mean() < 75
    assert ((cloud < 10) | (cloud > 90)).mean() > 0.4
    layers = season[["cloud_low", "cloud_mid", "cloud_high"]].max(axis=1)
    assert (season["cloud_cover"] >= layers - 0.11).all()


def test_weather_is_possible(season):
    for column, (low, high) in tables.WEATHER.items():
        assert season[column].between(low, high).all(), column
    assert (season["dew_point_c"] <= season["temperature_c"]).all()
    assert season.groupby(season["time"].dt.month)["temperature_c"].mean().idxmax() in (6, 7, 8)
    assert set(season["icon"]) >= {"clear-night", "cloudy", "partly-cloudy-day", "rain", "snow"}


def test_aurora_is_seen_as_often_as_is_stated(season):
    known = season[season["aurora"] != "unknown"]
    seen = known["aurora"] == "yes"
    assert not seen[known["sun"] > -6].any()
    assert seen.sum() == pytest.approx(known["probability"].sum(), rel=0.15)
    often = known["probability"].between(0.3, 0.6)
    assert seen[often].mean() == pytest.approx(known["probability"][often].mean(), abs=0.08)
    assert 0.08 < seen[known["sun"] < -6].mean() < 0.4


def test_hours_in_a_row_are_alike(season):
    surprise = (season["aurora"] == "yes") - season["probability"]
    assert similarity(surprise[season["probability"] > 0.1].to_numpy(), 1) > 0.2


def test_when_the_camera_is_off_it_is_off_all_night(season):
    unknown = season["aurora"] == "unknown"
    nights = (season["time"] - 12 * HOUR).dt.date
    assert unknown.groupby(nights).nunique().max() == 1
    assert 0.005 < unknown.mean() < 0.05


def test_aurora_needs_dark_kp_and_a_clear_sky():
    times = pd.DatetimeIndex(["2026-01-10T21:00Z"])

    def visible(hp60=4.0, cloud=0.0, sun=-20.0, site=KIRUNA):
        return sample.visible(
            np.array([hp60]), np.array([cloud]), np.array([sun]), times, site
        ).item()

    assert visible() > 0.9
    assert visible(sun=-5.9) == 0
    assert visible(cloud=100.0) == 0
    assert visible(hp60=0.0) < visible(hp60=1.0) < visible(hp60=2.0)
    assert visible(hp60=1.0, site=SITES["tromso"]) > visible(hp60=1.0, site=SITES["sodankyla"])


def test_forecasts_are_of_the_truth_and_worse_with_each_hour():
    errors, skies = [], []
    for day in range(60):
        issued_at = pd.Timestamp("2025-12-01T06:00Z") + pd.Timedelta(days=day)
        end = issued_at + 72 * HOUR
        forecast = sample.kp_forecast(issued_at)
        assert (forecast["low"] <= forecast["value"]).all()
        assert (forecast["value"] <= forecast["high"]).all()
        truth = sample.kp(issued_at, end, "Hp60")
        assert forecast["time"].tolist() == truth["time"].tolist()
        errors.append((forecast["value"] - truth["value"]).abs())
        sky = sample.weather_forecast(issued_at, KIRUNA)["cloud_cover"]
        skies.append((sky - sample.weather(issued_at, end, KIRUNA)["cloud_cover"]).abs())
    for wrong in (np.mean(errors, axis=0), np.mean(skies, axis=0)):
        assert wrong[:6].mean() < wrong[24:48].mean()
        assert wrong[:6].mean() > 0
    pd.testing.assert_frame_equal(sample.kp_forecast(issued_at), forecast)


def test_sites_have_weather_of_their_own_and_one_kp():
    start, end = pd.Timestamp("2026-01-10", tz="UTC"), pd.Timestamp("2026-01-20", tz="UTC")
    kiruna, tromso = (
        sample.weather(start, end, SITES[n])["cloud_cover"] for n in ("kiruna", "tromso")
    )
    assert not kiruna.equals(tromso)


def test_the_sample_ends_somewhere():
    with pytest.raises(SourceError, match="The sample has no 1995-01-01"):
        sample.kp(pd.Timestamp("1995-01-01", tz="UTC"), pd.Timestamp("1996-01-01", tz="UTC"))
