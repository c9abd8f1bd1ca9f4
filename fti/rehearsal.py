"""Write, read back and remove one row, one model and one file: `python -m fti doctor --write`."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fti
from fti import cloud, models, published
from fti.errors import UserError

log = logging.getLogger(__name__)

NAME = "fti_doctor"  # of everything that is written, and removed again
WHEN = "2026-01-01"
LONGEST = 200  # characters of an error that nobody put into a sentence


class StepError(UserError):
    """A step did not work; the message says why."""


def steps(project: Any) -> dict[str, Callable[[], str]]:
    """Give the steps by name, in order; each tells what it found, or raises StepError."""
    looks = {"write": write, "read": read, "registry": register, "published file": publish}
    return {name: lambda look=look: _in_a_sentence(look, project) for name, look in looks.items()}


def write(project: Any) -> str:
    """Store a row in a feature group of its own."""
    import pandas as pd

    row = pd.DataFrame({"id": [1], "checked_at": pd.to_datetime([WHEN]), "value": [0.5]})
    group = project.get_feature_store().get_or_create_feature_group(
        NAME, version=1, primary_key=["id"], event_time="checked_at"
    )
    group.insert(row, wait=True)
    return f"one row stored in {NAME}"


def read(project: Any) -> str:
    """Read the row and remove the feature group."""
    group = project.get_feature_store().get_feature_group(NAME, version=1)
    if group is None:
        raise StepError(f"There is no feature group {NAME} to read, because writing failed.")
    try:
        found = group.read()
    finally:
        group.delete()
    if found["value"].tolist() != [0.5]:
        raise StepError(f"One row was written to {NAME}, and {len(found)} others were read.")
    return f"the row read, and {NAME} removed"


def register(project: Any) -> str:
    """Register a model, download it and remove it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "note.txt").write_text("Written by fti doctor.", encoding="utf-8")
        version = fti.save_model(project, NAME, Path(folder), {"checked": 1.0})
    try:
        models.fetch_model(project, NAME, version)  # which compares every file's hash
    finally:
        project.get_model_registry().get_model(NAME, version).delete()
    return f"version {version} registered, downloaded and removed"


def publish(project: Any) -> str:
    """Publish a file, read it and remove its folder."""
    fti.publish(project, NAME, {"check.json": {"checked": WHEN}})
    try:
        found = fti.read_published(project, NAME, "check.json")
    finally:
        project.get_dataset_api().remove(f"{published.FOLDER}/{NAME}")
    if found != {"checked": WHEN}:
        raise StepError(f"{published.FOLDER}/{NAME}/check.json does not hold what was written.")
    return f"{published.FOLDER}/{NAME}/check.json published, read and removed"


def _in_a_sentence(look: Callable[[Any], str], project: Any) -> str:
    try:
        return look(project)
    except UserError:
        raise
    except Exception as error:  # clients of stores have no one error
        log.debug("%s failed", look.__name__, exc_info=True)
        said = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST]
        raise StepError(cloud.trouble(error) or said) from error
