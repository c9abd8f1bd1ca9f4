"""What a data service sent, read strictly: bytes to JSON and numbers, or one sentence.

`name` is the file or address that a sentence begins with; it holds no secrets.
"""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fti import http
from fti.errors import SourceError, SourceUnreachable

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
    redirects: int = http.MAX_REDIRECTS,
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
            redirects=redirects,
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
        raise refusal(name, f"this is not JSON, or is cut off ({short(str(error))})") from None


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
        raise refusal(name, f"there is no {key!r}, only {short(found, 120)}")
    return document[key]


def same_length(columns: Mapping[str, Sequence[Any]], name: str) -> None:
    """Refuse columns of different lengths: some were cut off."""
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{key} {length}" for key, length in lengths.items())
        raise refusal(name, f"the columns have different lengths: {said}")


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
            raise refusal(name, f"{what} has {shown(value)} at place {place}, not {expected}")
        found[place] = number
    return found


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


def shown(value: Any) -> str:
    """Give a wrong value as a sentence may quote it."""
    return short(repr(value)) if isinstance(value, str | int | float | None) else _kind(value)


def short(text: str, most: int = SHOWN) -> str:
    """Give the beginning of a text."""
    return text if len(text) <= most else f"{text[:most]}..."


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
