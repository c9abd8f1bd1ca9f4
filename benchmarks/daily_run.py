"""What a cold `python -m titanic` costs on a day with a current model: wall, CPU, peak memory.

    python benchmarks/daily_run.py [--source PATH|sample] [--days 5]

A new project is made and trained in a temporary folder; then each day runs as its own process. The
peer does less: one process that loads the same model with scikit-learn and XGBoost and scores the
same passengers once. Targets: 5 s CPU and 350 MB. Exits with 1 when one is missed.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
CPU_TARGET, MEMORY_TARGET = 5.0, 350.0  # seconds, MB
FIRST = date(2026, 1, 1)
PEER = """
import fti
from titanic.model import TRUSTED
project = fti.login()
model = fti.load_model(project, "titanic", trusted=TRUSTED).model
passengers = project.get_feature_store().get_feature_group("titanic_passengers", version=1).read()
model.predict_proba(passengers)
"""


def main(
    source: Annotated[str, typer.Option(help="Raw passengers: a CSV, or `sample`.")] = "sample",
    days: Annotated[int, typer.Option(min=1, help="Days to measure.")] = 5,
) -> None:
    """Measure the day of Titanic."""
    with tempfile.TemporaryDirectory() as home:
        source = source if source == "sample" else str(Path(source).resolve())
        run = [sys.executable, "-m", "titanic", "--source", source, "--date"]
        env = os.environ | {"FTI_HOME": home, "FTI_BACKEND": "embedded"}
        print(f"training on {source} ...")
        measure([*run, FIRST.isoformat()], env)
        dates = [(FIRST + timedelta(days=k)).isoformat() for k in range(1, days + 1)]
        ours = [measure([*run, day], env) for day in track(dates, "days")]
        peer = [measure([sys.executable, "-c", PEER], env) for _ in track(dates, "peer")]
    show(ours, peer)
    if worst(ours, 1) > CPU_TARGET or worst(ours, 2) > MEMORY_TARGET:
        raise typer.Exit(1)


def measure(command: list[str], env: dict[str, str]) -> tuple[float, float, float]:
    """Run a command; give wall seconds, CPU seconds and peak resident MB."""
    began = time.perf_counter()
    child = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    said = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    if status:
        raise RuntimeError(f"{command} ended with {os.waitstatus_to_exitcode(status)}: {said}")
    per_mb = 2**20 if sys.platform == "darwin" else 2**10
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / per_mb


def worst(runs: list[tuple[float, float, float]], column: int) -> float:
    """Give the largest value of a column."""
    return max(run[column] for run in runs)


def show(ours: list[tuple[float, float, float]], peer: list[tuple[float, float, float]]) -> None:
    """Print medians and worst values of both, and the ratio."""
    table = Table(title=f"python -m titanic, {len(ours)} days")
    for name in ("", "ours, median", "ours, worst", "peer, median", "ours / peer", "target"):
        table.add_column(name, justify="right" if name else "left")
    rows = [("wall, s", None), ("CPU, s", CPU_TARGET), ("peak memory, MB", MEMORY_TARGET)]
    for column, (name, target) in enumerate(rows):
        mine, theirs = (statistics.median(run[column] for run in runs) for runs in (ours, peer))
        values = (mine, worst(ours, column), theirs, mine / theirs)
        limit = "" if target is None else f"<= {target:g}"
        table.add_row(name, *(f"{value:.2f}" for value in values), limit)
    Console(width=None if sys.stdout.isatty() else 140).print(table)


if __name__ == "__main__":
    typer.run(main)
