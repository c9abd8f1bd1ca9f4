"""What all command lines share: log lines, one-sentence errors, `--date` and `--source`.

    def main(date: console.DateOption = None) -> None:
        date = console.day(date)
        console.say("the result")

    if __name__ == "__main__":
        console.run(main)

Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

import datetime as dt
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, NoReturn, TextIO

import typer

from fti.errors import UserError

# What these say at INFO is noise, and httpx says whole addresses, in which keys may travel.
QUIET = (
    "httpcore", "httpx", "httpx2", "hopsworks", "hopsworks_common", "hsfs", "hsml", "urllib3",
)  # fmt: skip
UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h


def run(command: Callable[..., Any] | typer.Typer) -> NoReturn:
    """Run a function with typer annotations, or a typer app, as the program; exit when it is done.

    A UserError is its one sentence on stderr and its exit code, and so is a Hopsworks that went
    away in the middle; every other error is a traceback.
    """
    configure_logging()
    app = command if isinstance(command, typer.Typer) else _app(command)
    try:
        app()
    except UserError as error:
        note(str(error))
        sys.exit(error.exit_code)
    except Exception as error:
        from fti import cloud

        sentence = cloud.trouble(error)
        if sentence is None:
            raise
        note(sentence)
        sys.exit(UNAVAILABLE)
    sys.exit(0)


def say(line: str) -> None:
    """Print a line of the result to stdout."""
    typer.echo(line)


def note(line: str) -> None:
    """Print a line about the run to stderr."""
    typer.echo(line, err=True)


def progress(items: Iterable[Any], total: int, title: str | None) -> Iterator[Any]:
    """Give the items while a bar on stderr, if that is a terminal, shows how many are done.

    Without a title there is no bar.
    """
    from rich.console import Console
    from rich.progress import track

    screen = Console(stderr=True)
    hidden = title is None or not screen.is_terminal
    yield from track(items, title or "", total, console=screen, transient=True, disable=hidden)


def configure_logging(level: int = logging.INFO) -> None:
    """Send log lines to stderr: INFO as plain text, what is worse with its level before it."""
    root = logging.getLogger()
    if not any(isinstance(handler, StderrHandler) for handler in root.handlers):
        root.addHandler(StderrHandler())
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def day(given: str | dt.date | None = None) -> dt.date:
    """Give the day a run is for: `given` (ISO 8601) or, without it, today in UTC."""
    if given is None:
        return dt.datetime.now(dt.UTC).date()
    if isinstance(given, dt.datetime):
        return given.date()
    if isinstance(given, dt.date):
        return given
    try:
        return dt.datetime.strptime(given.strip(), "%Y-%m-%d").date()
    except ValueError:
        raise UserError(
            f"The date '{given}' is not a day: write it as YYYY-MM-DD, for example 2026-01-31."
        ) from None


DateOption = Annotated[
    dt.date | None,
    typer.Option(
        "--date",
        parser=day,
        metavar="YYYY-MM-DD",
        show_default="today, UTC",
        help="The day to run for; the same day twice gives the same rows.",
    ),
]


SourceOption = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="PATH|ADDRESS|web|sample",
        show_default="<USE CASE>_SOURCE, otherwise web",
        help="Where raw data come from; `sample` is built in and needs no network.",
    ),
]

SyntheticOption = Annotated[
    int, typer.Option("--synthetic", min=0, help="How many synthetic rows the day brings.")
]

DriftOption = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Shift the synthetic rows, to see an alarm.")
]


class StderrHandler(logging.StreamHandler):
    """Writes to whatever `sys.stderr` is at the time."""

    def __init__(self):
        logging.Handler.__init__(self)
        self.setFormatter(PlainFormatter())

    @property
    def stream(self) -> TextIO:
        """The stream of now; it is never set."""
        return sys.stderr


class PlainFormatter(logging.Formatter):
    """The message alone, and from WARNING on the level before it."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        text = super().format(record)
        return text if record.levelno < logging.WARNING else f"{record.levelname}: {text}"


def _app(command: Callable[..., Any]) -> typer.Typer:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    return app
