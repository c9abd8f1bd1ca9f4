import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing import intervals


def test_ranges_hold_for_errors_to_come():
    rng = np.random.default_rng(0)
    spread = rng.uniform(0.03, 0.2, 8000)
    errors = spread * rng.standard_t(4, 8000) + 0.02 * spread
    ranges = intervals.calibrate(errors[:4000], spread[:4000])
    found = ranges.around(np.zeros(4000), spread[4000:])
    price = np.exp(errors[4000:])
    for share in (80, 90):
        held = intervals.coverage(price, found[f"low_{share}"], found[f"high_{share}"])
        assert held == pytest.approx(share, abs=2)


def test_a_skewed_error_has_a_skewed_range():
    errors = np.random.default_rng(1).exponential(0.1, 2000)
    low, high = intervals.calibrate(errors, np.full(2000, 0.1)).quantiles[1]
    assert low >= -0.06 and high > 2


def test_few_errors_do_not_make_narrow_ranges():
    low, high = intervals.calibrate(np.zeros(10), np.ones(10)).quantiles[1]
    assert low < -2 and high > 2


@given(st.lists(st.floats(-1, 1), max_size=200), st.floats(0.01, 0.5))
@settings(deadline=None)
def test_the_wider_range_holds_the_narrower(errors, spread):
    ranges = intervals.calibrate(np.array(errors), np.full(len(errors), spread))
    found = ranges.around(np.zeros(1), np.array([spread]))
    assert found["low_90"] <= found["low_80"] and found["high_80"] <= found["high_90"]


def test_grades_fall_with_the_width():
    low, high = np.array([0.95, 0.87, 0.82, 0.5]), np.array([1.05, 1.13, 1.18, 1.5])
    assert intervals.grade(np.ones(4), low, high).tolist() == ["A", "B", "C", "D"]
