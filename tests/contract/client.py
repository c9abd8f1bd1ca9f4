"""Run scenarios in this process, on the project that the environment names.

    python -m tests.contract.client RESULTS FACE AREA...

Writes a JSON line per scenario to the file RESULTS: its name, its error (null when it holds) and
how long it took. Runs where only the Hopsworks client is installed.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import fti
from tests.contract import (  # noqa: F401 - importing them registers the scenarios
    feature_groups,
    feature_views,
    files,
    models,
    queries,
)
from tests.contract.space import SCENARIOS, Scenario, Space


def main(results: str, face: str, *areas: str) -> None:
    """Run the scenarios of a face in some areas."""
    project = fti.login()
    with Path(results).open("w", encoding="utf-8") as file:
        for scenario in SCENARIOS.values():
            if face in scenario.faces and scenario.area in areas:
                print(json.dumps(run(project, scenario)), file=file, flush=True)
    _forget_models(project)


def run(project: Any, scenario: Scenario) -> dict[str, Any]:
    """Run one scenario in a space of its own, and clean up."""
    error, began = None, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        space = Space(project, Path(folder))
        try:
            scenario.run(space)
        except Exception:  # noqa: BLE001 - it is what is reported
            error = traceback.format_exc()
        finally:
            space.clean()
    return {"name": scenario.name, "error": error, "seconds": time.monotonic() - began}


def _forget_models(project: Any) -> None:
    """Remove what the client keeps of a project's models beyond its end."""
    if type(project).__module__.startswith("fti."):
        return
    from hopsworks_common.constants import MODEL_REGISTRY

    cache = Path(MODEL_REGISTRY.MODEL_CACHE_DIR_DEFAULT) / project.name
    shutil.rmtree(cache, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
