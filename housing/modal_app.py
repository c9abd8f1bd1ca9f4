"""Run housing on Modal, every day at 05:57 UTC: `modal deploy -m housing.modal_app`.

Any of the functions runs now with `modal run -m housing.modal_app::train`. To store the sales of
some départements from France's open geo-DVF, side by side where the project is on Hopsworks:
`modal run -m housing.modal_app::backfill --departements 75,92,93`.
"""

import modal

from fti.modal import MINUTES, SMALL, Outcome, Place

place = Place("housing")
app = modal.App("housing", image=place.image, secrets=place.secrets, volumes=place.volumes)


@app.function(schedule=modal.Cron("57 5 * * *", timezone="UTC"), timeout=20 * MINUTES, **SMALL)
def daily(date: str | None = None) -> Outcome:
    """Run the day in order: features, training when it is due, batch inference."""
    from housing.__main__ import main

    return place.run(main, date=date)


@app.function(timeout=20 * MINUTES, **SMALL)
def features(source: str | None = None, date: str | None = None) -> Outcome:
    """Store the sales and listings of a source, such as dvf:75, up to a day."""
    from housing.feature_pipeline import main

    return place.run(main, source=source, date=date)


@app.function(timeout=20 * MINUTES, **SMALL)
def train(date: str | None = None) -> Outcome:
    """Train now; the model is registered unless the current one is better."""
    from housing.training_pipeline import main

    return place.run(main, date=date)


@app.function(timeout=10 * MINUTES, **SMALL)
def predict(date: str | None = None) -> Outcome:
    """Value what is new, score what was sold since, and publish."""
    from housing.batch_inference_pipeline import main

    return place.run(main, date=date)


@app.local_entrypoint()
def backfill(departements: str, date: str | None = None) -> None:
    """Store the sales of départements, a container each; the first makes the feature groups."""
    place.each(features, [f"dvf:{code.strip()}" for code in departements.split(",")], date=date)
