"""The built-in market: the same day is always the same, and it can be learnt, but not too well."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from fti import quality
from fti.errors import SourceError
from housing import sample, table


@pytest.fixture(scope="module")
def year():
    return sample.sales("2024-01-01", "2025-01-01")


def test_a_year_has_about_twelve_sales_a_day_and_no_problems(year):
    assert 4_100 < len(year) < 4_800
    assert not table.problems(year)
    quality.check(year, table.schema(), "sample")


def test_a_day_is_the_same_in_whatever_range_it_is_asked_for(year):
    alone = sample.sales(date(2024, 5, 7), "2024-05-08")
    same = year[year["sold_on"] == pd.Timestamp("2024-05-07", tz="UTC")].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, same)
    assert len(alone) > 5


def test_an_empty_range_has_no_sales():
    assert sample.sales("2024-05-07", "2024-05-07").empty


def test_a_flat_for_sale_is_sold_within_weeks_as_the_same_flat():
    unsold = sample.listings("2024-06-10")
    sold = sample.sales("2024-06-11", "2024-07-20").set_index("sale_id").loc[unsold["sale_id"]]
    quality.check(unsold, table.schema(), "listings")
    assert unsold["price"].isna().all()
    assert unsold["address"].tolist() == sold["address"].tolist()
    waited = (sold["sold_on"].to_numpy() - unsold["sold_on"].to_numpy()) / np.timedelta64(1, "D")
    assert waited.min() >= sample.SHORTEST
    assert 15 < waited.mean() < 27
    assert unsold["sold_on"].max() <= pd.Timestamp("2024-06-10", tz="UTC")


def test_what_is_for_sale_today_is_for_sale_tomorrow_unless_sold():
    today, tomorrow = sample.listings("2024-06-10"), sample.listings("2024-06-11")
    gone = set(today["sale_id"]) - set(tomorrow["sale_id"])
    assert gone == set(today["sale_id"]) & set(sample.sales("2024-06-11", "2024-06-12")["sale_id"])


def test_prices_know_place_and_time(year):
    earlier = sample.sales("2014-01-01", "2014-07-01")
    per_m2 = {name: (t["price"] / t["living_area_m2"]).median() for name, t in
              {"then": earlier, "now": year}.items()}  # fmt: skip
    assert 1.3 < per_m2["now"] / per_m2["then"] < 1.7
    by_district = (year["price"] / year["living_area_m2"]).groupby(year["district"]).median()
    assert by_district.max() / by_district.min() > 1.5
    assert by_district.idxmax() == "klockarudden"


def test_a_line_through_the_known_features_errs_by_six_to_ten_percent(year):
    known = year.dropna(subset=["floor", "year_built"])
    places = pd.get_dummies(known["street"], dtype=float)
    numbers = np.column_stack(
        [
            np.log(known["living_area_m2"]),
            known[["rooms", "floor", "balcony", "elevator"]],
            known["fee"] / known["living_area_m2"],
            (known["sold_on"] - known["sold_on"].min()).dt.days,
            np.ones(len(known)),
            places,
        ]
    )
    late = (known["sold_on"] >= pd.Timestamp("2024-10-01", tz="UTC")).to_numpy()
    target = np.log(known["price"].to_numpy())
    weights = np.linalg.lstsq(numbers[~late], target[~late], rcond=None)[0]
    errors = np.abs(np.exp(numbers[late] @ weights - target[late]) - 1)
    assert 0.055 < errors.mean() < 0.10


def test_some_values_are_unknown_as_in_life(year):
    known = year.notna().mean()
    assert 0.9 < known["floor"] < 1
    assert 0.6 < known["running_cost"] < 0.8
    assert known["latitude"] == 1


def test_houses_stand_in_stockholm_and_associations_are_of_one_house(year):
    assert year["latitude"].between(59.22, 59.45).all()
    assert year["longitude"].between(17.75, 18.25).all()
    assert (year.groupby("association")["street"].nunique() == 1).all()


@pytest.mark.parametrize("day", ["2009-12-31", "2100-01-02"])
def test_the_sample_has_bounds(day):
    with pytest.raises(SourceError, match="2010 to 2099"):
        sample.listings(day)
