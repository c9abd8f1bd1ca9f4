"""The model `whisper` in a project's registry: in by a gate, out as a folder.

verdict = registry.gate(ours, theirs)                scores on the same test clips
version = registry.register(project, folder)         a folder that `exporting` wrote
model = registry.fetch(project)                      its folder, version, scores and record
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fti
from fti import models, quality
from fti.errors import UserError
from whisper import card

MODEL = "whisper"
METRIC = "error_rate"
DESCRIPTION = "Writes down speech, and translates it where it was trained to"
SCHEMA = {"input": {"audio": "16 kHz, one channel"}, "output": "text"}


@dataclass(frozen=True)
class Fetched:
    """A version of the model, here."""

    version: int
    folder: Path
    scores: dict[str, Any]  # on the test split of its training
    record: dict[str, Any]  # training.json


def gate(ours: Mapping[str, Any], theirs: Mapping[str, Any] | None) -> quality.Verdict:
    """Decide whether a model replaces the current one, both scored on the same test clips.

    In: `scoring.score` of each, None where there is no current one. It must not make more errors.
    """

    def judged(scores: Mapping[str, Any]) -> dict[str, float]:
        return {METRIC: scores.get(METRIC, math.nan), "n": scores["clips"]}

    current = None if theirs is None else judged(theirs)
    return quality.champion_gate(
        judged(ours), current, metric=METRIC, higher_is_better=False, guard={}
    )


def register(
    project: Any,
    folder: Path,
    *,
    feature_view: Any = None,
    training_dataset_version: int | None = None,
) -> int:
    """Save a folder of `exporting.export` as a new version and give its number.

    Its metrics are the numbers of scores.json but for the ends of intervals.
    """
    scores = _read(folder, card.SCORES)["test"]
    return fti.save_model(
        project,
        MODEL,
        Path(folder),
        headline(scores),
        feature_view=feature_view,
        training_dataset_version=training_dataset_version,
        model_schema=SCHEMA,
        description=DESCRIPTION,
    )


def headline(scores: Mapping[str, Any]) -> dict[str, float]:
    """Give the scores that are finite numbers, without the ends of their intervals."""
    ends = ("_low", "_high", "_low_", "_high_")
    return {
        key: float(value)
        for key, value in scores.items()
        if isinstance(value, int | float)
        and math.isfinite(value)
        and not key.endswith(ends[:2])
        and not any(end in key for end in ends[2:])
    }


def fetch(project: Any, version: int | None = None) -> Fetched:
    """Download a version, by default the latest; raises UserError where there is none."""
    found = models.fetch_model(project, MODEL, version)
    return Fetched(
        found.version,
        found.folder,
        _read(found.folder, card.SCORES)["test"],
        _read(found.folder, card.RECORD),
    )


def _read(folder: Path, name: str) -> dict[str, Any]:
    path = Path(folder) / name
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: no model of ours has it so ({error}); train it again.") from error
