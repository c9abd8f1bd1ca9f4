"""What a step of training makes small, and by which of transformers' settings."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F
from transformers import Seq2SeqTrainingArguments

from fti.errors import UserError

if TYPE_CHECKING:
    from whisper.recipes import Recipe

log = logging.getLogger(__name__)

SCORE = "eval_error_rate"  # what checkpoints are chosen by
IGNORED = -100  # labels that are no text
PATIENT = 2 * 3600  # seconds that processes wait for the one that evaluates


def arguments(recipe: Recipe, place: Path) -> Seq2SeqTrainingArguments:
    """Give what transformers calls the recipe's knobs.

    When to score is not among them: `Flow` says so.
    """
    on_gpu = torch.cuda.is_available()
    if recipe.precision == "bf16" and on_gpu and not torch.cuda.is_bf16_supported():
        raise UserError(
            f"{torch.cuda.get_device_name()} cannot compute in bf16: set precision=fp16."
        )
    given = Seq2SeqTrainingArguments(
        output_dir=str(place),
        max_steps=recipe.max_steps,
        per_device_train_batch_size=recipe.batch_size,
        gradient_accumulation_steps=recipe.accumulation,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.scheduler,
        warmup_steps=recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        optim=recipe.optimizer,
        bf16=on_gpu and recipe.precision == "bf16",
        fp16=on_gpu and recipe.precision == "fp16",
        activation_checkpointing=recipe.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},
        torch_compile=recipe.compile,
        logging_steps=recipe.logging_steps,
        logging_nan_inf_filter=False,  # it would wait for the GPU in every step
        save_strategy="steps",
        save_steps=recipe.save_steps,
        eval_strategy="no",
        metric_for_best_model=SCORE,
        greater_is_better=False,
        seed=recipe.seed,
        remove_unused_columns=False,
        report_to=["tensorboard"] if recipe.tensorboard else [],
        disable_tqdm=True,
        use_cpu=not on_gpu,
        ddp_find_unused_parameters=False,
        ddp_timeout=PATIENT,
    )
    if given.n_gpu > 1:  # transformers would split batches, slower than on one of them
        log.warning("one of %s GPUs is used: start it by accelerate launch for all", given.n_gpu)
        given._n_gpu = 1
    return given


def token_loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    """Give the mean cross-entropy of tokens over all batches and processes of a step.

    Whisper's own loss is the mean of a batch, whatever number it is told, and would make
    accumulated gradients as many times too large as there are batches.
    """
    logits = outputs.logits
    loss = F.cross_entropy(
        logits.view(-1, logits.shape[-1]), labels.view(-1), ignore_index=IGNORED, reduction="sum"
    )
    return loss / (labels.ne(IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)
