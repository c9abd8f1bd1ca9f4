"""Predict who survives among passengers without a prediction, and publish what a monitor shows.

Reads the feature groups `titanic_passengers` and `titanic_synthetic_passengers` and the model
`titanic`; writes the feature group `titanic_predictions` and the files `monitor.parquet`,
`monitor.json` and `report.html`. Run it with `python -m titanic.batch_inference_pipeline`.
"""

from datetime import date as Date
from enum import StrEnum
from typing import Annotated

import numpy as np
import pandas as pd
import typer

import fti
from fti import console, models, rows
from titanic import monitor, scoring

SCORED_TOGETHER = 50_000  # passengers
GROUPS = {"real": "titanic_passengers", "synthetic": "titanic_synthetic_passengers"}


class Passengers(StrEnum):
    """Whose survival is predicted."""

    real = "real"
    synthetic = "synthetic"
    both = "both"


IS_SYNTHETIC = {
    Passengers.real: [False],
    Passengers.synthetic: [True],
    Passengers.both: [False, True],
}


def main(
    date: console.DateOption = None,
    passengers: Annotated[
        Passengers, typer.Option(help="Whose survival to predict.")
    ] = Passengers.both,
) -> None:
    """Predict passengers without a prediction by the current model; publish the monitor's files."""
    date = console.day(date)
    project = fti.login()
    with fti.run(project, "titanic", "batch_inference", date) as run:
        current = models.fetch_model(project, "titanic")
        store = project.get_feature_store()
        people = read_passengers(store)
        asked = people[people["is_synthetic"].isin(IS_SYNTHETIC[passengers])]
        known = rows.stored(store, "titanic_predictions")
        new = predict(current, without_prediction(asked, known, current.version), date)
        if len(new):
            predictions_group(store).insert(new, wait=True)

        predictions = pd.concat([known, new], ignore_index=True)
        files = monitor.files(current, people, predictions, date)
        run.rows_in, run.rows_out = len(asked), len(new)
        run.model_version, run.published = current.version, len(files)
        fti.publish(project, "titanic", files)
    console.say(f"{len(new)} predictions by model version {current.version}; {len(files)} files")


def read_passengers(store) -> pd.DataFrame:
    """Read the passengers of both kinds as one table with `is_synthetic`."""
    tables = [
        rows.stored(store, name).assign(is_synthetic=kind == "synthetic")
        for kind, name in GROUPS.items()
    ]
    return pd.concat([table for table in tables if len(table)], ignore_index=True)


def without_prediction(people: pd.DataFrame, known: pd.DataFrame, version: int) -> pd.DataFrame:
    """Give the passengers that this model version has not predicted."""
    if known.empty:
        return people
    predicted = known.loc[known["model_version"] == version, "passenger_id"]
    return people[~people["passenger_id"].isin(predicted)]


def predict(current: models.ModelFiles, people: pd.DataFrame, date: Date) -> pd.DataFrame:
    """Give the probability that each passenger survives, as rows of `titanic_predictions`.

    Passengers the model was trained on get the probability that it gave them out of fold, when
    their outcome was held back: their score stays honest.
    """
    probability = pd.Series(score(current, people), index=people.index)
    held_out = people["passenger_id"].map(scoring.read_out_of_fold(current.folder))
    probability = held_out.where(~people["is_synthetic"]).fillna(probability)
    return pd.DataFrame(
        {
            "passenger_id": people["passenger_id"],
            "model_version": current.version,
            "predicted_at": pd.Series(pd.Timestamp(date), index=people.index),
            "probability": probability,
            "predicted": (probability >= 0.5).astype("int64"),
            "is_synthetic": people["is_synthetic"].astype(bool),
        }
    ).reset_index(drop=True)


def score(current: models.ModelFiles, people: pd.DataFrame) -> np.ndarray:
    """Give the model's probability for each passenger, many of them with a progress bar."""
    scorer = scoring.load_scorer(current.folder)
    starts = range(0, len(people), SCORED_TOGETHER)
    many = f"scoring {len(people):,} passengers" if len(starts) > 1 else None
    parts = [
        scoring.probabilities(scorer, people.iloc[start : start + SCORED_TOGETHER])
        for start in console.progress(starts, len(starts), many)
    ]
    return np.concatenate([np.empty(0), *parts])


def predictions_group(store):
    """Give the feature group of predictions."""
    return store.get_or_create_feature_group(
        "titanic_predictions",
        version=1,
        primary_key=["passenger_id", "model_version"],
        event_time="predicted_at",
        description="Probability that a passenger survives, by model version",
    )


if __name__ == "__main__":
    console.run(main)
