"""Store the real flowers, and invent the flowers of the day.

Reads scikit-learn's copy or another `--source`; writes the feature groups `iris_flowers` and
`iris_synthetic_flowers`. Run it with `python -m iris.feature_pipeline`.
"""

import pandas as pd

import fti
from fti import console, quality, rows
from iris import features, sources, synthetic


def main(
    source: console.SourceOption = None,
    date: console.DateOption = None,
    number: console.SyntheticOption = 1,
    drift: console.DriftOption = 0.0,
) -> None:
    """Store real flowers (new or changed ones) and the synthetic flowers of the day."""
    date = console.day(date)
    project = fti.login()
    with fti.run(project, "iris", "feature", date) as run:
        run.source = sources.chosen(source)
        flowers = features.build_features(sources.read(source))
        invented = synthetic.sample(flowers, number, date, drift)
        run.rows_in = len(flowers)

        store = project.get_feature_store()
        stored = store_flowers(store, flowers)
        added = store_synthetic(store, invented, rows.day(date))
        run.rows_out = stored + added
    console.say(f"{len(flowers)} flowers, {stored} new or changed; {added} invented")


def store_flowers(store, flowers: pd.DataFrame) -> int:
    """Check and store the real flowers that are not stored alike; give how many."""
    known = rows.stored(store, "iris_flowers")
    rows.refuse_others(flowers, known, "flower_id", features.MEASUREMENTS, "flowers")
    new = rows.new_or_changed(flowers, known, ["flower_id"])
    if len(new):
        quality.check(new, features.schema(), "iris flowers")
        group = store.get_or_create_feature_group(
            "iris_flowers",
            version=1,
            primary_key=["flower_id"],
            event_time="recorded_at",
            description="Fisher's iris flowers: measurements in cm, and the variety",
        )
        group.insert(new, wait=True)
    return len(new)


def store_synthetic(store, invented: pd.DataFrame, day: dict) -> int:
    """Store the day's synthetic flowers that are not stored alike; give how many."""
    known = rows.stored(store, "iris_synthetic_flowers", **day)
    new = rows.new_or_changed(invented, known, ["flower_id"])
    if len(new):
        group = store.get_or_create_feature_group(
            "iris_synthetic_flowers",
            version=1,
            primary_key=["flower_id"],
            event_time="generated_at",
            description="Invented iris flowers, some a day; they never train a model",
        )
        group.insert(new, wait=True)
    return len(new)


if __name__ == "__main__":
    console.run(main)
