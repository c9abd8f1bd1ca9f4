"""Turn Kp, weather and sky into the feature table: a row for each hour over a site.

Pure functions; training, batch inference and the app all call `build_features`, so feature code
exists once. A row is about the hour that starts at `valid_hour`, as seen at `issued_at`: nothing
that was issued later enters it. Nothing is fitted, and what is unknown stays NaN until the model
deals with it. All times are UTC.

Two kinds of rows have the same columns. Of the past: the index and the weather as observed, issued
when all of it was there (`observed_at`). Of the future: the index as forecast, the weather as
forecast. Where nobody forecasts the index, it is taken to fall back from its last value to its
usual level, as it does on average (`expected_kp`), and `kp_age_h` tells how old that value is.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from aurora import astronomy
from aurora.feeds import tables
from aurora.sites import SITES, Site, find

HOUR = pd.Timedelta(hours=1)
MIDDLE = HOUR / 2  # an hour's sky is that of its middle
UTC_TIME = "datetime64[us, UTC]"
UNKNOWN = "unknown"  # stores refuse a text column of nothing but nulls, so a missing word is a word
STATES = ("yes", "no", UNKNOWN)
KP_DELAY = pd.Timedelta(hours=3)  # Kp of an hour may stand for three that start with it
HIGHEST_KP = 20.0  # Kp ends at 9; Hp60 has no end, but beyond this it is damage
LOOK_BACK = 120  # hours of the index that a row may use: the 24 of its mean, and a gap of 4 days
# Autocorrelation of Kp falls as exp(-hours / 13): .74 after 3 h, .40 after 12, .21 after 24
# (measured on GFZ's Kp of 1 January to 14 October 2021)
KP_MEMORY = 13.0
FREEZING = 0.5  # degrees C; below it what falls is snow
CAMERA_SEASON = pd.Timedelta(days=30)  # no aurora for longer than this: nobody was watching
WATCHED_SUN = -4.0  # degrees; no hour of the seed's labels shows aurora with the sun higher up
DARK = -6.0  # degrees; hours with the sun lower are those that scores of the dark count
CLEAR_KM = 10.0  # providers differ in how far they see beyond this
# More than any service says. Sums over a window differ in their last bits with the hour that the
# table begins with, and a day that is run again would differ from what is stored.
DECIMALS = 6
SOURCES = ("web", "folder", "sample")

KP = ("kp", "kp_max_12h", "kp_mean_24h")
WEATHER = (
    "cloud_cover",
    "cloud_mean_3h",
    "cloud_min_3h",
    "cloud_low",
    "cloud_mid",
    "cloud_high",
    "visibility_km",
    "precipitation_mm",
    "snow_24h_mm",
    "humidity",
    "dew_point_depression_c",
    "temperature_c",
    "temperature_24h_c",
    "wind_ms",
)
SKY = ("sun_altitude", "moon_altitude", "moon_lit", "magnetic_hour")
TIMES = ("valid_hour", "issued_at", "inputs_at", "trained_until")  # of hours and of forecasts
COLUMNS = ("site", "valid_hour", "issued_at", *KP, "kp_age_h", *WEATHER, "icon", *SKY, "equinox")


def build_features(
    site: str | Site,
    hours: pd.DatetimeIndex | pd.Series,
    kp: pd.DataFrame,
    weather: pd.DataFrame,
    issued_at: pd.Timestamp | pd.DatetimeIndex | pd.Series,
    labels: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The feature table of `hours` over `site`, in their order, with the columns of `COLUMNS`.

    `kp` and `weather` are tables as `aurora.feeds.tables` describes them. `issued_at` is one moment
    for all rows or one for each: of the index and of weather forecasts, whatever was issued later
    is left out. Weather without `issued_at` is an observation. It counts as known at any time, so
    rows of the past may be built as if their weather had been forecast without error.
    With `labels`, a column `aurora` tells what was seen ("unknown" where they do not say).
    """
    site, hours = find(site), pd.DatetimeIndex(hours).as_unit("us")
    issued = pd.Series(issued_at, index=range(len(hours))) if _is_one(issued_at) else issued_at
    issued = pd.DatetimeIndex(issued).as_unit("us")
    table = pd.DataFrame({"site": site.name, "valid_hour": hours, "issued_at": issued})
    table = table.join(kp_features(kp, hours, issued))
    table = table.join(weather_features(weather, hours, issued))
    table = table.join(astronomy.sky(site, hours + MIDDLE))
    table["equinox"] = equinox(hours)
    table = table.round(DECIMALS)
    if labels is not None:
        table["aurora"] = _labels_of(labels, hours)
    return table


def schema():
    """The pandera schema of the stored hours: features, what was seen, and where they are from."""
    from pandera.pandas import Check, Column, DataFrameSchema

    def number(low: float = -np.inf, high: float = np.inf, nullable: bool = True):
        return Column("float64", Check.in_range(low, high), nullable=nullable)

    ranges = {
        **dict.fromkeys(KP, (0, HIGHEST_KP)),
        **{name: limits for name, limits in tables.WEATHER.items() if name in WEATHER},
        **dict.fromkeys(("cloud_mean_3h", "cloud_min_3h"), tables.WEATHER["cloud_cover"]),
        "kp_age_h": (0, LOOK_BACK),
        "snow_24h_mm": (0, np.inf),
        "temperature_24h_c": tables.WEATHER["temperature_c"],
    }
    always = {
        **dict.fromkeys(("sun_altitude", "moon_altitude"), (-90, 90)),
        "magnetic_hour": (0, 24),
        **dict.fromkeys(("moon_lit", "equinox"), (0, 1)),
    }
    columns = {
        **{name: Column(UTC_TIME) for name in ("valid_hour", "issued_at")},
        **{name: number(*ranges.get(name, ())) for name in (*KP, "kp_age_h", *WEATHER)},
        **{name: number(*limits, nullable=False) for name, limits in always.items()},
        "site": Column(object, Check.isin(list(SITES))),
        "icon": Column(object, Check.isin([*tables.ICONS, UNKNOWN])),
        "aurora": Column(object, Check.isin(STATES)),
        "source": Column(object, Check.isin(SOURCES)),
    }
    return DataFrameSchema(
        {name: columns[name] for name in (*COLUMNS, "aurora", "source")},
        unique=["site", "valid_hour"],
        strict=True,
        ordered=True,
        name="aurora hours",
    )


def in_utc(table: pd.DataFrame) -> pd.DataFrame:
    """Give a stored table with its times in UTC, as they were before: stores keep them bare."""
    times = [name for name in TIMES if name in table]
    return table.assign(
        **{name: pd.to_datetime(table[name], utc=True).dt.as_unit("us") for name in times}
    )


def observed_at(hours: pd.DatetimeIndex | pd.Series) -> pd.DatetimeIndex:
    """Give when the index of each hour was there at the latest: the end of an interval from it."""
    return pd.DatetimeIndex(hours) + KP_DELAY


# The geomagnetic index


def kp_features(kp: pd.DataFrame, hours: pd.DatetimeIndex, issued: pd.DatetimeIndex):
    """Give the index of each hour as expected at its issue time, and its history, a row each.

    Out: kp, kp_max_12h and kp_mean_24h (over the hours up to and with this one), kp_age_h (hours
    since the last one that was known or forecast, 0 where this one was). All NaN where nothing was
    known of the 5 days before.
    """
    known = known_kp(kp, hours, issued)
    expected, age = expected_kp(known)
    return pd.DataFrame(
        {
            "kp": expected[:, -1],
            "kp_max_12h": expected[:, -12:].max(axis=1),
            "kp_mean_24h": expected[:, -24:].mean(axis=1),
            "kp_age_h": age[:, -1],
        }
    )


def known_kp(kp: pd.DataFrame, hours: pd.DatetimeIndex, issued: pd.DatetimeIndex) -> np.ndarray:
    """Give the index of the `LOOK_BACK` hours up to each hour as far as known at its issue time.

    Out: an array (rows, hours, the last being the row's own); NaN where nothing was issued by
    then. Of several values for an hour the one issued last counts.
    """
    values, stamps, first = _by_hour(kp)
    places = _hour_number(hours)[:, None] - first + np.arange(1 - LOOK_BACK, 1)
    inside = (places >= 0) & (places < len(values))
    places = np.where(inside, places, 0)
    known = np.full(places.shape, np.nan)
    moment = _microseconds(issued)[:, None]
    for value, stamp in zip(values.T, stamps.T, strict=True):  # earlier issues first
        there = inside & (stamp[places] <= moment)
        known = np.where(there, value[places], known)
    return known


def expected_kp(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fill hours without a value by what is expected of them after the last one that has one.

    The index forgets: its expected distance from its usual level, here the mean of the row's known
    hours, shrinks as exp(-hours / `KP_MEMORY`). What lies before the first value is that level.
    Out: the filled array, and the hours since the last known value (NaN before the first).
    """
    given = ~np.isnan(known)
    count = given.sum(axis=1, keepdims=True)
    total = np.where(given, known, 0).sum(axis=1, keepdims=True)
    usual = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    places = np.arange(known.shape[1])
    last = np.maximum.accumulate(np.where(given, places, -1), axis=1)
    value = np.where(last < 0, usual, np.take_along_axis(known, last.clip(0), axis=1))
    age = np.where(last < 0, np.nan, places - last)
    return usual + (value - usual) * np.exp(-np.nan_to_num(age) / KP_MEMORY), age


def _by_hour(kp: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, int]:
    """Spread intervals over hours: all hours of an interval have its value.

    Out: value and moment of issue (microseconds) as arrays (hours, issues in order), and the
    number of the first hour. A value that there is not has the last of all moments.
    """
    rows = kp[kp["value"].notna()].sort_values(["issued_at", "index"], kind="stable")
    if rows.empty:
        return np.empty((1, 0)), np.empty((1, 0), dtype="int64"), 0
    spread = rows.loc[rows.index.repeat(rows["hours"])]
    hour = _hour_number(spread["time"]) + spread.groupby(level=0, sort=False).cumcount().to_numpy()
    issue = pd.Series(hour).groupby(hour).cumcount().to_numpy()
    first = hour.min()
    shape = (hour.max() - first + 1, issue.max() + 1)
    values, stamps = np.full(shape, np.nan), np.full(shape, np.iinfo("int64").max)
    values[hour - first, issue] = spread["value"]
    stamps[hour - first, issue] = _microseconds(spread["issued_at"])
    return values, stamps, int(first)


# Weather


def weather_features(
    weather: pd.DataFrame, hours: pd.DatetimeIndex, issued: pd.DatetimeIndex
) -> pd.DataFrame:
    """Give the weather of each hour as known at its issue time, with its neighbours, a row each.

    Of several forecasts for an hour the one issued last counts, and an observation over them all.
    """
    if "issued_at" not in weather or weather["issued_at"].isna().all():
        return _weather_of(weather, hours)
    parts = []
    for moment, rows in pd.Series(range(len(hours))).groupby(issued):
        later = weather["issued_at"] > moment
        part = _weather_of(weather[~later], hours[rows])
        parts.append(part.set_index(rows.to_numpy()))
    return pd.concat(parts).sort_index() if parts else _weather_of(weather, hours)


def _weather_of(weather: pd.DataFrame, hours: pd.DatetimeIndex) -> pd.DataFrame:
    hourly = _one_an_hour(weather)
    cloud = total_cloud(hourly)
    freezing = hourly["temperature_c"] < FREEZING
    columns = {
        "cloud_cover": cloud,
        "cloud_mean_3h": cloud.rolling(3, center=True, min_periods=1).mean(),
        "cloud_min_3h": cloud.rolling(3, center=True, min_periods=1).min(),
        **{name: hourly[name] for name in ("cloud_low", "cloud_mid", "cloud_high")},
        "visibility_km": hourly["visibility_km"],
        "precipitation_mm": hourly["precipitation_mm"],
        "snow_24h_mm": hourly["precipitation_mm"].where(freezing, 0.0).rolling(24, 1).sum(),
        "humidity": hourly["humidity"],
        "dew_point_depression_c": hourly["temperature_c"] - hourly["dew_point_c"],
        "temperature_c": hourly["temperature_c"],
        "temperature_24h_c": hourly["temperature_c"].rolling(24, 1).mean(),
        "wind_ms": hourly["wind_ms"],
    }
    table = pd.DataFrame(columns)[list(WEATHER)].astype("float64")
    table["icon"] = hourly["icon"].astype("object").fillna(UNKNOWN)
    return table.reindex(hours).fillna({"icon": UNKNOWN}).reset_index(drop=True)


def total_cloud(weather: pd.DataFrame) -> pd.Series:
    """Give the cloud cover in percent; of layers alone, as if they overlapped at random."""
    layers = weather[["cloud_low", "cloud_mid", "cloud_high"]].astype("float64")
    open_sky = (1 - layers / 100).prod(axis=1, min_count=1)
    return weather["cloud_cover"].astype("float64").fillna(100 * (1 - open_sky))


def _one_an_hour(weather: pd.DataFrame) -> pd.DataFrame:
    """One row for each hour from the first to the last, unknown where there is none."""
    order = [name for name in ("issued_at", "time") if name in weather]
    ordered = weather.sort_values(order, kind="stable", na_position="last")
    hourly = ordered.drop_duplicates("time", keep="last").set_index("time").sort_index()
    if hourly.empty:
        return hourly
    every = pd.date_range(hourly.index[0], hourly.index[-1], freq="h", unit="us")
    return hourly.reindex(every)


# Season, labels, moments


def equinox(hours: pd.DatetimeIndex) -> np.ndarray:
    """Give how near the equinoxes an hour is, from 0 (solstices) to 1.

    Around them the index is higher (Russell and McPherron, 1973,
    https://doi.org/10.1029/JA078i001p00092) and at one height of the sun the night is as long.
    """
    return np.abs(np.cos(2 * np.pi * (hours.dayofyear.to_numpy() - 80) / 365.25))


def labels_while_watched(labels: pd.DataFrame, site: str | Site) -> pd.DataFrame:
    """Give the `labels` table with "unknown" in nights when no camera can have been watching.

    The seed's list says 0 where it had no picture (100 nights of summer 2021). A time without any
    aurora for longer than `CAMERA_SEASON` is taken for such a gap, also one that still lasts when
    the table ends. Daylight stays "no".
    """
    seen = labels["time"].where(labels["aurora"] == "yes")
    before, after = seen.ffill(), seen.bfill().fillna(labels["time"].max())
    gap = (after - before) > CAMERA_SEASON
    night = astronomy.sun_altitude(find(site), labels["time"] + MIDDLE) < WATCHED_SUN
    return labels.assign(aurora=labels["aurora"].mask(gap & night, UNKNOWN))


def _labels_of(labels: pd.DataFrame, hours: pd.DatetimeIndex) -> np.ndarray:
    seen = labels.set_index("time")["aurora"].reindex(hours)
    return seen.astype("object").fillna(UNKNOWN).to_numpy()


# What the models look at


def linear_terms(table: pd.DataFrame) -> pd.DataFrame:
    """The terms of the logistic regression, each about 0 +- 1 over dark hours.

    Fixed centres and scales instead of fitted ones: what is unknown is an ordinary hour, 0.
    """
    clear = 1 - table["cloud_mean_3h"].fillna(table["cloud_cover"]) / 100
    frozen = table["temperature_c"] < FREEZING
    wet, moon = table["precipitation_mm"].clip(upper=2), moonlight(table)
    angle, away = 2 * np.pi * table["magnetic_hour"] / 24, hours_from_midnight(table).abs()
    terms = {
        "kp": table["kp"] - 1.5,
        "kp_max": table["kp_max_12h"] - 2,
        "kp_mean": table["kp_mean_24h"] - 1.5,
        "kp_unknown": table["kp"].isna(),
        "kp_clear": 2 * (table["kp_max_12h"] - 2) * clear,
        "night_sine": np.sin(angle),
        "night_cosine": np.cos(angle),
        "away": (away - 4) / 3,
        "far_away": ((away / 4) ** 2 - 1) / 1.5,
        "twilight": (table["sun_altitude"] + 18).clip(lower=0) / 4,
        "sun": (table["sun_altitude"] + 20) / 8,
        "moon": table["moon_altitude"] / 25,
        "moon_lit": 3 * (table["moon_lit"] - 0.5),
        "moonlight": 4 * moon,
        "moon_on_clear_sky": 4 * moon * clear,
        "moon_on_cloud": 4 * moon * (1 - clear),
        "cloud": (table["cloud_cover"] - 70) / 40,
        "cloud_mean": (table["cloud_mean_3h"] - 70) / 40,
        "cloud_min": (table["cloud_min_3h"] - 60) / 40,
        "visibility": (table["visibility_km"].clip(upper=CLEAR_KM) - 9) / 2,
        "humidity": (table["humidity"] - 80) / 14,
        "dryness": (table["dew_point_depression_c"] - 2.5) / 2,
        "warmth": table["temperature_c"] / 10,
        "thaw": table["temperature_c"].clip(-3, 3) / 3,
        "warm_day": table["temperature_24h_c"] / 10,
        "wind": (table["wind_ms"] - 3.3) / 2.2,
        "wet": 3 * wet,
        "snow": 4 * wet * frozen,
        "snow_day": np.log1p(table["snow_24h_mm"]),
        "equinox": (table["equinox"] - 0.7) / 0.3,
    }
    return pd.DataFrame(terms, index=table.index).astype("float64").fillna(0.0)


def tree_columns(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of the trees as numbers; their splits learn where the unknown goes."""
    names = [*KP, *WEATHER, "sun_altitude", "moon_altitude", "moon_lit", "equinox"]
    columns = table[names].astype("float64")
    columns["visibility_km"] = columns["visibility_km"].clip(upper=CLEAR_KM)
    columns["moonlight"] = moonlight(table)
    columns["from_midnight"] = hours_from_midnight(table)
    columns["away"] = columns["from_midnight"].abs()
    columns["night_sine"] = np.sin(2 * np.pi * table["magnetic_hour"] / 24)
    return columns


def without_kp(table: pd.DataFrame) -> pd.DataFrame:
    """The same rows as if nothing were known of the index."""
    return table.assign(**dict.fromkeys(KP, np.nan))


def moonlight(table: pd.DataFrame) -> pd.Series:
    """Lit share of the moon times the sine of its altitude, 0 below the horizon."""
    return table["moon_lit"] * np.sin(np.radians(table["moon_altitude"])).clip(lower=0)


def hours_from_midnight(table: pd.DataFrame) -> pd.Series:
    """Hours after magnetic midnight, -12 to 12."""
    return (table["magnetic_hour"] + 12) % 24 - 12


def _is_one(moment) -> bool:
    return isinstance(moment, pd.Timestamp)


def _microseconds(times) -> np.ndarray:
    return pd.DatetimeIndex(times).as_unit("us").asi8


def _hour_number(times) -> np.ndarray:
    return _microseconds(times) // 3_600_000_000
