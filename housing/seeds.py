"""The seed's model: XGBoost as it comes, on the price as it is, with numbers only.

The seed scaled each input and the price to 0..1 between fixed ends, which changes nothing for trees
but clipped later days silently; here nothing is clipped. Its search over depths and learning rates
was "mainly an example"; these are XGBoost's defaults.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin

from housing.seed_scoring import MACRO, NUMBERS, seed_columns

__all__ = ["MACRO", "NUMBERS", "RANDOM_SPLIT", "SeedXGBoost", "seed_columns"]

RANDOM_SPLIT = {"test_share": 0.2, "seed": 7}  # as in the seed


class SeedXGBoost(RegressorMixin, BaseEstimator):
    """The seed's XGBRegressor; `fit` takes priced rows, `predict` gives prices.

    Fitted: `model_`, and `columns_`, the names of its inputs in order.
    """

    def __init__(self, n_jobs: int = 1, random_state: int = 0):
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y=None, macro: pd.DataFrame | None = None):
        """Learn from `housing.table` rows with prices."""
        from xgboost import XGBRegressor

        inputs = seed_columns(X, macro)
        self.columns_ = list(inputs)
        self.model_ = XGBRegressor(n_jobs=self.n_jobs, random_state=self.random_state)
        self.model_.fit(inputs, X["price"] if y is None else y)
        return self

    def predict(self, X: pd.DataFrame, macro: pd.DataFrame | None = None) -> np.ndarray:
        """Give the price of each row."""
        inputs = seed_columns(X, macro)[self.columns_]
        return self.model_.predict(inputs).astype("float64")
