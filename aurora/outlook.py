"""What a published forecast says at a moment: hours to come, alerts, worries, and "what if".

Pure functions. `rows` are those of one site in `forecast.parquet`, in order: a row an hour, with
the columns of `aurora_forecasts` and of the feature table. `summary` is `forecast.json`. All times
are UTC, but where a function takes a zone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Any, NamedTuple

import pandas as pd

from aurora.features import DARK, HOUR, KP, WATCHED_SUN
from aurora.feeds.tables import CLOUDY, DAYLIGHT, ICONS, PARTLY
from fti.errors import UserError

UTC = "UTC"
LATE = pd.Timedelta(hours=36)  # a forecast is made every day
MORNING = 8  # UTC: later it is dark over none of the sites
MOSTLY = 60.0  # percent of cloud
NIGHT = -18.0  # degrees of the sun: from here on it gets no darker
WET = {"rain": "rain", "snow": "snow", "fog": "fog"}  # icons that say more than the cloud cover
LIMITS = {"kp": (0, 9), "visibility_km": (0, 50), "threshold": (1, 100)}
UNITS = {"kp": "the geomagnetic index", "visibility_km": "km", "threshold": "percent"}


class Sky(NamedTuple):
    """Cloud cover (percent) and precipitation (mm in the hour) that an icon stands for."""

    cloud_cover: float
    precipitation_mm: float


# The medians of Kiruna's hours of 2021 with each icon (1 January to 14 October). `wind` says
# nothing of the sky, so the forecast's own stays.
SKIES = {
    "clear-day": Sky(0.0, 0.0),
    "clear-night": Sky(0.0, 0.0),
    "partly-cloudy-day": Sky(60.0, 0.0),
    "partly-cloudy-night": Sky(60.0, 0.0),
    "cloudy": Sky(100.0, 0.0),
    "fog": Sky(100.0, 0.0),
    "rain": Sky(100.0, 0.2),
    "snow": Sky(100.0, 0.02),
}
GALE = 14.0  # m/s: what the icon `wind` is given for


# Words


def clock(hour: pd.Timestamp, zone: str = UTC) -> str:
    """Say which hour this is, on the clock of a zone: "21–22 UTC"."""
    first, last = (moment.tz_convert(zone) for moment in (hour, hour + HOUR))
    minutes = "" if first.minute == 0 else f":{first:%M}"
    return f"{first:%H}{minutes}–{last:%H}{minutes} {first:%Z}"


def sky_words(cloud_cover: float, icon: str) -> str:
    """Say how the sky looks."""
    if icon in WET:
        return WET[icon]
    if not known(cloud_cover):
        return "cloud unknown"
    steps = ((PARTLY, "clear sky"), (MOSTLY, "partly cloudy"), (CLOUDY, "mostly cloudy"))
    return next((words for most, words in steps if cloud_cover <= most), "overcast")


def light_words(sun_altitude: float) -> str:
    """Say how dark it is with the sun that high (degrees)."""
    steps = ((NIGHT, "dark"), (DARK, "nearly dark"), (DAYLIGHT, "twilight"))
    return next((words for most, words in steps if sun_altitude < most), "daylight")


def known(value: Any) -> bool:
    """Tell whether a value is a number, and not the one that stands for none."""
    return isinstance(value, int | float) and isfinite(value)


# Hours


def to_come(rows: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """Give the hours that are not over."""
    return rows[rows["valid_hour"] + HOUR > now]


def best(rows: pd.DataFrame) -> pd.Series | None:
    """Give the likeliest hour, the first of several; None where there is none."""
    return rows.loc[rows["probability"].idxmax()] if len(rows) else None


def alert(rows: pd.DataFrame, threshold: float, now: pd.Timestamp) -> dict[str, Any]:
    """Tell whether the chance of aurora reaches a threshold (percent) in an hour to come.

    Out: above, threshold, best_hour and its probability (None when no hour is left),
    first_hour_above, hours_above (how many). Hours are ISO 8601.
    """
    ahead = to_come(rows, now)
    reached = ahead[ahead["probability"] >= threshold / 100]
    top = best(ahead)
    return {
        "above": not reached.empty,
        "threshold": threshold,
        "best_hour": None if top is None else top["valid_hour"].isoformat(),
        "probability": None if top is None else float(top["probability"]),
        "first_hour_above": None if reached.empty else reached["valid_hour"].iloc[0].isoformat(),
        "hours_above": len(reached),
    }


def spells(hours: Sequence[pd.Timestamp]) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Join hours that follow each other: start and end of each spell."""
    found: list[tuple[pd.Timestamp, pd.Timestamp]] = []
    for hour in hours:
        if found and found[-1][1] == hour:
            found[-1] = (found[-1][0], hour + HOUR)
        else:
            found.append((hour, hour + HOUR))
    return found


def noon(moment: pd.Timestamp) -> pd.Timestamp:
    """Give the noon (UTC) at which the night of a moment begins."""
    return (moment - 12 * HOUR).normalize() + 12 * HOUR


def nights_ahead(start: pd.Timestamp, now: pd.Timestamp) -> int:
    """Tell how far off the night is that begins at a noon: 0 tonight, 1 tomorrow, -1 last night.

    From `MORNING` on tonight is the night to come.
    """
    return (start - noon(now + (12 - MORNING) * HOUR)).days


def current(starts: Sequence[pd.Timestamp], now: pd.Timestamp) -> int:
    """Give the place of tonight, or else of the next night, among nights by their noons.

    0 when all of them are over.
    """
    ahead = [place for place, start in enumerate(starts) if nights_ahead(start, now) >= 0]
    return ahead[0] if ahead else 0


def is_waxing(rows: pd.DataFrame) -> bool:
    """Tell whether more of the moon is lit at the end of the hours than at their beginning."""
    lit = rows["moon_lit"]
    return bool(lit.iloc[-1] >= lit.iloc[0])


class Block(NamedTuple):
    """The index over three hours: its mean, its quartiles where known, and whose word it is."""

    start: pd.Timestamp
    kp: float
    low: float
    high: float
    kp_from: str


def kp_blocks(rows: pd.DataFrame) -> list[Block]:
    """Give the means of the index in blocks of three hours that begin at 0, 3, 6 ... UTC.

    A block is nobody's forecast ("none") as soon as one of its hours is.
    """
    found = []
    for start, part in rows.groupby(rows["valid_hour"].dt.floor("3h")):
        sources = set(part["kp_from"])
        source = "none" if "none" in sources else sorted(sources)[0]
        means = (float(part[column].mean()) for column in ("kp", "kp_low", "kp_high"))
        found.append(Block(start, *means, source))
    return found


# Worries


def late(summary: Mapping[str, Any], now: datetime, site: str) -> list[str]:
    """Say why the forecast of a site is older than it should be; nothing when it is not."""
    issued = pd.Timestamp(summary["issued_at"])
    age = now - issued
    found = []
    if age > LATE:
        found.append(
            f"This forecast is from {issued:%Y-%m-%d %H:%M} UTC, {_age(age)} ago: the next one "
            "is overdue."
        )
    return found + _stale(summary, site, camera=False)


def unwatched(summary: Mapping[str, Any], site: str) -> list[str]:
    """Say why forecasts of a site cannot be compared with the sky; nothing when they can."""
    return _stale(summary, site, camera=True)


def _stale(summary: Mapping[str, Any], site: str, camera: bool) -> list[str]:
    """Give what the sources of a site told of being old: the camera, or those forecast from."""
    return [
        one["stale"]
        for one in summary["sources"]
        if one["stale"] and one["site"] in (None, site) and (one["what"] == "camera") == camera
    ]


def cautions(summary: Mapping[str, Any]) -> list[str]:
    """Say what else keeps this from being a forecast of the real sky, in sentences."""
    found = []
    if summary["is_synthetic"]:
        found.append(
            "This was made on the built-in sample: an invented season, no forecast of any sky."
        )
    if summary["hindsight"]:
        found.append(
            "This was made in hindsight: Kp and weather are what was observed later, so no real "
            "forecast is as sure."
        )
    return found


def _age(age: pd.Timedelta) -> str:
    hours = age / HOUR
    if hours < 72:
        return f"{hours:.0f} hours"
    return f"{hours / 24:.0f} days" if hours < 2 * 365 * 24 else f"{hours / 24 / 365.25:.0f} years"


# What if


def checked_number(name: str, value: Any) -> float:
    """Give a number within `LIMITS`; UserError, naming it and its limits, for anything else."""
    low, high = LIMITS[name]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and low <= value <= high):
        raise UserError(f"{name} must be a number from {low} to {high} ({UNITS[name]}).")
    return float(value)


def checked_icon(icon: Any) -> str:
    """Give the icon word; UserError, naming the nine, for anything else."""
    if not isinstance(icon, str) or icon not in ICONS:
        raise UserError(f"icon must be one of {', '.join(ICONS)}.")
    return icon


def what_if(hour: pd.DataFrame, kp: float, visibility_km: float, icon: str) -> pd.DataFrame:
    """Give one row of features with the seed's three inputs in place of the forecast's.

    The index has been `kp` for a day and is known (`kp_age_h` 0). The icon stands for the cloud
    cover, also of the hours before and after, and precipitation of `SKIES`. Layers of cloud, where
    they are known, become three alike that overlap at random to that cover. All else, sun, moon
    and temperature among it, stays as forecast.
    """
    changes: dict[str, Any] = {**dict.fromkeys(KP, kp), "kp_age_h": 0.0}
    changes |= {"visibility_km": visibility_km, "icon": icon}
    if icon == "wind":
        return hour.assign(**changes, wind_ms=hour["wind_ms"].clip(lower=GALE))
    sky = SKIES[icon]
    changes["precipitation_mm"] = sky.precipitation_mm
    changes |= dict.fromkeys(("cloud_cover", "cloud_mean_3h", "cloud_min_3h"), sky.cloud_cover)
    layer = 100 * (1 - (1 - sky.cloud_cover / 100) ** (1 / 3))
    for name in ("cloud_low", "cloud_mid", "cloud_high"):
        changes[name] = hour[name].where(hour[name].isna(), layer)
    return hour.assign(**changes)


def is_daylight(hour: pd.DataFrame) -> bool:
    """Tell whether the sun of a row is too high for aurora to be seen, whatever the rest."""
    return bool(hour["sun_altitude"].iloc[0] >= WATCHED_SUN)
