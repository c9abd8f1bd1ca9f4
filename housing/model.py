"""The valuation model, and how it is fitted: level, kriging of comparable sales, trees.

    valuer = candidate().fit(sales)         sales: `housing.table` rows with prices
    valuer.predict(rows, known)             values, from the sales in `known` (default: its own)
    valuer.ranges(rows, known)              with 80 and 90 % ranges and confidence

Fitted, a `Valuer` is the arrays of `housing.scoring` and nothing else, so what is registered is
what scores, and XGBoost is needed only here. Ranges are calibrated on forecasts as in use: of the
newest sales, by models of the sales before them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin

from fti import quality, trees
from fti.trees import Trees
from housing import features, intervals, level, scoring
from housing.comparables import as_arrays
from housing.features import FLAT, NEAR
from housing.intervals import Ranges
from housing.scoring import LEAST_ERROR, Explained, Scorer, column_of

OURS = "comparables_and_trees"
TRUSTED = ("housing.model.Valuer",)  # what skops has to trust in a file of ours
LEAST_SALES = 200
NEWEST = 100_000  # sales that trees learn from; comparables come from all
USUAL_SALES = 500  # that say what is usual
# Shares of the sales, by day, that models are fitted on to forecast those up to the next share
CUTS = (0.7, 0.8, 0.9, 1.0)
LEARNING = {"learning_rate": 0.03, "subsample": 0.7, "colsample_bytree": 0.5, "reg_lambda": 3}
NEAR_TREES = {"n_estimators": 250, "max_depth": 4, "min_child_weight": 5, "num_parallel_tree": 2}
FLAT_TREES = {"n_estimators": 500, "max_depth": 5, "min_child_weight": 5, "num_parallel_tree": 2}
SPREAD_TREES = {"n_estimators": 100, "max_depth": 3, "min_child_weight": 40}


def candidate(seed: int = 0, n_jobs: int = 1) -> Valuer:
    """Give the model, unfitted."""
    return Valuer(seed=seed, n_jobs=n_jobs)


class Valuer(RegressorMixin, BaseEstimator):
    """Values flats. Fitted: `arrays_`, those of `scoring.to_arrays`."""

    def __init__(self, seed: int = 0, n_jobs: int = 1, cuts: Sequence[float] = CUTS):
        self.seed = seed
        self.n_jobs = n_jobs
        self.cuts = cuts

    def fit(self, X: pd.DataFrame, y=None):
        """Learn from sales with prices; raises DataError when there are too few of them."""
        sales = _priced(X if y is None else X.assign(price=np.asarray(y, dtype=float)))
        errors = self._held_back(sales)
        spread, ranges = self._calibrated(errors)
        scorer = _with_usual(self._fit_point(sales, spread, ranges), sales)
        self.arrays_ = scoring.to_arrays(scorer)
        return self

    def scorer(self) -> Scorer:
        """Give the fitted model as what scores."""
        return scoring.from_arrays(self.arrays_)

    def predict(self, X: pd.DataFrame, known: pd.DataFrame) -> np.ndarray:
        """Give the value of each row, from comparables in `known`, sales with prices."""
        return self.ranges(X, known)["value"].to_numpy()

    def ranges(self, X: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
        """Give the columns of `scoring.RESULTS` for each row."""
        scorer = self.scorer()
        return scorer.value(X, scorer.past(known))

    def _held_back(self, sales: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Forecast newer sales by models of older ones.

        Gives the features of those forecast, their errors on log scale, and the number of the model
        that forecast each.
        """
        days = sales["sold_on"].to_numpy()
        ends = [days[min(int(share * len(sales)), len(sales) - 1)] for share in self.cuts[:-1]]
        ends.append(days[-1] + np.timedelta64(1, "D"))
        parts = []
        for fold, (end, until) in enumerate(pairwise(ends)):
            before, after = sales[days < end], sales[(days >= end) & (days < until)]
            if len(before) < LEAST_SALES / 2 or after.empty:
                continue
            scorer = self._fit_point(before, _no_spread(), intervals.calibrate([], []))
            X = features.matrix(as_arrays(after), scorer.past(before))
            errors = np.log(after["price"].to_numpy()) - scorer.log_price(X)
            parts.append((X, errors, np.full(len(X), fold)))
        if not parts:
            raise quality.DataError(
                "column sold_on has too few days to learn how ranges hold later"
            )
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    def _calibrated(self, errors) -> tuple[Trees, Ranges]:
        """Learn the spread of errors from all, and ranges from spreads learned on other folds."""
        X, error, fold = errors
        spread = np.full(len(error), np.nan)
        for held in np.unique(fold):
            others = fold != held if len(np.unique(fold)) > 1 else fold == held
            learned = self._spread(X[others], error[others])
            spread[fold == held] = np.exp(learned.total(X[fold == held].astype(np.float32)))
        return self._spread(X, error), intervals.calibrate(error, spread)

    def _spread(self, X: np.ndarray, error: np.ndarray) -> Trees:
        size = np.log(np.abs(error) + LEAST_ERROR)
        return trees.of(self._boosted(X[:, : len(FLAT) + len(NEAR)], size, SPREAD_TREES))

    def _fit_point(self, sales: pd.DataFrame, spread: Trees, ranges: Ranges) -> Scorer:
        """Fit all but the ranges."""
        learned = level.fit(sales)
        past = features.remember(sales, learned)
        columns = as_arrays(past.known.sales.tail(NEWEST))
        X = features.matrix(columns, past)
        y = np.log(columns["price"] / columns["living_area_m2"])
        width = len(FLAT) + len(NEAR)
        sure = column_of(X, "level") + column_of(X, "kriged")
        near = self._boosted(X[:, :width], y - sure, NEAR_TREES)
        flat = self._boosted(X[:, : len(FLAT)], y - column_of(X, "market"), FLAT_TREES)
        return Scorer(
            level=learned,
            near=explained(near),
            flat=explained(flat),
            spread=spread,
            ranges=ranges,
            centre=past.centre,
            usual=np.zeros(len(scoring.INPUTS)),
            usual_log_price=0.0,
            currency=str(sales["currency"].iloc[-1]),
        )

    def _boosted(self, X: np.ndarray, y: np.ndarray, shape: dict[str, Any]):
        from xgboost import XGBRegressor

        model = XGBRegressor(**LEARNING, **shape, n_jobs=self.n_jobs, random_state=self.seed)
        return model.fit(X.astype(np.float32), y)


def _priced(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the sales with a price, in the order of their days."""
    sales = rows[(rows["price"] > 0) & (rows["living_area_m2"] > 0)]
    if len(sales) < LEAST_SALES:
        raise quality.DataError(
            f"there are {len(sales)} sales with a price to learn from, and it takes {LEAST_SALES}"
        )
    currencies = sorted(sales["currency"].unique())
    if len(currencies) > 1:
        raise quality.DataError(f"column currency has {', '.join(currencies)}: give sales of one")
    return sales.sort_values(["sold_on", "sale_id"], ignore_index=True)


def _with_usual(scorer: Scorer, sales: pd.DataFrame) -> Scorer:
    """Give the scorer with the mean of each input's part, from which contributions are told."""
    past = scorer.past(sales)
    columns = as_arrays(sales.sample(min(len(sales), USUAL_SALES), random_state=0))
    value = scorer.log_price(features.matrix(columns, past))
    parts = scorer.parts(columns, past)
    return replace(scorer, usual=parts.mean(axis=0), usual_log_price=float(value.mean()))


def explained(fitted: Any) -> Explained:
    """Give a fitted XGBRegressor as arrays, with the mean of what rows at each node end with."""
    arrays = trees.of(fitted)
    learner = json.loads(bytes(fitted.get_booster().save_raw("json")))["learner"]
    grown = learner["gradient_booster"]["model"]["trees"]
    rows = np.concatenate([np.asarray(tree["sum_hessian"], dtype=float) for tree in grown])
    expected = arrays.value.astype(float).copy()
    for node in range(len(expected) - 1, -1, -1):  # children come after their parents
        left, right = arrays.left[node], arrays.right[node]
        if left != node:
            both = rows[left] * expected[left] + rows[right] * expected[right]
            expected[node] = both / (rows[left] + rows[right])
    return Explained(arrays, expected)


def _no_spread() -> Trees:
    """Trees that say nothing, where a spread is not needed."""
    leaf = np.zeros(1, "int32")
    return Trees(
        roots=leaf,
        left=leaf,
        right=leaf,
        column=leaf.astype("int16"),
        threshold=np.zeros(1, "float32"),
        missing_left=np.zeros(1, bool),
        value=np.zeros(1),
        base=np.float64(0),
        logistic=np.bool_(False),
    )
