import numpy as np
import pandas as pd
import pytest

from housing import seeds
from tests.housing.generated import bare, sales


def test_inputs_are_the_seeds_in_its_order():
    columns = seeds.seed_columns(bare("2021-12-31", number="96c", rooms=2.0))
    assert list(columns) == [
        *("number", "living_area_m2", "rooms", "sold_on", "fee", "running_cost", "floor"),
        *("year_built", "latitude", "longitude"),
    ]
    assert columns["number"].tolist() == [96]
    assert columns["sold_on"].iloc[0] == pytest.approx(2021.9966, abs=1e-4)


def test_december_is_before_january():
    """The seed's own year + month / 12 put December into the next year."""
    days = [
        seeds.seed_columns(bare(day))["sold_on"].iloc[0] for day in ("2021-12-31", "2022-01-01")
    ]
    assert days[0] < days[1]


def test_macro_columns_are_inputs_when_given():
    made = sales(100)
    macro = pd.DataFrame({"policy_rate": np.linspace(0, 1, 100), "unemployment": 7.0})
    fitted = seeds.SeedXGBoost().fit(made, macro=macro)
    assert fitted.columns_[-2:] == ["unemployment", "policy_rate"]
    assert (fitted.predict(made, macro) > 0).all()


def test_it_learns_prices():
    made = sales(400)
    fitted = seeds.SeedXGBoost().fit(made.head(300))
    off = np.abs(fitted.predict(made.tail(100)) / made["price"].tail(100) - 1)
    assert off.median() < 0.25


def test_an_unknown_number_is_no_number():
    assert seeds.seed_columns(bare())["number"].isna().all()
