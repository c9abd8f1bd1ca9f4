"""One address has one key, however it is written, and a table tells where it is."""

import unicodedata

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from fti.errors import SourceError
from housing import addresses
from housing.addresses import EXACT, NUMBER, STREET, AddressBook, Place

FAST = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
TABLE = """street,number,municipality,latitude,longitude
Olof Palmes gata,96A,Stockholm,59.3361,18.0601
Olof Palmes gata,96 B,Stockholm,59.3362,18.0602
Olof Palmes gata,12,Stockholms kommun,59.3370,18.0610
Olof Palmes gata,12,Stockholm,59.3372,18.0612
Råsundavägen,1,Solna,59.3660,17.9960
S:t Eriksgatan,7,Stockholm,59.3340,18.0310
Ingenstans,1,Stockholm,,
Origo,1,Stockholm,0,0
"""


@pytest.mark.parametrize(
    ("written", "key"),
    [
        (("Olof Palmes Gata", "96 C", "Stockholm"), "olof palmes gata 96c, stockholm"),
        (("S:t Eriksgatan", "7", "Stockholms kommun"), "sankt eriksgatan 7, stockholm"),
        (("sankt  eriksgatan", "07", "STOCKHOLM"), "sankt eriksgatan 7, stockholm"),
        (("Drottningg.", "5", "Stockholms stad"), "drottninggatan 5, stockholm"),
        (("Karlbergsv.", "70", "stockholm"), "karlbergsvägen 70, stockholm"),
        (("Garvar Lundins gr.", "9", "stockholm"), "garvar lundins gränd 9, stockholm"),
        (("Ö. Agneg.", "3", "Borås kommun"), "östra agnegatan 3, borås"),
        (("Sveavägen / Tegnérgatan", "45", "Stockholm"), "sveavägen 45, stockholm"),
        (("Kyrkog\u00adatan", "5 – 7", "Täby\u00a0kommun"), "kyrkogatan 5-7, täby"),
        (("Långgatan", "37 - 4", "Solna stad"), "långgatan 37, solna"),
        (("Åsögatan", "106, vån 5&6", "Stockholm"), "åsögatan 106, stockholm"),
        (("Åsögatan", "5tr", "Stockholm"), "åsögatan 5, stockholm"),
        (("Åsögatan", "unknown", "Stockholm"), "åsögatan, stockholm"),
        (("Åsögatan", "5", "unknown"), "unknown"),
        (("", "5", "Stockholm"), "unknown"),
    ],
)
def test_spellings_of_an_address_have_one_key(written, key):
    assert addresses.key(*written) == key


def test_a_dot_is_needed_to_be_certain():
    assert addresses.street_name("Drottningg") == "drottningg"
    assert addresses.street_name("ög.") == "ög"  # over the yard, not a street
    assert addresses.street_name("St. Nygatan") == "st. nygatan"  # sankt or stora


def test_letters_of_the_alphabet_stay_apart():
    keys = {
        addresses.key(street, "1", "x") for street in ("Asgatan", "Åsgatan", "Äsgatan", "Osgatan")
    }
    assert len(keys) == 4


@FAST
@given(text=st.text(max_size=40))
def test_any_text_has_a_stable_spelling(text):
    for spell in (addresses.street_name, addresses.house_number, addresses.municipality_name):
        once = spell(text)
        assert once and once == spell(unicodedata.normalize("NFD", text))
        assert once == once.strip() and "  " not in once and "\n" not in once


@FAST
@given(number=st.integers(1, 9999), letter=st.sampled_from(["", "a", "c", "ö"]), gap=st.booleans())
def test_a_number_and_its_letter_are_kept(number, letter, gap):
    written = f"{number:03d}{' ' * gap}{letter.upper()}"
    assert addresses.house_number(written) == f"{number}{letter}"
    assert addresses.house_number(addresses.house_number(written)) == f"{number}{letter}"


def test_keys_of_a_table_keep_its_index():
    table = pd.DataFrame(
        {"street": ["a-gatan", None], "number": ["1", "2"], "municipality": ["Solna", "Solna"]},
        index=[7, 3],
    )
    assert addresses.keys(table).to_dict() == {7: "a-gatan 1, solna", 3: "unknown"}


def written(tmp_path, text=TABLE, name="addresses.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(params=["comma", "semicolon", "parquet"])
def book(request, tmp_path):
    """The same table in each way it may be written."""
    path = written(tmp_path)
    if request.param == "semicolon":
        text = TABLE.replace(",", ";").replace(".", ",")
        path = written(tmp_path, "\ufeff" + text)
    if request.param == "parquet":
        rows = pd.read_csv(path, dtype={"number": str})
        path = tmp_path / "addresses.parquet"
        parquet.write_table(pa.Table.from_pandas(rows.assign(more=1)), path)
    return AddressBook(path)


def test_an_address_is_found_as_exactly_as_the_table_knows_it(book):
    find = book.find
    assert find("olof palmes gata", "96b", "stockholm") == Place(59.3362, 18.0602, EXACT)
    assert find("OLOF PALMES GATA", "96 B", "Stockholms kommun").precision == EXACT
    assert find("olof palmes gata", "96c", "stockholm") == Place(59.3361, 18.0601, NUMBER)
    assert find("olof palmes gata", "96", "stockholm") == Place(59.3361, 18.0601, NUMBER)
    assert find("olof palmes gata", "10-12", "stockholm").precision == NUMBER
    assert find("sankt eriksgatan", "7", "stockholm").precision == EXACT
    assert find("olof palmes gata", "unknown", "stockholm").precision == STREET


def test_points_of_one_address_are_averaged(book):
    place = book.find("olof palmes gata", "12", "stockholm")
    assert (round(place.latitude, 6), round(place.longitude, 6)) == (59.3371, 18.0611)


def test_what_the_table_does_not_have_is_not_found(book):
    assert book.find("olof palmes gata", "97", "stockholm") is None
    assert book.find("råsundavägen", "1", "stockholm") is None  # that one is in Solna
    assert book.find("råsundavägen", "1", "solna") is not None
    assert book.find("ingenstans", "1", "stockholm") is None
    assert book.find("origo", "1", "stockholm") is None


def test_enough_addresses_tell_where_a_municipality_is(tmp_path):
    rows = [f"gatan,{n},Solna,{59.35 + n / 10_000},{18.0 + n / 10_000}" for n in range(1, 101)]
    path = written(tmp_path, TABLE.splitlines()[0] + "\n" + "\n".join(rows))
    book = AddressBook(path)
    assert book.box("Solna stad").holds(59.36, 18.01)
    assert not book.box("solna").holds(59.40, 18.01)
    assert book.box("stockholm") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<html>", "this is a web page"),
        ("street,number\n", "it lacks the columns municipality, latitude, longitude"),
        (TABLE + "A,1,Stockholm,6580822,674032\n", "turn them into WGS 84"),
        (TABLE + "A,1\n", "it cannot be read as a table"),
        ("", "it lacks the columns street"),
    ],
)
def test_a_table_that_is_none_is_said(tmp_path, text, said):
    path = written(tmp_path, text)
    with pytest.raises(SourceError, match=f"addresses.csv: .*{said}"):
        AddressBook(path).find("a", "1", "stockholm")


def test_a_parquet_file_that_is_none_is_said(tmp_path):
    path = written(tmp_path, "no parquet", "addresses.parquet")
    with pytest.raises(SourceError, match="it cannot be read as a table"):
        AddressBook(path).find("a", "1", "stockholm")


def test_the_table_is_the_one_that_is_set(tmp_path, monkeypatch):
    assert addresses.chosen() is None
    monkeypatch.setenv("HOUSING_ADDRESSES", str(written(tmp_path)))
    assert addresses.chosen() is addresses.chosen()
    assert addresses.chosen().find("råsundavägen", "1", "solna")
    monkeypatch.setenv("HOUSING_ADDRESSES", str(tmp_path / "none.csv"))
    with pytest.raises(SourceError, match="there is no such file; correct HOUSING_ADDRESSES"):
        addresses.chosen().find("a", "1", "solna")
