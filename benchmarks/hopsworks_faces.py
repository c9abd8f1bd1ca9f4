"""What the day of Titanic costs on each face: embedded, and by the real client on our server.

    python benchmarks/hopsworks_faces.py [--client-python PATH] [--days 3]

Each face gets a new project, on whose first day the model is trained; then each day runs as its
own process. Needs the client's environment (`make .venv-hopsworks`). What the server itself costs
is a line of its own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
CLIENT = ROOT / ".venv-hopsworks" / "bin" / "python"
FIRST = date(2026, 1, 1)
MEGABYTE = 2**20 if sys.platform == "darwin" else 2**10  # in the units of ru_maxrss

# The client keeps copies of models beyond its end, in one folder for all projects of a name.
PROJECT = f"p{uuid.uuid4().hex[:12]}"
FORGET = f"""
import shutil
from pathlib import Path
from hopsworks_common.constants import MODEL_REGISTRY
shutil.rmtree(Path(MODEL_REGISTRY.MODEL_CACHE_DIR_DEFAULT) / {PROJECT!r}, ignore_errors=True)
"""

Cost = tuple[float, float, float]  # CPU seconds, wall seconds, peak MB


def main(
    client_python: Annotated[Path, typer.Option(help="A Python that has the client.")] = CLIENT,
    days: Annotated[int, typer.Option(min=1, help="Days to measure after the first.")] = 3,
) -> None:
    """Measure the day of Titanic on both faces."""
    with tempfile.TemporaryDirectory() as folder:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("HOPSWORKS_", "FTI_"))}
        clean |= {"FTI_HOME": f"{folder}/embedded", "TQDM_DISABLE": "1", "HOME": folder}
        embedded = run_days(sys.executable, clean | {"FTI_BACKEND": "embedded"}, days)
        served = clean | {"FTI_HOME": f"{folder}/served", "FTI_PROJECT": PROJECT}
        with serving(served) as (settings, server):
            settings = clean | settings | {"FTI_BACKEND": "hopsworks"}
            before = cpu_seconds(server)
            client = run_days(str(client_python), settings, days)
            used = (cpu_seconds(server) - before) / (days + 1)
            memory = server.memory_info().rss / 2**20
        subprocess.run([client_python, "-c", FORGET], env=clean, check=True)
    show(embedded, client, used, memory)


def run_days(python: str, environment: dict[str, str], days: int) -> list[Cost]:
    """Run the first day, which trains, and then some more; give what those cost."""
    costs = []
    for k in range(days + 1):
        day = (FIRST + timedelta(days=k)).isoformat()
        costs.append(
            measure([python, "-m", "titanic", "--source", "sample", "--date", day], environment)
        )
    return costs[1:]


def measure(command: list[str], environment: dict[str, str]) -> Cost:
    """Run a command; give what it cost."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=said
        )
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if status:
            said.seek(0)
            raise RuntimeError(f"{command} ended with {child.returncode}: {said.read()[-2000:]}")
    wall = time.perf_counter() - began
    return used.ru_utime + used.ru_stime, wall, used.ru_maxrss / MEGABYTE


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[tuple[dict[str, str], psutil.Process]]:
    """Serve a new project; give the settings of its clients and the server's process."""
    command = [sys.executable, "-m", "fti", "serve", "--port", "0", "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield json.loads(process.stdout.readline()), psutil.Process(process.pid)
        finally:
            process.terminate()


def cpu_seconds(process: psutil.Process) -> float:
    """Give what a process has used."""
    times = process.cpu_times()
    return times.user + times.system


def show(embedded: list[Cost], client: list[Cost], cpu: float, memory: float) -> None:
    """Print medians of both faces and their ratio."""
    ours, theirs = (
        [statistics.median(run[k] for run in runs) for k in range(3)] for runs in (embedded, client)
    )
    table = Table("a day of Titanic", "CPU s", "wall s", "peak MB", title="Two faces")
    table.add_row("embedded", *(f"{value:.1f}" for value in ours))
    table.add_row("real client on our server", *(f"{value:.1f}" for value in theirs))
    table.add_row("the server meanwhile", f"{cpu:.1f}", "", f"{memory:.1f}")
    ratios = [theirs[k] / ours[k] for k in range(3)]
    table.add_row("client / embedded", *(f"{ratio:.2f}" for ratio in ratios))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
