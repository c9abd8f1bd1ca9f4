"""Value flats with the fitted model: numbers in arrays, without XGBoost and scikit-learn.

    scorer = load_scorer(folder)                    scorer.npz, beside the model
    past = load_past(folder, scorer)                known_sales.parquet: where comparables come from
    scorer.value(rows, past)                        value, 80 and 90 % ranges, confidence
    scorer.contributions(rows, past)                why: money that each input adds or takes
    comparable_sales(rows, past)                    the most similar sales known before the day

`rows` are `housing.table` rows; their day (`sold_on`) is the day that they are valued for, and only
sales known before it (`comparables.KNOWN_AFTER`) are looked at. Load once and keep both.

The value is a mean of three on log scale, by the weights SURE, CORRECTED and FLAT_ALONE: the level
of prices with what comparable sales say of the flat (`housing.kriging`), the same corrected by
trees, and trees on the flat and its place alone, over the market's index.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fti import trees
from fti.models import ModelError
from fti.trees import Trees
from housing import comparables, features, intervals, level
from housing.comparables import Near, as_arrays
from housing.features import FLAT, NEAR, Past
from housing.intervals import Ranges
from housing.level import Level

SCORER = "scorer.npz"  # files beside the model
KNOWN_SALES = "known_sales.parquet"
LEAST_ERROR = 0.02  # log; added to errors before their logarithm is learned
SURE, CORRECTED, FLAT_ALONE = 0.4, 0.4, 0.2
CHUNK = 8192  # flats that are valued together

# Inputs that a person would name -> columns of the features that say them
INPUTS = {
    "size": ("living_area_m2", "extra_area_m2"),
    "rooms": ("rooms", "area_per_room"),
    "fee": ("fee", "fee_per_m2"),
    "running_cost": ("running_cost_per_m2",),
    "floor": ("floor",),
    "balcony": ("balcony",),
    "elevator": ("elevator",),
    "year_built": ("year_built",),
    "association": (),
    "agency": (),
    "location": ("north", "east", "northeast", "southeast", "pois_nearby", *NEAR[1:]),
    "date": (),
    "together": ("level",),  # what several inputs say at once
}
TERM_OF = {"district": "location", "market": "date"}  # other terms of the level are called alike
GROUP_OF = {column: name for name, columns in INPUTS.items() for column in columns}
RESULTS = ("value", "low_80", "high_80", "low_90", "high_90", "confidence")


@dataclass(frozen=True)
class Explained:
    """Trees, and the mean of what rows that pass each node end with."""

    trees: Trees
    expected: np.ndarray

    def parts(self, X: np.ndarray) -> np.ndarray:
        """Give what each column adds (rows, columns), after Saabas (2014)."""
        found = np.zeros(X.shape)
        row = np.repeat(np.arange(len(X)), len(self.trees.roots))
        node = np.tile(self.trees.roots, len(X))
        while len(node):
            column = self.trees.column[node]
            values = X[row, column]
            left = np.where(
                np.isnan(values),
                self.trees.missing_left[node],
                values < self.trees.threshold[node],
            )
            below = np.where(left, self.trees.left[node], self.trees.right[node])
            gained = self.expected[below] - self.expected[node]
            cells = row * X.shape[1] + column
            found += np.bincount(cells, gained, found.size).reshape(found.shape)
            goes_on = self.trees.left[below] != below
            node, row = below[goes_on], row[goes_on]
        return found

    @property
    def start(self) -> float:
        """What trees give on average: with `parts`, it sums up to their prediction."""
        return float(self.trees.base + self.expected[self.trees.roots].sum())


@dataclass(frozen=True)
class Scorer:
    """The fitted model as numbers.

    `near` corrects level and kriging from all features, `flat` the market's index from what the
    flat is; `spread` gives the logarithm of how large an error usually is. `usual` has the mean of
    each input's part over the sales it was fitted on, `usual_log_price` that of the value.
    """

    level: Level
    near: Explained
    flat: Explained
    spread: Trees
    ranges: Ranges
    centre: np.ndarray
    usual: np.ndarray
    usual_log_price: float
    currency: str

    def past(self, sales: pd.DataFrame) -> Past:
        """Give sales with prices as what is known: comparables may be later than the model."""
        return features.remember(sales, self.level, self.centre)

    def value(self, rows: pd.DataFrame, past: Past) -> pd.DataFrame:
        """Give columns RESULTS for each flat: money in `currency`, confidence from A to D."""
        if len(rows) <= CHUNK:
            return pd.DataFrame(self._value(as_arrays(rows), past), index=rows.index)
        starts = range(0, len(rows), CHUNK)
        return pd.concat([self.value(rows.iloc[k : k + CHUNK], past) for k in starts])

    def _value(self, columns: Mapping[str, np.ndarray], past: Past) -> dict[str, np.ndarray]:
        X = features.matrix(columns, past)
        log_price = self.log_price(X)
        found = self.ranges.around(log_price, self.spreads(X))
        value = np.exp(log_price)
        sure = intervals.grade(value, found["low_90"], found["high_90"])
        return {"value": value, **found, "confidence": sure}

    def predict(self, rows: pd.DataFrame, past: Past) -> np.ndarray:
        """Give the value of each flat."""
        return self.value(rows, past)["value"].to_numpy()

    def log_price(self, X: np.ndarray) -> np.ndarray:
        """Give the logarithm of the value, for an array of the features."""
        level, kriged, market = (column_of(X, name) for name in ("level", "kriged", "market"))
        narrow = X.astype(np.float32)
        near, flat = self.near.trees.total(narrow), self.flat.trees.total(narrow)
        per_m2 = (
            (SURE + CORRECTED) * (level + kriged) + CORRECTED * near + FLAT_ALONE * (market + flat)
        )
        return per_m2 + np.log(column_of(X, "living_area_m2"))

    def spreads(self, X: np.ndarray) -> np.ndarray:
        """Give how large the error of each flat usually is, on log scale."""
        return np.exp(self.spread.total(X.astype(np.float32)))

    def contributions(self, rows: pd.DataFrame, past: Past) -> pd.DataFrame:
        """Give what each of INPUTS adds to a usual flat's value, in money; NaN never.

        Beside them "usual", a usual flat's value; all together are the value. Parts are exact on
        log scale and shared out in money by the logarithmic mean of both values.
        """
        parts = self.parts(as_arrays(rows), past) - self.usual
        log_price = self.usual_log_price + parts.sum(axis=1)
        usual, value = np.exp(self.usual_log_price), np.exp(log_price)
        apart = log_price - self.usual_log_price
        safe = np.where(np.abs(apart) < 1e-9, 1.0, apart)
        mean = np.where(np.abs(apart) < 1e-9, value, (value - usual) / safe)
        money = pd.DataFrame(parts * mean[:, None], index=rows.index, columns=list(INPUTS))
        money.insert(0, "usual", usual)
        return money

    def parts(self, columns: Mapping[str, np.ndarray], past: Past) -> np.ndarray:
        """Give what each of INPUTS adds to the logarithm of the value, up to a constant."""
        terms = past.level.terms(columns)
        X = features.matrix(columns, past, terms=terms)
        found = dict.fromkeys(INPUTS, np.zeros(len(X)))
        for name, term in terms.items():
            share = 1.0 if name == "market" else SURE + CORRECTED
            found[TERM_OF.get(name, name)] = found[TERM_OF.get(name, name)] + share * term
        found["size"] = found["size"] + np.log(column_of(X, "living_area_m2"))
        found["location"] = found["location"] + (SURE + CORRECTED) * column_of(X, "kriged")
        narrow = X.astype(np.float32)
        wide, alone = len(FLAT) + len(NEAR), len(FLAT)
        for of, width, share in ((self.near, wide, CORRECTED), (self.flat, alone, FLAT_ALONE)):
            for place, part in enumerate(of.parts(narrow[:, :width]).T):
                group = GROUP_OF[features.COLUMNS[place]]
                found[group] = found[group] + share * part
        return np.column_stack([found[name] for name in INPUTS])


def comparable_sales(
    rows: pd.DataFrame, past: Past, k: int = 10, near: Near | None = None
) -> pd.DataFrame:
    """Give the k most similar known sales of each flat, a row each.

    Out: `row` (the flat's place in `rows`), `rank` from 1, `metres` (NaN without coordinates),
    `weight` (they sum to 1), `price_today` (its price at the level of the flat's day, as far as
    the market's index goes) and the columns of the sale.
    """
    columns = as_arrays(rows)
    near = comparables.find(past.known, columns, k) if near is None else near
    row, rank = np.nonzero(near.sales >= 0)
    place = near.sales[row, rank]
    sales = past.known.sales.iloc[place].reset_index(drop=True)
    then = past.level.market_level(as_arrays(sales))
    now = past.level.market_level(columns)[row]
    found = pd.DataFrame(
        {
            "row": row,
            "rank": rank + 1,
            "metres": near.metres[row, rank],
            "weight": near.weights[row, rank],
            "price_today": sales["price"] * np.exp(now - then),
        }
    )
    return pd.concat([found, sales], axis=1)


def column_of(X: np.ndarray, name: str) -> np.ndarray:
    """Give a column of the features' array."""
    return X[:, _PLACES[name]]


_PLACES = {name: place for place, name in enumerate(features.COLUMNS)}


# As files


def to_arrays(scorer: Scorer) -> dict[str, np.ndarray]:
    """Give a scorer as named arrays."""
    packed = trees.pack(
        {"near": scorer.near.trees, "flat": scorer.flat.trees, "spread": scorer.spread}
    )
    levels = {f"level.{name}": values for name, values in level.to_arrays(scorer.level).items()}
    return {
        **packed,
        **levels,
        "own.near_expected": scorer.near.expected,
        "own.flat_expected": scorer.flat.expected,
        "own.quantiles": scorer.ranges.quantiles,
        "own.centre": scorer.centre,
        "own.usual": scorer.usual,
        "own.usual_log_price": np.asarray(scorer.usual_log_price),
        "own.currency": np.asarray(scorer.currency),
    }


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Scorer:
    """Give the scorer that `to_arrays` took apart."""
    parts = trees.unpack(arrays)
    own = parts["own"]
    return Scorer(
        level=level.from_arrays(parts["level"]),
        near=Explained(Trees(**parts["near"]), own["near_expected"]),
        flat=Explained(Trees(**parts["flat"]), own["flat_expected"]),
        spread=Trees(**parts["spread"]),
        ranges=Ranges(own["quantiles"]),
        centre=own["centre"],
        usual=own["usual"],
        usual_log_price=float(own["usual_log_price"]),
        currency=str(own["currency"]),
    )


def save_scorer(scorer: Scorer) -> bytes:
    """Give the content of `scorer.npz`."""
    return trees.save(to_arrays(scorer))


def load_scorer(folder: Path) -> Scorer:
    """Read the scorer of a model's folder; raises ModelError when it is missing or damaged."""
    return trees.read(Path(folder) / SCORER, from_arrays)


def save_sales(sales: pd.DataFrame) -> bytes:
    """Give the content of `known_sales.parquet`: sales with prices, compactly."""
    content = io.BytesIO()
    sales[sales["price"].notna()].to_parquet(content, index=False, compression="zstd")
    return content.getvalue()


def load_past(folder: Path, scorer: Scorer) -> Past:
    """Read the sales beside a model as what is known; raises ModelError when there are none."""
    path = Path(folder) / KNOWN_SALES
    if not path.is_file():
        raise ModelError(f"{path} is missing: run the training pipeline again")
    return scorer.past(pd.read_parquet(path))
