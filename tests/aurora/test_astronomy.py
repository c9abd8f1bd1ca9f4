"""Sun, moon and magnetic midnight are where almanacs and observatories say."""

import numpy as np
import pandas as pd
import pytest

from aurora import astronomy
from aurora.sites import SITES, Site

KIRUNA = SITES["kiruna"]
GREENWICH = Site("greenwich", 51.4769, 0.0, 47.7, "Europe/London")


def utc(*moments):
    return pd.DatetimeIndex(moments, tz="UTC")


# The sun's upper edge, refracted, is at the horizon when its centre, without air, is 0.833 degrees
# below. The equinox of 2021 at Greenwich: The Astronomical Almanac's table of sunrise and sunset.
@pytest.mark.parametrize("moment", ["2021-03-20 06:03", "2021-03-20 18:13"])
def test_the_sun_rises_and_sets_at_greenwich_when_the_almanac_says(moment):
    found = astronomy.sky(GREENWICH, utc(moment))["sun_altitude"]
    assert found[0] == pytest.approx(-0.833, abs=0.3)  # about two minutes


def test_kiruna_has_midnight_sun_and_polar_night():
    june, december = (
        astronomy.sky(KIRUNA, pd.date_range(day, periods=144, freq="10min", tz="UTC"))
        for day in ("2021-06-21", "2021-12-21")
    )
    assert june["sun_altitude"].min() > 0
    # noon: 90 - 67.84 - 23.44, by the geometry of the solstice
    assert december["sun_altitude"].max() == pytest.approx(-1.28, abs=0.05)


def test_solar_midnight_in_kiruna_follows_its_longitude():
    minutes = pd.date_range("2021-01-05 21:00", periods=180, freq="min", tz="UTC")
    lowest = minutes[astronomy.sky(KIRUNA, minutes)["sun_altitude"].argmin()]
    assert abs(lowest - pd.Timestamp("2021-01-05 22:44", tz="UTC")) < pd.Timedelta(minutes=2)


def test_the_moon_is_full_and_new_when_it_was():
    full, new = astronomy.sky(KIRUNA, utc("2021-09-20 23:55", "2021-10-06 11:05"))["moon_lit"]
    assert full > 0.998 and new < 0.002


def test_the_subsolar_point_is_on_the_equator_and_at_greenwich_noon():
    latitude, longitude = astronomy.subsolar(utc("2021-03-20 09:37", "2021-06-21 12:00"))
    assert latitude == pytest.approx([0, 23.43], abs=0.05)
    assert longitude[1] == pytest.approx(0.5, abs=0.1)  # the sun is two minutes late in June


def test_magnetic_midnight_in_kiruna_is_near_half_past_nine():
    for day in pd.date_range("2021-01-15", "2021-12-15", freq="30D"):
        minutes = pd.date_range(day + pd.Timedelta(hours=20), periods=180, freq="min", tz="UTC")
        hour = astronomy.magnetic_hour(KIRUNA, minutes)
        midnight = minutes[np.flatnonzero(np.diff(hour) < 0)[0]]
        assert "20:50" < f"{midnight:%H:%M}" < "21:45"


def test_magnetic_hours_run_from_0_to_24_and_east_is_later():
    hours = pd.date_range("2021-01-01", periods=48, freq="h", tz="UTC")
    west, east = (astronomy.magnetic_hour(SITES[name], hours) for name in ("abisko", "sodankyla"))
    assert ((west >= 0) & (west < 24)).all()
    assert np.allclose((east - west) % 24, 0.37, atol=0.1)


def test_the_dipole_has_its_pole_and_its_meridian():
    assert astronomy.magnetic_longitude(-80, astronomy.POLE_LONGITUDE) == pytest.approx(0)
    assert astronomy.magnetic_longitude(0, astronomy.POLE_LONGITUDE + 90) == pytest.approx(90)
