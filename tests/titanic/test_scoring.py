"""The scorer gives what the model gives, without the libraries that trained it."""

import subprocess
import sys

import numpy as np
import pytest

from fti import trees
from fti.models import ModelError
from titanic import model, scoring


@pytest.mark.parametrize("name", model.CANDIDATES)
def test_scorer_gives_the_probabilities_of_its_model(table, quick, name, tmp_path):
    gaps = table.assign(
        age=table["age"].mask(table.index % 7 == 0), fare=table["fare"].mask(table.index % 5 == 0)
    )
    fitted = quick(model.RECIPE.candidate(name)).fit(gaps, gaps["survived"])
    (tmp_path / scoring.SCORER).write_bytes(scoring.save_scorer(model.scorer_of(fitted)))

    scorer = scoring.load_scorer(tmp_path)

    np.testing.assert_allclose(
        scorer.predict_proba(gaps), fitted.predict_proba(gaps), rtol=0, atol=1e-5
    )


def test_scorer_takes_no_rows_and_many_rows(table, ours):
    scorer = model.scorer_of(ours)
    many = table.sample(3 * trees.CHUNK, replace=True, random_state=0)

    assert scoring.probabilities(scorer, table.head(0)).shape == (0,)
    one_by_one = scoring.probabilities(scorer, table)[table.index.get_indexer(many.index)]
    np.testing.assert_allclose(scoring.probabilities(scorer, many), one_by_one, rtol=1e-12)


def test_a_file_written_today_is_read_by_the_same_recipe_later(table, quick):
    """These names are in models that are registered: new ones are a new recipe."""
    name = "linear_and_forest_regressed_age"
    fitted = quick(model.RECIPE.candidate(name)).fit(table, table["survived"])
    of_trees = ("roots", "left", "right", "column", "threshold", "missing_left", "value", "base")
    assert list(model.scorer_of(fitted).to_arrays()) == [
        "0.linear.weights",
        "0.linear.intercept",
        *(f"1.trees.{name}" for name in (*of_trees, "logistic")),
        *(f"1.trees.ages.{name}" for name in (*of_trees, "logistic")),
    ]


def test_a_damaged_or_foreign_file_is_one_sentence(table, ours, tmp_path):
    whole = scoring.save_scorer(model.scorer_of(ours))
    foreign = trees.save({"informed.0.linear.weights": np.arange(3.0)})
    with pytest.raises(ModelError, match=r"scorer\.npz is missing: run the training pipeline"):
        scoring.load_scorer(tmp_path)
    for content in (b"", whole[: len(whole) // 2], foreign, trees.save({})):
        (tmp_path / scoring.SCORER).write_bytes(content)
        with pytest.raises(ModelError, match=r"scorer\.npz is damaged or of another model"):
            scoring.load_scorer(tmp_path)


def test_scoring_imports_neither_scikit_learn_nor_xgboost():
    code = (
        "import sys, titanic.batch_inference_pipeline, titanic.feature_pipeline;"
        "heavy = {'sklearn', 'xgboost', 'skops', 'pandera'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_contributions_add_up_to_the_probability(table, ours, person):
    row = person(sex="female", pclass=1, age=30, fare=60, embarked="C", cabin=True)
    people = scoring.reference_people(ours, table, 20)

    moved = scoring.contributions(ours, row, people)

    assert tuple(moved["changes"]) == tuple(scoring.INPUTS)
    assert moved["probability"] == pytest.approx(ours.predict_proba(row)[0, 1])
    assert moved["base"] == pytest.approx(ours.predict_proba(people)[:, 1].mean())
    assert moved["base"] + sum(moved["changes"].values()) == pytest.approx(moved["probability"])
    assert moved == scoring.contributions(ours, row, people)


def test_reference_people_stand_for_everybody(table, ours):
    people = scoring.reference_people(ours, table)
    everybody, few = (ours.predict_proba(rows)[:, 1] for rows in (table, people))
    assert len(people) == scoring.REFERENCE_PEOPLE and "survived" not in people
    assert few.mean() == pytest.approx(everybody.mean(), abs=0.02)


def test_input_that_the_model_does_not_use_moves_nothing(table, person):
    class ByClass:
        def predict_proba(self, X):
            p = X["pclass"].map({1: 0.6, 2: 0.4, 3: 0.2}).to_numpy()
            return np.column_stack([1 - p, p])

    people = table.head(10).assign(pclass=[1, 1, 2, 2, 2, 3, 3, 3, 3, 3])

    moved = scoring.contributions(ByClass(), person(pclass=1), people)

    changes = moved["changes"]
    assert changes.pop("pclass") == pytest.approx(0.6 - people["pclass"].rsub(4).mean() / 5)
    assert list(changes.values()) == pytest.approx([0.0] * len(changes))
