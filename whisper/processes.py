"""Several processes, one for each GPU, as `accelerate launch` starts them.

The first one runs the pipeline; the others train along whenever it trains:

    if processes.leads():
        with processes.leading():
            fitted = processes.fit(recipe, folder, work)
    else:
        processes.follow()
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fti.errors import UserError
from whisper import feature_pipeline, shards

if TYPE_CHECKING:
    from whisper.recipes import Recipe
    from whisper.training import Fitted


def leads() -> bool:
    """Tell whether this process is the first one, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def alone() -> bool:
    """Tell whether there is one process."""
    return os.environ.get("WORLD_SIZE", "1") == "1"


@contextmanager
def leading() -> Iterator[None]:
    """Let the others go when all is done; when this one fails, accelerate ends them."""
    yield
    if not alone():
        _told(None)


def fit(recipe: Recipe, folder: Path, work: Path) -> Fitted:
    """Train with all processes: `whisper.training.fit`, with the tokenizer of the shards."""
    from whisper import training

    tokenizer = shards.tokenizer_in(folder)
    if tokenizer is None:
        raise UserError(f"There are no shards in {folder}: run the feature pipeline first.")
    if leads() and not alone():
        _told((recipe, folder, work))
    with _threads(recipe):
        return training.fit(recipe, folder, tokenizer, work)


def follow() -> None:
    """Train along until the first process is done."""
    while job := _told(None):
        fit(*job)


@contextmanager
def _threads(recipe: Recipe) -> Iterator[None]:
    """Leave the processes that load audio a core each: threads that wait for one burn another."""
    import torch

    before, free = torch.get_num_threads(), feature_pipeline.cores() - recipe.workers
    torch.set_num_threads(max(1, min(before, free)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _told(job: Any) -> Any:
    """Give what the first process says."""
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    PartialState()
    return broadcast_object_list([job])[0]
