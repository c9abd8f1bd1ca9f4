"""A mapping file says how a table is to be read, and what is wrong with either is said."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti.errors import SourceError
from housing import mapping, sources, table
from housing.table import Problems

FILE = """
[columns]
"Adress" = "address"
"Storlek" = "living_area_m2"
"Pris (tkr)" = "price"
"Datum" = "sold_on"
"Balkong" = "balcony"
"Typ" = "kind"
"Lat" = "latitude"
"Lon" = "longitude"

[units]
price = 1000

[formats]
sold_on = "%d/%m/%Y"

[words.balcony]
"fransk" = 0
"stor" = 1

[bounds]
latitude = [59.2, 59.5]

[constants]
currency = "SEK"
municipality = "Stockholm"
"""
ROWS = """Adress;Storlek;Pris (tkr);Datum;Balkong;Typ;Lat;Lon
Storgatan 5 b, 2 tr;42 m²;4 430;13/10/2021;stor;Lägenhet;59.33;18.05
Lillgatan 1;"103 + 15 m²";;14/10/2021;fransk;lägenhet;40.4;-3.7
Bygatan 2;50;3 000;15/10/2021;ja;Villa;59.33;18.05
Bygatan 3;50;mycket;15/10/2021;;lägenhet;59.33;18.05
Bygatan 4;50;3 100;2021-10-15;;lägenhet;59.33;18.05
"""


@pytest.fixture
def sales(tmp_path):
    (tmp_path / "sales.csv").write_text(ROWS, encoding="utf-8")
    (tmp_path / "sales.toml").write_text(FILE, encoding="utf-8")
    return sources.read(str(tmp_path / "sales.csv"))


def test_a_table_is_read_as_its_mapping_says(sales):
    first = sales.iloc[0]
    assert first[["street", "number", "floor", "price", "balcony"]].tolist() == [
        "storgatan", "5b", 2.0, 4_430_000.0, 1.0,
    ]  # fmt: skip
    assert first["sold_on"] == pd.Timestamp("2021-10-13", tz="UTC")
    assert set(sales["municipality"]) == {"stockholm"}
    assert set(sales["source"]) == {"csv"}


def test_a_row_without_a_price_is_for_sale(sales):
    (unsold,) = table.for_sale(sales).to_dict("records")
    assert (unsold["living_area_m2"], unsold["extra_area_m2"]) == (103.0, 15.0)


def test_what_cannot_be_read_is_told_by_row(sales):
    told = {(p["row"], p["column"], p["value"], p["dropped"]) for p in table.problems(sales)}
    assert told == {
        (2, "latitude", "40.4", False),
        (3, "balcony", "ja", False),
        (3, "kind", "villa", True),
        (4, "price", "mycket", True),
        (5, "sold_on", "2021-10-15", True),
    }
    assert len(sales) == 2
    assert sales["longitude"].isna().tolist() == [False, True]


def test_one_mapping_serves_a_folder_and_a_table_of_its_own_name_comes_first(tmp_path):
    assert mapping.beside(tmp_path / "a.csv") is None
    (tmp_path / "mapping.toml").touch()
    (tmp_path / "a.toml").touch()
    assert mapping.beside(tmp_path / "a.csv").name == "a.toml"
    assert mapping.beside(tmp_path / "b.csv").name == "mapping.toml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("columns = [", "not TOML"),
        ("[colums]\na = 'price'", "'colums' is none of"),
        ("[units]\nprice = 2", "no columns"),
        ("[columns]\na = 'prize'\n[constants]\ncurrency = 'SEK'", "'prize' is none of our"),
        ("[columns]\na = 'price'\nb = 'price'\n[constants]\ncurrency = 'SEK'", "of two columns"),
        ("[columns]\na = 'price'", "needs the currency"),
        ("[columns]\na = 'price'\n[constants]\ncurrency = 'FIM'", "needs the currency"),
        ("[columns]\na = 3\n[constants]\ncurrency = 'SEK'", "'3' is none of our"),
        ("[columns]\na = 'price'\n[units]\nprice = 0\n[constants]\ncurrency = 'SEK'", "unit of"),
        ("[columns]\na = 'price'\n[bounds]\nfee = 3\n[constants]\ncurrency = 'SEK'", "bounds of"),
        ("[columns]\na = 'price'\n[words]\nfee = 3\n[constants]\ncurrency = 'SEK'", "words.fee"),
        ("[columns]\na = 'fee'\n[words.fee]\nx = 'y'\n[constants]\ncurrency = 'SEK'", "no number"),
        ("[columns]\na = 'fee'\n[constants]\ncurrency = 'SEK'\nrooms = 'y'", "constant rooms"),
        ("[columns]\na = 'fee'\n[formats]\nfee = 'x'\n[constants]\ncurrency = 'SEK'", "format of"),
    ],
)
def test_a_mapping_that_is_not_understood_is_refused_in_a_sentence(tmp_path, text, said):
    path = tmp_path / "mapping.toml"
    path.write_text(text)
    with pytest.raises(SourceError, match=said) as caught:
        mapping.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mapping_of_a_column_that_is_not_there_is_refused():
    cells = pd.DataFrame({"Pris": ["1"]}, index=[1])
    with pytest.raises(SourceError, match="no column 'Price', only Pris"):
        mapping.rows(cells, mapping.TableMapping({"Price": "price"}), "a.csv", Problems())


def cells(**columns):
    """Read cells that are written as our columns are."""
    raw = pd.DataFrame(columns)
    raw.index += 1
    noted = Problems()
    read = mapping.TableMapping({name: name for name in columns})
    return mapping.rows(raw, read, "a.csv", noted), noted


@pytest.mark.parametrize(
    ("form", "text", "value"),
    [
        ("decimal comma", "1.250.000,50", 1_250_000.5),
        ("decimal point", "1,250,000.50", 1_250_000.5),
        ("decimal comma", "x", None),
    ],
)
def test_formats_say_which_sign_is_the_decimal(form, text, value):
    noted = Problems()
    read = mapping.TableMapping({"price": "price"}, formats={"price": form})
    rows = mapping.rows(pd.DataFrame({"price": [text]}, index=[1]), read, "a.csv", noted)
    assert rows["price"].tolist() == ([] if value is None else [value])
    assert len(noted) == (value is None)


@pytest.mark.parametrize("form", [{}, {"living_area_m2": "decimal point"}])
def test_an_area_may_be_in_another_unit(form):
    read = mapping.TableMapping(
        {"Size": "living_area_m2"}, formats=form, units={"living_area_m2": 0.5}
    )
    raw = pd.DataFrame({"Size": ["100", "", "x"]}, index=[1, 2, 3])
    rows = mapping.rows(raw, read, "a.csv", Problems())
    assert rows["living_area_m2"].fillna(-1).tolist() == [50.0, -1.0]


def test_numbers_and_times_of_a_parquet_file_are_taken_as_they_are():
    times = pd.to_datetime(["2021-10-13 12:00"]).tz_localize("UTC")
    rows, noted = cells(price=[1.125], sold_on=times, number=[7.0], balcony=[True])
    assert rows.loc[1, ["price", "number", "balcony"]].tolist() == [1.125, "7", 1.0]
    assert not noted


def test_parts_are_taken_apart():
    rows, _ = cells(
        size=["42 m² 1,5 rum", ""],
        location=["vasastan, stockholms kommun", ""],
        amenities=["balkong", ""],
    )
    assert rows.loc[1, ["living_area_m2", "rooms", "municipality", "district"]].tolist() == [
        42.0, 1.5, "stockholm", "vasastan",
    ]  # fmt: skip
    assert rows["balcony"].tolist()[0] == 1.0
    assert rows["elevator"].tolist()[0] == 0.0
    assert np.isnan(rows["balcony"][2])


def test_a_price_that_contradicts_its_price_per_m2_is_left_out():
    rows, noted = cells(
        price=["4 000 000", "4 000 000"],
        living_area_m2=["40", "50"],
        price_per_m2=["100 000", "100 000 kr/m²"],
    )
    assert rows.index.tolist() == [1]
    assert noted[0]["row"] == 2


def test_a_floor_that_the_address_contradicts_is_unknown():
    rows, noted = cells(
        address=["a-gatan 65a 1", "b-gatan 2, 3 tr", "c-gatan 3, 1 / 2 tr", "d-gatan 4, 5 tr"],
        floor=["5", "3,5 tr", "0,5", ""],
    )
    assert rows["floor"].fillna(-1).tolist() == [-1, 3.5, 0.5, 5.0]
    assert [problem["row"] for problem in noted] == [1]


WILD = st.text(alphabet=" 0123456789,.½ktrmånbvrum²/å%+-", max_size=20)


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted({*table.COLUMNS, *mapping.PARTS} - {"source"})),
        st.lists(WILD, min_size=3, max_size=3),
        min_size=1,
    )
)
def test_any_cells_are_read_or_told(columns):
    rows, noted = cells(**columns)
    assert set(rows.index) <= {1, 2, 3}
    assert all(problem["reason"] for problem in noted)
    sales = table.finish(rows.assign(currency="SEK", source="csv"), noted)
    assert len(sales) <= 3
