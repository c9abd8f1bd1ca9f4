"""Cross-validation is honest, and ours beats the seeds under it."""

import numpy as np
import pytest
from sklearn.model_selection import RepeatedStratifiedKFold

from titanic import evaluation, features, model, seeds

EVERY_MODEL = {**model.candidates(), **seeds.seed_models()}


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
        evaluation.cross_validate(quick(EVERY_MODEL[name]), rows, y, repeats=1, folds=2, seed=3)
        for rows in (X, strange)
    )

    np.testing.assert_array_equal(before.probabilities[0, kept], after.probabilities[0, kept])


def test_out_of_fold_probability_of_a_row_ignores_its_own_outcome(table):
    rows = table.head(120)
    y = rows["survived"].to_numpy()
    splits = list(RepeatedStratifiedKFold(n_splits=5, n_repeats=1, random_state=0).split(rows, y))
    train, test = splits[0]
    flipped = y.copy()
    flipped[test] = 1 - flipped[test]

    p = evaluation._out_of_fold(model.linear(), rows, y, train, test)

    np.testing.assert_array_equal(
        p, evaluation._out_of_fold(model.linear(), rows, flipped, train, test)
    )


def test_cross_validation_scores_every_row_once_a_repeat_and_can_be_repeated(table):
    first, second = (
        evaluation.cross_validate(model.linear(), table, table["survived"], repeats=2, seed=5)
        for _ in range(2)
    )

    assert first.probabilities.shape == (2, len(table))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    assert list(first.repeats) == list(evaluation.SCORES)
    assert first.repeats.mean().to_dict() == pytest.approx(first.scores)


def test_the_choice_has_the_least_log_loss(table):
    X, y = table.head(150), table["survived"].head(150)

    name, estimator, losses = evaluation.choose(X, y, repeats=1)

    assert losses.keys() == model.candidates().keys()
    assert losses[name] == min(losses.values())
    assert repr(estimator) == repr(model.candidates()[name])


def test_a_worse_candidate_is_refused_and_an_equal_one_accepted(table):
    y = table["survived"]
    ours, majority = model.linear(), seeds.seed_models()["majority"]

    assert evaluation.meet(majority, None, table, y, seed=1).accepted
    assert evaluation.meet(ours, majority, table, y, seed=1).accepted
    assert evaluation.meet(ours, ours, table, y, seed=1).accepted
    assert not evaluation.meet(majority, ours, table, y, seed=1).accepted


def test_ours_beats_the_seeds_and_the_target_on_the_real_passengers(passengers):
    y = passengers["survived"]
    ours, seed_d = (
        evaluation.cross_validate(estimator, passengers, y, repeats=2).scores
        for estimator in (
            model.candidates()[model.OURS],
            seeds.seed_models()["seed_d_gradient_boosting"],
        )
    )

    assert ours["accuracy"] >= 0.830 and ours["auc"] >= 0.880
    assert ours["log_loss"] <= 0.405 and ours["brier"] <= 0.125
    assert ours["log_loss"] < seed_d["log_loss"] and ours["brier"] < seed_d["brier"]


def test_evaluation_names_ours_and_every_baseline(table):
    report = evaluation.evaluate(table.head(150), repeats=1, n_jobs=1)

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
