"""The day of housing in order: features, training when it is due, batch inference.

Run it with `python -m housing`; each pipeline also runs alone.
"""

from fti import console
from fti.training import Train
from housing import batch_inference_pipeline, feature_pipeline, training_pipeline
from housing.training_pipeline import AutomlOption, TrainOption


def main(
    source: console.SourceOption = None,
    date: console.DateOption = None,
    train: TrainOption = Train.due,
    automl: AutomlOption = None,
) -> None:
    """Run feature, training and batch inference pipeline for one day."""
    date = console.day(date)
    feature_pipeline.main(source, date)
    training_pipeline.main(date=date, train=train, automl=automl)
    batch_inference_pipeline.main(date)


if __name__ == "__main__":
    console.run(main)
