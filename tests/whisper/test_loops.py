"""Going round in circles is cut, speech that repeats itself is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper import loops


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("no no no no", "no no no no"),
        ("no no no no no no", "no"),
        ("so thank you " * 7, "so thank you"),
        ("we begin " + "and so on " * 5 + "then end", "we begin and so on then end"),
        ("a b c d e f g h i j k l " * 3, "a b c d e f g h i j k l"),
        ("a b c d e f g h i j k l " * 2, "a b c d e f g h i j k l " * 2),
        ("", ""),
    ],
)
def test_only_what_nobody_would_say_is_cut(said, kept):
    assert loops.cut(said.split()) == kept.split()


@given(st.lists(st.integers(0, 2), max_size=40))
def test_what_is_kept_comes_in_its_order(units):
    rest = iter(units)
    assert all(unit in rest for unit in loops.cut(units))


@given(st.lists(st.integers(), max_size=30, unique=True))
def test_what_never_repeats_stays(units):
    assert loops.cut(units) == units


def test_units_may_be_told_apart_by_a_key():
    units = [("a", n) for n in range(6)]
    assert loops.cut(units, key=lambda unit: unit[0]) == [("a", 0)]
