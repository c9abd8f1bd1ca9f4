"""MET Norway's Locationforecast 2.0: the fallback for weather to come, without a key.

https://api.met.no/weatherapi/locationforecast/2.0/documentation,
https://developer.yr.no/doc/ForecastJSON (documented, not yet seen live). GeoJSON: a step has what
holds at that moment and, while steps are hourly, what falls in the hour after it. Visibility is
not in it. The terms (https://api.met.no/doc/TermsOfService) ask for a user agent that says who
calls and how to reach them, and for at most four decimals of a degree. CC BY 4.0.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from aurora.feeds import documents, tables
from aurora.sites import Site
from fti.errors import SourceError
from fti.http import MEGABYTE, USER_AGENT

FORECAST_URL = "https://api.met.no/weatherapi/locationforecast/2.0/complete"
CONTACT = "MET_NORWAY_CONTACT"
ATTRIBUTION = "Data from MET Norway, CC BY 4.0"
FRESH_FOR = 1800.0  # seconds; the service's own Expires is about half an hour
# Name of a detail -> our column and its unit.
DETAILS = {
    "cloud_area_fraction": ("cloud_cover", "%"),
    "cloud_area_fraction_low": ("cloud_low", "%"),
    "cloud_area_fraction_medium": ("cloud_mid", "%"),
    "cloud_area_fraction_high": ("cloud_high", "%"),
    "air_temperature": ("temperature_c", "celsius"),
    "dew_point_temperature": ("dew_point_c", "celsius"),
    "relative_humidity": ("humidity", "%"),
    "wind_speed": ("wind_ms", "m/s"),
    "precipitation_amount": ("precipitation_mm", "mm"),  # of the hour after the step
}


def contact() -> str | None:
    """Give the address or e-mail that MET_NORWAY_CONTACT says, None without."""
    return os.environ.get(CONTACT, "").strip() or None


def forecast(site: Site, *, cache: Path | None = None, retries: int = 3) -> pd.DataFrame:
    """Give the `weather` table of the hours to come, about 60 to 90. Raises SourceError."""
    reach = contact()
    if reach is None or not reach.isascii() or not reach.isprintable():
        raise SourceError(
            f"MET Norway wants to know who asks: set {CONTACT} to your e-mail or web address."
        )
    data, name = documents.fetch(
        f"{FORECAST_URL}?lat={site.latitude:.4f}&lon={site.longitude:.4f}",
        max_bytes=5 * MEGABYTE,
        cache=cache,
        fresh_for=FRESH_FOR,
        retries=retries,
        headers={"User-Agent": f"{USER_AGENT} {reach}"},
    )
    return parse(data, name, site)


def parse(data: bytes, name: str, site: Site) -> pd.DataFrame:
    """Turn the GeoJSON into the `weather` table: its hourly steps, which are the first ones.

    A detail that a step lacks is NaN, as the documentation allows, but no step may lack the cloud
    cover. Snowfall is derived: below freezing 1 mm of water is 1 cm. `issued_at` is the document's
    `updated_at`. Refused: other units, another zone or order.
    """
    document = documents.mapping(documents.read_json(data, name), name, "the document")
    properties = _inside(document, name, "properties")
    meta = _inside(properties, name, "meta")
    updated = documents.moments([documents.member(meta, "updated_at", name)], name, "updated_at")
    _check_units(_inside(meta, name, "units"), name)
    times, steps = _hourly_steps(properties, name)
    details = [_details(step, name) for step in steps]
    columns = {
        column: _values([detail.get(key) for detail in details], key, column, name)
        for key, (column, _) in DETAILS.items()
    }
    if np.isnan(columns["cloud_cover"]).any():
        raise documents.refusal(name, "cloud_area_fraction is missing in an hourly step")
    frozen = columns["temperature_c"] < tables.FREEZING
    columns["snowfall_cm"] = np.where(frozen, columns["precipitation_mm"], 0.0)
    return tables.weather_table(
        times, columns, site=site, source="met-norway", issued_at=updated[0]
    )


def _hourly_steps(properties, name):
    """Give times and steps before the steps become longer than an hour."""
    series = documents.sequence(
        documents.member(properties, "timeseries", name), name, "timeseries"
    )
    steps = [documents.mapping(step, name, "a step") for step in series]
    said = [documents.member(step, "time", name) for step in steps]
    times = documents.moments(said, name, "time")
    documents.check_steps(times, 1, name, gaps=True)
    longer = np.diff(times.asi8) > 3_600_000_000  # microseconds
    count = int(longer.argmax()) + 1 if longer.any() else len(times)
    return times[:count], steps[:count]


def _values(values, key, column, name):
    return documents.numbers(values, name, key, tables.WEATHER[column], fill=tables.FILL)


def _inside(document, name, key):
    return documents.mapping(documents.member(document, key, name), name, key)


def _check_units(units, name):
    for key, (_, unit) in DETAILS.items():
        if units.get(key, unit) != unit:
            raise documents.refusal(name, f"{key} is in {units[key]!r:.20}, expected {unit!r}")


def _details(step, name):
    """Give what holds at the step and what falls in the hour after it, by name."""
    data = _inside(step, name, "data")
    now = _inside(_inside(data, name, "instant"), name, "details")
    after = documents.mapping(data.get("next_1_hours", {}), name, "next_1_hours")
    return now | documents.mapping(after.get("details", {}), name, "details of next_1_hours")
