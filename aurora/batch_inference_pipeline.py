"""Forecast the next 72 hours, score the forecasts of hours that are over, and publish both.

Reads index and weather from the source, the feature group `aurora_hours` and the model `aurora`;
writes the feature group `aurora_forecasts`, in which a forecast stays as it was made, and the files
`forecast.parquet`, `forecast.json` and `report.html`. Run it with
`python -m aurora.batch_inference_pipeline`.
"""

import logging
from collections.abc import Sequence
from datetime import date as Date
from datetime import timedelta
from typing import Any

import pandas as pd

import fti
from aurora import feature_pipeline, features, forecasting, report, sites, sources, summary
from fti import console, models, quality, raw, rows

log = logging.getLogger(__name__)

GROUP, HOURS = "aurora_forecasts", "aurora_hours"
KEY = ["site", "issued_at"]
DAY = timedelta(days=1)


def main(
    source: console.SourceOption = None,
    date: console.DateOption = None,
    site: sites.SitesOption = None,
) -> None:
    """Forecast the 72 hours after the date's noon for each site; publish forecasts and record."""
    date, names = console.day(date), [place.name for place in sites.chosen(site)]
    project = fti.login()
    with fti.run(project, "aurora", "batch_inference", date) as run:
        run.source = raw.shown(sources.chosen(source))
        current = models.fetch_model(project, "aurora")
        store, noon = project.get_feature_store(), sources.noon_of(source, date)
        hours, known = read(store, HOURS, summary.OBSERVED), read(store, GROUP, summary.SCORED)
        feature_pipeline.refuse_mixture(hours, source)

        made, told = forecast(source, date, noon, names, hours, current)
        new = not_stored(made, known)
        store_forecasts(store, new)
        found = stored(store, names, known, new, hours)
        files = published(found, current, told, date, noon) if found.sites else {}
        run.rows_in, run.rows_out = len(made), len(new)
        run.model_version, run.published = current.version, len(files)
        if files:
            fti.publish(project, "aurora", files)
    console.say(f"{len(new)} hours forecast by model version {current.version}; {said(files)}")


def forecast(
    source: str | None,
    date: Date,
    noon: pd.Timestamp,
    names: Sequence[str],
    hours: pd.DataFrame,
    current: models.ModelFiles,
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Give the forecasts of a noon as rows of `aurora_forecasts`, and what the sources told.

    No rows where that is no longer possible: services on the web have only their newest forecast.
    """
    if sources.kind(source) == raw.WEB and date != console.day():
        sentence = f"From the web a forecast is made on its own day, so there is none for {date}."
        log.warning("%s", sentence)
        told = [forecasting.told(what, raw.WEB, stale=sentence) for what in forecasting.AHEAD]
        return forecasting.no_rows(), told
    forecaster = forecasting.load(current)
    inputs, told = forecasting.read_inputs(source, names, noon)
    parts = [
        forecasting.build(
            name,
            noon,
            inputs[name],
            summary.of(hours, name).set_index("valid_hour")["aurora"],
            forecaster,
            is_synthetic=sources.kind(source) == raw.SAMPLE,
        )
        for name in names
    ]
    return pd.concat(parts, ignore_index=True), told


# What is stored


def read(store: Any, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """Read columns of a feature group, times in UTC; an empty table where there is no group."""
    group = store.get_feature_group(name, version=1)
    if group is None:
        return features.in_utc(pd.DataFrame(columns=list(columns)))
    return features.in_utc(group.select(list(columns)).read())


def not_stored(made: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Give the rows of forecasts that are not stored: one that is stays as it was made."""
    there = pd.MultiIndex.from_frame(known[KEY])
    return made[~pd.MultiIndex.from_frame(made[KEY]).isin(there)]


def store_forecasts(store: Any, new: pd.DataFrame) -> None:
    """Check and store new forecasts."""
    if new.empty:
        return
    quality.check(new, forecasting.schema(), "aurora forecasts")
    group = store.get_or_create_feature_group(
        GROUP,
        version=1,
        primary_key=KEY,
        event_time="valid_hour",
        description="Probability of aurora in each of the 72 hours after a noon, and its inputs",
    )
    group.insert(new, wait=True)


def stored(
    store: Any,
    names: Sequence[str],
    known: pd.DataFrame,
    new: pd.DataFrame,
    hours: pd.DataFrame,
) -> summary.Stored:
    """Give all that is stored now, and read the newest forecast of each of the sites asked for."""
    every = [part[summary.SCORED] for part in (known, new) if len(part)]
    forecasts = pd.concat(every, ignore_index=True) if every else known
    newest = newest_forecasts(store, forecasts[forecasts["site"].isin(names)])
    with_one = [name for name in names if (newest["site"] == name).any()]
    return summary.Stored(sites=with_one, newest=newest, forecasts=forecasts, hours=hours)


def newest_forecasts(store: Any, forecasts: pd.DataFrame) -> pd.DataFrame:
    """Read all columns of the newest forecast of each site, by site and hour."""
    if forecasts.empty:
        return forecasting.no_rows()
    issues = forecasts.groupby("site")["issued_at"].max()
    between = {
        "start_time": issues.min().date(),
        "end_time": (issues.max() + sources.HORIZON).date() + DAY,
    }
    table = features.in_utc(rows.stored(store, GROUP, **between))
    newest = table[table["issued_at"] == table["site"].map(issues)]
    return newest.sort_values(["site", "valid_hour"], ignore_index=True)


# What is published


def published(
    found: summary.Stored,
    current: models.ModelFiles,
    told: Sequence[dict[str, Any]],
    date: Date,
    noon: pd.Timestamp,
) -> dict[str, Any]:
    """Give the published files by name."""
    summed = summary.summarize(found, current, told, date, noon)
    return {
        "forecast.parquet": found.newest,
        "forecast.json": summed,
        "report.html": report.render(summed, found.newest),
    }


def said(files: dict[str, Any]) -> str:
    """Say the first night of each site in one line."""
    if not files:
        return "nothing to publish yet"
    nights = {site["name"]: site["nights"][0] for site in files["forecast.json"]["sites"].values()}
    lines = [f"{name}: {night['verdict']}, {night['sentence']}" for name, night in nights.items()]
    return f"{'; '.join(lines)}; {len(files)} files"


if __name__ == "__main__":
    console.run(main)
