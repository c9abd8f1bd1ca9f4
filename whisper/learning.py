"""From shards to a model in the registry: train, test, meet the current version, export, save.

`whisper.training_pipeline` says when. Training needs PyTorch, which is imported here only when
there is something to train.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fti import models, projects, quality
from fti.errors import UserError
from whisper import (
    examination,
    feature_pipeline,
    labels,
    processes,
    recipes,
    registry,
    scoring,
    sources,
)
from whisper import shards as stored
from whisper.card import Facts
from whisper.clips import TEST
from whisper.examination import Examination
from whisper.recipes import Recipe

if TYPE_CHECKING:
    from whisper.training import Fitted

SETTING = "WHISPER_CHECKPOINTS"


def need_torch() -> None:
    """Raise UserError where training cannot run."""
    if not (find_spec("torch") and find_spec("transformers")):
        raise UserError(
            "Training needs PyTorch and transformers: pip install -r "
            "requirements/whisper-training.txt, in an environment of its own."
        )


def checkpoints() -> Path:
    """Give the folder of checkpoints: WHISPER_CHECKPOINTS, or one beside the embedded projects."""
    said = os.environ.get(SETTING)
    return Path(said).expanduser().absolute() if said else projects.home() / "checkpoints/whisper"


def identity(recipe: Recipe) -> str:
    """Give what a recipe is called with all its knobs; other knobs, another name."""
    knobs = recipes.described(recipe)
    told = {name: value for name, value in knobs.items() if name not in recipes.WITHOUT_EFFECT}
    text = json.dumps(told, sort_keys=True)
    return f"{recipe.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def learn(recipe: Recipe, shards: Path) -> tuple[Fitted, Examination]:
    """Train on the shards in a folder and take the test; give the model, and how good it is.

    It needs no project, takes as long as it takes, and goes on where it was interrupted.
    """
    fitted = processes.fit(recipe, shards, checkpoints())
    tokenizer = stored.tokenizer_in(shards)
    return fitted, examination.take(fitted.model, tokenizer, shards, recipe)


def meet(project: Any, ours: Examination, shards: Path) -> quality.Verdict:
    """Let a model meet the current version on the test clips of now."""
    if models.latest_model(project, registry.MODEL) is None:
        return registry.gate(ours.scores, None)

    from whisper import evaluation, networks

    current = registry.fetch(project)
    heard = evaluation.predict(
        networks.load(current.folder),
        labels.load(current.folder),
        shards,
        TEST,
        recipes.restored(current.record["knobs"]),
        title="testing the current version",
    )
    return registry.gate(ours.scores, scoring.score(heard))


def register(
    project: Any, view: Any, fitted: Fitted, recipe: Recipe, facts: Facts, shards: Path
) -> int:
    """Export a model in all its forms and save them as a version; give its number."""
    from whisper import exporting

    tokenizer = stored.tokenizer_in(shards)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        exporting.export(fitted.model, tokenizer, recipe, facts, Path(folder), shards)
        return registry.register(
            project,
            Path(folder),
            feature_view=view,
            training_dataset_version=facts.record["training_dataset_version"],
        )


def evaluate(
    source: str | None, test_source: str | None, language: str | None, recipe: Recipe
) -> dict[str, Any]:
    """Train on a raw source and take the test, without a project; give the scores of all.

    Features and checkpoints are kept, so that the same call goes on, or is done at once.
    """
    began = time.monotonic()
    source = sources.chosen(source)
    written_by = tokenizer_of(recipe)
    name = json.dumps([source, test_source, language, written_by])
    place = f"features-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    shards = checkpoints() / place
    how = {"language": language, "tested_elsewhere": test_source is not None}
    tokenizer = feature_pipeline.choose_tokenizer(shards, written_by, source, **how)
    stored.write(
        feature_pipeline.read(source, test_source, **how),
        shards,
        tokenizer,
        mapper=stored.in_processes(feature_pipeline.cores()),
    )
    _, found = learn(recipe, shards)
    told = examination.summary(found.scores, found.baselines)
    others = {name: examination.summary(one, {}) for name, one in found.baselines.items()}
    return told | {"baselines": others, "seconds": round(time.monotonic() - began, 1)}


def tokenizer_of(recipe: Recipe) -> str:
    """Give what `--tokenizer` has to be for a recipe."""
    return feature_pipeline.TRAINED if recipe.from_scratch else recipe.model
