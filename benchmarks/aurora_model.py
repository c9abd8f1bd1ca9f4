"""How well the aurora model does beside the seed's tree, climatology and persistence.

    python benchmarks/aurora_model.py [--source DIR] [--train-until DAY --evaluate-from DAY]

Without days: each month of the source from all months before it. Index and weather as observed, so
upper bounds of a forecast; then the index only as known so many hours before. With days, the
targets for 15 October to 31 December 2021 apply; exits with 1 when one is missed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from aurora import evaluation, sources

TARGETS = {"auc": 0.90, "average_precision": 0.72, "brier": 0.105, "dark_auc": 0.83}
SCORES = (*TARGETS, "dark_brier", "dark_brier_skill", "max_tss", "dark_calibration_error")
BASELINES = ("seed_tree", "climatology", "persistence")


def main(
    source: Annotated[str | None, typer.Option(help="As for `aurora.sources`.")] = None,
    train_until: Annotated[str | None, typer.Option(help="Last day to train on.")] = None,
    evaluate_from: Annotated[str | None, typer.Option(help="First day to score.")] = None,
) -> None:
    """Score ours and the baselines."""
    if bool(train_until) != bool(evaluate_from):
        raise typer.BadParameter("--train-until and --evaluate-from belong together")
    tables = {
        "kp": sources.read_kp(source),
        "weather": sources.read_weather(source),
        "labels": sources.read_labels(source),
    }
    if train_until:
        found = evaluation.evaluate(tables, train_until, evaluate_from)
        report(found, f"trained until {train_until}, scored from {evaluate_from} on")
        raise typer.Exit(0 if reached(found) else 1)
    report(evaluation.rolling(tables), "rolling months")


def report(found: dict, title: str) -> None:
    """Print a row for each model, lead and month."""
    table = Table(title=f"{title}, {found['rows']['hours']} hours, {found['rows']['dark']} dark")
    table.add_column("model")
    for name in SCORES:
        table.add_column(name.replace("_", " "), justify="right")
    rows = {"ours": found, "± (weeks)": found["spread"], **{k: found[k] for k in BASELINES}}
    rows |= {f"ours, Kp {lead} h old": each for lead, each in found["by_lead"].items()}
    rows |= {f"ours, {month}": each for month, each in found.get("by_month", {}).items()}
    rows["target, autumn 2021"] = TARGETS
    for name, scores in rows.items():
        table.add_row(name, *(_text(scores.get(score)) for score in SCORES))
    table.add_row("ours / seed tree", *(_ratio(found, score) for score in SCORES))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def reached(found: dict) -> bool:
    """Tell whether every target is reached."""
    lower = ("brier",)
    return all(
        found[name] <= target if name in lower else found[name] >= target
        for name, target in TARGETS.items()
    )


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _ratio(found: dict, score: str) -> str:
    return f"{found[score] / found['seed_tree'][score]:.2f}" if score in TARGETS else ""


if __name__ == "__main__":
    typer.run(main)
