"""The test: once, when a model is done, beside what it started from and a guess that hears nothing.

found = examination.take(fitted.model, tokenizer, folder, recipe)
found.scores, found.baselines                        `scoring.score` of ours, and of the others
examination.summary(found.scores, found.baselines)   the numbers that matter, flat
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pyarrow import parquet

from whisper import scoring, shards
from whisper.clips import TEST, TRAIN

if TYPE_CHECKING:
    from whisper.labels import Tokenizer
    from whisper.recipes import Recipe

UNTRAINED, COMMONEST = "untrained", "commonest_text"
SILENT = 100  # clips of silence and noise, to which the answer is nothing
RATES = ("wer", "cer")
TOLD = (*RATES, "bleu", "chrf")
DIFFERENCE = "error_rate_difference"  # less the untrained model's


@dataclass(frozen=True)
class Examination:
    """How good a model is on the test split, and others on the same clips."""

    scores: dict[str, Any]
    baselines: dict[str, dict[str, Any]]


def take(model: Any, tokenizer: Tokenizer, folder: Path, recipe: Recipe) -> Examination:
    """Score a trained model on the test split, beside baselines on the same clips.

    Those are the model that the recipe starts from, in full windows, and the commonest text of the
    training split. Ours is heard in short windows, and in full ones, where the names of its scores
    end in `_full_windows`.
    """
    from whisper import evaluation, networks

    heard = evaluation.predict(
        model, tokenizer, folder, TEST, recipe,
        windows=evaluation.BOTH, silent=SILENT, title="testing",
    )  # fmt: skip
    before = evaluation.predict(
        networks.build(recipe, tokenizer), tokenizer, folder, TEST, recipe,
        windows=scoring.FULL, title="testing what it started from",
    )  # fmt: skip
    scores = scoring.score(heard) | scoring.compare(heard, before)
    others = {UNTRAINED: before, COMMONEST: guessed(heard, folder)}
    return Examination(scores, {name: scoring.score(rows) for name, rows in others.items()})


def guessed(heard: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Give the rows as of a model that always writes the commonest text of the language."""
    columns = ["language", "text_raw"]
    tables = [
        parquet.read_table(path, columns=columns).to_pandas()
        for path in shards.files(folder, split=TRAIN)
    ]
    texts = pd.concat(tables).groupby("language")["text_raw"]
    commonest = texts.agg(lambda said: said.mode().iloc[0])
    asked = heard[(heard["window"] == scoring.BUCKET) & (heard["reference"] != "")]
    return asked.assign(heard=asked["language"].map(commonest).fillna(""))


def summary(
    scores: Mapping[str, Any], baselines: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Give the numbers that matter: error rates with intervals, for whom, on how much.

    Rates are shares: `wer`, or `cer` in languages without blanks, also normalised, of speakers that
    it knows and of new ones, and those of baselines, as `wer_untrained`.
    """
    told = {}
    for key in (key for key in scores if key.startswith((*TOLD, DIFFERENCE, "clips", "heard_in"))):
        of = key.partition("_")[2]
        detail = set(of.split("_")) & {"low", "high", "signature", "full"}
        if not detail or of in {"low", "high", scoring.FULL_WINDOWS} or key.startswith(DIFFERENCE):
            told[key] = scores[key]
    for name, other in baselines.items():
        told |= {f"{rate}_{name}": other[rate] for rate in RATES if rate in other}
    return told | {"audio_seconds": round(3600 * scores["hours"], 3)}
