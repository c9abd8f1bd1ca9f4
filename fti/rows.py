"""Rows that a feature group has already, and rows that it has not.

A daily run often meets the same rows again. Inserting only what is new or different keeps a rerun
from writing at all, on both sides of the Hopsworks API.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date as Date
from datetime import timedelta
from typing import Any

import pandas as pd

from fti.errors import UserError


def stored(store: Any, name: str, version: int = 1, **between: Any) -> pd.DataFrame:
    """Read a feature group (`start_time`, `end_time` as in Hopsworks); empty if there is none."""
    group = store.get_feature_group(name, version=version)
    return pd.DataFrame() if group is None else group.read(**between)


def day(date: Date) -> dict[str, Date]:
    """Give what `stored` has to be asked for the rows of one day (UTC)."""
    return {"start_time": date, "end_time": date + timedelta(days=1)}


def new_or_changed(rows: pd.DataFrame, known: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """Give the rows whose key is not in `known`, or is there with other values.

    Compares the columns of `rows`; missing equals missing, and times with a zone equal the same
    moment in UTC without one. A column that `known` lacks makes every row differ.
    """
    if rows.empty or known.empty or not set(rows.columns) <= set(known.columns):
        return rows
    known = known[known[key[0]].isin(rows[key[0]])]
    ours = _comparable(rows).set_index(list(key))
    theirs = _comparable(known).set_index(list(key)).reindex(ours.index)[list(ours.columns)]
    same = (ours == theirs) | (ours.isna() & theirs.isna())
    found = ours.index.isin(_comparable(known).set_index(list(key)).index)
    return rows[~(same.all(axis=1).to_numpy() & found)]


def refuse_others(
    table: pd.DataFrame, known: pd.DataFrame, key: str, identity: Sequence[str], entities: str
) -> None:
    """Raise UserError when the stored rows are of others, as those of a sample would be.

    That is when more than half of the rows whose `key` is stored differ in a column of `identity`.
    """
    if known.empty:
        return
    both = table.merge(known, on=key, suffixes=("", "_stored"))
    same = pd.DataFrame({name: both[name] == both[f"{name}_stored"] for name in identity})
    others = int((~same.all(axis=1)).sum())
    if others > len(both) / 2:
        raise UserError(
            f"This project holds other {entities} (those of the sample, or of another table): "
            f"{others} of {len(both)} with the same {key} differ in {', '.join(identity)}; choose "
            "another project with FTI_PROJECT=NAME."
        )


def _comparable(table: pd.DataFrame) -> pd.DataFrame:
    moments = {
        name: column.dt.tz_convert("UTC").dt.tz_localize(None)
        for name, column in table.items()
        if isinstance(column.dtype, pd.DatetimeTZDtype)
    }
    return table.assign(**moments)
