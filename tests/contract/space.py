"""What scenarios are made of: a place to run in, rows to store, and ways to say what is expected.

Nothing here knows which face of Hopsworks it runs on, and nothing needs pytest: scenarios also run
where only the client is installed.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.testing import assert_frame_equal

FACES = ("embedded", "client", "cloud")


@dataclass(frozen=True)
class Scenario:
    """A fact about Hopsworks: `run` raises where it does not hold; `area` is its module."""

    name: str
    area: str
    run: Callable[[Space], None]
    faces: tuple[str, ...] = FACES


SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Callable[[Space], None]) -> Callable[[Space], None]:
    """Register a scenario that holds on every face."""
    _register(function, FACES)
    return function


def scenario_of_ours(function: Callable[[Space], None]) -> Callable[[Space], None]:
    """Register one that we promise and a Hopsworks cluster does not."""
    _register(function, FACES[:2])
    return function


def _register(function: Callable[[Space], None], faces: tuple[str, ...]) -> None:
    area = function.__module__.rpartition(".")[2]
    SCENARIOS[function.__name__] = Scenario(function.__name__, area, function, faces)


class Space:
    """A project, a folder for files, and names that nobody else uses."""

    def __init__(self, project: Any, folder: Path):
        self.project = project
        self.folder = folder
        self.store = project.get_feature_store()
        self.registry = project.get_model_registry()
        self.files = project.get_dataset_api()
        self._prefix = f"contract_{uuid.uuid4().hex[:12]}"
        self._used: set[str] = set()

    def name(self, what: str) -> str:
        """Give the name of this scenario's group, view or model."""
        name = f"{self._prefix}_{what}"
        self._used.add(name)
        return name

    @property
    def remote(self) -> str:
        """This scenario's folder of the project's files."""
        path = f"Resources/{self._prefix}"
        if not self.files.exists(path):
            self.files.mkdir(path)
        return path

    def group(self, what: str = "flowers", **options: Any) -> Any:
        """Give a feature group, which its first insert creates."""
        keys = {"primary_key": ["flower_id"], "event_time": "seen_at"}
        return self.store.get_or_create_feature_group(
            name=self.name(what), version=1, **keys | options
        )

    def filled(self, rows: pd.DataFrame | None = None, what: str = "flowers") -> Any:
        """Give a feature group with these rows, or with those of `flowers()`."""
        self.group(what).insert(flowers() if rows is None else rows)
        return self.store.get_feature_group(self.name(what), version=1)

    def view(self, group: Any, what: str = "flowers", **options: Any) -> Any:
        """Give a feature view of all columns of a group."""
        options = {"query": group.select_all(), "labels": ["sort"]} | options
        return self.store.create_feature_view(self.name(what), version=1, **options)

    def file(self, name: str, content: bytes = b"some bytes") -> Path:
        """Write a file on this side."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def clean(self) -> None:
        """Remove what the scenario left in the project."""
        for name in self._used:
            for view in self.store.get_feature_views(name):
                view.delete(force=True)
            for model in self.registry.get_models(name):
                model.delete()
        for name in self._used:
            for group in self.store.get_feature_groups(name) or []:
                group.delete()
        for path in (f"Resources/{self._prefix}", *(f"Models/{name}" for name in self._used)):
            if self.files.exists(path):
                self.files.remove(path)


def flowers(count: int = 6) -> pd.DataFrame:
    """Give rows of a group: one flower an hour."""
    hours = pd.date_range("2026-01-01", periods=count, freq="h").astype("datetime64[us]")
    return pd.DataFrame(
        {
            "flower_id": range(count),
            "sort": ["setosa", "virginica"] * (count // 2),
            "width": [0.5 * k for k in range(count)],
            "seen_at": hours,
        }
    )


def same(found: pd.DataFrame, expected: pd.DataFrame, key: str = "flower_id") -> None:
    """Compare rows in the order of a key, with their types."""
    tables = [table.sort_values(key, ignore_index=True) for table in (found, expected)]
    assert_frame_equal(*tables)


def refused(kind: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> Exception:
    """Expect an error by the name of its type, which is the same on all faces; give it."""
    try:
        call(*arguments, **options)
    except Exception as error:  # noqa: BLE001 - which one it is, is what is asked
        found = type(error).__name__
        assert found == kind, f"{found} instead of {kind}: {error}"
        return error
    raise AssertionError(f"nothing was refused, {kind} was expected")
