"""Training happens when it is due, and what it registers can be read back."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import fti
from fti import training
from fti.classification import Task
from fti.training import Train

FRUIT = Task(
    use_case="fruit", entity="fruit", entities="fruits", label="kind", recipe="fruit-2",
    outcomes={"apple": "apple", "fig": "fig"},
)  # fmt: skip
ROWS = pd.DataFrame({"fruit_id": [1, 2, 3], "kind": ["fig", "apple", "fig"]})


@pytest.fixture
def latest(tmp_path):
    """A version of recipe 2, made of the rows called `abc`."""
    (tmp_path / "training.json").write_text(json.dumps({"data": "abc", "recipe": "fruit-2"}))
    return SimpleNamespace(download=lambda: str(tmp_path))


def test_the_fingerprint_is_of_the_rows_and_not_of_their_order():
    shuffled = ROWS.sample(frac=1, random_state=0)[["kind", "fruit_id"]]
    assert training.fingerprint(shuffled) == training.fingerprint(ROWS)
    assert training.fingerprint(ROWS.head(2)) != training.fingerprint(ROWS)
    assert training.fingerprint(ROWS.replace("apple", "fig")) != training.fingerprint(ROWS)


@pytest.mark.parametrize(
    ("recipe", "data", "due"),
    [("fruit-2", "abc", False), ("fruit-3", "abc", True), ("fruit-2", "abd", True)],
)
def test_training_is_due_when_rows_or_recipe_changed(latest, recipe, data, due):
    assert training.is_due(Train.due, recipe, data, latest) == due


def test_training_is_due_as_asked_and_without_a_model(latest):
    assert training.is_due(Train.always, "fruit-2", "abc", latest)
    assert not training.is_due(Train.never, "fruit-3", "abc", latest)
    assert training.is_due(Train.due, "fruit-2", "abc", None)
    assert not training.is_due(Train.never, "fruit-2", "abc", None)


def test_a_refusal_is_remembered_for_the_same_rows_and_recipe(project):
    with fti.run(project, "fruit", "training", "2026-01-31") as run:
        run.details = {"data": "abc", "recipe": "fruit-2", "accepted": False}
    assert training.was_refused(project, FRUIT, "abc")
    assert not training.was_refused(project, FRUIT, "abd")


def test_two_forms_of_a_model_that_disagree_are_an_error():
    training.check_equal(np.array([[0.5, 0.5]]), np.array([[0.50001, 0.49999]]))
    with pytest.raises(ValueError, match=r"differ by 0\.1"):
        training.check_equal(np.array([[0.5, 0.5]]), np.array([[0.6, 0.4]]))
    with pytest.raises(ValueError, match="differ by nan"):
        training.check_equal(np.array([[0.5, 0.5]]), np.array([[np.nan, 0.4]]))


def test_reference_rows_come_back_with_their_types_and_are_no_more_than_200(tmp_path):
    many = pd.DataFrame({"fruit_id": range(300), "width": np.linspace(0, 1, 300), "kind": "fig"})
    (tmp_path / training.REFERENCE).write_bytes(training._reference(many))
    found = training.read_reference(tmp_path)
    assert len(found) == 200 and found.dtypes.equals(many.dtypes)


def test_out_of_fold_probabilities_are_found_by_key(tmp_path):
    content = training._out_of_fold(ROWS["fruit_id"], np.array([[0.25, 0.75]] * 3))
    (tmp_path / training.OUT_OF_FOLD).write_bytes(content)
    assert training.read_out_of_fold(tmp_path) == {key: [0.25, 0.75] for key in [1, 2, 3]}
