"""Addresses: one spelling for each, and a table of where they are that needs no network.

    addresses.key("S:t Eriksgatan", "96 C", "Solna stad")      # sankt eriksgatan 96c, solna
    book = addresses.chosen()                                  # the table in HOUSING_ADDRESSES
    book.find("olof palmes gata", "12-14", "stockholm")        # Place(59.336, 18.061, "number")

The table is a CSV (`,` or `;`) or Parquet file with the columns street, number, municipality,
latitude, longitude (WGS 84), one row per address: for Sweden made from Lantmäteriet's open address
download (CC0) or from OpenStreetMap's `addr:` tags (ODbL).
"""

from __future__ import annotations

import math
import os
import re
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean, median

import pandas as pd

from fti import documents
from fti.errors import SourceError
from housing.table import UNKNOWN

SETTING = "HOUSING_ADDRESSES"
COLUMNS = ("street", "number", "municipality", "latitude", "longitude")
# How well a place is known: the very address; the house without its letter, or one end of a range;
# the middle of the street.
EXACT, NUMBER, STREET = "exact", "number", "street"

INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
HYPHENS = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")
# Abbreviations that can mean one thing only: with a dot, and at the end of a longer word or first.
ENDINGS = (
    (re.compile(r"(?:(?<=[^\W\d_]{2})|(?<=\w\s))gr\.(?=\s|$)"), "gränd"),
    (re.compile(r"(?<=[^\W\d_]{2})g\.(?=\s|$)"), "gatan"),
    (re.compile(r"(?<=[^\W\d_]{2})v\.(?=\s|$)"), "vägen"),
)
BEGINNINGS = {"n.": "norra", "s.": "södra", "v.": "västra", "ö.": "östra"}
SAINTS = ((re.compile(r"\bs:t\b\.?"), "sankt"), (re.compile(r"\bs:ta\b\.?"), "sankta"))
RANGE = re.compile(r"0*(\d{1,4}) ?([^\W\d_]?) ?- ?0*(\d{1,4}) ?([^\W\d_]?)")
HOUSE = re.compile(r"0*(\d{1,4})(?!\d)(?: ?([^\W\d_])(?![^\W_]))?")
# Municipalities whose name ends in s by itself, which its genitive does not show.
ENDING_IN_S = frozenset(
    {
        "alingsås",
        "bengtsfors",
        "bollnäs",
        "borås",
        "degerfors",
        "grums",
        "hagfors",
        "hofors",
        "hällefors",
        "höganäs",
        "munkfors",
        "mönsterås",
        "robertsfors",
        "sotenäs",
        "storfors",
        "strängnäs",
        "torsås",
        "tranås",
        "vännäs",
        "västerås",
    }
)
SUBURBS = 0.01  # degrees around the addresses of a municipality that still count as in it
ENOUGH = 50  # addresses that tell where a municipality is
BATCH = 100_000  # rows read at a time


@dataclass(frozen=True)
class Place:
    """Where an address is (WGS 84), and how well that is known."""

    latitude: float
    longitude: float
    precision: str


@dataclass(frozen=True)
class Box:
    """The latitudes and longitudes between which something lies, ends included."""

    south: float
    north: float
    west: float
    east: float

    def holds(self, latitude: float, longitude: float) -> bool:
        """Tell whether a point is in the box."""
        return self.south <= latitude <= self.north and self.west <= longitude <= self.east


@lru_cache(maxsize=100_000)
def key(street: str, number: str, municipality: str) -> str:
    """Give the one spelling of an address, like "sankt eriksgatan 96c, stockholm".

    A number that is not known is left out; without street or municipality it is "unknown".
    """
    street, number, place = (
        street_name(street),
        house_number(number),
        municipality_name(municipality),
    )
    if UNKNOWN in (street, place):
        return UNKNOWN
    return f"{street}, {place}" if number == UNKNOWN else f"{street} {number}, {place}"


def keys(table: pd.DataFrame) -> pd.Series:
    """Give the key of each row with the columns street, number and municipality."""
    names = ("street", "number", "municipality")
    columns = [table[name].fillna(UNKNOWN).astype(str) for name in names]
    found = [key(*texts) for texts in zip(*columns, strict=True)]
    return pd.Series(found, index=table.index, dtype=object)


def street_name(text: str) -> str:
    """Give a street in lower case, abbreviations written out where they are certain.

    Å, ä and ö stay what they are. Of a corner ("sveavägen / tegnérgatan") it is the first street.
    """
    text = _clean(text).partition(" / ")[0].strip(" ,;/")
    for pattern, word in SAINTS:
        text = pattern.sub(word, text)
    first, _, rest = text.partition(" ")
    if rest and first in BEGINNINGS:
        text = f"{BEGINNINGS[first]} {rest}"
    for pattern, word in ENDINGS:
        text = pattern.sub(word, text)
    return text.strip(" .") or UNKNOWN


def house_number(text: str) -> str:
    """Give a number like "96c", a range like "12-14", or "unknown"; what follows it is left out."""
    text = _clean(text)
    span = RANGE.fullmatch(text)
    if span and int(span[3]) > int(span[1]):
        return f"{span[1]}{span[2]}-{span[3]}{span[4]}"
    house = HOUSE.match(text)
    return f"{house[1]}{house[2] or ''}" if house else UNKNOWN


def municipality_name(text: str) -> str:
    """Give a municipality without "kommun" and the genitive: Stockholms kommun is "stockholm"."""
    text = _clean(text).strip(" .,")
    for word in (" kommun", " stad"):
        if text.endswith(word):
            text = text.removesuffix(word)
            if text not in ENDING_IN_S:
                text = text.removesuffix("s")
    return text or UNKNOWN


def chosen() -> AddressBook | None:
    """Give the table that HOUSING_ADDRESSES names, None when it is not set."""
    path = os.environ.get(SETTING, "").strip()
    return _opened(path) if path else None


class AddressBook:
    """A table of addresses, of which the municipalities asked for are kept in memory."""

    def __init__(self, path: Path):
        self.path = Path(path).expanduser()
        self._known: dict[str, Mapping[str, Mapping[str, tuple[float, float]]]] = {}
        self._lock = threading.Lock()

    def find(self, street: str, number: str, municipality: str) -> Place | None:
        """Give where an address is, None when the table does not tell. Raises SourceError.

        "96c" is also found as 96, "12-14" as 12 or 14, "96" as the first of 96a, 96b...; a street
        without a number is the middle of its addresses.
        """
        houses = self._of(municipality).get(street_name(street))
        if not houses:
            return None
        number = house_number(number)
        if number == UNKNOWN:
            points = list(houses.values())
            return Place(median(p[0] for p in points), median(p[1] for p in points), STREET)
        if number in houses:
            return Place(*houses[number], EXACT)
        near = next((each for each in _nearly(number, houses) if each in houses), None)
        return Place(*houses[near], NUMBER) if near else None

    def box(self, municipality: str) -> Box | None:
        """Give where a municipality is, as its addresses tell; None when they are too few."""
        points = [p for houses in self._of(municipality).values() for p in houses.values()]
        if len(points) < ENOUGH:
            return None
        latitudes, longitudes = zip(*points, strict=True)
        return Box(
            min(latitudes) - SUBURBS,
            max(latitudes) + SUBURBS,
            min(longitudes) - 2 * SUBURBS,  # a degree of longitude is half as long here
            max(longitudes) + 2 * SUBURBS,
        )

    def _of(self, municipality):
        """Give street -> number -> point of a municipality."""
        municipality = municipality_name(municipality)
        with self._lock:
            if municipality not in self._known:
                self._known[municipality] = _read(self.path, municipality)
            return self._known[municipality]


@lru_cache(maxsize=4)
def _opened(path):
    return AddressBook(Path(path))


def _nearly(number: str, houses: Mapping) -> Iterator[str]:
    """Give the spellings under which a number may be there as well, best first."""
    ends = number.split("-")
    yield from ends if len(ends) > 1 else ()
    for end in ends:
        plain = end.rstrip("abcdefghijklmnopqrstuvwxyzåäö")
        yield plain
        yield from sorted(house for house in houses if re.fullmatch(rf"{plain}[^\W\d_]", house))


def _read(path: Path, municipality: str) -> dict[str, dict[str, tuple[float, float]]]:
    """Give street -> number -> point of one municipality; of several points it is the mean."""
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for rows in _batches(path):
        names = rows["municipality"]
        wanted = {name for name in names.unique() if municipality_name(str(name)) == municipality}
        for row in rows[names.isin(wanted)].itertuples(index=False):
            number, point = house_number(str(row.number)), _point(row, path)
            if number != UNKNOWN and point:
                points.setdefault((street_name(str(row.street)), number), []).append(point)
    table: dict[str, dict[str, tuple[float, float]]] = {}
    for (street, number), found in points.items():
        middle = (fmean(p[0] for p in found), fmean(p[1] for p in found))
        table.setdefault(street, {})[number] = middle
    return table


def _batches(path: Path) -> Iterator[pd.DataFrame]:
    """Give the file some rows at a time, all as text but for the numbers of a Parquet file."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        if path.suffix.lower() == ".parquet":
            with parquet.ParquetFile(path) as file:
                _check_columns(file.schema_arrow.names, path)
                for batch in file.iter_batches(BATCH, columns=list(COLUMNS)):
                    yield batch.to_pandas()
            return
        with path.open("rb") as file:
            line = file.readline(10_000)
        if documents.is_web_page(line):
            raise documents.refusal(str(path), "this is a web page, not a table of addresses")
        names = line.decode("utf-8-sig").strip().replace('"', "")
        delimiter = ";" if names.count(";") > names.count(",") else ","
        _check_columns([name.strip() for name in names.split(delimiter)], path)
        options = csv.ConvertOptions(
            column_types=dict.fromkeys(COLUMNS, pa.string()), include_columns=list(COLUMNS)
        )
        with csv.open_csv(
            path, parse_options=csv.ParseOptions(delimiter=delimiter), convert_options=options
        ) as reader:
            for batch in reader:
                yield batch.to_pandas()
    except FileNotFoundError:
        raise SourceError(f"{path}: there is no such file; correct {SETTING}.") from None
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        reason = documents.short(" ".join(str(error).split()), 120)
        raise documents.refusal(str(path), f"it cannot be read as a table ({reason})") from None


def _check_columns(names, path):
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise documents.refusal(str(path), f"it lacks the columns {', '.join(missing)}")


def _point(row, path):
    """Give latitude and longitude of a row, None when they are not there; 0, 0 is not there."""
    try:
        latitude, longitude = (
            float(str(value).strip().replace(",", ".")) for value in (row.latitude, row.longitude)
        )
    except ValueError:
        return None
    if math.isnan(latitude + longitude) or (latitude, longitude) == (0, 0):
        return None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        reason = f"{latitude:g}, {longitude:g} are no degrees; turn them into WGS 84"
        raise documents.refusal(str(path), reason)
    return latitude, longitude


def _clean(text):
    """Give a text in lower case with plain spaces and hyphens and nothing invisible."""
    text = unicodedata.normalize("NFC", text).translate(INVISIBLE).translate(HYPHENS)
    return " ".join(text.lower().split())
