"""The day of Titanic in order: features, training when it is due, batch inference.

Run it with `python -m titanic`; each pipeline also runs alone.
"""

from typing import Annotated

import typer

from fti import console, training
from fti.inference import Rows
from fti.training import Train
from titanic import batch_inference_pipeline, feature_pipeline, training_pipeline


def main(
    source: console.SourceOption = None,
    date: console.DateOption = None,
    train: training.TrainOption = Train.due,
    synthetic: console.SyntheticOption = 1,
    drift: console.DriftOption = 0.0,
    passengers: Annotated[Rows, typer.Option(help="Whose survival to predict.")] = Rows.both,
) -> None:
    """Run feature, training and batch inference pipeline for one day."""
    date = console.day(date)
    feature_pipeline.main(source, date, synthetic, drift)
    training_pipeline.main(date=date, train=train)
    batch_inference_pipeline.main(date, passengers)


if __name__ == "__main__":
    console.run(main)
