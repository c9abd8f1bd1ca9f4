"""Valuations are scored by the prices that were paid, each flat once, in percent."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing import track_record

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2025-01-30", tz="UTC")
EDGES = [2e6, 3e6]


def valuations(values, version=1, at=START, **changes):
    """One valuation for each value, of flats a, b, c..., with ranges of 10 and 20 %."""
    values = np.asarray(values, dtype=float)
    table = pd.DataFrame(
        {
            "sale_id": [chr(ord("a") + k) for k in range(len(values))],
            "model_version": version,
            "predicted_at": at,
            "value": values,
            "low_80": values * 0.9, "high_80": values * 1.1,
            "low_90": values * 0.8, "high_90": values * 1.2,
            "confidence": "B", "seed_value": values * 1.5, "sold_on": at,
            "is_listing": False, "is_synthetic": False,
        }
    )  # fmt: skip
    return table.assign(**changes)


def sales(prices, districts=None):
    """Sales of flats a, b, c..., a day apart."""
    n = len(prices)
    return pd.DataFrame(
        {
            "sale_id": [chr(ord("a") + k) for k in range(n)],
            "price": np.asarray(prices, dtype=float),
            "district": districts or ["one"] * n,
            "sold_on": [START + k * DAY for k in range(n)],
        }
    )


def summed(made, sold):
    return track_record.summarize(track_record.score(made, sold), EDGES)


def test_scores_are_in_percent_of_the_price():
    found = summed(valuations([1.05e6, 2.2e6, 2.6e6]), sales([1e6, 2.5e6, 4e6]))
    assert found["scored"] == 3 and found["since"] == "2025-01-30"
    assert found["mape"] == pytest.approx((5 + 12 + 35) / 3)
    assert found["mdape"] == pytest.approx(12) and found["bias"] == pytest.approx(-12)
    assert found["within_10"] == pytest.approx(100 / 3)
    assert found["coverage_80"] == pytest.approx(100 / 3)
    assert found["coverage_90"] == pytest.approx(200 / 3)
    assert found["seed_mape"] == pytest.approx(100 * np.mean([0.575, 0.32, 0.025]))


def test_they_are_given_by_month_district_and_price_band():
    found = summed(valuations([1e6, 2.2e6, 2.6e6]), sales([1e6, 2.5e6, 4e6], ["x", "y", "y"]))
    assert [(row["month"], row["n"]) for row in found["by_month"]] == [
        ("2025-01", 2), ("2025-02", 1),
    ]  # fmt: skip
    assert [(row["district"], row["n"]) for row in found["by_district"]] == [("y", 2), ("x", 1)]
    assert [row["price_band"] for row in found["by_price_band"]] == [
        "below 2,000,000", "2,000,000 to 3,000,000", "from 3,000,000",
    ]  # fmt: skip
    assert {"mape", "mdape", "bias", "coverage_90"} <= set(found["by_month"][0])


def test_a_flat_that_several_versions_valued_counts_with_the_last_valuation():
    made = pd.concat([valuations([1e6]), valuations([1.1e6], version=2, at=START + DAY)])
    scored = track_record.score(made, sales([1e6]))
    assert scored["model_version"].tolist() == [2]
    assert scored["error"].tolist() == pytest.approx([0.1])


def test_flats_that_are_not_sold_do_not_count():
    assert summed(valuations([1e6, 2e6]), sales([1e6]))["scored"] == 1
    nothing = summed(valuations([1e6]), sales([]).astype({"sold_on": "datetime64[us, UTC]"}))
    assert nothing["scored"] == 0 and nothing["since"] is None and nothing["by_month"] == []


def test_without_the_seeds_values_there_is_no_score_of_it():
    made = valuations([1e6], seed_value=np.nan)
    assert summed(made, sales([1e6]))["seed_mape"] is None


@given(st.lists(st.floats(2e4, 1e9), min_size=1, max_size=30))
def test_every_price_has_one_band_and_bands_are_in_order(prices):
    prices = pd.Series(prices)
    edges = track_record.edges_of(prices)
    found = track_record.bands(prices, edges)
    assert found.notna().all()
    order = found.cat.codes.loc[prices.sort_values().index]
    assert order.is_monotonic_increasing


def test_bands_are_about_equally_full():
    prices = pd.Series(np.linspace(1e6, 9e6, 1000))
    counts = track_record.bands(prices, track_record.edges_of(prices)).value_counts()
    assert len(counts) == 5 and counts.between(180, 220).all()
