"""Train a Whisper model on shards: on a GPU, several of them, or a CPU; interrupted, it goes on.

    fitted = training.fit(recipe, folder, tokenizer, work)
    fitted.model, fitted.best_step, fitted.history

Reads the splits `train` and `validation` of the folder, never `test`. What is given is the
checkpoint with the lowest error rate on validation. Checkpoints lie in `work/<run id>`, where the
id is of the recipe, the data and the tokenizer: the same call finds its own run again, and goes on
from the newest whole checkpoint to the same weights, to the last bit on the same kind of CPU.

On several GPUs: `accelerate launch -m whisper.training_pipeline ...`; one process of each.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whisper import checkpoints, evaluation, loading, networks, recipes, shards
from whisper.clips import TEST, TRAIN, VALIDATION
from whisper.preemption import Notice
from whisper.trainer import Evaluate, Trainer

if TYPE_CHECKING:
    from whisper.labels import Tokenizer
    from whisper.recipes import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """A trained model, and how it became so."""

    model: Any = field(repr=False)  # the best one; LoRA is part of its weights
    history: list[dict[str, float]] = field(repr=False)  # `loss` or `error_rate` by `step`
    best_step: int
    best_score: float  # error rate on validation
    steps: int
    seconds: float  # of training and evaluation, of all attempts
    run_id: str


def fit(
    recipe: Recipe,
    folder: Path,
    tokenizer: Tokenizer,
    work: Path,
    *,
    resume: bool = True,
    evaluate: Evaluate | None = None,
) -> Fitted:
    """Train as the recipe says on the shards in a folder.

    In: where checkpoints go; whether to go on from those of the same run, or begin anew; and how to
    score a model, by default by its error rate on validation. Raises Preempted after a checkpoint
    when the process is asked to stop (SIGTERM, SIGINT), and UserError where there is no data for
    the recipe, the loss is not finite, or a checkpoint cannot be written.
    """
    run = run_id(recipe, folder, tokenizer)
    place = Path(work) / run
    validation = {"split": VALIDATION, "recipe": recipe, "limit": recipe.eval_clips}
    evaluate = evaluate or partial(
        evaluation.evaluate, tokenizer=tokenizer, folder=folder, **validation
    )
    with Notice() as notice:
        model = networks.build(recipe, tokenizer)
        positions = model.config.max_target_positions
        examples = loading.Examples(folder, tokenizer, TRAIN, recipe, recipe.seed, positions)
        trainer = Trainer(model, examples, recipe, place, evaluate, notice)
        if not resume and trainer.is_world_process_zero():
            shutil.rmtree(place, ignore_errors=True)
        trainer.accelerator.wait_for_everyone()
        checkpoint = checkpoints.latest(place)
        log.info("run %s %s", run, f"goes on from {checkpoint.name}" if checkpoint else "begins")
        trainer.run(checkpoint)
    return Fitted(
        model=networks.plain(trainer.best_model()).eval(),
        history=trainer.history(),
        best_step=trainer.state.best_global_step,
        best_score=trainer.state.best_metric,
        steps=trainer.state.global_step,
        seconds=trainer.seconds,
        run_id=run,
    )


def run_id(recipe: Recipe, folder: Path, tokenizer: Tokenizer) -> str:
    """Give what a run is called: a hash of all that decides what it learns."""
    known = {
        name: value
        for name, value in recipes.described(recipe).items()
        if name not in recipes.WITHOUT_EFFECT
    }
    known |= {"model": networks.identity(recipe), "data": data_fingerprint(folder)}
    known |= {"tokenizer": [tokenizer.fingerprint, len(tokenizer)]}
    known |= {"processes": os.environ.get("WORLD_SIZE", "1")}  # each of which has its batches
    text = json.dumps(known, sort_keys=True)
    return f"{recipe.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def data_fingerprint(folder: Path) -> str:
    """Give a hash of what the shards to train and validate on are made of."""
    found = hashlib.sha256()
    for path in sorted(Path(folder).glob(f"*/*/*/part-*/{shards.ABOUT}")):
        if path.parts[-3] != TEST:
            made_of = json.loads(path.read_text(encoding="utf-8"))["made_of"]
            found.update(f"{path.parent.relative_to(folder).as_posix()} {made_of}\n".encode())
    return found.hexdigest()
