"""See what is stored, and what is missing to run.

    python -m fti status [--json]             feature groups, models, published files, last runs
    python -m fti doctor [--json] [--online] [--write]   what is set up, reachable, and to do next
    python -m fti serve [--port PORT]         the embedded project, for the real Hopsworks client

Tables and JSON go to stdout, everything else to stderr.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fti import console

if TYPE_CHECKING:
    from rich.table import Table

    from fti.daily import Day
    from fti.doctor import Check

LEVELS = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}
RUNS, SCORES = 10, 3  # how many the tables show

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]

app = typer.Typer(
    help="What is stored in the project, and what is missing to run.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def status(as_json: Json = False) -> None:
    """Show feature groups, models, published files and the last runs."""
    import fti
    from fti import inventory, published

    with contextlib.redirect_stdout(sys.stderr):  # where the Hopsworks client may talk
        project = fti.login()
        found = inventory.of(project, newest=RUNS)
    if as_json:
        console.say(published.to_json(found))
        return
    _print(f"Project [bold]{found['project']}[/] ({found['backend']}) {found['address']}")
    for table in _status_tables(found):
        _print(table)
    if not any(found[part] for part in ("feature_groups", "models", "published", "runs")):
        _print(f"Nothing is stored yet: run {' or '.join(inventory.commands())}.")


@app.command()
def doctor(
    as_json: Json = False,
    online: Annotated[bool, typer.Option(help="Ask the sources of raw data as well.")] = False,
    write: Annotated[
        bool, typer.Option(help="Write, read back and remove a row, a model and a file.")
    ] = False,
) -> None:
    """Check what is set up and reachable; exit with 1 when something keeps pipelines from running.

    The sources of raw data are the addresses that `<use case>/sources.py` has in constants called
    ..._URL or ..._URLS.
    """
    from fti import doctor

    with contextlib.redirect_stdout(sys.stderr):  # where the Hopsworks client may talk
        checks = doctor.examine(online=online, write=write)
    if as_json:
        console.say(json.dumps([check.to_dict() for check in checks], indent=1))
    else:
        _print(_doctor_table(checks))
    if any(check.level == "fail" for check in checks):
        raise typer.Exit(1)


@app.command()
def daily(
    use_cases: Annotated[list[str], typer.Argument(help="Folders that hold a use case.")],
    date: console.DateOption = None,
) -> None:
    """Run the day of each use case; exit with 1 when one of them failed.

    Where raw data cannot be reached and none were named, the use case runs on its built-in sample.
    """
    import fti
    from fti import daily

    days = daily.run(fti.login(), use_cases, console.day(date))
    _print(_daily_table(days))
    if any(day.ended != "ok" for day in days):
        raise typer.Exit(1)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Loopback address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the REST side; 0 is a free one.")] = 8181,
    key: Annotated[str | None, typer.Option(help="The API key; a new one if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say where it is as JSON.")] = False,
) -> None:
    """Serve the embedded project to the real Hopsworks client, on this machine, until Ctrl-C."""
    from fti import projects
    from fti.server import command

    command.serve(projects.embedded(), host, port, key, as_json)


def _daily_table(days: list[Day]) -> Table:
    columns = (
        "use case", "ended", "source", "rows in>", "model", "headline score", "files>", "seconds>",
    )  # fmt: skip
    rows = [
        (
            d.use_case, d.ended, d.source, _n(d.rows_in), d.model, d.score, _n(d.files),
            f"{d.seconds:.1f}",
        )
        for d in days
    ]  # fmt: skip
    return _table(f"The day {days[0].date}", columns, rows)


def _status_tables(found: dict[str, Any]) -> list[Table]:
    groups = [
        (f"{g['name']} v{g['version']}", _n(g["rows"]), _when(g["last_commit"]), _n(g["files"]))
        for g in found["feature_groups"]
    ]
    models = [
        (m["name"], str(m["version"]), _when(m["created"]), _scores(m["metrics"]))
        for m in found["models"]
    ]
    runs = [
        (_when(r["started_at"]), f"{r['use_case']} {r['pipeline']}", r["date"], r["status"],
         _n(r["rows_in"]), _n(r["rows_out"]), f"{r['seconds']:.1f}", r["message"])
        for r in found["runs"]
    ]  # fmt: skip
    tables = [
        _table("Feature groups", ("name", "rows>", "last commit", "files>"), groups),
        _table("Models", ("name", "version>", "created", "scores"), models),
        _table("Published files", ("path",), [(path,) for path in found["published"]]),
        _table(
            "Last runs",
            ("started", "pipeline", "date", "status", "in>", "out>", "seconds>", "message"),
            runs,
        ),
    ]
    return [table for table in tables if table.row_count]


def _doctor_table(checks: list[Check]) -> Table:
    from rich.markup import escape

    rows = [
        (LEVELS[check.level], escape(check.name), escape(check.finding), escape(check.hint))
        for check in checks
    ]
    return _table("Doctor", ("", "what", "found", "what to do"), rows, markup=True)


def _table(
    title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]], markup: bool = False
) -> Table:
    """Give a table; `>` after a column's name sets it right."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    for name in columns:
        table.add_column(
            name.rstrip(">"), justify="right" if name.endswith(">") else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(row if markup else map(escape, row)))
    return table


def _print(what: Any) -> None:
    from rich.console import Console

    terminal = Console()
    if not terminal.is_terminal:
        terminal = Console(width=160)  # a log or a pipe has no width of its own
    terminal.print(what)


def _n(number: float | None) -> str:
    return "" if number is None or number != number else f"{number:,.0f}"


def _when(moment: Any) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def _scores(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in list(metrics.items())[:SCORES])


if __name__ == "__main__":
    console.run(app)
