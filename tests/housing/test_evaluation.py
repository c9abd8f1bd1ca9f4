import pandas as pd
import pytest

from fti.errors import UserError
from fti.quality import DataError
from housing import automl, evaluation
from tests.housing.generated import sales


@pytest.fixture(scope="module")
def made():
    return sales(450, seed=4)


@pytest.fixture(scope="module")
def report(made):
    return evaluation.evaluate(made)


def test_the_last_fifth_by_day_is_scored(made, report):
    assert report["rows"]["train"] + report["rows"]["test"] == len(made)
    assert report["rows"]["test"] == pytest.approx(len(made) / 5, abs=5)
    assert report["train_until"] == f"{made['sold_on'].iloc[int(0.8 * 449)]:%Y-%m-%d}"


def test_ours_is_scored_beside_the_seeds_model(report):
    assert report["mape"] < report["seed_xgboost"]["mape"] < 40  # percent
    assert report["mdape"] <= report["mape"]
    assert report["within_5"] <= report["within_10"] <= report["within_20"] <= 100
    assert 75 <= report["coverage_90"] <= 100
    assert min(part["ms_per_valuation"] for part in (report, report["seed_xgboost"])) > 0
    assert report["daily"]["mape"] < 40


def test_breakdowns_hold_every_sale_once(report):
    for title in ("by_district", "by_price_band", "by_month"):
        assert sum(part["sales"] for part in report[title].values()) == report["rows"]["test"]


def test_scores_are_percent():
    price = pd.Series([100.0, 200.0, 400.0, 100.0])
    given = pd.DataFrame({"value": [104.0, 216.0, 400.0, 150.0]})
    given = given.assign(low_90=given["value"] * 0.9, high_90=given["value"] * 1.1)
    found = evaluation.scores(price, given)
    assert found["mape"] == pytest.approx(15.5) and found["mdape"] == pytest.approx(6)
    assert (found["within_5"], found["within_10"], found["within_20"]) == (50, 75, 75)
    assert found["coverage_90"] == 75 and found["width_90"] == pytest.approx(20)


def test_sales_after_the_last_day_of_training_change_nothing_static(made):
    """Prices of the scored sales must not be in what values them."""
    day = made["sold_on"].iloc[380]
    train, test = evaluation.split(made, day)
    assert train["sold_on"].max() <= day < test["sold_on"].min()


def test_a_day_that_is_trained_on_is_not_scored(made):
    with pytest.raises(DataError, match="also trained on"):
        evaluation.split(made, "2020-12-31", "2020-12-31")


def test_nothing_to_score_is_said(made):
    with pytest.raises(DataError, match="no sale with a price from 2030-01-02"):
        evaluation.split(made, "2030-01-01")


def test_rolling_scores_each_month(made):
    found = evaluation.rolling(made, months=1)
    assert list(found["by_month"]) == [f"{made['sold_on'].max():%Y-%m}"]
    assert found["mape"] == next(iter(found["by_month"].values()))["mape"]


def test_autogluon_gets_no_price_and_no_name(made):
    columns = automl.inputs(made)
    assert not {"price", "sale_id", "address", "sold_on"} & set(columns)


def test_without_autogluon_one_sentence_says_how_to_get_it(made, tmp_path):
    if automl.installed():
        pytest.skip("AutoGluon is installed")
    with pytest.raises(UserError, match=r"requirements/housing-automl\.txt"):
        automl.fit(made, "medium_quality", 10, tmp_path)
