"""Train the model that predicts who survived, and register it unless the current one is better.

Reads the feature group `titanic_passengers` through the feature view `titanic`; writes the model
`titanic`. Synthetic passengers never train it. Run it with `python -m titanic.training_pipeline`;
with `--evaluate-only` it scores the models on a raw table and registers nothing.
"""

import json

import fti
from fti import console, training
from fti.errors import UserError
from fti.training import Train
from titanic import features, sources
from titanic.features import TASK

HELPERS = ["passenger_id", "recorded_at", "ticket", "name"]


def main(
    source: console.SourceOption = None,
    date: console.DateOption = None,
    train: training.TrainOption = Train.always,
    evaluate_only: training.EvaluateOnlyOption = False,
    repeats: training.RepeatsOption = 10,
) -> None:
    """Train on all real passengers; register the model if it is not worse than the current one."""
    if evaluate_only:
        from fti import evaluation

        table = features.build_features(sources.read(source))
        scores = evaluation.evaluate(recipe(), table, repeats=repeats, n_jobs=-1, progress=True)
        console.say(json.dumps(scores))
        return
    project = fti.login()
    with fti.run(project, "titanic", "training", console.day(date)) as run:
        view = feature_view(project.get_feature_store())
        said = training.train(run, project, view, TASK, recipe, train, repeats)
    console.say(said)


def recipe():
    """Give how the model is made, which imports scikit-learn and XGBoost."""
    from titanic.model import RECIPE

    return RECIPE


def feature_view(store):
    """Give the feature view `titanic`: all real passengers, labelled by their outcome."""
    passengers = store.get_feature_group("titanic_passengers", version=1)
    if passengers is None:
        raise UserError(
            "There are no passengers yet: run `python -m titanic.feature_pipeline` first."
        )
    return store.get_or_create_feature_view(
        name="titanic",
        version=1,
        query=passengers.select_all(),
        labels=["survived"],
        training_helper_columns=HELPERS,
        description="Real passengers of the Titanic and whether they survived",
    )


if __name__ == "__main__":
    console.run(main)
