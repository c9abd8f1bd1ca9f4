"""An address is looked for in what is stored, in a table, then politely by a geocoder."""

import json
import logging
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fti.errors import UserError
from housing import addresses, geocoding
from housing.addresses import EXACT, NUMBER, STREET, AddressBook, Place
from housing.geocoding import Geocoder, judge

FAST = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
DAY = pd.Timestamp("2026-11-20", tz="UTC")
STOCKHOLM = geocoding.MUNICIPALITIES["stockholm"]
ADDRESS = ("olof palmes gata", "96c", "stockholm")
KEY = "olof palmes gata 96c, stockholm"


def wanted(*rows):
    return pd.DataFrame(rows or [ADDRESS], columns=["street", "number", "municipality"])


def many(count):
    return wanted(
        *((f"gata {letter}", str(n), "stockholm") for letter in "ab" for n in range(1, count))
    )


def place(**changes):
    """Give what https://nominatim.org/release-docs/latest/api/Output/ describes, with details."""
    details = {
        "house_number": "96C",
        "road": "Olof Palmes gata",
        "suburb": "Norrmalm",
        "city": "Stockholm",
        "municipality": "Stockholms kommun",
        "county": "Stockholms län",
        "country_code": "se",
    }
    details |= changes.pop("details", {})
    answer = {
        "place_id": 1,
        "licence": "Data © OpenStreetMap contributors, ODbL 1.0",
        "osm_type": "node",
        "lat": "59.3361",
        "lon": "18.0601",
        "class": "place",
        "type": "house",
        "addresstype": "place",
        "display_name": "96C, Olof Palmes gata, Norrmalm, Stockholm",
        "boundingbox": ["59.33605", "59.33615", "18.06005", "18.06015"],
        "address": {name: value for name, value in details.items() if value},
    }
    return {name: value for name, value in (answer | changes).items() if value is not None}


def written(*places):
    return json.dumps(places).encode()


@pytest.fixture
def nominatim(service):
    """A Nominatim on this machine that knows one address."""
    pytest.importorskip("geopy")
    service.answer("/search", written(place()))
    return service


@pytest.fixture
def public(nominatim, monkeypatch):
    """The same, as if it were the public one; gives the geocoder, its pauses are only noted."""
    host = urlsplit(nominatim.address).netloc
    monkeypatch.setattr(geocoding, "PUBLIC_HOSTS", {host})
    monkeypatch.setattr(geocoding, "PUBLIC_MOST", 6)
    moments, nominatim.pauses = iter(range(1000, 9999)), []
    return Geocoder(
        nominatim.address,
        "me@example.org",
        clock=lambda: next(moments) / 10,
        sleep=nominatim.pauses.append,
    )


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "addresses.csv"
    path.write_text(
        "street,number,municipality,latitude,longitude\nSveavägen,45,Stockholm,59.339,18.059\n"
    )
    return AddressBook(path)


@pytest.mark.parametrize(
    ("changes", "number", "expected"),
    [
        ({}, "96c", Place(59.3361, 18.0601, EXACT)),
        ({}, "96a", Place(59.3361, 18.0601, NUMBER)),
        ({}, "96-98", Place(59.3361, 18.0601, NUMBER)),
        ({}, "unknown", Place(59.3361, 18.0601, STREET)),
        ({"details": {"house_number": None}}, "96c", Place(59.3361, 18.0601, STREET)),
        ({"details": {"municipality": None}}, "96c", Place(59.3361, 18.0601, EXACT)),
        ({"details": {"road": "OLOF PALMES GATA"}}, "96c", Place(59.3361, 18.0601, EXACT)),
        ({}, "12", "another house: 96c"),
        ({"lat": "57.7"}, "96c", "outside stockholm: 57.7000, 18.0601"),
        (
            {"details": {"municipality": "Solna kommun"}},
            "96c",
            "in another municipality: Solna kommun",
        ),
        ({"details": {"road": "Sveavägen"}}, "96c", "another street: Sveavägen"),
        (
            {"addresstype": "city", "details": {"road": None, "house_number": None}},
            "96c",
            "only a city",
        ),
    ],
)
def test_an_answer_counts_only_for_the_address_it_is_of(changes, number, expected):
    assert judge(place(**changes), ADDRESS[0], number, "stockholm", STOCKHOLM) == expected


@FAST
@given(
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    town=st.sampled_from(["Stockholms kommun", None]),
)
def test_nothing_outside_the_municipality_is_a_hit(latitude, longitude, town):
    answer = place(lat=str(latitude), lon=str(longitude), details={"municipality": town})
    found = judge(answer, *ADDRESS, STOCKHOLM)
    assert isinstance(found, Place) == STOCKHOLM.holds(latitude, longitude)


def test_the_shared_sales_lie_in_stockholm_but_for_those_that_cannot(shared):
    sales = pd.read_csv(shared / "stockholm_sales.csv")
    inside = sales.dropna(subset="Latitude").apply(
        lambda row: STOCKHOLM.holds(row["Latitude"], row["Longitude"]), axis=1
    )
    assert 0.98 < inside.mean() < 1


def test_a_hit_becomes_a_row_as_it_is_stored(nominatim):
    rows = geocoding.locate(wanted(), None, DAY, geocoder=Geocoder(nominatim.address))
    assert rows.dtypes.astype(str).to_dict() == geocoding.COLUMNS
    host = urlsplit(nominatim.address).netloc
    expected = [KEY, host, DAY, 59.3361, 18.0601, True, "exact", "found"]
    assert rows.to_numpy().tolist() == [expected]


def test_the_question_is_one_that_nominatim_understands(nominatim):
    geocoding.locate(wanted(), None, DAY, geocoder=Geocoder(nominatim.address, "me@example.org"))
    (asked,) = nominatim.asked
    assert {key: value for key, (value,) in parse_qs(urlsplit(asked.path).query).items()} == {
        "street": "96c olof palmes gata",
        "city": "stockholm",
        "format": "json",
        "limit": "5",
        "countrycodes": "se",
        "addressdetails": "1",
    }
    assert asked.headers["User-Agent"].endswith("me@example.org")


def test_an_endpoint_may_have_a_path_and_a_key(nominatim):
    nominatim.answer("/v1/search", written(place()))
    geocoder = Geocoder(f"{nominatim.address}/v1?key=s3cret")
    assert geocoding.locate_one(*ADDRESS, geocoder=geocoder).precision == EXACT
    assert "key=s3cret" in nominatim.asked[0].path
    assert "s3cret" not in geocoder.provider


def test_each_address_is_asked_for_once_and_in_order(nominatim):
    rows = geocoding.locate(
        wanted(
            ADDRESS, ("Olof Palmes Gata", "96 C", "Stockholms kommun"), ("b-gatan", "1", "solna")
        ),
        None,
        DAY,
        geocoder=Geocoder(nominatim.address),
    )
    assert rows["address_key"].tolist() == ["b-gatan 1, solna", KEY]
    assert len(nominatim.asked) == 2


def test_of_several_answers_the_first_that_fits_is_taken(nominatim):
    elsewhere = place(lat="57.70", lon="11.97", details={"municipality": "Göteborgs Stad"})
    nominatim.answer("/search", written(elsewhere, place(lat="59.34")))
    found = geocoding.locate_one(*ADDRESS, geocoder=Geocoder(nominatim.address))
    assert found.latitude == 59.34


def test_a_miss_is_kept_with_its_reason_and_not_asked_for_again_in_90_days(nominatim):
    nominatim.answer("/search", written(place(lat="57.70", lon="11.97")))

    def located(stored, day):
        return geocoding.locate(wanted(), stored, day, geocoder=Geocoder(nominatim.address))

    first = located(None, DAY)
    assert not first["found"][0] and first["precision"][0] == "none"
    assert first["reason"][0] == "outside stockholm: 57.7000, 11.9700"
    pd.testing.assert_frame_equal(located(first, DAY + pd.Timedelta(days=89)), first)
    assert len(nominatim.asked) == 1
    nominatim.answer("/search", written(place()))
    assert located(first, DAY + pd.Timedelta(days=90))["found"][0]


def test_a_stored_hit_is_never_asked_for_again(nominatim):
    geocoder = Geocoder(nominatim.address)
    first = geocoding.locate(wanted(), None, DAY, geocoder=geocoder)
    later = geocoding.locate(wanted(), first, DAY + pd.Timedelta(days=999), geocoder=geocoder)
    pd.testing.assert_frame_equal(later, first)
    assert len(nominatim.asked) == 1


def test_a_run_repeated_on_its_day_gives_the_same_rows(nominatim, book):
    def rows(stored=None):
        asked = wanted(ADDRESS, ("sveavägen", "45", "stockholm"), ("a-gatan", "1", "solna"))
        return geocoding.locate(asked, stored, DAY, book=book, geocoder=Geocoder(nominatim.address))

    first = rows()
    pd.testing.assert_frame_equal(rows(first), first)
    assert len(nominatim.asked) == 2


def test_the_table_comes_before_the_geocoder(nominatim, book):
    geocoder = Geocoder(nominatim.address)
    asked = wanted(("Sveavägen", "45", "Stockholm"))
    rows = geocoding.locate(asked, None, DAY, book=book, geocoder=geocoder)
    assert rows[["provider", "precision"]].to_numpy().tolist() == [["addresses", "exact"]]
    assert not nominatim.asked


def test_without_a_geocoder_the_table_tells_hits_and_misses(book):
    asked = wanted(("sveavägen", "45", "stockholm"), ADDRESS)
    rows = geocoding.locate(asked, None, DAY, book=book)
    assert rows["found"].tolist() == [False, True]
    assert rows["reason"].tolist() == ["not in the table of addresses", "found"]
    later = geocoding.locate(asked, rows, DAY + pd.Timedelta(days=1), book=book)
    pd.testing.assert_frame_equal(later, rows)  # a stored miss is not stored again


def test_without_anyone_to_ask_there_is_no_row():
    rows = geocoding.locate(wanted(), None, DAY)
    assert rows.empty and rows.dtypes.astype(str).to_dict() == geocoding.COLUMNS
    assert geocoding.configured() == (None, None)


def test_an_address_without_municipality_is_not_asked_for(nominatim):
    asked = wanted(("a-gatan", "1", "unknown"), ("unknown", "1", "solna"), ("b", None, None))
    assert geocoding.locate(asked, None, DAY, geocoder=Geocoder(nominatim.address)).empty
    assert not nominatim.asked


def test_the_public_host_is_asked_once_a_second_at_most(public, nominatim):
    geocoding.locate(many(3), None, DAY, geocoder=public)
    assert len(nominatim.asked) == 4
    assert nominatim.pauses[0] == 0
    assert all(pause == pytest.approx(1.0) for pause in nominatim.pauses[1:])  # 1.1 less 0.1 passed


def test_bulk_is_refused_by_the_public_host_and_what_the_table_has_is_kept(
    public, nominatim, book, caplog
):
    asked = pd.concat([many(5), wanted(("sveavägen", "45", "stockholm"))])
    with caplog.at_level(logging.WARNING):
        rows = geocoding.locate(asked, None, DAY, book=book, geocoder=public)
    assert not nominatim.asked
    assert rows["found"].sum() == 1
    (note,) = rows.attrs["notes"]
    assert "not asked for 8 addresses: set GEOCODER_URL to" in note
    assert "HOUSING_ADDRESSES" in note and note in caplog.text


def test_the_public_host_is_asked_for_so_many_a_day_in_all(public, nominatim):
    geocoding.locate(many(4), None, DAY, geocoder=public)
    assert (len(nominatim.asked), public.left()) == (6, 0)
    assert geocoding.locate_one("c-gatan", "1", "stockholm", geocoder=public) is None
    assert len(nominatim.asked) == 6


def test_the_public_host_wants_to_know_who_asks():
    with pytest.raises(UserError, match="set GEOCODER_CONTACT to your e-mail"):
        Geocoder("https://Nominatim.OpenStreetMap.org./")


def test_a_host_of_ones_own_may_be_asked_for_any_number(nominatim):
    geocoder = Geocoder(nominatim.address)
    assert geocoder.left() > 1e9
    assert len(geocoding.locate(many(5), None, DAY, geocoder=geocoder)) == 8
    assert len(nominatim.asked) == 8


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 429}, "out of service for now"),
        ({"status": 403}, "status 403"),
        ({"status": 302, "Location": "http://elsewhere.invalid/search"}, "leads elsewhere"),
        ({"body": b"<html>Access blocked</html>"}, "this is a web page"),
        ({"body": b'[{"lat": "north"}]'}, "does not answer as Nominatim does"),
        ({"body": b'{"error": "broken"}'}, "does not answer as Nominatim does"),
        ({"body": b"[1]"}, "does not answer as Nominatim does"),
    ],
)
def test_a_geocoder_that_has_enough_ends_the_lookups_and_what_was_found_is_kept(
    nominatim, answer, said, caplog
):
    geocoder = Geocoder(nominatim.address)
    known = geocoding.locate(wanted(), None, DAY, geocoder=geocoder)
    nominatim.answer("/search", **{"body": b"", **answer})
    asked = pd.concat([wanted(), many(4)])
    with caplog.at_level(logging.WARNING):
        rows = geocoding.locate(asked, known, DAY, geocoder=geocoder)
    pd.testing.assert_frame_equal(rows, known)
    assert len(nominatim.asked) == 2
    (warning,) = caplog.messages
    assert said in warning and "; 6 addresses wait for another day." in warning


@FAST
@given(document=st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.just("59.3"),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["lat", "lon", "address", "road", "error"]), inner),
    max_leaves=8,
))  # fmt: skip
def test_whatever_the_geocoder_answers_is_rows_or_one_warning(nominatim, document):
    nominatim.answer("/search", json.dumps(document).encode())
    rows = geocoding.locate(wanted(), None, DAY, geocoder=Geocoder(nominatim.address))
    assert len(rows) + len(rows.attrs["notes"]) == 1


def test_one_address_is_told_from_what_is_stored_or_the_table_without_any_network(book):
    stored = geocoding.locate(wanted(("sveavägen", "45", "stockholm")), None, DAY, book=book)
    assert geocoding.locate_one("Sveavägen", "45", "Stockholm", cached=stored) == Place(
        59.339, 18.059, EXACT
    )
    assert geocoding.locate_one("Sveavägen", "45", "Stockholm", book=book).precision == EXACT
    assert geocoding.locate_one(*ADDRESS, cached=stored, book=book) is None


def test_one_address_is_asked_for_once_however_often_it_is_typed(nominatim):
    geocoder = Geocoder(nominatim.address)
    for written in ("96c", "96 C"):
        assert geocoding.locate_one("Olof Palmes gata", written, "Stockholm", geocoder=geocoder)
    assert len(nominatim.asked) == 1


def test_only_sales_without_coordinates_get_those_of_their_address(book):
    sales = pd.DataFrame(
        {
            "street": ["sveavägen", "sveavägen", "a-gatan"],
            "number": ["45", "45", "1"],
            "municipality": "stockholm",
            "latitude": [None, 59.1, None],
            "longitude": [None, 18.1, None],
        }
    ).astype({"latitude": float, "longitude": float})
    located = geocoding.locate(sales, None, DAY, book=book)
    filled = geocoding.with_coordinates(sales, located)
    assert filled["latitude"].fillna(0).tolist() == [59.339, 59.1, 0]
    assert filled["longitude"].fillna(0).tolist() == [18.059, 18.1, 0]
    assert sales["latitude"].isna().sum() == 2


def test_what_is_set_is_used_and_one_geocoder_serves_the_process(nominatim, book, monkeypatch):
    monkeypatch.setenv("GEOCODER_URL", nominatim.address)
    monkeypatch.setenv("HOUSING_ADDRESSES", str(book.path))
    found, geocoder = geocoding.configured()
    assert found.path == book.path
    assert geocoding.configured()[1] is geocoder
    assert geocoding.locate_one(*ADDRESS, book=found, geocoder=geocoder)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GEOCODER_URL", "nominatim", "GEOCODER_URL is .*give an address like https"),
        ("GEOCODER_URL", "ftp://x.example.org", "give an address like https"),
        ("GEOCODER_PAUSE", "often", "GEOCODER_PAUSE is 'often': give seconds"),
        ("GEOCODER_CONTACT", "mé@example.org", "GEOCODER_CONTACT may hold only plain ASCII"),
    ],
)
def test_a_setting_that_cannot_be_is_said(name, value, said, monkeypatch):
    monkeypatch.setenv("GEOCODER_URL", "https://geocoder.example.org")
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=said):
        geocoding.configured()


def test_the_boxes_of_the_county_are_boxes():
    for name, box in geocoding.MUNICIPALITIES.items():
        assert name == addresses.municipality_name(name)
        assert 0.03 < box.north - box.south < 1 and 0.1 < box.east - box.west < 2
        assert geocoding.SWEDEN.holds(box.south, box.west)
