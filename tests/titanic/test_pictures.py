"""The drawings: well-formed, small, free of ids, and different where passengers are."""

import itertools
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from titanic.features import TITLES
from titanic.pictures import outcome_svg, passenger_svg

SEXES, CLASSES = ("female", "male", "unknown"), (1, 2, 3)
AGES = (0.5, 7, 22, 36, None, 54, 71)
EVERYBODY = list(itertools.product(SEXES, AGES, CLASSES))
SVG = "{http://www.w3.org/2000/svg}"
MOST = 6000  # characters


def check(drawing):
    """Give the label of a drawing that can stand in any page."""
    root = ElementTree.fromstring(drawing)
    assert root.tag == f"{SVG}svg" and root.get("viewBox") and root.get("role") == "img"
    assert not [part for part in root.iter() if part.get("id") or part.tag == f"{SVG}script"]
    assert len(drawing) < MOST
    return root.get("aria-label")


@pytest.mark.parametrize("title", ["", "officer", "noble"])
def test_everybody_can_be_drawn(title):
    for sex, age, pclass in EVERYBODY:
        assert check(passenger_svg(sex, age, pclass, title))


def test_no_two_kinds_of_passenger_look_the_same():
    assert len({passenger_svg(*one) for one in EVERYBODY}) == len(EVERYBODY)


def test_the_same_passenger_always_looks_the_same():
    assert passenger_svg("female", 29, 1, "Mrs") == passenger_svg("female", 29, 1, "Mrs")


@pytest.mark.parametrize(
    ("passenger", "said"),
    [
        (("female", 0.5, 1), "Drawing of a baby girl, first class, age 0.5"),
        (("male", 9, 3), "Drawing of a boy, third class, age 9"),
        (("male", None, 2), "Drawing of a man, second class, age unknown"),
        (("unknown", 71, 1), "Drawing of an older person, first class, age 71"),
        (("female", 40, 1, "noble"), "Drawing of a woman, first class, age 40, of noble title"),
    ],
)
def test_the_label_says_who_is_shown(passenger, said):
    assert check(passenger_svg(*passenger)) == said


def test_an_unknown_age_is_marked_on_the_drawing():
    assert "third · age ?" in passenger_svg("male", float("nan"), 3)
    assert passenger_svg("male", float("nan"), 3) == passenger_svg("male", None, 3)
    assert "third · 35" in passenger_svg("male", 35, 3)


@pytest.mark.parametrize("title", ["officer", "noble"])
@pytest.mark.parametrize("sex", ["female", "male"])
def test_a_rank_shows_on_grown_ups_and_not_on_children(sex, title):
    assert passenger_svg(sex, 40, 2, title) != passenger_svg(sex, 40, 2)
    assert passenger_svg(sex, 8, 2, title) == passenger_svg(sex, 8, 2)


@pytest.mark.parametrize("title", [title for title in TITLES if title[0].isupper()])
def test_a_usual_title_does_not_show(title):
    assert passenger_svg("male", 40, 2, title) == passenger_svg("male", 40, 2)


@settings(deadline=None)
@given(st.text(), st.none() | st.floats(), st.sampled_from(CLASSES), st.text())
def test_whatever_is_asked_for_a_drawing_comes_out(sex, age, pclass, title):
    assert check(passenger_svg(sex, age, pclass, title)).startswith("Drawing of")


def test_the_two_outcomes_are_told_apart_in_words_too():
    saved, lost = check(outcome_svg(True)), check(outcome_svg(False))
    assert "saved" in saved and "lost" in lost
    assert ">saved<" in outcome_svg(True) and ">lost<" in outcome_svg(False)
