"""Store what is known of each passenger, and invent the passengers of the day.

Reads the course's CSV or another `--source`; writes the feature groups `titanic_passengers` and
`titanic_synthetic_passengers`. Run it with `python -m titanic.feature_pipeline`.
"""

from datetime import date as Date

import pandas as pd

import fti
from fti import console, quality, rows
from titanic import features, sources, synthetic


def main(
    source: console.SourceOption = None,
    date: console.DateOption = None,
    number: console.SyntheticOption = 1,
    drift: console.DriftOption = 0.0,
) -> None:
    """Store real passengers (new or changed ones) and the synthetic passengers of the day."""
    date = console.day(date)
    project = fti.login()
    with fti.run(project, "titanic", "feature", date) as run:
        run.source = sources.chosen(source)
        passengers = features.build_features(sources.read(source))
        generator = synthetic.fit(passengers) if number else None
        run.rows_in = len(passengers)

        store = project.get_feature_store()
        stored = store_passengers(store, passengers)
        invented = store_synthetic(store, generator, number, date, drift) if generator else 0
        run.rows_out = stored + invented
    console.say(f"{len(passengers)} passengers, {stored} new or changed; {invented} invented")


def store_passengers(store, passengers: pd.DataFrame) -> int:
    """Check and store the real passengers that are not stored alike; give how many."""
    known = rows.stored(store, "titanic_passengers")
    rows.refuse_others(passengers, known, "passenger_id", ["name"], "passengers")
    new = rows.new_or_changed(passengers, known, ["passenger_id"])
    if len(new):
        quality.check(new, features.schema(), "titanic passengers")
        passengers_group(store).insert(new, wait=True)
    return len(new)


def store_synthetic(
    store, generator: synthetic.PassengerGenerator, number: int, date: Date, drift: float
) -> int:
    """Store the day's synthetic passengers; give how many are new."""
    known = rows.stored(store, "titanic_synthetic_passengers", **rows.day(date))
    added = 0
    batches = generator.batches(number, date, drift=drift)
    many = f"storing {number:,} synthetic passengers" if number > synthetic.BLOCK else None
    for batch in console.progress(batches, -(-number // synthetic.BLOCK), many):
        new = rows.new_or_changed(batch, known, ["passenger_id"])
        if len(new):
            synthetic_group(store).insert(new, wait=True)
        added += len(new)
    return added


def passengers_group(store):
    """Give the feature group of real passengers."""
    return store.get_or_create_feature_group(
        "titanic_passengers",
        version=1,
        primary_key=["passenger_id"],
        event_time="recorded_at",
        description="Passengers of the Titanic: what is known of each, and the outcome",
    )


def synthetic_group(store):
    """Give the feature group of synthetic passengers."""
    return store.get_or_create_feature_group(
        "titanic_synthetic_passengers",
        version=1,
        primary_key=["passenger_id"],
        event_time="generated_at",
        description="Invented passengers, some a day; they never train a model",
    )


if __name__ == "__main__":
    console.run(main)
