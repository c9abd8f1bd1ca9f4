"""Pictures of a valuation as SVG text: a map, the value with its ranges, why, and over time.

Functions of plain values. Nothing is fetched, no element has an id, and what a colour says is said
in words as well. Land, water and names of Stockholm are drawn by hand, in rough shape; other towns
show by where their flats are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

import numpy as np
import pandas as pd

from housing.advice import Moment, money

WIDTH = 360  # units, of every picture: about a phone's
COLOURS = ("#4f6bd8", "#2f9fb5", "#57a94a", "#dfa320", "#d9482f")  # from cheap to dear per m²
KM_PER_DEGREE = 111.2  # of latitude
MARGIN = 0.06  # of the map around the flats
LOW, HIGH = 0.75, 1.05  # height of the map over its width, at least and at most
MOST_DOTS = 600
BY = 9.0  # units that rings on one spot are put apart
INK, SOFT, LINE = "var(--ink,CanvasText)", "var(--soft,GrayText)", "var(--line,#8888)"
ACCENT, WARN = "var(--accent,#0b6bcb)", "var(--warn,#b60)"
WATER, LAND = "light-dark(#c9dfee,#172c3f)", "light-dark(#f4f2ea,#2a323a)"
STRONG = f"fill:{INK};font-weight:700"

# Stockholm: latitude and longitude of shores, clockwise, from public geography by eye
STOCKHOLM = {
    "north": (
        (59.420, 17.930), (59.365, 17.959), (59.359, 17.969), (59.352, 17.980), (59.346, 17.990),
        (59.3420, 18.002), (59.3410, 18.012), (59.3412, 18.022), (59.3412, 18.034),
        (59.3390, 18.043), (59.3350, 18.0515), (59.3305, 18.0560), (59.3285, 18.0590),
        (59.3285, 18.0650), (59.3292, 18.0690), (59.3296, 18.0725), (59.3280, 18.0772),
        (59.3300, 18.0790), (59.3325, 18.0770), (59.3320, 18.0850), (59.3322, 18.0930),
        (59.3327, 18.1010), (59.3325, 18.1080), (59.3338, 18.1160), (59.3337, 18.1300),
        (59.3335, 18.1420), (59.3385, 18.1380), (59.3410, 18.1340), (59.3430, 18.1260),
        (59.3470, 18.1260), (59.3495, 18.1150), (59.3540, 18.1110), (59.3580, 18.1050),
        (59.3610, 18.0980), (59.3615, 18.0860), (59.3640, 18.0960), (59.3720, 18.0900),
        (59.3800, 18.0800), (59.420, 18.070),
    ),
    "kungsholmen": (
        (59.3272, 18.0540), (59.3300, 18.0530), (59.3335, 18.0497), (59.3372, 18.0440),
        (59.3394, 18.0365), (59.3396, 18.0200), (59.3390, 18.0085), (59.3370, 18.0005),
        (59.3335, 17.9985), (59.3308, 17.9995), (59.3285, 18.0065), (59.3262, 18.0165),
        (59.3242, 18.0195), (59.3255, 18.0225), (59.3285, 18.0270), (59.3278, 18.0350),
        (59.3272, 18.0450),
    ),
    "södermalm": (
        (59.3203, 18.0700), (59.3200, 18.0740), (59.3185, 18.0850), (59.3175, 18.0950),
        (59.3147, 18.1060), (59.3125, 18.1040), (59.3085, 18.0930), (59.3060, 18.0845),
        (59.3040, 18.0760), (59.3042, 18.0650), (59.3068, 18.0550), (59.3100, 18.0460),
        (59.3125, 18.0390), (59.3132, 18.0320), (59.3160, 18.0285), (59.3190, 18.0335),
        (59.3200, 18.0430), (59.3205, 18.0550), (59.3202, 18.0640),
    ),
    "gamla stan": (
        (59.3281, 18.0680), (59.3265, 18.0735), (59.3245, 18.0768), (59.3222, 18.0748),
        (59.3211, 18.0720), (59.3228, 18.0680), (59.3236, 18.0625), (59.3250, 18.0612),
        (59.3262, 18.0650),
    ),
    "skeppsholmen": (
        (59.3278, 18.0800), (59.3272, 18.0865), (59.3245, 18.0870), (59.3225, 18.0930),
        (59.3215, 18.0900), (59.3242, 18.0800),
    ),
    "djurgården": (
        (59.3308, 18.0935), (59.3298, 18.1050), (59.3310, 18.1160), (59.3320, 18.1300),
        (59.3320, 18.1415), (59.3270, 18.1500), (59.3225, 18.1570), (59.3205, 18.1400),
        (59.3215, 18.1250), (59.3200, 18.1110), (59.3225, 18.0985), (59.3240, 18.0940),
        (59.3280, 18.0905),
    ),
    "stora essingen": (
        (59.3250, 17.9880), (59.3235, 17.9975), (59.3190, 18.0010), (59.3160, 17.9950),
        (59.3165, 17.9850), (59.3205, 17.9810),
    ),
    "lilla essingen": (
        (59.3274, 18.0015), (59.3266, 18.0070), (59.3240, 18.0085), (59.3228, 18.0040),
        (59.3250, 18.0000),
    ),
    "långholmen": (
        (59.3215, 18.0190), (59.3231, 18.0260), (59.3215, 18.0335), (59.3197, 18.0315),
        (59.3202, 18.0220),
    ),
    "reimersholme": (
        (59.3185, 18.0175), (59.3192, 18.0220), (59.3167, 18.0255), (59.3155, 18.0190),
    ),
    "bromma": (
        (59.420, 17.930), (59.364, 17.956), (59.357, 17.964), (59.350, 17.969), (59.344, 17.979),
        (59.3385, 17.9880), (59.3350, 17.9920), (59.3320, 17.9830), (59.3285, 17.9800),
        (59.3245, 17.9660), (59.3200, 17.9560), (59.3160, 17.9480), (59.3175, 17.9330),
        (59.3235, 17.9200), (59.3280, 17.9070), (59.3380, 17.8900), (59.3500, 17.8600),
        (59.3700, 17.8000), (59.420, 17.800),
    ),
    "south": (
        (59.200, 17.800), (59.275, 17.880), (59.290, 17.908), (59.300, 17.926), (59.304, 17.950),
        (59.3085, 17.9680), (59.3105, 17.9840), (59.3145, 17.9920), (59.3170, 18.0000),
        (59.3187, 18.0065), (59.3172, 18.0130), (59.3128, 18.0220), (59.3108, 18.0310),
        (59.3065, 18.0340), (59.3030, 18.0450), (59.3008, 18.0560), (59.3003, 18.0680),
        (59.3020, 18.0760), (59.3035, 18.0830), (59.3030, 18.0960), (59.3055, 18.1035),
        (59.3090, 18.1065), (59.3132, 18.1090), (59.3152, 18.1130), (59.3172, 18.1260),
        (59.3178, 18.1430), (59.3170, 18.1620), (59.3190, 18.2000), (59.3250, 18.2600),
        (59.200, 18.300),
    ),
    "lidingö": (
        (59.420, 18.105), (59.370, 18.1110), (59.3600, 18.1170), (59.3540, 18.1280),
        (59.3480, 18.1420), (59.3430, 18.1600), (59.3470, 18.1900), (59.3500, 18.2300),
        (59.420, 18.300),
    ),
}  # fmt: skip
LAKES = {
    "brunnsviken": (
        (59.3560, 18.0440), (59.3590, 18.0390), (59.3660, 18.0390), (59.3720, 18.0340),
        (59.3760, 18.0400), (59.3700, 18.0480), (59.3640, 18.0500), (59.3590, 18.0520),
    ),
    "trekanten": ((59.3128, 18.0100), (59.3135, 18.0170), (59.3120, 18.0180), (59.3112, 18.0110)),
    "råstasjön": ((59.3690, 17.9930), (59.3720, 17.9990), (59.3700, 18.0050), (59.3675, 17.9990)),
}  # fmt: skip
BORDERS = (  # between districts that no water parts
    ((59.3375, 18.0455), (59.3408, 18.0630)),
    ((59.3325, 18.0768), (59.3408, 18.0630), (59.3525, 18.0585)),
    ((59.3525, 18.0585), (59.3390, 18.0960), (59.3327, 18.1010)),
    ((59.3412, 18.0260), (59.3470, 18.0330), (59.3515, 18.0470), (59.3525, 18.0585)),
)
NAMES = {
    "Vasastan": (59.3445, 18.0470), "Norrmalm": (59.3345, 18.0630), "Östermalm": (59.3385, 18.0810),
    "Gärdet": (59.3420, 18.1060), "Kungsholmen": (59.3325, 18.0270),
    "Gamla stan": (59.3248, 18.0690),
    "Södermalm": (59.3125, 18.0680), "Djurgården": (59.3255, 18.1200), "Solna": (59.3600, 18.0050),
    "Bromma": (59.3380, 17.9450), "Liljeholmen": (59.3080, 18.0120), "Årsta": (59.2950, 18.0500),
    "Hammarby sjöstad": (59.3000, 18.1020), "Essingen": (59.3205, 17.9910),
    "Lidingö": (59.3600, 18.1500), "Nacka": (59.3080, 18.1500), "Hägersten": (59.2990, 17.9750),
    "Hjorthagen": (59.3560, 18.0960), "Enskede": (59.2830, 18.0750),
}  # fmt: skip


class Point(NamedTuple):
    """Something on the map: latitude, longitude and what is said to who points at it."""

    latitude: float
    longitude: float
    words: str


@dataclass(frozen=True)
class Frame:
    """What a map shows, in degrees."""

    south: float
    north: float
    west: float
    east: float

    @property
    def height(self) -> float:
        """Units from north to south."""
        across = (self.east - self.west) * math.cos(math.radians((self.south + self.north) / 2))
        return round(WIDTH * (self.north - self.south) / across, 1)

    def place(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Give where coordinates are on the map."""
        x = WIDTH * (longitude - self.west) / (self.east - self.west)
        y = self.height * (self.north - latitude) / (self.north - self.south)
        return round(x, 1), round(y, 1)

    def coordinates(self, x: float, y: float) -> tuple[float, float]:
        """Give latitude and longitude of a place on the map; ValueError for one beside it."""
        if not (0 <= x <= WIDTH and 0 <= y <= self.height):
            raise ValueError(f"({x}, {y}) is beside the map")
        latitude = self.north - (self.north - self.south) * y / self.height
        longitude = self.west + (self.east - self.west) * x / WIDTH
        return round(latitude, 6), round(longitude, 6)


# The map


def frame(latitude: Sequence[float], longitude: Sequence[float]) -> Frame | None:
    """Give a frame around almost all of some places; None when there are none."""
    latitude, longitude = (np.asarray(values, dtype=float) for values in (latitude, longitude))
    there = ~np.isnan(latitude + longitude)
    if not there.any():
        return None
    (south, north), (west, east) = (
        np.quantile(values[there], (0.005, 0.995)) for values in (latitude, longitude)
    )
    middle, shrink = (south + north) / 2, math.cos(math.radians((south + north) / 2))
    tall = max((north - south) * (1 + 2 * MARGIN), 0.01)
    wide = max((east - west) * (1 + 2 * MARGIN) * shrink, 0.01)
    tall, wide = max(tall, LOW * wide), max(wide, tall / HIGH)
    across = wide / shrink
    centre = (west + east) / 2
    return Frame(middle - tall / 2, middle + tall / 2, centre - across / 2, centre + across / 2)


def map_svg(
    shown: Frame, sales: pd.DataFrame, flat: Point | None = None, near: Sequence[Point] = ()
) -> str:
    """Draw a map: sales coloured by price per m², comparable ones with their ranks, and the flat.

    In: `sales` with latitude, longitude and per_m2.
    """
    bins = price_classes(sales)
    inside = [
        *_geography(shown),
        *_dots(shown, sales, bins),
        *_rings(shown, near),
        _pin(shown, flat) if flat else "",
        _scale(shown),
    ]
    return _svg((WIDTH, shown.height), map_words(sales, flat, near), inside)


def map_words(sales: pd.DataFrame, flat: Point | None, near: Sequence[Point]) -> str:
    """Say in words what `map_svg` draws."""
    parts = [f"Map of {len(sales)} sales"]
    if flat:
        parts.append(f"the flat: {flat.words}")
    if near:
        parts.append(f"{len(near)} comparable sales")
    return "; ".join(parts)


def has_geography(shown: Frame) -> bool:
    """Tell whether land and water of Stockholm are on the map."""
    return 59.2 < (shown.south + shown.north) / 2 < 59.42 and 17.8 < shown.west < 18.3


def price_classes(sales: pd.DataFrame) -> list[float]:
    """Give the prices per m² that part the colours: quintiles of those shown."""
    return list(sales["per_m2"].quantile([0.2, 0.4, 0.6, 0.8])) if len(sales) else []


def legend(sales: pd.DataFrame, currency: str) -> str:
    """Say in HTML which colour is which price per m²."""
    ends = price_classes(sales)
    if not ends:
        return ""
    words = [f"below {money(ends[0], currency)}"]
    words += [f"from {money(end, currency)}" for end in ends]
    items = [
        f'<span style="white-space: nowrap; margin-right: .8rem"><span style="color: {colour}" '
        f'aria-hidden="true">●</span> {escape(text)}</span> '
        for colour, text in zip(COLOURS, words, strict=True)
    ]
    return f'<p class="soft" style="font-size: .85rem">Per m²: {"".join(items)}</p>'


def _geography(shown: Frame) -> list[str]:
    ground = _rect((0, 0), (WIDTH, shown.height), f'fill="{LAND}"')
    if not has_geography(shown):
        return [ground]
    land = "".join(_outline(shown, shore) for shore in STOCKHOLM.values())
    lakes = "".join(_outline(shown, shore) for shore in LAKES.values())
    borders = "".join(_outline(shown, line, closed=False) for line in BORDERS)
    return [
        _rect((0, 0), (WIDTH, shown.height), f'fill="{WATER}"'),
        f'<path d="{land}" fill="{LAND}" stroke="{LINE}" stroke-width=".7"/>',
        f'<path d="{lakes}" fill="{WATER}" stroke="{LINE}" stroke-width=".7"/>',
        f'<path d="{borders}" fill="none" stroke="{LINE}" stroke-dasharray="3 3"/>',
        *_names(shown),
    ]


def _names(shown: Frame) -> list[str]:
    style = f"fill:{SOFT};font-size:9.5px;paint-order:stroke;stroke:{LAND};stroke-width:2.5px"
    drawn = []
    for name, where in NAMES.items():
        x, y = shown.place(*where)
        half = 2.6 * len(name)
        if half < x < WIDTH - half and 12 < y < shown.height - 18:
            drawn.append(_text((x, y), name, "middle", style))
    return drawn


def _outline(shown: Frame, points: Iterable[tuple[float, float]], closed: bool = True) -> str:
    places = [shown.place(*point) for point in points]
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in places) + ("z" if closed else "")


def _dots(shown: Frame, sales: pd.DataFrame, bins: Sequence[float]) -> list[str]:
    """Draw the sales, those of one colour as one path."""
    colour = np.searchsorted(bins, sales["per_m2"].to_numpy(), side="right")
    drawn = []
    for place, look in enumerate(COLOURS):
        spots = sales.loc[colour == place, ["latitude", "longitude"]].itertuples(index=False)
        path = "".join(f"M{x:g} {y:g}h.01" for x, y in (shown.place(*spot) for spot in spots))
        if path:
            drawn.append(
                f'<path d="{path}" fill="none" stroke="{look}" stroke-width="4.4" '
                'stroke-linecap="round" stroke-opacity=".8"/>'
            )
    return drawn


def _rings(shown: Frame, near: Sequence[Point]) -> list[str]:
    """Draw comparable sales with their ranks; those on one spot beside each other."""
    taken: list[tuple[float, float]] = []
    drawn = []
    for rank, point in enumerate(near, start=1):
        x, y = shown.place(point.latitude, point.longitude)
        turn = 0
        while any(math.hypot(x - a, y - b) < BY for a, b in taken) and turn < 40:
            turn += 1
            out, angle = BY * (0.5 + turn / 7), turn * math.tau / 6
            x, y = (round(v, 1) for v in (x + out * math.cos(angle), y + out * math.sin(angle)))
        taken.append((x, y))
        ring = (
            f'<circle cx="{x:g}" cy="{y:g}" r="5.6" fill="var(--card,Canvas)" stroke="{INK}" '
            f'stroke-width="1"><title>{escape(point.words)}</title></circle>'
        )
        style = f"fill:{INK};font-size:7.5px;font-weight:700;pointer-events:none"
        drawn.append(ring + _text((x, y + 2.7), str(rank), "middle", style))
    return drawn


def _pin(shown: Frame, flat: Point) -> str:
    x, y = shown.place(flat.latitude, flat.longitude)
    return (
        f'<path d="M{x:g} {y:g}c-2 -6 -7 -8 -7 -13a7 7 0 0 1 14 0c0 5 -5 7 -7 13z" fill="{WARN}" '
        f'stroke="var(--card,Canvas)" stroke-width="1.2"><title>{escape(flat.words)}</title></path>'
        f'<circle cx="{x:g}" cy="{y - 13:g}" r="2.4" fill="var(--card,Canvas)"/>'
    )


def _scale(shown: Frame) -> str:
    """Draw how long a kilometre, or some of them, is."""
    per_km = shown.height / ((shown.north - shown.south) * KM_PER_DEGREE)
    km = next((each for each in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if each * per_km > 40), 50)
    y = shown.height - 8
    name = f"{km:g} km" if km >= 1 else f"{1000 * km:.0f} m"
    return f'<path d="M8 {y - 4:g}v4h{km * per_km:.1f}v-4" fill="none" stroke="{INK}"/>' + _text(
        (12, y - 4), name, style=f"fill:{INK};font-size:9px"
    )


# The value and its ranges


def range_svg(valued: Mapping[str, float], currency: str, other: tuple[str, float] | None) -> str:
    """Draw the value in its 80 and 90 % ranges, and the value of another model beside it."""
    values = [valued["low_90"], valued["high_90"], *([other[1]] if other else [])]
    low, high = min(values), max(values)
    room = (high - low) * 0.06

    def x(amount: float) -> float:
        return round(14 + (WIDTH - 28) * (amount - low + room) / (high - low + 2 * room), 1)

    bands = [
        _rect(
            (x(valued[f"low_{share}"]), 34),
            (x(valued[f"high_{share}"]) - x(valued[f"low_{share}"]), 20),
            f'fill="{ACCENT}" fill-opacity="{strong}" rx="4"',
            f"{share} % range",
        )
        for share, strong in ((90, 0.25), (80, 0.4))
    ]
    ends = [
        _text((x(valued[name]), 70), short(valued[name]), "middle")
        for name in ("low_90", "low_80", "high_80", "high_90")
        if name.endswith("90") or _apart(valued, x, name)
    ]
    middle = x(valued["value"])
    inside = [
        *bands,
        *ends,
        f'<path d="M{middle:g} 30v28" stroke="{INK}" stroke-width="2.5"/>',
        _text((middle, 24), short(valued["value"]), "middle", f"{STRONG};font-size:13px"),
        _text((WIDTH / 2, 86), f"80 and 90 % ranges, in million {currency}", "middle"),
    ]
    if other:
        at = x(other[1])
        inside.append(
            f'<path d="M{at:g} 30l5 -8h-10z" fill="{WARN}"><title>{escape(other[0])}: '
            f"{escape(money(other[1], currency))}</title></path>"
        )
    return _svg((WIDTH, 92), range_words(valued, currency, other), inside)


def _apart(valued: Mapping[str, float], x, name: str) -> bool:
    """Tell whether there is room for the end of the 80 % range beside that of the 90 % range."""
    return abs(x(valued[name]) - x(valued[name.replace("80", "90")])) > 32


def range_words(
    valued: Mapping[str, float], currency: str, other: tuple[str, float] | None = None
) -> str:
    """Say in words what `range_svg` draws."""
    words = f"{money(valued['value'], currency)}"
    for share in (80, 90):
        low, high = (money(valued[f"{end}_{share}"], currency) for end in ("low", "high"))
        words += f"; {share} % range {low} to {high}"
    return f"{words}; {other[0]}: {money(other[1], currency)}" if other else words


def short(amount: float) -> str:
    """Write an amount in millions, to a hundredth."""
    return f"{amount / 1e6:.2f}"


# Why


def contributions_svg(parts: Mapping[str, float], usual: float, currency: str) -> str:
    """Draw how the value grows out of a usual flat's: a step for each input, as a waterfall.

    `parts` maps words to money, in the order to draw them.
    """
    levels = usual + np.concatenate([[0.0], np.cumsum(list(parts.values()))])
    low, high = float(levels.min()), float(levels.max())
    room = max((high - low) * 0.04, 1.0)
    left, right, row = 128.0, WIDTH - 74.0, 22.0

    def x(amount: float) -> float:
        return round(left + (right - left) * (amount - low + room) / (high - low + 2 * room), 1)

    inside = [*_level_row(0, x, usual, "a usual flat", currency, row)]
    for place, (name, change) in enumerate(parts.items(), start=1):
        start, end = x(levels[place - 1]), x(levels[place])
        y = place * row
        colour = ACCENT if change >= 0 else WARN
        inside += [
            _text((left - 8, y + 15), name, "end", f"fill:{INK}"),
            _rect(
                (min(start, end), y + 5),
                (max(abs(end - start), 0.8), 13),
                f'fill="{colour}" rx="2"',
            ),
            f'<path d="M{end:g} {y + 18:g}v9" stroke="{SOFT}" stroke-dasharray="2 2"/>',
            _text((WIDTH - 4, y + 15), _thousands(change), "end", f"fill:{INK}"),
        ]
    last = (len(parts) + 1) * row
    inside += _level_row(last, x, float(levels[-1]), "this flat", currency, row)
    said = contributions_words(parts, usual, currency)
    return _svg((WIDTH, last + row + 18), said, [*inside, _unit(last + row, currency)])


def contributions_words(parts: Mapping[str, float], usual: float, currency: str) -> str:
    """Say in words what `contributions_svg` draws."""
    steps = ", ".join(
        f"{name} {money(change, currency, sign=True)}" for name, change in parts.items()
    )
    value = money(usual + sum(parts.values()), currency)
    return f"From {money(usual, currency)} for a usual flat to {value}: {steps}"


def _level_row(y: float, x, amount: float, name: str, currency: str, row: float) -> list[str]:
    return [
        _text((120, y + 15), name, "end", STRONG),
        f'<path d="M{x(amount):g} {y + 3:g}v{row - 2:g}" stroke="{INK}" stroke-width="2.5"/>',
        _text((WIDTH - 4, y + 15), _thousands(amount, sign=False), "end", STRONG),
    ]


def _unit(y: float, currency: str) -> str:
    return _text((WIDTH - 4, y + 12), f"thousand {currency}", "end")


def _thousands(amount: float, sign: bool = True) -> str:
    rounded = round(amount / 1000) or 0
    mark = "\N{MINUS SIGN}" if rounded < 0 else "+" if sign and rounded > 0 else ""
    return f"{mark}{abs(rounded):,}"


# Over time


def history_svg(
    days: pd.DatetimeIndex,
    values: Sequence[float],
    valued: Mapping[str, float],
    ahead: Moment,
    currency: str,
) -> str:
    """Draw the value over time to its day, where it ends, and the range that opens in a year."""
    height, left, right, top, floor = 190, 34, WIDTH - 10, 14, 150
    start, end = days[0].timestamp(), max(ahead.day, days[-1]).timestamp()
    known = ahead.value is not None
    amounts = [*values, valued["low_90"], valued["high_90"]]
    amounts += [ahead.low, ahead.high] if known else []
    ticks = _ticks(min(amounts), max(amounts))

    def x(day: pd.Timestamp) -> float:
        return round(left + (right - left) * (day.timestamp() - start) / max(end - start, 1), 1)

    def y(amount: float) -> float:
        return round(floor - (floor - top) * (amount - ticks[0]) / (ticks[-1] - ticks[0]), 1)

    now = x(days[-1])
    line = " ".join(f"{x(day):g},{y(value):g}" for day, value in zip(days, values, strict=True))
    inside = [
        *(
            f'<path d="M{left} {y(tick):g}H{right}" stroke="{LINE}"/>'
            + _text((left - 4, y(tick) + 4), f"{tick / 1e6:g}", "end")
            for tick in ticks
        ),
        _cone(x, y, days[-1], valued, ahead) if known else "",
        f'<polyline points="{line}" fill="none" stroke="{ACCENT}" stroke-width="2"/>',
        f'<path d="M{now:g} {y(valued["low_90"]):g}V{y(valued["high_90"]):g}" stroke="{INK}" '
        'stroke-width="1.5"/>',
        f'<circle cx="{now:g}" cy="{y(values[-1]):g}" r="4" fill="{ACCENT}"/>',
        *_years(days[0], pd.Timestamp(end, unit="s", tz="UTC"), x, floor),
        _text((left, height - 6), f"million {currency}"),
        _text((right, height - 6), "dashed: in a year, 90 %" if known else "", "end"),
    ]
    return _svg((WIDTH, height), history_words(days, values, ahead, currency), inside)


def history_words(
    days: pd.DatetimeIndex, values: Sequence[float], ahead: Moment, currency: str
) -> str:
    """Say in words what `history_svg` draws."""
    first, last = (money(value, currency) for value in (values[0], values[-1]))
    words = f"From {first} on {days[0]:%Y-%m-%d} to {last} on {days[-1]:%Y-%m-%d}"
    if ahead.value is None:
        return words
    return f"{words}; in a year from {money(ahead.low, currency)} to {money(ahead.high, currency)}"


def _cone(x, y, day: pd.Timestamp, valued: Mapping[str, float], ahead: Moment) -> str:
    now, then = x(day), x(ahead.day)
    return (
        f'<path d="M{now:g} {y(valued["low_90"]):g}L{then:g} {y(ahead.low):g}V{y(ahead.high):g}'
        f'L{now:g} {y(valued["high_90"]):g}z" fill="{ACCENT}" fill-opacity=".15"/>'
        f'<path d="M{now:g} {y(valued["value"]):g}L{then:g} {y(ahead.value):g}" stroke="{ACCENT}" '
        'stroke-width="2" stroke-dasharray="4 3"/>'
    )


def _years(first: pd.Timestamp, last: pd.Timestamp, x, floor: float) -> list[str]:
    """Mark the beginnings of years, or of quarters where there is no more than two years."""
    marks = pd.date_range(first.normalize(), last, freq="YS")
    form = "%Y"
    if len(marks) < 3:
        marks, form = pd.date_range(first.normalize(), last, freq="QS"), "%b %y"
    every = math.ceil(len(marks) / 7)
    return [
        f'<path d="M{x(mark):g} {floor}v4" stroke="{SOFT}"/>'
        + _text((x(mark), floor + 14), f"{mark:{form}}", "middle")
        for mark in marks[::every]
        if 18 < x(mark) < WIDTH - 12
    ]


def _ticks(low: float, high: float) -> list[float]:
    """Give round amounts that hold low and high between them."""
    rough = max(high - low, 1.0) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 2.5, 5, 10) if power * each >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * place for place in range(first, max(last, first + 1) + 1)]


# SVG


def _svg(size: tuple[float, float], said: str, inside: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]:g} {size[1]:g}" role="img" '
        f'aria-label="{escape(said)}" fill="currentColor" font-family="system-ui, sans-serif" '
        f'font-size="11">{"".join(inside)}</svg>'
    )


def _rect(at: tuple[float, float], size: tuple[float, float], look: str, tip: str = "") -> str:
    x, y, wide, tall = (f"{round(number, 1):g}" for number in (*at, *size))
    open_tag = f'<rect x="{x}" y="{y}" width="{wide}" height="{tall}" {look}'
    return f"{open_tag}><title>{escape(tip)}</title></rect>" if tip else f"{open_tag}/>"


def _text(at: tuple[float, float], text: str, anchor: str = "start", style: str = "") -> str:
    x, y = (f"{round(number, 1):g}" for number in at)
    styled = f' style="{style}"' if style else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{styled}>{escape(text)}</text>'
