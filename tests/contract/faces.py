"""The three faces that the contract is kept on, and what running a part of it on one gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fti.embedded.project import Project
from tests.contract.client import run
from tests.contract.space import SCENARIOS
from tests.hopsworks.environment import Client

AREAS = tuple(dict.fromkeys(scenario.area for scenario in SCENARIOS.values()))

Result = dict[str, Any]  # name, error (None when the scenario holds), seconds


def on_embedded(project: Project, *areas: str) -> list[Result]:
    """Run the scenarios of some areas on a project in a folder, in this process."""
    return [run(project, scenario) for scenario in SCENARIOS.values() if scenario.area in areas]


def on_client(client: Client, folder: Path, face: str, *areas: str) -> list[Result]:
    """Run them by the real client, on the project that it was told of."""
    written = folder / "results.jsonl"
    done = client.run("-m", "tests.contract.client", str(written), face, *areas)
    if done.returncode:
        raise RuntimeError(f"the client ended with {done.returncode}: {done.stderr[-2000:]}")
    return [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]


def failures(results: list[Result]) -> str:
    """Give what went wrong, one paragraph each."""
    wrong = [result for result in results if result["error"]]
    return "\n".join(f"{result['name']}:\n{result['error']}" for result in wrong)
