"""The pictures are true to the measurements, and say in words what they show."""

import re
from math import dist
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris.features import LIMITS, VARIETIES
from iris.pictures import CM, PLANE, SIZE, flower_svg, known_flowers_svg

SETOSA = (5.0, 3.4, 1.5, 0.2)
KNOWN = [(1.4, 0.2, "setosa"), (1.5, 0.2, "setosa"), (4.5, 1.5, "versicolor"), (6, 2, "virginica")]
FLOWERS = st.tuples(*(st.floats(low, high) for low, high in LIMITS.values()))
CENTIMETRES = st.floats(0, 100)


def elements(svg, tag):
    return list(ElementTree.fromstring(svg).iter(f"{{http://www.w3.org/2000/svg}}{tag}"))


def words(svg):
    return [text.text for text in elements(svg, "text")]


def points(path):
    """Give the points of a path of absolute curves."""
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", path)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def leaves(svg):
    """Give the outlines of sepals and petals, each as its points; spots are leaves of their own."""
    outlines = [path.get("d") for path in elements(svg, "path") if path.get("d").endswith("z")]
    return [points(outline) for outline in dict.fromkeys(outlines)]


def length_and_width(leaf):
    """Give the size of a leaf in cm: from its foot to its tip, and where it is widest."""
    foot = [(a + b) / 2 for a, b in zip(leaf[0], leaf[-1], strict=True)]
    return dist(foot, leaf[6]) / CM, dist(leaf[3], leaf[9]) / CM


@given(FLOWERS)
def test_the_upright_leaves_are_as_long_and_as_wide_as_measured(flower):
    _, _, _, _, petal, _, _, sepal, _ = leaves(flower_svg(*flower))
    assert length_and_width(sepal) == pytest.approx(flower[:2], abs=0.01)
    assert length_and_width(petal) == pytest.approx(flower[2:], abs=0.01)


@given(FLOWERS)
def test_bending_a_leaf_keeps_its_width_and_hardly_shortens_it(flower):
    sepal, _, _, _, _, *petals, _, _ = leaves(flower_svg(*flower))
    for leaf, (length, width) in ((sepal, flower[:2]), *((p, flower[2:]) for p in petals)):
        assert length_and_width(leaf)[1] == pytest.approx(width, abs=0.01)
        assert 0.98 * length - 0.01 <= length_and_width(leaf)[0] <= length + 0.01


@given(FLOWERS)
def test_every_flower_that_an_app_can_ask_for_fits_the_picture(flower):
    for leaf in leaves(flower_svg(*flower)):
        assert all(0 <= x <= SIZE[0] and 0 <= y <= SIZE[1] for x, y in leaf)


def test_the_same_flower_gives_the_same_picture_and_another_one_another():
    assert flower_svg(*SETOSA, "setosa") == flower_svg(*SETOSA, "setosa")
    assert flower_svg(*SETOSA, "setosa") != flower_svg(5.1, *SETOSA[1:], "setosa")


def test_a_flower_says_its_numbers_to_who_cannot_see_it():
    picture = ElementTree.fromstring(flower_svg(*SETOSA, "setosa"))
    assert picture.get("role") == "img"
    assert picture.get("aria-label") == (
        "Iris setosa: sepals 5 cm long and 3.4 cm wide, petals 1.5 cm long and 0.2 cm wide"
    )


@pytest.mark.parametrize("variety", VARIETIES)
def test_a_variety_is_written_and_has_a_colour_of_its_own(variety):
    mine = flower_svg(*SETOSA, variety)
    fills = {
        name: {path.get("fill") for path in elements(flower_svg(*SETOSA, name), "path")}
        for name in [*VARIETIES, None]
    }
    assert words(mine) == [variety, "2 cm"]
    assert all(fills[variety] != fills[other] for other in fills if other != variety)


def test_a_flower_of_no_variety_has_no_name():
    assert words(flower_svg(*SETOSA)) == ["2 cm"]


def test_pictures_are_small_and_have_nothing_that_could_collide_on_a_page():
    for svg in (flower_svg(*SETOSA, "setosa"), known_flowers_svg(KNOWN, (1.5, 0.2))):
        assert len(svg) < 5000
        assert not re.search(r"\b(id|class|href)=|<style|<script|url\(", svg)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"])))
def test_whatever_a_variety_is_called_stays_text(name):
    for svg in (flower_svg(*SETOSA, name), known_flowers_svg([(1, 1, name)], (2, 2))):
        assert name == "" or name in words(svg)


def test_each_variety_has_points_of_its_own_shape():
    found = known_flowers_svg([*KNOWN, (3, 1, "florentina")], (1.5, 0.2))
    outlines = [path.get("d") for path in elements(found, "path") if path.get("d").endswith("z")]
    shapes = [set(re.split(r"M[\d.]+ [\d.]+", outline)) - {""} for outline in outlines]
    assert len(shapes) == 4 == len(set.union(*shapes))
    assert [len(outline.split("M")) - 1 for outline in outlines] == [3, 2, 2, 2]  # and the legend
    assert [*VARIETIES, "florentina"] == [word for word in words(found) if word.isalpha()]


def test_the_plane_says_what_it_shows():
    names = ("sepal length", "sepal width")
    svg = known_flowers_svg(KNOWN, (5, 3.5), names)
    assert {"sepal length (cm)", "sepal width (cm)", "this flower"} <= set(words(svg))
    assert ElementTree.fromstring(svg).get("aria-label") == (
        "4 known flowers by sepal length and sepal width; "
        "this flower, 5 by 3.5 cm, is marked with a cross"
    )


def cross(svg):
    """Give the middle of the cross."""
    x, y = points(elements(svg, "path")[-1].get("d"))[0]
    return x + 8, y + 8


def test_room_keeps_the_axes_where_they_are():
    room = [(1, 0.1), (7, 2.5)]
    here = cross(known_flowers_svg(KNOWN, (4, 1), room=room))
    assert here == cross(known_flowers_svg(KNOWN[:1], (4, 1), room=room))
    assert here != cross(known_flowers_svg(KNOWN[:1], (4, 1)))


@given(st.lists(st.tuples(CENTIMETRES, CENTIMETRES, st.sampled_from(VARIETIES))), FLOWERS)
def test_no_point_leaves_the_plane(known, flower):
    svg = known_flowers_svg(known, flower[2:])
    marks = re.findall(r"M([\d.]+) ([\d.]+)m", "".join(p.get("d") for p in elements(svg, "path")))
    for x, y in [*marks, cross(svg)]:
        assert 0 < float(x) < PLANE[0] and 0 < float(y) < PLANE[1]
