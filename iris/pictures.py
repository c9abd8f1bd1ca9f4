"""Pictures of irises as SVG text: one flower to scale, and many flowers as points in a plane.

Measurements are in centimetres and drawn as they are, so that two flowers compare at a glance.
Nothing is fetched, no element has an id, and what a colour says stands there in words as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import starmap
from math import ceil, cos, floor, radians, sin

Point = tuple[float, float]

CM = 20  # units of the flower's picture in a centimetre
SIZE = (350, 340)
HEART = (175, 152)  # where all sepals and petals begin
# Neither light nor dark, so that both pages suit them
COLOURS = {"setosa": "#3d8bd4", "versicolor": "#8468d8", "virginica": "#cc4f9a"}
UNKNOWN = "#8a94a3"
YELLOW = "#f2c230"
GREEN = "#5c9a5a"

# Where each leaf of the flower points (degrees from straight down, positive to the right), and
# how much further it has turned at its tip. Those drawn later lie in front.
SEPALS_BEHIND = ((84, -34), (-84, 34))
PETALS = ((180, 0), (126, 10), (-126, -10))
SEPAL_IN_FRONT = (0, 0)
# One side of a leaf from foot to tip, as the points of two Bezier curves: share of the length,
# share of half the width. Half the width is reached where the curves meet, and never passed.
SEPAL_SIDE = ((0, 0.1), (0.15, 0.3), (0.36, 1), (0.62, 1), (0.84, 1), (1, 0.55), (1, 0))
PETAL_SIDE = ((0, 0.1), (0.2, 0.2), (0.34, 1), (0.6, 1), (0.8, 1), (0.93, 0.45), (1, 0))
SPOT = (0.5, 0.3)  # the yellow spot that leads bees in, as shares of the sepal's length and width
VEINS = (-0.55, 0, 0.55)  # where they end, as shares of half the width
NAME = "font-size:15px;font-style:italic;font-weight:600"

PLANE = (400, 300)
LEFT, RIGHT, TOP, BOTTOM = 34, 392, 40, 262  # of the plane's frame
# The outline of a point, from its centre
SHAPES = {
    "setosa": "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "versicolor": "m0-5l5 8.6h-10z",
    "virginica": "m-3.6-3.6h7.2v7.2h-7.2z",
}
OTHER_SHAPE = "m0-5l5 5l-5 5l-5-5z"
HALO = "paint-order:stroke;stroke:var(--card,Canvas);stroke-width:4px;stroke-linejoin:round"


def flower_svg(
    sepal_length: float,
    sepal_width: float,
    petal_length: float,
    petal_width: float,
    variety: str | None = None,
) -> str:
    """Draw a flower from its measurements in cm: three sepals hang, three petals stand.

    Each is as long along its middle, and as wide, as measured; a bar shows the scale. `variety`
    gives the colour and is written in the picture; without one the flower is grey.
    """
    colour = COLOURS.get(variety or "", UNKNOWN)
    sepal, petal = (sepal_length, sepal_width), (petal_length, petal_width)
    inside = [
        _stem(),
        *(_sepal(sepal, angles, colour) for angles in SEPALS_BEHIND),
        *(_petal(petal, angles, colour) for angles in PETALS),
        _sepal(sepal, SEPAL_IN_FRONT, colour),
        _text((14, 26), variety, style=NAME) if variety else "",
        _scale_bar(),
    ]
    said = (
        f"{f'Iris {variety}' if variety else 'An iris'}: "
        f"sepals {sepal_length:g} cm long and {sepal_width:g} cm wide, "
        f"petals {petal_length:g} cm long and {petal_width:g} cm wide"
    )
    return _svg(SIZE, said, inside)


def known_flowers_svg(
    known: Iterable[tuple[float, float, str]],
    this: Point,
    names: tuple[str, str] = ("petal length", "petal width"),
    room: Iterable[Point] = (),
) -> str:
    """Draw known flowers as points by variety, and one flower among them as a cross.

    `known` holds two measurements in cm and the variety of each flower, `this` the same two of the
    one; `names` says which two: across and up. There is room for the points in `room` as well.
    """
    known, (across, up) = list(known), names
    xs, ys = zip(this, *room, *((a, b) for a, b, _ in known), strict=True)
    x, y = _scale(xs, LEFT + 8, RIGHT - 8), _scale(ys, BOTTOM - 8, TOP + 8)
    inside = [
        *(_line_across(y(tick), f"{tick:g}") for tick in _ticks(ys)),
        *(_line_up(x(tick), f"{tick:g}") for tick in _ticks(xs)),
        _text((RIGHT, PLANE[1] - 6), f"{across} (cm)", "end"),
        _text((8, TOP - 8), f"{up} (cm)"),
        *_points(known, x, y),
        _cross((x(this[0]), y(this[1]))),
    ]
    said = (
        f"{len(known)} known flowers by {across} and {up}; "
        f"this flower, {this[0]:g} by {this[1]:g} cm, is marked with a cross"
    )
    return _svg(PLANE, said, inside)


def _svg(size: tuple[int, int], said: str, inside: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" role="img" '
        f'aria-label="{escape(said)}" fill="currentColor" font-family="system-ui, sans-serif" '
        f'font-size="11">{"".join(inside)}</svg>'
    )


def _text(at: Point, text: str, anchor: str = "start", style: str = "") -> str:
    styled = f' style="{style}"' if style else ""
    return f'<text x="{at[0]:g}" y="{at[1]:g}" text-anchor="{anchor}"{styled}>{escape(text)}</text>'


def _sepal(size: Point, angles: Point, colour: str) -> str:
    place = _spine(size, angles)
    spot = _spine((size[0] * SPOT[0], size[1] * SPOT[1]), (angles[0], angles[1] * SPOT[0]))
    veins = "".join(f"M{_pair(place(0.04, 0))}{_vein(place, share)}" for share in VEINS)
    return (
        f'<path d="{_outline(place, SEPAL_SIDE)}" fill="{colour}" stroke="#0008"/>'
        f'<path d="{_outline(spot, SEPAL_SIDE)}" fill="{YELLOW}" fill-opacity=".9"/>'
        f'<path d="{veins}" fill="none" stroke="#fff8" stroke-width=".8"/>'
    )


def _petal(size: Point, angles: Point, colour: str) -> str:
    """Draw a petal, paler than the sepals."""
    place = _spine(size, angles)
    shape = _outline(place, PETAL_SIDE)
    return (
        f'<path d="{shape}" fill="{colour}"/><path d="{shape}" fill="#fff5" stroke="{colour}"/>'
        f'<path d="M{_pair(place(0.04, 0))}{_vein(place, 0)}" fill="none" stroke="#0003"/>'
    )


def _spine(size: Point, angles: Point) -> Callable[[float, float], Point]:
    """Give the function that places points of a leaf: share of its length, share of half its width.

    The middle of a leaf is an arc from the heart, so bending changes neither length nor width.
    """
    length, half = size[0] * CM, size[1] * CM / 2
    start, bend = (radians(angle) for angle in angles)

    def place(along: float, aside: float) -> Point:
        angle = start + bend * along
        x, y = sin(start) * along, cos(start) * along
        if bend:
            x, y = (cos(start) - cos(angle)) / bend, (sin(angle) - sin(start)) / bend
        x, y = x * length + cos(angle) * aside * half, y * length - sin(angle) * aside * half
        return HEART[0] + x, HEART[1] + y

    return place


def _outline(place: Callable[[float, float], Point], side: Sequence[Point]) -> str:
    there = list(starmap(place, side))
    back = [place(along, -aside) for along, aside in reversed(side)]
    return f"M{_pair(there[0])}{_curves(there[1:])}{_curves(back[1:])}z"


def _vein(place: Callable[[float, float], Point], share: float) -> str:
    return _curves([place(0.35, share * 0.4), place(0.6, share), place(0.88, share)])


def _curves(points: Sequence[Point]) -> str:
    """Write cubic curves from where the path is, three points to each."""
    threes = zip(points[::3], points[1::3], points[2::3], strict=True)
    return "".join("C" + " ".join(map(_pair, three)) for three in threes)


def _pair(point: Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"


def _stem() -> str:
    x, y = HEART
    return (
        f'<path d="M{x} {y}C{x} {y + 70} {x - 4} {y + 130} {x - 10} {SIZE[1]}" fill="none" '
        f'stroke="{GREEN}" stroke-width="6"/>'
    )


def _scale_bar() -> str:
    """Draw a bar of two centimetres."""
    y = SIZE[1] - 16
    return (
        f'<path d="M14 {y - 4}v8m0-4h{2 * CM}m0-4v8m-{CM}-6v4" fill="none" stroke="currentColor"/>'
        + _text((14 + 2 * CM + 6, y + 4), "2 cm")
    )


def _scale(values: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    """Give the function that puts the least of the values on `start` and the most on `end`."""
    low, high = min(values), max(values)
    return lambda value: start + (value - low) / ((high - low) or 1) * (end - start)


def _ticks(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    step = 1 if high - low > 3 else 0.5
    return [step * k for k in range(ceil(low / step), floor(high / step) + 1)]


def _line_across(y: float, label: str) -> str:
    line = f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="currentColor" stroke-opacity=".15"/>'
    return line + _text((LEFT - 6, round(y + 4, 1)), label, "end")


def _line_up(x: float, label: str) -> str:
    line = f'<path d="M{x:.1f} {TOP}V{BOTTOM}" stroke="currentColor" stroke-opacity=".15"/>'
    return line + _text((round(x, 1), BOTTOM + 15), label, "middle")


def _points(known: list, x: Callable, y: Callable) -> list[str]:
    """Draw the flowers of each variety as one path, and the legend above them."""
    found = {variety for _, _, variety in known}
    varieties = [name for name in COLOURS if name in found] + sorted(found - COLOURS.keys())
    drawn = []
    for k, variety in enumerate(varieties):
        legend = (LEFT + 110 + 84 * k, 16)
        places = sorted({(x(a), y(b)) for a, b, name in known if name == variety})
        drawn.append(_marks([legend, *places], variety))
        drawn.append(_text((legend[0] + 9, legend[1] + 4), variety))
    return drawn


def _marks(places: Iterable[Point], variety: str) -> str:
    shape, colour = SHAPES.get(variety, OTHER_SHAPE), COLOURS.get(variety, UNKNOWN)
    outlines = "".join(f"M{_pair(place)}{shape}" for place in places)
    return f'<path d="{outlines}" fill="{colour}" fill-opacity=".6" stroke="{colour}"/>'


def _cross(at: Point) -> str:
    x, y = at
    shape = f"M{x - 8:.1f} {y - 8:.1f}l16 16m0-16l-16 16"
    anchor, aside = ("end", -13) if x > (LEFT + RIGHT) / 2 else ("start", 13)
    style = f"font-size:12px;font-weight:600;fill:currentColor;{HALO}"
    return (
        f'<path d="{shape}" fill="none" stroke="var(--card,Canvas)" stroke-width="6"/>'
        f'<path d="{shape}" fill="none" stroke="currentColor" stroke-width="2.5"/>'
        + _text((round(x + aside, 1), round(y + 4, 1)), "this flower", anchor, style)
    )
