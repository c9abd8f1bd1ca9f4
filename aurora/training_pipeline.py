"""Train the model that says how probable it is to see aurora; register it unless it is worse.

Reads the feature group `aurora_hours` through the feature view `aurora`; writes the model `aurora`.
Run it with `python -m aurora.training_pipeline`. With `--evaluate-only` it trains on the past of a
raw source, scores later weeks, prints the scores as one line of JSON and registers nothing.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

import fti
from aurora import features, sites, sources
from aurora.feeds import tables
from fti import console, models, runs, training
from fti.errors import UserError
from fti.training import Train

MODEL = "aurora"
RECIPE = "linear-boosted-forest-1"  # a new name makes training due
RENEWED = pd.Timedelta(days=7)  # of new nights, after which it is due again
EVALUATED = pd.Timedelta(days=365)  # of the web or the sample, which have no first hour
HELPERS = ["site", "valid_hour", "issued_at", "source"]

TrainOption = Annotated[
    Train, typer.Option(help="`due`: only after a week of new nights, or when the recipe changed.")
]


def day_option(name: str, text: str) -> Any:
    """Give the type of an option that is a day of `--evaluate-only`."""
    option = typer.Option(name, parser=console.day, metavar="YYYY-MM-DD", help=text)
    return Annotated[dt.date | None, option]


Until = day_option("--train-until", "With --evaluate-only: the last day trained on.")
From = day_option("--evaluate-from", "With --evaluate-only: the first day scored.")
SiteOption = Annotated[str, typer.Option(help="With --evaluate-only: whose sky it is.")]


def main(
    source: console.SourceOption = None,
    date: console.DateOption = None,
    train: TrainOption = Train.always,
    train_until: Until = None,
    evaluate_from: From = None,
    evaluate_only: training.EvaluateOnlyOption = False,
    site: SiteOption = sites.DEFAULT,
) -> None:
    """Train on all hours that a camera watched; register the model if it is not worse."""
    if evaluate_only:
        from aurora import evaluation

        raw = read_all(source, date, site)
        found = evaluation.evaluate(raw, train_until, evaluate_from, site=site, progress=True)
        console.say(json.dumps(found, allow_nan=False))
        return
    if train_until or evaluate_from:
        raise UserError("--train-until and --evaluate-from need --evaluate-only beside them.")
    project, date = fti.login(), console.day(date)
    with fti.run(project, "aurora", "training", date) as run:
        view = feature_view(project.get_feature_store())
        said = train_when(run, project, view, train, tables.as_utc(date) + sources.HALF_DAY)
    console.say(said)


def read_all(source: str | None, date: dt.date | None, site: str) -> dict[str, pd.DataFrame]:
    """Read index, weather and labels: of a folder all, of others a year before noon."""
    start = end = None
    if sources.kind(source) != "folder":
        end = sources.noon_of(source, date)
        start = end - EVALUATED
    return {
        "kp": sources.read_kp(source, start, end),
        "weather": sources.read_weather(source, start, end, site=site),
        "labels": sources.read_labels(source, start, end, site=site),
    }


def feature_view(store):
    """Give the feature view `aurora`: observed hours, labelled by whether aurora was seen."""
    hours = store.get_feature_group("aurora_hours", version=1)
    if hours is None:
        raise UserError("There are no hours yet: run `python -m aurora.feature_pipeline` first.")
    return store.get_or_create_feature_view(
        name="aurora",
        version=1,
        query=hours.select_all(),
        labels=["aurora"],
        training_helper_columns=HELPERS,
        description="Hours over each site as observed, and whether aurora was seen",
    )


def train_when(run: runs.Run, project: Any, view: Any, when: Train, noon: pd.Timestamp) -> str:
    """Train on the hours before noon if that is due; set the run's record and say how it went."""
    hours = dark_and_watched(features.in_utc(view.query.read()), noon)
    latest = models.latest_model(project, MODEL)
    newest = hours["valid_hour"].max()
    if not is_due(when, newest, latest, refused_until(project)):
        run.message, run.model_version = f"not due (--train {when.value})", _version(latest)
        return run.message

    from aurora.training import lacking, train

    X, labels = view.training_data(end_time=noon, training_helper_columns=True)
    table = features.in_utc(X.assign(aurora=labels["aurora"]))
    run.rows_in = len(table)
    if said := lacking(table):
        return _without(run, latest, said)
    record = {
        "recipe": RECIPE,
        "data": training.fingerprint(hours),
        "rows": int((table["aurora"] != features.UNKNOWN).sum()),
        "date": run.date,
        "training_dataset_version": view.get_last_accessed_training_dataset(),
        "trained_until": newest.isoformat(),
    }
    version, verdict = train(project, view, table, record)
    run.message, run.model_version = verdict.reason, version or _version(latest)
    kept = {name: record[name] for name in ("recipe", "data", "trained_until")}
    run.details = kept | {"accepted": verdict.accepted}
    return f"model version {version}: {run.message}" if version else run.message


def dark_and_watched(hours: pd.DataFrame, before: pd.Timestamp) -> pd.DataFrame:
    """Give the rows that a model learns from: dark, watched, and of an hour before a moment."""
    watched = hours["aurora"] != features.UNKNOWN
    dark = hours["sun_altitude"] < features.WATCHED_SUN
    return hours[watched & dark & (hours["valid_hour"] < before)]


def is_due(
    when: Train, newest: pd.Timestamp, latest: Any, refused: pd.Timestamp | None = None
) -> bool:
    """Tell whether to train: as asked, or as the newest hour to learn from says.

    That is without a model or with one of another recipe, or when it is a week newer than what the
    model was trained on; and where the gate refused a model of this recipe, a week newer than that.
    """
    if when != Train.due:
        return when == Train.always
    tried = [refused]
    if latest is not None:
        made_of = training.read_record(Path(latest.download()))
        if made_of["recipe"] == RECIPE:
            tried.append(tables.as_utc(made_of["trained_until"]))
    return not any(newest - moment < RENEWED for moment in tried if moment is not None)


def refused_until(project: Any) -> pd.Timestamp | None:
    """Give up to which hour the last refused model of this recipe was trained; None without one."""
    decisions = runs.recent(project, training.LOOK_BACK)["details"].map(json.loads)
    refused = {"recipe": RECIPE, "accepted": False}
    found = [told["trained_until"] for told in decisions if refused.items() <= told.items()]
    return tables.as_utc(max(found, default=None))


def _without(run: runs.Run, latest: Any, said: str) -> str:
    """Say that no model is made; it is an error only where there is none yet."""
    if latest is None:
        raise UserError(
            f"{said}: take a source with more labels, such as a folder with labels.json "
            "(--source DIR)."
        )
    run.message, run.model_version = f"{said}; version {latest.version} stays", _version(latest)
    return run.message


def _version(latest: Any) -> int | None:
    return None if latest is None else int(latest.version)


if __name__ == "__main__":
    console.run(main)
