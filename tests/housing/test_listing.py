"""Text of Swedish listings becomes numbers, or nothing; never a guess, never another error."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing import listing
from housing.listing import Address, Area, Size

SPACES = st.sampled_from([" ", "\xa0", "\u2009", "\u202f", "  "])
WILD = st.one_of(
    st.text(),
    st.text(alphabet=" 0123456789½,.+-±/%&()mkrtvånbgsålutpisdj²:\xa0\u00ad", max_size=60),
    st.none(),
    st.floats(),
    st.integers(),
)
READERS = (
    listing.number, listing.area, listing.plot, listing.rooms, listing.size, listing.fee,
    listing.running_cost, listing.price, listing.price_per_m2, listing.change, listing.day,
    listing.cell, listing.amenities, listing.floor, listing.municipality,
)  # fmt: skip


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (listing.number, "2 391", 2391.0),
        (listing.number, "2\xa0391,5", 2391.5),
        (listing.number, "46.5", 46.5),
        (listing.number, "1.250", None),
        (listing.number, "12 34", None),
        (listing.area, "42 m²", Area(42.0, 0.0)),
        (listing.area, "103 + 15 m²", Area(103.0, 15.0)),
        (listing.area, "82,9 + 5,8 kvm", Area(82.9, 5.8)),
        (listing.area, "2 051 m² tomt", None),
        (listing.plot, "2 051 m² tomt", 2051.0),
        (listing.rooms, "1,5 rum", 1.5),
        (listing.rooms, "3 rum och kök", 3.0),
        (listing.rooms, "2,3 rum", None),
        (listing.size, "42 m²   1,5 rum", Size(Area(42.0, 0.0), 1.5)),
        (listing.size, "93 m²  ", Size(Area(93.0, 0.0), None)),
        (listing.size, "  10 rum", Size(None, 10.0)),
        (listing.fee, "2 391 kr/mån", 2391.0),
        (listing.fee, "2 391 kr", None),
        (listing.running_cost, "6 000 kr/år", 500.0),
        (listing.price, "slutpris 4 430 000 kr", 4_430_000.0),
        (listing.price, "Sista bud 4 430 000 kr", 4_430_000.0),
        (listing.price, "utropspris 4 430 000 kr", None),
        (listing.price_per_m2, "118 571 kr/m²", 118_571.0),
        (listing.change, "+20 %", 20.0),
        (listing.change, "±0 %", 0.0),
        (listing.change, "\u22125 %", -5.0),
        (listing.change, "±3 %", None),
        (listing.day, "såld 15 januari 2022", date(2022, 1, 15)),
        (listing.day, " 13 oktober 2021", date(2021, 10, 13)),
        (listing.day, "3 sep. 2021", date(2021, 9, 3)),
        (listing.day, "2026-07-02 08:15:00", date(2026, 7, 2)),
        (listing.day, "31 februari 2021", None),
        (listing.day, "13 ma 2021", None),
        (listing.amenities, "balkong&hiss", {"balkong", "hiss"}),
        (listing.amenities, "bastu", None),
        (listing.municipality, "vasastan - odenplan, stockholms kommun", "stockholm"),
        (listing.municipality, "Solna kommun", "solna"),
        (listing.municipality, "borås kommun", "borås"),
        (listing.municipality, "vasastan", None),
    ],
)
def test_each_format_is_read_or_refused(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("BV", 0), ("nb", 0), ("n.b.", 0), ("entréplan", 0), ("½", 0.5), ("½ tr", 0.5),
        ("3,5tr", 3.5), ("3.5 tr", 3.5), ("2 ½ tr", 2.5), ("2½tr.", 2.5), ("2 1 / 2 tr", 2.5),
        ("tr 2", 2), ("5 tr", 5), ("11 tr!", 11), ("1 tr upp", 1), ("2 trappor", 2),
        ("våning 3", 3), ("vån 5", 5), ("vån. 7 / 7", 7), ("3:e våningen", 3), ("plan 2", 2),
        ("3 av 5", 3), ("4 / 4", 4), ("7 av 7tr", 7), ("3av3 tr", 3), ("vån -1 / 7", -1),
        ("-1", -1), ("4+5 tr", 4), ("4 tr + 5 tr", 4), ("3 & 4tr", 3), ("entréplan + 1 tr", 0),
        ("2 tr (vån 4)", 2), ("lgh 1302", 3), ("5.0", 5), ("7", 7), ("\u00adbv", 0),
        ("högst upp", None), ("1702", None), ("1,3 tr", None), ("1 / 2 tr", None),
        ("3 tr / -1 tr", None), ("9 av 5", None), ("", None), ("null", None),
    ],
)  # fmt: skip
def test_floors_are_read_as_listings_write_them(text, value):
    assert listing.floor(text) == value


def test_why_a_floor_is_not_known_is_said():
    assert listing.floor_said("1 / 2 tr") == (None, "1/2 is half a floor, or the first of two")
    assert listing.floor_said("6 tr (8 tr mot gård)") == (None, "it says several floors")
    assert listing.floor_said("null") == (None, "")
    assert listing.floor_within("vindsvåning, möjlig 3:a!") == (None, "")


@pytest.mark.parametrize(
    ("text", "street", "number", "floor"),
    [
        ("Roslagsgatan 29, 5 tr", "roslagsgatan", "29", 5.0),
        ("tomtebogatan 37 a", "tomtebogatan", "37a", None),
        ("birger jarlsgatan 103 a, vån 2", "birger jarlsgatan", "103a", 2.0),
        ("olof palmes gata 14", "olof palmes gata", "14", None),
        ("gustav iii:s boulevard 79, 3 tr", "gustav iii:s boulevard", "79", 3.0),
        ("lill-jans plan 3a", "lill-jans plan", "3a", None),
        ("s:t ansgars väg 10b", "s:t ansgars väg", "10b", None),
        ("1:a villagatan 5 b", "1:a villagatan", "5b", None),
        ("sveavägen 45 / tegnérgatan 29", "sveavägen", "45", None),
        ("hornsgatan 33 c / ringen 2, 4 tr", "hornsgatan", "33c", 4.0),
        ("holländargatan 9 a ", "holländargatan", "9a", None),
        ("grevgatan 19 ö.g", "grevgatan", "19", None),
        ("hagagatan 12 i gårdshuset", "hagagatan", "12", None),
        ("bältgatan 5 1 tr", "bältgatan", "5", 1.0),
        ("tulegatan 5-7, bv", "tulegatan", "5", 0.0),
        ("torsgatan 48a - 4 tr", "torsgatan", "48a", 4.0),
        ("frejgatan 3, 1201", "frejgatan", "3", 2.0),
        ("johannesparken", "johannesparken", None, None),
        ("Adress saknas", None, None, None),
    ],
)
def test_an_address_is_taken_apart(text, street, number, floor):
    found = listing.address(text)
    assert (found.street, found.number, found.floor, found.problem) == (street, number, floor, "")


@pytest.mark.parametrize("text", ["brygga d59", "ta bort!", "25", "såld!!!torget 25, 1 tr"])
def test_what_is_no_address_says_so(text):
    assert listing.address(text) == Address(
        text, None, None, None, "it is not a street and a number"
    )


def test_a_number_without_a_word_is_no_floor():
    assert listing.address("jarlsgatan 65a 1").problem.endswith("says nothing")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("103 + 15 m²   3 rum", "size"), ("1 696 kr/mån", "fee"), ("115 m² tomt", "plot"),
        ("slutpris 995 000 kr", "price"), ("såld 8 december 2021", "sold_on"), ("-15 %", "change"),
        ("1 566 667 kr/m²", "price_per_m2"), ("balkong&hiss", "amenities"), ("null", "nothing"),
        ("nyproduktion", "amenities"), ("", "nothing"),
    ],
)  # fmt: skip
def test_a_cell_is_known_by_what_it_says(text, kind):
    assert listing.cell(text)[0] == kind


def test_a_cell_that_says_nothing_known_is_none():
    assert listing.cell("visning på söndag") is None


# Properties ---------------------------------------------------------------------------------------


def grouped(number, space):
    """Write a whole number as listings do."""
    return f"{number:,}".replace(",", space)


@given(st.integers(0, 10**9), SPACES)
def test_amounts_are_read_back_whatever_the_space(amount, space):
    said = grouped(amount, space)
    assert listing.price(f"slutpris{space}{said}{space}kr") == amount
    assert listing.fee(f"{said} kr/mån") == amount
    assert listing.price_per_m2(f"{said} kr/m²") == amount


@given(st.integers(1, 9990), st.integers(0, 990), st.sampled_from([1, 1.5, 2, 2.5, 3, 12]), SPACES)
def test_sizes_are_read_back(tenths, extra, rooms, space):
    living = f"{tenths / 10:g}".replace(".", ",")
    beside = f" + {extra / 10:g}".replace(".", ",") if extra else ""
    said = f"{living}{beside}{space}m²   {rooms:g} rum".replace("1.5", "1,5").replace("2.5", "2,5")
    assert listing.size(said) == Size(Area(tenths / 10, extra / 10), rooms)


@given(st.dates(date(1990, 1, 1), date(2099, 12, 31)), st.integers(3, 9))
def test_days_are_read_back(day, length):
    month = listing.MONTHS[day.month - 1]
    assert listing.day(f"såld {day.day} {month} {day.year}") == day
    assert listing.day(f"{day.day} {month[:length]}. {day.year}") == day
    assert listing.day(day.isoformat()) == day


@given(st.integers(-2, 40), st.booleans(), st.sampled_from(["{} tr", "{}tr", "vån {}", "tr {}"]))
def test_floors_are_read_back(whole, half, form):
    level = whole + 0.5 if half and whole >= 0 else whole
    said = form.format(f"{level:g}".replace(".", ","))
    assert listing.floor(said) == level
    assert listing.address(f"storgatan 5 b, {said}").floor == level


@given(
    st.from_regex(r"[a-zåäöé]{2,9}( [a-zåäö]{3,9}){0,2}gatan", fullmatch=True),
    st.integers(1, 300),
    st.sampled_from(["", "a", " b", " c"]),
    SPACES,
)
def test_addresses_are_read_back(street, number, letter, space):
    found = listing.address(f"{street.title()}{space}{number}{letter}")
    assert (found.street, found.number) == (street, f"{number}{letter.strip()}")


@settings(max_examples=300)
@given(WILD)
def test_any_text_is_read_or_refused_and_nothing_else_happens(text):
    for read in READERS:
        read(text)
    found = listing.address(text)
    assert isinstance(found.problem, str)
    level, why = listing.floor_said(text)
    assert level is None or not why


@given(WILD)
def test_clean_text_has_single_plain_spaces_and_stays_as_it_is(text):
    plain = listing.clean(text)
    assert plain == " ".join(plain.split()) == listing.clean(plain)


def test_long_digits_do_not_take_long():
    listing.cell("1 " * 20_000)
    listing.address("a" * 20_000 + " 1" * 2_000)
