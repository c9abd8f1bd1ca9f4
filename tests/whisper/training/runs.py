"""Training runs that take a second each, here and in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from whisper import recipes, training

ROOT = Path(__file__).parents[3]
# Two epochs and a half; dropout and everything random in the loader are on.
RECIPE = recipes.named(
    "tiny",
    workers=0,
    d_model=16,
    heads=2,
    ffn=32,
    encoder_layers=1,
    decoder_layers=1,
    windows=(0.8, 2.4),
    batch_size=16,
    max_steps=20,
    warmup_steps=3,
    eval_steps=6,
    save_steps=5,
    eval_clips=3,
    eval_batch_size=3,
    max_new_tokens=2,
    logging_steps=4,
    dropout=0.2,
)


def trained(shards, tokenizer, work, recipe=RECIPE, **options):
    return training.fit(recipe, shards, tokenizer, work, **options)


def same(one, other):
    """Whether two results are equal to the last bit: weights, losses, error rates, choice."""
    weights, others = one.model.state_dict(), other.model.state_dict()
    return (
        list(weights) == list(others)
        and all(torch.equal(weights[name], others[name]) for name in weights)
        and one.history == other.history
        and (one.best_step, one.best_score) == (other.best_step, other.best_score)
    )


def process(shards, work, first="", processes=1, **changes):
    """Start training in a process of its own, or in several; run `first` before it.

    It says `scored` when it has scored, and in the end the sum of its weights.
    """
    program = f"""
import torch
from dataclasses import replace
from pathlib import Path
from fti import console
from tests.whisper.training.runs import RECIPE, trained
from whisper import evaluation, labels
{first}
torch.set_num_threads(1)
shards, recipe = Path({str(shards)!r}), replace(RECIPE, **{changes!r})
tokenizer = labels.load(shards / "tokenizer")
def score(model):
    limit = recipe.eval_clips
    scores = evaluation.evaluate(model, tokenizer, shards, "validation", recipe, limit=limit)
    print("scored\\n", end="", flush=True)
    return scores
def main():
    fitted = trained(shards, tokenizer, Path({str(work)!r}), recipe, evaluate=score)
    weights = fitted.model.state_dict().values()
    total = sum(one.double().sum().item() for one in weights)
    print(f"weights {{total}}\\n", end="", flush=True)  # at once: others print too
console.run(main)
"""
    file = Path(work).with_suffix(".py")
    file.write_text(program)
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    told = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *(several if processes > 1 else []), str(file)],
        cwd=work,
        env=told,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
