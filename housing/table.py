"""The table that every source of sales becomes: one row per sale of a flat.

A flat for sale that is not sold yet is a row as well: its price is NaN and `sold_on` is the day it
was listed. Texts that are not known are "unknown", because stores refuse columns without a value;
numbers are NaN. Money is in `currency`, fees are per month, times are UTC midnights.

The asking price, the rise over it and the price per square metre never enter: they tell the answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

UNKNOWN = "unknown"
UTC_TIME = "datetime64[us, UTC]"
TEXT, NUMBER = "object", "float64"

COLUMNS = {
    "sale_id": TEXT,  # "booli:<id>", "dvf:<id_mutation>", "sample:...", otherwise a hash
    "sold_on": UTC_TIME,
    "price": NUMBER,
    "currency": TEXT,  # "SEK", "EUR"
    "address": TEXT,  # as the source has it, cleaned
    "street": TEXT,  # "olof palmes gata"
    "number": TEXT,  # "96c"
    "municipality": TEXT,
    "district": TEXT,
    "living_area_m2": NUMBER,
    "extra_area_m2": NUMBER,  # the 15 of "103 + 15 m²"; 0 when none
    "rooms": NUMBER,  # a kitchen with a sleeping corner counts half: 1.5
    "floor": NUMBER,  # storeys above the entrance; 0.5 when half a flight up
    "fee": NUMBER,  # a month, to the housing association
    "running_cost": NUMBER,  # a month, what the owner pays beside the fee
    "year_built": NUMBER,
    "association": TEXT,
    "agency": TEXT,
    "balcony": NUMBER,  # 0 or 1
    "elevator": NUMBER,  # 0 or 1
    "pois_nearby": NUMBER,
    "latitude": NUMBER,  # WGS 84
    "longitude": NUMBER,
    "source": TEXT,  # "csv", "booli_pages", "booli", "dvf", "sample"
}
TEXTS = tuple(name for name, kind in COLUMNS.items() if kind == TEXT)
NUMBERS = tuple(name for name, kind in COLUMNS.items() if kind == NUMBER)
PLACES = ("street", "number", "municipality", "district")  # in lower case
REQUIRED = ("sold_on", "living_area_m2", "price")  # damage here costs the row, elsewhere the value


@dataclass(frozen=True)
class Range:
    """What a value can be, ends included, and why not more."""

    low: float
    high: float
    why: str

    def holds(self, values: pd.Series) -> pd.Series:
        """Tell for each value whether it can be; an unknown one can."""
        return values.isna() | values.between(self.low, self.high)


RANGES = {
    "living_area_m2": Range(5, 1_000, "a flat has from 5 to 1,000 m²"),
    "extra_area_m2": Range(0, 1_000, "a flat has at most 1,000 m² beside its living area"),
    "rooms": Range(0.5, 30, "a flat has from half a room to 30"),
    "floor": Range(-5, 60, "the tallest houses with flats have below 60 floors"),
    "fee": Range(0, 100_000, "no association takes above 100,000 a month"),
    "running_cost": Range(0, 100_000, "no flat costs above 100,000 a month to run"),
    "year_built": Range(1200, 2100, "the oldest houses still lived in are of the 13th century"),
    "balcony": Range(0, 1, "it is 0 or 1"),
    "elevator": Range(0, 1, "it is 0 or 1"),
    "pois_nearby": Range(0, 100_000, "it is a count"),
    "latitude": Range(-90, 90, "latitudes end at the poles"),
    "longitude": Range(-180, 180, "longitudes end at 180 degrees"),
}
# By currency. A sale for less is a gift or a share of a flat, one for more a whole house. The
# dearest flats known went for about 0.4 million kronor and 0.1 million euros a square metre.
PRICES = {
    "SEK": Range(20_000, 1_000_000_000, "a sale has a price from 20,000 to 1 billion SEK"),
    "EUR": Range(2_000, 100_000_000, "a sale has a price from 2,000 to 100 million EUR"),
}
PRICES_PER_M2 = {
    "SEK": Range(500, 600_000, "no flat sells for less than 500 or more than 600,000 SEK/m²"),
    "EUR": Range(50, 100_000, "no flat sells for less than 50 or more than 100,000 EUR/m²"),
}
DAYS = (pd.Timestamp("1990-01-01", tz="UTC"), pd.Timestamp("2100-01-01", tz="UTC"))
DAYS_WHY = "sales are from 1990 to 2099"
AHEAD = 5  # years: flats are sold before their house is built


class Problems(list):
    """What was wrong with a source, as plain dicts: row, column, value, reason, dropped.

    It travels in `table.attrs["problems"]`. Pandas copies `attrs` in depth at every step; this is
    written once and read only, so it gives itself instead.
    """

    def __deepcopy__(self, memo: dict) -> Problems:
        return self

    def add(self, row: Any, column: str, value: Any, reason: str, *, dropped: bool = False) -> None:
        """Note that `column` of `row` has a `value` that cannot be used."""
        said = str(value) if len(str(value)) <= 80 else f"{str(value)[:80]}..."
        self.append(
            {"row": row, "column": column, "value": said, "reason": reason, "dropped": dropped}
        )

    def by_reason(self) -> pd.DataFrame:
        """Give one line per column and reason: count, rows dropped, and a first example."""
        if not self:
            return pd.DataFrame(columns=["column", "reason", "count", "dropped", "row", "value"])
        found = pd.DataFrame(list(self)).groupby(["column", "reason"], sort=False, as_index=False)
        lines = found.agg(
            count=("row", "size"),
            dropped=("dropped", "sum"),
            row=("row", "first"),
            value=("value", "first"),
        )
        return lines.sort_values("count", ascending=False, kind="stable", ignore_index=True)


def problems(table: pd.DataFrame) -> Problems:
    """Give what was wrong with the source of a table."""
    return Problems(table.attrs.get("problems", ()))


def empty() -> pd.DataFrame:
    """Give the table without rows."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})


def finish(rows: pd.DataFrame, found: Iterable[dict] = ()) -> pd.DataFrame:
    """Turn the rows that a source read into the table.

    In: any of COLUMNS (others are left out; `currency` and `source` are needed), with the source's
    row numbers as index; `found` is what the source has noted already. Values that cannot be become
    unknown, or cost the row where they are REQUIRED; rows equal in all columns count once. Out: the
    table, by `sold_on` and `sale_id`; `attrs["problems"]` has all that is lost, row by row.
    """
    noted = Problems(found)
    table = _named(_possible(_complete(_typed(rows), noted), noted), noted)
    table = table.sort_values(["sold_on", "sale_id"], ignore_index=True)
    table.attrs = {"problems": noted}
    return table


def together(tables: Sequence[pd.DataFrame], names: Sequence[str] = ()) -> pd.DataFrame:
    """Put tables into one; a sale that several have is taken from the first of them.

    `names` say in `attrs["problems"]` which of them a row is of.
    """
    noted = Problems()
    for place, one in enumerate(tables):
        of = f"{names[place]}:" if names and names[place] else ""
        noted += [problem | {"row": f"{of}{problem['row']}"} for problem in problems(one)]
    whole = [one for one in tables if len(one)]
    table = pd.concat(whole, ignore_index=True) if whole else empty()
    table = table.drop_duplicates("sale_id")
    table = table.sort_values(["sold_on", "sale_id"], ignore_index=True)
    table.attrs = {"problems": noted}
    return table


def sold(table: pd.DataFrame) -> pd.DataFrame:
    """Give the rows with a price."""
    return table[table["price"].notna()].reset_index(drop=True)


def for_sale(table: pd.DataFrame) -> pd.DataFrame:
    """Give the rows without a price: flats not sold yet."""
    return table[table["price"].isna()].reset_index(drop=True)


def sale_ids(table: pd.DataFrame) -> pd.Series:
    """Give each sale an identity from what it is: address, day, living area and price.

    Sales equal in these are told apart by a number, given in the order of their other values, so
    that neither the order of rows nor the name of the file matters.
    """
    if table.empty:
        return pd.Series(index=table.index, dtype=TEXT)
    keys = _keys(table)
    others = [name for name in COLUMNS if name not in ("sale_id", "source")]
    order = table[others].assign(key=keys).sort_values(["key", *others], kind="stable").index
    ordinals = keys.loc[order].groupby(keys.loc[order]).cumcount().reindex(table.index)
    return pd.Series(
        [short_hash(f"{key}|{ordinal}") for key, ordinal in zip(keys, ordinals, strict=True)],
        index=table.index,
        dtype=TEXT,
    )


def schema():
    """Give the pandera schema of the table."""
    from pandera.pandas import Check, Column, DataFrameSchema

    columns: dict[str, Any] = {}
    for name, kind in COLUMNS.items():
        if kind == TEXT:
            columns[name] = Column(object, Check.str_length(min_value=1), unique=name == "sale_id")
        elif kind == NUMBER:
            bounds = RANGES.get(name)
            checks = [Check.in_range(bounds.low, bounds.high)] if bounds else [Check.gt(0)]
            columns[name] = Column(NUMBER, checks, nullable=name != "living_area_m2")
        else:
            columns[name] = Column(UTC_TIME, Check.in_range(*DAYS, include_max=False))
    return DataFrameSchema(columns, strict=True, ordered=True, name="sales")


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Give all columns in their order and types."""
    columns: dict[str, pd.Series] = {}
    for name, kind in COLUMNS.items():
        given = rows[name] if name in rows else pd.Series(None, index=rows.index, dtype=object)
        if kind == TEXT:
            columns[name] = given.astype(object).where(given.notna() & (given != ""), UNKNOWN)
        elif kind == NUMBER:
            columns[name] = given.astype(NUMBER)
        else:
            columns[name] = _days(given)
    columns["address"] = _addresses(columns)
    columns |= {name: columns[name].str.lower() for name in PLACES}
    columns["extra_area_m2"] = columns["extra_area_m2"].fillna(0.0)
    return pd.DataFrame(columns)


def _days(given: pd.Series) -> pd.Series:
    """Give midnights in UTC; a moment without a zone is UTC.

    In microseconds throughout: 2999, which nanoseconds do not have, shall be told as it was.
    """
    if not pd.api.types.is_datetime64_any_dtype(given):
        moments = {value: _moment(value) for value in given.dropna().unique()}
        plain = np.array([moments.get(value) for value in given], dtype="datetime64[us]")
        given = pd.Series(plain, index=given.index)
    days = given.dt.tz_localize("UTC") if given.dt.tz is None else given.dt.tz_convert("UTC")
    return days.astype(UTC_TIME).dt.floor("D")


def _moment(value) -> np.datetime64 | None:
    moment = pd.Timestamp(value)
    moment = moment if moment.tzinfo is None else moment.tz_convert("UTC").tz_localize(None)
    return moment.as_unit("us").to_datetime64()


def _addresses(columns: dict[str, pd.Series]) -> pd.Series:
    """Give the address, made of street and number where a source has only these."""
    street, number = columns["street"], columns["number"]
    made = street.where(number == UNKNOWN, street + " " + number)
    return columns["address"].mask(columns["address"] == UNKNOWN, made)


def _complete(table: pd.DataFrame, noted: Problems) -> pd.DataFrame:
    """Leave out rows without a day or an area."""
    told = {(problem["row"], problem["column"]) for problem in noted if problem["dropped"]}
    for column in ("sold_on", "living_area_m2"):
        for row in table.index[table[column].isna()]:
            if (row, column) not in told:
                noted.add(row, column, "", "it is missing", dropped=True)
    return table[table["sold_on"].notna() & table["living_area_m2"].notna()]


def _possible(table: pd.DataFrame, noted: Problems) -> pd.DataFrame:
    """Leave out rows whose day, area or price cannot be, and empty other such values."""
    known = table["sold_on"].between(*DAYS, inclusive="left")
    table = _without(table, ~known, "sold_on", DAYS_WHY, noted)
    area = RANGES["living_area_m2"]
    table = _without(table, ~area.holds(table["living_area_m2"]), "living_area_m2", area.why, noted)
    for currency in PRICES:
        for bounds, per in ((PRICES[currency], 1.0), (PRICES_PER_M2[currency], None)):
            prices = table["price"] / (per or table["living_area_m2"])
            wrong = (table["currency"] == currency) & ~bounds.holds(prices)
            table = _without(table, wrong, "price", bounds.why, noted)
    for name, bounds in RANGES.items():
        table = _emptied(table, ~bounds.holds(table[name]), [name], bounds.why, noted)
    late = table["year_built"] > table["sold_on"].dt.year + AHEAD
    why = f"a flat is sold at most {AHEAD} years before its house is built"
    table = _emptied(table, late, ["year_built"], why, noted)
    return _located(table, noted)


def _located(table: pd.DataFrame, noted: Problems) -> pd.DataFrame:
    """Empty coordinates of which one is missing, or that are 0, 0."""
    point = ["latitude", "longitude"]
    half = table["latitude"].isna() ^ table["longitude"].isna()
    table = _emptied(table, half, point, "only one of latitude and longitude is there", noted)
    nowhere = (table["latitude"] == 0) & (table["longitude"] == 0)
    return _emptied(table, nowhere, point, "0, 0 is written for an address not found", noted)


def _named(table: pd.DataFrame, noted: Problems) -> pd.DataFrame:
    """Give each row its identity, and keep one of those that are the same."""
    twice = table.duplicated(list(COLUMNS))
    table = _without(table, twice, "sale_id", "the same row is there already", noted)
    table["sale_id"] = table["sale_id"].mask(table["sale_id"] == UNKNOWN, sale_ids(table))
    twice = table.duplicated("sale_id")
    return _without(table, twice, "sale_id", "a sale of this identity is there already", noted)


def _without(table, wrong, column, why, noted):
    for row, value in table.loc[wrong, column].items():
        noted.add(row, column, _said(value), why, dropped=True)
    return table[~wrong]


def _emptied(table, wrong, columns, why, noted):
    if not wrong.any():
        return table
    for row, value in table.loc[wrong, columns[0]].items():
        noted.add(row, columns[0], _said(value), why)
    empty = 0.0 if columns == ["extra_area_m2"] else np.nan
    return table.assign(**{name: table[name].mask(wrong, empty) for name in columns})


def _said(value):
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)


def _keys(table: pd.DataFrame) -> pd.Series:
    """Give what identifies a sale, as text."""
    parts = [
        table["street"].str.casefold(),
        table["number"].str.casefold(),
        table["municipality"].str.casefold(),
        table["sold_on"].dt.strftime("%Y-%m-%d"),
        table["living_area_m2"].map("{:.2f}".format),
        table["price"].map("{:.2f}".format),
    ]
    return parts[0].str.cat(parts[1:], sep="|")


def short_hash(text: str) -> str:
    """Give 16 letters and digits that stand for a text."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
