"""The pictures are true to the forecast, fit any page, and say in words what they show."""

import math
import re
from itertools import product
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aurora import outlook, pictures
from aurora.feeds.tables import ICONS
from aurora.pictures import CELL, CLOUD_TOP, FLOOR, LEFT, RIGHT, TOP, WIDTH
from aurora.sites import SITES
from tests.aurora.hours_ahead import HOUR, NOON, forecast_rows

ZONE = SITES["kiruna"].time_zone
SVG = "{http://www.w3.org/2000/svg}"
MOST = 25_000  # characters
SHARES = st.floats(0, 1)


def strip(rows=None, now=None, zone=ZONE):
    rows = forecast_rows() if rows is None else rows
    return pictures.strip_svg(rows.iloc[:24].itertuples(), zone, now)


def kp(**columns):
    return pictures.kp_svg(outlook.kp_blocks(forecast_rows(**columns))[:8], ZONE)


def elements(svg, tag):
    return list(ElementTree.fromstring(svg).iter(f"{SVG}{tag}"))


def words(svg):
    return [text.text for text in elements(svg, "text")]


def label(svg):
    return ElementTree.fromstring(svg).get("aria-label")


def box(rect):
    return [float(rect.get(name)) for name in ("x", "y", "width", "height")]


def bars(svg):
    """Give the bars of chance or index: where they begin, and how high they are."""
    found = [rect for rect in elements(svg, "rect") if rect.get("rx")]
    return {box(rect)[0]: box(rect)[3] for rect in found}


EVERY_PICTURE = {
    "strip": strip(now=NOON + 3 * HOUR),
    "index": kp(),
    "moon": pictures.moon_svg(0.4, True),
    **{f"{icon}, {seen}": pictures.sky_svg(seen, icon) for seen in (True, False) for icon in ICONS},
}


@pytest.mark.parametrize("svg", EVERY_PICTURE.values(), ids=EVERY_PICTURE)
def test_a_picture_can_stand_in_any_page(svg):
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg" and root.get("viewBox")
    assert root.get("role") == "img" and root.get("aria-label")
    assert len(svg) < MOST
    assert not re.search(r"\b(id|class|href)=|<style|<script|url\(|nan", svg)


# The strip


def test_a_bar_is_as_high_as_the_chance():
    heights = {LEFT + k * CELL + 1: share for k, share in ((8, 0.2), (9, 0.6), (10, 0.2))}
    assert bars(strip()) == pytest.approx(
        {x: share * (FLOOR - TOP) for x, share in heights.items()}, abs=0.11
    )


@given(st.lists(SHARES, min_size=72, max_size=72), st.integers(0, 23))
@settings(max_examples=30)
def test_nothing_leaves_the_strip_whatever_is_forecast(shares, hour):
    svg = strip(forecast_rows(probability=shares), NOON + hour * HOUR)
    for x, y, wide, tall in map(box, elements(svg, "rect")):
        assert x >= LEFT and x + wide <= RIGHT + 0.01 and y >= 0 and tall >= 0
    for text in elements(svg, "text"):
        assert 0 <= float(text.get("x")) <= WIDTH and float(text.get("y")) <= pictures.STRIP_HEIGHT


def test_the_best_hour_is_marked_with_its_chance():
    assert "60%" in words(strip())
    assert words(strip(forecast_rows(probability=0.0))).count("0%") == 1  # of the axis


def test_colours_tell_good_from_worthwhile_hours():
    assert len({pictures.bar_colour(share) for share in (0.1, 0.2, 0.5)}) == 3
    assert pictures.bar_colour(0.49) == pictures.bar_colour(0.2)


def test_the_sky_is_darker_the_lower_the_sun():
    def light(sun):
        return sum(bytes.fromhex(pictures.sky_colour(sun)[1:]))

    heights = [light(sun) for sun in range(-20, 10)]
    assert heights == sorted(heights)
    assert pictures.sky_colour(-90) == pictures.sky_colour(-18)
    assert pictures.sky_colour(90) == pictures.sky_colour(6)


def test_cloud_is_denser_where_there_is_more_and_layers_are_apart():
    rows = forecast_rows(cloud_low=np.linspace(0, 100, 72), cloud_mid=0.0, cloud_high=50.0)
    svg = strip(rows)
    assert {"high", "mid", "low"} <= set(words(svg))
    of_cloud = [rect for rect in elements(svg, "rect") if "--ink" in (rect.get("fill") or "")]
    high = [r for r in of_cloud if box(r)[1] == CLOUD_TOP]
    low = [r for r in of_cloud if box(r)[1] == CLOUD_TOP + 2 * pictures.CLOUD_ROW]
    assert {r.get("fill-opacity") for r in high} == {"0.36"} and len(high) == 24
    densities = [float(r.get("fill-opacity")) for r in low]
    assert densities == sorted(densities) and len(densities) == 23  # the first has none
    assert len(of_cloud) == 47


def test_without_layers_all_cloud_is_one_and_unknown_cloud_is_a_question_mark():
    rows = forecast_rows(cloud_low=math.nan, cloud_mid=math.nan, cloud_high=math.nan)
    assert "cloud" in words(strip(rows)) and "low" not in words(strip(rows))
    assert words(strip(rows.assign(cloud_cover=math.nan))).count("?") == 24


def test_the_moon_is_there_while_it_is_up():
    rows = forecast_rows(moon_altitude=np.where(np.arange(72) < 5, 10.0, -10.0), moon_lit=1.0)
    moons = [r for r in elements(strip(rows), "rect") if r.get("fill") == pictures.MOONLIGHT]
    assert [box(r)[0] for r in moons] == [LEFT + k * CELL for k in range(5)]
    assert {r.get("fill-opacity") for r in moons} == {"1.00"}


def test_now_is_marked_in_the_night_that_it_is_in():
    assert "now" in words(strip(now=NOON + 3 * HOUR))
    for now in (None, NOON - HOUR, NOON + 24 * HOUR):
        assert "now" not in words(strip(now=now))


def test_both_clocks_are_written():
    found = words(strip())
    assert found[found.index("UTC") :][:4] == ["UTC", "12", "15", "18"]
    assert found[found.index("CET") :][:4] == ["CET", "13", "16", "19"]
    assert "EET" in words(strip(zone=SITES["sodankyla"].time_zone))


def test_a_strip_says_its_night_to_who_cannot_see_it():
    assert label(strip()) == (
        "Sat 21 to Sun 22 Nov: dark from 16 to 07 UTC; the best hour is 21–22 UTC, 60%, clear sky"
    )
    light = forecast_rows(probability=0.0, sun_altitude=5.0)
    assert label(strip(light)) == (
        "Sat 21 to Sun 22 Nov: it does not get dark; no hour has a chance of aurora"
    )


def test_each_hour_says_what_is_expected_of_it():
    tips = [title.text for title in elements(strip(), "title")]
    assert len(tips) == 24
    assert tips[9] == "21–22 UTC (22–23 CET): 60%, 10% cloud, Kp 3.0, sun at -22°"
    unknown = forecast_rows(kp=math.nan, cloud_cover=math.nan)
    assert "cloud unknown, Kp unknown" in elements(strip(unknown), "title")[0].text


def test_a_night_is_named_by_its_days_on_the_local_clock():
    last = pd.Timestamp("2026-11-30T12:00", tz="UTC")
    assert pictures.night_words(last, ZONE) == "Mon 30 Nov to Tue 1 Dec"


# The index


def test_a_block_is_as_high_as_the_index_and_written_above():
    svg = kp(kp=np.repeat([0.0, 1.0, 4.5, 9.0], 18))
    heights = list(bars(svg).values())
    assert [word for word in words(svg) if "." in word] == ["0.0"] * 6 + ["1.0"] * 2
    assert heights[7] == pytest.approx((pictures.KP_FLOOR - pictures.KP_TOP) / 9, abs=0.11)


def test_the_spread_reaches_from_quartile_to_quartile_where_it_is_known():
    def spreads(svg):
        return [path.get("d") for path in elements(svg, "path") if "V" in path.get("d")]

    drawn = spreads(kp())
    assert len(drawn) == 8 and spreads(kp(kp_low=math.nan)) == []
    low, high = re.search(r" ([\d.]+)V([\d.]+)", drawn[0]).groups()
    step = (pictures.KP_FLOOR - pictures.KP_TOP) / 9
    assert float(low) - float(high) == pytest.approx(2 * step, abs=0.11)


def test_what_nobody_forecast_is_dashed_and_what_nobody_knows_is_a_question_mark():
    def dashed(svg):
        return [rect for rect in elements(svg, "rect") if rect.get("stroke-dasharray")]

    assert dashed(kp()) == [] and len(dashed(kp(kp_from="none"))) == 8
    assert words(kp(kp=math.nan)).count("?") == 8


def test_storms_have_a_colour_of_their_own():
    assert len({pictures.kp_colour(level) for level in (3.9, 4, 5)}) == 3


def test_the_index_says_its_numbers_to_who_cannot_see_them():
    assert label(kp(kp=2.0)).startswith(
        "Kp, Sat 21 to Sun 22 Nov: 12 to 15 UTC 2.0, 15 to 18 UTC 2.0"
    )


@given(st.floats(0, 30), st.floats(0, 30))
def test_an_index_beyond_nine_stays_in_the_picture(level, high):
    svg = kp(kp=level, kp_high=high, kp_low=0.0)
    assert all(box(rect)[1] >= pictures.KP_TOP for rect in elements(svg, "rect"))
    assert all(float(text.get("y")) > 10 for text in elements(svg, "text"))


# The moon


def lit_share(svg):
    """Measure the lit part of a moon by its outline: half a circle, and half an ellipse."""
    path = elements(svg, "path")
    if not path:
        return 0.0
    limb, edge = re.findall(r"A([\d.]+) [\d.]+ 0 0 ([01])", path[0].get("d"))
    bulges = limb[1] == edge[1]  # the edge goes on turning the same way: more than half is lit
    return (1 + (1 if bulges else -1) * float(edge[0]) / 40) / 2


@given(SHARES.filter(lambda lit: lit > 0.01), st.booleans())
def test_as_much_of_the_moon_is_drawn_as_is_lit(lit, waxing):
    assert lit_share(pictures.moon_svg(lit, waxing)) == pytest.approx(lit, abs=0.002)


def test_a_waxing_moon_is_lit_on_the_right():
    def side(svg):
        return re.search(r"A40 40 0 0 ([01])", svg).group(1)

    assert (side(pictures.moon_svg(0.3, True)), side(pictures.moon_svg(0.3, False))) == ("1", "0")


@pytest.mark.parametrize(
    ("lit", "waxing", "said"),
    [
        (0.0, True, "New moon, 0% lit"),
        (0.25, True, "Waxing crescent moon, 25% lit"),
        (0.8, False, "Waning gibbous moon, 80% lit"),
        (0.999, True, "Full moon, >99% lit"),
    ],
)
def test_the_phases_have_names(lit, waxing, said):
    assert label(pictures.moon_svg(lit, waxing)) == said


# The sky


def test_no_two_skies_look_the_same():
    skies = {pictures.sky_svg(seen, icon) for seen, icon in product((True, False), ICONS)}
    shown = {re.sub(r'aria-label="[^"]*"', "", sky) for sky in skies}
    # an icon may look by night as another: clear and partly cloudy come by day and by night
    assert len(shown) == len(skies) == 18


def test_the_same_sky_is_drawn_the_same_way_again():
    assert pictures.sky_svg(True, "snow") == pictures.sky_svg(True, "snow")


@pytest.mark.parametrize("icon", ICONS)
def test_aurora_is_green_and_only_there_when_it_is_said_to_be(icon):
    green = pictures.GREENS[0]
    assert green in pictures.sky_svg(True, icon)
    assert green not in pictures.sky_svg(False, icon)


def test_a_sky_says_what_it_shows():
    assert label(pictures.sky_svg(True, "partly-cloudy-night")) == (
        "A drawn night sky with green curtains of aurora; weather: partly cloudy night"
    )
    assert label(pictures.sky_svg(False, "clear-day")) == (
        "A drawn day sky without aurora; weather: clear day"
    )
