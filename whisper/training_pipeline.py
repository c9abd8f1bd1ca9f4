"""Train the model that writes down speech; test it once, and register it unless it is worse.

Reads the feature group `whisper_clips` through the feature view `whisper`, and the shards beside
it; writes the model `whisper`. Run it with `python -m whisper.training_pipeline --recipe tiny`.
Stopped in the middle, the same command goes on from the last checkpoint.

With `--evaluate-only` it trains on a raw source, prints the scores beside those of baselines as one
line of JSON, and registers nothing. With `--grid` it compares recipes. On several GPUs:
`accelerate launch -m whisper.training_pipeline --recipe fast`.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import typer

import fti
from fti import console, models, runs, training
from fti.errors import UserError
from fti.training import Train
from whisper import (
    card,
    examination,
    feature_pipeline,
    hub,
    learning,
    processes,
    recipes,
    registry,
    sources,
    storage,
)
from whisper import grid as grids
from whisper.recipes import Recipe

log = logging.getLogger(__name__)

HELPERS = ["clip_id", "corpus", "split", "speaker", "sha1", "text_norm", "sample_rate"]
DATA = ["clip_id", "sha1", "split", "speaker", "text_raw", "translation"]  # what training is of
TRANSLATED = {"transcribe": 0.0, "translate": 1.0}  # the share of translation, by task

RecipeOption = Annotated[
    str,
    typer.Option(
        "--recipe",
        metavar="|".join(recipes.RECIPES),
        help="tiny: from nothing, on a CPU; fast: ours, for a GPU; seed: what the course did.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KNOB=VALUE", help="Change a knob of the recipe; repeatable."),
]
TaskOption = Annotated[
    Literal["transcribe", "translate"] | None,
    typer.Option(show_default="both", help="What clips with a translation are trained for."),
]
TrainOption = Annotated[
    Train, typer.Option(help="`due`: only when the clips or the recipe changed.")
]
GridOption = Annotated[
    Path | None, typer.Option("--grid", metavar="FILE", help="Compare the recipes of a file.")
]
PushOption = Annotated[
    str | None,
    typer.Option("--push-to-hub", metavar="OWNER/NAME", help="Put the model there, too, private."),
]


def main(
    source: sources.SourceOption = None,
    test_source: feature_pipeline.TestSourceOption = None,
    language: sources.LanguageOption = None,
    recipe: RecipeOption = recipes.TINY.name,
    settings: SetOption = None,
    task: TaskOption = None,
    date: console.DateOption = None,
    train: TrainOption = Train.always,
    evaluate_only: training.EvaluateOnlyOption = False,
    grid: GridOption = None,
    push_to_hub: PushOption = None,
) -> None:
    """Train on the clips that are stored; register the model if it is not worse."""
    learning.need_torch()
    chosen = choose(recipe, settings, task)
    if not processes.leads():
        processes.follow()
        return
    with processes.leading():
        if grid:
            said = compared(grid)
        elif evaluate_only:
            found = learning.evaluate(source, test_source, language, chosen)
            said = json.dumps(found, allow_nan=False)
        elif source or test_source or language:
            raise UserError("--source, --test-source and --language need --evaluate-only.")
        else:
            said = run(chosen, date, train, push_to_hub)["message"]
    console.say(said)


def choose(name: str, settings: list[str] | None = None, task: str | None = None) -> Recipe:
    """Give a recipe with its knobs as the command line sets them; raises UserError."""
    share = [f"translate_share={TRANSLATED[task]}"] if task else []
    return recipes.changed(recipes.named(name), [*share, *(settings or [])])


def compared(path: Path) -> str:
    """Train the recipes of a grid on the clips that are stored; give the table as text."""
    grid = grids.load(path)
    project = fti.login()
    folder = storage.folder(project)
    storage.fetch(project, folder)
    return grids.markdown(grids.run(grid, folder, learning.checkpoints()))


def run(
    recipe: Recipe,
    date: dt.date | str | None = None,
    when: Train = Train.always,
    push: str | None = None,
) -> dict[str, Any]:
    """Train if that is due; give the scores of the model, its version, and a `message`."""
    project, date = fti.login(), console.day(date)
    with fti.run(project, "whisper", "training", date) as record:
        view = feature_view(project.get_feature_store())
        report = train_when(record, project, view, recipe, when)
        if push:
            log.info("the model is at %s", hub.push(registry.fetch(project).folder, push))
    return report


def feature_view(store: Any) -> Any:
    """Give the feature view `whisper`: what is known of clips, labelled by what is said in them."""
    clips = store.get_feature_group(feature_pipeline.GROUP, version=feature_pipeline.VERSION)
    if clips is None:
        raise UserError(
            "There are no clips yet: run `python -m whisper.feature_pipeline --source ...` first."
        )
    return store.get_or_create_feature_view(
        name="whisper",
        version=1,
        query=clips.select_all(),
        labels=["text_raw"],
        training_helper_columns=HELPERS,
        description="Clips of speech, without their audio, and what is said in them",
    )


def train_when(
    run: runs.Run, project: Any, view: Any, recipe: Recipe, when: Train
) -> dict[str, Any]:
    """Train, test and register if that is due; set the run's record and give what `run` gives."""
    clips = feature_pipeline.newest(view.query.read())
    of = {"recipe": learning.identity(recipe), "data": training.fingerprint(clips[DATA])}
    latest = models.latest_model(project, registry.MODEL)
    if not is_due(project, when, of, latest):
        run.message, run.model_version = f"not due (--train {when.value})", _version(latest)
        return before(project, run.message) if latest else {"message": run.message}

    folder = storage.folder(project)
    storage.fetch(project, folder)
    fitted, found = learning.learn(recipe, folder)
    verdict = learning.meet(project, found, folder)
    version = None
    if verdict.accepted:
        facts = described(view, clips, fitted, found, of | {"date": run.date})
        version = learning.register(project, view, fitted, recipe, facts, folder)
    run.rows_in, run.model_version = len(clips), version or _version(latest)
    run.message = verdict.reason
    run.details = of | {"accepted": verdict.accepted}
    told = examination.summary(found.scores, found.baselines)
    said = f"model version {version}: {verdict.reason}" if version else verdict.reason
    return told | {"model_version": run.model_version, "message": said}


def is_due(project: Any, when: Train, of: dict[str, str], latest: Any) -> bool:
    """Tell whether to train: as asked, or as the clips or the recipe are others than the model's.

    Not where the gate has refused a model of just these: it would do so again.
    """
    if not training.is_due(when, of["recipe"], of["data"], latest):
        return False
    details = runs.recent(project, training.LOOK_BACK)["details"].map(json.loads)
    refused = of | {"accepted": False}
    return when == Train.always or not any(refused.items() <= one.items() for one in details)


def described(
    view: Any, clips: pd.DataFrame, fitted: Any, found: examination.Examination, of: dict[str, str]
) -> card.Facts:
    """Give all that is known of a trained model; makes a training dataset of the view."""
    view.training_data(training_helper_columns=True)
    record = of | {
        "training_dataset_version": view.get_last_accessed_training_dataset(),
        "run": fitted.run_id,
        "best_step": fitted.best_step,
        "steps": fitted.steps,
        "training_seconds": round(fitted.seconds, 1),
        "baselines": found.baselines,
    }
    starting = found.baselines[examination.UNTRAINED]
    return card.Facts(card.described(clips), record, found.scores, starting)


def before(project: Any, message: str) -> dict[str, Any]:
    """Give what was told of the current version when it was trained."""
    current = registry.fetch(project)
    told = examination.summary(current.scores, current.record["baselines"])
    return told | {"model_version": current.version, "message": message}


def _version(latest: Any) -> int | None:
    return None if latest is None else int(latest.version)


if __name__ == "__main__":
    console.run(main)
