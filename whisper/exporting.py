"""A trained model as a folder that others can use: transformers, CTranslate2, faster-whisper.

    alike = exporting.export(model, tokenizer, recipe, facts, folder, shards)

    folder/  model.safetensors  config.json  generation_config.json     for transformers, with
             tokenizer.json  tokenizer_config.json                      the text it writes and
             preprocessor_config.json  processor_config.json            the log-mels it hears
             ctranslate2/                                               in int8, for CPUs
             README.md  scores.json  training.json                      for people and programs

int8 is let go only if it writes about what the model itself does: `compare` measures, `check`
refuses.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from transformers import WhisperFeatureExtractor, WhisperProcessor, WhisperTokenizer

from fti.errors import UserError
from whisper import audio, card, clips, evaluation, mel, networks, scoring
from whisper.clips import Clip
from whisper.scoring import BUCKET, TRANSCRIBE

if TYPE_CHECKING:
    from whisper.card import Facts
    from whisper.labels import Tokenizer
    from whisper.recipes import Recipe

CTRANSLATE2 = "ctranslate2"
INT8 = "int8"
COPIED = ("tokenizer.json", "preprocessor_config.json")  # what faster-whisper reads, too
CHECKED = 50  # clips of validation
WORSE = 0.02  # how much higher the error rate of int8 may be, as a share


class ExportError(UserError, ValueError):
    """The exported model does not write what the trained one does: nothing may use it."""


def export(
    model: Any, tokenizer: Tokenizer, recipe: Recipe, facts: Facts, folder: Path, shards: Path
) -> dict[str, float]:
    """Write a model into a folder in all its forms, and tell how alike they are.

    In: the model, which LoRA is merged into; what is known of it; and the shards, of whose
    validation clips up to 50 are written down by both forms. Out: `compare`'s numbers, which are
    among the folder's scores, too. Raises ExportError where int8 is worse than `check` allows.
    """
    folder = Path(folder)
    model = networks.plain(model)
    write(model, tokenizer, facts.languages, folder)
    convert(folder, folder / CTRANSLATE2)
    ours = evaluation.predict(model, tokenizer, shards, clips.VALIDATION, recipe, limit=CHECKED)
    others = predict(folder / CTRANSLATE2, tokenizer, shards, clips.VALIDATION, recipe, CHECKED)
    alike = compare(ours, others)
    check(alike)
    card.write(replace(facts, scores=facts.scores | alike), recipe, folder)
    return alike


def write(model: Any, tokenizer: Tokenizer, languages: Sequence[str], folder: Path) -> None:
    """Write what transformers reads; the default language is the only one, if there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    settings = copy.deepcopy(model.generation_config)
    settings.task = TRANSCRIBE
    settings.language = languages[0] if len(languages) == 1 else None
    settings.save_pretrained(folder)
    tokenizer.save(folder)
    # transformers counts windows in whole seconds; only models for trying out have others.
    seconds = math.ceil(model.config.max_source_positions / evaluation.POSITIONS_PER_SECOND)
    extractor = WhisperFeatureExtractor(model.config.num_mel_bins, chunk_length=seconds)
    WhisperProcessor(extractor, WhisperTokenizer.from_pretrained(folder)).save_pretrained(folder)
    extractor.save_pretrained(folder)  # processor_config.json has it, too, but others want its own
    tokenizer.save(folder)  # as it was: the processor has written it anew


def convert(folder: Path, target: Path, quantization: str = INT8) -> None:
    """Convert a folder of transformers to CTranslate2, with what faster-whisper wants beside it."""
    from ctranslate2.converters import TransformersConverter

    converter = TransformersConverter(str(folder), copy_files=list(COPIED))
    converter.convert(str(target), quantization=quantization, force=True)


def predict(
    folder: Path, tokenizer: Tokenizer, shards: Path, split: str, recipe: Recipe, limit: int = 0
) -> pd.DataFrame:
    """Give what a model of CTranslate2 writes for a split: the rows of `evaluation.predict`."""

    def hear(some: Iterable[Clip], task: str, _: str) -> list[str]:
        return transcribe(
            folder,
            tokenizer,
            some,
            task=task,
            windows=recipe.windows,
            slack=recipe.slack,
            max_new_tokens=recipe.max_new_tokens,
        )

    return scoring.collect(hear, shards, split, (BUCKET,), evaluation.tasks(recipe), limit)


def transcribe(
    folder: Path,
    tokenizer: Tokenizer,
    some: Iterable[Clip],
    *,
    task: str = TRANSCRIBE,
    windows: Sequence[float],
    slack: float = 0.3,
    batch_size: int = 16,
    max_new_tokens: int = 100,
    compute_type: str = INT8,
) -> list[str]:
    """Write down clips, in the order given, with a model of CTranslate2 on the CPU.

    As `evaluation.transcribe` does, but from the log-mels of `whisper.mel`: what is compared is all
    that serves, not the weights alone.
    """
    import ctranslate2

    engine = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type=compute_type)
    written: dict[int, str] = {}
    for frames, numbers, batch in evaluation.batches(some, windows, slack, batch_size):
        sounds = [audio.samples(clip.audio)[: frames * mel.HOP] for clip in batch]
        features = mel.padded(sounds, engine.n_mels, frames)
        found = engine.generate(
            ctranslate2.StorageView.from_array(features),
            [tokenizer.prompt(clip.language, task) for clip in batch],
            beam_size=1,
            max_length=2 * max_new_tokens,  # it takes half of it, for the text before this one
        )
        texts = [tokenizer.decode(one.sequences_ids[0]) for one in found]
        written.update(zip(numbers, texts, strict=True))
    return [written[number] for number in sorted(written)]


def compare(ours: pd.DataFrame, exported: pd.DataFrame) -> dict[str, float]:
    """Tell how alike two forms of a model write.

    In: rows of the same clips. Out: `int8_clips`, `int8_same_text`, the share of texts that are
    equal, and `int8_error_rate_difference` with its interval: above 0, int8 makes more errors.
    """
    same = (ours["heard"].to_numpy() == exported["heard"].to_numpy()).mean()
    difference = scoring.compare(exported, ours)
    return {"int8_clips": ours["clip_id"].nunique(), "int8_same_text": float(same)} | {
        f"int8_{name}": value for name, value in difference.items()
    }


def check(alike: dict[str, float]) -> None:
    """Raise ExportError if int8 makes more errors: by more than 0.02, and not by chance."""
    worse, low = (alike[f"int8_error_rate_difference{end}"] for end in ("", "_low"))
    if worse > WORSE and low > 0:
        raise ExportError(
            f"The model is not exported: as int8, its error rate on {alike['int8_clips']} clips is"
            f" higher by {worse:.3f} (at least {low:.3f}), and {WORSE} is allowed; train it longer."
        )
