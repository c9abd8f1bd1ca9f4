"""Predict the rows that the current model version has not predicted yet.

    people = inference.read_rows(store, TASK)
    new = inference.predict(TASK, current, scorer, inference.pending(TASK, people, known), date)

Predictions are rows of `<use_case>_predictions`: the key, model_version, predicted_at (midnight
of the day, UTC), `probability` (of the outcome 1; with several outcomes of the predicted one, and
`p_<label>` of each), predicted, is_synthetic.
"""

from __future__ import annotations

from datetime import date as Date
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from fti import console, rows, training
from fti.classification import KINDS, Task
from fti.models import ModelFiles

SCORED_TOGETHER = 50_000  # rows


class Rows(StrEnum):
    """Which rows are predicted."""

    real = "real"
    synthetic = "synthetic"
    both = "both"


def read_rows(store: Any, task: Task) -> pd.DataFrame:
    """Read the rows of both kinds as one table with `is_synthetic`."""
    tables = [
        rows.stored(store, task.group(kind)).assign(is_synthetic=flag)
        for kind, flag in KINDS.items()
    ]
    return pd.concat([table for table in tables if len(table)], ignore_index=True)


def of_kind(table: pd.DataFrame, which: Rows) -> pd.DataFrame:
    """Give the real rows of a table, the synthetic ones, or both."""
    return table if which == Rows.both else table[table["is_synthetic"] == KINDS[which.value]]


def pending(task: Task, table: pd.DataFrame, known: pd.DataFrame, version: int) -> pd.DataFrame:
    """Give the rows that this model version has not predicted."""
    if known.empty:
        return table
    predicted = known.loc[known["model_version"] == version, task.key]
    return table[~table[task.key].isin(predicted)]


def predict(
    task: Task, current: ModelFiles, scorer: Any, table: pd.DataFrame, date: Date
) -> pd.DataFrame:
    """Predict each row of a table that `read_rows` gave, by a scorer with `predict_proba`.

    Rows the model was trained on get the probabilities that it gave them out of fold, when their
    outcome was held back: their score stays honest.
    """
    given = score(scorer, table, len(task.labels))
    held_out = training.read_out_of_fold(current.folder)
    trained_on = table[task.key].isin(held_out) & ~table["is_synthetic"]
    if trained_on.any():
        keys = table.loc[trained_on, task.key]
        given[trained_on.to_numpy()] = np.array([held_out[key] for key in keys])
    predictions = pd.DataFrame(
        {
            task.key: table[task.key],
            "model_version": current.version,
            "predicted_at": pd.Series(pd.Timestamp(date), index=table.index),
            **outcomes(task, given),
            "is_synthetic": table["is_synthetic"].astype(bool),
        }
    )
    return predictions.reset_index(drop=True)


def outcomes(task: Task, given: np.ndarray) -> dict[str, np.ndarray]:
    """Give the columns `probability`, `predicted` and, with several outcomes, `p_<label>`."""
    if task.is_binary:
        probability = given[:, 1]
        return {"probability": probability, "predicted": (probability >= 0.5).astype("int64")}
    chosen = np.asarray(task.labels, dtype=object)[given.argmax(axis=1)]
    each = {name: given[:, k] for k, name in enumerate(task.probability_columns)}
    return {"probability": given.max(axis=1), "predicted": chosen, **each}


def score(scorer: Any, table: pd.DataFrame, labels: int) -> np.ndarray:
    """Give the probabilities (rows, labels), for many rows with a progress bar."""
    starts = range(0, len(table), SCORED_TOGETHER)
    many = f"scoring {len(table):,} rows" if len(starts) > 1 else None
    parts = [
        scorer.predict_proba(table.iloc[start : start + SCORED_TOGETHER])
        for start in console.progress(starts, len(starts), many)
    ]
    return np.concatenate([np.empty((0, labels)), *parts])
