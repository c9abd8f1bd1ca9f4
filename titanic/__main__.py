"""The day of Titanic in order: features, training when it is due, batch inference.

Run it with `python -m titanic`; each pipeline also runs alone.
"""

from typing import Annotated

import typer

from fti import console
from titanic import batch_inference_pipeline, feature_pipeline, training_pipeline
from titanic.batch_inference_pipeline import Passengers
from titanic.training_pipeline import Train


def main(
    source: console.SourceOption = None,
    date: console.DateOption = None,
    train: Annotated[Train, typer.Option(help="When to train.")] = Train.due,
    synthetic: Annotated[int, typer.Option(min=0, help="Synthetic passengers of the day.")] = 1,
    drift: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Shift the synthetic ones, to see an alarm.")
    ] = 0.0,
    passengers: Annotated[
        Passengers, typer.Option(help="Whose survival to predict.")
    ] = Passengers.both,
) -> None:
    """Run feature, training and batch inference pipeline for one day."""
    date = console.day(date)
    feature_pipeline.main(source, date, synthetic, drift)
    training_pipeline.main(date=date, train=train)
    batch_inference_pipeline.main(date, passengers)


if __name__ == "__main__":
    console.run(main)
