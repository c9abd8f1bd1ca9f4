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

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.model_table import report
from fti import evaluation
from titanic import features, sources
from titanic.model import RECIPE

TARGETS = {"accuracy": 0.835, "auc": 0.885, "log_loss": 0.397, "brier": 0.122}


def main(
    source: Annotated[str | None, typer.Option(help="Raw passengers, as for `titanic`.")] = None,
) -> None:
    """Score ours and the seeds' models."""
    table = features.build_features(sources.read(source))
    found = evaluation.evaluate(RECIPE, table, progress=True)
    report(found, TARGETS, f"10 x 5 cross-validation, {len(table)} passengers")


if __name__ == "__main__":
    typer.run(main)
