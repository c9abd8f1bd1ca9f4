"""Predict who survives among passengers without a prediction, and publish what a monitor shows.

Reads the feature groups `titanic_passengers` and `titanic_synthetic_passengers` and the model
`titanic`; writes the feature group `titanic_predictions` and the files `monitor.parquet`,
`monitor.json` and `report.html`. Run it with `python -m titanic.batch_inference_pipeline`.
"""

from typing import Annotated

import pandas as pd
import typer

import fti
from fti import console, inference, models, monitor, rows
from fti.inference import Rows
from titanic import scoring
from titanic.features import TASK
from titanic.monitor import SHOWN


def main(
    date: console.DateOption = None,
    passengers: Annotated[Rows, typer.Option(help="Whose survival to predict.")] = Rows.both,
) -> None:
    """Predict passengers without a prediction by the current model; publish the monitor's files."""
    date = console.day(date)
    project = fti.login()
    with fti.run(project, "titanic", "batch_inference", date) as run:
        current = models.fetch_model(project, "titanic")
        store = project.get_feature_store()
        people, known = inference.read_rows(store, TASK), rows.stored(store, "titanic_predictions")
        asked = inference.of_kind(people, passengers)
        pending = inference.pending(TASK, asked, known, current.version)
        scorer = scoring.load_scorer(current.folder)
        new = inference.predict(TASK, current, scorer, pending, date)
        if len(new):
            predictions_group(store).insert(new, wait=True)

        predictions = pd.concat([known, new], ignore_index=True)
        files = monitor.files(TASK, SHOWN, current, people, predictions, date)
        run.rows_in, run.rows_out = len(asked), len(new)
        run.model_version, run.published = current.version, len(files)
        fti.publish(project, "titanic", files)
    console.say(f"{len(new)} predictions by model version {current.version}; {len(files)} files")


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
