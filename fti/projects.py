"""Where a pipeline's project is: Hopsworks, or the embedded project in a folder."""

from __future__ import annotations

import logging
import os
from functools import cache
from pathlib import Path
from typing import Any

from fti.errors import UserError

log = logging.getLogger(__name__)

BACKENDS = ("auto", "embedded", "hopsworks")
DEFAULT_HOME = ".fti"


def backend() -> str:
    """Give `embedded` or `hopsworks`, as FTI_BACKEND and HOPSWORKS_API_KEY say.

    Raises UserError for an FTI_BACKEND that is neither of those nor `auto`.
    """
    chosen = os.environ.get("FTI_BACKEND", "").strip().lower() or "auto"
    if chosen not in BACKENDS:
        raise UserError(f"FTI_BACKEND is '{chosen}': set it to one of {', '.join(BACKENDS)}.")
    if chosen == "auto":
        return "hopsworks" if os.environ.get("HOPSWORKS_API_KEY") else "embedded"
    return chosen


def home() -> Path:
    """Give the folder of embedded projects: FTI_HOME, or `.fti` in the working directory."""
    return Path(os.environ.get("FTI_HOME") or DEFAULT_HOME).expanduser().absolute()


def login() -> Any:
    """Give the project that FTI_BACKEND (auto, embedded or hopsworks) asks for.

    `auto` is Hopsworks exactly when HOPSWORKS_API_KEY is set, otherwise the embedded project
    FTI_PROJECT (default `local`) in the folder FTI_HOME (default `.fti`). Both answer the
    Hopsworks API. Raises UserError with one sentence when the project cannot be opened.
    """
    if backend() == "hopsworks":
        from fti import cloud

        return cloud.login()
    project = embedded()
    announce(f"Embedded project {project.name} in {project.home}")
    return project


def embedded() -> Any:
    """Give the embedded project, whatever FTI_BACKEND says; UserError when it cannot be opened."""
    from fti.embedded.exceptions import FeatureStoreException
    from fti.embedded.project import DEFAULT_NAME, Project

    name = os.environ.get("FTI_PROJECT") or DEFAULT_NAME
    try:
        return Project(home(), name)
    except OSError as error:
        raise UserError(
            f"The folder {home()} cannot be used ({error.strerror}): set FTI_HOME to one that can "
            "be written."
        ) from error
    except FeatureStoreException as error:
        raise UserError(f"FTI_PROJECT is '{name}'. {error}") from error


@cache
def announce(line: str) -> None:
    """Log which project was opened, once a process: the pipelines of a day open the same one."""
    log.info(line)
