"""Train the model that predicts who survived, and register it unless the current one is better.

Reads the feature group `titanic_passengers` through the feature view `titanic`; writes the model
`titanic`. Synthetic passengers never train it. Run it with `python -m titanic.training_pipeline`;
with `--evaluate-only` it scores the models on a raw table and registers nothing.
"""

import hashlib
import json
from datetime import date as Date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

import fti
from fti import console, models, quality, runs
from fti.errors import UserError
from titanic import features, sources
from titanic.scoring import (
    OUT_OF_FOLD,
    RECIPE,
    RECORD,
    SCORER,
    TICKET_GROUPS,
    save_scorer,
)

HELPERS = ["passenger_id", "recorded_at", "ticket", "name"]
LOOK_BACK = 1000  # runs: most of a year of days
GATE_SEED = 1  # of the folds on which a candidate meets the current version


class Train(StrEnum):
    """When to train."""

    due = "due"
    always = "always"
    never = "never"


def main(
    source: console.SourceOption = None,
    date: console.DateOption = None,
    train: Annotated[
        Train, typer.Option(help="`due`: only when the passengers or the recipe changed.")
    ] = Train.always,
    evaluate_only: Annotated[
        bool, typer.Option("--evaluate-only", help="Score on the raw --source, register nothing.")
    ] = False,
    repeats: Annotated[
        int, typer.Option(min=1, help="How often the cross-validation that scores is repeated.")
    ] = 10,
) -> None:
    """Train on all real passengers; register the model if it is not worse than the current one."""
    if evaluate_only:
        from titanic import evaluation

        table = features.build_features(sources.read(source))
        scores = evaluation.evaluate(table, repeats=repeats, n_jobs=-1, progress=True)
        console.say(json.dumps(scores))
        return
    date = console.day(date)
    project = fti.login()
    with fti.run(project, "titanic", "training", date) as run:
        view = feature_view(project.get_feature_store())
        data = fingerprint(view.query.read())
        latest = models.latest_model(project, "titanic")
        if is_due(train, data, latest) and not (train == Train.due and was_refused(project, data)):
            X, y = view.training_data(training_helper_columns=True)
            run.rows_in = len(X)
            version, verdict = train_and_register(
                project, view, X, y["survived"], data, date, repeats
            )
            run.message = verdict.reason
            run.details = {"data": data, "recipe": RECIPE, "accepted": verdict.accepted}
        else:
            version, run.message = None, f"not due (--train {train.value})"
        run.model_version = version or (latest.version if latest else None)
    console.say(f"model version {version}: {run.message}" if version else run.message)


def feature_view(store):
    """Give the feature view `titanic`: all real passengers, labelled by their outcome."""
    passengers = store.get_feature_group("titanic_passengers", version=1)
    if passengers is None:
        raise UserError(
            "There are no passengers yet: run `python -m titanic.feature_pipeline` first."
        )
    return store.get_or_create_feature_view(
        name="titanic",
        version=1,
        query=passengers.select_all(),
        labels=["survived"],
        training_helper_columns=HELPERS,
        description="Real passengers of the Titanic and whether they survived",
    )


def fingerprint(passengers: pd.DataFrame) -> str:
    """Give a hash of the rows, whatever their order."""
    hashes = pd.util.hash_pandas_object(passengers[sorted(passengers)], index=False)
    return hashlib.sha256(hashes.sort_values().to_numpy().tobytes()).hexdigest()


def is_due(train: Train, data: str, latest: Any) -> bool:
    """Tell whether to train: as asked, or as rows or recipe differ from the current model's."""
    if train != Train.due or latest is None:
        return train != Train.never
    made_of = json.loads((Path(latest.download()) / RECORD).read_text("utf-8"))
    return (made_of["data"], made_of["recipe"]) != (data, RECIPE)


def was_refused(project, data: str) -> bool:
    """Tell whether the gate refused a model of these rows and this recipe: it would do so again."""
    decisions = runs.recent(project, LOOK_BACK)["details"].map(json.loads)
    refused = {"data": data, "recipe": RECIPE, "accepted": False}
    return any(refused.items() <= decision.items() for decision in decisions)


def train_and_register(
    project, view, X: pd.DataFrame, y: pd.Series, data: str, date: Date, repeats: int
) -> tuple[int | None, quality.Verdict]:
    """Choose a model and register it if the gate lets it pass.

    Gives the new version (None when refused) and the verdict.
    """
    from titanic import evaluation
    from titanic.model import TRUSTED

    name, estimator, losses = evaluation.choose(X, y, n_jobs=-1, progress=True)
    champion = models.current_model(project, "titanic", trusted=TRUSTED)
    verdict = evaluation.meet(estimator, champion and champion.model, X, y, GATE_SEED, n_jobs=-1)
    if not verdict.accepted:
        return None, verdict
    record = {
        "recipe": RECIPE,
        "model": name,
        "candidates": losses,
        "data": data,
        "rows": len(X),
        "date": date.isoformat(),
        "training_dataset_version": view.get_last_accessed_training_dataset(),
        "verdict": verdict.reason,
        "repeats": repeats,
    }
    return register(project, view, X, y, estimator, record), verdict


def register(project, view, X: pd.DataFrame, y: pd.Series, estimator, record: dict) -> int:
    """Score a model, fit it on all rows and save it with what travels beside it."""
    from titanic import evaluation
    from titanic.model import scorer_of

    scored = evaluation.cross_validate(
        estimator, X, y, record["repeats"], n_jobs=-1, progress=f"scoring {record['model']}"
    )
    baselines = evaluation.baselines(X, y, repeats=1, n_jobs=-1, progress=True)
    scorer = scorer_of(estimator.fit(X, y))
    check_equal(estimator.predict_proba(X), scorer.predict_proba(X))
    return fti.save_model(
        project,
        "titanic",
        estimator,
        scored.scores | {f"{name}_sd": spread for name, spread in scored.spreads.items()},
        feature_view=view,
        training_dataset_version=record["training_dataset_version"],
        input_example=inputs(X).head(3),
        model_schema={"input": inputs(X).dtypes.astype(str).to_dict(), "output": "probability"},
        description="Probability that a passenger of the Titanic survives",
        files={
            SCORER: save_scorer(scorer),
            RECORD: json.dumps(record | {"baselines": baselines}).encode(),
            OUT_OF_FOLD: pd.Series(scored.out_of_fold(), X["passenger_id"]).to_json().encode(),
            TICKET_GROUPS: json.dumps(features.ticket_group_sizes(X)).encode(),
        },
    )


def inputs(X: pd.DataFrame) -> pd.DataFrame:
    """Give the columns that the model may look at."""
    return X.drop(columns=HELPERS)


def check_equal(probabilities: np.ndarray, scored: np.ndarray, tolerance: float = 1e-4) -> None:
    """Raise when the two forms of a model disagree: neither may then be registered."""
    gap = float(np.abs(probabilities - scored).max())
    if not gap <= tolerance:
        raise ValueError(f"the model and its scorer differ by {gap:.2g} in a probability")


if __name__ == "__main__":
    console.run(main)
