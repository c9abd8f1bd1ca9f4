"""The seed's model without XGBoost: its inputs, and its trees as numbers in arrays.

scorer = load(folder)                   trees.npz, beside the model `housing_seed_xgboost`
scorer.predict(rows)                    prices; rows: `housing.table`, not looked at their price
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fti import trees
from fti.trees import Trees

TREES = "trees.npz"  # a file beside the model
TOLERANCE = 1e-4  # relative, between the prices of the model's two forms
NUMBERS = (
    *("living_area_m2", "rooms", "fee", "running_cost", "floor", "year_built"),
    *("latitude", "longitude"),
)
MACRO = ("gdp_growth", "unemployment", "policy_rate")


def seed_columns(rows: pd.DataFrame, macro: pd.DataFrame | None = None) -> pd.DataFrame:
    """Give the seed's inputs: number in the street, size, rooms, day in years, costs, floor, place.

    In: `housing.table` rows; `macro` (`macro.as_of`) has a row for each, if there is any.
    """
    columns = rows[list(NUMBERS)].astype("float64")
    columns.insert(0, "number", rows["number"].map(_digits).astype("float64"))
    day = rows["sold_on"].dt
    columns.insert(3, "sold_on", day.year + (day.dayofyear - 1) / 365.25)
    if macro is None:
        return columns
    given = [name for name in MACRO if name in macro]
    return columns.assign(**{name: macro[name].to_numpy(dtype=float) for name in given})


def _digits(number: str) -> float:
    found = re.search(r"\d+", number)
    return float(found.group()) if found else np.nan


@dataclass(frozen=True)
class SeedScorer:
    """The seed's fitted trees, and the names of their inputs in order."""

    trees: Trees
    columns: tuple[str, ...]

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Give the price of each row."""
        inputs = seed_columns(rows)[list(self.columns)]
        return self.trees.total(inputs.to_numpy(dtype=np.float32))


def scorer_of(fitted: Any, rows: pd.DataFrame) -> SeedScorer:
    """Give a fitted `seeds.SeedXGBoost` as arrays; ValueError if both forms differ on the rows."""
    scorer = SeedScorer(trees.of(fitted.model_), tuple(fitted.columns_))
    gap = float(np.abs(scorer.predict(rows) / fitted.predict(rows) - 1).max())
    if not gap <= TOLERANCE:
        raise ValueError(f"the seed's model and its trees differ by {gap:.2g} of a price")
    return scorer


def save(scorer: SeedScorer) -> bytes:
    """Give the content of `trees.npz`."""
    return trees.save(trees.pack({"seed": scorer.trees}) | {"columns": np.array(scorer.columns)})


def load(folder: Path) -> SeedScorer:
    """Read the scorer of a model's folder; raises ModelError when it is missing or damaged."""
    return trees.read(Path(folder) / TREES, _from_arrays)


def _from_arrays(arrays: dict[str, np.ndarray]) -> SeedScorer:
    columns = tuple(str(name) for name in arrays.pop("columns"))
    return SeedScorer(Trees(**trees.unpack(arrays)["seed"]), columns)
