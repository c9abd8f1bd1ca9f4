"""What a monitor shows of a classifier, as the files that batch inference publishes.

`monitor.parquet` holds the newest rows with each prediction and the outcome, `monitor.json` the
model, its scores, confusion, calibration, history, drift and freshness, and `report.html` the same
to read. Everything is computed from rows that join each prediction with its outcome by the
identity of what was predicted: the columns of `inference.predict`, of the features, and `outcome`,
missing while not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from datetime import date as Date
from typing import Any

import numpy as np
import pandas as pd

from fti import quality, training
from fti.classification import KINDS, Task
from fti.models import ModelFiles

HISTORY_DAYS = 90  # the newest ones
RECENT = 1000  # rows of each kind, the newest ones


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the monitor of a use case shows besides what every monitor does.

    `drift_columns` are the features watched. `groups` names groups of each row, for rates by
    group: name -> a column of group names. `describe` gives the columns that say who or what a row
    is about. `models` gives words for the baselines.
    """

    title: str
    drift_columns: Sequence[str]
    describe: Callable[[pd.DataFrame], Mapping[str, pd.Series]]
    groups: Callable[[pd.DataFrame], Mapping[str, pd.Series]] | None = None
    models: Mapping[str, str]
    note: str = ""


def files(
    task: Task,
    shown: Shown,
    current: ModelFiles,
    table: pd.DataFrame,
    predictions: pd.DataFrame,
    date: Date,
) -> dict[str, Any]:
    """Give the published files by name.

    `current` is the loaded model, `table` rows with `is_synthetic`, `predictions` the rows of
    `<use_case>_predictions` of all model versions.
    """
    from fti import monitor_report

    joined = join_outcomes(task, table, predictions)
    summary = summarize(task, shown, current, table, joined, date)
    recent = newest(task, joined)
    return {
        "monitor.parquet": recent,
        "monitor.json": summary,
        "report.html": monitor_report.render(task, shown, summary, recent),
    }


def join_outcomes(task: Task, table: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Give each prediction with its row and outcome, matched by the key."""
    known = table.drop(columns="is_synthetic").rename(columns={task.label: "outcome"})
    return predictions.merge(known, on=task.key, how="inner", validate="many_to_one")


def newest(task: Task, joined: pd.DataFrame, n: int = RECENT) -> pd.DataFrame:
    """Give the predictions of the newest n rows of each kind, newest first."""
    ordered = joined.sort_values(
        ["is_synthetic", "recorded_at", task.key, "model_version"], ascending=False
    )
    rank = ordered.groupby("is_synthetic")[task.key].transform(lambda ids: pd.factorize(ids)[0])
    return ordered[rank < n].reset_index(drop=True)


def summarize(
    task: Task,
    shown: Shown,
    current: ModelFiles,
    table: pd.DataFrame,
    joined: pd.DataFrame,
    date: Date,
) -> dict[str, Any]:
    """Give all that `monitor.json` says."""
    parts = {kind: joined[joined["is_synthetic"] == flag] for kind, flag in KINDS.items()}
    return {
        "use_case": task.use_case,
        "labels": [{"value": value, "name": name} for value, name in task.outcomes.items()],
        "model": {
            "name": current.name,
            "version": current.version,
            "registered_at": current.created,
            "metrics": current.metrics,
            **training.read_record(current.folder),
        },
        **{kind: _of_kind(task, shown, rows, current.version) for kind, rows in parts.items()},
        "drift": drift(shown, table),
        "freshness": freshness(date, table["recorded_at"].max()),
    }


def _of_kind(task: Task, shown: Shown, rows: pd.DataFrame, version: int) -> dict[str, Any]:
    mine = rows[rows["model_version"] == version]
    found = scores(task, mine)
    if found["outcomes"] and shown.groups:
        found["groups"] = group_rates(shown, mine[mine["outcome"].notna()])
    return found | {"history": history(task, rows), "previous": previous(task, rows, version)}


def scores(task: Task, predictions: pd.DataFrame) -> dict[str, Any]:
    """Give counts, scores, confusion matrix and calibration of the predictions with an outcome.

    `majority` is the accuracy of always guessing the most frequent outcome. Without outcomes only
    the counts are there.
    """
    known = predictions[predictions["outcome"].notna()]
    counts = {"predictions": len(predictions), "outcomes": len(known)}
    if known.empty:
        return counts
    y, given = _outcomes(task, known), probabilities(task, known)
    found = {name: value for name, value in task.scores(y, given).items() if name != "n"}
    claims = task.claims(y, given)
    return {
        **counts,
        **found,
        "majority": float(pd.Series(y).value_counts(normalize=True).max()),
        "calibration_error": quality.expected_calibration_error(*claims),
        "confusion": quality.confusion(y, known["predicted"], task.labels).to_dict("records"),
        "reliability": quality.reliability_bins(*claims).to_dict("records"),
    }


def probabilities(task: Task, predictions: pd.DataFrame) -> np.ndarray:
    """Give the probabilities (rows, labels) of a table of predictions."""
    given = predictions[task.probability_columns].to_numpy(dtype="float64")
    return np.column_stack([1 - given, given]) if task.is_binary else given


def history(
    task: Task, predictions: pd.DataFrame, days: int = HISTORY_DAYS
) -> list[dict[str, Any]]:
    """Give one row per day of prediction and model version: n, accuracy, brier and counts.

    accuracy and brier are means; `counts` says how often each outcome occurred.
    """
    known = predictions[predictions["outcome"].notna()]
    days_of = known["predicted_at"].dt.date.astype(str) if len(known) else pd.Series(dtype=object)
    known = known[days_of.isin(sorted(days_of.unique())[-days:])]
    groups = known.groupby([days_of.loc[known.index], "model_version"])
    return [
        {"day": day, "model_version": int(version), **_of_day(task, rows)}
        for (day, version), rows in groups
    ]


def _of_day(task: Task, rows: pd.DataFrame) -> dict[str, Any]:
    y = _outcomes(task, rows)
    found = task.scores(y, probabilities(task, rows))
    counts = pd.Series(y).value_counts().reindex(task.labels, fill_value=0)
    return {
        "n": len(rows),
        "accuracy": found["accuracy"],
        "brier": found["brier"],
        "counts": {str(label): int(n) for label, n in counts.items()},
    }


def running(history: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Give `day`, and `accuracy` and `majority` of all predictions of `history` up to each day.

    Days with few predictions say little alone; `majority` is as in `scores`.
    """
    if not history:
        return {"day": [], "accuracy": [], "majority": []}
    rows = pd.DataFrame(history, columns=["day", "n", "accuracy"])
    counts = pd.DataFrame([row["counts"] for row in history], index=rows.index)
    hits = (rows["n"] * rows["accuracy"]).rename("hits")
    sums = pd.concat([rows["n"], hits, counts], axis=1).groupby(rows["day"]).sum().cumsum()
    return {
        "day": list(sums.index),
        "accuracy": list(sums["hits"] / sums["n"]),
        "majority": list(sums[list(counts)].max(axis=1) / sums["n"]),
    }


def previous(task: Task, rows: pd.DataFrame, version: int) -> dict[str, Any] | None:
    """Compare the current version with the one before it, on the rows that both predicted.

    Out: version, n, and accuracy and brier of each (`current_...`); None without such rows.
    """
    known = rows[rows["outcome"].notna()]
    older = known.loc[known["model_version"] < version, "model_version"]
    if older.empty:
        return None
    both = [known[known["model_version"] == v] for v in (int(older.max()), version)]
    shared = set(both[0][task.key]) & set(both[1][task.key])
    if not shared:
        return None
    theirs, ours = (
        task.scores(_outcomes(task, part), probabilities(task, part))
        for part in (rows[rows[task.key].isin(shared)] for rows in both)
    )
    return {
        "version": int(older.max()),
        "n": len(shared),
        **{name: theirs[name] for name in ("accuracy", "brier")},
        **{f"current_{name}": ours[name] for name in ("accuracy", "brier")},
    }


def drift(shown: Shown, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Compare the newest synthetic rows with the real ones, feature by feature."""
    invented = table[table["is_synthetic"]].sort_values("recorded_at").tail(RECENT)
    real = table[~table["is_synthetic"]]
    if invented.empty or real.empty:
        return []
    return quality.drift(real, invented, list(shown.drift_columns)).to_dict("records")


def group_rates(shown: Shown, joined: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Give predicted and observed rates of the outcome 1 by group, groups in their own order."""
    rates = {}
    for name, values in shown.groups(joined).items():
        table = quality.group_rates(joined["outcome"], joined["probability"], values)
        if isinstance(values.dtype, pd.CategoricalDtype):
            order = list(values.cat.categories)
            table = table.sort_values("group", key=lambda group: group.map(order.index))
        rates[name] = table.to_dict("records")
    return rates


def freshness(today: Date, newest: pd.Timestamp | None, every_hours: int = 24) -> dict[str, Any]:
    """Tell how old the newest row is, and when the next run is expected (ISO 8601, UTC)."""
    midnight = datetime.combine(today, time(), tzinfo=UTC)
    return {
        "run_date": today.isoformat(),
        "newest_row": None if newest is None or pd.isna(newest) else newest.isoformat(),
        "next_run_expected": (midnight + timedelta(hours=every_hours)).isoformat(),
        "stale_after": (midnight + timedelta(hours=2 * every_hours)).isoformat(),
    }


def _outcomes(task: Task, known: pd.DataFrame) -> np.ndarray:
    y = known["outcome"]
    return y.to_numpy(dtype="int64" if task.is_binary else object)
