"""The table that benchmarks of classifiers end in: ours, the baselines, the ratio and targets."""

from __future__ import annotations

import sys
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

SCORES = ("accuracy", "auc", "log_loss", "brier")
HIGHER_IS_BETTER = ("accuracy", "auc")


def report(found: dict[str, Any], targets: dict[str, float], title: str) -> None:
    """Print what `evaluation.evaluate` gave; exit with 1 when a target is missed."""
    table = Table(title=title)
    table.add_column("model")
    for name in SCORES:
        table.add_column(name, justify="right")
    best = {name: best_seed(name, found["baselines"]) for name in SCORES}
    for model, scores in {"ours": found, **found["baselines"], "target": targets}.items():
        table.add_row(model, *(f"{scores[n]:.4f}" if n in scores else "" for n in SCORES))
    table.add_row("ours / best seed", *(f"{found[n] / best[n]:.3f}" for n in SCORES))
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    if not all(reached(name, found[name], target) for name, target in targets.items()):
        raise typer.Exit(1)


def reached(name: str, value: float, target: float) -> bool:
    """Tell whether a score is at least as good as its target."""
    return value >= target if name in HIGHER_IS_BETTER else value <= target


def best_seed(name: str, baselines: dict[str, dict[str, float]]) -> float:
    """Give the best value of a score among the seeds' models."""
    values = [scores[name] for model, scores in baselines.items() if model.startswith("seed")]
    return max(values) if name in HIGHER_IS_BETTER else min(values)
