"""How well the survival model does beside the four seeds' models, on the same folds.

    python benchmarks/titanic_model.py [--source PATH]

10 times repeated 5-fold cross-validation with the reporting seed, all passengers. The targets hold
for the course's 891 passengers, which `--source` (or TITANIC_SOURCE) names, by default the web.
Exits with 1 when one is missed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from titanic import evaluation, features, sources

TARGETS = {"accuracy": 0.835, "auc": 0.885, "log_loss": 0.397, "brier": 0.122}
HIGHER_IS_BETTER = ("accuracy", "auc")


def main(
    source: Annotated[str | None, typer.Option(help="Raw passengers, as for `titanic`.")] = None,
) -> None:
    """Score ours and the seeds' models."""
    table = features.build_features(sources.read(source))
    found = evaluation.evaluate(table, progress=True)
    ours = {name: found[name] for name in TARGETS}
    shown = Table(title=f"10 x 5 cross-validation, {len(table)} passengers")
    shown.add_column("model")
    for name in TARGETS:
        shown.add_column(name, justify="right")
    best = {name: best_seed(name, found["baselines"]) for name in TARGETS}
    rows = {"ours": ours, **found["baselines"], "target": TARGETS}
    for model, scores in rows.items():
        shown.add_row(model, *(f"{scores[name]:.4f}" for name in TARGETS))
    ratios = (f"{ours[name] / best[name]:.3f}" for name in TARGETS)
    shown.add_row("ours / best seed", *ratios)
    Console(width=None if sys.stdout.isatty() else 140).print(shown)
    if not all(reached(name, ours[name], target) for name, target in TARGETS.items()):
        raise typer.Exit(1)


def reached(name: str, value: float, target: float) -> bool:
    """Tell whether a score is at least as good as its target."""
    return value >= target if name in HIGHER_IS_BETTER else value <= target


def best_seed(name: str, baselines: dict[str, dict[str, float]]) -> float:
    """Give the best value of a score among the seeds' models."""
    values = [scores[name] for model, scores in baselines.items() if model.startswith("seed")]
    return max(values) if name in HIGHER_IS_BETTER else min(values)


if __name__ == "__main__":
    typer.run(main)
