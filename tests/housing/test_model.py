import io

import numpy as np
import pandas as pd
import pytest
import skops.io

from fti import trees
from fti.quality import DataError
from housing import features, model, scoring
from housing.comparables import as_arrays
from tests.housing.generated import bare, sales


@pytest.fixture(scope="module")
def made():
    return sales(700)


@pytest.fixture(scope="module")
def fitted(made):
    return model.candidate().fit(made.head(560))


def test_it_beats_the_median_price_per_square_metre(made, fitted):
    train, test = made.head(560), made.tail(140)
    off = np.abs(fitted.predict(test, train) / test["price"] - 1).mean()
    usual = (train["price"] / train["living_area_m2"]).median() * test["living_area_m2"]
    assert off < 0.1 < np.abs(usual / test["price"] - 1).mean()


def test_saved_by_skops_it_values_the_same(made, fitted, tmp_path):
    skops.io.dump(fitted, tmp_path / "model.skops")
    again = skops.io.load(tmp_path / "model.skops", trusted=list(model.TRUSTED))
    test = made.tail(30)
    pd.testing.assert_frame_equal(again.ranges(test, made), fitted.ranges(test, made))


def test_the_order_of_the_sales_does_not_matter(made, fitted):
    shuffled = model.candidate().fit(made.head(560).sample(frac=1, random_state=3))
    assert all(
        np.array_equal(values, shuffled.arrays_[name]) for name, values in fitted.arrays_.items()
    )


def test_rows_without_a_price_teach_nothing(made, fitted):
    listed = made.tail(40).assign(price=np.nan)
    other = model.candidate().fit(pd.concat([made.head(560), listed]))
    assert np.array_equal(other.arrays_["own.usual"], fitted.arrays_["own.usual"])


def test_arrays_predict_as_xgboost_does(made):
    from xgboost import XGBRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4)).astype(np.float32)
    X[::7, 1] = np.nan
    fitted = XGBRegressor(n_estimators=20, num_parallel_tree=2, n_jobs=1).fit(X, X[:, 0] ** 2)
    found = model.explained(fitted)
    assert np.allclose(found.trees.total(X), fitted.predict(X), atol=1e-5)
    assert np.allclose(found.start + found.parts(X).sum(axis=1), found.trees.total(X))


def test_too_few_sales_are_refused(made):
    with pytest.raises(DataError, match="there are 50 sales with a price"):
        model.candidate().fit(made.head(50))


def test_two_currencies_are_refused(made):
    mixed = made.assign(currency=["SEK", "EUR"] * (len(made) // 2))
    with pytest.raises(DataError, match="EUR, SEK"):
        model.candidate().fit(mixed)


def test_sales_of_one_day_are_refused(made):
    day = made.assign(sold_on=made["sold_on"].iloc[0])
    with pytest.raises(DataError, match="too few days"):
        model.candidate().fit(day)


def test_a_flat_of_which_nothing_is_known_has_a_value_and_a_range(made, fitted):
    found = fitted.ranges(bare(), made).iloc[0]
    assert 0 < found["low_90"] < found["low_80"] < found["value"]
    assert found["value"] < found["high_80"] < found["high_90"]


def test_french_sales_without_fee_floor_and_year_are_learned():
    made = sales(420, currency="EUR")
    french = made.assign(price=made["price"] / 11, fee=np.nan, floor=np.nan, elevator=np.nan)
    fitted = model.candidate().fit(french.head(350))
    test = french.tail(70)
    assert np.abs(fitted.predict(test, french) / test["price"] - 1).mean() < 0.12
    assert fitted.scorer().currency == "EUR"


def test_unseen_categories_have_no_effect_of_their_own(made, fitted):
    scorer = fitted.scorer()
    columns = as_arrays(bare(agency="never seen", association="nor this", district="elsewhere"))
    terms = scorer.level.terms(columns)
    assert terms["agency"] == terms["association"] == terms["district"] == 0


def test_files_give_what_was_fitted(made, fitted, tmp_path):
    scorer = fitted.scorer()
    (tmp_path / scoring.SCORER).write_bytes(scoring.save_scorer(scorer))
    arrays = trees.read(tmp_path / scoring.SCORER, dict)
    assert arrays.keys() == fitted.arrays_.keys()
    assert io.BytesIO(scoring.save_sales(made)).getbuffer().nbytes < 100_000
    assert (
        scoring.column_of(np.arange(len(features.COLUMNS))[None], "market")[0]
        == len(features.COLUMNS) - 1
    )
