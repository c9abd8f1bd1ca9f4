"""The policy rate of Sveriges Riksbank, day by day, from its SWEA interface.

`https://api.riksbank.se/swea/v1/Observations/SECBREPOEFF/{from}/{to}` gives a list of
{"date": "2026-11-20", "value": 1.75}, one for each banking day, in percent (documented; not yet
seen live). No key is needed; without one about five questions a minute are answered (third-party
note), with the free one in RIKSBANK_API_KEY 200. The rate of a day was decided about a week before.
"""

import os
import re
from datetime import date

import numpy as np
import pandas as pd

from fti import documents
from fti.errors import SourceError
from fti.http import MAX_REDIRECTS, MEGABYTE

URL = "https://api.riksbank.se/swea/v1/Observations/SECBREPOEFF/{first}/{last}"
KEY, KEY_HEADER = "RIKSBANK_API_KEY", "Ocp-Apim-Subscription-Key"
ATTRIBUTION = "Sveriges Riksbank"
FIRST_DAY = date(1994, 6, 1)  # of the series
BOUNDS = (-5.0, 25.0)  # percent
DAY = re.compile(r"(?:19|20)\d\d-\d\d-\d\d", re.ASCII)


def policy_rate(until: pd.Timestamp, *, first: date = FIRST_DAY, retries: int = 3) -> pd.DataFrame:
    """Give `period` (the day, UTC) and `value` (percent) from `first` to `until`, in order.

    Raises SourceError, and SourceUnreachable where there is no answer.
    """
    key = os.environ.get(KEY, "").strip()
    if not key.isascii() or not key.isprintable():
        raise SourceError(f"{KEY} holds characters that no key has: copy it again.")
    data, name = documents.fetch(
        URL.format(first=f"{first:%Y-%m-%d}", last=f"{until:%Y-%m-%d}"),
        max_bytes=5 * MEGABYTE,
        retries=retries,
        headers={KEY_HEADER: key} if key else None,
        redirects=0 if key else MAX_REDIRECTS,  # the key is for this host
    )
    table = parse(data, name)
    return table[table["period"] <= until].reset_index(drop=True)


def parse(data: bytes, name: str) -> pd.DataFrame:
    """Turn the list of days into `period` and `value`, whatever its order.

    Refused: no day at all, a day twice, a value that is null or no rate.
    """
    if not data.strip():  # status 204: no banking day in between
        raise documents.refusal(name, "it has no day; ask for more days")
    rows = documents.sequence(documents.read_json(data, name), name, "the document")
    rows = [documents.mapping(row, name, "a row") for row in rows]
    columns = {key: [documents.member(row, key, name) for row in rows] for key in ("date", "value")}
    documents.refuse_nulls(columns["value"], name, "value")
    values = documents.numbers(columns["value"], name, "value", BOUNDS)
    days = pd.DatetimeIndex(np.array([_day(text, name) for text in columns["date"]]), tz="UTC")
    table = pd.DataFrame({"period": days.as_unit("us"), "value": values})
    twice = table["period"].duplicated()
    if twice.any():
        raise documents.refusal(name, f"{table['period'][twice].iloc[0]:%Y-%m-%d} is there twice")
    return table.sort_values("period", ignore_index=True)


def _day(text, name):
    try:
        return np.datetime64(DAY.fullmatch(text).group(), "us")
    except (AttributeError, TypeError, ValueError):
        said = documents.shown(text)
        raise documents.refusal(name, f"date has {said}, expected a day like 2026-01-31") from None
