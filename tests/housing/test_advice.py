"""What may be asked, and what is told beside a value: checked, in the right unit, never clipped."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti.errors import UserError
from housing import advice, comparables, model, places, training
from housing.advice import FIELDS, NUMBERS, Flat
from tests.housing.conftest import few_trees
from tests.housing.generated import sales

DAY = pd.Timedelta(days=1)
AGENCIES = ("Norr & Co", "Södra")
GOOD = dict.fromkeys(FIELDS) | {"street": "Dungen", "number": "3", "living_area_m2": 57}
GOOD |= {"rooms": 2, "fee": 2800, "model": "ours"}


@pytest.fixture(scope="module")
def made():
    """Sales over three years."""
    return sales(700, seed=5, days=1100)


@pytest.fixture(scope="module")
def atlas(made):
    return places.survey(made)


@pytest.fixture(scope="module")
def scorer(made):
    with few_trees():
        return model.candidate().fit(made).scorer()


@pytest.fixture(scope="module")
def past(scorer, made):
    return scorer.past(made)


@pytest.fixture(scope="module")
def row(past, atlas):
    """The row of a flat on the day after the last sale."""
    flat = advice.checked(GOOD, atlas, AGENCIES)
    day = past.known.sales["sold_on"].iloc[-1] + DAY
    return advice.as_row(flat, atlas.find("dungen", "3"), day, "SEK")


@pytest.fixture(scope="module")
def valued(scorer, past, row):
    return scorer.value(row, past).iloc[0].to_dict()


def refused(atlas, **changed):
    with pytest.raises(UserError) as caught:
        advice.checked(GOOD | changed, atlas, AGENCIES)
    return str(caught.value)


# What is asked


def test_what_can_be_is_taken_also_as_text(atlas):
    flat = advice.checked(GOOD | {"rooms": "1,5", "floor": "-1", "fee": ""}, atlas, AGENCIES)
    assert (flat.rooms, flat.floor, flat.fee, flat.agency) == (1.5, -1.0, None, "unknown")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"street": ""}, "Street name is empty."),
        ({"street": None}, "Street name is empty."),
        ({"street": "Dungen<script>"}, "Only letters are allowed in street name."),
        ({"street": "12"}, "Only letters are allowed in street name."),
        ({"street": "../../etc"}, "Only letters are allowed in street name."),
        ({"street": "a" * 81}, "Street name is too long: it must have at most 80 letters."),
        ({"living_area_m2": None}, "Size is missing: it must be from 5 to 1000 m²."),
        ({"living_area_m2": 0}, "Size is too low: it must be from 5 to 1000 m²."),
        ({"living_area_m2": 1001}, "Size is too high: it must be from 5 to 1000 m²."),
        ({"rooms": 31}, "Number of rooms is too high: it must be from 0.5 to 30."),
        ({"year_built": 2300}, "Year built is too high: it must be from 1200 to 2100."),
        ({"floor": "third"}, "Floor must be a number: it must be from -5 to 60."),
        ({"fee": float("nan")}, "Monthly fee must be a number: it must be from 0 to 100,000."),
        ({"number": "12 or so"}, "Street number must be a number from 0 to 9999, like 12, 96C or"),
        ({"agency": "Nobody"}, "Agency must be one of Norr & Co, Södra, or unknown."),
        ({"model": "gpt"}, "Model must be one of ours, seed_xgboost, autogluon."),
        ({"balcony": "maybe"}, "Balcony must be yes, no or unknown."),
        ({"latitude": 59.3}, "Latitude and longitude belong together: give both or none of them."),
    ],
)
def test_what_cannot_be_is_one_sentence(atlas, changed, sentence):
    assert refused(atlas, **changed).startswith(sentence)


def test_a_street_with_a_numeral_is_taken_where_it_is_known(made):
    made = made.assign(street="rue du 4 septembre")
    atlas = places.survey(made)
    flat = advice.checked(GOOD | {"street": "Rue du 4 Septembre"}, atlas, AGENCIES)
    assert flat.street == "Rue du 4 Septembre"


def test_coordinates_need_no_street(atlas):
    flat = advice.checked(
        GOOD | {"street": "", "latitude": 59.3, "longitude": 18.0}, atlas, AGENCIES
    )
    assert flat.has_point and flat.street == "unknown"


WILD = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=100)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=1)
    | st.sampled_from(["59.3", "18", "Dungen", "ours", "yes", 57, "../..", "$(id)", "http://x"])
)


@settings(max_examples=300, deadline=None)
@given(values=st.lists(WILD, min_size=len(FIELDS), max_size=len(FIELDS)))
def test_wild_input_is_a_flat_or_one_sentence(atlas, values):
    try:
        flat = advice.checked(dict(zip(FIELDS, values, strict=True)), atlas, AGENCIES)
    except UserError as error:
        said = str(error)
        assert said.endswith(".") and said.count(". ") == 0 and len(said) < 120
    else:
        for name, field in NUMBERS.items():
            value = getattr(flat, name)
            assert value is None or field.low <= value <= field.high


@settings(max_examples=200, deadline=None)
@given(change=st.dictionaries(st.sampled_from(FIELDS), WILD))
def test_one_wild_value_among_good_ones_is_a_flat_or_one_sentence(atlas, change):
    try:
        flat = advice.checked(GOOD | change, atlas, AGENCIES)
    except UserError as error:
        assert str(error).endswith(".")
    else:
        assert advice.link(flat).startswith("?")


def test_a_link_gives_back_the_flat(atlas):
    from urllib.parse import parse_qsl

    given = GOOD | {"number": "12-14", "floor": 2.5, "agency": "Norr & Co", "balcony": True}
    for point in ({}, {"latitude": 59.301234, "longitude": 18.01}):
        flat = advice.checked(given | point, atlas, AGENCIES)
        query = dict(parse_qsl(advice.link(flat)[1:]))
        asked = dict.fromkeys(FIELDS) | advice.read_link(query)
        assert advice.checked(asked, atlas, AGENCIES) == flat


def test_the_flat_to_start_from_is_a_valid_one(past, atlas, made):
    flat = advice.usual_flat(past, atlas)
    given = {name: getattr(flat, name) for name in FIELDS}
    assert advice.checked(given, atlas, AGENCIES) == flat
    assert made["living_area_m2"].quantile(0.2) < flat.living_area_m2
    assert flat.living_area_m2 < made["living_area_m2"].quantile(0.8)


def test_a_flat_far_from_all_sales_is_refused(atlas):
    with pytest.raises(UserError, match="km from the nearest known sale: choose one within 20 km"):
        advice.within_reach(atlas.at(90.0, 0.0), atlas)


# At other times


def test_a_day_long_after_the_last_sale_is_not_today():
    newest = pd.Timestamp("2021-10-13", tz="UTC")
    assert advice.day_of_value(newest + 400 * DAY, newest) == newest + comparables.KNOWN_AFTER
    assert advice.day_of_value(newest + 20.5 * DAY, newest) == newest + 20 * DAY


def test_a_year_ago_it_was_worth_less_by_the_index_and_the_difference_says_so(past, row, valued):
    found = {one.name: one for one in advice.at_other_times(past, row, valued)}
    ago = found["a year ago"]
    assert ago.difference == pytest.approx(ago.value - valued["value"])
    assert ago.difference / valued["value"] == pytest.approx(-0.095, abs=0.035)  # 10 % a year (log)
    assert ago.low / ago.value == pytest.approx(valued["low_90"] / valued["value"])


def test_where_the_sales_do_not_reach_nothing_is_said(past, row, valued):
    found = {one.name: one for one in advice.at_other_times(past, row, valued)}
    first = past.known.sales["sold_on"].iloc[0]
    for one in found.values():
        if one.name != "in a year":
            inside = first <= one.day < row["sold_on"].iloc[0]
            assert (one.value is not None) == inside
    assert found["three years ago"].value is not None


def test_in_a_year_the_value_stays_and_its_range_is_wider_by_a_year_of_the_index(past, row, valued):
    ahead = advice.at_other_times(past, row, valued)[0]
    move = advice.yearly_move(past.level)
    assert (ahead.name, ahead.value, ahead.difference) == ("in a year", valued["value"], 0.0)
    now = math.log(valued["high_90"] / valued["value"])
    assert math.log(ahead.high / ahead.value) ** 2 == pytest.approx(now**2 + (1.6449 * move) ** 2)
    assert ahead.low < valued["low_90"]


def test_the_index_is_1_on_the_day_itself_and_covers_every_month_once(past, row):
    days = advice.months(past, row)
    index = advice.index(past.level, row, days)
    assert index[-1] == pytest.approx(1.0) and days.is_monotonic_increasing and days.is_unique
    assert 34 <= len(days) <= 38 and np.isfinite(index).all()


def test_an_index_of_less_than_a_year_tells_no_year_ahead():
    made = sales(300, days=200)
    with few_trees():
        scorer = model.candidate().fit(made).scorer()
    assert advice.yearly_move(scorer.level) is None


# Agencies


def test_agencies_are_compared_with_their_own_mean(scorer, past, row):
    best = advice.agency_effects(scorer, past, row)
    assert set(best["agency"]) == set(AGENCIES)
    assert best["difference"].sum() == pytest.approx(0, abs=1)
    assert best["value"].is_monotonic_decreasing
    one = scorer.predict(row.assign(agency=best["agency"].iloc[0]), past)[0]
    assert best["value"].iloc[0] == pytest.approx(one)


def test_sales_without_agencies_tell_nothing_of_them(made, row):
    with few_trees():
        scorer = model.candidate().fit(made.assign(agency="unknown")).scorer()
    assert advice.agency_effects(scorer, scorer.past(made), row).empty


# Worries


@pytest.fixture(scope="module")
def record(made):
    return training.described(made)


def test_a_usual_flat_worries_nobody(record, atlas):
    flat = advice.checked(GOOD, atlas, AGENCIES)
    assert advice.unusual(flat, atlas.find("dungen", "3"), record) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"living_area_m2": 400}, "Size 400 m² is outside all that the model has seen"),
        ({"fee": 1001}, "Monthly fee 1001 is unusual: 98 % of known flats have"),
        ({"year_built": 1930}, "No known sale tells its year built, so that counts nothing."),
    ],
)
def test_what_the_model_has_hardly_seen_is_said(record, atlas, changed, said):
    flat = advice.checked(GOOD | changed, atlas, AGENCIES)
    (sentence,) = advice.unusual(flat, atlas.find("dungen", "3"), record)
    assert sentence.startswith(said)


def test_a_place_that_is_guessed_is_said(record, atlas):
    flat = Flat(street="Dungen", number="99")
    assert "beside the nearest one" in advice.unusual(flat, atlas.find("dungen", "99"), record)[0]
    far = advice.within_reach(atlas.at(59.25, 18.0), atlas)
    assert "km away: the location is hardly known" in advice.unusual(flat, far, record)[0]


# Words


@pytest.mark.parametrize(
    ("amount", "sign", "text"),
    [
        (6_231_499.0, False, "6,231,000"),
        (-473_200.0, True, "\N{MINUS SIGN}473,000"),
        (150_400.0, True, "+150,000"),
        (9_876.4, False, "9,876"),
        (-0.2, True, "0"),
    ],
)
def test_money_is_told_as_far_as_it_means_something(amount, sign, text):
    assert advice.money(amount, "SEK", sign) == f"{text}\N{NO-BREAK SPACE}SEK"
