"""The seed's rules are exact; ours sees aurora in the dark, and says when it cannot tell."""

import itertools
import json
import math
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora import keogram as keograms
from aurora import label_rules, sites
from aurora.keogram import Keogram, KeogramError
from aurora.label_rules import RULES, Night

SHARED = Path(__file__).parents[3] / "shared" / "data" / "aurora"
HAND = Path(__file__).with_name("hand_labels.csv")
FIRST_LABEL = pd.Timestamp("2021-01-01T12:00Z")
TUNED_ON = ("2021-01-05", "2021-01-11", "2021-09-09")  # nights, by the date of the evening

MIDWINTER = date(2021, 1, 11)  # in Kiruna dark (sun below -9 degrees) from 14:38 to 06:53 UTC
OFF, GREY, GREEN, CLOUD, BLUE, LAMP_GREEN = range(6)
PALETTE = np.array(
    [[0, 0, 0], [110, 110, 110], [40, 150, 60], [180, 150, 115], [40, 90, 200], [170, 172, 120]],
    dtype=np.uint8,
)
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the keograms are not here")


def night(sky=GREY, day=MIDWINTER):
    """Give a picture of one colour, to be painted on."""
    return Keogram(day, np.full((360, 5760), sky, dtype=np.uint8), PALETTE)


def columns(start, stop):
    """Give the columns between two times of the picture's night, each hour and minute UTC."""
    first, last = ((hour - 12) % 24 * 240 + minute * 4 for hour, minute in (start, stop))
    return slice(first, last)


def painted(*strokes, sky=GREY):
    """Give a night with strokes: colour, from, until."""
    picture = night(sky)
    for colour, start, stop in strokes:
        picture.pixels[:, columns(start, stop)] = colour
    return picture


def states(picture, rule="night"):
    """Give the states by the hour of the day, UTC."""
    hours = label_rules.label(picture, rule)
    return dict(zip(hours["time"].dt.hour, hours["aurora"], strict=True))


@pytest.fixture(scope="module")
def shared():
    """The pictures that can be read, and the rest's problems."""
    found, problems = [], {}
    for path in sorted((SHARED / "keograms").glob("*.png")):
        try:
            found.append(keograms.read(path))
        except KeogramError as error:
            problems[path.name] = error.reason
    assert problems == {"20210503.png": "is an HTML page, not a picture"}
    return found


@needs_shared
def test_the_newer_rule_is_the_published_one_in_every_hour(shared):
    published = json.loads((SHARED / "labels.json").read_text())
    for picture in shared:
        first = (pd.Timestamp(picture.start) - FIRST_LABEL) // pd.Timedelta("1h")
        ours = label_rules.label(picture, "newer")["aurora"]
        assert (ours == "yes").astype(int).tolist() == published[first : first + 24]
        assert not (ours == "unknown").any()


@needs_shared
def test_what_the_earlier_rule_finds_the_newer_one_finds_too(shared):
    newer, earlier = (
        pd.concat([label_rules.label(picture, rule) for picture in shared], ignore_index=True)
        for rule in ("newer", "earlier")
    )
    assert ((earlier["aurora"] == "no") | (newer["aurora"] == "yes")).all()
    assert (earlier["aurora"] == "yes").sum() == 30


@needs_shared
@pytest.mark.parametrize(
    ("rule", "alike"), [("night", (32, 27)), ("newer", (28, 27)), ("earlier", (27, 26))]
)
def test_rules_agree_with_a_person_in_this_many_hours(shared, rule, alike):
    # 60 of 81 hours could be decided: 33 in the nights that `night` was tuned on, 27 in others
    hand = pd.read_csv(HAND, parse_dates=["time"]).query("aurora != 'unknown'")
    ruled = pd.concat([label_rules.label(picture, rule) for picture in shared])
    both = hand.merge(ruled, on="time", suffixes=("", "_rule"))
    evening = (both["time"] - pd.Timedelta(hours=12)).dt.strftime("%Y-%m-%d")
    same = (both["aurora"] == both["aurora_rule"]).groupby(evening.isin(TUNED_ON))
    assert same.size().to_dict() == {True: 33, False: 27}
    assert same.sum().to_dict() == dict(zip((True, False), alike, strict=True))


@pytest.mark.parametrize(
    ("rule", "pixels", "state"),
    [
        ("newer", 648, "no"),
        ("newer", 649, "yes"),
        ("earlier", 4320, "no"),
        ("earlier", 4321, "yes"),
    ],
)
def test_an_hour_needs_more_green_than_the_limit(rule, pixels, state):
    picture = night()
    hour = np.zeros((360, 240), dtype=np.uint8)
    hour.flat[:pixels] = GREEN
    picture.pixels[:, :240] = hour
    assert states(picture, rule)[12] == state
    assert label_rules.label(picture, rule)["score"][0] == pixels / (RULES[rule].rows * 240)


def test_the_newer_rule_looks_at_the_upper_half_only():
    picture = night()
    picture.pixels[180:, :240] = GREEN
    assert (states(picture, "newer")[12], states(picture, "earlier")[12]) == ("no", "yes")


@pytest.mark.parametrize("rule", ["newer", "earlier"])
def test_both_bounds_of_a_colour_are_green(rule):
    every = np.array(list(itertools.product(range(0, 256, 3), repeat=3)), dtype=np.uint8)
    hsv = keograms.opencv_hsv(every).astype(int)
    lowest, highest = np.array(RULES[rule].lowest), np.array(RULES[rule].highest)
    for part, bound, step in itertools.product(range(3), (lowest, highest), (0, 1)):
        edge = bound[part] + (step if bound is highest else -step)
        rest = np.delete((hsv >= lowest) & (hsv <= highest), part, axis=1).all(axis=1)
        found = every[rest & (hsv[:, part] == edge)][:1]
        if len(found):
            picture = Keogram(MIDWINTER, night(0).pixels, found)
            assert states(picture, rule)[12] == ("no" if step else "yes"), (part, edge)


def test_a_table_has_the_24_hours_from_noon_to_noon_utc():
    hours = label_rules.label(night(), "night")
    assert list(hours) == ["time", "aurora", "score", "coverage", "dark"]
    assert str(hours["time"].dtype) == "datetime64[ns, UTC]"
    start = pd.Timestamp(datetime(2021, 1, 11, 12, tzinfo=UTC))
    assert hours["time"].tolist() == [start + pd.Timedelta(hours=hour) for hour in range(24)]


def test_a_dark_sky_without_green_is_no_and_daylight_is_unknown():
    found = states(night())
    assert {hour for hour, state in found.items() if state == "no"} == {*range(15, 24), *range(7)}
    assert "yes" not in found.values()


def test_green_under_a_dark_sky_is_yes_in_its_own_hours():
    found = states(painted((GREEN, (20, 40), (22, 10))))
    assert [hour for hour, state in found.items() if state == "yes"] == [20, 21, 22]


def test_green_by_day_is_unknown():
    assert states(painted((GREEN, (12, 0), (14, 0))))[13] == "unknown"


def test_the_camera_being_off_is_unknown_and_counts_as_no_coverage():
    picture = painted((OFF, (20, 0), (20, 45)))
    hours = label_rules.label(picture).set_index("time").loc["2021-01-11T20:00Z"]
    assert (hours["aurora"], hours["coverage"], hours["dark"]) == ("unknown", 0.25, 1.0)
    assert states(painted((OFF, (20, 0), (20, 25))))[20] == "no"


def test_aurora_is_seen_even_if_the_camera_was_off_for_most_of_the_hour():
    assert states(painted((OFF, (20, 0), (20, 45)), (GREEN, (20, 45), (20, 59))))[20] == "yes"


def test_a_single_green_minute_is_not_aurora():
    assert states(painted((GREEN, (20, 30), (20, 31))))[20] == "no"


def test_grey_gaps_in_lit_cloud_are_not_green_and_green_gaps_are():
    found = states(painted((GREY, (18, 0), (18, 30)), (GREEN, (20, 0), (20, 30)), sky=CLOUD))
    assert (found[17], found[18], found[20]) == ("no", "no", "yes")


def test_cloud_that_is_lit_green_is_aurora_although_it_is_hardly_greener_than_red():
    assert states(painted((LAMP_GREEN, (20, 0), (20, 30)), sky=CLOUD))[20] == "yes"


def test_a_green_cast_of_the_whole_night_is_not_aurora():
    cast = PALETTE.copy()
    cast[GREY] = (100, 112, 100)
    assert "yes" not in states(Keogram(MIDWINTER, night().pixels, cast)).values()


def test_a_night_full_of_bright_aurora_is_not_taken_for_its_background():
    assert states(night(GREEN))[22] == "yes"


def test_a_star_or_a_hot_row_is_not_aurora():
    picture = night()
    picture.pixels[200:204] = GREEN
    assert "yes" not in states(picture).values()


def test_a_night_without_any_light_is_unknown_with_no_score():
    hours = label_rules.label(night(OFF))
    assert set(hours["aurora"]) == {"unknown"}
    assert hours["score"].isna().all() and not hours["coverage"].any()


def test_a_missing_picture_is_unknown_and_never_no():
    hours = label_rules.unknown(MIDWINTER)
    assert set(hours["aurora"]) == {"unknown"}
    assert hours["score"].isna().all() and not hours["coverage"].any()
    like = label_rules.label(night())
    pd.testing.assert_frame_equal(hours[["time", "dark"]], like[["time", "dark"]])


def test_the_midnight_sun_leaves_nothing_to_label():
    hours = label_rules.label(night(GREEN, date(2021, 6, 21)))
    assert set(hours["aurora"]) == {"unknown"} and not hours["dark"].any()


def test_darkness_is_that_of_the_site():
    tromso, sodankyla = (
        label_rules.label(night(), site=site)["dark"].sum() for site in ("tromso", "sodankyla")
    )
    assert tromso > 15 and sodankyla > 15 and tromso != sodankyla


def test_the_sun_between_two_exact_heights_is_right_to_a_hundredth_of_a_degree():
    start = datetime(2021, 3, 20, 12, tzinfo=UTC)
    minutes = pd.Timestamp(start) + pd.to_timedelta(np.arange(1440) + 0.5, unit="min")
    exact = sites.sun_altitude(sites.find("kiruna"), minutes)
    assert np.abs(label_rules.sun_altitudes(start) - exact).max() < 0.01


def test_names_of_rules_are_the_choices():
    assert set(label_rules.Rule) == set(RULES)
    assert all(rule.name == name for name, rule in RULES.items())


@given(
    st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    st.integers(0, 2**32),
    st.sampled_from(list(RULES)),
)
def test_any_picture_gives_24_states_and_shares(day, seed, rule):
    noise = np.random.default_rng(seed)
    blocks = noise.integers(0, 6, (6, 48), dtype=np.uint8)
    pixels = blocks.repeat(60, axis=0).repeat(120, axis=1)
    hours = label_rules.label(Keogram(day, pixels, PALETTE), rule)
    assert len(hours) == 24 and set(hours["aurora"]) <= {"yes", "no", "unknown"}
    assert hours[["coverage", "dark"]].stack().between(0, 1).all()
    assert (hours["score"].isna() | hours["score"].between(0, 1)).all()
    if rule == "night":
        assert not (hours["aurora"].ne("unknown") & hours["dark"].eq(0)).any()


VOTES = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=9)


@given(VOTES)
def test_the_steady_course_is_the_likeliest_of_all(minutes):
    votes, watched = (np.array(column) for column in zip(*minutes, strict=True))
    votes &= watched

    def likelihood(course):
        right = sum(math.log(0.9 if a == b else 0.1) for a, b, w in
                    zip(course, votes, watched, strict=True) if w)  # fmt: skip
        return right + sum(math.log(29 / 30 if a == b else 1 / 30) for a, b in
                           itertools.pairwise(course))  # fmt: skip

    best = max(map(likelihood, itertools.product([False, True], repeat=len(votes))))
    assert likelihood(label_rules.steady(votes, watched, 0.9, 30)) == pytest.approx(best)


def test_a_gap_in_aurora_is_bridged_and_a_long_one_is_not():
    votes = np.array([1] * 10 + [0] * 2 + [1] * 10 + [0] * 20, dtype=bool)
    steady = label_rules.steady(votes, np.ones_like(votes), Night.trust, Night.spell)
    assert steady.tolist() == [True] * 22 + [False] * 20
