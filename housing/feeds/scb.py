"""GDP and unemployment of Sweden from Statistics Sweden (SCB).

PxWebApi 2 (https://statistikdatabasen.scb.se/api/v2, since October 2025) is asked first: a search
for the code of the content, which only one table has, gives the table's number, and a GET its data.
Where that does not work out, version 1 (https://api.scb.se/OV0104/v1/doris/en/ssd) is asked by
POST. Both answer in json-stat2 (https://json-stat.org/full/). Documented, not yet seen live. No
key; 30 and 10 questions in 10 seconds. Both give the newest revision, not what was first published.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd

from fti import documents, http
from fti.errors import SourceError, SourceUnreachable
from fti.http import MEGABYTE

log = logging.getLogger(__name__)

URL = "https://statistikdatabasen.scb.se/api/v2"
URL_V1 = "https://api.scb.se/OV0104/v1/doris/en/ssd"
ATTRIBUTION = "Statistics Sweden, CC BY 4.0"
FRESH_FOR = 6 * 3600.0  # seconds
MAX_BYTES = 5 * MEGABYTE
TIME = "Tid"
TABLE_ID = re.compile(r"TAB\d{1,8}", re.ASCII)
MOST_TABLES = 3  # that are looked at when a search finds several


@dataclass(frozen=True)
class Series:
    """One row of a table of SCB over time."""

    path: str  # of the table in version 1
    codes: Mapping[str, str]  # variable -> the one value wanted
    months: int  # length of a period: 1 or 3
    bounds: tuple[float, float]

    @property
    def content(self) -> str:
        return self.codes["ContentsCode"]


# GDP at market prices, seasonally adjusted, constant prices, million kronor.
GDP = Series(
    "NR/NR0103/NR0103B/NR0103ENS2010T10SKv",
    {"Anvandningstyp": "BNPM", "ContentsCode": "NR0103CE"},
    months=3,
    bounds=(1e4, 1e8),
)
# Unemployed of the labour force aged 15 to 74, seasonally adjusted, percent.
UNEMPLOYMENT = Series(
    "AM/AM0401/AM0401A/AKURLBefM",
    {
        "Arbetskraftstillh": "ALÖSP",
        "TypData": "SR_DATA",
        "Kon": "1+2",
        "Alder": "tot15-74",
        "ContentsCode": "000007L9",
    },
    months=1,
    bounds=(0, 50),
)
PERIODS = {
    1: (re.compile(r"((?:19|20)\d\d)M(0[1-9]|1[0-2])", re.ASCII), "2026M01"),
    3: (re.compile(r"((?:19|20)\d\d)K([1-4])", re.ASCII), "2026K1"),
}


def read(series: Series, *, cache: Path | None = None, retries: int = 3) -> pd.DataFrame:
    """Give `period` (its first day, UTC) and `value`, in order and without a gap.

    Raises SourceUnreachable when neither version could be reached, SourceError when one answered
    something else than documented.
    """
    try:
        return _read_v2(series, cache, retries)
    except SourceError as error:
        first = error
        log.info("Version 2 of SCB is of no use now: %s", error)
    try:
        return _read_v1(series, cache, retries)
    except SourceError as error:
        both = isinstance(first, SourceUnreachable) and isinstance(error, SourceUnreachable)
        kind = SourceUnreachable if both else SourceError
        raise kind(f"{str(first).rstrip('.')}; {error}") from error


def parse(data: bytes, name: str, series: Series) -> pd.DataFrame:
    """Turn a json-stat2 dataset into `period` and `value`.

    Nulls at either end are left out. Refused: a null or a gap between values, other codes than
    those asked for, other numbers of values than periods, values that cannot be.
    """
    document = documents.mapping(documents.read_json(data, name), name, "the document")
    if document.get("class") != "dataset":
        said = documents.shown(document.get("class"))
        raise documents.refusal(name, f"class is {said}, expected 'dataset'")
    names = documents.sequence(documents.member(document, "id", name), name, "id")
    dimensions = documents.mapping(documents.member(document, "dimension", name), name, "dimension")
    sizes = documents.sequence(documents.member(document, "size", name), name, "size")
    documents.same_length({"id": names, "size": sizes}, name)
    if not all(isinstance(each, str) for each in names) or set(names) != {*series.codes, TIME}:
        said = ", ".join(map(documents.shown, names))
        raise documents.refusal(name, f"its variables are {said}, expected others")
    codes = {each: _codes(documents.member(dimensions, each, name), name, each) for each in names}
    for variable, code in series.codes.items():
        if codes[variable] != [code]:
            said = documents.short(", ".join(codes[variable]))
            raise documents.refusal(name, f"{variable} has {said}, expected only {code}")
    if sizes != [len(codes[each]) for each in names]:
        raise documents.refusal(name, "size does not tell the number of its codes")
    values = _values(documents.member(document, "value", name), len(codes[TIME]), name)
    return _table(codes[TIME], values, series, name)


def _read_v2(series, cache, retries):
    """Ask version 2 for the tables that have this content, then for the data of the first."""
    question = urlencode({"lang": "en", "query": series.content, "pageSize": 10})
    found, name = _get(f"{URL}/tables?{question}", cache, retries)
    wanted = {f"valueCodes[{key}]": code for key, code in series.codes.items()}
    question = urlencode(
        {"lang": "en", "outputFormat": "json-stat2", **wanted, f"valueCodes[{TIME}]": "*"},
        safe="[]*",
    )
    problems: list[SourceError] = []
    for table in tables(found, name)[:MOST_TABLES]:
        try:
            answer = _get(f"{URL}/tables/{table}/data?{question}", cache, retries)
            return parse(*answer, series)
        except SourceError as error:
            problems.append(error)
    raise problems[0]


def tables(data: bytes, name: str) -> list[str]:
    """Give the numbers of the tables that a search of version 2 has found."""
    document = documents.mapping(documents.read_json(data, name), name, "the document")
    rows = documents.sequence(documents.member(document, "tables", name), name, "tables")
    found = [documents.member(documents.mapping(row, name, "a table"), "id", name) for row in rows]
    for number in found:
        if not isinstance(number, str) or not TABLE_ID.fullmatch(number):
            said = documents.shown(number)
            raise documents.refusal(name, f"id has {said}, expected one like TAB1234")
    return found


def _read_v1(series, cache, retries):
    """Ask version 1 for the same."""
    one = [
        {"code": key, "selection": {"filter": "item", "values": [code]}}
        for key, code in series.codes.items()
    ]
    every = {"code": TIME, "selection": {"filter": "all", "values": ["*"]}}
    document = {"query": [*one, every], "response": {"format": "json-stat2"}}
    url = f"{URL_V1}/{series.path}"
    try:
        data = http.post(
            url,
            document,
            max_bytes=MAX_BYTES,
            cache=cache,
            fresh_for=FRESH_FOR,
            retries=retries,
        )
    except http.HttpError as error:
        raise SourceUnreachable(str(error)) from error
    return parse(data, http.without_secrets(url), series)


def _get(url, cache, retries):
    return documents.fetch(
        url, max_bytes=MAX_BYTES, cache=cache, fresh_for=FRESH_FOR, retries=retries
    )


def _codes(dimension: Any, name: str, what: str) -> list[str]:
    """Give the codes of a dimension in the order of its values: a list, or places by code."""
    dimension = documents.mapping(dimension, name, what)
    category = documents.mapping(documents.member(dimension, "category", name), name, what)
    index = documents.member(category, "index", name)
    if isinstance(index, dict):
        places = list(index.values())
        if not all(type(place) is int for place in places):
            raise documents.refusal(name, f"{what} has places that are no numbers")
        if sorted(places) != list(range(len(places))):
            raise documents.refusal(name, f"{what} has places that are not 0, 1, 2...")
        index = sorted(index, key=index.__getitem__)
    index = documents.sequence(index, name, what)
    if not all(isinstance(code, str) for code in index):
        raise documents.refusal(name, f"{what} has codes that are no text")
    return index


def _values(value: Any, count: int, name: str) -> list[Any]:
    """Give one value per period: the list, or what an object has by place, null elsewhere."""
    if isinstance(value, dict):
        places = {str(place): place for place in range(count)}
        strange = [key for key in value if key not in places]
        if strange:
            raise documents.refusal(name, f"value has a place {documents.shown(strange[0])}")
        return [value.get(key) for key in places]
    value = documents.sequence(value, name, "value")
    if len(value) != count:
        raise documents.refusal(name, f"value has {len(value)} values for {count} periods")
    return value


def _table(codes, values, series, name):
    last = documents.without_trailing_nulls(values)
    first = len(values) - documents.without_trailing_nulls(values[::-1])
    if first >= last:
        raise documents.refusal(name, "it has no value")
    codes, values = codes[first:last], values[first:last]
    documents.refuse_nulls(values, name, "value")
    months = np.array([_month(code, series.months, name) for code in codes])
    wrong = np.diff(months) != series.months
    if wrong.any():
        place = int(wrong.argmax())
        raise documents.refusal(name, f"{codes[place]} is followed by {codes[place + 1]}")
    periods = pd.DatetimeIndex(months.astype("datetime64[M]").astype("datetime64[us]"), tz="UTC")
    numbers = documents.numbers(values, name, "value", series.bounds)
    return pd.DataFrame({"period": periods, "value": numbers})


def _month(code, length, name):
    """Give the first month of a period, counted from 1970."""
    pattern, example = PERIODS[length]
    match = pattern.fullmatch(code)
    if match is None:
        said = documents.shown(code)
        raise documents.refusal(name, f"{TIME} has {said}, expected one like {example}")
    year, part = map(int, match.groups())
    return (year - 1970) * 12 + (part - 1) * length
