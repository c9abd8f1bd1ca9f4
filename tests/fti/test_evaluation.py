"""Cross-validation is honest: no row is scored by a model that has seen it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from fti import evaluation
from fti.classification import Task
from fti.evaluation import Recipe

TWO = Task(
    use_case="coins", entity="coin", entities="coins", label="side", recipe="1",
    outcomes={0: "heads", 1: "tails"},
)  # fmt: skip
THREE = Task(
    use_case="fruit", entity="fruit", entities="fruits", label="kind", recipe="1",
    outcomes={"apple": "apple", "fig": "fig", "pear": "pear"},
)  # fmt: skip


def columns(table):
    return table[["width", "height"]]


def linear(seed=0):
    return make_pipeline(FunctionTransformer(columns), LogisticRegression(random_state=seed))


RECIPE = Recipe(
    task=THREE,
    members=lambda seed: {"linear": linear(seed), "same": DummyClassifier(strategy="prior")},
    candidates={"linear": ("linear",), "mean": ("linear", "same")},
    baselines=lambda: {"majority": DummyClassifier(strategy="prior")},
)


def rows_of(task, n=60):
    """n rows whose measurements hint at their label."""
    rng = np.random.default_rng(4)
    codes = np.arange(n) % len(task.labels)
    table = pd.DataFrame({"width": codes + rng.normal(size=n), "height": rng.normal(size=n)})
    return table, np.array(task.labels)[codes]


@pytest.mark.parametrize("task", [TWO, THREE], ids=["binary", "three labels"])
def test_every_row_is_scored_once_a_repeat_and_the_same_when_repeated(task):
    X, y = rows_of(task)
    first, second = (
        evaluation.cross_validate(task, linear(), X, y, repeats=2, seed=5) for _ in range(2)
    )
    assert first.probabilities.shape == (2, len(X), len(task.labels))
    np.testing.assert_allclose(first.probabilities.sum(axis=2), 1)
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    assert list(first.repeats) == list(evaluation.SCORES) == list(first.spreads)
    assert first.repeats.mean().to_dict() == pytest.approx(first.scores)


def test_out_of_fold_probability_of_a_row_ignores_its_own_outcome():
    X, y = rows_of(TWO)
    splits = RepeatedStratifiedKFold(n_splits=5, n_repeats=1, random_state=0).split(X, y)
    train, test = next(splits)
    flipped = y.copy()
    flipped[test] = 1 - flipped[test]
    given = (
        evaluation._out_of_fold(TWO, linear(), X, labels, train, test) for labels in (y, flipped)
    )
    np.testing.assert_array_equal(*given)


def test_probabilities_are_in_the_order_of_the_task_whatever_the_estimator_s():
    X, y = rows_of(THREE)
    backwards = Task(
        **{**vars(THREE), "outcomes": {"pear": "pear", "fig": "fig", "apple": "apple"}}
    )
    fitted = linear().fit(X, y)
    np.testing.assert_array_equal(
        evaluation.probabilities(backwards, fitted, X), fitted.predict_proba(X)[:, ::-1]
    )


def test_the_choice_has_the_least_log_loss_of_all_candidates():
    X, y = rows_of(THREE)
    name, estimator, losses = evaluation.choose(RECIPE, X, y, repeats=1)
    assert losses.keys() == RECIPE.parts.keys()
    assert losses[name] == min(losses.values())
    assert repr(estimator) == repr(RECIPE.candidate(name))


def test_a_candidate_is_the_mean_of_its_members():
    X, y = rows_of(THREE)
    fitted = {name: model.fit(X, y).predict_proba(X) for name, model in RECIPE.members(0).items()}
    both = RECIPE.candidate("mean").fit(X, y).predict_proba(X)
    np.testing.assert_allclose(both, (fitted["linear"] + fitted["same"]) / 2)


def test_without_candidates_each_member_is_one():
    alone = Recipe(task=THREE, members=RECIPE.members, baselines=RECIPE.baselines)
    assert alone.parts == {"linear": ("linear",), "same": ("same",)}


def test_a_worse_candidate_is_refused_and_an_equal_one_accepted():
    X, y = rows_of(THREE)
    ours, majority = linear(), RECIPE.baselines()["majority"]
    assert evaluation.meet(THREE, majority, None, X, y, seed=1).accepted
    assert evaluation.meet(THREE, ours, majority, X, y, seed=1).accepted
    assert evaluation.meet(THREE, ours, ours, X, y, seed=1).accepted
    assert not evaluation.meet(THREE, majority, ours, X, y, seed=1).accepted


def test_an_evaluation_names_ours_and_every_baseline():
    X, y = rows_of(THREE)
    found = evaluation.evaluate(RECIPE, X.assign(kind=y), repeats=1, n_jobs=1)
    assert {*evaluation.SCORES, "model", "spreads", "calibration_error", "baselines"} == set(found)
    assert found["model"] in RECIPE.parts
    assert found["baselines"]["majority"]["auc"] == 0.5
    assert set(found["baselines"]["majority"]) == set(evaluation.SCORES)
