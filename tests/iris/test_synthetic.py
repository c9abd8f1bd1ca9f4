"""Synthetic flowers are the same for a date, look real, and are like those of their variety."""

import datetime as dt

import pandas as pd
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_predict

from fti import quality
from fti.errors import SourceError
from iris import features, synthetic
from iris.features import LIMITS, MEASUREMENTS

DAY = dt.date(2026, 1, 31)


@pytest.fixture(scope="module")
def many(flowers):
    return synthetic.sample(flowers, 3000, DAY)


def test_a_date_always_gives_the_same_flowers_and_the_first_ones_first(flowers):
    ten = synthetic.sample(flowers, 10, DAY)
    pd.testing.assert_frame_equal(ten, synthetic.sample(flowers, 10, DAY))
    pd.testing.assert_frame_equal(ten.head(3), synthetic.sample(flowers, 3, DAY))
    other = synthetic.sample(flowers, 10, DAY + dt.timedelta(days=1))
    assert not set(ten["flower_id"]) & set(other["flower_id"])
    assert not ten[MEASUREMENTS].equals(other[MEASUREMENTS])


def test_synthetic_flowers_are_a_feature_table_of_that_midnight(many):
    assert (many["recorded_at"] == pd.Timestamp(DAY, tz="UTC")).all()
    assert (many["generated_at"] == many["recorded_at"]).all()
    table = many[[name for name in features.schema().columns]]
    assert len(quality.check(table, features.schema(), "synthetic flowers")) == 3000
    assert all(many[name].between(*LIMITS[name]).all() for name in MEASUREMENTS)


def test_each_variety_keeps_its_means_and_correlations(flowers, many):
    for variety in features.VARIETIES:
        real, drawn = (t.loc[t["variety"] == variety, MEASUREMENTS] for t in (flowers, many))
        assert 900 < len(drawn) < 1100
        assert (real.mean() - drawn.mean()).abs().max() < 0.08
        assert (real.corr() - drawn.corr()).abs().max(axis=None) < 0.1


def test_a_model_of_synthetic_flowers_knows_the_real_ones(flowers, many):
    model = LinearDiscriminantAnalysis().fit(many[MEASUREMENTS], many["variety"])
    assert model.score(flowers[MEASUREMENTS], flowers["variety"]) >= 0.97


def test_synthetic_flowers_can_hardly_be_told_from_real_ones(flowers, many):
    both = pd.concat([flowers, many.head(150)])
    real = [1] * 150 + [0] * 150
    forest = RandomForestClassifier(200, min_samples_leaf=5, random_state=0)
    told = cross_val_predict(forest, both[MEASUREMENTS], real, cv=5, method="predict_proba")
    assert quality.binary_scores(real, told[:, 1])["auc"] < 0.7


def test_drift_makes_flowers_larger_and_says_so(flowers):
    calm, moved = (synthetic.sample(flowers, 300, DAY, drift=drift) for drift in (0.0, 1.0))
    assert not calm["drifted"].any() and moved["drifted"].all()
    found = quality.drift(flowers, moved, MEASUREMENTS).set_index("feature")["status"]
    assert found["sepal_length"] == "act"


@pytest.mark.parametrize("n", [-1, synthetic.PER_DAY + 1])
def test_a_day_has_room_for_so_many(flowers, n):
    with pytest.raises(ValueError, match="a day has 0 to 1,000,000 flowers"):
        synthetic.sample(flowers, n, DAY)


def test_too_few_flowers_to_learn_from_are_one_sentence(flowers):
    few = flowers.groupby("variety").head(4)
    with pytest.raises(SourceError, match=r"5 real ones of each variety.*--synthetic 0"):
        synthetic.sample(few, 1, DAY)
    assert synthetic.sample(few, 0, DAY).empty


def test_no_flowers_are_an_empty_table_with_all_columns(flowers):
    none = synthetic.sample(flowers, 0, DAY)
    assert none.empty and {"flower_id", "variety", "generated_at"} <= set(none)
