"""Titanic's models are fitted inside the folds, and ours beats the seeds."""

import numpy as np
import pytest
from sklearn.model_selection import RepeatedStratifiedKFold

from fti import evaluation
from titanic import features, model, seeds
from titanic.features import TASK
from titanic.model import RECIPE

CANDIDATES = {name: RECIPE.candidate(name) for name in RECIPE.parts}
EVERY_MODEL = {**CANDIDATES, **seeds.seed_models()}


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_every_model_takes_the_feature_table_with_its_gaps(table, name, quick):
    gaps = table.assign(fare=table["fare"].mask(table.index % 50 == 0))
    gaps["embarked"] = gaps["embarked"].mask(gaps.index % 50 == 0, features.UNKNOWN)

    fitted = quick(EVERY_MODEL[name]).fit(gaps, gaps["survived"])
    p = fitted.predict_proba(gaps)[:, 1]

    assert ((p >= 0) & (p <= 1)).all()


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_prediction_of_a_row_ignores_the_rows_beside_it(table, name, quick):
    train, test = table.head(300), table.tail(100)
    fitted = quick(EVERY_MODEL[name]).fit(train, train["survived"])

    together = fitted.predict_proba(test)[:, 1]
    fewer = fitted.predict_proba(test.iloc[::10])[:, 1]

    np.testing.assert_allclose(fewer, together[::10], rtol=1e-6)


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_nothing_is_fitted_on_the_rows_that_are_scored(table, name, quick):
    X, y = table.head(200), table["survived"].head(200)
    scored = next(RepeatedStratifiedKFold(n_splits=2, n_repeats=1, random_state=3).split(X, y))[1]
    changed, kept = scored[::2], scored[1::2]
    strange = X.copy()
    for column, value in {"age": 99.0, "fare": 5000.0, "embarked": "Q"}.items():
        strange.iloc[changed, strange.columns.get_loc(column)] = value

    before, after = (
        evaluation.cross_validate(TASK, quick(EVERY_MODEL[name]), rows, y, 1, folds=2, seed=3)
        for rows in (X, strange)
    )

    np.testing.assert_array_equal(before.probabilities[0, kept], after.probabilities[0, kept])


def test_ours_beats_the_seeds_and_the_target_on_the_real_passengers(passengers):
    y = passengers["survived"]
    ours, seed_d = (
        evaluation.cross_validate(TASK, EVERY_MODEL[name], passengers, y, repeats=2).scores
        for name in (model.OURS, "seed_d_gradient_boosting")
    )

    assert ours["accuracy"] >= 0.830 and ours["auc"] >= 0.880
    assert ours["log_loss"] <= 0.405 and ours["brier"] <= 0.125
    assert ours["log_loss"] < seed_d["log_loss"] and ours["brier"] < seed_d["brier"]


def test_evaluation_names_ours_and_every_baseline(table):
    report = evaluation.evaluate(RECIPE, table.head(150), repeats=1, n_jobs=1)

    assert {
        *evaluation.SCORES,
        "model",
        "spreads",
        "calibration_error",
        "baselines",
    } == report.keys()
    assert report["baselines"].keys() == seeds.seed_models().keys()
    majority = report["baselines"]["majority"]
    assert majority["auc"] == 0.5
    assert all(set(scores) == set(evaluation.SCORES) for scores in report["baselines"].values())
