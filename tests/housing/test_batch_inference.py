"""Who is valued: flats for sale, and sales that the model has not learned from, each once."""

import numpy as np
import pandas as pd
import pytest

from fti import models, quality
from fti.errors import UserError
from housing import (
    batch_inference_pipeline,
    groups,
    sample,
    scoring,
    seed_scoring,
    summary,
    table,
    valuing,
)
from housing.valuing import Stored
from tests.housing.conftest import FIRST

LEARNED = pd.Timestamp("2025-03-10", tz="UTC")


@pytest.fixture(scope="module")
def sales():
    """Twenty days of the sample's sales, up to ten days after what the model has learned."""
    return sample.sales("2025-03-01", "2025-03-21", per_day=2)


@pytest.fixture(scope="module")
def listings():
    """What is for sale on their last day."""
    return sample.listings("2025-03-20", per_day=2)


def said(flats, version=1):
    """Rows of `housing_valuations` with the keys only."""
    rows = pd.DataFrame({"sale_id": flats["sale_id"], "model_version": version})
    return groups.empty(groups.VALUATIONS).merge(rows, how="right")


NOTHING = groups.empty(groups.VALUATIONS)


def chosen(sales, listings, valuations=NOTHING, version=1):
    return valuing.unvalued(Stored(sales, listings, valuations), version, LEARNED)


def later(sales):
    return sales[sales["sold_on"] > LEARNED]


def test_flats_for_sale_and_later_sales_are_valued_without_their_price(sales, listings):
    found = chosen(sales, listings)
    assert set(found["sale_id"]) == {*later(sales)["sale_id"], *listings["sale_id"]}
    assert found["price"].isna().all()
    assert found["is_listing"].sum() == len(listings)


def test_a_sale_is_valued_once_by_whichever_version(sales, listings):
    found = chosen(sales, listings.head(0), said(later(sales).head(3), version=1), version=2)
    assert set(found["sale_id"]) == set(later(sales)["sale_id"][3:])


def test_a_flat_for_sale_is_valued_by_every_version(sales, listings):
    known = said(listings, version=1)
    assert not chosen(sales, listings, known)["is_listing"].any()
    assert chosen(sales, listings, known, version=2)["is_listing"].sum() == len(listings)


def test_a_flat_that_was_valued_while_for_sale_is_not_valued_again_when_sold(sales):
    sold = later(sales)
    waiting = sold.assign(price=np.nan, sold_on=sold["sold_on"] - pd.Timedelta(days=20))
    found = chosen(sales, waiting, said(waiting))
    assert found.empty


def test_a_flat_that_is_sold_is_no_longer_for_sale(sales):
    waiting = sales.assign(price=np.nan)
    assert not chosen(sales, waiting)["is_listing"].any()


def test_nothing_new_is_an_empty_table(sales, listings):
    assert chosen(sales[sales["sold_on"] <= LEARNED], listings.head(0)).empty


def test_a_valuation_that_cannot_be_is_not_stored(first_day):
    store = first_day.get_feature_store()
    rows = groups.read(store, groups.VALUATIONS).head(2).assign(model_version=9)
    with pytest.raises(quality.DataError, match="the 90 % range holds the 80 % range"):
        groups.add(store, groups.VALUATIONS, rows.assign(low_90=rows["value"]))
    with pytest.raises(quality.DataError, match="value"):
        groups.add(store, groups.VALUATIONS, rows.assign(value=np.nan))
    assert 9 not in set(groups.read(store, groups.VALUATIONS)["model_version"])


def test_a_day_before_the_first_sale_is_one_sentence(first_day):
    with pytest.raises(UserError, match="no sales of 2020-01-01 or before"):
        batch_inference_pipeline.main("2020-01-01")


def test_the_seeds_values_are_those_of_its_trees(first_day):
    rows = groups.read(first_day.get_feature_store(), groups.VALUATIONS)
    listed = groups.read(first_day.get_feature_store(), groups.LISTINGS)
    flats = rows[["sale_id", "seed_value"]].merge(listed, on="sale_id")
    seed = models.load_model(first_day, "housing_seed_xgboost")
    inputs = seed_scoring.seed_columns(flats)
    assert seed.model.predict(inputs) == pytest.approx(flats["seed_value"].to_numpy(), rel=1e-4)


def test_the_seeds_model_does_not_value_what_it_has_learned(first_day):
    sold = sample.sales(FIRST, FIRST + pd.Timedelta(days=2), per_day=5).assign(is_listing=False)
    found = pd.Series(valuing.seed_values(first_day, sold), index=sold["sold_on"].dt.date)
    until = valuing.trained_until(models.fetch_model(first_day, "housing_seed_xgboost")).date()
    assert (found.isna() == (found.index <= until)).all() and found.notna().any()


def test_months_after_training_have_the_markets_last_level(first_day):
    files = models.fetch_model(first_day, "housing")
    sold = sample.sales("2025-01-01", "2026-03-01", per_day=1)
    past = scoring.load_scorer(files.folder).past(sold)
    found = pd.DataFrame(summary.market(sold, past))
    assert found["sales"].sum() == len(sold) and len(found) == 14
    assert set(found["index"].tail(3)) == {1.0} and found["index"].nunique() > 5


def test_drift_leaves_out_what_nobody_knows(sales):
    old = sample.sales("2024-01-01", "2024-06-01", per_day=2)
    known = {row["feature"] for row in summary.drift(old, sales)}
    assert {"price", "price_per_m2", "district"} <= known
    blind = old.assign(fee=np.nan, agency=table.UNKNOWN)
    assert known - {row["feature"] for row in summary.drift(blind, sales)} == {"fee", "agency"}
