"""The day of Iris in order: features, training when it is due, batch inference.

Run it with `python -m iris`; each pipeline also runs alone.
"""

from fti import console, training
from fti.training import Train
from iris import batch_inference_pipeline, feature_pipeline, training_pipeline


def main(
    source: console.SourceOption = None,
    date: console.DateOption = None,
    train: training.TrainOption = Train.due,
    synthetic: console.SyntheticOption = 1,
    drift: console.DriftOption = 0.0,
) -> None:
    """Run feature, training and batch inference pipeline for one day."""
    date = console.day(date)
    feature_pipeline.main(source, date, synthetic, drift)
    training_pipeline.main(date=date, train=train)
    batch_inference_pipeline.main(date)


if __name__ == "__main__":
    console.run(main)
