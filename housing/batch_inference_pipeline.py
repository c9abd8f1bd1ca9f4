"""Value flats for sale and new sales before their price is seen; score and publish what was said.

Reads the feature groups `housing_sales` and `housing_listings` and the models `housing` and
`housing_seed_xgboost`; writes the feature group `housing_valuations`, in which a valuation stays as
it was made, and the files `known_sales.parquet`, `valuations.parquet`, `monitor.json` and
`report.html`. Run it with `python -m housing.batch_inference_pipeline`.
"""

from __future__ import annotations

import json
from datetime import date as Date
from typing import Any

import pandas as pd

import fti
from fti import console, models, runs
from fti.errors import UserError
from housing import groups, report, scoring, summary, table, valuing
from housing.summary import Current
from housing.valuing import MODEL, SEED, Stored

OTHERS = (SEED, "housing_autogluon")
LOOK_BACK = 1000  # runs, among which the last feature run is


def main(date: console.DateOption = None) -> None:
    """Value what is new up to the date; publish valuations, their record and known sales."""
    date = console.day(date)
    project = fti.login()
    with fti.run(project, "housing", "batch_inference", date) as run:
        files = models.fetch_model(project, MODEL)
        store = project.get_feature_store()
        stored = read(store, date)
        past = scoring.load_scorer(files.folder).past(stored.sales[list(table.COLUMNS)])

        new = valuing.unvalued(stored, files.version, valuing.trained_until(files))
        if len(new):
            made = valuing.valuations(project, new, files, past, date)
            groups.add(store, groups.VALUATIONS, made)
            stored = valuing.read(store, date)
        found = published(stored, current(project, files, past), last_account(project), date)
        run.rows_in = len(stored.sales) + len(stored.listings)
        run.rows_out, run.model_version, run.published = len(new), files.version, len(found)
        fti.publish(project, "housing", found)
    console.say(f"{len(new):,} flats valued by model version {files.version}; {said(found)}")


def read(store: Any, date: Date) -> Stored:
    """Read what is stored up to the end of a day; raises UserError without sales."""
    stored = valuing.read(store, date)
    if stored.sales.empty:
        raise UserError(
            f"There are no sales of {date} or before: run `python -m housing.feature_pipeline` "
            "first, or choose a later --date."
        )
    return stored


def current(project: Any, files: models.ModelFiles, past: Any) -> Current:
    """Give the current model with the sales that it learned from, and the models beside it."""
    others = [name for name in OTHERS if models.latest_model(project, name) is not None]
    return Current(
        files=files,
        past=past,
        reference=pd.read_parquet(files.folder / scoring.KNOWN_SALES),
        others=[models.fetch_model(project, name) for name in others],
    )


def last_account(project: Any) -> dict[str, Any]:
    """Give what the newest finished feature run kept of its source; nothing without one."""
    found = runs.recent(project, LOOK_BACK)
    ours = (found["use_case"] == "housing") & (found["pipeline"] == "feature")
    told = found.loc[ours & (found["status"] == runs.SUCCESS), "details"].head(1)
    return json.loads(told.iloc[0]) if len(told) else {}


def published(stored: Stored, models: Current, told: dict[str, Any], date: Date) -> dict[str, Any]:
    """Give the published files by name."""
    summed, newest = summary.summarize(stored, models, told, date), summary.valuations(stored)
    return {
        "known_sales.parquet": scoring.save_sales(stored.sales[list(table.COLUMNS)]),
        "valuations.parquet": newest,
        "monitor.json": summed,
        "report.html": report.render(summed, newest),
    }


def said(files: dict[str, Any]) -> str:
    """Say how good the valuations were in one line."""
    live = files["monitor.json"]["live"]
    waiting = f"{live['listings_waiting']:,} flats for sale"
    if not live["scored"]:
        return f"none scored yet; {waiting}; {len(files)} files"
    return (
        f"{live['scored']:,} scored since {live['since']}: {live['mdape']:.1f} % median error; "
        f"{waiting}; {len(files)} files"
    )


if __name__ == "__main__":
    console.run(main)
