"""Fixtures of the Titanic tests: feature tables of the sample and of the real passengers."""

from pathlib import Path

import pytest
from sklearn.base import clone

from titanic import features, model, sources

COURSE_CSV = Path(__file__).parents[3] / "shared" / "data" / "titanic" / "titanic.csv"


@pytest.fixture(scope="session")
def table():
    """The feature table of 400 passengers of the built-in sample."""
    return features.build_features(sources.sample()).head(400)


@pytest.fixture(scope="session")
def ours(table):
    """Our model, fitted on `table`."""
    return model.RECIPE.candidate(model.OURS).fit(table, table["survived"])


@pytest.fixture(scope="session")
def passengers():
    """The feature table of the 891 real passengers."""
    if not COURSE_CSV.parent.exists():
        pytest.skip("the course's passengers are not here")
    return features.build_features(sources.read(str(COURSE_CSV)))


@pytest.fixture(scope="session")
def person():
    """A function that gives the feature row of one person."""

    def row(**known):
        return features.build_features(features.person(**{"pclass": 3, "sex": "male", **known}))

    return row


@pytest.fixture(scope="session")
def quick():
    """A function that gives the same model with few trees, for tests about columns and rows."""

    def small(estimator):
        model = clone(estimator)
        counts = ("n_estimators", "trees", "num_parallel_tree")
        params = model.get_params()
        few = {k: 5 for k, v in params.items() if k.split("__")[-1] in counts and v and v > 5}
        return model.set_params(**few)

    return small
