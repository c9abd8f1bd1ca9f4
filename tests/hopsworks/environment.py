"""The environment of the real Hopsworks client, and a server for it.

Client and server cannot share one: `hops-deltalake` and `deltalake` own the same module. So the
client runs in processes of its own, by the Python of `.venv-hopsworks` (or of the folder that
HOPSWORKS_CLIENT_VENV names), which `make .venv-hopsworks` makes.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fti.embedded.project import Project
from fti.errors import UserError
from fti.server.server import Server

ROOT = Path(__file__).parents[2]
TIMEOUT = 270  # seconds for one process of the client, less than a test may take
MISSING = "needs the environment of the Hopsworks client: make .venv-hopsworks"
FORGET = """
import shutil
from pathlib import Path
from hopsworks_common.constants import MODEL_REGISTRY
shutil.rmtree(Path(MODEL_REGISTRY.MODEL_CACHE_DIR_DEFAULT) / {project!r}, ignore_errors=True)
"""


def client_python() -> Path | None:
    """Give the Python that has the client, or None."""
    folder = Path(os.environ.get("HOPSWORKS_CLIENT_VENV") or ROOT / ".venv-hopsworks").absolute()
    found = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    return found if found.exists() else None


@contextmanager
def serving(project: Project) -> Iterator[Server]:
    """Serve a project at a loopback address where the query service's port is free."""
    for last in range(1, 255):
        server = Server(project, f"127.0.0.{last}")
        try:
            server.__enter__()
            break
        except UserError:
            if last == 254:
                raise
    try:
        yield server
    finally:
        server.__exit__(None, None, None)


def clean_environment(folder: Path) -> dict[str, str]:
    """Give this process's environment without settings of ours, at home in a folder."""
    ours = ("HOPSWORKS_", "FTI_", "TITANIC_", "IRIS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # The client takes key files that it finds in the home folder.
    return kept | {"HOME": str(folder), "TQDM_DISABLE": "1", "PYTHONUTF8": "1", "NO_PROXY": "*"}


def real_settings() -> dict[str, str]:
    """Give the settings of a real Hopsworks project, as far as this process has them."""
    return {name: value for name, value in os.environ.items() if name.startswith("HOPSWORKS_")}


class Client:
    """Runs modules where the client is installed, on the project that `settings` name."""

    def __init__(self, python: Path, settings: dict[str, str], folder: Path):
        self.python = python
        self.environment = clean_environment(folder) | settings | {"FTI_BACKEND": "hopsworks"}
        self._project = settings["HOPSWORKS_PROJECT"]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `python ARGUMENTS...`; give how it ended."""
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=TIMEOUT,
        )

    def forget_models(self) -> None:
        """Remove the copies of models that the client keeps beyond its end."""
        self.run("-c", FORGET.format(project=self._project))
