"""Comparable sales: for each flat, the most similar sales that were known before its day.

    known = comparables.remember(sales)             sales: `housing.table`, with prices
    near = comparables.find(known, rows, k=10)      near.sales (rows, k): places in known.sales

Similar means near in space, time and size, as `SCALES` weighs them. A sale counts for a flat of
day d when it was sold on d - `KNOWN_AFTER` or before, so its own sale on d never does. Where a
house stands is no news about prices, so a flat without coordinates stands where other sales of its
house, street or district do, whenever they were sold.

Search is exact: the known sales, in the order of their days, are cut into blocks of 2^i sales with
a k-d tree each, and what was known on a day is a handful of whole blocks. n flats take about
n log² n steps and memory for one chunk of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from housing.table import NUMBERS, UNKNOWN

KNOWN_AFTER = pd.Timedelta(days=7)  # from the day of a sale until anybody can know of it
# How much of each is as unlike as one unit of any other
SCALES = {"metres": 225.0, "days": 700.0, "log_area": 0.6}
EARTH = 6_371_009.0  # radius in metres
DAY = np.timedelta64(1, "D")
LEAF = 128  # sales in the smallest block
CHUNK = 16_384  # flats that are searched for together
TEXT_COLUMNS = ("municipality", "district", "street", "number", "association", "agency")
NAMED = ("municipality", "district", "street", "number", "association")
# Where flats without any coordinates are put, in metres: so far from every place on Earth, and
# districts so far from each other, that none is a neighbour; streets so that their own come first
NOWHERE = np.array([1e9, 0.0, 0.0])
STEP, STREET_STEP, HOUSE_STEP = 1e7, 3_000.0, 8.0


@dataclass(frozen=True)
class Spots:
    """Where flats are: in metres from the centre of the Earth, and as numbers of houses.

    `own` says whether the position is that of the flat's own coordinates. Houses, streets and
    associations have numbers, those that no known sale is of have -1.
    """

    position: np.ndarray
    own: np.ndarray
    house: np.ndarray
    street: np.ndarray
    association: np.ndarray


@dataclass(frozen=True)
class Near:
    """The most similar known sales of each flat, the most similar first.

    All arrays are (rows, k). `sales` are places in `Known.sales`, -1 where there are fewer than k;
    `unlike` is the distance in units of `SCALES` (inf there), `metres` that on the ground, NaN
    where one of both has no coordinates, and `weights` fall with `unlike` and sum up to 1.
    """

    sales: np.ndarray
    unlike: np.ndarray
    metres: np.ndarray
    spots: Spots

    @property
    def weights(self) -> np.ndarray:
        """How much each counts: a Gaussian kernel as wide as the half of them are unlike."""
        there = self.sales >= 0
        reach = np.where(there, self.unlike, 0.0)
        width = np.maximum(np.sqrt((reach**2).mean(axis=1, keepdims=True)), 0.1)
        weight = np.where(there, np.exp(-0.5 * (reach / width) ** 2), 0.0)
        return weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)


@dataclass(frozen=True)
class Gazetteer:
    """Where houses, streets and districts are, and the numbers of all names."""

    places: Mapping[str, np.ndarray]
    numbers: Mapping[str, int]

    def locate(self, columns: Mapping[str, np.ndarray]) -> Spots:
        """Give the spots of flats; those without coordinates are where their neighbours are."""
        position = on_earth(columns["latitude"], columns["longitude"])
        own = ~np.isnan(position[:, 0])
        named = [names(*values) for values in zip(*(columns[c] for c in NAMED), strict=True)]
        for row in np.flatnonzero(~own):
            position[row] = self._place(named[row], columns["number"][row])
        houses, streets, _, associations = zip(*named, strict=True) if named else ((),) * 4
        numbered = (self._numbered(of) for of in (houses, streets, associations))
        return Spots(position, own, *numbered)

    def _place(self, named: tuple[str, str, str, str], number: str) -> np.ndarray:
        house, street, district, _ = named
        if house in self.places:
            return self.places[house]
        if street in self.places:
            along = self.places[street]
            past_others = np.array([0.0, 0.0, HOUSE_STEP * _digits(number)])
            return along + past_others if nowhere(along) else along
        return self.places.get(district, NOWHERE)

    def _numbered(self, values: Sequence[str]) -> np.ndarray:
        found = (self.numbers.get(value, -1) for value in values)
        return np.fromiter(found, dtype=np.int64, count=len(values))


@dataclass(frozen=True)
class Known:
    """Sales that comparables come from, in the order of their days, ready to be searched."""

    sales: pd.DataFrame
    gazetteer: Gazetteer
    day: np.ndarray  # since 1970, ascending
    spots: Spots
    points: np.ndarray  # the sales in units of SCALES
    _trees: dict[tuple[int, int], cKDTree] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.day)

    def tree(self, start: int, stop: int) -> cKDTree:
        """Give the k-d tree of a block of sales; whole blocks are kept when first asked for."""
        if stop - start < LEAF:  # each day may have a remainder of its own: too many to keep
            return cKDTree(self.points[start:stop])
        if (start, stop) not in self._trees:
            self._trees[start, stop] = cKDTree(self.points[start:stop])
        return self._trees[start, stop]


def remember(sales: pd.DataFrame) -> Known:
    """Make sales with a price searchable; those without one, or without an area, are left out."""
    usable = (sales["price"] > 0) & (sales["living_area_m2"] > 0) & sales["sold_on"].notna()
    sales = sales[usable].sort_values(["sold_on", "sale_id"], ignore_index=True)
    columns = as_arrays(sales)
    gazetteer = survey(columns)
    spots = gazetteer.locate(columns)
    points = _points(spots.position, columns["day"], columns["living_area_m2"])
    return Known(sales, gazetteer, columns["day"], spots, points)


def find(known: Known, rows: pd.DataFrame | Mapping[str, np.ndarray], k: int = 10) -> Near:
    """Find the k most similar sales of each flat among those known before its day.

    In: `housing.table` rows (or `as_arrays` of them); their prices are not looked at.
    """
    columns = as_arrays(rows) if isinstance(rows, pd.DataFrame) else rows
    spots = known.gazetteer.locate(columns)
    points = _points(spots.position, columns["day"], columns["living_area_m2"])
    until = np.searchsorted(known.day, columns["day"] - KNOWN_AFTER // DAY, side="right")
    places = np.full((len(points), k), -1, dtype=np.int64)
    unlike = np.full((len(points), k), np.inf)
    for start in range(0, len(points), CHUNK):
        part = slice(start, start + CHUNK)
        places[part], unlike[part] = _nearest(known, points[part], until[part], k)
    if not len(known):
        return Near(places, unlike, np.full_like(unlike, np.nan), spots)
    measured = (places >= 0) & spots.own[:, None] & known.spots.own[places]
    apart = np.linalg.norm(known.spots.position[places] - spots.position[:, None], axis=2)
    return Near(places, unlike, np.where(measured, apart, np.nan), spots)


def _nearest(known: Known, points: np.ndarray, until: np.ndarray, k: int):
    """Give places and distances of the k nearest of the first `until` sales of each point."""
    best_place = np.full((len(points), k), -1, dtype=np.int64)
    best = np.full((len(points), k), np.inf)
    for (start, stop), rows in _blocks(until).items():
        found, place = known.tree(start, stop).query(points[rows], k=min(k, stop - start))
        found, place = found.reshape(len(rows), -1), place.reshape(len(rows), -1) + start
        # Of equally near sales the later one: the order must not depend on how blocks are cut
        both = np.concatenate([best[rows], found], axis=1)
        both_places = np.concatenate([best_place[rows], place], axis=1)
        order = np.lexsort((-both_places, both), axis=1)[:, :k]
        best[rows] = np.take_along_axis(both, order, axis=1)
        best_place[rows] = np.take_along_axis(both_places, order, axis=1)
    return best_place, best


def _blocks(until: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    """Give the blocks of sales whose union is 0..until, each with the rows that need it."""
    blocks: dict[tuple[int, int], np.ndarray] = {}
    order = np.argsort(until, kind="stable")
    lengths, firsts = np.unique(until[order], return_index=True)
    members = np.split(order, firsts[1:])
    found: dict[tuple[int, int], list[np.ndarray]] = {}
    for length, rows in zip(lengths.tolist(), members, strict=True):
        for block in _cut(length):
            found.setdefault(block, []).append(rows)
    for block, parts in found.items():
        blocks[block] = np.concatenate(parts)
    return blocks


def _cut(length: int) -> list[tuple[int, int]]:
    """Cut 0..length into blocks of falling powers of two; the last is what is left of a LEAF."""
    blocks, start = [], 0
    while length - start >= LEAF:
        size = 1 << ((length - start).bit_length() - 1)
        blocks.append((start, start + size))
        start += size
    return [*blocks, (start, length)] if start < length else blocks


def as_arrays(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Give the columns of `housing.table` that say something of a flat, and `day` since 1970."""
    texts = rows[list(TEXT_COLUMNS)].to_numpy(dtype=object).T
    numbers = rows[list(NUMBERS)].to_numpy(dtype="float64").T.copy()
    days = rows["sold_on"].to_numpy(dtype="datetime64[D]")
    return {
        **dict(zip(TEXT_COLUMNS, texts, strict=True)),
        **dict(zip(NUMBERS, numbers, strict=True)),
        "day": days.astype(np.int64),
    }


def on_earth(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Give positions (rows, 3) in metres from the centre of the Earth."""
    phi, lam = np.radians(latitude), np.radians(longitude)
    across = np.cos(phi)
    return EARTH * np.column_stack([across * np.cos(lam), across * np.sin(lam), np.sin(phi)])


def names(
    municipality: str, district: str, street: str, number: str, association: str
) -> tuple[str, str, str, str]:
    """Give the names of a flat's house, street, district and association; "" where unknown."""
    town = f"{municipality}|{district}"
    on = f"{town}|{street}" if street != UNKNOWN else ""
    house = f"{on}|{number}" if on and number != UNKNOWN else ""
    return house, on, town, f"{municipality}||{association}" if association != UNKNOWN else ""


def survey(columns: Mapping[str, np.ndarray]) -> Gazetteer:
    """Find out where houses, streets and districts are from the flats that have coordinates.

    A street or district of which none has is put where it is nobody's neighbour.
    """
    position = on_earth(columns["latitude"], columns["longitude"])
    named = pd.DataFrame(
        [names(*values) for values in zip(*(columns[c] for c in NAMED), strict=True)],
        columns=["house", "street", "district", "association"],
    )
    places: dict[str, np.ndarray] = {}
    for level in ("house", "street", "district"):
        places |= _centres(named[level].to_numpy(), position)
    for row, district in enumerate(sorted(set(named["district"]) - set(places))):
        places[district] = NOWHERE + np.array([STEP * (2 + row), 0.0, 0.0])
    streets = named[["street", "district"]].drop_duplicates().sort_values(["street", "district"])
    for row, (street, district) in enumerate(streets.itertuples(index=False)):
        if street and street not in places:
            apart = [0.0, STREET_STEP * (1 + row), 0.0] if nowhere(places[district]) else 0.0
            places[street] = places[district] + apart
    every = sorted({name for level in ("house", "street", "association") for name in named[level]})
    return Gazetteer(places, {name: number for number, name in enumerate(every) if name})


def nowhere(position: np.ndarray) -> bool:
    """Tell whether a position is one that was made up."""
    return bool(position[0] >= NOWHERE[0])


def _digits(number: str) -> float:
    digits = "".join(character for character in number if character.isdigit())[:4]
    return float(digits or 0)


def _centres(names: np.ndarray, position: np.ndarray) -> dict[str, np.ndarray]:
    there = ~np.isnan(position[:, 0]) & (names != "")
    centres = pd.DataFrame(position[there]).groupby(names[there]).median()
    return dict(zip(centres.index, centres.to_numpy(), strict=True))


def _points(position: np.ndarray, day: np.ndarray, area: np.ndarray) -> np.ndarray:
    size = np.log(np.where(area > 0, area, 50.0))
    return np.column_stack(
        [position / SCALES["metres"], day / SCALES["days"], size / SCALES["log_area"]]
    )
