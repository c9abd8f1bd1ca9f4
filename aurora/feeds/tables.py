"""The three tables that every provider's data become; all times are UTC, in microseconds.

kp        one row per interval of a planetary index, in order
    time        start of the interval
    hours       its length: 3 (Kp) or 1 (Hp60)
    value       the index, 0 to 9 in thirds; Hp60 is open above 9; of a forecast the median
    index       "Kp" or "Hp60"
    status      "def", "pre" (GFZ), "unstated" (GFZ's Hp60), "observed", "estimated" (NOAA),
                "forecast", "hindsight" (observed, given as if it had been forecast), "sample"
    issued_at   when the value was there: the end of the interval for history
    low, high   only in forecasts: quartiles, NaN where the provider gives none

weather   one row per hour, in order
    time                                            start of the hour
    cloud_cover, cloud_low, cloud_mid, cloud_high   percent of the sky
    visibility_km, precipitation_mm, snowfall_cm, temperature_c, dew_point_c, humidity (percent),
    wind_ms                                         NaN when unknown
    icon                                            one of `ICONS`, None when unknown
    source                                          who said so
    issued_at                                       when a forecast was made, otherwise NaT

labels    one row per hour, in order
    time                                            start of the hour
    aurora                                          "yes", "no" or "unknown"
    and scores, if there are some
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import numpy as np
import pandas as pd

from aurora.sites import Site, sun_altitude
from fti.errors import SourceError

UTC_TIME = "datetime64[us, UTC]"
HOURS = {"Kp": 3, "Hp60": 1}
STATES = ("yes", "no", "unknown")
ICONS = (
    "clear-day",
    "clear-night",
    "cloudy",
    "fog",
    "partly-cloudy-day",
    "partly-cloudy-night",
    "rain",
    "snow",
    "wind",
)
# Column -> what is possible on Earth; a value outside is damage.
WEATHER = {
    "cloud_cover": (0, 100),
    "cloud_low": (0, 100),
    "cloud_mid": (0, 100),
    "cloud_high": (0, 100),
    "visibility_km": (0, 1_000),
    "precipitation_mm": (0, 500),
    "snowfall_cm": (0, 500),
    "temperature_c": (-95, 65),
    "dew_point_c": (-110, 50),
    "humidity": (0, 105),
    "wind_ms": (0, 120),
}
FILL = frozenset({9999.0, -9999.0})  # how weather services write "not known"
# Visual Crossing's rules for its icon set `icons1`, as the seed's data follow them (measured):
# https://www.visualcrossing.com/resources/documentation/weather-api/defining-icon-set-in-the-weather-api/
FOG_KM, WIND_MS, CLOUDY, PARTLY = 1.0, 13.4, 90.0, 20.0
FREEZING = 0.5  # degrees C; 99 % of the seed's wet hours below it have the icon snow (measured)
DAYLIGHT = -0.833  # degrees: the upper edge of the sun, refracted, is at the horizon


def kp_table(
    times: pd.DatetimeIndex,
    values: np.ndarray,
    *,
    index: str,
    status: Sequence[str] | str,
    issued_at: pd.DatetimeIndex | pd.Timestamp | None = None,
    quartiles: tuple[np.ndarray, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Put index values into the `kp` table; without `issued_at` each is known when it ends."""
    hours = HOURS[index]
    table = pd.DataFrame({"time": times.as_unit("us"), "hours": hours, "value": values})
    table["index"] = index
    table["status"] = status
    known = times + pd.Timedelta(hours=hours) if issued_at is None else issued_at
    table["issued_at"] = known
    table["issued_at"] = table["issued_at"].astype(UTC_TIME)
    if quartiles is not None:
        table["low"], table["high"] = quartiles
    return table


def weather_table(
    times: pd.DatetimeIndex,
    columns: Mapping[str, np.ndarray],
    *,
    site: Site,
    source: str,
    icon: Sequence[str | None] | None = None,
    issued_at: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Put hourly weather into the `weather` table; without `icon` it is derived."""
    table = pd.DataFrame({"time": times.as_unit("us")})
    for column in WEATHER:
        table[column] = columns.get(column, np.full(len(times), np.nan))
    table["icon"] = icons(table, site) if icon is None else pd.Series(icon, dtype=object)
    table["source"] = source
    table["issued_at"] = pd.Series(issued_at or pd.NaT, index=table.index, dtype=UTC_TIME)
    return table


def label_table(times: pd.DatetimeIndex, states: Sequence[str], **scores: object) -> pd.DataFrame:
    """Put hourly states into the `labels` table."""
    table = pd.DataFrame({"time": times.as_unit("us"), "aurora": pd.Series(states, dtype=object)})
    return table.assign(**scores)


def icons(weather: pd.DataFrame, site: Site) -> pd.Series:
    """Give each hour the seed's icon word: the first of snow, rain, fog, wind and cloud that fits.

    None where the cloud cover that would decide is unknown. Of Kiruna's hours of 2021 it gives
    99.7 % the icon that Visual Crossing gave.
    """
    cloud, wet = weather["cloud_cover"], weather["precipitation_mm"] > 0
    time_of_day = np.where(sun_altitude(site, weather["time"]) > DAYLIGHT, "day", "night")
    rules = {
        "snow": (weather["snowfall_cm"] > 0) | (wet & (weather["temperature_c"] < FREEZING)),
        "rain": wet,
        "fog": weather["visibility_km"] < FOG_KM,
        "wind": weather["wind_ms"] > WIND_MS,
        "cloudy": cloud > CLOUDY,
    }
    words = np.where(cloud > PARTLY, "partly-cloudy-", "clear-") + time_of_day.astype(object)
    words = pd.Series(words, index=weather.index, dtype=object).mask(cloud.isna(), None)
    for word in reversed(rules):
        words = words.mask(rules[word], word)
    return words


def between(
    table: pd.DataFrame, start: pd.Timestamp | None, end: pd.Timestamp | None
) -> pd.DataFrame:
    """Give the rows that begin from `start` on and before `end`, None for no bound."""
    keep = pd.Series(True, index=table.index)
    if start is not None:
        keep &= table["time"] >= start
    if end is not None:
        keep &= table["time"] < end
    return table[keep].reset_index(drop=True)


def as_utc(when: str | date | datetime | pd.Timestamp | None) -> pd.Timestamp | None:
    """Give a bound of a range as a UTC moment; a day is its midnight, no zone means UTC."""
    if when is None:
        return None
    try:
        time = pd.Timestamp(when)
    except (ValueError, TypeError) as error:
        raise SourceError(f"'{when}' is not a moment: write it as 2026-01-31T18:00Z.") from error
    time = time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")
    return time.as_unit("us")
