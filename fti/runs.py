"""One record per pipeline run: what ran, on what, how long, how it ended.

    with fti.run(project, "titanic", "feature", date) as run:
        run.rows_in = len(passengers)
        group.insert(passengers, write_options=run.once("passengers"))

Writes the feature group `pipeline_runs`. The wall clock enters here and nowhere else.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from fti.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

GROUP, VERSION = "pipeline_runs", 1
DESCRIPTION = "What ran, on what, how long, how it ended: one row per run of a pipeline"
SUCCESS, FAILURE, INTERRUPTED = "success", "failure", "interrupted"
LONGEST_MESSAGE = 500  # characters
TERMINATED = 128 + signal.SIGTERM  # the exit code a shell shows for it

TEXTS = ("use_case", "pipeline", "date", "status", "message", "source", "backend", "code")
NUMBERS = ("rows_in", "rows_out", "model_version", "published", "seconds")
SETTABLE = ("message", "source", "rows_in", "rows_out", "model_version", "published")
COLUMNS = ("run_id", "started_at", *TEXTS, *NUMBERS, "details")


@dataclass(slots=True)
class Run:
    """A run while it runs; a pipeline sets what it knows: source, rows, files published..."""

    id: str
    use_case: str
    pipeline: str
    date: str
    backend: str
    started_at: dt.datetime
    status: str = ""
    message: str = ""
    source: str = ""
    rows_in: float | None = None
    rows_out: float | None = None
    model_version: float | None = None
    published: float | None = None
    seconds: float | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def once(self, step: str) -> dict[str, Any]:
        """Give the `write_options` that name an insert after this run and a step of it.

        In the embedded project an insert of the same run and step again adds nothing. Hopsworks
        only writes the name to the table's log, so there it is the upsert key that keeps a
        repeated insert from adding rows.
        """
        return {"commit_properties": {"app_id": f"{self.id}/{step}", "version": 1}}


@contextmanager
def run(
    project: Any,
    use_case: str,
    pipeline: str,
    date: dt.date | str,
    *,
    run_id: str | None = None,
    **details: Any,
) -> Iterator[Run]:
    """Record what happens inside as one run, however it ends, and let its error through.

    `details` are attributes of the run (`source`, `model_version`...), or any other values, which
    are kept as JSON. Ctrl-C and SIGTERM end it as a failure called `interrupted`.
    """
    this = Run(
        id=run_id or uuid.uuid4().hex,
        use_case=use_case,
        pipeline=pipeline,
        date=_iso(date),
        backend=backend_of(project),
        started_at=dt.datetime.now(dt.UTC).replace(tzinfo=None),
    )
    for name, value in details.items():
        if name in SETTABLE:
            setattr(this, name, value)
        else:
            this.details[name] = value
    began = time.monotonic()
    try:
        with _terminable():
            yield this
    except BaseException as error:
        this.status, this.message = FAILURE, _said(error)
        this.seconds = time.monotonic() - began
        try:
            record(project, this)
        except Exception:  # the run's own error is the one to know of
            log.warning("the failed run %s could not be recorded", this.id, exc_info=True)
        raise
    this.status, this.seconds = SUCCESS, time.monotonic() - began
    record(project, this)


def record(project: Any, this: Run) -> None:
    """Write the row of a run."""
    group = project.get_feature_store().get_or_create_feature_group(
        name=GROUP,
        version=VERSION,
        description=DESCRIPTION,
        primary_key=["run_id"],
        event_time="started_at",
    )
    group.insert(_row(this), wait=True)


def recent(project: Any, n: int = 10) -> pd.DataFrame:
    """Give the newest runs first, at most n; an empty table before the first one."""
    import pandas as pd

    group = project.get_feature_store().get_feature_group(GROUP, version=VERSION)
    if group is None:
        return pd.DataFrame(columns=list(COLUMNS))
    runs = group.read().sort_values(["started_at", "run_id"], ascending=False)
    return runs[list(COLUMNS)].head(n).reset_index(drop=True)


def backend_of(project: Any) -> str:
    """Give `embedded` or `hopsworks`."""
    return "embedded" if type(project).__module__.startswith("fti.") else "hopsworks"


def code_version() -> str:
    """Give what the code is called: FTI_CODE_VERSION, a VERSION file, the git commit, or ""."""
    root = Path(__file__).parent.parent
    if given := os.environ.get("FTI_CODE_VERSION", "").strip():
        return given
    try:
        if (root / "VERSION").is_file():
            return (root / "VERSION").read_text(encoding="utf-8").strip()
        return _git_commit(root / ".git")[:12]
    except (OSError, ValueError):
        return ""


def _git_commit(folder: Path) -> str:
    head = (folder / "HEAD").read_text(encoding="ascii").strip()
    if not head.startswith("ref: "):
        return head
    reference = head.removeprefix("ref: ")
    if (folder / reference).is_file():
        return (folder / reference).read_text(encoding="ascii").strip()
    packed = (folder / "packed-refs").read_text(encoding="ascii").splitlines()
    return next((line.split()[0] for line in packed if line.endswith(f" {reference}")), "")


def _row(this: Run) -> pd.DataFrame:
    """Give the run as a table of one row; a column has the same type whatever is known."""
    import pandas as pd

    values: dict[str, Any] = {
        "run_id": this.id,
        "started_at": pd.Series([this.started_at], dtype="datetime64[us]"),
        "code": code_version(),
        "details": json.dumps(this.details, default=str, sort_keys=True),
    }
    for name in TEXTS:
        values.setdefault(name, _line(getattr(this, name, "")))
    for name in NUMBERS:
        number = getattr(this, name)
        values[name] = math.nan if number is None else float(number)
    return pd.DataFrame({name: values[name] for name in COLUMNS})


def _said(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt | Terminated):
        return INTERRUPTED
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def _line(text: Any) -> str:
    return " ".join(str(text or "").split())[:LONGEST_MESSAGE]


def _iso(date: dt.date | str) -> str:
    if isinstance(date, dt.datetime):
        date = date.date()
    return dt.date.fromisoformat(str(date)).isoformat()


class Terminated(SystemExit):
    """The process was asked to end (SIGTERM)."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into an exception, where that is ours to do, so that the run is recorded."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(TERMINATED)
