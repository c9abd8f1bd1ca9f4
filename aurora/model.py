"""The model of how probable it is that aurora is seen in an hour, and what it is compared with.

Ours is the mean of three probabilities, learned from dark hours only: a logistic regression on
terms that an observer would name (index, time to magnetic midnight, moon on clouds, thaw), boosted
shallow trees, and a forest of deep ones. They exist twice: `informed` knows the geomagnetic index
of the hour, `blind` has never seen one. As the last known value ages, the forecast passes from the
one to the other. A logistic curve, fitted on months that were held out whole, calibrates the
result. With the sun above `features.WATCHED_SUN` the probability is 0.

Every estimator takes the feature table of `aurora.features` and selects its columns by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from aurora import scoring
from aurora.features import UNKNOWN, linear_terms, tree_columns, without_kp
from aurora.scoring import Baselines, Scorer, Vote, is_dark, log_odds, seed_columns
from fti import trees
from fti.evaluation import vote
from fti.linear import Logistic
from fti.trees import Trees

OURS = "linear_boosted_forest"
CANDIDATES = {  # each the mean of some `members`
    OURS: ("linear", "boosted", "forest"),
    "linear_boosted": ("linear", "boosted"),
    "linear_forest": ("linear", "forest"),
    "linear": ("linear",),
    "boosted": ("boosted",),
    "forest": ("forest",),
}
STIFFNESS = 20.0  # how firmly calibration holds on to changing nothing, in squared log-odds
MIN_MONTHS = 3  # with fewer there is nothing to calibrate on

# What skops has to trust in a file of ours
TRUSTED = (
    "aurora.features.linear_terms",
    "aurora.features.tree_columns",
    "aurora.model.Aurora",
    "sklearn.utils._bunch.Bunch",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
)


def linear(seed: int = 0):
    """Logistic regression on `linear_terms`, kept small: seasons to come are unlike those seen."""
    model = LogisticRegression(C=0.02, max_iter=2000, random_state=seed)
    return make_pipeline(FunctionTransformer(linear_terms), model)


def boosted(seed: int = 0):
    """Small boosted trees on `tree_columns`."""
    model = XGBClassifier(
        n_estimators=150,
        learning_rate=0.05,
        max_depth=4,
        min_child_weight=10,
        reg_lambda=5,
        subsample=0.6,
        colsample_bynode=0.5,
        n_jobs=1,
        random_state=seed,
    )
    return make_pipeline(FunctionTransformer(tree_columns), model)


def forest(seed: int = 0):
    """Forest of deep trees: leaves are shares of hours with aurora, pulled to the overall one."""
    model = XGBClassifier(
        objective="reg:squarederror",  # a leaf's value is then a probability, as in a forest
        n_estimators=1,
        num_parallel_tree=100,
        learning_rate=1,
        max_depth=10,
        min_child_weight=5,
        reg_lambda=1,
        subsample=0.63,  # as many distinct rows as a bootstrap sample holds
        colsample_bynode=0.4,
        n_jobs=1,
        random_state=seed,
    )
    return make_pipeline(FunctionTransformer(tree_columns), model)


def members(seed: int = 0) -> dict:
    """Name -> unfitted estimator of which the candidates are made."""
    return {"linear": linear(seed), "boosted": boosted(seed), "forest": forest(seed)}


def candidate(name: str = OURS, seed: int = 0) -> Aurora:
    """Give a candidate, unfitted."""
    of = members(seed)
    return Aurora(vote(*(of[part] for part in CANDIDATES[name])))


class Aurora(ClassifierMixin, BaseEstimator):
    """The probability that aurora is seen, from any classifier `estimator` of dark hours.

    `fit` takes the labelled rows of a feature table and 1 where aurora was seen, 0 where it was
    not; it leaves out daylight. Fitted: `informed_` and `blind_`, clones of the estimator, and
    `slope_` and `intercept_` of the calibration of log-odds.
    """

    def __init__(self, estimator=None, calibrate: bool = True):
        self.estimator = estimator
        self.calibrate = calibrate

    def fit(self, X: pd.DataFrame, y):
        """Learn from the dark rows."""
        dark = is_dark(X)
        X, y = X[dark], np.asarray(y)[dark]
        self.classes_ = np.array([0, 1])
        self.slope_, self.intercept_ = self._calibration(X, y) if self.calibrate else (1.0, 0.0)
        self.informed_ = clone(self.estimator).fit(X, y)
        self.blind_ = clone(self.estimator).fit(without_kp(X), y)
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Give the probabilities (rows, 2) that none is seen and that some is."""
        votes = partial(probability, self.informed_), partial(probability, self.blind_)
        p = scoring.probability_seen(X, *votes, self.slope_, self.intercept_)
        return np.column_stack([1 - p, p])

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Give 1 where aurora is more likely than not, otherwise 0."""
        return (self.predict_proba(X)[:, 1] >= 0.5).astype(int)

    def _calibration(self, X: pd.DataFrame, y: np.ndarray) -> tuple[float, float]:
        months = X["valid_hour"].dt.strftime("%Y-%m").to_numpy()
        if len(np.unique(months)) < MIN_MONTHS:
            return 1.0, 0.0
        held_out = np.empty(len(X))
        for month in np.unique(months):
            test = months == month
            if len(np.unique(y[~test])) < 2:
                return 1.0, 0.0
            fitted = clone(self.estimator).fit(X[~test], y[~test])
            held_out[test] = probability(fitted, X[test])
        return logistic_curve(held_out, y)


def probability(fitted, table: pd.DataFrame) -> np.ndarray:
    """Give the probability of aurora that a fitted estimator says, inside 0 to 1."""
    return np.clip(fitted.predict_proba(table)[:, 1], 0.0, 1.0)


def logistic_curve(p: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Give slope and intercept that calibrate log-odds (Platt, 1999), pulled to 1 and 0.

    Months to come differ more from those held out than these from each other, so a curve that is
    only a little better is not worth leaving the straight line for.
    """
    x, sign = log_odds(p), np.where(y == 1, -1.0, 1.0)

    def loss(curve):
        missed = np.logaddexp(0, sign * (curve[0] * x + curve[1])).sum()
        return missed + STIFFNESS / 2 * ((curve[0] - 1) ** 2 + curve[1] ** 2)

    slope, intercept = minimize(loss, [1.0, 0.0]).x
    return float(slope), float(intercept)


# What ours is compared with


class SeedTree(ClassifierMixin, BaseEstimator):
    """The seed's decision tree: Kp, visibility and nine icons of the hour, day and night alike."""

    def fit(self, X: pd.DataFrame, y):
        """Learn from the rows whose visibility is known, as the seed did.

        From all rows if those show aurora always or never: not every provider tells visibility.
        """
        y, rows = np.asarray(y), X["visibility_km"].notna().to_numpy()
        if len(np.unique(y[rows])) < 2:
            rows = np.full(len(X), True)
        self.tree_ = DecisionTreeClassifier(random_state=0)
        self.tree_.fit(seed_columns(X)[rows], y[rows])
        self.classes_ = self.tree_.classes_
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Give the probabilities (rows, 2) that none is seen and that some is."""
        return self.tree_.predict_proba(seed_columns(X))


class Climatology(ClassifierMixin, BaseEstimator):
    """The share of hours with aurora at this hour of this month, in UTC.

    A month that was never seen has the shares of the month seen with the most similar sun: that
    nearest to the same distance from the December solstice. Shares are pulled to the hour's mean
    by `PULL` hours.
    """

    PULL = 2.0

    def fit(self, X: pd.DataFrame, y):
        """Count."""
        time = X["valid_hour"].dt
        rows = pd.DataFrame({"month": time.month, "hour": time.hour, "y": np.asarray(y)})
        usual = rows.groupby("hour")["y"].mean().reindex(range(24), fill_value=rows["y"].mean())
        cells = rows.groupby(["month", "hour"])["y"].agg(["sum", "size"]).unstack("hour")
        cells = cells.reindex(columns=pd.MultiIndex.from_product([["sum", "size"], range(24)]))
        cells = cells.fillna(0.0)
        share = (cells["sum"] + self.PULL * usual) / (cells["size"] + self.PULL)
        self.share_ = share.loc[[nearest_month(m, share.index) for m in range(1, 13)]].to_numpy()
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Give the probabilities (rows, 2) that none is seen and that some is."""
        time = X["valid_hour"].dt
        p = self.share_[time.month - 1, time.hour]
        return np.column_stack([1 - p, p])


def nearest_month(month: int, seen) -> int:
    """Give the month itself if it was seen, otherwise the seen one whose days are most alike."""

    def unlike(other: int) -> tuple[bool, float]:
        # declination of the sun in the middle of a month, as a cosine from the solstice
        heights = [np.cos(2 * np.pi * (m - 0.2) / 12) for m in (month, other)]
        return other != month, abs(heights[0] - heights[1])

    return min(seen, key=unlike)


def baselines() -> dict:
    """Name -> unfitted estimator."""
    return {"seed_tree": SeedTree(), "climatology": Climatology()}


# As plain arrays


def scorer_of(fitted: Aurora) -> Scorer:
    """Give the numbers of a fitted model, to score without scikit-learn and XGBoost."""
    votes = _vote(fitted.informed_), _vote(fitted.blind_)
    return Scorer(*votes, float(fitted.slope_), float(fitted.intercept_))


def baselines_of(fitted: Mapping[str, BaseEstimator], by_state: np.ndarray) -> Baselines:
    """Give the numbers of the fitted estimators of `baselines`, and of persistence.

    `by_state` are the shares of `aurora.scoring.shares_by_state`.
    """
    tree = trees.of_decision_tree(fitted["seed_tree"].tree_)
    return Baselines(tree, fitted["climatology"].share_, by_state)


def fit_baselines(table: pd.DataFrame) -> Baselines:
    """Learn all three baselines from the watched hours of a labelled feature table.

    Hours that nobody watched may be in it: they are the unknown day before others.
    """
    states, watched = scoring.states_a_day_before(table), (table["aurora"] != UNKNOWN).to_numpy()
    rows = table[watched]
    seen = (rows["aurora"] == "yes").to_numpy().astype(int)
    fitted = {name: estimator.fit(rows, seen) for name, estimator in baselines().items()}
    return baselines_of(fitted, scoring.shares_by_state(states[watched], seen))


def _vote(fitted: VotingClassifier) -> Vote:
    return Vote(tuple(_member(member[-1]) for member in fitted.estimators_))


def _member(last: LogisticRegression | XGBClassifier) -> Logistic | Trees:
    if isinstance(last, LogisticRegression):
        return Logistic(last.coef_[0], last.intercept_[0])
    return trees.of(last)
