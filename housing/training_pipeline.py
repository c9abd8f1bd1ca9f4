"""Train the model that values flats; register it, and the seed's beside it, unless it is worse.

Reads the feature group `housing_sales` through the feature view `housing`; writes the models
`housing`, `housing_seed_xgboost` and, where asked for and AutoGluon is installed,
`housing_autogluon`. Run it with `python -m housing.training_pipeline`.

Sales that nobody has valued yet are valued by the current model first: afterwards a model has
learned their price. With `--evaluate-only` it trains on the earlier sales of a raw source, scores
the later ones, prints the scores as one line of JSON and registers nothing.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

import fti
from fti import console, models, runs, training
from fti.errors import UserError
from fti.training import Train
from housing import automl, groups, sources, valuing
from housing.valuing import MODEL

RECIPE = "level-kriging-trees-1"  # a new name makes training due
RENEWED = pd.Timedelta(days=30)  # of new sales, after which it is due again
LEAST_SALES = 300
HELPERS = ["sale_id", "address", "currency", "source"]
NONE = "none"

TrainOption = Annotated[
    Train, typer.Option(help="`due`: only after a month of new sales, or with another recipe.")
]
UntilOption = Annotated[
    dt.date | None,
    typer.Option(
        "--train-until",
        parser=console.day,
        metavar="YYYY-MM-DD",
        show_default="the last day of the first 80 % of sales",
        help="With --evaluate-only: the last day trained on.",
    ),
]
AutomlOption = Annotated[
    str | None,
    typer.Option(
        "--automl",
        metavar="|".join((*automl.PRESETS, NONE)),
        show_default=f"{automl.PRESETS[0]} to evaluate if AutoGluon is installed, otherwise {NONE}",
        help="Also train AutoGluon, with this preset.",
    ),
]


def main(
    source: console.SourceOption = None,
    date: console.DateOption = None,
    train: TrainOption = Train.always,
    train_until: UntilOption = None,
    evaluate_only: training.EvaluateOnlyOption = False,
    automl: AutomlOption = None,
) -> None:
    """Train on all sales up to the date; register the model if it is not worse."""
    if evaluate_only:
        console.say(json.dumps(evaluated(source, date, train_until, automl), allow_nan=False))
        return
    if train_until:
        raise UserError("--train-until needs --evaluate-only beside it.")
    project, date, preset = fti.login(), console.day(date), chosen_preset(automl, NONE)
    with fti.run(project, "housing", "training", date) as run:
        view = feature_view(project.get_feature_store())
        said = train_when(run, project, view, train, date, preset)
    console.say(said)


def evaluated(
    source: str | None, date: dt.date | None, train_until: dt.date | None, preset: str | None
) -> dict[str, Any]:
    """Give the scores of models of a source's earlier sales on its later ones."""
    from housing.training import evaluate

    usual = automl.PRESETS[0] if automl.installed() else NONE
    sales = sources.read(source, date=date)
    return evaluate(sales, train_until, chosen_preset(preset, usual))


def chosen_preset(given: str | None, usual: str) -> str | None:
    """Give the preset of AutoGluon that was asked for, None for none of them."""
    preset = given or usual
    if preset not in (*automl.PRESETS, NONE):
        raise UserError(f"--automl is '{preset}': give {', '.join(automl.PRESETS)} or {NONE}.")
    if preset != NONE and not automl.installed():
        raise UserError(
            f"--automl {preset} needs AutoGluon: pip install -r requirements/housing-automl.txt."
        )
    return None if preset == NONE else preset


def feature_view(store: Any) -> Any:
    """Give the feature view `housing`: flats as they were sold, labelled by their price."""
    sales = store.get_feature_group(groups.SALES.name, version=1)
    if sales is None:
        raise UserError("There are no sales yet: run `python -m housing.feature_pipeline` first.")
    return store.get_or_create_feature_view(
        name="housing",
        version=1,
        query=sales.select_all(),
        labels=["price"],
        training_helper_columns=HELPERS,
        description="Flats as they were sold, the economy of that day, and their price",
    )


def train_when(
    run: runs.Run, project: Any, view: Any, when: Train, date: dt.date, preset: str | None
) -> str:
    """Train on the sales up to a day if that is due; set the run's record and say how it went."""
    sales = groups.read(project.get_feature_store(), groups.SALES, until=date)
    latest = models.latest_model(project, MODEL)
    newest = sales["sold_on"].max()
    if not is_due(when, newest, latest, refused_until(project)):
        run.message, run.model_version = f"not due (--train {when.value})", _version(latest)
        return run.message
    if len(sales) < LEAST_SALES:
        return _without(run, latest, len(sales))
    if latest is not None:
        run.rows_out = valuing.catch_up(project, date)

    from housing.training import train

    X, labels = view.training_data(
        end_time=date + dt.timedelta(days=1), training_helper_columns=True
    )
    run.rows_in = len(X)
    record = {
        "recipe": RECIPE,
        "data": training.fingerprint(sales),
        "rows": len(X),
        "date": run.date,
        "training_dataset_version": view.get_last_accessed_training_dataset(),
        "trained_until": f"{newest:%Y-%m-%d}",
    }
    version, verdict = train(project, view, X.assign(price=labels["price"]), record, preset)
    run.message, run.model_version = verdict.reason, version or _version(latest)
    kept = {name: record[name] for name in ("recipe", "data", "trained_until")}
    run.details = kept | {"accepted": verdict.accepted}
    return f"model version {version}: {run.message}" if version else run.message


def is_due(
    when: Train, newest: pd.Timestamp, latest: Any, refused: pd.Timestamp | None = None
) -> bool:
    """Tell whether to train: as asked, or as the newest sale says.

    That is without a model or with one of another recipe, or when it is 30 days newer than what the
    model was trained on; where the gate refused a model of this recipe, also than that.
    """
    if when != Train.due:
        return when == Train.always
    tried = [refused]
    if latest is not None:
        made_of = training.read_record(Path(latest.download()))
        if made_of["recipe"] == RECIPE:
            tried.append(_day(made_of["trained_until"]))
    return not any(newest - day < RENEWED for day in tried if day is not None)


def refused_until(project: Any) -> pd.Timestamp | None:
    """Give up to which day the last refused model of this recipe was trained; None without one."""
    decisions = runs.recent(project, training.LOOK_BACK)["details"].map(json.loads)
    refused = {"recipe": RECIPE, "accepted": False}
    found = [told["trained_until"] for told in decisions if refused.items() <= told.items()]
    return _day(max(found)) if found else None


def _without(run: runs.Run, latest: Any, count: int) -> str:
    """Say that no model is made; it is an error only where there is none yet."""
    said = f"There are {count:,} sales up to {run.date}, and it takes {LEAST_SALES} to make a model"
    if latest is None:
        raise UserError(f"{said}: take a source with more of them (--source), or a later --date.")
    run.message, run.model_version = f"{said}; version {latest.version} stays", _version(latest)
    return run.message


def _day(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def _version(latest: Any) -> int | None:
    return None if latest is None else int(latest.version)


if __name__ == "__main__":
    console.run(main)
