"""How good the stored forecasts were: each hour beside what the camera saw, by lead time.

Scored are dark hours that a camera watched, that had not begun when the newest input of their
forecast was issued, and that the model had not been trained on. Beside ours stand climatology,
persistence and the seed's tree, as they were known at the same moment. Pure functions.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from aurora import nights
from aurora.features import HOUR, UNKNOWN
from fti import quality

LEADS = {"0-24 h": (0, 24), "24-48 h": (24, 48), "48-72 h": (48, 72)}  # from <= hours < until
BASELINES = ("climatology", "persistence", "seed_tree")
NEEDED = (  # columns of a forecast
    *("site", "issued_at", "valid_hour", "inputs_at", "trained_until", "sun_altitude"),
    *("probability", *BASELINES),
)
RECENT = 30  # nights
DAY = pd.Timedelta(days=1)


def of_site(forecasts: pd.DataFrame, hours: pd.DataFrame, until: pd.Timestamp) -> dict[str, Any]:
    """Give the track record of one site, as `forecast.json` has it, of the hours before `until`.

    In: rows of `aurora_forecasts` (`NEEDED`) and of `aurora_hours` (valid_hour, aurora) of the
    site. Where no camera has ever watched, all counts are 0.
    """
    if not (hours["aurora"] != UNKNOWN).any():
        return _record(pd.DataFrame())
    found = outcomes(forecasts, hours, until)
    watched = found[found["aurora"] != UNKNOWN]
    return _record(watched) | {"recent": recent(found)}


def outcomes(forecasts: pd.DataFrame, hours: pd.DataFrame, until: pd.Timestamp) -> pd.DataFrame:
    """Give the forecast dark hours before `until` that count, each with what was seen.

    Out: a row for each hour and forecast with its probabilities, `lead` (hours since the newest
    input), `night`, `aurora` ("unknown" where nobody watched) and `seen` (1 where aurora was).
    """
    issued, inputs = forecasts["issued_at"], forecasts["inputs_at"]
    known, hour = inputs.where(inputs > issued, issued), forecasts["valid_hour"]
    fair = (hour >= known) & (hour > forecasts["trained_until"]) & (hour < until)
    rows = forecasts[fair & nights.is_dark(forecasts)]
    labels = hours.drop_duplicates("valid_hour").set_index("valid_hour")["aurora"]
    aurora = rows["valid_hour"].map(labels).fillna(UNKNOWN)
    return rows.assign(
        lead=(rows["valid_hour"] - known[rows.index]) / HOUR,
        night=nights.night_of(rows["valid_hour"]),
        aurora=aurora,
        seen=(aurora == "yes").astype("int64"),
    )


def recent(found: pd.DataFrame, most: int = RECENT) -> list[dict[str, Any]]:
    """Compare what the forecast of each evening said of its night with what was seen.

    In: the table of `outcomes`. Out: the newest nights first, with the best probability (`said`).
    """
    tonight = found[found["valid_hour"] < found["issued_at"] + DAY]
    tonight = tonight[tonight["night"].isin(sorted(tonight["night"].unique())[-most:])]
    return [_night(night, rows) for night, rows in tonight.groupby("night")][::-1]


def _night(night: pd.Timestamp, rows: pd.DataFrame) -> dict[str, Any]:
    watched = rows[rows["aurora"] != UNKNOWN]
    seen = "yes" if watched["seen"].any() else "no"
    return {
        "night": night.date().isoformat(),
        "said": float(rows["probability"].max()),
        "seen": seen if len(watched) else UNKNOWN,
        "hours_seen": int(watched["seen"].sum()),
        "brier": _brier(watched, "probability") if len(watched) else None,
    }


def _record(watched: pd.DataFrame) -> dict[str, Any]:
    if watched.empty:
        return {
            "since": None, "nights": 0, "dark_hours": 0, "base_rate": None,
            "by_lead": [], "reliability": [], "recent": [],
        }  # fmt: skip
    once = watched.drop_duplicates("valid_hour")
    parts = {
        name: watched[(watched["lead"] >= low) & (watched["lead"] < high)]
        for name, (low, high) in LEADS.items()
    }
    first = next(iter(parts.values()))
    return {
        "since": once["night"].min().date().isoformat(),
        "nights": once["night"].nunique(),
        "dark_hours": len(once),
        "base_rate": float(once["seen"].mean()),
        "by_lead": [{"lead": name, **_scores(rows)} for name, rows in parts.items() if len(rows)],
        "reliability": reliability(first) if len(first) else [],
        "recent": [],
    }


def _scores(rows: pd.DataFrame) -> dict[str, Any]:
    found = quality.binary_scores(rows["seen"], rows["probability"])
    usual = _brier(rows, "climatology")
    return {
        "hours": len(rows),
        "brier": found["brier"],
        **{f"{name}_brier": _brier(rows, name) for name in BASELINES},
        "brier_skill": 1 - found["brier"] / usual if usual else None,
        "auc": found["auc"] if rows["seen"].nunique() > 1 else None,
    }


def reliability(rows: pd.DataFrame) -> list[dict[str, float | None]]:
    """Give what was said and what happened, in ten steps of probability."""
    bins = quality.reliability_bins(rows["seen"], rows["probability"])
    return bins.astype("object").where(bins.notna(), None).to_dict("records")


def _brier(rows: pd.DataFrame, name: str) -> float:
    return float(((rows[name] - rows["seen"]) ** 2).mean())
