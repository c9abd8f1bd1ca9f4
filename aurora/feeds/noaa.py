"""Kp of NOAA's Space Weather Prediction Center: the last week, and a forecast for three days.

Since 31 March 2026 an array of objects with numbers, `kp` in the forecast and `Kp` in what was
observed; before, an array of arrays with a header and numbers as strings (both documented:
https://www.weather.gov/media/notification/pdf_2026/scn26-21_Data_Format_Changes_Impacting_SWPC_Products.pdf).
Both shapes are read. A missing zone means UTC. Public domain; the files are made every minute, and
are asked for no faster. Not yet seen live.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from aurora.feeds import documents, tables
from fti.http import MEGABYTE

OBSERVED_URL = "https://services.swpc.noaa.gov/products/noaa-planetary-k-index.json"
FORECAST_URL = "https://services.swpc.noaa.gov/products/noaa-planetary-k-index-forecast.json"
ATTRIBUTION = "NOAA SWPC, public domain"
KP_NAMES = ("Kp_fraction", "kp", "Kp")  # until 2023 `Kp` was whole and Kp_fraction had the thirds
STATUSES = {"observed": "observed", "estimated": "estimated", "predicted": "forecast"}
FRESH_FOR = 60.0  # seconds


def observed(*, cache: Path | None = None, retries: int = 3) -> pd.DataFrame:
    """Give the `kp` table of about the last week. Raises SourceError."""
    return parse(*_fetch(OBSERVED_URL, cache, retries)).drop(columns=["low", "high"])


def forecast(
    *, issued_at: pd.Timestamp | None = None, cache: Path | None = None, retries: int = 3
) -> pd.DataFrame:
    """Give the `kp` table of the last week and the next three days. Raises SourceError."""
    return parse(*_fetch(FORECAST_URL, cache, retries), issued_at)


def parse(data: bytes, name: str, issued_at: pd.Timestamp | None = None) -> pd.DataFrame:
    """Turn either product, in either shape, into the `kp` table; low and high are NaN.

    When a forecast was issued is not in it: without `issued_at` it is taken for made when the last
    observed interval had ended. Intervals may be missing. Refused: nulls, another order or zone.
    """
    rows = _rows(documents.sequence(documents.read_json(data, name), name, "the document"), name)
    kp = next((key for key in KP_NAMES if key in rows[0]), "kp")
    columns = {key: [documents.member(row, key, name) for row in rows] for key in ("time_tag", kp)}
    documents.refuse_nulls(columns[kp], name, kp)
    times = documents.moments(columns["time_tag"], name, "time_tag", zone_needed=False)
    documents.check_steps(times, 3, name, gaps=True)
    values = documents.numbers(columns[kp], name, kp, (0, 9), quoted=True)
    statuses = pd.Series([_status(row, name) for row in rows])
    ends = pd.Series(times + pd.Timedelta(hours=3))
    seen = statuses == "observed"
    made = issued_at or (ends[seen].max() if seen.any() else times[0])
    table = tables.kp_table(
        times, values, index="Kp", status=statuses, issued_at=ends.where(seen, made)
    )
    return table.assign(low=float("nan"), high=float("nan"))


def _fetch(url, cache, retries):
    return documents.fetch(
        url, max_bytes=2 * MEGABYTE, cache=cache, fresh_for=FRESH_FOR, retries=retries
    )


def _rows(document: list[Any], name: str) -> list[dict[str, Any]]:
    """Give each row by column name, whichever shape the document has."""
    if isinstance(document[0], dict):
        return [documents.mapping(row, name, "a row") for row in document]
    header, *rows = (documents.sequence(row, name, "a row") for row in document)
    if not rows or not all(isinstance(word, str) for word in header):
        raise documents.refusal(name, "expected a header and rows, or objects")
    for place, row in enumerate(rows, start=1):
        if len(row) != len(header):
            counts = f"{len(row)} values, the header {len(header)}"
            raise documents.refusal(name, f"row {place} has {counts}")
    return [dict(zip(header, row, strict=True)) for row in rows]


def _status(row, name):
    """Give our word; what was observed says nothing about it."""
    said = row.get("observed", "observed")
    if not isinstance(said, str) or said not in STATUSES:
        expected = ", ".join(STATUSES)
        raise documents.refusal(name, f"observed has {said!r:.40}, expected one of {expected}")
    return STATUSES[said]
