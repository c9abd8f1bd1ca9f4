"""Label a folder of keograms: in which hours was aurora seen?

    python -m aurora.labels FOLDER [--rule night] [--out labels.parquet] [--jobs N]

reads the pictures below a folder and writes one table with 24 hours for each of them. Run again it
labels only the pictures that are new or changed, or whose rule has changed. What a picture is:
`aurora.keogram`; how an hour is labelled: `aurora.label_rules`.
"""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from aurora import keogram, sites
from aurora.keogram import KeogramError
from aurora.label_rules import NO, RULES, UNKNOWN, YES, Rule, label, unknown
from fti import console
from fti.errors import UserError

__all__ = ["RULES", "Rule", "label", "label_file", "label_files", "main", "unknown"]

log = logging.getLogger(__name__)

OUT = Path("build/aurora_labels.parquet")
COLUMNS = [
    *("time", "aurora", "score", "coverage", "dark"),  # as `label` gives them
    *("rule", "site", "image", "made_from", "problem"),
]
CHECKPOINT = 40  # pictures
A_WORKERS_SHARE = 8  # pictures; a worker takes a second to start, a picture less than 0.1
SHOWN = 5  # reasons in the last line


def main(
    folder: Annotated[Path, typer.Argument(help="Pictures, also in folders below it.")],
    rule: Annotated[Rule, typer.Option(help="How hours are labelled.")] = Rule.night,
    out: Annotated[Path, typer.Option(help="The table: a .parquet or .csv file.")] = OUT,
    jobs: Annotated[int | None, typer.Option(min=1, show_default="one for each core")] = None,
    site: Annotated[str, typer.Option(help="Where the camera stands.")] = "kiruna",
) -> None:
    """Label a folder of keograms; finished days are kept, also when this is interrupted."""
    place = sites.find(site)
    paths, skipped = pictures(folder)
    table = stored(out, rule, place.name)
    todo = due(paths, table, rule, place)
    fresh = label_files(todo, rule, place, jobs or os.cpu_count() or 1)
    table = extend(table, console.progress(fresh, len(todo), "labelling"), out)
    table = table[table["image"].isin({path.name for path in paths})]
    skipped += problems(table)
    for name, reason in skipped:
        log.warning("%s %s", name, reason)
    console.say(f"{summary(table, rule, skipped)}; {len(todo)} of them labelled now; see {out}")


def pictures(folder: Path) -> tuple[list[Path], list[tuple[str, str]]]:
    """Give one picture for each day below a folder; and the names left out, with the reason."""
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}: name the one that holds the keograms.")
    chosen, left_out = {}, []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in keogram.SUFFIXES or path.name.startswith("."):
            continue
        try:
            first = chosen.setdefault(keogram.day_of(path.name), path)
        except KeogramError as error:
            left_out.append((path.name, error.reason))
            continue
        if first is not path:
            left_out.append((path.name, f"is of the same day as {first.name}"))
    if not chosen:
        raise UserError(f"{folder} holds no keogram: they are named like 20210105.png.")
    return [chosen[day] for day in sorted(chosen)], left_out


def content(path: Path) -> tuple[bytes, str]:
    """Give the bytes of a file and, where it cannot be read, the reason."""
    try:
        return keogram.content(path), ""
    except KeogramError as error:
        return b"", error.reason


def due(paths: list[Path], table: pd.DataFrame, rule: str, site: sites.Site) -> list[Path]:
    """Give the files whose labels, as they would be made now, are not in the table."""
    known = set(table["made_from"])
    now = {path: made_from(path.name, content(path)[0], rule, site) for path in paths}
    return [path for path in paths if now[path] not in known]


def made_from(name: str, data: bytes, rule: str, site: sites.Site) -> str:
    """Give what the labels of a file depend on, in 32 hexadecimal digits."""
    settings = repr((name, RULES[rule], site)).encode()
    return hashlib.blake2b(settings + data, digest_size=16).hexdigest()


def label_file(
    path: Path, rule: str = Rule.night, site: str | sites.Site = "kiruna"
) -> pd.DataFrame:
    """Give `COLUMNS` of a file's 24 hours: unknown, and the `problem`, if it is no keogram."""
    place = sites.find(site)
    data, problem = content(path)
    try:
        hours = label(keogram.decode(data, path.name), rule, place)
    except KeogramError as error:
        problem = problem or error.reason
        hours = unknown(keogram.day_of(path.name), place)
    made = {"image": path.name, "made_from": made_from(path.name, data, rule, place)}
    return hours.assign(rule=str(rule), site=place.name, **made, problem=problem)


def label_files(
    paths: list[Path], rule: str, site: sites.Site, jobs: int
) -> Iterator[pd.DataFrame]:
    """Give the hours of each file, in order, by at most `jobs` processes."""
    work = partial(label_file, rule=rule, site=site)
    jobs = min(jobs, len(paths) // A_WORKERS_SHARE)
    if jobs < 2:
        yield from map(work, paths)
        return
    fresh = multiprocessing.get_context("spawn")  # a fork would copy whatever threads hold
    quiet = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_IGN)}
    with ProcessPoolExecutor(jobs, mp_context=fresh, **quiet) as pool:
        try:
            yield from pool.map(work, paths)
        finally:
            pool.shutdown(cancel_futures=True)


def extend(table: pd.DataFrame, fresh: Iterable[pd.DataFrame], out: Path) -> pd.DataFrame:
    """Put days into a table, in place of what it says of them, and write it every now and then."""
    days = []
    try:
        for hours in fresh:
            days.append(hours)
            if len(days) % CHECKPOINT == 0:
                write(merged(table, days), out)
    finally:
        table = merged(table, days)
        if days:
            write(table, out)
    return table


def merged(table: pd.DataFrame, days: list[pd.DataFrame]) -> pd.DataFrame:
    """Give a table with these days in it, in the order of time."""
    if not days:
        return table
    new = pd.concat(days)
    old = table[~table["time"].isin(new["time"])]
    both = pd.concat([old, new]) if len(old) else new
    return both.sort_values("time", ignore_index=True)


def stored(out: Path, rule: str, site: str) -> pd.DataFrame:
    """Give the table of an earlier run, empty if there is none; refuse any other file."""
    if out.suffix not in (".parquet", ".csv"):
        raise UserError(f"{out} has to end in .parquet or .csv.")
    if not out.exists():
        return pd.DataFrame(columns=COLUMNS)
    try:
        table = pd.read_parquet(out) if out.suffix == ".parquet" else pd.read_csv(out)
        table = table[COLUMNS].assign(time=pd.to_datetime(table["time"], utc=True))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{out} is no table of labels: choose another --out.") from error
    if others := set(zip(table["rule"], table["site"], strict=True)) - {(rule, site)}:
        found = " at ".join(others.pop())
        raise UserError(f"{out} holds labels by the rule {found}: choose another --out.")
    return table.fillna({"problem": ""})


def write(table: pd.DataFrame, out: Path) -> None:
    """Write a .parquet or .csv file in one step."""
    out.parent.mkdir(parents=True, exist_ok=True)
    partial_file = out.with_name(f".{out.stem}.{os.getpid()}{out.suffix}")
    try:
        save = table.to_parquet if out.suffix == ".parquet" else table.to_csv
        save(partial_file, index=False)
        partial_file.replace(out)
    finally:
        partial_file.unlink(missing_ok=True)


def problems(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Give name and reason of each file that is no keogram."""
    bad = table.loc[table["problem"] != "", ["image", "problem"]].drop_duplicates()
    return list(bad.itertuples(index=False, name=None))


def summary(table: pd.DataFrame, rule: str, skipped: list[tuple[str, str]]) -> str:
    """Give a line: pictures, hours by state, and what was skipped and why."""
    good = table[table["problem"] == ""]
    hours = good["aurora"].value_counts()
    counts = ", ".join(f"{hours.get(state, 0)} {state}" for state in (YES, NO, UNKNOWN))
    line = f"{good['image'].nunique()} keograms by the rule {rule}: hours {counts}"
    if not skipped:
        return f"{line}; none skipped"
    by_reason: dict[str, list[str]] = {}
    for name, reason in skipped:
        by_reason.setdefault(reason, []).append(name)
    said = [
        f"{names[0]} {f'and {len(names) - 1} more: ' if names[1:] else ''}{reason}"
        for reason, names in by_reason.items()
    ]
    said = [*said[:SHOWN], *(["..."] if said[SHOWN:] else [])]
    return f"{line}; {len(skipped)} skipped ({', '.join(said)})"


if __name__ == "__main__":
    console.run(main)
