"""Visual Crossing: the seed's weather; an optional API with a key, and its CSV export.

https://www.visualcrossing.com/resources/documentation/weather-api/timeline-weather-api/. API
(documented, not yet seen live): days with hours; `datetimeEpoch`, seconds since 1970 UTC, is what
counts. The CSV (seen: Kiruna 2021) has local times, so an hour is missing in spring and one is
there twice in autumn: read by position its rows are consecutive UTC hours. The data are paid for,
and not ours to publish.
"""

import csv
import io
import os
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlencode

import numpy as np
import pandas as pd

from aurora.feeds import documents, tables
from aurora.sites import Site
from fti.errors import SourceError
from fti.http import MEGABYTE

URL = "https://weather.visualcrossing.com/VisualCrossingWebServices/rest/services/timeline"
KEY = "VISUALCROSSING_API_KEY"
ATTRIBUTION = "Weather data by Visual Crossing"
FRESH_FOR = 3600.0  # seconds; each hour asked for is paid for
EPOCHS = (-2_208_988_800, 7_258_118_400)  # the years of `documents.YEARS`
# Column of the export in metric units -> our column, and what makes one of the other.
FIELDS = {
    "cloudcover": ("cloud_cover", 1.0),
    "visibility": ("visibility_km", 1.0),
    "precip": ("precipitation_mm", 1.0),
    "snow": ("snowfall_cm", 1.0),
    "temp": ("temperature_c", 1.0),
    "dew": ("dew_point_c", 1.0),
    "humidity": ("humidity", 1.0),
    "windspeed": ("wind_ms", 1 / 3.6),  # km/h
}
SOURCE = "visual-crossing"


def api_key() -> str | None:
    """Give what VISUALCROSSING_API_KEY says, None without."""
    return os.environ.get(KEY, "").strip() or None


def between(
    site: Site,
    start: pd.Timestamp,
    end: pd.Timestamp,
    *,
    cache: Path | None = None,
    retries: int = 3,
) -> pd.DataFrame:
    """Give the `weather` table of [start, end): observed, then forecast. Raises SourceError."""
    key = api_key()
    if key is None:
        raise SourceError(f"Visual Crossing needs a key: set {KEY}, or use Open-Meteo.")
    place = quote(f"{site.latitude},{site.longitude}", safe=",")
    days = f"{start:%Y-%m-%d}/{end - pd.Timedelta(seconds=1):%Y-%m-%d}"
    query = {"unitGroup": "metric", "include": "hours", "timezone": "Z", "iconSet": "icons1"}
    data, name = documents.fetch(
        f"{URL}/{place}/{days}?{urlencode({**query, 'key': key})}",
        max_bytes=50 * MEGABYTE,
        cache=cache,
        fresh_for=FRESH_FOR,
        retries=retries,
    )
    return tables.between(parse_api(data, name, site), start, end)


def parse_api(data: bytes, name: str, site: Site) -> pd.DataFrame:
    """Turn the API's JSON into the `weather` table. Nulls are NaN; no hour may be missing."""
    document = documents.mapping(documents.read_json(data, name), name, "the document")
    days = documents.sequence(documents.member(document, "days", name), name, "days")
    hours = [
        documents.mapping(hour, name, "an hour")
        for day in days
        for hour in documents.sequence(
            documents.member(documents.mapping(day, name, "a day"), "hours", name), name, "hours"
        )
    ]
    epochs = [documents.member(hour, "datetimeEpoch", name) for hour in hours]
    documents.refuse_nulls(epochs, name, "datetimeEpoch")
    seconds = documents.numbers(epochs, name, "datetimeEpoch", EPOCHS)
    times = pd.DatetimeIndex(seconds.astype("int64").astype("datetime64[s]")).tz_localize("UTC")
    documents.check_steps(times, 1, name)
    columns = {
        column: _values([hour.get(key) for hour in hours], key, name)
        for key, (column, _) in FIELDS.items()
    }
    icons = [_icon(hour.get("icon"), name) for hour in hours]
    return _table(times, columns, icons, site, name)


def parse_csv(data: bytes, name: str, site: Site) -> pd.DataFrame:
    """Turn the CSV export, in metric units and local time, into the `weather` table.

    Each row must have the local time that follows from the first one's and the clock of the site,
    changes included: a lost, doubled or exchanged row, or another zone, is refused, the zone as
    soon as a clock change is within the table.
    """
    rows = _rows(data, name)
    header, rows = rows[0], rows[1:]
    places = {key: _place(header, key, name) for key in ("datetime", *FIELDS, "icon")}
    texts = {key: [row[place] for row in rows] for key, place in places.items()}
    times = _utc_hours(texts["datetime"], site, name)
    columns = {
        column: _values([text or None for text in texts[key]], key, name, quoted=True)
        for key, (column, _) in FIELDS.items()
    }
    return _table(times, columns, [_icon(text, name) for text in texts["icon"]], site, name)


def _table(times, columns, icons, site, name):
    if np.isnan(columns["cloud_cover"]).all():
        raise documents.refusal(name, "cloudcover has no value at all")
    return tables.weather_table(times, columns, site=site, source=SOURCE, icon=icons)


def _values(values, key, name, quoted=False) -> np.ndarray:
    column, factor = FIELDS[key]
    low, high = tables.WEATHER[column]
    bounds = (low / factor, high / factor)
    return documents.numbers(values, name, key, bounds, quoted=quoted, fill=tables.FILL) * factor


def _icon(word, name):
    if word in (None, ""):
        return None
    if word not in tables.ICONS:
        raise documents.refusal(name, f"icon has {word!r:.40}; ask for iconSet=icons1")
    return word


def _rows(data: bytes, name: str) -> list[list[str]]:
    """Give header and rows as texts, all of the header's length."""
    if documents.is_web_page(data):
        raise documents.refusal(name, "this is a web page, not CSV")
    try:
        text = data.decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise documents.refusal(name, f"this is not CSV, or is cut off ({error!s:.80})") from None
    if len(rows) < 2:
        raise documents.refusal(name, "it has no hours")
    for place, row in enumerate(rows):
        if len(row) != len(rows[0]):
            counts = f"{len(row)} values, the header {len(rows[0])}"
            raise documents.refusal(name, f"row {place} has {counts}")
    return rows


def _place(header, key, name):
    found = [word.strip().lower() for word in header]
    if found.count(key) != 1:
        raise documents.refusal(name, f"the header has {found.count(key)} columns {key}, not one")
    return found.index(key)


def _utc_hours(texts: list[str], site: Site, name: str) -> pd.DatetimeIndex:
    """Give the UTC hours of the rows: consecutive from the first one's local time on."""
    first = _local(texts[0], site, name)
    times = pd.date_range(first, periods=len(texts), freq="h", unit="us")
    expected = times.tz_convert(site.time_zone).strftime("%Y-%m-%dT%H:%M:%S")
    wrong = np.flatnonzero(expected != np.array(texts, dtype=object))
    if len(wrong):
        row = int(wrong[0])
        said = f"row {row + 1} has datetime {texts[row]!r:.40}, expected {expected[row]}"
        raise documents.refusal(name, f"{said} by the clock of {site.time_zone}")
    return times


def _local(text, site, name):
    """Give the UTC moment of a local time; the first of two when the clock shows it twice."""
    try:
        time = pd.Timestamp(documents.in_years(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S")))
    except ValueError:
        time = pd.NaT
    zone = site.time_zone
    time = time.tz_localize(None).tz_localize(zone, ambiguous=True, nonexistent="NaT")
    if time is pd.NaT:
        expected = f"a local time of {zone} like 2026-01-31T18:00:00"
        raise documents.refusal(name, f"row 1 has datetime {text!r:.40}, expected {expected}")
    return time.tz_convert("UTC")
