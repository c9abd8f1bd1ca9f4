"""Linear classifiers as plain numbers: they score without scikit-learn.

Importing scikit-learn costs a daily run or an app more time and memory than all its work. Where
the chosen model is linear, training registers its weights too, in `scorer.json`, after checking
that both forms agree.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FILE = "scorer.json"


@dataclass(frozen=True)
class Linear:
    """A linear classifier: the softmax of one weighted sum of the columns for each label."""

    columns: list[str]
    labels: list[Any]
    weights: list[list[float]]  # a row for each label
    intercepts: list[float]

    def predict_proba(self, table: pd.DataFrame) -> np.ndarray:
        """Give the probabilities (rows, labels) for a table that has the columns, in any order."""
        X = table[self.columns].to_numpy(dtype="float64")
        sums = X @ np.asarray(self.weights).T + np.asarray(self.intercepts)
        powers = np.exp(sums - sums.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Logistic:
    """A logistic regression of two labels: the weights of its columns, and where their sum starts.

    Raises ValueError when the weights are no vector of numbers.
    """

    weights: np.ndarray
    intercept: np.ndarray

    def __post_init__(self):
        if np.ndim(self.weights) != 1 or np.ndim(self.intercept) != 0:
            raise ValueError("weights that are no vector of numbers")

    def probability(self, X: np.ndarray) -> np.ndarray:
        """Give the probability of the second label for each row (rows, columns)."""
        return sigmoid(X @ self.weights + self.intercept)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Give the logistic function of numbers."""
    return 1 / (1 + np.exp(-np.maximum(x, -700)))  # exp(700) is nearly the largest float


def of(estimator: Any) -> Linear:
    """Give the numbers of a fitted linear classifier, or of a pipeline that ends in one.

    What comes before it in the pipeline may only choose columns. LinearDiscriminantAnalysis and
    multinomial LogisticRegression give probabilities this way.
    """
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    weights, intercepts = last.coef_, last.intercept_
    if len(weights) == 1:  # two labels: the sum is that of the second, and the first has none
        weights, intercepts = np.vstack([0 * weights, weights]), np.append(0.0, intercepts)
    return Linear(
        columns=[str(name) for name in last.feature_names_in_],
        labels=last.classes_.tolist(),
        weights=weights.tolist(),
        intercepts=intercepts.tolist(),
    )


def save(scorer: Linear) -> bytes:
    """Give the content of `scorer.json`."""
    return json.dumps(asdict(scorer)).encode()


def load(folder: Path) -> Linear:
    """Read the scorer from a folder of model files."""
    return Linear(**json.loads((folder / FILE).read_text(encoding="utf-8")))
