"""The pictures are true to the valuation, fit any page, and say in words what they show."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing import advice, pictures
from housing.pictures import WIDTH, Frame, Point
from tests.housing.generated import sales

SVG = "{http://www.w3.org/2000/svg}"
VALUED = {
    "value": 5e6, "low_80": 4.6e6, "high_80": 5.5e6, "low_90": 4.4e6, "high_90": 5.8e6,
}  # fmt: skip
TOWN = Frame(59.28, 59.38, 17.95, 18.14)
PARIS = Frame(48.81, 48.91, 2.25, 2.42)
DAYS = pd.date_range("2019-01-15", periods=30, freq="MS", tz="UTC")
AHEAD = advice.Moment("in a year", DAYS[-1] + pd.Timedelta(days=365), 5e6, 4.1e6, 6.1e6, 0.0)
UNKNOWN = advice.Moment("in a year", AHEAD.day, None, None, None, None)
PARTS = {"in Öster": 400_000.0, "57 m²": -150_000.0, "fee <&> 3": 20_000.0}


def shown(count=200, south=59.3):
    made = sales(count)
    move = south - 59.3
    return made.assign(
        per_m2=made["price"] / made["living_area_m2"], latitude=made["latitude"] + move
    )


def town_map(frame=TOWN, near=3):
    spots = [Point(59.31 + 0.001 * k, 18.0, f"{k}. <b>") for k in range(near)]
    return pictures.map_svg(frame, shown(), Point(59.31, 18.01, 'Dungen "3"'), spots)


def elements(svg, tag):
    return list(ElementTree.fromstring(svg).iter(f"{SVG}{tag}"))


def words(svg):
    return [text.text for text in elements(svg, "text")]


EVERY_PICTURE = {
    "map": town_map(),
    "map of another town": town_map(PARIS),
    "map of nothing": pictures.map_svg(TOWN, shown().head(0)),
    "range": pictures.range_svg(VALUED, "SEK", None),
    "range with another": pictures.range_svg(VALUED, "EUR", ("first <version>", 6.4e6)),
    "why": pictures.contributions_svg(PARTS, 4.73e6, "SEK"),
    "history": pictures.history_svg(DAYS, np.linspace(4e6, 5e6, 30), VALUED, AHEAD, "SEK"),
    "history without a future": pictures.history_svg(
        DAYS[-3:], [5e6, 5e6, 5e6], VALUED, UNKNOWN, "SEK"
    ),
}


@pytest.mark.parametrize("svg", EVERY_PICTURE.values(), ids=EVERY_PICTURE)
def test_a_picture_can_stand_in_any_page(svg):
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg" and root.get("viewBox").startswith(f"0 0 {WIDTH} ")
    assert root.get("role") == "img" and root.get("aria-label")
    assert len(svg) < 30_000
    assert not re.search(r"\b(id|class|href)=|<style|<script|url\(|\bnan\b|\binf\b", svg)


# The map


def test_a_click_is_where_the_map_drew_it():
    for latitude, longitude in ((59.33, 18.05), (59.2801, 17.9501)):
        x, y = TOWN.place(latitude, longitude)
        assert TOWN.coordinates(x, y) == pytest.approx((latitude, longitude), abs=2e-5 * 10)


@settings(deadline=None)
@given(x=st.floats(), y=st.floats())
def test_a_click_is_on_the_map_or_refused(x, y):
    try:
        latitude, longitude = TOWN.coordinates(x, y)
    except ValueError:
        assert not (0 <= x <= WIDTH and 0 <= y <= TOWN.height)
    else:
        assert 59.279 < latitude < 59.381 and 17.949 < longitude < 18.141


def test_the_map_is_as_tall_as_the_ground_it_shows():
    north_km = 0.1 * 111.2
    east_km = 0.19 * 111.2 * math.cos(math.radians(59.33))
    assert TOWN.height / WIDTH == pytest.approx(north_km / east_km, rel=1e-3)


def test_a_frame_holds_the_sales_and_forgets_the_odd_one_out():
    made = sales(1000)
    latitude = made["latitude"].to_numpy().copy()
    latitude[0] = 60.9
    found = pictures.frame(latitude, made["longitude"])
    assert found.south < made["latitude"].min() and found.north < 59.5
    assert 0.74 < found.height / WIDTH < 1.06
    assert pictures.frame([float("nan")], [18.0]) is None


def test_stockholm_has_its_water_and_names_and_other_towns_do_not():
    assert {"Södermalm", "Kungsholmen", "Vasastan"} <= set(words(town_map()))
    assert pictures.has_geography(TOWN) and not pictures.has_geography(PARIS)
    assert not {"Södermalm", "Vasastan"} & set(words(town_map(PARIS)))


def test_slussen_is_between_the_islands_and_no_square_is_in_the_water():
    land = {
        "Sergels torg": (59.3325, 18.0649), "Medborgarplatsen": (59.3145, 18.0720),
        "Fridhemsplan": (59.3320, 18.0290), "Karlaplan": (59.3387, 18.0906),
        "Stortorget": (59.3250, 18.0707), "Hornstull": (59.3158, 18.0340),
        "Odenplan": (59.3430, 18.0495), "Gullmarsplan": (59.2991, 18.0809),
    }  # fmt: skip
    water = {
        "Riddarfjärden": (59.3235, 18.0450), "Årstaviken": (59.3040, 18.0500),
        "Saltsjön": (59.3205, 18.0950), "Ulvsundasjön": (59.3430, 17.9890),
    }  # fmt: skip
    for names, wet in ((land, False), (water, True)):
        for name, point in names.items():
            dry = any(inside(point, shore) for shore in pictures.STOCKHOLM.values())
            assert dry != wet, name


def inside(point, shore):
    """Tell whether a point is inside a polygon: a ray to the east crosses it an odd number."""
    (y, x), odd = point, False
    for (y1, x1), (y2, x2) in zip(shore, shore[1:] + shore[:1], strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            odd = not odd
    return odd


def test_every_sale_is_a_dot_in_the_colour_of_its_price():
    table = shown()
    paths = [path for path in elements(town_map(), "path") if path.get("stroke-linecap")]
    dots = {path.get("stroke"): path.get("d").count("M") for path in paths}
    assert sum(dots.values()) == len(table) and set(dots) == set(pictures.COLOURS)
    assert max(dots.values()) - min(dots.values()) <= 2
    text = re.sub("<[^>]*>", "", pictures.legend(table, "SEK"))
    assert text.count("SEK") == len(pictures.COLOURS)


def test_comparable_sales_have_their_ranks_even_on_one_spot():
    near = [Point(59.31, 18.0, "same")] * 10
    svg = pictures.map_svg(TOWN, shown(), None, near)
    rings = elements(svg, "circle")
    places = {(ring.get("cx"), ring.get("cy")) for ring in rings}
    assert len(places) == 10 and {str(rank) for rank in range(1, 11)} <= set(words(svg))


# Value, why, over time


def test_the_ranges_are_drawn_to_scale():
    wide, narrow = elements(pictures.range_svg(VALUED, "SEK", None), "rect")
    shares = [float(band.get("width")) for band in (wide, narrow)]
    assert shares[1] / shares[0] == pytest.approx(0.9 / 1.4, abs=0.01)
    label = ElementTree.fromstring(pictures.range_svg(VALUED, "SEK", None)).get("aria-label")
    assert "5,000,000" in label and "90 % range 4,400,000" in label


def test_steps_lead_from_a_usual_flat_to_this_one():
    svg = EVERY_PICTURE["why"]
    assert {"4,730", "+400", "\N{MINUS SIGN}150", "+20", "5,000"} <= set(words(svg))
    assert [text for text in words(svg) if text in PARTS] == list(PARTS)
    widths = [float(step.get("width")) for step in elements(svg, "rect")]
    assert widths[0] / widths[1] == pytest.approx(400 / 150, rel=0.02)


def test_the_history_ends_in_the_value_and_opens_ahead():
    svg = EVERY_PICTURE["history"]
    (line,) = elements(svg, "polyline")
    assert len(line.get("points").split()) == len(DAYS)
    label = ElementTree.fromstring(svg).get("aria-label")
    assert label.startswith("From 4,000,000") and "in a year from 4,100,000" in label
    assert "dashed: in a year, 90 %" in words(svg)
    assert "dashed" not in " ".join(filter(None, words(EVERY_PICTURE["history without a future"])))


@settings(deadline=None, max_examples=60)
@given(
    value=st.floats(5e4, 5e8), down=st.floats(0.001, 0.9), up=st.floats(0.001, 3.0),
    parts=st.lists(st.floats(-4e7, 4e7), max_size=12),
)  # fmt: skip
def test_any_amount_is_drawn_inside_the_picture(value, down, up, parts):
    valued = {
        "value": value, "low_90": value * (1 - down), "low_80": value * (1 - down / 2),
        "high_80": value * (1 + up / 2), "high_90": value * (1 + up),
    }  # fmt: skip
    steps = {f"part {place}": part for place, part in enumerate(parts)}
    drawn = (
        pictures.range_svg(valued, "SEK", None),
        pictures.contributions_svg(steps, value, "SEK"),
        pictures.history_svg(DAYS, [value] * len(DAYS), valued, UNKNOWN, "SEK"),
    )
    for svg in drawn:
        for rect in elements(svg, "rect"):
            left, wide = float(rect.get("x")), float(rect.get("width"))
            assert left >= 0 and wide >= 0 and left + wide <= WIDTH
