"""Ablations: a recipe, and what becomes of it when one thing is changed at a time, in one table.

    recipe = "tiny"                     # what the others are changed from, and compared with

    [set]                               # for all of them
    max_steps = 300

    [each]                              # a variant for each value of each knob
    learning_rate = [5e-4, 8e-3]
    augmentation = ["off"]

    [variants."twice as wide"]          # a variant that changes several knobs
    d_model = 128
    ffn = 512

    python -m whisper.training_pipeline --grid grid.toml

Variants are compared on the validation split, because they are there to be chosen from; the test
split is for what was chosen. What a variant heard is kept, so that a grid that was interrupted, or
that has got another variant, trains only what lacks.
"""

from __future__ import annotations

import json
import logging
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fti import console
from fti.errors import UserError
from whisper import processes, recipes, scoring, shards
from whisper.clips import VALIDATION
from whisper.recipes import Recipe

log = logging.getLogger(__name__)

BASE = "base"
TABLE, TEXT = "grid.parquet", "grid.md"  # in the work folder
HEARD, FACTS = "heard.parquet", "facts.json"  # in that of a run
SECTIONS = ("recipe", "set", "each", "variants")


@dataclass(frozen=True)
class Variant:
    """One training run of a grid, and where its shards, checkpoints and results are."""

    name: str
    recipe: Recipe
    folder: Path
    work: Path

    def place(self) -> Path:
        """Give the folder of the run, another one for another recipe, data or tokenizer."""
        from whisper import training

        tokenizer = shards.tokenizer_in(self.folder)
        return self.work / training.run_id(self.recipe, self.folder, tokenizer)


Mapper = Callable[[Callable[[Variant], str], Iterable[Variant]], Iterable[str]]


def load(path: Path) -> dict[str, Recipe]:
    """Read a grid from a file; raises UserError as `read` does, and where it cannot be read."""
    try:
        return read(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--grid {path}: it cannot be read ({error}).") from error


def read(text: str, name: str = "the grid") -> dict[str, Recipe]:
    """Read a grid: recipes by the names of its variants, the base first.

    Raises UserError for what is no grid and for a recipe that makes no sense, before anything is
    trained.
    """
    told = _parsed(text, name)
    base = _changed(recipes.named(told.get("recipe", "tiny")), told.get("set", {}))
    each = [
        (f"{knob}={_written(value)}", {knob: value})
        for knob, values in told.get("each", {}).items()
        for value in _listed(values, knob, name)
    ]
    found = {BASE: base}
    for called, changes in [*each, *told.get("variants", {}).items()]:
        if called in found:
            raise UserError(f"{name}: '{called}' is in it twice, or is the base: name it apart.")
        found[called] = _changed(base, changes)
    return found


def run(grid: Mapping[str, Recipe], folder: Path, work: Path, mapper: Mapper = map) -> pd.DataFrame:
    """Train and score the variants that lack, and give the table of all of them.

    In: what `read` gives; shards; where checkpoints and results are kept; and who trains, by
    default this process, one after the other. The table is also written, as TABLE and TEXT.
    """
    variants = [Variant(name, recipe, folder, work) for name, recipe in grid.items()]
    lacking = [variant for variant in variants if not (variant.place() / FACTS).exists()]
    log.info("%d variants, %d of them to train", len(variants), len(lacking))
    for name in console.progress(mapper(measure, lacking), len(lacking), "variants"):
        log.info("%s is done", name)
    found = table(variants)
    found.to_parquet(work / TABLE, index=False)
    (work / TEXT).write_text(markdown(found) + "\n", encoding="utf-8")
    return found


def measure(variant: Variant) -> str:
    """Train a variant and keep what it hears in the validation split; give its name."""
    from whisper import evaluation

    tokenizer = shards.tokenizer_in(variant.folder)
    fitted = processes.fit(variant.recipe, variant.folder, variant.work)
    rows = evaluation.predict(
        fitted.model, tokenizer, variant.folder, VALIDATION, variant.recipe, windows=evaluation.BOTH
    )
    facts = {
        "parameters": sum(weight.numel() for weight in fitted.model.parameters()),
        "steps": fitted.steps,
        "best_step": fitted.best_step,
        "minutes": fitted.seconds / 60,
    }
    rows.to_parquet(variant.place() / HEARD, index=False)
    (variant.place() / FACTS).write_text(json.dumps(facts), encoding="utf-8")
    return variant.name


def table(variants: Sequence[Variant]) -> pd.DataFrame:
    """Give a row for each variant, the best first: its scores, and its difference from the base.

    Rates are shares. `difference` is the error rate less the base's on the same clips, with the
    interval that other clips of the kind would leave it in; another seed varies it as well.
    """
    heard = {variant.name: pd.read_parquet(variant.place() / HEARD) for variant in variants}
    found = []
    for variant in variants:
        scores = scoring.score(heard[variant.name])
        against = scoring.compare(heard[variant.name], heard[BASE])
        row = {"variant": variant.name}
        row |= {key: scores[key] for key in scores if key.startswith("error_rate")}
        row |= {key.removeprefix("error_rate_"): value for key, value in against.items()}
        row |= json.loads((variant.place() / FACTS).read_text(encoding="utf-8"))
        found.append(row | {"clips": scores["clips"]})
    return pd.DataFrame(found).sort_values("error_rate", kind="stable", ignore_index=True)


def markdown(found: pd.DataFrame) -> str:
    """Give the table as it goes into a README: percentages, the base in bold."""
    lines = [
        "| variant | error, % (95%) | less the base | full windows | weights | best step | min |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found.to_dict("records"):
        base = row["variant"] == BASE
        cells = [
            f"**{BASE}**" if base else row["variant"],
            _interval(row, "error_rate"),
            "" if base else _interval(row, "difference", sign="+"),
            f"{100 * row['error_rate_full_windows']:.1f}",
            f"{row['parameters'] / 1e6:.2f} M",
            f"{row['best_step']} of {row['steps']}",
            f"{row['minutes']:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _interval(row: Mapping[str, Any], key: str, sign: str = "") -> str:
    value, low, high = (100 * row[f"{key}{end}"] for end in scoring.INTERVAL)
    return f"{value:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{name}: this is not TOML ({error}).") from error
    unknown = sorted(set(told) - set(SECTIONS))
    if unknown:
        raise UserError(f"{name}: it has '{unknown[0]}', but a grid has {', '.join(SECTIONS)}.")
    if not isinstance(told.get("recipe", ""), str):
        raise UserError(f'{name}: recipe is the name of one, as "tiny".')
    tables = [told.get(section, {}) for section in SECTIONS[1:]]
    tables += tables[-1].values() if isinstance(tables[-1], dict) else []
    if not all(isinstance(section, dict) for section in tables):
        raise UserError(f"{name}: write [set], [each] and [variants.NAME] with knobs below them.")
    return told


def _listed(values: Any, knob: str, name: str) -> list[Any]:
    if not isinstance(values, list):
        raise UserError(f"{name}: [each] {knob} needs a list of values, as [1, 2].")
    return values


def _changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    return recipes.changed(recipe, [f"{knob}={_written(value)}" for knob, value in changes.items()])


def _written(value: Any) -> str:
    """Write a value of TOML as the command line takes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
