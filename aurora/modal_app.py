"""Run Aurora on Modal, every day at 12:13 UTC: `modal deploy -m aurora.modal_app`.

A run forecasts the 72 hours from noon (UTC) on; the index of the three hours before is then there.
Any of the functions runs now with `modal run -m aurora.modal_app::train`; for the hours of a range
of days: `modal run -m aurora.modal_app::backfill --first 2026-01-01 --last 2026-01-31`.
"""

import modal

from fti.modal import MINUTES, SMALL, Outcome, Place, days

place = Place("aurora")
app = modal.App("aurora", image=place.image, secrets=place.secrets, volumes=place.volumes)


@app.function(schedule=modal.Cron("13 12 * * *", timezone="UTC"), timeout=20 * MINUTES, **SMALL)
def daily(date: str | None = None) -> Outcome:
    """Run the day in order: features, training when it is due, batch inference."""
    from aurora.__main__ import main

    return place.run(main, date=date)


@app.function(timeout=20 * MINUTES, max_containers=1, **SMALL)
def features(date: str | None = None, since: str | None = None) -> Outcome:
    """Store the hours before the noon of a day, the first time a year of them."""
    from aurora.feature_pipeline import main

    return place.run(main, date=date, since=since)


@app.function(timeout=20 * MINUTES, **SMALL)
def train(date: str | None = None) -> Outcome:
    """Train now; the model is registered unless the current one is better."""
    from aurora.training_pipeline import main

    return place.run(main, date=date)


@app.function(timeout=10 * MINUTES, **SMALL)
def predict(date: str | None = None) -> Outcome:
    """Forecast the 72 hours from noon on, score the nights that are over, and publish."""
    from aurora.batch_inference_pipeline import main

    return place.run(main, date=date)


@app.local_entrypoint()
def backfill(first: str, last: str) -> None:
    """Store the hours from the day `first` to the day `last`, then run the last day."""
    chosen = days(first, last)
    features.remote(chosen[-1], since=chosen[0])
    daily.remote(chosen[-1])
