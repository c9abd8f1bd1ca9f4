"""What every `<use case>/modal_app.py` shares: image, secret or volume, and the frame of a run.

    place = Place("titanic")
    app = modal.App("titanic", image=place.image, secrets=place.secrets, volumes=place.volumes)

Deployed with FTI_BACKEND=embedded, the project lives on the volume `<use case>-project`; otherwise
it is on Hopsworks and the secret `hopsworks` opens it. Only `modal_app.py` files import this
module. It needs Modal and the standard library: a machine that deploys has nothing else.
"""

from __future__ import annotations

import datetime as dt
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import modal

from fti import projects, runs
from fti.errors import UserError

MINUTES = 60  # seconds
PYTHON, UV = "3.12", "0.13.9"
ROOT = Path(__file__).resolve().parents[1]
SECRET, KEYS = "hopsworks", ["HOPSWORKS_API_KEY", "HOPSWORKS_PROJECT"]
MOUNT, ARCHIVE = "/volume", "project.tar"
VOLUME = "FTI_VOLUME"  # where a container finds its volume; the image sets it, nobody else
NUMBERS = ("rows_in", "rows_out", "model_version", "published")
LATEST = 20  # run records, among which those of a run just ended are

# One core of Modal is two hardware threads; left alone, a pool would count those of its machine.
THREADS = {"LOKY_MAX_CPU_COUNT": "2", "OMP_NUM_THREADS": "2"}
RETRIES = modal.Retries(max_retries=3, initial_delay=30.0, backoff_coefficient=2.0)
SMALL: dict[str, Any] = {"cpu": 1.0, "memory": 1024, "retries": RETRIES}  # MiB

Outcome = dict[str, str | int | float]


class Place:
    """Where the pipelines of a use case run on Modal, and where their project is.

    Its containers find `environment` in theirs, and of the machine that deploys <USE CASE>_SOURCE,
    <USE CASE>_SECRET (the name of a further secret) and what is `passed`, as far as it is set.
    """

    def __init__(
        self,
        use_case: str,
        environment: dict[str, str] | None = None,
        passed: Sequence[str] = (),
    ):
        self.use_case, self.environment = use_case, dict(environment or {})
        self.secret = f"{use_case.upper()}_SECRET"
        self.passed = (f"{use_case.upper()}_SOURCE", self.secret, *passed)
        self.volume: modal.Volume | None = None
        if backend() == "embedded":
            name = f"{use_case}-project"
            self.volume = modal.Volume.from_name(name, create_if_missing=True)

    @cached_property
    def image(self) -> modal.Image:
        """Python and the use case's pins, with the code mounted: an edit builds nothing anew."""
        return self.image_of(self.use_case)

    def image_of(self, group: str) -> modal.Image:
        """Give the same with the pins of another dependency group."""
        pins = ROOT / "requirements" / f"{group}{'' if self.volume else '-hopsworks'}.txt"
        return (
            modal.Image.debian_slim(python_version=PYTHON)
            .uv_pip_install(requirements=[str(pins)], uv_version=UV)
            .env(self.settings())
            .add_local_python_source("fti", self.use_case)
        )

    @property
    def secrets(self) -> list[modal.Secret]:
        """The keys to Hopsworks; a deploy fails where they are missing, not the run at night."""
        named = os.environ.get(self.secret)
        more = [modal.Secret.from_name(named)] if named else []
        if self.volume is not None:
            return more
        return [modal.Secret.from_name(SECRET, required_keys=KEYS), *more]

    @property
    def volumes(self) -> dict[str, modal.Volume]:
        """The volume of the embedded project."""
        return {} if self.volume is None else {MOUNT: self.volume}

    def settings(self) -> dict[str, str]:
        """Give the environment of the containers, which names the code and the data's source."""
        given = {name: os.environ[name] for name in self.passed if os.environ.get(name)}
        place = {"FTI_BACKEND": backend()} | ({VOLUME: MOUNT} if self.volume else {})
        code = {"FTI_CODE_VERSION": runs.code_version()}
        return THREADS | place | code | given | self.environment

    def run(self, main: Callable[..., None], **options: Any) -> Outcome:
        """Run a pipeline, or the pipelines of a day, on the project; give what was recorded."""
        from fti import console

        console.configure_logging()
        began = dt.datetime.now(dt.UTC)
        with self.project():
            main(**options)
            return outcome(self.use_case, began)

    @contextmanager
    def project(self) -> Iterator[None]:
        """Have the volume's project on the container's own disk, and keep it on the volume after.

        Delta commits by a hard link and SQLite shares memory, which are not for a volume, a file
        system on the network. There the project is one file, renamed into place: whole, whenever
        a container dies. A pipeline that fails leaves its run record in it.
        """
        if self.volume is None:
            yield
            return
        archive = Path(os.environ[VOLUME], ARCHIVE)
        self.volume.reload()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            unpack(archive, Path(home))
            os.environ["FTI_HOME"] = home
            try:
                yield
            finally:
                pack(Path(home), archive)
                self.volume.commit()

    def each(self, function: modal.Function, days: list[str], **options: Any) -> list[Outcome]:
        """Call a function for each day: the first one alone, because it makes the feature groups.

        The others run side by side on Hopsworks, and in order where one volume holds the project.
        """
        first, *others = days
        done = [function.remote(first, **options)]
        if self.volume is None:
            return done + list(function.map(others, kwargs=options))
        return done + [function.remote(day, **options) for day in others]


def backend() -> str:
    """Give `embedded` when FTI_BACKEND says so, otherwise `hopsworks`: its key is in the secret."""
    projects.backend()  # which refuses a word that is none of its own
    chosen = os.environ.get("FTI_BACKEND", "").strip().lower()
    return "embedded" if chosen == "embedded" else "hopsworks"


def days(first: str, last: str) -> list[str]:
    """Give the days from `first` to `last`, both included, as YYYY-MM-DD."""
    try:
        start, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    except ValueError as error:
        raise UserError(f"{error}: write a day as YYYY-MM-DD.") from None
    if end < start:
        raise UserError(f"The last day, {last}, is before the first, {first}.")
    return [(start + dt.timedelta(k)).isoformat() for k in range((end - start).days + 1)]


def outcome(use_case: str, since: dt.datetime) -> Outcome:
    """Give the run records since then as one dict: `feature_rows_in`, `training_message`..."""
    import pandas as pd

    records = runs.recent(projects.login(), LATEST).iloc[::-1]
    ours = records["use_case"] == use_case
    ours &= pd.to_datetime(records["started_at"], utc=True) >= since
    found: Outcome = {}
    for record in records[ours].to_dict("records"):
        known = {name: int(record[name]) for name in NUMBERS if pd.notna(record[name])}
        known |= {"seconds": round(record["seconds"], 3)}
        known |= {"message": record["message"]} if record["message"] else {}
        found |= {f"{record['pipeline']}_{name}": value for name, value in known.items()}
    return found


def unpack(archive: Path, home: Path) -> None:
    """Fill a folder with the project that an archive holds, if there is one."""
    if archive.exists():
        with tarfile.open(archive) as packed:
            packed.extractall(home, filter="data")


def pack(home: Path, archive: Path) -> None:
    """Put a folder into the archive, all of it or nothing."""
    fresh = archive.with_suffix(".new")
    with tarfile.open(fresh, "w") as packed:
        packed.add(home, arcname=".")
    fresh.replace(archive)
