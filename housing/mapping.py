"""Which column of a table of sales is which of ours, and how its cells are written.

A table with names of its own needs a small file beside it: `sales.toml` for `sales.csv`, or one
`mapping.toml` for all tables of a folder.

    [columns]                       # theirs = ours, or a list of ours
    "Adress" = "address"            # "Storgatan 5 b, 2 tr": street, number and floor come of it
    "Boarea" = "living_area_m2"     # 42, "42 m²" or "103 + 15 m²"
    "Slutpris" = "price"            # empty: not sold yet
    "Datum" = "sold_on"             # 2021-10-13 or "13 oktober 2021"

    [formats]                       # where cells could be read in two ways
    sold_on = "%d/%m/%Y"            # a pattern of strptime
    price = "decimal comma"         # 1.250.000,00; "decimal point" is 1,250,000.00
    address = "text"                # not taken apart

    [units]                         # what one of theirs is in ours
    price = 1000                    # thousands of kronor

    [words.balcony]                 # what words mean; "*" is any other
    "ja" = 1
    "*" = 0

    [bounds]                        # what lies outside is unknown
    latitude = [59.2, 59.5]

    [constants]                     # the same in all rows
    currency = "SEK"
    municipality = "Stockholm"

Ours are the columns of `housing.table` and: `size` ("42 m² 1,5 rum"), `location` ("vasastan,
stockholms kommun"), `amenities` ("balkong&hiss"), `kind` ("Lägenhet"; rows of other kinds are left
out) and `price_per_m2`, which only checks the price against the area.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fti.errors import SourceError
from housing import listing
from housing.table import COLUMNS, NUMBERS, PRICES, REQUIRED, UNKNOWN, Problems

PARTS = ("size", "location", "amenities", "kind", "price_per_m2")  # beside our columns
TABLES = ("columns", "formats", "units", "words", "bounds", "constants")
DECIMALS, TEXT = ("decimal point", "decimal comma"), "text"
FLATS = frozenset({"lägenhet", "bostadsrätt", "flat", "apartment", "appartement"})
YES_OR_NO = {"ja": 1.0, "nej": 0.0, "yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0}
WITHOUT = frozenset({"nobrf", "noagency"})  # how the seed writes that there is none
AGREE = 0.02  # how far price over area may be from the price per m² that is said
EMPTY = listing.NO_ADDRESS | WITHOUT
EXAMPLE = '[columns] "<theirs>" = "<ours>"'


@dataclass(frozen=True)
class TableMapping:
    """How a table of sales is read; see the module."""

    columns: Mapping[str, str | list[str]]
    formats: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, float] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)

    def pairs(self) -> list[tuple[str, str]]:
        """Give (theirs, ours) of each column, in order."""
        lists = ((theirs, o if isinstance(o, list) else [o]) for theirs, o in self.columns.items())
        return [(theirs, ours) for theirs, several in lists for ours in several]


# The file -----------------------------------------------------------------------------------------


def beside(path: Path) -> Path | None:
    """Give the mapping file of a table: `<name>.toml`, else `mapping.toml` in its folder."""
    candidates = (path.with_suffix(".toml"), path.with_name("mapping.toml"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def load(path: Path) -> TableMapping:
    """Read a mapping file. Raises SourceError naming what in it is not understood."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SourceError(f"{path}: this is not TOML ({error}); see housing/mapping.py.") from None
    for name, part in document.items():
        if name not in TABLES or not isinstance(part, dict):
            raise _refusal(path, f"'{name}' is none of [{'], ['.join(TABLES)}]")
    if not document.get("columns"):
        raise _refusal(path, f"it has no columns, as in {EXAMPLE}")
    mapping = TableMapping(**document)
    _check_names(mapping, path)
    _check_values(mapping, path)
    return mapping


def _check_names(mapping, path):
    known = {*COLUMNS, *PARTS} - {"source"}
    named = [ours for _, ours in mapping.pairs()]
    parts = (mapping.formats, mapping.units, mapping.words, mapping.bounds, mapping.constants)
    strangers = [
        name for name in (*named, *(n for part in parts for n in part)) if name not in known
    ]
    if strangers:
        said = ", ".join(sorted(known))
        raise _refusal(path, f"'{strangers[0]}' is none of our columns, which are {said}")
    twice = [name for name in named if named.count(name) > 1]
    if twice:
        raise _refusal(path, f"'{twice[0]}' is made of two columns")


def _check_values(mapping, path):
    for name, unit in mapping.units.items():
        if not isinstance(unit, int | float) or isinstance(unit, bool) or not 0 < unit < math.inf:
            raise _refusal(path, f"the unit of {name} is {unit!r}, not a number above 0")
    for name, ends in mapping.bounds.items():
        fine = isinstance(ends, list | tuple) and len(ends) == 2
        if not fine or not all(isinstance(end, int | float) for end in ends):
            raise _refusal(path, f"the bounds of {name} are {ends!r}, not [lowest, highest]")
    for name, words in mapping.words.items():
        if not isinstance(words, dict):
            raise _refusal(path, f"[words.{name}] is {words!r}, not words and their values")
        wrong = [word for word, value in words.items() if not _fits(name, value)]
        if wrong or name == "living_area_m2":
            raise _refusal(path, f"[words.{name}] gives '{wrong[0] if wrong else name}' no number")
    for name, value in mapping.constants.items():
        if not _fits(name, value):
            raise _refusal(path, f"the constant {name} is {value!r}, which is no such value")
    for name, form in mapping.formats.items():
        if not isinstance(form, str) or (name in NUMBERS and form not in DECIMALS):
            raise _refusal(path, f"the format of {name} is {form!r}, not {' or '.join(DECIMALS)}")
    currency = mapping.constants.get("currency")
    if currency not in PRICES and "currency" not in [ours for _, ours in mapping.pairs()]:
        raise _refusal(path, f"[constants] needs the currency, one of {', '.join(PRICES)}")


def _fits(name, value):
    """Tell whether a value of a mapping file can be one of a column."""
    if name in PLAIN_NUMBERS or name == "living_area_m2":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, date if name == "sold_on" else str)


def _refusal(path, reason):
    return SourceError(f"{path}: {reason}; how to write a mapping is said in housing/mapping.py.")


# Reading with it ----------------------------------------------------------------------------------


def rows(raw: pd.DataFrame, mapping: TableMapping, name: str, noted: Problems) -> pd.DataFrame:
    """Give what the cells of a table say, as `table.finish` wants it.

    In: cells as text, or as numbers and times where the file knows types; row numbers as index.
    What cannot be read is noted, and costs the row where it is required. Raises SourceError when
    the mapping names a column that is not there.
    """
    missing = [theirs for theirs in mapping.columns if theirs not in raw]
    if missing:
        found = ", ".join(map(str, raw.columns[:12]))
        raise SourceError(f"{name}: there is no column '{missing[0]}', only {found}.")
    read = {ours: _column(raw[theirs], ours, mapping, noted) for theirs, ours in mapping.pairs()}
    table = pd.DataFrame(read, index=raw.index)
    table = _with_parts(table)
    if "address" in table and mapping.formats.get("address") != TEXT:
        table = _with_address(table, noted)
    for column, value in mapping.constants.items():
        table[column] = value
    table = inside(table, mapping.bounds, noted)
    return _without_strangers(table, noted)


def _column(cells: pd.Series, ours: str, mapping: TableMapping, noted: Problems) -> pd.Series:
    """Read one column: each different text once."""
    unit = mapping.units.get(ours, 1)
    if pd.api.types.is_bool_dtype(cells) or pd.api.types.is_datetime64_any_dtype(cells):
        return cells.astype("float64") if ours in NUMBERS else cells
    if pd.api.types.is_numeric_dtype(cells) and ours in NUMBERS and ours not in mapping.words:
        return cells.astype("float64") * unit
    reader, texts = _reader(ours, mapping), cells.map(_as_text)
    values = {text: _value(reader, text, ours) for text in texts.unique()}
    for row, text in texts[texts.map(lambda text: values[text] is UNREAD)].items():
        noted.add(row, ours, text, f"it is not {EXPECTED[ours]}", dropped=ours in REQUIRED)
    read = texts.map(lambda text: None if values[text] is UNREAD else values[text])
    if ours == "living_area_m2":
        return read.map(lambda area: area and listing.Area(area.living * unit, area.extra * unit))
    return read.astype("float64") * unit if ours in PLAIN_NUMBERS else read


UNREAD = object()  # a text that is there, and says nothing that we know


def _value(reader: Callable[[str], Any], text: str, ours: str) -> Any:
    value = reader(text)
    if value is not None:
        return value
    return None if text.lower() in EMPTY else UNREAD


def _as_text(cell: Any) -> str:
    """Give a cell as text, a whole number without a point."""
    whole = isinstance(cell, float) and cell.is_integer()
    return listing.clean(int(cell) if whole else cell)


def _reader(ours: str, mapping: TableMapping) -> Callable[[str], Any]:
    if ours in mapping.words:
        words = {str(word).lower(): value for word, value in mapping.words[ours].items()}
        return lambda text: words.get(text.lower(), words.get("*"))
    form = mapping.formats.get(ours)
    if form in DECIMALS:
        decimal = partial(_decimal, form=form)
        return (lambda text: _area_of(decimal(text))) if ours == "living_area_m2" else decimal
    if form is not None and ours == "sold_on":
        return lambda text: _pattern(text, form)
    return _word if form == TEXT else READERS.get(ours, _word)


def _decimal(text: str, form: str) -> float | None:
    thousands, point = (",", ".") if form == "decimal point" else (".", ",")
    return _float(text.replace(thousands, "").replace(" ", "").replace(point, "."))


def _pattern(text: str, form: str) -> pd.Timestamp | None:
    try:
        return pd.Timestamp(datetime.strptime(text, form).replace(tzinfo=UTC))
    except ValueError:
        return None


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _first(*readers: Callable[[str], Any]) -> Callable[[str], Any]:
    """Give the reader that takes what the first of some readers understands."""

    def read(text):
        return next((v for reader in readers if (v := reader(text)) is not None), None)

    return read


def _word(text: str) -> str | None:
    return None if text.lower() in EMPTY else text


def _place(text: str) -> str | None:
    word = _word(text)
    return word and (listing.municipality(word) or word)


def _day(text: str) -> pd.Timestamp | None:
    found = listing.day(text)
    return pd.Timestamp(found, tz="UTC") if isinstance(found, date) else None


def _whole_year(text: str) -> float | None:
    number = _first(listing.number, _float)(text)
    return number if number is not None and number == int(number) else None


def _area(text: str) -> listing.Area | None:
    return _area_of(listing.number(text)) or listing.area(text)


def _area_of(number: float | None) -> listing.Area | None:
    """Give the area that a bare number is, which says nothing of more beside it."""
    return None if number is None else listing.Area(number, math.nan)


def _half(text: str) -> float | None:
    return listing.rooms(text if text.lower().endswith(("rum", "rok", "kök")) else f"{text} rum")


def _flag(text: str) -> float | None:
    return YES_OR_NO.get(text.lower(), _float(text))


READERS: dict[str, Callable[[str], Any]] = {
    "sold_on": _day,
    "price": _first(listing.number, listing.price),
    "address": listing.address,
    "living_area_m2": _area,
    "extra_area_m2": _first(listing.number, lambda t: getattr(listing.area(t), "living", None)),
    "rooms": _first(_half, listing.number),
    "floor": listing.floor,
    "fee": _first(listing.number, listing.fee),
    "running_cost": _first(listing.number, listing.running_cost),
    "year_built": _whole_year,
    "balcony": _flag,
    "elevator": _flag,
    "pois_nearby": listing.number,
    "latitude": _float,
    "longitude": _float,
    "municipality": _place,
    "size": listing.size,
    "location": lambda text: text or None,
    "amenities": listing.amenities,
    "kind": lambda text: text.lower() or None,
    "price_per_m2": _first(listing.number, listing.price_per_m2),
}
PLAIN_NUMBERS = {*NUMBERS, "price_per_m2"} - {"living_area_m2"}  # an area can have two parts
EXPECTED = {name: "a word" for name in (*COLUMNS, *PARTS)} | {
    "sold_on": "a day like 2021-10-13 or 13 oktober 2021",
    "price": "a price like 4430000 or 'slutpris 4 430 000 kr'",
    "living_area_m2": "an area like 42 or '42 m²'",
    "extra_area_m2": "an area like 15 or '15 m²'",
    "rooms": "a number of rooms like 2 or '1,5 rum'",
    "floor": "a floor like 2, BV or '3,5 tr'",
    "fee": "an amount like 2391 or '2 391 kr/mån'",
    "running_cost": "an amount like 500 or '6 000 kr/år'",
    "year_built": "a year",
    "balcony": "yes or no",
    "elevator": "yes or no",
    "pois_nearby": "a number",
    "latitude": "a number of degrees",
    "longitude": "a number of degrees",
    "size": "a size like '42 m² 1,5 rum'",
    "amenities": "one of balkong, hiss, uteplats",
    "price_per_m2": "a price like '118 571 kr/m²'",
}


# What is made of several parts --------------------------------------------------------------------


def _with_parts(table: pd.DataFrame) -> pd.DataFrame:
    """Take apart what says more than one thing."""
    if "size" in table:
        table["living_area_m2"] = table["size"].map(lambda size: size.area if size else None)
        table["rooms"] = table["size"].map(lambda s: s.rooms if s else None).astype("float64")
    if "living_area_m2" in table and table["living_area_m2"].dtype == object:
        table = _with_areas(table)
    if "location" in table:
        places = table["location"].map(lambda text: text or "")
        table["municipality"] = places.map(listing.municipality)
        table["district"] = places.str.rpartition(",")[0].str.strip()
    if "amenities" in table:
        for column, word in (("balcony", "balkong"), ("elevator", "hiss")):
            told = table["amenities"].map(lambda found, w=word: w in found if found else None)
            table[column] = told.astype("float64")
    return table


def _with_areas(table):
    areas = table["living_area_m2"]
    living = areas.map(lambda area: area.living if area else None).astype("float64")
    extra = areas.map(lambda area: area.extra if area else None).astype("float64")
    given = table.get("extra_area_m2", pd.Series(np.nan, index=table.index))
    return table.assign(living_area_m2=living, extra_area_m2=extra.fillna(given))


def _with_address(table: pd.DataFrame, noted: Problems) -> pd.DataFrame:
    """Give street, number and floor, where columns of their own do not say them."""
    parsed = table["address"]
    table = table.assign(address=parsed.map(lambda address: address.text if address else None))
    for column in ("street", "number"):
        said = parsed.map(lambda address, c=column: getattr(address, c, None))
        table[column] = table[column].fillna(said) if column in table else said
    floors = table.get("floor", pd.Series(np.nan, index=table.index))
    wrong = []
    for row, address, level in zip(table.index, parsed, floors, strict=True):
        why = _doubt(address, level)
        if why:
            noted.add(row, "address" if address.street is None else "floor", address.text, why)
            wrong.append(row)
    told = parsed.map(lambda address: address.floor if address else None).astype("float64")
    floors = floors.fillna(told)
    floors[wrong] = np.nan
    return table.assign(floor=floors)


def _doubt(address: listing.Address | None, level: float) -> str:
    """Say why an address and the floor of its row leave the floor, or more, unknown."""
    if address is None:
        return ""
    known = level is not None and not math.isnan(level)
    # A bare number after the street number may be a floor that was cut off: "65a 1" of "65a 1,5 tr"
    said = address.floor if address.floor is not None else listing.floor(address.rest)
    if known and said is not None and abs(said - level) >= 1:
        return "the address says another floor than the column"
    return "" if known and address.street is not None else address.problem


def inside(
    table: pd.DataFrame, bounds: Mapping[str, tuple[float, float]], noted: Problems
) -> pd.DataFrame:
    """Empty what is outside its bounds; of a point both coordinates."""
    for column, (low, high) in bounds.items():
        if column not in table:
            continue
        outside = table[column].notna() & ~table[column].between(low, high)
        both = ["latitude", "longitude"] if column in ("latitude", "longitude") else [column]
        for row, value in table.loc[outside, column].items():
            noted.add(row, column, f"{value:g}", f"it is outside {low:g} to {high:g}")
        table.loc[outside, [name for name in both if name in table]] = np.nan
    return table


def _without_strangers(table: pd.DataFrame, noted: Problems) -> pd.DataFrame:
    """Leave out rows that cannot be read, are no flats, or contradict themselves."""
    dropped = {problem["row"] for problem in noted if problem["dropped"]}
    if "kind" in table:
        for row, kind in table.loc[table["kind"].notna(), "kind"].items():
            if kind not in FLATS:
                noted.add(row, "kind", kind, "it is not a flat", dropped=True)
                dropped.add(row)
    if {"price_per_m2", "price", "living_area_m2"} <= set(table):
        ratio = table["price"] / table["living_area_m2"] / table["price_per_m2"]
        for row in table.index[(ratio - 1).abs() > AGREE]:
            why = "it is not the price divided by the area"
            noted.add(row, "price_per_m2", table.at[row, "price_per_m2"], why, dropped=True)
            dropped.add(row)
    table = table.fillna({"currency": UNKNOWN}) if "currency" in table else table
    return table[~table.index.isin(dropped)]
