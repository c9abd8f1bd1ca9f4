"""What the next nights bring: best hour, verdict and one sentence, from the hours of a forecast.

Only dark hours count, and of those the ones that were not over when the forecast was made. A night
is named by the day at whose noon (UTC) it begins: an all-sky keogram begins then too, and no aurora
is ever seen over these sites at noon. Pure functions.
"""

from __future__ import annotations

from datetime import date as Date
from typing import Any

import pandas as pd

from aurora.features import DARK, HOUR
from aurora.outlook import sky_words
from fti.report import percent

WORTHWHILE, GOOD = 0.2, 0.5  # probabilities from which it is worth going out, and likely to pay
HALF_DAY = pd.Timedelta(hours=12)


def night_of(hours: pd.Series) -> pd.Series:
    """Give the midnight (UTC) of the day at whose noon the night of each hour began."""
    return (hours - HALF_DAY).dt.floor("D")


def summarize(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Give each night of one site's forecast, the first one first, as `forecast.json` has it.

    In: rows of `aurora_forecasts` of one site and one issue, by hour.
    """
    nights = night_of(rows["valid_hour"])
    first = nights.iloc[0]
    return [_summary(night, hours, (night - first).days) for night, hours in rows.groupby(nights)]


def _summary(night: pd.Timestamp, rows: pd.DataFrame, number: int) -> dict[str, Any]:
    name, dark = title(night.date(), number), rows.loc[is_dark(rows), "valid_hour"]
    left = to_come(rows.loc[dark.index])
    if left.empty:
        return {"night": night.date().isoformat(), **nothing(name, len(dark) > 0)}
    best = left.loc[left["probability"].idxmax()]
    worthwhile = left.loc[left["probability"] >= WORTHWHILE, "valid_hour"]
    return {
        "night": night.date().isoformat(),
        "verdict": verdict(best["probability"]),
        "sentence": sentence(name, best),
        "best_hour": best["valid_hour"].isoformat(),
        "best_probability": float(best["probability"]),
        "first_worthwhile_hour": worthwhile.min().isoformat() if len(worthwhile) else None,
        "hours_above": len(worthwhile),
        **{name: float(best[name]) for name in ("cloud_cover", "kp")},
        "darkness": [dark.min().isoformat(), dark.max().isoformat()],
        **{name: float(best[name]) for name in ("moon_lit", "moon_altitude")},
    }


def nothing(name: str, was_dark: bool) -> dict[str, Any]:
    """Give the summary of a night without a dark hour, or with none left."""
    why = "its dark hours are over" if was_dark else "it does not get dark enough to see aurora"
    unknown = ("best_hour", "first_worthwhile_hour", "cloud_cover", "kp")
    return {
        "verdict": verdict(0.0),
        "sentence": f"{name}, {why}",
        "best_probability": 0.0,
        "hours_above": 0,
        **dict.fromkeys((*unknown, "darkness", "moon_lit", "moon_altitude")),
    }


def to_come(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the hours that were not over when the newest input was issued."""
    return rows[rows["valid_hour"] + HOUR > rows["inputs_at"]]


def is_dark(rows: pd.DataFrame) -> pd.Series:
    """Where the sun is low enough for an hour to count: `DARK` degrees."""
    return rows["sun_altitude"] < DARK


def verdict(best: float) -> str:
    """Say in a word what the probability of a night's best hour means."""
    if best >= GOOD:
        return "good"
    return "possible" if best >= WORTHWHILE else "unlikely"


def title(night: Date, number: int) -> str:
    """Name a night by how many nights after the first one it is."""
    return ("Tonight", "Tomorrow night")[number] if number < 2 else f"{night:%A} night"


def sentence(name: str, best: pd.Series) -> str:
    """Say when a night is best: "Tonight, 21-22 UTC, 61%, clear sky, best hour"."""
    sky = sky_words(best["cloud_cover"], best["icon"])
    return f"{name}, {span(best['valid_hour'])}, {percent(best['probability'])}, {sky}, best hour"


def span(hour: pd.Timestamp) -> str:
    """Give an hour as "21-22 UTC"."""
    return f"{hour:%H}-{hour + HOUR:%H} UTC"
