"""What a cold `python -m titanic` costs on a day with a current model: wall, CPU, peak memory.

    python benchmarks/daily_run.py [--source PATH|sample] [--days 5] [--use-case NAME]

A new project is made and trained in a temporary folder; then each day runs as its own process. The
peer does less: one process that loads the same model with scikit-learn and XGBoost and scores the
same rows once. Targets: 5 s CPU and 350 MB. Exits with 1 when one is missed. The last line says
what such days cost on Modal, at the prices it lists.
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
# Feature group by use case, and where its model says what skops has to trust
REAL = {
    "titanic": ("titanic_passengers", "RECIPE.trusted"),
    "iris": ("iris_flowers", "RECIPE.trusted"),
    "aurora": ("aurora_hours", "TRUSTED"),
}
PEER = """
import fti
from {use_case} import model as made
project = fti.login()
model = fti.load_model(project, "{use_case}", trusted=made.{trusted}).model
rows = project.get_feature_store().get_feature_group("{group}", version=1).read()
model.predict_proba(rows)
"""
# US dollars a second for the core and the GiB that `fti/modal.py` asks for, by the price list of
# July 2026. A container is paid for from its start, which takes some seconds of its own.
PRICE = 0.0000131 + 0.00000222
START = 10.0  # seconds, a guess on the safe side


def main(
    source: Annotated[str, typer.Option(help="Raw data: a path, or `sample`.")] = "sample",
    days: Annotated[int, typer.Option(min=1, help="Days to measure.")] = 5,
    use_case: Annotated[str, typer.Option(help=f"Whose day: {', '.join(REAL)}.")] = "titanic",
) -> None:
    """Measure the day of a use case."""
    with tempfile.TemporaryDirectory() as home:
        source = source if source == "sample" else str(Path(source).resolve())
        run = [sys.executable, "-m", use_case, "--source", source, "--date"]
        env = os.environ | {"FTI_HOME": home, "FTI_BACKEND": "embedded"}
        print(f"training on {source} ...")
        first = measure([*run, FIRST.isoformat()], env)
        dates = [(FIRST + timedelta(days=k)).isoformat() for k in range(1, days + 1)]
        ours = [measure([*run, day], env) for day in track(dates, "days")]
        group, trusted = REAL[use_case]
        code = PEER.format(use_case=use_case, group=group, trusted=trusted)
        peer = [measure([sys.executable, "-c", code], env) for _ in track(dates, "peer")]
    show(use_case, ours, peer)
    print(
        f"on Modal: a day ${cost(worst(ours, 1)):.4f}, with training ({first[1]:.0f} s CPU) "
        f"${cost(first[1]):.4f}"
    )
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


def cost(seconds: float) -> float:
    """Give the dollars for a container that computes so many seconds on one core."""
    return (START + seconds) * PRICE


def show(
    use_case: str, ours: list[tuple[float, float, float]], peer: list[tuple[float, float, float]]
) -> None:
    """Print medians and worst values of both, and the ratio."""
    table = Table(title=f"python -m {use_case}, {len(ours)} days")
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
