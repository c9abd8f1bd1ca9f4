"""Print which scenario holds on which face: `python -m tests.contract [--face embedded]...`."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fti.embedded.project import Project
from tests.contract import faces
from tests.contract.space import FACES, SCENARIOS
from tests.hopsworks.environment import MISSING, Client, client_python, real_settings, serving


def main(face: Annotated[list[str] | None, typer.Option(help=", ".join(FACES))] = None) -> None:
    """Run the contract on some faces; exit with 1 when it is broken on one."""
    results = {name: _results(name) for name in face or FACES[:2]}
    Console().print(_table(results))
    if any(faces.failures(list(found.values())) for found in results.values()):
        raise typer.Exit(1)


def _results(face: str) -> dict[str, faces.Result]:
    """Run all scenarios on one face, in folders that are gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder) / "home", f"p{uuid.uuid4().hex[:12]}")
        if face == "embedded":
            found = faces.on_embedded(project, *faces.AREAS)
        else:
            found = _by_client(face, project, Path(folder))
    return {result["name"]: result for result in found}


def _by_client(face: str, project: Project, folder: Path) -> list[faces.Result]:
    python = client_python()
    if python is None:
        raise typer.BadParameter(MISSING)
    with serving(project) as server:
        settings = server.settings if face == "client" else real_settings()
        client = Client(python, settings, folder)
        runs = [faces.on_client(client, folder, face, area) for area in faces.AREAS]
        client.forget_models()
    return [result for results in runs for result in results]


def _table(results: dict[str, dict[str, faces.Result]]) -> Table:
    table = Table("area", "scenario", *results, title="The contract")
    for name, scenario in SCENARIOS.items():
        cells = [_cell(found.get(name)) for found in results.values()]
        table.add_row(scenario.area, name.replace("_", " "), *cells)
    return table


def _cell(result: faces.Result | None) -> str:
    if result is None:
        return "not promised"
    return f"{'broken' if result['error'] else 'holds'} {result['seconds']:.1f} s"


if __name__ == "__main__":
    typer.run(main)
