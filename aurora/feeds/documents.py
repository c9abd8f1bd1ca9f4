"""What `fti.documents` reads strictly, and beside it the moments and intervals of a series.

`name` is the file or address that a sentence begins with; it holds no secrets.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from fti.documents import (
    fetch,
    is_web_page,
    mapping,
    member,
    numbers,
    read_json,
    refusal,
    refuse_nulls,
    same_length,
    sequence,
    shown,
    without_trailing_nulls,
)

__all__ = [
    "check_steps",
    "fetch",
    "in_years",
    "index_of",
    "is_web_page",
    "mapping",
    "member",
    "moment",
    "moments",
    "numbers",
    "read_json",
    "refusal",
    "refuse_nulls",
    "same_length",
    "sequence",
    "without_trailing_nulls",
]

MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
YEARS = range(1900, 2200)  # what is outside is damage, and would not fit into pandas' moments
NOWHERE = frozenset({"Z", "+00:00", "+0000", "-00:00"})


def moments(
    values: Sequence[Any], name: str, what: str, *, zone_needed: bool = True
) -> pd.DatetimeIndex:
    """Give ISO 8601 moments as UTC; without `zone_needed` one without a zone is UTC as well.

    A moment of another zone is refused, not converted: the provider was asked for UTC.
    """
    return index_of([moment(value, name, what, zone_needed=zone_needed) for value in values])


def moment(value: Any, name: str, what: str, *, zone_needed: bool = True) -> datetime:
    """Give one ISO 8601 moment, in UTC."""
    match = MOMENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise refusal(name, f"{what} has {shown(value)}, expected a moment like 2026-01-31T18:00")
    day, clock, zone = match.groups()
    if zone is None and zone_needed:
        raise refusal(name, f"{what} has {shown(value)}, whose time zone is not said")
    if zone is not None and zone not in NOWHERE:
        raise refusal(name, f"{what} has {shown(value)}, which is not UTC")
    try:
        return in_years(datetime.fromisoformat(f"{day}T{clock}"))
    except ValueError:
        raise refusal(name, f"{what} has {shown(value)}, which is no day or hour") from None


def in_years(time: datetime) -> datetime:
    """Give a moment with UTC as its zone; ValueError where its year cannot be meant."""
    if time.year not in YEARS:
        raise ValueError(time.year)
    return time.replace(tzinfo=UTC)


def index_of(times: Sequence[datetime]) -> pd.DatetimeIndex:
    """Give UTC moments as pandas keeps them here, in microseconds."""
    plain = [time.replace(tzinfo=None) for time in times]
    return pd.DatetimeIndex(np.array(plain, dtype="datetime64[us]")).tz_localize("UTC")


def check_steps(times: pd.DatetimeIndex, hours: int, name: str, *, gaps: bool = False) -> None:
    """Refuse intervals that are not in order, off their grid or, unless `gaps`, missing."""
    step = hours * 3_600_000_000  # microseconds
    ticks = times.as_unit("us").asi8
    if (ticks % step).any():
        odd = times[int((ticks % step != 0).argmax())]
        raise refusal(name, f"{_said(odd)} does not begin an interval of {hours} h")
    leaps = np.diff(ticks)
    wrong = leaps <= 0 if gaps else leaps != step
    if wrong.any():
        place = int(wrong.argmax())
        kind = "not in order" if leaps[place] <= 0 else "not complete"
        followed = f"{_said(times[place])} is followed by {_said(times[place + 1])}"
        raise refusal(name, f"the times are {kind}: {followed}")


def _said(time):
    return f"{time:%Y-%m-%d %H:%M}"
