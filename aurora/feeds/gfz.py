"""Kp and Hp60 of GFZ Potsdam: history and nowcast, and the 72-hour ensemble forecast.

History: https://kp.gfz.de/app/format/json.txt (documented). The JSON has `datetime` (start of each
interval, UTC), a list named like the index, and for Kp `status` ("def", "pre"); the newest
intervals may be null. Bounds are asked for as full moments with Z: bare dates answered 500.
Forecast: "SWIFT-driven" ensemble, a pandas table by columns, each an object by row number, whose
`Time (UTC)` is dd-mm-yyyy HH:MM (third-party notes of September 2026). No service level.
Both CC BY 4.0; cite 10.5880/Kp.0001 and 10.5880/Hpo.0003. Neither yet seen live.
"""

import re
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pandas as pd

from aurora.feeds import documents, tables
from fti.http import MEGABYTE

HISTORY_URL = "https://kp.gfz.de/app/json/"
FORECAST_URLS = {
    "Hp60": "https://spaceweather.gfz.de/fileadmin/SW-Monitor/"
    "hp60_product_file_FORECAST_HP60_SWIFT_DRIVEN_LAST.json",
    "Kp": "https://spaceweather.gfz.de/fileadmin/Kp-Forecast/CSV/"
    "kp_product_file_FORECAST_PAGER_SWIFT_LAST.json",
}
ATTRIBUTION = "GFZ Potsdam, CC BY 4.0"
HIGHEST = {"Kp": 9.0, "Hp60": 30.0}  # Hp60 is open above 9; 12 was reached in May 2024
STATUSES = frozenset({"def", "pre"})
QUARTILES = ("0.25-quantile", "median", "0.75-quantile")
CLOCK = re.compile(r"(\d\d)-(\d\d)-(\d{4}) (\d\d):(\d\d)", re.ASCII)
FRESH_FOR = 600.0  # seconds; a new Hp60 every hour


def history(
    start: pd.Timestamp,
    end: pd.Timestamp,
    *,
    index: str = "Kp",
    cache: Path | None = None,
    retries: int = 3,
) -> pd.DataFrame:
    """Give the `kp` table of [start, end), as far as it is known. Raises SourceError."""
    # Whole hours: what is asked twice within one is the same question, and kept. The service counts
    # its `end` in.
    first, last = start.floor("h"), end.ceil("h") - pd.Timedelta(seconds=1)
    bounds = {"start": f"{first:%Y-%m-%dT%H:%M:%SZ}", "end": f"{last:%Y-%m-%dT%H:%M:%SZ}"}
    url = f"{HISTORY_URL}?{urlencode({**bounds, 'index': index}, safe=':')}"
    data, name = documents.fetch(
        url, max_bytes=50 * MEGABYTE, cache=cache, fresh_for=FRESH_FOR, retries=retries
    )
    return tables.between(parse_history(data, name, index), start, end)


def forecast(*, index: str = "Hp60", cache: Path | None = None, retries: int = 3) -> pd.DataFrame:
    """Give the newest ensemble forecast as a `kp` table. Raises SourceError."""
    data, name = documents.fetch(
        FORECAST_URLS[index],
        max_bytes=2 * MEGABYTE,
        cache=cache,
        fresh_for=FRESH_FOR,
        retries=retries,
    )
    return parse_forecast(data, name, index)


def parse_history(data: bytes, name: str, index: str = "Kp") -> pd.DataFrame:
    """Turn GFZ's JSON into the `kp` table, without the nulls at its end.

    Refused: another null, a missing interval, other than UTC, another index.
    """
    document = documents.mapping(documents.read_json(data, name), name, "the document")
    keys = ("datetime", index, *(("status",) if "status" in document else ()))
    columns = {
        key: documents.sequence(documents.member(document, key, name), name, key) for key in keys
    }
    documents.same_length(columns, name)
    known = documents.without_trailing_nulls(columns[index])
    if not known:
        raise documents.refusal(name, f"{index} has no value yet")
    columns = {key: column[:known] for key, column in columns.items()}
    documents.refuse_nulls(columns[index], name, index)
    times = documents.moments(columns["datetime"], name, "datetime")
    documents.check_steps(times, tables.HOURS[index], name)
    values = documents.numbers(columns[index], name, index, (0, HIGHEST[index]))
    return tables.kp_table(times, values, index=index, status=_statuses(columns, name))


def parse_forecast(data: bytes, name: str, index: str = "Hp60") -> pd.DataFrame:
    """Turn GFZ's ensemble JSON into the `kp` table: median, and quartiles as low and high.

    When it was issued is not in it. The first row is the interval in which it was made (seen once,
    at 19:05 with a first row of 18:00), so `issued_at` is that interval's end or a little late.
    """
    document = documents.mapping(documents.read_json(data, name), name, "the document")
    columns = {key: _column(document, key, name) for key in ("Time (UTC)", *QUARTILES)}
    documents.same_length(columns, name)
    known = documents.without_trailing_nulls(columns["median"])
    if not known:
        raise documents.refusal(name, "median has no value")
    columns = {key: column[:known] for key, column in columns.items()}
    times = documents.index_of([_clock(value, name) for value in columns["Time (UTC)"]])
    documents.check_steps(times, tables.HOURS[index], name)
    low, median, high = (_quantile(columns, key, name, HIGHEST[index]) for key in QUARTILES)
    if not ((low <= median) & (median <= high)).all():
        place = int((~((low <= median) & (median <= high))).argmax())
        raise documents.refusal(name, f"the quantiles of row {place} are not in order")
    issued_at = times[0] + pd.Timedelta(hours=1)
    return tables.kp_table(
        times, median, index=index, status="forecast", issued_at=issued_at, quartiles=(low, high)
    )


def _statuses(columns, name):
    """Give one status for each value; Hp60 comes without."""
    statuses = columns.get("status")
    if statuses is None:
        return "unstated"
    wrong = [status for status in statuses if not isinstance(status, str) or status not in STATUSES]
    if wrong:
        raise documents.refusal(name, f"status has {wrong[0]!r:.40}, expected 'def' or 'pre'")
    return statuses


def _column(document, key, name):
    """Give a column as a list: an object by row number, or a list already."""
    column = documents.member(document, key, name)
    if isinstance(column, dict):
        if list(column) != [str(row) for row in range(len(column))]:
            raise documents.refusal(name, f"the rows of {key} are not numbered in order")
        column = list(column.values())
    return documents.sequence(column, name, key)


def _quantile(columns, key, name, highest) -> np.ndarray:
    documents.refuse_nulls(columns[key], name, key)
    return documents.numbers(columns[key], name, key, (0, highest))


def _clock(value, name):
    match = CLOCK.fullmatch(value) if isinstance(value, str) else None
    try:
        day, month, year, hour, minute = map(int, match.groups())
        return documents.in_years(datetime(year, month, day, hour, minute))
    except (AttributeError, ValueError):
        raise documents.refusal(
            name, f"Time (UTC) has {value!r:.40}, expected dd-mm-yyyy HH:MM"
        ) from None
