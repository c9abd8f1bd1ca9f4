"""A linear classifier scores the same as plain numbers as it does in scikit-learn."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from fti import linear

CLASSIFIERS = {
    "discriminant": LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1),
    "logistic": LogisticRegression(max_iter=2000),
}


def some(table):
    return table[["petal_width", "sepal_length"]]


@pytest.fixture(scope="module")
def flowers():
    data = load_iris()
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    return pd.DataFrame(data.data, columns=names), data.target_names[data.target]


@pytest.mark.parametrize("labels", [2, 3])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_plain_numbers_give_the_estimator_s_probabilities(flowers, name, labels, tmp_path):
    X, y = (part[: labels * 50] for part in flowers)
    fitted = make_pipeline(FunctionTransformer(some), CLASSIFIERS[name]).fit(X, y)
    (tmp_path / linear.FILE).write_bytes(linear.save(linear.of(fitted)))

    scorer = linear.load(tmp_path)

    assert scorer.labels == list(fitted.classes_)
    np.testing.assert_allclose(scorer.predict_proba(X), fitted.predict_proba(X), atol=1e-12)


def test_columns_are_found_by_name(flowers):
    X, y = flowers
    scorer = linear.of(CLASSIFIERS["discriminant"].fit(X, y))
    backwards = X[X.columns[::-1]].assign(other=1)
    np.testing.assert_array_equal(scorer.predict_proba(backwards), scorer.predict_proba(X))


def test_a_row_far_away_is_a_certainty_and_not_an_overflow(flowers):
    X, y = flowers
    scorer = linear.of(CLASSIFIERS["discriminant"].fit(X, y))
    given = scorer.predict_proba(1e6 * X.head(1))
    assert np.isfinite(given).all() and given.sum() == pytest.approx(1)


def test_weights_of_two_labels_say_what_the_regression_says(flowers):
    X, y = flowers
    fitted = CLASSIFIERS["logistic"].fit(X, y == y[0])
    scorer = linear.Logistic(fitted.coef_[0], fitted.intercept_[0])
    np.testing.assert_allclose(scorer.probability(X.to_numpy()), fitted.predict_proba(X)[:, 1])
    np.testing.assert_array_equal(linear.sigmoid(np.array([-1e9, 0, 1e9])) > 1e-300, [0, 1, 1])
    for weights, intercept in (([[1, 2]], 0), ([1, 2], [0]), (1, 0)):
        with pytest.raises(ValueError, match="no vector"):
            linear.Logistic(np.array(weights), np.array(intercept))


def test_scoring_imports_no_scikit_learn():
    code = "import sys, fti.linear, iris.batch_inference_pipeline; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
