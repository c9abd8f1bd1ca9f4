"""A season of Kp, weather and aurora that never was, shaped as physics shapes real ones.

    sample.kp(start, end)   sample.weather(start, end)   sample.labels(start, end)

Built in, so that everything runs without network or files; of no use for a real forecast. Any range
of time can be asked for, and an hour is always the same, whatever range it is asked for in:

- The index rises where high-speed streams of three coronal holes pass, every 27.27 days, weaker or
  stronger each time; where one or two storms a month pass; and around the equinoxes.
- Cloud comes and goes over about a day in three layers; rain, snow, fog and cold follow from it.
- Aurora is seen in a share of hours that is stated, `visible`: the sky dark x the oval overhead x
  the cloud open. Hours in a row are alike. In one night of fifty the camera is off: "unknown".
"""

from functools import lru_cache

import numpy as np
import pandas as pd

from aurora.feeds import tables
from aurora.sites import Site, sun_altitude
from fti.errors import SourceError

SEED = 1741  # the year in which Hiorter and Celsius saw a compass needle follow an aurora
SOURCE = "sample"
YEARS = range(2000, 2100)  # for which there is a season; each begins on 1 July
FIRST_MONTH = 7
ROTATION = 27.27 * 24  # hours: the sun as seen from the Earth
HOLES = ((0.10, 2.0), (0.45, 1.2), (0.75, 1.6))  # phase of a rotation, strength in units of Kp
STORMS = 2.0  # a month
MIDNIGHT = 21.5  # UTC hour of magnetic midnight at 20 degrees east
CAMERA_OFF = 0.02  # of nights
LEADS = 72  # hours that a forecast looks ahead


def kp(start: pd.Timestamp, end: pd.Timestamp, index: str = "Kp") -> pd.DataFrame:
    """Give the `kp` table of [start, end); Kp is the mean of three Hp60, in thirds."""
    levels = _span(start, end, _hp60)
    if index == "Hp60":
        table = tables.kp_table(levels.index, _thirds(levels), index=index, status=SOURCE)
    else:
        means = levels.resample("3h").mean().clip(upper=9.0)
        table = tables.kp_table(means.index, _thirds(means), index=index, status=SOURCE)
    return tables.between(table, start, end)


def weather(start: pd.Timestamp, end: pd.Timestamp, site: Site) -> pd.DataFrame:
    """Give the `weather` table of [start, end)."""
    seasons = [_weather(year, site) for year in _years(start, end)]
    return tables.between(pd.concat(seasons), start, end)


def labels(start: pd.Timestamp, end: pd.Timestamp, site: Site) -> pd.DataFrame:
    """Give the `labels` table of [start, end), with the `probability` they were drawn from.

    By daylight nothing is seen: "no".
    """
    seasons = [_labels(year, site) for year in _years(start, end)]
    return tables.between(pd.concat(seasons), start, end)


def kp_forecast(issued_at: pd.Timestamp) -> pd.DataFrame:
    """Give Hp60 of the 72 hours from `issued_at` on as an ensemble might: less sure with each hour.

    The median is a blend of what comes and of the usual; the quartiles are as wide as it errs.
    """
    first = issued_at.ceil("h")
    truth = kp(first, first + pd.Timedelta(hours=LEADS), "Hp60")
    lead = np.arange(1, LEADS + 1)
    skill, spread = np.exp(-lead / 60), 0.25 + 0.6 * (1 - np.exp(-lead / 24))
    noise = _smooth(_random(SEED, 5, _hour_number(first)), LEADS, 12)
    median = skill * truth["value"] + (1 - skill) * 1.9 + spread * noise
    median = _thirds(median.clip(lower=0))
    quartiles = (_thirds((median - 0.67 * spread).clip(min=0)), _thirds(median + 0.67 * spread))
    return tables.kp_table(
        pd.DatetimeIndex(truth["time"]),
        median,
        index="Hp60",
        status="forecast",
        issued_at=issued_at,
        quartiles=quartiles,
    )


def weather_forecast(issued_at: pd.Timestamp, site: Site) -> pd.DataFrame:
    """Give the `weather` table of the 72 hours from `issued_at` on as a model might see them.

    The error is one series, wider with each hour, in all layers of cloud and in the temperature.
    """
    first = issued_at.ceil("h")
    truth = weather(first, first + pd.Timedelta(hours=LEADS), site)
    lead = np.arange(1, LEADS + 1)
    rng = _random(SEED, 6, _hour_number(first), site)
    error = _smooth(rng, LEADS, 8) * (8 + 30 * (1 - np.exp(-lead / 48)))
    columns = {column: truth[column].to_numpy() for column in tables.WEATHER}
    for column in ("cloud_cover", "cloud_low", "cloud_mid", "cloud_high"):
        columns[column] = np.clip(columns[column] + error, 0, 100).round(1)
    columns["temperature_c"] = (columns["temperature_c"] + error / 12).round(1)
    columns["dew_point_c"] = np.minimum(columns["dew_point_c"], columns["temperature_c"])
    times = pd.DatetimeIndex(truth["time"])
    return tables.weather_table(times, columns, site=site, source=SOURCE, issued_at=issued_at)


def visible(
    hp60: np.ndarray, cloud_cover: np.ndarray, sun: np.ndarray, times: pd.DatetimeIndex, site: Site
) -> np.ndarray:
    """Give the probability that aurora is seen in an hour: dark x overhead x open.

    Dark: none above -6 degrees of the sun, all below about -11. Overhead: even odds where the edge
    of what can be seen is at the site: 65.5 - 1.1 Hp60 degrees of magnetic latitude at magnetic
    midnight, a quarter of a degree further north for each hour from it. Open: one less the square
    of the cloud cover.
    """
    dark = np.where(sun < -6, 1 / (1 + np.exp((sun + 8.5) / 0.7)), 0.0)
    hour = times.hour.to_numpy() + 0.5 + (site.longitude - 20) / 15
    away = np.abs((hour - MIDNIGHT + 12) % 24 - 12)
    edge = 65.5 - 1.1 * hp60 + away / 4
    overhead = 1 / (1 + np.exp(-1.3 * (site.magnetic_latitude - edge)))
    return dark * overhead * (1 - (cloud_cover / 100) ** 2)


# A season, 1 July to 30 June ----------------------------------------------------------------------


def _span(start, end, of_season):
    return pd.concat([of_season(year) for year in _years(start, end)])


def _years(start, end):
    """Give the seasons that a range touches, each by the year in which it begins."""
    last = max(start, end - pd.Timedelta(seconds=1))
    years = range(
        *(time.year - (time.month < FIRST_MONTH) + add for time, add in ((start, 0), (last, 1)))
    )
    if not (years[0] in YEARS and years[-1] in YEARS):
        raise SourceError(f"The sample has no {start:%Y-%m-%d}: it is from 2000-07 to 2100-06.")
    return years


def _times(year):
    return pd.date_range(
        f"{year}-{FIRST_MONTH:02}-01", f"{year + 1}-{FIRST_MONTH:02}-01", freq="h", tz="UTC",
        inclusive="left", unit="us",
    )  # fmt: skip


@lru_cache(maxsize=4)
def _hp60(year: int) -> pd.Series:
    """Give the unrounded hourly index of a season."""
    times, rng = _times(year), _random(SEED, 1, year)
    count = len(times)
    hours = np.arange(count) + _hour_number(times[0])
    equinox = 0.8 + 0.4 * np.abs(np.cos(2 * np.pi * (times.dayofyear - 80) / 365.25)).to_numpy()
    quiet = np.exp(0.35 * _smooth(rng, count, 40))
    level = equinox * (0.8 * quiet + _streams(hours, rng) + _storms(count, rng))
    return pd.Series(np.clip(level + 0.55 * _smooth(rng, count, 2), 0, None), index=times)


def _streams(hours, rng):
    """Give what coronal holes add: a rise of half a day, a fall of three, once a rotation."""
    added = np.zeros(len(hours))
    for phase, strength in HOLES:
        turns = hours / ROTATION - phase
        age = (turns % 1) * ROTATION  # hours since the stream came
        number = (turns // 1).astype(int)
        strengths = strength * rng.gamma(6, 1 / 6, number[-1] - number[0] + 1)
        added += strengths[number - number[0]] * (1 - np.exp(-age / 6)) * np.exp(-age / 50) * 1.6
    return added


def _storms(count, rng):
    """Give what ejections add: a sudden rise, a main phase of hours, a fall of a day."""
    added, hours = np.zeros(count), np.arange(count)
    for onset in rng.integers(0, count, rng.poisson(STORMS * count / (24 * 30.4))):
        age = hours - onset
        main = rng.uniform(6, 18)
        shape = np.where(age < main, 1.0, np.exp(-(age - main) / 14))
        added += np.where(age >= 0, (1.2 + rng.exponential(1.3)) * shape, 0.0)
    return added


@lru_cache(maxsize=4)
def _weather(year: int, site: Site) -> pd.DataFrame:
    times, rng = _times(year), _random(SEED, 2, year, site)
    count = len(times)
    front = _smooth(rng, count, 20)  # what layers, rain and wind share
    clouds = _clouds(front, rng)
    cloud, low = clouds["cloud_cover"], clouds["cloud_low"]
    temperature = _temperature(times, cloud, _smooth(rng, count, 60), site)
    wet = np.clip(_smooth(rng, count, 6) + 1.2 * front - 1.6, 0, None) * (low > 60)
    humidity = np.clip(62 + 0.22 * cloud + 12 * (wet > 0) + 6 * _smooth(rng, count, 10), 15, 100)
    fog = (_smooth(rng, count, 8) > 2.3) & (low > 80)
    columns = clouds | {
        "visibility_km": np.where(fog, 0.5, np.clip(30 - 12 * (wet > 0) - 8 * wet, 1.5, 30)),
        "precipitation_mm": 0.6 * wet,
        "snowfall_cm": np.where(temperature < tables.FREEZING, 0.6 * wet, 0.0),
        "temperature_c": temperature,
        "dew_point_c": temperature - (100 - humidity) / 5,  # Lawrence's rule, near saturation
        "humidity": humidity,
        "wind_ms": np.exp(1.1 + 0.5 * (0.5 * front + 0.85 * _smooth(rng, count, 15))),
    }
    rounded = {name: np.round(column, 1) for name, column in columns.items()}
    return tables.weather_table(times, rounded, site=site, source=SOURCE)


def _clouds(front, rng):
    """Give the three layers, alike through the front they share, and what they cover together."""
    low, mid, high = (
        100 * _phi(2.2 * (0.8 * front + 0.6 * _smooth(rng, len(front), 8)) + offset)
        for offset in (-0.3, -0.8, -0.7)
    )
    cover = 100 - (100 - low) * (100 - mid) * (100 - high) / 10_000
    return {"cloud_cover": cover, "cloud_low": low, "cloud_mid": mid, "cloud_high": high}


def _temperature(times, cloud, air, site):
    """Give degrees C: season, air masses and, where the sky is clear, the sun or its absence."""
    day = times.dayofyear.to_numpy()
    season = -13 * np.cos(2 * np.pi * (day - 20) / 365.25)
    sun = _sun(times[0].year, site)
    clear = 1 - cloud / 100
    return 0.5 + season + 5 * air + np.where(sun > 0, 0.12 * sun, -5.0) * clear


@lru_cache(maxsize=4)
def _labels(year: int, site: Site) -> pd.DataFrame:
    times, rng = _times(year), _random(SEED, 3, year, site)
    cloud = _weather(year, site)["cloud_cover"].to_numpy()
    probability = visible(_hp60(year).to_numpy(), cloud, _sun(year, site), times, site)
    seen = _phi(_smooth(rng, len(times), 2)) < probability
    nights = (times - pd.Timedelta(hours=12)).normalize()
    off = rng.random(len(nights.unique())) < CAMERA_OFF
    states = np.where(off[nights.factorize()[0]], "unknown", np.where(seen, "yes", "no"))
    return tables.label_table(times, states, probability=probability.round(4))


@lru_cache(maxsize=4)
def _sun(year: int, site: Site) -> np.ndarray:
    """Give the sun's altitude in the middle of each hour, degrees."""
    return sun_altitude(site, _times(year) + pd.Timedelta(minutes=30))


# Randomness ---------------------------------------------------------------------------------------


def _random(*numbers):
    """Give a generator of its own for a purpose, a time and a site."""
    seeds = (
        [*numbers[:-1], *numbers[-1].name.encode()] if isinstance(numbers[-1], Site) else numbers
    )
    return np.random.default_rng(seeds)


def _smooth(rng, count, memory):
    """Give a series of variance 1 whose correlation falls by e in `memory` hours."""
    from scipy.signal import lfilter

    keep = np.exp(-1 / memory)
    shocks = rng.standard_normal(count)
    shocks[1:] *= np.sqrt(1 - keep**2)
    return lfilter([1.0], [1.0, -keep], shocks)


def _phi(normal):
    from scipy.special import ndtr

    return ndtr(normal)


def _thirds(values):
    """Round as Kp is written: 0, 0.333, 0.667, 1."""
    return np.round(np.round(np.asarray(values) * 3) / 3, 3)


def _hour_number(time):
    return int(time.timestamp()) // 3600
