import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing import comparables, features, level
from tests.housing.generated import bare, sales


@pytest.fixture(scope="module")
def made():
    return sales(500)


@pytest.fixture(scope="module")
def past(made):
    return features.remember(made, level.fit(made))


def test_features_have_their_columns_and_the_rows_index(made, past):
    rows = made.tail(5)
    table = features.build_features(rows, past)
    assert list(table) == list(features.COLUMNS)
    assert table.index.equals(rows.index)


def test_one_row_equals_the_batch(made, past):
    batch = features.build_features(made, past)
    for row in (0, 77, 499):
        alone = features.build_features(made.iloc[[row]], past)
        pd.testing.assert_frame_equal(alone, batch.iloc[[row]])


def test_chunks_equal_the_whole(made, past, monkeypatch):
    whole = features.build_features(made, past)
    monkeypatch.setattr(features, "CHUNK", 64)
    pd.testing.assert_frame_equal(features.build_features(made, past), whole)


def test_a_flat_of_which_nothing_is_known_has_a_level(past):
    table = features.build_features(bare(), past)
    assert table[["level", "kriged", "kriged_spread", "market"]].notna().all(axis=None)


def test_macro_columns_stand_beside_the_others(made, past):
    macro = pd.DataFrame({"policy_rate": [0.25, 0.5]})
    table = features.build_features(made.tail(2), past, macro)
    assert table["policy_rate"].tolist() == [0.25, 0.5]


def test_the_unit_of_money_does_not_matter(made, past):
    euros = made.assign(price=made["price"] / 10, fee=made["fee"] / 10, currency="EUR")
    other = features.remember(euros, level.fit(euros))
    kronor = features.build_features(made, past).drop(columns=["fee", "level", "market"])
    found = features.build_features(euros, other).drop(columns=["fee", "level", "market"])
    pd.testing.assert_frame_equal(found, kronor, atol=1e-6)


def test_without_fee_floor_and_year_features_are_made(made):
    french = made.assign(fee=np.nan, floor=np.nan, balcony=np.nan, elevator=np.nan)
    past = features.remember(french, level.fit(french))
    table = features.build_features(french.tail(20), past)
    assert table[list(features.NEAR)].notna().all(axis=None)


def test_comparables_say_what_the_level_does_not(made):
    """A street whose prices are above its district's level is seen in its sales."""
    dear = made["street"] == "alvägen"
    made = made.assign(price=made["price"] * np.where(dear, 1.2, 1.0))
    past = features.remember(made, level.fit(made))
    table = features.build_features(made.tail(200), past)
    there = dear.tail(200)
    assert table.loc[there, "kriged"].mean() > table.loc[~there, "kriged"].mean() + 0.05


@given(st.integers(0, 499), st.floats(0.2, 5))
@settings(max_examples=20, deadline=None)
def test_later_sales_and_the_own_price_change_no_feature(row, factor):
    made = sales(500)
    fitted = level.fit(made)
    day = made["sold_on"].iloc[row]
    late = made["sold_on"] > day - comparables.KNOWN_AFTER
    changed = made.assign(price=np.where(late, made["price"] * factor, made["price"]))
    one, other = (
        features.build_features(rows.iloc[[row]], features.remember(rows, fitted))
        for rows in (made, changed)
    )
    pd.testing.assert_frame_equal(one, other)


def test_level_finds_the_rule_of_the_market():
    made = sales(3000, days=800)
    fitted = level.fit(made)
    columns = comparables.as_arrays(made)
    terms = fitted.terms(columns)
    year = np.polyfit(columns["day"] / 365, terms["market"] + terms["district"], 1)[0]
    assert year == pytest.approx(0.1, abs=0.04)
    known = ~np.isnan(columns["floor"])
    assert np.corrcoef(terms["floor"][known], columns["floor"][known])[0, 1] > 0.9
    small, large = (terms["size"][made["living_area_m2"] == size].mean() for size in (30, 90))
    assert small - large == pytest.approx(0.15 * np.log(3), abs=0.03)


def test_days_after_the_last_month_have_its_level(made):
    fitted = level.fit(made)
    last, later = (comparables.as_arrays(bare(day=day)) for day in ("2021-02-03", "2023-05-01"))
    assert fitted.market_level(later)[0] == fitted.market_level(last)[0]


def test_level_survives_its_arrays(made):
    fitted = level.fit(made)
    again = level.from_arrays(level.to_arrays(fitted))
    columns = comparables.as_arrays(made)
    assert np.array_equal(again.log_price_per_m2(columns), fitted.log_price_per_m2(columns))
