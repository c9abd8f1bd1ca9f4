"""Value flats before their price is seen, and keep what was said: `housing_valuations`.

Valued are flats for sale, by every model version, and sales later than all that the version has
learned from. Comparables are the sales that were known before each flat's day
(`comparables.KNOWN_AFTER`), and a flat's own price is taken away before anything looks at it. So a
stored valuation is what the app would have said on that day, and it is never changed.

This needs neither XGBoost nor scikit-learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date as Date
from typing import Any

import numpy as np
import pandas as pd

from fti import console, models, raw, training
from fti.models import ModelFiles
from housing import groups, scoring, seed_scoring, table
from housing.features import Past

MODEL, SEED = "housing", "housing_seed_xgboost"
CHUNK = 2_000  # flats between two steps of the progress bar


@dataclass(frozen=True)
class Stored:
    """What is stored up to the end of a day, times in UTC."""

    sales: pd.DataFrame
    listings: pd.DataFrame
    valuations: pd.DataFrame


def read(store: Any, date: Date) -> Stored:
    """Read sales and listings up to the end of a day, and all valuations."""
    return Stored(
        groups.read(store, groups.SALES, until=date),
        groups.read(store, groups.LISTINGS, until=date),
        groups.read(store, groups.VALUATIONS),
    )


def catch_up(project: Any, date: Date) -> int:
    """Value and store what is new to the current model, before another one learns from its price.

    Gives how many flats were valued.
    """
    store, current = project.get_feature_store(), models.fetch_model(project, MODEL)
    stored = read(store, date)
    new = unvalued(stored, current.version, trained_until(current))
    if new.empty:
        return 0
    past = scoring.load_scorer(current.folder).past(stored.sales[list(table.COLUMNS)])
    return groups.add(store, groups.VALUATIONS, valuations(project, new, current, past, date))


def trained_until(current: ModelFiles) -> pd.Timestamp:
    """Give the day of the newest sale that a model has learned from."""
    return pd.Timestamp(training.read_record(current.folder)["trained_until"], tz="UTC")


def unvalued(stored: Stored, version: int, learned: pd.Timestamp) -> pd.DataFrame:
    """Give the flats that a model version shall value: rows of `housing.table`, without a price.

    Those are flats still for sale that this version has not valued, and sales of after the day
    `learned` that no version has valued, whether as a sale or before it.
    """
    known, columns = stored.valuations, list(table.COLUMNS)
    by_this = known.loc[known["model_version"] == version, "sale_id"]
    waiting = stored.listings[columns]
    sold = waiting["sale_id"].isin(stored.sales["sale_id"])
    waiting = waiting[~sold & ~waiting["sale_id"].isin(by_this)]
    later = stored.sales[columns]
    later = later[(later["sold_on"] > learned) & ~later["sale_id"].isin(known["sale_id"])]
    parts = [part.assign(is_listing=flag) for part, flag in ((waiting, True), (later, False))]
    found = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return found.assign(price=np.nan, is_listing=found["is_listing"].astype(bool))


def valuations(
    project: Any, new: pd.DataFrame, current: ModelFiles, past: Past, date: Date
) -> pd.DataFrame:
    """Value flats by the current model, and by the seed's; give rows of `housing_valuations`.

    In: the rows of `unvalued`, and what was known (`Scorer.past`).
    """
    scorer = scoring.load_scorer(current.folder)
    steps = list(_parts(new))
    given = [
        scorer.value(part, past) for part in console.progress(steps, len(steps), "valuing flats")
    ]
    told = pd.concat(given).assign(
        sale_id=new["sale_id"],
        model_version=np.int64(current.version),
        predicted_at=pd.Timestamp(date, tz="UTC").as_unit("us"),
        seed_value=seed_values(project, new),
        sold_on=new["sold_on"],
        is_listing=new["is_listing"],
        is_synthetic=new["source"] == raw.SAMPLE,
    )
    return told[list(groups.VALUATION_COLUMNS)].astype(groups.VALUATION_COLUMNS)


def _parts(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    return (rows.iloc[start : start + CHUNK] for start in range(0, len(rows), CHUNK))


def seed_values(project: Any, rows: pd.DataFrame) -> np.ndarray:
    """Give what the seed's model says; NaN for a price that it may have learned, or without it."""
    if models.latest_model(project, SEED) is None:
        return np.full(len(rows), np.nan)
    seed = models.fetch_model(project, SEED)
    given = seed_scoring.load(seed.folder).predict(rows)
    learned = ~rows["is_listing"] & (rows["sold_on"] <= trained_until(seed))
    return np.where(learned, np.nan, given)
