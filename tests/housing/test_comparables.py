import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing import comparables
from housing.comparables import KNOWN_AFTER
from tests.housing.generated import bare, sales


@pytest.fixture(scope="module")
def made():
    return sales(600)


@pytest.fixture(scope="module")
def known(made):
    return comparables.remember(made)


def nearest_by_hand(known, row, k):
    columns = comparables.as_arrays(row)
    spots = known.gazetteer.locate(columns)
    point = comparables._points(spots.position, columns["day"], columns["living_area_m2"])[0]
    apart = np.linalg.norm(known.points - point, axis=1)
    early = (known.sales["sold_on"] <= row["sold_on"].iloc[0] - KNOWN_AFTER).to_numpy()
    return np.sort(apart[early])[:k]


def test_the_nearest_are_found_that_a_full_search_finds(made, known):
    near = comparables.find(known, made, 7)
    for row in range(0, len(made), 37):
        expected = nearest_by_hand(known, made.iloc[[row]], 7)
        assert np.allclose(near.unlike[row][: len(expected)], expected)
        assert np.isinf(near.unlike[row][len(expected) :]).all()


def test_only_sales_known_before_the_day_are_found(made, known):
    near = comparables.find(known, made, 10)
    row, rank = np.nonzero(near.sales >= 0)
    sold = known.sales["sold_on"].iloc[near.sales[row, rank]].reset_index(drop=True)
    assert (sold <= made["sold_on"].iloc[row].reset_index(drop=True) - KNOWN_AFTER).all()
    assert (near.sales[0] == -1).all()  # nothing is known before the first


def test_one_flat_finds_what_it_finds_among_others(made, known):
    near = comparables.find(known, made, 10)
    for row in (5, 130, 599):
        alone = comparables.find(known, made.iloc[[row]], 10)
        assert (alone.sales[0] == near.sales[row]).all()
        assert np.array_equal(alone.metres[0], near.metres[row], equal_nan=True)


def test_weights_fall_and_sum_to_one(made, known):
    weights = comparables.find(known, made.tail(50), 10).weights
    assert np.allclose(weights.sum(axis=1), 1)
    assert (np.diff(weights, axis=1) <= 0).all()


def test_metres_are_those_on_the_ground(known):
    flat = bare(latitude=59.3001, longitude=18.0)
    near = comparables.find(known, flat, 1)
    sale = known.sales.iloc[near.sales[0, 0]]
    north = (sale["latitude"] - 59.3001) * 111_195
    east = (sale["longitude"] - 18.0) * 111_195 * np.cos(np.radians(59.3))
    assert near.metres[0, 0] == pytest.approx(np.hypot(north, east), rel=1e-3, abs=0.1)


def test_flat_without_coordinates_stands_where_its_street_does(made, known):
    flat = bare(street="ekbacken", district="öster", municipality="staden")
    near = comparables.find(known, flat, 5)
    assert set(known.sales["street"].iloc[near.sales[0]]) == {"ekbacken"}
    assert np.isnan(near.metres).all()


def test_sales_without_any_coordinates_are_compared_within_street_and_district(made):
    blind = made.assign(latitude=np.nan, longitude=np.nan)
    known = comparables.remember(blind)
    flat = bare(street="dungen", district="öster", municipality="staden", number="4")
    near = comparables.find(known, flat, 10)
    assert set(known.sales["street"].iloc[near.sales[0]]) == {"dungen"}
    other = bare(street="ny gata", district="väster", municipality="staden")
    found = comparables.find(known, other, 10)
    assert set(known.sales["district"].iloc[found.sales[0]]) == {"väster"}


def test_nothing_known_gives_no_comparable(made):
    known = comparables.remember(made.head(0))
    near = comparables.find(known, made.head(3), 4)
    assert (near.sales == -1).all() and np.isinf(near.unlike).all()


@given(st.integers(0, 599), st.floats(1e5, 1e8), st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_later_sales_and_the_own_price_change_nothing(row, price, seed):
    made = sales(600)
    day = made["sold_on"].iloc[row]
    later = made["sold_on"] > day - KNOWN_AFTER
    changed = made.copy()
    rng = np.random.default_rng(seed)
    changed.loc[later, "price"] = price
    changed.loc[later, "living_area_m2"] = rng.uniform(10, 300, later.sum())
    changed.loc[later, "latitude"] = 59.0
    found = [
        comparables.find(comparables.remember(table), made.iloc[[row]], 8)
        for table in (made, changed, made[~later])
    ]
    assert all((near.sales == found[0].sales).all() for near in found)


@given(st.integers(0, 5000))
def test_blocks_cover_what_is_known_once(length):
    blocks = comparables._cut(length)
    covered = [place for start, stop in blocks for place in range(start, stop)]
    assert covered == list(range(length))


def test_hundred_thousand_flats_take_seconds():
    base = sales(20_000, days=2000)
    rng = np.random.default_rng(0)
    spread = base.assign(latitude=base["latitude"] + rng.normal(0, 0.05, len(base)))
    known = comparables.remember(spread)
    start = pd.Timestamp.now()
    comparables.find(known, spread, 10)
    assert (pd.Timestamp.now() - start).total_seconds() < 30  # about one, on an idle core
