"""The model that tells the varieties apart, and what it is compared with, as estimators.

Ours is a linear discriminant whose covariance is pulled a little towards a sphere, on the four
measurements and the petal's length at a typical sepal. Every estimator takes the feature table and
selects its columns by name.
"""

from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from fti import linear
from fti.evaluation import Recipe
from iris.features import MEASUREMENTS, TASK, inputs


def measurements(table):
    """The four columns that the seeds had."""
    return table[MEASUREMENTS]


def members(seed: int = 0) -> dict:
    """Name -> unfitted estimator; the one with the least log-loss is registered."""
    return {
        "discriminant": _on(inputs, LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.15)),
        "logistic_regression": _on(inputs, LogisticRegression(C=10, max_iter=5000)),
    }


def baselines() -> dict:
    """Name -> unfitted estimator: the seeds' model, textbook ones, always the same guess."""
    return {
        "seed_nearest_neighbours": _on(measurements, KNeighborsClassifier(2)),
        "nearest_neighbours_7": _on(measurements, KNeighborsClassifier(7)),
        "plain_discriminant": _on(measurements, LinearDiscriminantAnalysis()),
        "majority": DummyClassifier(strategy="prior"),
    }


def portable(estimator) -> tuple[linear.Linear, dict[str, bytes]]:
    """Give a fitted member as plain numbers, and the file that holds them."""
    scorer = linear.of(estimator)
    return scorer, {linear.FILE: linear.save(scorer)}


def _on(columns, classifier):
    return make_pipeline(FunctionTransformer(columns), classifier)


RECIPE = Recipe(
    task=TASK,
    members=members,
    baselines=baselines,
    scorer=portable,
    trusted=("iris.features.inputs",),
    description="Probabilities of the three varieties of iris",
)
