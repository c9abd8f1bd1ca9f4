"""What a torch model hears in clips, and how well.

    evaluation.transcribe(model, tokenizer, clips)                          texts, in their order
    rows = evaluation.predict(model, tokenizer, folder, "test", recipe)     a table of a split
    evaluation.evaluate(model, tokenizer, folder, "validation", recipe)     its scores

Decoding is greedy: what a model writes is then a function of its weights. The encoder is run first,
as Whisper's own `generate` would lengthen short windows by zeros, which are not silence.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from transformers import GenerationConfig
from transformers.generation import GenerationMixin

from whisper import audio, scoring
from whisper.clips import Clip
from whisper.mel import FRAMES_PER_SECOND, HOP
from whisper.scoring import BUCKET, FULL, TRANSCRIBE, TRANSLATE
from whisper.torch_mel import log_mel
from whisper.windows import use_windows

if TYPE_CHECKING:
    from whisper.labels import Tokenizer
    from whisper.recipes import Recipe

BOTH = "both"  # kinds of windows
POSITIONS_PER_SECOND = FRAMES_PER_SECOND / 2
PROMPT = 4  # tokens before the text: start, language, task, no timestamps


def evaluate(
    model: Any, tokenizer: Tokenizer, folder: Path, split: str, recipe: Recipe, **options: Any
) -> dict[str, Any]:
    """Score a model on a split: `scoring.score` of `predict`, with the same options, and `seconds`.

    `error_rate` is what chooses checkpoints.
    """
    started = time.perf_counter()
    rows = predict(model, tokenizer, folder, split, recipe, **options)
    return scoring.score(rows) | {"seconds": time.perf_counter() - started}


def predict(
    model: Any,
    tokenizer: Tokenizer,
    folder: Path,
    split: str,
    recipe: Recipe,
    *,
    windows: str = BUCKET,
    limit: int = 0,
    silent: int = 0,
    device: Any = None,
    title: str | None = None,
) -> pd.DataFrame:
    """Give what a model writes for the clips of a split, a row for each clip, task and window.

    In: shards; the recipe, of which windows, slack, batch size, tokens and the share of translation
    count; `windows`: each clip in the shortest that holds it ("bucket"), in the recipe's longest
    ("full"), or "both"; and what `scoring.collect` takes. Out: its rows.
    """

    def hear(some: Iterable[Clip], task: str, window: str) -> list[str]:
        return transcribe(
            model,
            tokenizer,
            some,
            task=task,
            windows=recipe.windows if window == BUCKET else (recipe.longest,),
            slack=recipe.slack,
            batch_size=recipe.eval_batch_size,
            max_new_tokens=recipe.max_new_tokens,
            device=device,
            whole_batches=recipe.static_shapes,
        )

    kinds = (BUCKET, FULL) if windows == BOTH else (windows,)
    return scoring.collect(hear, folder, split, kinds, tasks(recipe), limit, silent, title)


def tasks(recipe: Recipe) -> tuple[str, ...]:
    """Give what a recipe trains for, where clips have translations."""
    if recipe.translate_share == 1:
        return (TRANSLATE,)
    return (TRANSCRIBE, TRANSLATE) if recipe.translate_share else (TRANSCRIBE,)


def transcribe(
    model: Any,
    tokenizer: Tokenizer,
    clips: Iterable[Clip],
    *,
    language: str | None = None,
    task: str = TRANSCRIBE,
    windows: Sequence[float] | str = FULL,
    slack: float = 0.3,
    batch_size: int = 32,
    max_new_tokens: int = 100,
    device: Any = None,
    timestamps: bool = False,
    whole_batches: bool = False,
) -> list[str]:
    """Write down clips, in the order given, with a torch model.

    In: clips, of which there are never more than a batch of each window in memory; the language, by
    default the clip's own; `windows`: seconds, of which each clip gets the shortest that holds it
    and the slack, or "full", the model's longest, which cuts off what is longer; the device, by
    default the model's own, or the GPU where the model is on none and there is one; and whether
    batches are filled up, so that compiled models see few shapes. The model stays as it was, but
    for where it is; its encoder takes short windows from then on.
    """
    device = torch.device(device) if device else _device(model)
    model = model.get_base_model() if hasattr(model, "get_base_model") else model  # out of LoRA's
    use_windows(model.to(device))
    longest = model.config.max_source_positions / POSITIONS_PER_SECOND
    lengths = (longest,) if windows == FULL else tuple(windows)
    settings = _settings(model, max_new_tokens)

    def write(batch: list[Clip], frames: int) -> list[str]:
        rows = batch + batch[:1] * (batch_size - len(batch) if whole_batches else 0)
        spoken = torch.from_numpy(waveforms(rows, frames)).to(device)
        features = log_mel(spoken, model.config.num_mel_bins, frames).to(model.dtype)
        prompts = [tokenizer.prompt(language or clip.language, task, timestamps) for clip in rows]
        ids = GenerationMixin.generate(
            model,
            encoder_outputs=model.get_encoder()(features),
            attention_mask=torch.ones(len(rows), frames, dtype=torch.long, device=device),
            decoder_input_ids=torch.tensor(prompts, device=device),
            generation_config=settings,
        )
        return [tokenizer.decode(row) for row in ids[: len(batch)].tolist()]

    written: dict[int, str] = {}
    with _evaluating(model), torch.inference_mode(), _reduced(device):
        for frames, numbers, batch in batches(clips, lengths, slack, batch_size):
            written.update(zip(numbers, write(batch, frames), strict=True))
    return [written[number] for number in sorted(written)]


def batches(
    clips: Iterable[Clip], windows: Sequence[float], slack: float, size: int
) -> Iterator[tuple[int, list[int], list[Clip]]]:
    """Give clips in batches of one window: its frames, the clips' numbers, the clips."""
    waiting: dict[int, tuple[list[int], list[Clip]]] = {}
    for number, clip in enumerate(clips):
        fitting = (w for w in windows if clip.seconds + slack <= w)
        frames = round(next(fitting, windows[-1]) * FRAMES_PER_SECOND)
        numbers, batch = waiting.setdefault(frames, ([], []))
        numbers.append(number)
        batch.append(clip)
        if len(batch) == size:
            yield frames, *waiting.pop(frames)
    for frames, (numbers, batch) in sorted(waiting.items()):
        yield frames, numbers, batch


def waveforms(batch: Sequence[Clip], frames: int) -> np.ndarray:
    """Give the samples of clips, float32 of clips x samples of the window, silent behind them."""
    heard = np.zeros((len(batch), frames * HOP), dtype=np.float32)
    for clip, row in zip(batch, heard, strict=True):
        samples = audio.samples(clip.audio)[: row.size]
        row[: samples.size] = samples
    return heard


def _device(model: Any) -> torch.device:
    gpu = model.device.type == "cpu" and torch.cuda.is_available()
    return torch.device("cuda") if gpu else model.device


def _reduced(device: torch.device) -> torch.autocast:
    """Compute in 16 bits on GPUs."""
    on_gpu = device.type == "cuda"
    dtype = torch.float16 if on_gpu and not torch.cuda.is_bf16_supported() else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=on_gpu)


def _settings(model: Any, max_new_tokens: int) -> GenerationConfig:
    """Say how the model writes: greedily, without what its own settings keep it from."""
    own = model.generation_config
    return GenerationConfig(
        max_length=min(PROMPT + max_new_tokens, model.config.max_target_positions),
        num_beams=1,
        do_sample=False,
        use_cache=True,
        eos_token_id=model.config.eos_token_id,
        pad_token_id=model.config.eos_token_id,
        decoder_start_token_id=model.config.decoder_start_token_id,
        suppress_tokens=own.suppress_tokens or None,
        begin_suppress_tokens=own.begin_suppress_tokens or None,
    )


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Leave dropout out for a while."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
