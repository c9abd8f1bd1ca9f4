import numpy as np
import pytest

from fti.errors import UserError
from fti.models import ModelError
from housing import automl
from housing.table import COLUMNS
from tests.housing.generated import bare, sales

needs_automl = pytest.mark.skipif(not automl.installed(), reason="needs housing-automl.txt")


def test_inputs_say_nothing_of_the_price_or_of_which_sale_it_is():
    made = sales(50)
    other = made.assign(price=1.0, sale_id="other", address="other", source="other")
    assert automl.inputs(made).equals(automl.inputs(other))
    assert not {"price", "sale_id"} & set(automl.inputs(made))


def test_inputs_have_all_else_that_the_table_has():
    told = {"sale_id", "price", "currency", "address", "source"}
    assert set(automl.inputs(sales(50))) == set(COLUMNS) - told - {"sold_on"} | {"day", "month"}


def test_columns_beside_the_tables_own_are_left_out():
    made = sales(50)
    assert automl.inputs(made.assign(policy_rate=1.0)).equals(automl.inputs(made))


def test_names_are_categories_and_house_numbers_are_numbers():
    columns = automl.inputs(bare("2021-01-15", number="96c", street="alvägen"))
    assert {columns[name].dtype.name for name in automl.CATEGORIES} == {"category"}
    assert columns["number"].tolist() == [96]
    assert columns["day"].tolist() == [18642]


@pytest.mark.skipif(automl.installed(), reason="AutoGluon is here")
@pytest.mark.parametrize("use", [automl.version, lambda: automl.load("no")])
def test_without_autogluon_one_sentence_says_how_to_get_it(use):
    with pytest.raises(UserError, match="not installed: pip install -r requirements/housing"):
        use()


@pytest.mark.skipif(automl.installed(), reason="AutoGluon is here")
def test_fitting_without_autogluon_leaves_no_folder(tmp_path):
    with pytest.raises(UserError, match="not installed"):
        automl.fit(sales(50), "medium_quality", 10, tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("automl") / "model"
    return automl.fit(sales(400).head(300), "medium_quality", 20, folder, cpus=2), folder


@needs_automl
@pytest.mark.filterwarnings("default")
def test_it_learns_prices_and_is_the_same_when_read_back(fitted):
    model, folder = fitted
    later = sales(400).tail(100)
    off = np.abs(automl.predict(model, later) / later["price"] - 1)
    assert off.median() < 0.15
    read = automl.load(folder)
    np.testing.assert_allclose(automl.predict(read, later), automl.predict(model, later))


@needs_automl
@pytest.mark.filterwarnings("default")
def test_flats_alone_on_streets_not_seen_are_valued(fitted):
    row = bare(street="norgegatan", agency="ny", association="brf ny")
    assert (automl.predict(fitted[0], row) > 0).all()


@needs_automl
def test_a_folder_of_another_version_is_refused(tmp_path):
    with pytest.raises(ModelError, match="holds no model of AutoGluon"):
        automl.load(tmp_path)
    (tmp_path / automl.VERSION).write_text("1.0.0")
    with pytest.raises(ModelError, match=r"was written by AutoGluon 1\.0\.0, and here is "):
        automl.load(tmp_path)
