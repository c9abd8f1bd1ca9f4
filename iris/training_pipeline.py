"""Train the model that tells iris varieties apart; register it unless the current one is better.

Reads the feature group `iris_flowers` through the feature view `iris`; writes the model `iris`.
Synthetic flowers never train it. Run it with `python -m iris.training_pipeline`; with
`--evaluate-only` it scores the models on a raw table and registers nothing.
"""

import json

import fti
from fti import console, training
from fti.errors import UserError
from fti.training import Train
from iris import features, sources
from iris.features import TASK


def main(
    source: console.SourceOption = None,
    date: console.DateOption = None,
    train: training.TrainOption = Train.always,
    evaluate_only: training.EvaluateOnlyOption = False,
    repeats: training.RepeatsOption = 10,
) -> None:
    """Train on all real flowers; register the model if it is not worse than the current one."""
    if evaluate_only:
        from fti import evaluation

        table = features.build_features(sources.read(source))
        console.say(json.dumps(evaluation.evaluate(recipe(), table, repeats=repeats)))
        return
    project = fti.login()
    with fti.run(project, "iris", "training", console.day(date)) as run:
        view = feature_view(project.get_feature_store())
        said = training.train(run, project, view, TASK, recipe, train, repeats)
    console.say(said)


def recipe():
    """Give how the model is made, which imports scikit-learn."""
    from iris.model import RECIPE

    return RECIPE


def feature_view(store):
    """Give the feature view `iris`: all real flowers, labelled by their variety."""
    flowers = store.get_feature_group("iris_flowers", version=1)
    if flowers is None:
        raise UserError("There are no flowers yet: run `python -m iris.feature_pipeline` first.")
    return store.get_or_create_feature_view(
        name="iris",
        version=1,
        query=flowers.select_all(),
        labels=["variety"],
        training_helper_columns=["flower_id", "recorded_at"],
        description="Real iris flowers and their variety",
    )


if __name__ == "__main__":
    console.run(main)
