"""The day of several use cases, one after the other, ending in one table: `python -m fti daily`.

A use case is a folder that runs by its name, `python -m <use case>`. Where its raw data cannot be
reached and none were named, it runs once more on its built-in sample, and the table says so; a
Hopsworks project, which others share, never gets the sample that way.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fti import console, models, published, runs
from fti.errors import SourceUnreachable, UserError

SAMPLE = ["--source", "sample"]
HEADLINES = 1  # scores of the newest model that the table shows
RUNS = 100  # newest run records, among which the day's are


@dataclass(frozen=True)
class Day:
    """How the day of one use case went."""

    use_case: str
    date: str
    ended: str  # ok, or what went wrong
    source: str
    rows_in: float | None
    model: str
    score: str
    files: int
    seconds: float


def run(project: Any, use_cases: list[str], date: dt.date) -> list[Day]:
    """Run the day of each use case; a failed one does not stop the rest."""
    for name in use_cases:
        if not (name.isidentifier() and Path(name, "__main__.py").is_file()):
            raise UserError(f"There is no use case '{name}' here: name a folder that holds one.")
    return [_day(project, name, date) for name in use_cases]


def _day(project: Any, name: str, date: dt.date) -> Day:
    began = time.monotonic()
    arguments = ["--date", date.isoformat()]
    code = _process(name, arguments)
    if code == SourceUnreachable.exit_code and may_take_sample(project, name):
        console.note(f"{name}: its raw data cannot be reached, so it runs on the built-in sample")
        code = _process(name, [*arguments, *SAMPLE])
    ended = "ok" if code == 0 else f"failed ({code})"
    return _describe(project, name, date, ended, time.monotonic() - began)


def may_take_sample(project: Any, name: str) -> bool:
    """Tell whether a use case may run on its sample: no source is named, the project not shared."""
    return runs.backend_of(project) == "embedded" and not os.environ.get(f"{name.upper()}_SOURCE")


def _process(name: str, arguments: list[str]) -> int:
    """Run a use case as its own process, as a user would; give its exit code."""
    return subprocess.run([sys.executable, "-m", name, *arguments], check=False).returncode


def _describe(project: Any, name: str, date: dt.date, ended: str, seconds: float) -> Day:
    records = runs.recent(project, RUNS)
    mine = (records["use_case"] == name) & (records["pipeline"] == "feature")
    first = records[mine].head(1).to_dict("records")
    current = models.latest_model(project, name)
    scores = list((current.training_metrics or {}).items())[:HEADLINES] if current else []
    files = [path for path in published.published_files(project) if f"/{name}/" in path]
    return Day(
        use_case=name,
        date=date.isoformat(),
        ended=ended,
        source=first[0]["source"] if first else "",
        rows_in=first[0]["rows_in"] if first else None,
        model=f"v{current.version}" if current else "",
        score=", ".join(f"{metric} {value:.3f}" for metric, value in scores),
        files=len(files),
        seconds=seconds,
    )
