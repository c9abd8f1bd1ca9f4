"""Each row is predicted once by each version, and rows trained on by their out-of-fold scores."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from fti import inference
from fti.classification import Task
from fti.inference import Rows
from fti.models import ModelFiles

DAY = dt.date(2026, 1, 31)
FRUIT = Task(
    use_case="fruit", entity="fruit", entities="fruits", label="kind", recipe="1",
    outcomes={"apple": "apple", "fig": "fig", "pear": "pear"},
)  # fmt: skip
HELD_OUT = {"1": [0.2, 0.3, 0.5]}


class Figs:
    """Takes everything for a fig."""

    def predict_proba(self, table):
        return np.tile([0.1, 0.8, 0.1], (len(table), 1))


@pytest.fixture
def current(tmp_path):
    """A model trained on the real fruit 1."""
    (tmp_path / "out_of_fold.json").write_text(json.dumps(HELD_OUT))
    return ModelFiles(
        name="fruit", version=3, folder=tmp_path, metrics={}, manifest={}, created=None
    )


@pytest.fixture
def table():
    return pd.DataFrame(
        {"fruit_id": [1, 2, 1], "is_synthetic": [False, False, True]}, index=[7, 8, 9]
    )


def test_only_real_rows_that_trained_the_model_get_what_was_said_out_of_fold(current, table):
    found = inference.predict(FRUIT, current, Figs(), table, DAY)
    assert found.to_dict("list") == {
        "fruit_id": [1, 2, 1],
        "model_version": [3, 3, 3],
        "predicted_at": [pd.Timestamp(DAY)] * 3,
        "probability": [0.5, 0.8, 0.8],
        "predicted": ["pear", "fig", "fig"],
        "p_apple": [0.2, 0.1, 0.1],
        "p_fig": [0.3, 0.8, 0.8],
        "p_pear": [0.5, 0.1, 0.1],
        "is_synthetic": [False, False, True],
    }


def test_two_outcomes_have_one_probability_and_are_cut_at_a_half():
    coin = Task(**{**vars(FRUIT), "outcomes": {0: "heads", 1: "tails"}})
    found = inference.outcomes(coin, np.array([[0.5, 0.5], [0.6, 0.4]]))
    assert {name: list(values) for name, values in found.items()} == {
        "probability": [0.5, 0.4],
        "predicted": [1, 0],
    }


def test_rows_that_this_version_predicted_are_not_pending(table):
    known = pd.DataFrame({"fruit_id": [1, 2], "model_version": [3, 2]})
    assert list(inference.pending(FRUIT, table, known, 3)["fruit_id"]) == [2]
    assert inference.pending(FRUIT, table, known.head(0), 3) is table


@pytest.mark.parametrize(("which", "index"), [("real", [7, 8]), ("synthetic", [9])])
def test_rows_are_chosen_by_kind(table, which, index):
    assert list(inference.of_kind(table, Rows(which)).index) == index
    assert inference.of_kind(table, Rows.both) is table


def test_no_rows_have_no_predictions(current, table):
    assert inference.predict(FRUIT, current, Figs(), table.head(0), DAY).empty


def test_many_rows_are_scored_in_pieces(monkeypatch, table):
    monkeypatch.setattr(inference, "SCORED_TOGETHER", 2)
    assert inference.score(Figs(), table, 3).tolist() == [[0.1, 0.8, 0.1]] * 3
