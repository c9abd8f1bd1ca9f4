"""The feature groups of housing: their keys, their columns, and how they are read and added to.

    sales = groups.read(store, groups.SALES, until=date)     rows up to the end of a day
    groups.add(store, groups.SALES, new)                     check and store them

Read, a group always has all of its columns, with times in UTC, also before its first row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date as Date
from datetime import timedelta
from typing import Any

import pandas as pd

from fti import quality
from housing import geocoding, macro, table
from housing.table import NUMBER, TEXT, UTC_TIME

SHARES = (80, 90)  # percent that a valuation's ranges hold
RANGES = tuple(f"{side}_{share}" for share in SHARES for side in ("low", "high"))


@dataclass(frozen=True, kw_only=True)
class Group:
    """A feature group, version 1: `columns` gives the type of each in their order."""

    name: str
    key: tuple[str, ...]
    event_time: str
    columns: Mapping[str, str]
    schema: Callable[[], Any]
    description: str


def read(store: Any, group: Group, until: Date | None = None) -> pd.DataFrame:
    """Read the rows up to the end of the day `until`, by time and key; an empty table before any.

    A row that was stored with one day and later with another counts with the later one.
    """
    stored = store.get_feature_group(group.name, version=1)
    if stored is None:
        return empty(group)
    end = None if until is None else until + timedelta(days=1)
    rows = stored.read(end_time=end)[list(group.columns)]
    rows = rows.assign(**{name: _in_utc(rows[name]) for name in _times(group)})
    rows = rows.sort_values([group.event_time, *group.key])
    return rows.drop_duplicates(list(group.key), keep="last").reset_index(drop=True)


def empty(group: Group) -> pd.DataFrame:
    """Give the table of a group without rows."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in group.columns.items()})


def add(store: Any, group: Group, rows: pd.DataFrame) -> int:
    """Check rows and store them, if there are any; give how many. Raises DataError."""
    if len(rows):
        checked = quality.check(rows[list(group.columns)], group.schema(), _spoken(group))
        store.get_or_create_feature_group(
            group.name,
            version=1,
            primary_key=list(group.key),
            event_time=group.event_time,
            description=group.description,
        ).insert(checked, wait=True)
    return len(rows)


def _in_utc(times: pd.Series) -> pd.Series:
    """Give times in UTC, as they were stored: stores keep them bare."""
    return pd.to_datetime(times, utc=True).dt.as_unit("us")


def _times(group: Group) -> list[str]:
    return [name for name, kind in group.columns.items() if kind == UTC_TIME]


def _spoken(group: Group) -> str:
    return group.name.replace("_", " ")


# Schemas ------------------------------------------------------------------------------------------


def _sales_schema():
    from pandera.pandas import Check, Column

    bounds = {
        name: Column(NUMBER, Check.in_range(*macro.BOUNDS[name]), nullable=True)
        for name in macro.SERIES
    }
    schema = table.schema().update_column("price", nullable=False)
    return schema.add_columns(bounds)


def _geocodes_schema():
    from pandera.pandas import Check, Column, DataFrameSchema

    degrees = {"latitude": Check.in_range(-90, 90), "longitude": Check.in_range(-180, 180)}
    columns = {
        name: Column(kind, degrees.get(name), nullable=kind == NUMBER)
        for name, kind in geocoding.COLUMNS.items()
    }
    return DataFrameSchema(columns, unique=["address_key", "provider"], strict=True)


def _valuations_schema():
    from pandera.pandas import Check, Column, DataFrameSchema

    columns = {
        name: Column(kind, Check.gt(0) if kind == NUMBER else None, nullable=name == "seed_value")
        for name, kind in VALUATION_COLUMNS.items()
    }
    in_order = Check(
        lambda rows: (
            (rows["low_90"] <= rows["low_80"])
            & (rows["low_80"] <= rows["high_80"])
            & (rows["high_80"] <= rows["high_90"])
        ),
        error="the 90 % range holds the 80 % range",
    )
    return DataFrameSchema(
        columns, checks=in_order, unique=["sale_id", "model_version"], strict=True
    )


# The groups ---------------------------------------------------------------------------------------

VALUATION_COLUMNS = {
    "sale_id": TEXT,
    "model_version": "int64",
    "predicted_at": UTC_TIME,  # midnight of the run's date
    "value": NUMBER,
    **dict.fromkeys(RANGES, NUMBER),
    "confidence": TEXT,  # A to D
    "seed_value": NUMBER,  # of the seed's model
    "sold_on": UTC_TIME,  # the day that it is valued for; of a listing the day it was listed
    "is_listing": "bool",  # whether its price was not known to anybody yet
    "is_synthetic": "bool",  # of the sample
}
SALES = Group(
    name="housing_sales",
    key=("sale_id",),
    event_time="sold_on",
    columns=table.COLUMNS | dict.fromkeys(macro.SERIES, NUMBER),
    schema=_sales_schema,
    description="Sales of flats: price, flat and place, and the economy as published by that day",
)
LISTINGS = Group(
    name="housing_listings",
    key=("sale_id",),
    event_time="sold_on",
    columns=table.COLUMNS,
    schema=table.schema,
    description="Flats for sale, as they were on the day they were listed (sold_on); no price",
)
GEOCODES = Group(
    name="housing_geocodes",
    key=("address_key", "provider"),
    event_time="looked_up_at",
    columns=geocoding.COLUMNS,
    schema=_geocodes_schema,
    description="Where addresses are, who said so and when, found or not",
)
VALUATIONS = Group(
    name="housing_valuations",
    key=("sale_id", "model_version"),
    event_time="predicted_at",
    columns=VALUATION_COLUMNS,
    schema=_valuations_schema,
    description="What flats were valued at before their price was seen, with ranges; never changed",
)
