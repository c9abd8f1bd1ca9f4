"""Pictures of nights as SVG text: the sky, its 72 hours, the geomagnetic index, the moon.

Functions of plain values. Nothing is fetched, no element has an id, and what a colour says is said
in words as well. Rows are those of a forecast, as `DataFrame.itertuples` gives them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise
from math import pi, sin
from random import Random
from typing import Any, NamedTuple

import pandas as pd

from aurora.features import DARK, HOUR
from aurora.nights import GOOD, WORTHWHILE
from aurora.outlook import UTC, Block, clock, known, noon, sky_words
from fti.report import percent

# The strip: a picture for each night from noon to noon UTC, all of one width
WIDTH, LEFT, CELL = 370, 46, 13  # units; a cell is an hour
RIGHT = LEFT + 24 * CELL
TOP, FLOOR = 62, 168  # of 100 % and 0 %
ROOM = 24  # above 100 %, for a label
CLOUDS = {"cloud_high": "high", "cloud_mid": "mid", "cloud_low": "low"}
CLOUD_TOP, CLOUD_ROW = 176, 13
MOON_TOP, MOON_ROW = 220, 9
STRIP_HEIGHT = 270
EVERY = 3  # hours between two labels

# Sun's altitude (degrees) -> colour of the sky; between two it is a mixture of them
SKY = (
    (-18.0, (13, 20, 46)),
    (-12.0, (24, 38, 80)),
    (-6.0, (48, 74, 128)),
    (-0.8, (112, 148, 196)),
    (6.0, (160, 203, 236)),
)
BARS = {GOOD: "#5df0a2", WORTHWHILE: "#c6ea6c", 0.0: "#b9c9e2"}
MOONLIGHT = "#e2b93b"
WHITE = "fill:#fff;font-weight:700;font-size:12px"
STRONG = "fill:var(--ink,CanvasText);font-weight:600;font-size:13px"

KP_MOST, KP_TOP, KP_FLOOR, KP_HEIGHT = 9, 26, 112, 148
STORM = 5  # from here on it is a geomagnetic storm (NOAA's G1)
KP_COLOURS = {5: "#d4553f", 4: "#d99a2b", 0: "#3f9c78"}

CRISP = 'shape-rendering="crispEdges"'  # no seams between neighbours
SCENE = (360, 240)  # the picture of the sky
HORIZON = 196
STARS, TREES, FLAKES = 70, 26, 60
# A curtain: height of its lower edge, how far it waves, how high it reaches, where it begins to
# wave, from green below to violet above
CURTAINS = ((92, 10, 78, 0.3), (128, 13, 92, 2.1), (158, 8, 66, 4.0))
GREENS = ("#7dffb5", "#58f2a0", "#3fdc92", "#33c08d", "#4a9a96", "#6f78b4", "#8a5fb8")
NIGHT, DAY = ((11, 18, 44), (38, 60, 100)), ((96, 158, 216), (205, 228, 243))


# The strip


def strip_svg(rows: Iterable[Any], zone: str, now: pd.Timestamp | None = None) -> str:
    """Draw the hours of one night: chance of aurora on the darkness, cloud layers, moon, clocks.

    `rows` are up to 24, noon to noon UTC; `zone` is the local clock's. The best hour is marked
    with its probability, and `now` where it is one of these hours.
    """
    rows = list(rows)
    start = noon(rows[0].valid_hour)
    inside = [
        _text((LEFT, 18), night_words(start, zone), style=STRONG),
        *(_sky_cell(row, start) for row in rows),
        *_share_lines(),
        *(_bar(row, start) for row in rows if row.probability > 0),
        _best(rows, start),
        *_clouds(rows, start),
        *_moons(rows, start),
        *_clocks(start, zone),
        _now(start, now),
        *(_tip(row, start, zone) for row in rows),
    ]
    return _svg((WIDTH, STRIP_HEIGHT), strip_words(rows, zone), inside)


def strip_words(rows: Sequence[Any], zone: str) -> str:
    """Say in words what `strip_svg` draws."""
    start = noon(rows[0].valid_hour)
    top = max(rows, key=lambda row: row.probability)
    dark = [row.valid_hour for row in rows if row.sun_altitude < DARK]
    parts = [
        f"dark from {dark[0]:%H} to {dark[-1] + HOUR:%H} UTC" if dark else "it does not get dark",
        f"the best hour is {clock(top.valid_hour)}, {percent(top.probability)}, "
        f"{sky_words(top.cloud_cover, top.icon)}"
        if top.probability > 0
        else "no hour has a chance of aurora",
    ]
    return f"{night_words(start, zone)}: {'; '.join(parts)}"


def night_words(start: pd.Timestamp, zone: str) -> str:
    """Name the night that begins at a noon by its two days on the local clock."""
    first, last = (moment.tz_convert(zone) for moment in (start, start + 18 * HOUR))
    month = "" if first.month == last.month else f" {first:%b}"
    return f"{first:%a} {first.day}{month} to {last:%a} {last.day} {last:%b}"


def sky_colour(sun_altitude: float) -> str:
    """Give the colour of the sky with the sun that high (degrees)."""
    at = min(max(sun_altitude, SKY[0][0]), SKY[-1][0])
    for (low, dark), (high, bright) in pairwise(SKY):
        if at <= high:
            return _mixed(dark, bright, (at - low) / (high - low))
    return _mixed(SKY[-1][1], SKY[-1][1], 0)


def bar_colour(probability: float) -> str:
    """Give the colour of a probability: good, worthwhile or less."""
    return next(colour for least, colour in BARS.items() if probability >= least)


def _sky_cell(row: Any, start: pd.Timestamp) -> str:
    look = f'fill="{sky_colour(row.sun_altitude)}" {CRISP}'
    return _rect((_x(row.valid_hour, start), TOP - ROOM), (CELL, FLOOR - TOP + ROOM), look)


def _share_lines() -> list[str]:
    lines = [
        f'<path d="M{LEFT} {_y(share):g}H{RIGHT}" stroke="#fff" stroke-opacity=".45" '
        'stroke-dasharray="2 3"/>'
        for share in (WORTHWHILE, GOOD)
    ]
    labels = [
        _text((LEFT - 5, _y(share) + 4), f"{share:.0%}", "end")
        for share in (0, WORTHWHILE, GOOD, 1)
    ]
    return lines + labels


def _bar(row: Any, start: pd.Timestamp) -> str:
    top = _y(row.probability)
    look = f'fill="{bar_colour(row.probability)}" rx="1.5"'
    return _rect((_x(row.valid_hour, start) + 1, top), (CELL - 2, FLOOR - top), look)


def _best(rows: Sequence[Any], start: pd.Timestamp) -> str:
    """Mark the best hour, if there is a chance at all."""
    top = max(rows, key=lambda row: row.probability)
    if top.probability <= 0:
        return ""
    x, y = _x(top.valid_hour, start) + CELL / 2, _y(top.probability)
    place = min(max(x, LEFT + 16), RIGHT - 16)
    arrow = f'<path d="M{x - 4:g} {y - 8:g}h8l-4 6z" fill="#fff"/>'
    return arrow + _text((place, y - 11), percent(top.probability), "middle", WHITE)


def _clouds(rows: Sequence[Any], start: pd.Timestamp) -> list[str]:
    """Draw the layers of cloud, or all cloud as one where layers are not known."""
    layered = any(known(getattr(row, layer)) for row in rows for layer in CLOUDS)
    tall = CLOUD_ROW if layered else 3 * CLOUD_ROW
    drawn = []
    for k, (column, name) in enumerate((CLOUDS if layered else {"cloud_cover": "cloud"}).items()):
        y = CLOUD_TOP + k * tall
        drawn.append(_text((LEFT - 5, y + tall / 2 + 4), name, "end"))
        drawn += [_cloud(_x(row.valid_hour, start), y, tall, getattr(row, column)) for row in rows]
    frame = 'fill="none" stroke="var(--line,#8888)"'
    return [*drawn, _rect((LEFT, CLOUD_TOP), (RIGHT - LEFT, 3 * CLOUD_ROW), frame)]


def _cloud(x: float, y: float, tall: float, cover: float) -> str:
    if not known(cover):
        return _text((x + CELL / 2, y + tall / 2 + 4), "?", "middle")
    if cover < 1:
        return ""
    look = f'fill="var(--ink,CanvasText)" fill-opacity="{0.72 * cover / 100:.2f}"'
    return _rect((x, y), (CELL, tall - 1), look)


def _moons(rows: Sequence[Any], start: pd.Timestamp) -> list[str]:
    """Draw when the moon is up, the more of it is lit the stronger."""
    up = [row for row in rows if row.moon_altitude > 0]
    drawn = [
        _rect(
            (_x(row.valid_hour, start), MOON_TOP),
            (CELL, MOON_ROW),
            f'fill="{MOONLIGHT}" fill-opacity="{0.15 + 0.85 * row.moon_lit:.2f}"',
        )
        for row in up
    ]
    return [_text((LEFT - 5, MOON_TOP + 8), "moon", "end"), *drawn]


def _clocks(start: pd.Timestamp, zone: str) -> list[str]:
    hours = [start + k * HOUR for k in range(0, 25, EVERY)]
    rows = ((MOON_TOP + 26, "UTC", UTC), (MOON_TOP + 41, f"{start.tz_convert(zone):%Z}", zone))
    drawn = []
    for y, name, clock_zone in rows:
        drawn.append(_text((LEFT - 12, y), name, "end"))
        drawn += [
            _text((_x(hour, start), y), f"{hour.tz_convert(clock_zone):%H}", "middle")
            for hour in hours
        ]
    return drawn


def _now(start: pd.Timestamp, now: pd.Timestamp | None) -> str:
    if now is None or not start <= now < start + 24 * HOUR:
        return ""
    x = round(LEFT + (now - start) / HOUR * CELL, 1)
    style = "fill:var(--warn,#b60);font-weight:700"
    return (
        f'<path d="M{x:g} {TOP - ROOM}V{MOON_TOP + MOON_ROW}" stroke="var(--warn,#b60)" '
        'stroke-width="2"/>'
        + _text((min(max(x, LEFT + 12), RIGHT - 12), TOP - ROOM - 4), "now", "middle", style)
    )


def _tip(row: Any, start: pd.Timestamp, zone: str) -> str:
    """Say all about an hour to who points at it."""
    words = hour_words(row, zone)
    where = _rect(
        (_x(row.valid_hour, start), TOP - ROOM), (CELL, MOON_TOP - TOP + ROOM + MOON_ROW), "", words
    )
    return where.replace("<rect", '<rect fill="transparent"', 1)


def hour_words(row: Any, zone: str) -> str:
    """Say what is expected of an hour."""
    kp = f"Kp {row.kp:.1f}" if known(row.kp) else "Kp unknown"
    cloud = f"{row.cloud_cover:.0f}% cloud" if known(row.cloud_cover) else "cloud unknown"
    return (
        f"{clock(row.valid_hour)} ({clock(row.valid_hour, zone)}): "
        f"{percent(row.probability)}, {cloud}, {kp}, sun at {row.sun_altitude:.0f}°"
    )


def _x(hour: pd.Timestamp, start: pd.Timestamp) -> float:
    return LEFT + (hour - start) / HOUR * CELL


def _y(share: float) -> float:
    return round(FLOOR - share * (FLOOR - TOP), 1)


# The geomagnetic index


def kp_svg(blocks: Sequence[Block], zone: str) -> str:
    """Draw the index of one night in blocks of three hours, with the quartiles where known.

    Blocks that nobody forecast, in which the index is taken to fall back to its usual level, have
    a dashed outline.
    """
    start = noon(blocks[0].start)
    inside = [
        _text((LEFT, 14), night_words(start, zone), style=STRONG),
        *_kp_lines(),
        *(_kp_bar(block, start) for block in blocks),
        *(
            _text((_x(start + k * HOUR, start), KP_FLOOR + 16), f"{(12 + k) % 24:02}", "middle")
            for k in range(0, 25, EVERY)
        ),
        _text((LEFT - 12, KP_FLOOR + 16), "UTC", "end"),
    ]
    return _svg((WIDTH, KP_HEIGHT - 12), kp_words(blocks, zone), inside)


def kp_words(blocks: Sequence[Block], zone: str) -> str:
    """Say in words what `kp_svg` draws."""
    said = [
        f"{block.start:%H} to {block.start + 3 * HOUR:%H} UTC "
        + (f"{block.kp:.1f}" if known(block.kp) else "unknown")
        for block in blocks
    ]
    return f"Kp, {night_words(noon(blocks[0].start), zone)}: {', '.join(said)}"


def kp_colour(kp: float) -> str:
    """Give the colour of an index: quiet, active or storm."""
    return next(colour for least, colour in KP_COLOURS.items() if kp >= least)


def _kp_lines() -> list[str]:
    drawn = []
    for level in (0, STORM, KP_MOST):
        dash = ' stroke-dasharray="4 3"' if level == STORM else ""
        drawn.append(
            f'<path d="M{LEFT} {_kp_y(level):g}H{RIGHT}" stroke="var(--line,#8888)"{dash}/>'
        )
        drawn.append(_text((LEFT - 5, _kp_y(level) + 4), str(level), "end"))
    return [*drawn, _text((LEFT - 5, _kp_y(STORM) - 8), "storm", "end")]


def _kp_bar(block: Block, start: pd.Timestamp) -> str:
    x, wide = _x(block.start, start) + 3, 3 * CELL - 6
    if not known(block.kp):
        return _text((x + wide / 2, KP_FLOOR - 6), "?", "middle")
    y = _kp_y(block.kp)
    colour = kp_colour(block.kp)
    look = f'fill="{colour}" rx="2"'
    if block.kp_from == "none":
        look = f'fill="{colour}" fill-opacity=".25" stroke="{colour}" stroke-dasharray="3 2" rx="2"'
    bar = _rect((x, y), (wide, max(KP_FLOOR - y, 1)), look)
    spread, top = "", y
    if known(block.low) and known(block.high):
        middle, top = x + wide / 2, min(_kp_y(block.high), y)
        spread = (
            f'<path d="M{middle:g} {_kp_y(block.low):g}V{_kp_y(block.high):g}m-4 0h8'
            f'M{middle - 4:g} {_kp_y(block.low):g}h8" fill="none" '
            'stroke="var(--ink,CanvasText)" stroke-width="1.5"/>'
        )
    style = "fill:var(--ink,CanvasText);font-weight:600"
    return bar + spread + _text((x + wide / 2, top - 4), f"{block.kp:.1f}", "middle", style)


def _kp_y(kp: float) -> float:
    return round(KP_FLOOR - min(max(kp, 0), KP_MOST) / KP_MOST * (KP_FLOOR - KP_TOP), 1)


# The moon


def moon_svg(lit: float, waxing: bool) -> str:
    """Draw the moon with its lit share (0 to 1), the right side first as seen from the north."""
    lit = min(max(lit, 0.0), 1.0)
    radius, side = 40, 1 if waxing else 0
    # The edge of the lit part is half an ellipse, bent inwards for a crescent
    across = abs(1 - 2 * lit) * radius
    bend = side if lit > 0.5 else 1 - side
    limb = f"M50 10A40 40 0 0 {side} 50 90"
    edge = f"A{across:.1f} {radius} 0 0 {bend} 50 10z"
    inside = [
        '<circle cx="50" cy="50" r="40" fill="#39425a" stroke="#6b7690"/>',
        f'<path d="{limb}{edge}" fill="#f3e9c6"/>' if lit > 0.005 else "",
        '<g fill="#8d8668" fill-opacity=".3"><circle cx="38" cy="36" r="9"/>'
        '<circle cx="60" cy="58" r="12"/><circle cx="63" cy="31" r="6"/>'
        '<circle cx="37" cy="66" r="6"/></g>',
    ]
    return _svg((100, 100), moon_words(lit, waxing), inside)


def moon_words(lit: float, waxing: bool) -> str:
    """Name the phase of the moon."""
    if lit < 0.02:
        name = "New moon"
    elif lit > 0.98:
        name = "Full moon"
    else:
        shape = "crescent" if lit < 0.5 else "gibbous"
        name = f"{'Waxing' if waxing else 'Waning'} {shape} moon"
    return f"{name}, {percent(lit)} lit"


# The sky


class Weather(NamedTuple):
    """What an icon word means for a picture: how many clouds, what falls, whether there is fog."""

    clouds: int = 0
    falling: str = ""
    fog: bool = False
    wind: bool = False


WEATHER = {
    "clear-day": Weather(),
    "clear-night": Weather(),
    "partly-cloudy-day": Weather(3),
    "partly-cloudy-night": Weather(3),
    "cloudy": Weather(8),
    "fog": Weather(2, fog=True),
    "rain": Weather(8, "rain"),
    "snow": Weather(8, "snow"),
    "wind": Weather(2, wind=True),
}


def sky_svg(aurora: bool, icon: str = "clear-night") -> str:
    """Draw the sky over a forest with or without aurora, in the weather of an icon word."""
    weather, day = WEATHER[icon], icon.endswith("-day")
    inside = [
        *_air(DAY if day else NIGHT),
        _sun() if day else _stars(),
        _curtains() if aurora else "",
        _cloud_bank(weather.clouds, day),
        _forest(weather.wind),
        _falling(weather.falling),
        _fog() if weather.fog else "",
    ]
    time = "day" if day else "night"
    seen = "with green curtains of aurora" if aurora else "without aurora"
    said = f"A drawn {time} sky {seen}; weather: {icon.replace('-', ' ')}"
    return _svg(SCENE, said, inside)


def _air(colours: tuple) -> list[str]:
    steps = 28
    tall = HORIZON / steps
    return [
        _rect(
            (0, k * tall), (SCENE[0], tall), f'fill="{_mixed(*colours, k / (steps - 1))}" {CRISP}'
        )
        for k in range(steps)
    ]


def _stars() -> str:
    random = Random(1)
    dots = []
    for _ in range(STARS):
        x, y = random.uniform(2, SCENE[0] - 2), random.uniform(2, HORIZON - 30)
        dots.append(f"M{x:.0f} {y:.0f}h.01")
    small, large = "".join(dots[12:]), "".join(dots[:12])
    return (
        '<g fill="none" stroke="#fff" stroke-linecap="round">'
        f'<path d="{small}" stroke-width="1.5" stroke-opacity=".75"/>'
        f'<path d="{large}" stroke-width="2.6"/></g>'
    )


def _sun() -> str:
    return (
        '<circle cx="290" cy="56" r="34" fill="#fff6cf" fill-opacity=".35"/>'
        '<circle cx="290" cy="56" r="20" fill="#ffe58a"/>'
    )


def _curtains() -> str:
    drawn = "".join(_curtain(*curtain) for curtain in CURTAINS)
    return f'<g style="filter:blur(1.6px)">{drawn}</g>'


def _curtain(low: float, wave: float, high: float, phase: float) -> str:
    """Draw a curtain: sheets that share their lower edge, each reaching higher and fainter."""
    places = range(-10, SCENE[0] + 11, 10)
    edge = [(x, _edge(x, low, wave, phase)) for x in places]
    sheets = []
    for k, colour in reversed(list(enumerate(GREENS))):  # the lowest and brightest in front
        share = (k + 1) / len(GREENS)
        top = [(x, y - high * share * _reach(x, phase)) for x, y in reversed(edge)]
        line = "L".join(f"{x:.0f} {y:.0f}" for x, y in [*edge, *top])
        sheets.append(f'<path d="M{line}z" fill="{colour}" fill-opacity="{0.42 - 0.045 * k:.2f}"/>')
    rays = "".join(
        f"M{x} {_edge(x, low, wave, phase):.0f}v-{high * 0.8 * _reach(x, phase):.0f}"
        for x in range(4, SCENE[0], 9)
    )
    seam = "L".join(f"{x:.0f} {y:.0f}" for x, y in edge)
    return (
        "".join(sheets)
        + f'<path d="{rays}" fill="none" stroke="#b8ffd6" stroke-opacity=".16" stroke-width="3"/>'
        + f'<path d="M{seam}" fill="none" stroke="#d2ffe4" stroke-opacity=".6" stroke-width="2"/>'
    )


def _edge(x: float, low: float, wave: float, phase: float) -> float:
    turn = 2 * pi * x / SCENE[0]
    return low + wave * (sin(1.3 * turn + phase) + 0.5 * sin(3.1 * turn + 2 * phase))


def _reach(x: float, phase: float) -> float:
    """How much of its height a curtain reaches above a place: rays of different length."""
    turn = 2 * pi * x / SCENE[0]
    return 0.7 + 0.2 * sin(5 * turn + phase) + 0.1 * sin(17 * turn)


def _cloud_bank(count: int, day: bool) -> str:
    """Draw clouds, each of three puffs, so many that 8 cover the sky."""
    if not count:
        return ""
    random = Random(2)
    colour = "#f4f7fa" if day else "#4a566e"
    drawn = []
    for k in range(count):
        x = (k + 0.5) * SCENE[0] / count + random.uniform(-10, 10)
        y, size = random.uniform(28, 104), random.uniform(30, 42) * (1.35 if count > 4 else 1)
        for aside, up, share in ((-0.9, 0.25, 0.7), (0, 0, 1), (0.95, 0.3, 0.65)):
            drawn.append(
                f'<ellipse cx="{x + aside * size:.0f}" cy="{y + up * size:.0f}" '
                f'rx="{size * share * 1.25:.0f}" ry="{size * share * 0.62:.0f}"/>'
            )
    opacity = ".93" if count > 4 else ".88"
    return f'<g fill="{colour}" fill-opacity="{opacity}">{"".join(drawn)}</g>'


def _forest(wind: bool) -> str:
    """Draw hills and spruces against the sky; in the wind they bend."""
    random = Random(3)
    width, height = SCENE
    lean = 7 if wind else 0
    trees = []
    for k in range(TREES):
        x = (k + random.uniform(0.2, 0.8)) * width / TREES
        tall, half = random.uniform(22, 46), random.uniform(5, 8)
        foot = HORIZON + 8 + 6 * sin(x / 40)
        trees.append(
            f"M{x - half:.0f} {foot:.0f}Q{x:.0f} {foot - tall / 2:.0f} {x + lean:.0f} "
            f"{foot - tall:.0f}Q{x + lean / 2:.0f} {foot - tall / 2:.0f} {x + half:.0f} {foot:.0f}z"
        )
    hills = (
        f"M0 {HORIZON - 8}Q90 {HORIZON - 34} 190 {HORIZON - 10}T{width} {HORIZON - 16}V{height}H0z"
    )
    ground = (
        f"M0 {HORIZON + 4}Q90 {HORIZON - 6} 180 {HORIZON + 4}T{width} {HORIZON + 2}V{height}H0z"
    )
    return (
        f'<path d="{hills}" fill="#16233d"/><path d="{"".join(trees)}" fill="#0a121f"/>'
        f'<path d="{ground}" fill="#0a121f"/>'
    )


def _falling(what: str) -> str:
    if not what:
        return ""
    random = Random(4)
    places = [
        (random.uniform(0, SCENE[0]), random.uniform(60, SCENE[1] - 14)) for _ in range(FLAKES)
    ]
    line, look = ("l-4 12", 'stroke="#a9c8ea" stroke-width="1.4"')
    if what == "snow":
        line, look = "h.01", 'stroke="#fff" stroke-width="3.4" stroke-linecap="round"'
    path = "".join(f"M{x:.0f} {y:.0f}{line}" for x, y in places)
    return f'<path d="{path}" fill="none" stroke-opacity=".85" {look}/>'


def _fog() -> str:
    bands = "".join(
        _rect((0, y), (SCENE[0], 26), f'fill="#c9d2dc" fill-opacity="{opacity}"')
        for y, opacity in ((96, 0.25), (118, 0.4), (140, 0.55), (162, 0.65), (184, 0.6), (206, 0.5))
    )
    return f'<g style="filter:blur(5px)">{bands}</g>'


# SVG


def _svg(size: tuple[int, int], said: str, inside: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" role="img" '
        f'aria-label="{escape(said)}" fill="currentColor" font-family="system-ui, sans-serif" '
        f'font-size="11">{"".join(inside)}</svg>'
    )


def _rect(at: tuple[float, float], size: tuple[float, float], look: str, tip: str = "") -> str:
    numbers = (round(number, 1) for number in (*at, *size))
    x, y, wide, tall = (f"{number:g}" for number in numbers)
    open_tag = f'<rect x="{x}" y="{y}" width="{wide}" height="{tall}"{f" {look}" if look else ""}'
    return f"{open_tag}><title>{escape(tip)}</title></rect>" if tip else f"{open_tag}/>"


def _text(at: tuple[float, float], text: str, anchor: str = "start", style: str = "") -> str:
    x, y = (f"{round(number, 1):g}" for number in at)
    styled = f' style="{style}"' if style else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{styled}>{escape(text)}</text>'


def _mixed(first: tuple, last: tuple, share: float) -> str:
    mixed = (round(a + (b - a) * share) for a, b in zip(first, last, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)
