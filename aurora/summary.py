"""What `forecast.json` says: the nights of each site, the track record, the model, the sources.

Pure functions of the newest stored forecasts, of all stored ones for the record, of the hours that
were observed, and of what the sources told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date as Date
from typing import Any

import pandas as pd

from aurora import forecasting, nights, sources, track_record
from aurora.features import UNKNOWN
from aurora.sites import find
from fti import monitor, raw, training
from fti.models import ModelFiles

UNWATCHED = 3  # days of dark hours without a picture, from which on that is said
KP, CAMERA = "GFZ", "IRF"  # whose index and whose pictures, whoever passed them on


# What is looked at of all stored forecasts, and of the observed hours
SCORED = [*track_record.NEEDED, "is_synthetic"]
OBSERVED = ["site", "valid_hour", "aurora", "source", "sun_altitude"]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the feature store has, times in UTC: `sites` are those with a forecast to publish.

    `newest` are the rows of the newest forecast of each of them, by site and hour; `forecasts` the
    columns `SCORED` of all forecasts; `hours` the columns `OBSERVED` of all hours.
    """

    sites: Sequence[str]
    newest: pd.DataFrame
    forecasts: pd.DataFrame
    hours: pd.DataFrame


def summarize(
    stored: Stored,
    current: ModelFiles,
    told: Sequence[dict[str, Any]],
    date: Date,
    until: pd.Timestamp,
) -> dict[str, Any]:
    """Give all that `forecast.json` says, of a run of `date` that stands for the noon `until`.

    There has to be a site with a forecast.
    """
    issued, names = stored.newest["issued_at"].max(), stored.sites
    until = max(until, issued)
    hours = stored.hours[stored.hours["valid_hour"] < until]
    told = [*told, *(camera(of(hours, name), name) for name in names)]
    return {
        "use_case": "aurora",
        "issued_at": issued.isoformat(),
        "run_date": date.isoformat(),
        "is_synthetic": bool(stored.newest["is_synthetic"].any()),
        "hindsight": forecasting.in_hindsight(stored.newest),
        "sites": {name: _site(name, of(stored.newest, name)) for name in names},
        "track_record": {
            name: track_record.of_site(of(stored.forecasts, name), of(hours, name), until)
            for name in names
        },
        "model": {
            "name": current.name,
            "version": current.version,
            "registered_at": current.created,
            "metrics": current.metrics,
            **training.read_record(current.folder),
        },
        "sources": told,
        "freshness": monitor.freshness(
            date, hours.loc[hours["site"].isin(names), "valid_hour"].max()
        ),
        "credits": credits(stored.newest, told),
        "worthwhile": nights.WORTHWHILE,
        "good": nights.GOOD,
    }


def of(table: pd.DataFrame, site: str) -> pd.DataFrame:
    """Give the rows of a site."""
    return table[table["site"] == site]


def _site(name: str, rows: pd.DataFrame) -> dict[str, Any]:
    site = find(name)
    return {
        "name": site.name.capitalize(),
        "latitude": site.latitude,
        "longitude": site.longitude,
        "nights": nights.summarize(rows),
    }


def camera(hours: pd.DataFrame, site: str) -> dict[str, Any]:
    """Tell how new the newest dark hour is of which a camera said something."""
    dark = hours.loc[nights.is_dark(hours), ["valid_hour", "aurora"]]
    watched = dark.loc[dark["aurora"] != UNKNOWN, "valid_hour"]
    if watched.empty:
        stale = f"No camera is known to watch the sky over {find(site).name.capitalize()}."
        return forecasting.told("camera", "none", stale=stale, site=site)
    newest, days, stale = watched.max(), (dark["valid_hour"].max() - watched.max()).days, ""
    if days >= UNWATCHED:
        stale = f"The camera has no picture of the last {days} days of dark hours."
    origin = raw.SAMPLE if (hours["source"] == raw.SAMPLE).all() else CAMERA
    return forecasting.told("camera", origin, f"{newest:%Y-%m-%dT%H:%MZ}", stale, site)


def credits(newest: pd.DataFrame, told: Sequence[dict[str, Any]]) -> list[str]:
    """Give the sentences that name whose data a forecast is made of."""
    if newest["is_synthetic"].all():
        return []
    weather = newest["weather_from"].str.removesuffix(sources.HINDSIGHT).unique()
    names = {KP, *weather, *(row["origin"] for row in told)}
    return [sentence for name, sentence in sources.CREDITS.items() if name in names]
