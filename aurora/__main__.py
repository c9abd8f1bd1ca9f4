"""The day of Aurora in order: features, training when it is due, batch inference.

Run it with `python -m aurora`; each pipeline also runs alone.
"""

from aurora import batch_inference_pipeline, feature_pipeline, training_pipeline
from aurora.sites import SitesOption
from aurora.training_pipeline import TrainOption
from fti import console
from fti.training import Train


def main(
    source: console.SourceOption = None,
    date: console.DateOption = None,
    train: TrainOption = Train.due,
    site: SitesOption = None,
) -> None:
    """Run feature, training and batch inference pipeline for one day."""
    date = console.day(date)
    feature_pipeline.main(source, date, site)
    training_pipeline.main(date=date, train=train)
    batch_inference_pipeline.main(source, date, site)


if __name__ == "__main__":
    console.run(main)
