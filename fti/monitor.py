"""What a monitor shows of a classifier: scores, confusion, calibration and their history.

Everything is computed from rows that join each prediction with its outcome by the identity of
what was predicted. Such a table has the columns `model_version`, `predicted_at` (UTC),
`probability` (of the outcome 1), `predicted` and `outcome` (0 or 1, missing while not known).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pandas as pd

from fti import quality

HISTORY_DAYS = 90  # the newest ones


def scores(predictions: pd.DataFrame) -> dict[str, Any]:
    """Give counts, scores, confusion matrix and calibration of the predictions with an outcome.

    `majority` is the accuracy of always guessing the more frequent outcome. Without outcomes only
    the counts are there.
    """
    known = predictions[predictions["outcome"].notna()]
    counts = {"predictions": len(predictions), "outcomes": len(known)}
    if known.empty:
        return counts
    y, p = known["outcome"].astype("int64"), known["probability"]
    share = float(y.mean())
    found = {name: value for name, value in quality.binary_scores(y, p).items() if name != "n"}
    return {
        **counts,
        **found,
        "majority": max(share, 1 - share),
        "calibration_error": quality.expected_calibration_error(y, p),
        "confusion": quality.confusion(y, known["predicted"], [0, 1]).to_dict("records"),
        "reliability": quality.reliability_bins(y, p).to_dict("records"),
    }


def history(predictions: pd.DataFrame, days: int = HISTORY_DAYS) -> list[dict[str, Any]]:
    """Give one row per day of prediction and model version: n and the means of its predictions.

    `accuracy`, `brier` and `base_rate`, the share of outcomes that are 1.
    """
    known = predictions[predictions["outcome"].notna()]
    if known.empty:
        return []
    known = known.assign(
        hit=known["predicted"] == known["outcome"],
        squared=(known["probability"] - known["outcome"]) ** 2,
        day=known["predicted_at"].dt.date.astype(str),
    )
    daily = known.groupby(["day", "model_version"], as_index=False).agg(
        n=("hit", "size"),
        accuracy=("hit", "mean"),
        brier=("squared", "mean"),
        base_rate=("outcome", "mean"),
    )
    newest = sorted(daily["day"].unique())[-days:]
    return daily[daily["day"].isin(newest)].to_dict("records")


def running(history: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Give `day`, and `accuracy` and `majority` of all predictions of `history` up to each day.

    Days with few predictions say little alone; `majority` is as in `scores`.
    """
    rows = pd.DataFrame(history, columns=["day", "n", "accuracy", "base_rate"])
    counts = rows.assign(hits=rows["n"] * rows["accuracy"], ones=rows["n"] * rows["base_rate"])
    sums = counts.groupby("day")[["n", "hits", "ones"]].sum().cumsum()
    rate = sums["ones"] / sums["n"]
    return {
        "day": list(sums.index),
        "accuracy": list(sums["hits"] / sums["n"]),
        "majority": list(rate.where(rate >= 0.5, 1 - rate)),
    }


def freshness(today: date, newest: pd.Timestamp | None, every_hours: int = 24) -> dict[str, Any]:
    """Tell how old the newest row is, and when the next run is expected (ISO 8601, UTC)."""
    midnight = datetime.combine(today, time(), tzinfo=UTC)
    return {
        "run_date": today.isoformat(),
        "newest_row": None if newest is None or pd.isna(newest) else newest.isoformat(),
        "next_run_expected": (midnight + timedelta(hours=every_hours)).isoformat(),
        "stale_after": (midnight + timedelta(hours=2 * every_hours)).isoformat(),
    }
