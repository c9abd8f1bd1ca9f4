"""The model that says who survives: its candidates, as scikit-learn estimators.

Ours is the mean of two probabilities: a logistic regression on a few dozen terms that people of the
time would recognise (a woman in third class, a boy, a large family) and an averaged forest of deep
XGBoost trees, which finds what the terms miss. Every estimator takes the feature table of
`titanic.features` and selects its columns by name; whatever is fitted is fitted on the rows it is
given.
"""

import json

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from xgboost import XGBClassifier, XGBRegressor

from fti import trees
from fti.evaluation import Recipe
from fti.linear import Logistic
from titanic.features import TASK, ticket_group_sizes
from titanic.scoring import (
    SCORER,
    TICKET_GROUPS,
    Forest,
    Scorer,
    linear_terms,
    save_scorer,
    tree_columns,
)
from titanic.seeds import seed_models

OURS = "linear_and_forest"
CANDIDATES = {  # each the mean of some `members`
    OURS: ("linear", "forest"),
    "linear_forest_boosted": ("linear", "forest", "boosted"),
    "linear_and_forest_regressed_age": ("linear", "forest_regressed_age"),
    "linear": ("linear",),
    "forest": ("forest",),
    "boosted": ("boosted",),
}

# What skops has to trust in a file of ours
TRUSTED = (
    "sklearn.utils._bunch.Bunch",
    "titanic.model.RegressedAge",
    "titanic.scoring.linear_terms",
    "titanic.scoring.tree_columns",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRegressor",
)


def linear(seed: int = 0):
    """Logistic regression on `linear_terms`."""
    model = LogisticRegression(C=3, max_iter=2000, random_state=seed)
    return make_pipeline(FunctionTransformer(linear_terms), model)


def forest(seed: int = 0, regressed_age: bool = False):
    """Forest of deep trees: leaves are mean outcomes, pulled to the overall one if few.

    An unknown age goes where it splits best, or is guessed by another forest, as a seed did.
    """
    model = XGBClassifier(
        objective="reg:squarederror",  # a leaf's value is then a probability, as in a forest
        n_estimators=1,
        num_parallel_tree=300,
        learning_rate=1,
        max_depth=14,
        min_child_weight=1,
        reg_lambda=0.5,
        subsample=0.63,  # as many distinct rows as a bootstrap sample holds
        colsample_bynode=0.4,
        max_bin=512,
        n_jobs=1,
        random_state=seed,
    )
    steps = [FunctionTransformer(tree_columns), *([RegressedAge(seed)] if regressed_age else [])]
    return make_pipeline(*steps, model)


class RegressedAge(TransformerMixin, BaseEstimator):
    """Fill unknown ages by a forest's guess from the other `tree_columns`, in whole years."""

    def __init__(self, seed: int = 0):
        self.seed = seed

    def fit(self, X, y=None):
        """Learn from the rows whose age is known."""
        known = X[X["age"].notna()]
        forest = XGBRegressor(
            n_estimators=1,
            num_parallel_tree=100,
            learning_rate=1,
            max_depth=8,
            subsample=0.63,
            colsample_bynode=0.6,
            n_jobs=1,
            random_state=self.seed,
        )
        self.forest_ = forest.fit(known.assign(age=np.nan), known["age"])
        return self

    def transform(self, X):
        """Give the columns without gaps in the age."""
        guessed = self.forest_.predict(X.assign(age=np.nan)).round()
        return X.assign(age=X["age"].fillna(pd.Series(guessed, index=X.index)))


def boosted(seed: int = 0):
    """Small boosted trees on the forest's columns."""
    model = XGBClassifier(
        n_estimators=250,
        learning_rate=0.04,
        max_depth=3,
        min_child_weight=2,
        reg_lambda=3,
        subsample=0.6,
        colsample_bytree=0.6,
        n_jobs=1,
        random_state=seed,
    )
    return make_pipeline(FunctionTransformer(tree_columns), model)


def members(seed: int = 0) -> dict:
    """Name -> unfitted estimator of which the candidates are made."""
    return {
        "linear": linear(seed),
        "forest": forest(seed),
        "boosted": boosted(seed),
        "forest_regressed_age": forest(seed, regressed_age=True),
    }


def portable(estimator) -> tuple[Scorer, dict[str, bytes]]:
    """Give a fitted candidate as plain arrays, and the file that holds them."""
    scorer = scorer_of(estimator)
    return scorer, {SCORER: save_scorer(scorer)}


def ticket_groups(X: pd.DataFrame) -> dict[str, bytes]:
    """Give the file of how many people shared each ticket, for passengers who arrive alone."""
    return {TICKET_GROUPS: json.dumps(ticket_group_sizes(X)).encode()}


def scorer_of(fitted) -> Scorer:
    """The arrays of a fitted candidate, for scoring without scikit-learn and XGBoost."""
    members = fitted.estimators_ if isinstance(fitted, VotingClassifier) else [fitted]
    return Scorer(tuple(_arrays(member) for member in members))


def _arrays(member: Pipeline) -> Logistic | Forest:
    last = member[-1]
    if isinstance(last, LogisticRegression):
        return Logistic(last.coef_[0], last.intercept_[0])
    imputer = member[-2]
    ages = trees.of(imputer.forest_) if isinstance(imputer, RegressedAge) else None
    return Forest(trees.of(last), ages)


RECIPE = Recipe(
    task=TASK,
    members=members,
    candidates=CANDIDATES,
    baselines=seed_models,
    scorer=portable,
    files=ticket_groups,
    trusted=TRUSTED,
    description="Probability that a passenger of the Titanic survives",
)
