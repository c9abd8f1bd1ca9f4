"""The trainer of transformers, with our batches, scores and checkpoints.

`training.fit` is what to call. Here is what happens in a step, and between steps: how a batch
becomes a loss, when the model is scored and saved, and what is left behind when the process is
asked to stop. In several processes all of them go through the same steps; the first one evaluates
and writes.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import cpu_count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import broadcast_object_list
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Seq2SeqTrainer, TrainerCallback
from transformers.models.whisper.modeling_whisper import shift_tokens_right
from transformers.trainer_callback import TrainerState
from transformers.utils import logging as library

from fti.errors import UserError
from whisper import checkpoints, loading, networks
from whisper.mel import FRAMES_PER_SECOND, HOP
from whisper.optimizing import SCORE, arguments, token_loss
from whisper.preemption import Interrupted, Notice, Preempted, leave_stopping_to_main
from whisper.progress import Pace, ShownProgress

if TYPE_CHECKING:
    from whisper.recipes import Recipe

log = logging.getLogger(__name__)

KEPT = 2  # checkpoints: the newest, and one more should a volume lose it
BEST, WEIGHTS = "best-", "weights.safetensors"
STATE, PENDING = "trainer_state.json", "pending.json"

Evaluate = Callable[[Any], dict[str, Any]]  # of a model, with `error_rate` among what it gives


class Trainer(Seq2SeqTrainer):
    """Trains a model by a recipe, in a folder of its own."""

    def __init__(
        self,
        model: Any,
        examples: loading.Examples,
        recipe: Recipe,
        place: Path,
        evaluate: Evaluate,
        notice: Notice,
    ):
        """Take what `training.fit` has."""
        library.disable_progress_bar()  # there is one of ours
        if recipe.compile:
            torch._dynamo.config.recompile_limit = 64  # lengths of windows times those of labels
        if torch.cuda.is_available():
            torch.set_float32_matmul_precision("high")  # tf32
        self.recipe, self.place, self.notice = recipe, place, notice
        self.pace = Pace()
        self._scored_by = evaluate
        self._seconds_before = 0.0  # of earlier attempts
        self._checkpoint: Path | None = None  # from which it goes on
        super().__init__(
            model=model,
            args=arguments(recipe, place),
            train_dataset=examples,
            compute_loss_func=token_loss,
            callbacks=[Flow(self), ShownProgress(self.pace, f"training {recipe.name}")],
        )
        self.remove_callback(PrinterCallback)
        self.buckets = loading.Buckets(examples, alike=self.args.world_size)

    def run(self, checkpoint: Path | None) -> None:
        """Train to the end, from a checkpoint where there is one; raises Preempted."""
        self._checkpoint = checkpoint
        if checkpoint is not None and self._is_over(before := _state(checkpoint)):
            self.state = before
            self._load_from_checkpoint(str(checkpoint))
            self.go_on()
        else:
            try:
                self.train(resume_from_checkpoint=checkpoint and str(checkpoint))
            finally:
                self.pop_callback(ShownProgress).close()
        if not self._is_over(self.state) or self._owes_scores():
            raise self._preempted()

    def best_model(self) -> Any:
        """Give the model with the weights that validation found best."""
        model = self.accelerator.unwrap_model(self.model)
        best = load_file(self._best(self.state.best_global_step) / WEIGHTS)
        model.load_state_dict(best, strict=False)
        return model

    def history(self) -> list[dict[str, float]]:
        """Give loss, learning rate and scores by step, in order."""
        rows = (row for row in self.state.log_history if "loss" in row or SCORE in row)
        return [{name.removeprefix("eval_"): row[name] for name in row} for row in rows]

    @property
    def seconds(self) -> float:
        """How long training and scoring took, in all attempts."""
        return self._seconds_before + self.pace.in_all

    def asked_to_stop(self) -> bool:
        """Tell whether any of the processes was asked to stop: all of them must do the same."""
        if self.args.world_size == 1:
            return self.notice.given
        given = torch.tensor(int(self.notice.given), device=self.args.device)
        return bool(self.accelerator.reduce(given, "sum").item())

    def scores_are_due(self) -> bool:
        """Tell whether this step is one to score."""
        step = self.state.global_step
        return step > 0 and (step % self.recipe.eval_steps == 0 or step >= self.recipe.max_steps)

    def go_on(self) -> None:
        """Take up what a checkpoint was in the middle of."""
        self.pace.start(self.state.global_step)
        if self._checkpoint is None:
            return
        best = self.state.best_global_step
        if best and not checkpoints.is_whole(self._best(best)):
            raise UserError(f"{self._best(best)} is lost: delete {self.place}, or do not resume.")
        pending = json.loads((self._checkpoint / PENDING).read_text(encoding="utf-8"))
        self._seconds_before = pending["seconds"]
        self._tr_loss = torch.tensor(pending["loss"], device=self.args.device)
        self._globalstep_last_logged = pending["since"]
        if self._owes_scores():
            try:
                self._determine_best_metric(self._evaluate(None, None), None)
            except Interrupted:
                raise self._preempted() from None

    # What follows are methods that transformers calls.

    def get_train_dataloader(self) -> DataLoader:
        """Give the loader of batches, of one window each."""
        workers = min(self.recipe.workers, cpu_count() or 1)
        of_workers = {"prefetch_factor": 4, "persistent_workers": True} if workers else {}
        loader = DataLoader(
            self.train_dataset,
            batch_sampler=self.buckets,
            collate_fn=loading.collate,
            num_workers=workers,
            worker_init_fn=leave_stopping_to_main,
            pin_memory=self.args.device.type == "cuda",
            # Its own: workers that go on from epoch to epoch draw from it only once, those of a run
            # that goes on once more, and the model's dropout has to draw the same in both.
            generator=torch.Generator(),
            **of_workers,
        )
        return self.accelerator.prepare(loader)

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> tuple[list[Any], Any]:
        """Give the batches of a step, and how many tokens they have to be right about."""
        batches, tokens = super().get_batch_samples(*args, **kwargs)
        for batch in batches:
            frames = len(batch["waveforms"]) * batch["waveforms"].shape[1] // HOP
            self.pace.windows += frames / FRAMES_PER_SECOND * self.args.world_size
        return batches, tokens

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Give the loss of a batch of waveforms, whose log-mel is made on the device."""
        config = self.model.config
        batch = loading.to_features(inputs, config.num_mel_bins)
        batch["decoder_input_ids"] = shift_tokens_right(
            batch["labels"], config.pad_token_id, config.decoder_start_token_id
        )
        return super().compute_loss(model, batch | {"use_cache": False}, *args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Score the model of now, in one process for all; raises Interrupted when asked to stop."""
        began = time.monotonic()
        found: list[Any] = [None]
        if self.is_world_process_zero():
            found = [_numbers(self._scores())]
        metrics = broadcast_object_list(found)[0]
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        self.pace.pause(time.monotonic() - began)
        return metrics

    def floating_point_ops(self, inputs: Any) -> int:
        """Leave uncounted what transformers estimates from tokens, of which audio has none."""
        return 0

    def _scores(self):
        model = self.accelerator.unwrap_model(self.model)
        if self.args.world_size > 1:  # the others wait, and would not know
            return self._scored_by(model)
        with self.notice.at_once():
            return self._scored_by(model)

    def _maybe_log_save_evaluate(self, *args, **kwargs):
        try:
            super()._maybe_log_save_evaluate(*args, **kwargs)
        except Interrupted:
            self.control.should_evaluate, self.control.should_training_stop = False, True
            self._save_checkpoint(self.model, None)

    def _determine_best_metric(self, metrics, trial):
        """Take the later of two that are as good: it has seen more."""
        if metrics[SCORE] == self.state.best_metric:
            self.state.best_metric = None
        better = super()._determine_best_metric(metrics, trial)
        if better:
            with self._written(self._best(self.state.global_step)) as aside:
                if self.args.should_save:
                    model = self.accelerator.unwrap_model(self.model)
                    save_file(networks.trained_state(model), aside / WEIGHTS)
        if self._is_over(self.state):
            self.control.should_save = self.control.should_training_stop = True
        return better

    def _save_checkpoint(self, model, trial):
        with self._written(checkpoints.path(self.place, self.state.global_step)) as aside:
            self.save_model(str(aside), _internal_call=True)
            self._save_optimizer_and_scheduler(str(aside))
            self._save_scaler(str(aside))
            self._save_rng_state(str(aside))
            pending = json.dumps(self._pending())
            if self.args.should_save:
                self.state.save_to_json(str(aside / STATE))
                (aside / PENDING).write_text(pending, encoding="utf-8")
        if self.args.should_save:
            checkpoints.keep_newest(self.place, KEPT)
            kept = [_state(place).best_global_step for place in checkpoints.every(self.place)]
            for old in set(self.place.glob(f"{BEST}*")) - set(map(self._best, kept)):
                shutil.rmtree(old)

    def _issue_warnings_after_load(self, load_result):
        """Refuse weights of another model; those that are tied to others need not be there."""
        tied = set(self.model._tied_weights_keys or ())
        wrong = [*load_result.unexpected_keys, *(set(load_result.missing_keys) - tied)]
        if wrong:
            raise UserError(f"{self._checkpoint}: it is of another model ({wrong[0]}): delete it.")

    # Ours again.

    @contextmanager
    def _written(self, place: Path) -> Iterator[Path]:
        """Give a folder to write, by all processes; it is at its place when all of it is there."""
        everyone = self.accelerator.wait_for_everyone
        if self.args.should_save:
            checkpoints.begin(place)
        everyone()
        try:
            yield checkpoints.aside(place)
            everyone()
            if self.args.should_save:
                checkpoints.finish(place)
        except (OSError, RuntimeError, SafetensorError) as error:
            checkpoints.abandon(place)
            raise UserError(
                f"{place}: it could not be written ({error}); make room, and the same command goes"
                " on from the checkpoint before."
            ) from error
        everyone()

    def _pending(self):
        """What a checkpoint of transformers lacks: the loss that is not logged yet, and time."""
        loss = self.accelerator.reduce(self._tr_loss, "mean").item()
        return {"loss": loss, "since": self._globalstep_last_logged, "seconds": self.seconds}

    def _best(self, step):
        return self.place / f"{BEST}{step}"

    def _is_over(self, state):
        """Tell whether training is at its end, or no better for too long."""
        rates = [row[SCORE] for row in state.log_history if SCORE in row]
        since = len(rates) - 1 - rates.index(min(rates)) if rates else 0
        exhausted = 0 < self.recipe.patience <= since
        return state.global_step >= self.recipe.max_steps or exhausted

    def _owes_scores(self):
        step = self.state.global_step
        scored = any(SCORE in row and row["step"] == step for row in self.state.log_history)
        return self.scores_are_due() and not scored

    def _preempted(self):
        return Preempted(
            f"Training stopped at step {self.state.global_step} of {self.recipe.max_steps}, as"
            " asked: the same command goes on from there."
        )


class Flow(TrainerCallback):
    """Says when to score, to save and to stop."""

    def __init__(self, trainer: Trainer):
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Go on where a checkpoint was."""
        self._trainer.go_on()

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Choose the order of the epoch, which does not depend on where it is entered."""
        self._trainer.buckets.set_epoch(int(state.epoch or 0))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Score when it is due; when asked to stop, save first, and score when going on."""
        control.should_evaluate = self._trainer.scores_are_due()
        if self._trainer.asked_to_stop():
            control.should_evaluate = False
            control.should_save = control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Raise UserError when training has gone astray."""
        for name in ("loss", SCORE):
            value = (logs or {}).get(name, 0.0)
            if not math.isfinite(value):
                raise UserError(
                    f"The {name.removeprefix('eval_')} is {value} at step {state.global_step}: set"
                    " learning_rate lower, or precision=bf16 where it is fp16."
                )


def _state(checkpoint: Path) -> TrainerState:
    return TrainerState.load_from_json(str(checkpoint / STATE))


def _numbers(scores: dict[str, Any]) -> dict[str, float]:
    """Give the scores that are numbers, as transformers calls them; not how long they took."""
    numbers = {k: v for k, v in scores.items() if isinstance(v, int | float) and k != "seconds"}
    return {f"eval_{name}": float(value) for name, value in numbers.items()}
