"""Open-Meteo: the default weather, without a key; forecasts, and archived forecasts since 2021.

https://open-meteo.com/en/docs and https://open-meteo.com/en/docs/historical-forecast-api
(documented, not yet seen live). Columns of equal length under `hourly`, their units under
`hourly_units`; moments without a zone, in the one asked for (`utc_offset_seconds`); null where a
model knows nothing. Until 2023 the words of a variable were written together (`cloudcover_low`):
read as well. Data CC BY 4.0; free for non-commercial use, 10,000 requests a day for each address,
which a shared cloud host can find used up (429).

The archive joins the first hours of successive model runs. Training on it removes the difference
between observations and forecasts, but not the one between a forecast for soon and one for later.
"""

from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pandas as pd

from aurora.feeds import documents, tables
from aurora.sites import Site
from fti.http import MEGABYTE

FORECAST_URL = "https://api.open-meteo.com/v1/forecast"
HISTORY_URL = "https://historical-forecast-api.open-meteo.com/v1/forecast"
ATTRIBUTION = "Weather data by Open-Meteo.com, CC BY 4.0"
FRESH_FOR = 900.0  # seconds; models are run every hour at best
# Variable -> our column, its unit, and what makes one of the other.
FIELDS = {
    "cloud_cover": ("cloud_cover", "%", 1.0),
    "cloud_cover_low": ("cloud_low", "%", 1.0),
    "cloud_cover_mid": ("cloud_mid", "%", 1.0),
    "cloud_cover_high": ("cloud_high", "%", 1.0),
    "visibility": ("visibility_km", "m", 0.001),
    "precipitation": ("precipitation_mm", "mm", 1.0),
    "snowfall": ("snowfall_cm", "cm", 1.0),
    "temperature_2m": ("temperature_c", "°C", 1.0),
    "dew_point_2m": ("dew_point_c", "°C", 1.0),
    "relative_humidity_2m": ("humidity", "%", 1.0),
    "wind_speed_10m": ("wind_ms", "m/s", 1.0),
}


def forecast(
    site: Site,
    *,
    past_days: int = 2,
    days: int = 4,
    issued_at: pd.Timestamp | None = None,
    cache: Path | None = None,
    retries: int = 3,
) -> pd.DataFrame:
    """Give the `weather` table of the last `past_days` and the next `days`. Raises SourceError.

    Days are UTC days, today's the first of the next ones. Every row has the given `issued_at`:
    the service does not say when the model ran.
    """
    asked = {"past_days": past_days, "forecast_days": days}
    return parse(*_fetch(FORECAST_URL, site, asked, cache, retries), site, issued_at)


def history(
    site: Site,
    start: pd.Timestamp,
    end: pd.Timestamp,
    *,
    cache: Path | None = None,
    retries: int = 3,
) -> pd.DataFrame:
    """Give the `weather` table of [start, end) from archived forecasts. Raises SourceError."""
    last = end - pd.Timedelta(seconds=1)
    asked = {"start_date": f"{start:%Y-%m-%d}", "end_date": f"{last:%Y-%m-%d}"}
    table = parse(*_fetch(HISTORY_URL, site, asked, cache, retries), site)
    return tables.between(table, start, end)


def parse(
    data: bytes, name: str, site: Site, issued_at: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Turn Open-Meteo's JSON into the `weather` table, without hours of which nothing is known.

    Nulls and 9999 are NaN. Refused: the service's own errors, another zone or unit, a missing
    variable or hour, and an answer without any cloud cover.
    """
    document = documents.mapping(documents.read_json(data, name), name, "the document")
    if document.get("error"):
        raise documents.refusal(name, f"the service says {str(document.get('reason'))!r:.200}")
    if documents.member(document, "utc_offset_seconds", name) != 0:
        raise documents.refusal(name, "the times are local; ask for timezone=GMT")
    _check_units(document, name)
    times, columns = _columns(document, name)
    if np.isnan(columns["cloud_cover"]).all():
        raise documents.refusal(name, "cloud_cover has no value at all")
    known = ~np.all([np.isnan(values) for values in columns.values()], axis=0)
    count = len(known) - int(known[::-1].argmax())
    columns = {column: values[:count] for column, values in columns.items()}
    return tables.weather_table(
        times[:count], columns, site=site, source="open-meteo", issued_at=issued_at
    )


def _fetch(url, site, asked, cache, retries):
    place = {"latitude": site.latitude, "longitude": site.longitude}
    query = {**place, "hourly": ",".join(FIELDS), "timezone": "GMT", "wind_speed_unit": "ms"}
    return documents.fetch(
        f"{url}?{urlencode({**query, **asked}, safe=',')}",
        max_bytes=50 * MEGABYTE,
        cache=cache,
        fresh_for=FRESH_FOR,
        retries=retries,
    )


def _columns(document, name):
    """Give times, and values by our columns."""
    hourly = documents.mapping(documents.member(document, "hourly", name), name, "hourly")
    names = ("time", *FIELDS)
    lists = {key: documents.sequence(_variable(hourly, key, name), name, key) for key in names}
    documents.same_length(lists, name)
    times = documents.moments(lists["time"], name, "time", zone_needed=False)
    documents.check_steps(times, 1, name)
    return times, {column: _values(lists, key, name) for key, (column, *_) in FIELDS.items()}


def _variable(hourly, key, name):
    """Give a column by its name, or by the one it had until 2023."""
    return (
        hourly[_old(key)]
        if key not in hourly and _old(key) in hourly
        else documents.member(hourly, key, name)
    )


def _old(key):
    words = key.split("_")
    height = [words.pop()] if words[-1] in ("2m", "10m", "low", "mid", "high") else []
    return "_".join(["".join(words), *height])


def _check_units(document, name):
    units = documents.mapping(document.get("hourly_units", {}), name, "hourly_units")
    for key, (_, expected, _) in FIELDS.items():
        unit = units.get(key, units.get(_old(key), expected))
        if unit != expected:
            raise documents.refusal(name, f"{key} is in {unit!r:.20}, expected {expected!r}")


def _values(lists, key, name) -> np.ndarray:
    column, _, factor = FIELDS[key]
    low, high = tables.WEATHER[column]
    bounds = (low / factor, high / factor)
    return documents.numbers(lists[key], name, key, bounds, fill=tables.FILL) * factor
