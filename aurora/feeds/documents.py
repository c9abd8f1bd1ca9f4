"""What a data service sent, read strictly: bytes to JSON, moments and numbers, or one sentence.

`name` is the file or address that a sentence begins with; it holds no secrets.
"""

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fti import http
from fti.errors import SourceError, SourceUnreachable

MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
YEARS = range(1900, 2200)  # what is outside is damage, and would not fit into pandas' moments
NOWHERE = frozenset({"Z", "+00:00", "+0000", "-00:00"})
SHOWN = 40  # characters of a wrong value that its error message quotes


def refusal(name: str, reason: str) -> SourceError:
    """Give the error that says what is wrong with which document."""
    return SourceError(f"{name}: {reason}.")


def fetch(
    url: str,
    *,
    max_bytes: int,
    cache: Path | None = None,
    fresh_for: float = 0.0,
    retries: int = 3,
    headers: Mapping[str, str] | None = None,
) -> tuple[bytes, str]:
    """Give what is at an address, and the address as it may be shown.

    The copy in the folder `cache` is used unasked for `fresh_for` seconds. Raises
    SourceUnreachable, caused by the HttpError, also where the service answers with an error.
    """
    try:
        data = http.get(
            url,
            max_bytes=max_bytes,
            cache=cache,
            fresh_for=fresh_for,
            retries=retries,
            headers=headers,
        )
    except http.HttpError as error:
        raise SourceUnreachable(str(error)) from error
    return data, http.without_secrets(url)


def read_json(data: bytes, name: str) -> Any:
    """Give what the JSON says; NaN and Infinity, which JSON does not have, are refused."""
    if is_web_page(data):
        raise refusal(name, "this is a web page, not JSON; check the address")
    try:
        return json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise refusal(name, f"this is not JSON, or is cut off ({_short(str(error))})") from None


def is_web_page(data: bytes) -> bool:
    """Tell whether the bytes begin as HTML or XML do."""
    return data[:200].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def mapping(value: Any, name: str, what: str) -> dict[str, Any]:
    """Give `value` if it is a JSON object."""
    if not isinstance(value, dict):
        raise refusal(name, f"{what} is {_kind(value)}, expected an object")
    return value


def sequence(value: Any, name: str, what: str) -> list[Any]:
    """Give `value` if it is a JSON array that is not empty."""
    if not isinstance(value, list):
        raise refusal(name, f"{what} is {_kind(value)}, expected a list")
    if not value:
        raise refusal(name, f"{what} is empty")
    return value


def member(document: Mapping[str, Any], key: str, name: str) -> Any:
    """Give what the object has under a key that must be there."""
    if key not in document:
        found = ", ".join(map(repr, list(document)[:8])) or "nothing"
        raise refusal(name, f"there is no {key!r}, only {_short(found, 120)}")
    return document[key]


def same_length(columns: Mapping[str, Sequence[Any]], name: str) -> None:
    """Refuse columns of different lengths: some were cut off."""
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{key} {length}" for key, length in lengths.items())
        raise refusal(name, f"the columns have different lengths: {said}")


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
        raise refusal(name, f"{what} has {_quoted(value)}, expected a moment like 2026-01-31T18:00")
    day, clock, zone = match.groups()
    if zone is None and zone_needed:
        raise refusal(name, f"{what} has {_quoted(value)}, whose time zone is not said")
    if zone is not None and zone not in NOWHERE:
        raise refusal(name, f"{what} has {_quoted(value)}, which is not UTC")
    try:
        return in_years(datetime.fromisoformat(f"{day}T{clock}"))
    except ValueError:
        raise refusal(name, f"{what} has {_quoted(value)}, which is no day or hour") from None


def in_years(time: datetime) -> datetime:
    """Give a moment with UTC as its zone; ValueError where its year cannot be meant."""
    if time.year not in YEARS:
        raise ValueError(time.year)
    return time.replace(tzinfo=UTC)


def index_of(times: Sequence[datetime]) -> pd.DatetimeIndex:
    """Give UTC moments as pandas keeps them here, in microseconds."""
    plain = [time.replace(tzinfo=None) for time in times]
    return pd.DatetimeIndex(np.array(plain, dtype="datetime64[us]")).tz_localize("UTC")


def numbers(
    values: Sequence[Any],
    name: str,
    what: str,
    bounds: tuple[float, float],
    *,
    quoted: bool = False,
    fill: Collection[float] = (),
) -> np.ndarray:
    """Give numbers as float64, NaN for null and for the values in `fill`.

    With `quoted` a number may be written as a string. What lies outside `bounds` is refused.
    """
    found = np.full(len(values), math.nan)
    for place, value in enumerate(values):
        if value is None:
            continue
        number = _number(value, quoted)
        if number in fill:
            continue
        if not bounds[0] <= number <= bounds[1]:  # NaN is not, either
            expected = f"a number from {bounds[0]:g} to {bounds[1]:g}"
            raise refusal(name, f"{what} has {_quoted(value)} at place {place}, not {expected}")
        found[place] = number
    return found


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


def without_trailing_nulls(values: Sequence[Any]) -> int:
    """Count the values up to the last that is not null."""
    count = len(values)
    while count and values[count - 1] is None:
        count -= 1
    return count


def refuse_nulls(values: Sequence[Any], name: str, what: str) -> None:
    """Refuse a null, where only those at the end are documented."""
    if None in values:
        raise refusal(name, f"{what} is null at place {list(values).index(None)}")


def _number(value, quoted):
    """Give a float; NaN for what is no number."""
    kinds = (int, float, str) if quoted else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _no_constant(text):
    raise ValueError(f"{text} is not a JSON number")


def _kind(value):
    kinds = {type(None): "null", bool: "true or false", str: "a text", list: "a list"}
    return kinds.get(type(value), "an object" if isinstance(value, dict) else "a number")


def _quoted(value):
    return _short(repr(value)) if isinstance(value, str | int | float | None) else _kind(value)


def _short(text, most=SHOWN):
    return text if len(text) <= most else f"{text[:most]}..."


def _said(time):
    return f"{time:%Y-%m-%d %H:%M}"
