"""Our model takes the feature table as it is, and its file needs no more trust than it says."""

import numpy as np
import pytest
import skops.io

from titanic import model


def test_columns_are_found_by_name(table, ours):
    shuffled = table[sorted(table.columns, reverse=True)].drop(columns="survived")

    np.testing.assert_array_equal(ours.predict_proba(shuffled), ours.predict_proba(table))


@pytest.mark.parametrize("name", model.CANDIDATES)
def test_saved_model_predicts_the_same_and_needs_only_the_named_trust(table, quick, name, tmp_path):
    path = tmp_path / "model.skops"
    fitted = quick(model.RECIPE.candidate(name)).fit(table, table["survived"])
    skops.io.dump(fitted, path)

    again = skops.io.load(path, trusted=list(model.TRUSTED))

    assert set(skops.io.get_untrusted_types(file=path)) <= set(model.TRUSTED)
    np.testing.assert_array_equal(again.predict_proba(table), fitted.predict_proba(table))


def test_women_and_first_class_are_more_likely_to_survive(passengers, person):
    ours = model.RECIPE.candidate(model.OURS).fit(passengers, passengers["survived"])

    def probability(**known):
        return ours.predict_proba(person(age=30, fare=20, embarked="S", **known))[0, 1]

    assert probability(sex="female", pclass=1) > 0.85
    assert probability(sex="male", pclass=3) < 0.2
    assert probability(sex="female", pclass=3) > probability(sex="male", pclass=3)
