"""Predict the variety of flowers without a prediction, and publish what a monitor shows.

Reads the feature groups `iris_flowers` and `iris_synthetic_flowers` and the model `iris`; writes
the feature group `iris_predictions` and the files `monitor.parquet`, `monitor.json` and
`report.html`. Run it with `python -m iris.batch_inference_pipeline`.
"""

from typing import Annotated

import pandas as pd
import typer

import fti
from fti import console, inference, linear, models, monitor, rows
from fti.inference import Rows
from iris.features import TASK
from iris.monitor import SHOWN


def main(
    date: console.DateOption = None,
    flowers: Annotated[Rows, typer.Option(help="Whose variety to predict.")] = Rows.both,
) -> None:
    """Predict flowers without a prediction by the current model; publish the monitor's files."""
    date = console.day(date)
    project = fti.login()
    with fti.run(project, "iris", "batch_inference", date) as run:
        current = models.fetch_model(project, "iris")
        store = project.get_feature_store()
        table, known = inference.read_rows(store, TASK), rows.stored(store, "iris_predictions")
        asked = inference.of_kind(table, flowers)
        pending = inference.pending(TASK, asked, known, current.version)
        new = inference.predict(TASK, current, linear.load(current.folder), pending, date)
        if len(new):
            predictions_group(store).insert(new, wait=True)

        predictions = pd.concat([known, new], ignore_index=True)
        files = monitor.files(TASK, SHOWN, current, table, predictions, date)
        run.rows_in, run.rows_out = len(asked), len(new)
        run.model_version, run.published = current.version, len(files)
        fti.publish(project, "iris", files)
    console.say(f"{len(new)} predictions by model version {current.version}; {len(files)} files")


def predictions_group(store):
    """Give the feature group of predictions."""
    return store.get_or_create_feature_group(
        "iris_predictions",
        version=1,
        primary_key=["flower_id", "model_version"],
        event_time="predicted_at",
        description="Probabilities of a flower's variety, by model version",
    )


if __name__ == "__main__":
    console.run(main)
