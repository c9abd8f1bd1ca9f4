"""Where sun, moon and the magnetic field are above a site.

Positions come from ephem, without a network. Magnetic local time is that of a centred dipole, which
needs no coefficients but those of its pole: an approximation. By it Kiruna's magnetic midnight
falls between 21:00 and 21:40 UTC, depending on the season.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from aurora.sites import Site, sun_altitude

# North geomagnetic (dipole) pole of 2020, degrees: https://wdc.kugi.kyoto-u.ac.jp/poles/polesexp.html
POLE_LATITUDE, POLE_LONGITUDE = 80.7, -72.7
DEGREES_PER_HOUR = 15


def sky(site: Site, times: pd.DatetimeIndex) -> pd.DataFrame:
    """Give the sky over a site at UTC moments, a row each, in their order.

    Out: sun_altitude and moon_altitude (degrees of the centre, without refraction), moon_lit (the
    lit share of the disc, 0 to 1), magnetic_hour (magnetic local time, 0 to 24; midnight is 0).
    """
    times = pd.DatetimeIndex(times)
    moon = moon_positions(site, times)
    return pd.DataFrame(
        {
            "sun_altitude": sun_altitude(site, times),
            "moon_altitude": moon[:, 0],
            "moon_lit": moon[:, 1],
            "magnetic_hour": magnetic_hour(site, times),
        }
    )


def moon_positions(site: Site, times: pd.DatetimeIndex) -> np.ndarray:
    """Give altitude of the moon's centre (degrees, no refraction) and lit share (0 to 1) a row."""
    import ephem

    observer, moon = ephem.Observer(), ephem.Moon()
    observer.lat, observer.lon = str(site.latitude), str(site.longitude)
    observer.pressure = 0  # millibar; no air, no refraction
    found = np.empty((len(times), 2))
    for row, time in enumerate(_naive(times)):
        observer.date = time
        moon.compute(observer)
        found[row] = np.degrees(moon.alt), moon.phase / 100
    return found


def magnetic_hour(site: Site, times: pd.DatetimeIndex) -> np.ndarray:
    """Give magnetic local time in hours, 0 to 24.

    12 h plus the site's magnetic longitude less that of the point below the sun, at 15 degrees an
    hour: Laundal and Richmond (2017), Magnetic coordinate systems
    (https://doi.org/10.1007/s11214-016-0275-y), here with both in centred dipole coordinates.
    """
    ahead = magnetic_longitude(site.latitude, site.longitude) - magnetic_longitude(*subsolar(times))
    return (12 + ahead / DEGREES_PER_HOUR) % 24


def magnetic_longitude(latitude, longitude) -> np.ndarray:
    """Give centred dipole longitude of geographic coordinates; all in degrees.

    The dipole's axis is z; its prime meridian is the half great circle through the pole that runs
    to the geographic south pole.
    """
    north, east = np.radians(latitude), np.radians(np.subtract(longitude, POLE_LONGITUDE))
    pole = np.radians(POLE_LATITUDE)
    x = np.cos(north) * np.cos(east) * np.sin(pole) - np.sin(north) * np.cos(pole)
    return np.degrees(np.arctan2(np.cos(north) * np.sin(east), x))


def subsolar(times: pd.DatetimeIndex) -> tuple[np.ndarray, np.ndarray]:
    """Give latitude and longitude (degrees) of the points where the sun is overhead."""
    import ephem

    greenwich, sun = ephem.Observer(), ephem.Sun()
    greenwich.lat = greenwich.lon = "0"
    found = np.empty((len(times), 2))
    for row, time in enumerate(_naive(times)):
        greenwich.date = time
        sun.compute(greenwich)
        found[row] = np.degrees([sun.g_dec, sun.g_ra - greenwich.sidereal_time()])
    return found[:, 0], (found[:, 1] + 180) % 360 - 180


def _naive(times: pd.DatetimeIndex):
    """UTC without a zone, as ephem counts."""
    return pd.DatetimeIndex(times).tz_convert("UTC").tz_localize(None).to_pydatetime()
