"""Run Titanic on Modal, every day at 05:17 UTC: `modal deploy -m titanic.modal_app`.

Any of the functions runs now with `modal run -m titanic.modal_app::train`; for a range of days:
`modal run -m titanic.modal_app::backfill --first 2026-01-01 --last 2026-01-31`.
"""

import modal

from fti.modal import MINUTES, SMALL, Outcome, Place, days

place = Place("titanic")
app = modal.App("titanic", image=place.image, secrets=place.secrets, volumes=place.volumes)


@app.function(schedule=modal.Cron("17 5 * * *", timezone="UTC"), timeout=20 * MINUTES, **SMALL)
def daily(date: str | None = None) -> Outcome:
    """Run the day in order: features, training when it is due, batch inference."""
    from titanic.__main__ import main

    return place.run(main, date=date)


@app.function(timeout=5 * MINUTES, max_containers=4, **SMALL)
def features(date: str | None = None, synthetic: int = 1) -> Outcome:
    """Store real passengers, and the synthetic ones of the day."""
    from titanic.feature_pipeline import main

    return place.run(main, date=date, number=synthetic)


@app.function(timeout=20 * MINUTES, **SMALL)
def train(date: str | None = None) -> Outcome:
    """Train now; the model is registered unless the current one is better."""
    from titanic.training_pipeline import main

    return place.run(main, date=date)


@app.function(timeout=5 * MINUTES, **SMALL)
def predict(date: str | None = None) -> Outcome:
    """Predict the passengers without a prediction, and publish the monitor's files."""
    from titanic.batch_inference_pipeline import main

    return place.run(main, date=date)


@app.local_entrypoint()
def backfill(first: str, last: str, synthetic: int = 1) -> None:
    """Store the synthetic passengers of the days `first` to `last`, then run the last day."""
    chosen = days(first, last)
    place.each(features, chosen, synthetic=synthetic)
    daily.remote(chosen[-1])
