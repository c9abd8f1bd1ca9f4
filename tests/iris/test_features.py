"""The feature table keeps every flower, and says which ones nobody expected."""

import logging

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fti import quality
from iris import features, sources
from iris.features import EXPECTED, LIMITS, MEASUREMENTS


def test_every_real_flower_has_a_number_of_its_own(flowers):
    assert list(flowers["flower_id"]) == list(range(1, 151))
    assert (flowers["recorded_at"] == pd.Timestamp("1988-07-01", tz="UTC")).all()
    pd.testing.assert_frame_equal(flowers[[*MEASUREMENTS, "variety"]], sources.built_in())


def test_real_flowers_pass_the_schema_and_unexpected_ones_only_warn(flowers, caplog):
    with caplog.at_level(logging.WARNING):
        checked = quality.check(flowers, features.schema(), "iris flowers")
    assert len(checked) == 150
    assert len(caplog.messages) == len(EXPECTED)
    assert "iris flowers" in caplog.text and "in_range(4.5, 8.0)" in caplog.text


@pytest.mark.parametrize("change", [{"petal_width": -1.0}, {"variety": "rose"}])
def test_what_is_no_flower_is_refused(flowers, change):
    with pytest.raises(quality.DataError, match=f"flower_id|{next(iter(change))}"):
        quality.check(flowers.head(3).assign(**change), features.schema(), "iris flowers")


def test_limits_hold_every_real_flower_and_every_expected_one(flowers):
    for name, (low, high) in LIMITS.items():
        assert flowers[name].between(low, high).all()
        assert low <= EXPECTED[name][0] and EXPECTED[name][1] <= high


def test_a_typed_flower_has_the_features_of_a_stored_one(flowers):
    typed = features.flower(*flowers.loc[0, MEASUREMENTS])
    pd.testing.assert_frame_equal(typed, flowers.loc[:0, features.INPUTS])


@given(st.lists(st.floats(0.1, 10), min_size=4, max_size=4), st.floats(0.5, 2))
def test_the_ratio_does_not_change_with_the_size_of_a_flower(values, scale):
    small, large = features.flower(*values), features.flower(*(scale * v for v in values))
    assert small["petal_to_sepal"][0] == pytest.approx(large["petal_to_sepal"][0])
