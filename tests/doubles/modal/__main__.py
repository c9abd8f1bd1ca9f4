"""Try a Modal command without an account.

    python -m tests.doubles.modal -- modal deploy -m titanic.modal_app
    python -m tests.doubles.modal --fire -- modal deploy -m titanic.modal_app
    python -m tests.doubles.modal --preempt daily=4 -- modal run -m titanic.modal_app::daily

The command talks to a server in this process; then what it deployed is printed. With FTI_BACKEND=
embedded nothing is needed to run it; the secret `hopsworks` exists with dummy values.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tests.doubles.modal import Disturbance, Modal
from tests.doubles.modal.server import PROGRAM

SECRET = "hopsworks:HOPSWORKS_API_KEY,HOPSWORKS_PROJECT"


def main(
    command: Annotated[list[str], typer.Argument(help="The command, after `--`.")],
    fire: Annotated[bool, typer.Option(help="Then do what each schedule does, once.")] = False,
    secret: Annotated[
        list[str], typer.Option(metavar="NAME:KEY,KEY", help="A secret that exists.")
    ] = [SECRET],  # noqa: B006 - typer takes it as the default and copies it
    preempt: Annotated[
        str | None, typer.Option(metavar="FUNCTION=SECONDS", help="Interrupt its first container.")
    ] = None,
) -> None:
    """Run a command against a loopback Modal; print what it deployed."""
    program = PROGRAM if command[0] == "modal" else (command[0],)
    with Modal(secrets=dict(map(parse_secret, secret)), echo=True) as modal:
        if preempt:
            modal.disturb(*parse_preemption(preempt))
        code = subprocess.run([*program, *command[1:]], env=modal.environment()).returncode
        show(modal)
        ended = [run_now(modal, *clock) for clock in modal.scheduled() if fire]
    sys.exit(code or int(not all(ended)))


def run_now(modal: Modal, app: str, function: str) -> bool:
    """Do what a schedule does, print how it ended, and tell whether well."""
    result = modal.call(app, function)
    typer.echo(f"{app}.{function}: {result.status} {result.value or result.exception}")
    return result.status == "SUCCESS"


def parse_secret(text: str) -> tuple[str, dict[str, str]]:
    """Give name and values of a secret, each value a dummy."""
    name, _, keys = text.partition(":")
    return name, {key: "dummy" for key in keys.split(",") if key}


def parse_preemption(text: str) -> tuple[str, Disturbance]:
    """Give the function, and the interruption so many seconds after the start of its container."""
    name, _, seconds = text.partition("=")

    def due(folder: Path) -> bool:
        started = (folder / "arguments").stat().st_mtime
        return time.time() > started + float(seconds)

    return name, Disturbance(signal.SIGINT, due)


def show(modal: Modal) -> None:
    """Print the deployed apps, their functions and what each was made with."""
    for app in [app.name for app in modal.apps.apps.values() if modal.apps.named(app.name) is app]:
        for name, function in modal.deployed(app).items():
            typer.echo(f"{app}.{name}")
            folders = Counter(path.split("/")[0] for path in function.mounted)
            for label, value in (asdict(function) | {"mounted": dict(folders)}).items():
                if value:
                    typer.echo(f"  {label}: {value}")


if __name__ == "__main__":
    typer.run(main)
