"""Measure the embedded feature store against the plain way to do the same.

Writes and reads one million rows of 11 columns through the public FeatureGroup API, beside a
pandas rewrite of one Parquet file, DuckDB on one Parquet file and Delta's own MERGE, all in this
run. Exit code 1 when a target is missed. Run it with `python benchmarks/embedded_store.py`;
`--quick` takes a tenth of the rows.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from deltalake import DeltaTable, write_deltalake
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fti.embedded.project import Project

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2020-01-01")
ROWS_PER_DAY = 10_000
BATCH = 1_000
CHUNK = 1_000_000
KEY = ["id", "at"]

console = Console(width=None if sys.stdout.isatty() else 140)


@dataclass
class Timing:
    """Seconds of several runs."""

    best: float
    median: float


@dataclass
class Claim:
    """One line of the result; `target` is the most that `ratio` or `ours` may be."""

    name: str
    ours: Timing
    peer_name: str = ""
    peer: Timing | None = None
    at_most_ms: float | None = None
    at_most_ratio: float | None = None
    holds: bool | None = None  # a target that is no time, told in the note
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's, best of each."""
        return self.ours.best / self.peer.best if self.peer else None

    @property
    def ok(self) -> bool | None:
        """Whether the targets are met; None when there is none."""
        met = [] if self.holds is None else [self.holds]
        if self.at_most_ms is not None:
            met.append(self.ours.best * 1000 <= self.at_most_ms)
        if self.at_most_ratio is not None and self.ratio is not None:
            met.append(self.ratio <= self.at_most_ratio)
        return all(met) if met else None


def frame(ids: Iterable[int], seed: int = 0) -> pd.DataFrame:
    """Give rows of 11 columns; every second id is left free, and ids rise with time."""
    ids = np.asarray(list(ids) if not isinstance(ids, np.ndarray) else ids)
    random = np.random.default_rng(seed)
    moments = ids // 2 * (86_400_000 // ROWS_PER_DAY)
    columns = {"id": ids, "at": (START + pd.to_timedelta(moments, unit="ms")).as_unit("us")}
    columns |= {f"x{i}": random.normal(size=len(ids)) for i in range(6)}
    columns["count"] = random.integers(0, 1000, len(ids))
    columns["kind"] = np.array(["red", "green", "blue", "yellow"])[random.integers(0, 4, len(ids))]
    columns["code"] = np.char.add("c", random.integers(0, 50_000, len(ids)).astype(str))
    return pd.DataFrame(columns)


def timed(run: Callable[[int], object], repeats: int) -> Timing:
    """Run with 0, 1, 2, ... and give the times."""
    seconds = []
    for number in range(repeats):
        start = time.perf_counter()
        run(number)
        seconds.append(time.perf_counter() - start)
    return Timing(min(seconds), statistics.median(seconds))


def timed_batches(write: Callable[[pd.DataFrame], object], batches: list[pd.DataFrame]) -> Timing:
    """Time a write of each of these batches, which are made beforehand."""
    return timed(lambda number: write(batches[number]), len(batches))


def group(project: Project, name: str):
    """Give a feature group as a pipeline does."""
    return project.get_feature_store().get_or_create_feature_group(
        name, version=1, primary_key=["id"], event_time="at"
    )


def filled(project: Project, name: str, rows: int):
    """Give a group that holds so many rows with even ids, in order of time."""
    features = group(project, name)
    for start in range(0, rows, CHUNK):
        stop = min(start + CHUNK, rows)
        features.insert(frame(np.arange(2 * start, 2 * stop, 2), seed=start), operation="insert")
    return features


def new_keys(rows: int, repeats: int, after: int = 0) -> list[pd.DataFrame]:
    """Batches that continue in time where the rows end."""
    starts = [2 * (rows + (after + number) * BATCH) for number in range(repeats)]
    return [frame(np.arange(s, s + 2 * BATCH, 2), seed=s) for s in starts]


def keys_between(rows: int, repeats: int) -> list[pd.DataFrame]:
    """Batches of new keys that lie between those that are there."""
    random = np.random.default_rng(1)
    return [frame(2 * random.choice(rows, BATCH, False) + 1, n) for n in range(repeats)]


def existing_keys(rows: int, repeats: int) -> list[pd.DataFrame]:
    """Batches of keys that are there, from all over the table."""
    random = np.random.default_rng(2)
    size = min(BATCH, rows)
    return [frame(2 * random.choice(rows, size, False), n) for n in range(repeats)]


def one_day(features, rows: int) -> pd.DataFrame:
    """Read a day in the middle."""
    start = START + (rows // ROWS_PER_DAY // 2) * DAY
    return features.read(start_time=start, end_time=start + DAY)


# --- the plain ways ----------------------------------------------------------------------------


def rewrite_with_pandas(file: Path, batch: pd.DataFrame) -> None:
    """Upsert as one would without a store: read the file, replace rows, write it."""
    stored = pd.read_parquet(file)
    kept = stored[~stored["id"].isin(batch["id"])]
    pd.concat([kept, batch], ignore_index=True).to_parquet(file)


def merge_with_delta(folder: Path, batch: pd.DataFrame) -> None:
    """Upsert with Delta's own MERGE, as its documentation shows it."""
    matching = " AND ".join(f"target.{name} = source.{name}" for name in KEY)
    merge = DeltaTable(str(folder)).merge(
        batch, matching, source_alias="source", target_alias="target"
    )
    merge.when_matched_update_all().when_not_matched_insert_all().execute()


def one_day_with_duckdb(file: Path, rows: int) -> pd.DataFrame:
    """Read a day with DuckDB from one Parquet file."""
    start = START + (rows // ROWS_PER_DAY // 2) * DAY
    query = (
        f"""FROM '{file}' WHERE "at" >= TIMESTAMP '{start}' AND "at" < TIMESTAMP '{start + DAY}'"""
    )
    return duckdb.sql(query).df()


# --- the claims --------------------------------------------------------------------------------


def claims_about_one_table(home: Path, rows: int, repeats: int) -> Iterator[Claim]:
    """Writes and reads of a table of so many rows."""
    features = filled(Project(home), "one_table", rows)
    plain, one_file, merged = home / "plain.parquet", home / "one_file.parquet", home / "merged"
    everything = features.read()
    everything.to_parquet(plain)
    duckdb.sql(f"COPY everything TO '{one_file}' (FORMAT parquet)")
    write_deltalake(str(merged), everything)
    assert len(everything) == rows
    day = timed(lambda _: one_day(features, rows), 3 * repeats)
    yield Claim(
        "read one day",
        day,
        "DuckDB, one file",
        timed(lambda _: one_day_with_duckdb(one_file, rows), 3 * repeats),
        at_most_ms=30,
        at_most_ratio=2,
        note=f"{len(one_day(features, rows)):,} rows to pandas",
    )
    yield Claim(
        "read all rows",
        timed(lambda _: features.read(), repeats),
        "DuckDB, one file",
        timed(lambda _: duckdb.sql(f"FROM '{one_file}'").df(), repeats),
        note=f"{rows:,} rows to pandas",
    )
    merge_new = timed_batches(lambda b: merge_with_delta(merged, b), new_keys(rows, 3))
    yield Claim(
        "upsert 1,000 new rows",
        timed_batches(features.insert, new_keys(rows, 2 * repeats)),
        "Delta MERGE",
        merge_new,
        at_most_ms=50,
    )
    yield Claim(
        "append 1,000 rows",
        timed_batches(
            lambda batch: features.insert(batch, operation="insert"),
            new_keys(rows, 2 * repeats, after=2 * repeats),
        ),
        at_most_ms=25,
    )
    yield Claim(
        "upsert 1,000 new rows between old ones",
        timed_batches(features.insert, keys_between(rows, repeats)),
        "Delta MERGE",
        timed_batches(lambda b: merge_with_delta(merged, b), keys_between(rows, 2)),
    )
    batches = existing_keys(rows, repeats)
    ours = timed_batches(features.insert, batches)
    yield Claim(
        "upsert 1,000 random existing rows",
        ours,
        "pandas rewrite",
        timed_batches(lambda b: rewrite_with_pandas(plain, b), batches),
        at_most_ratio=1,
    )
    yield Claim(
        "upsert 1,000 random existing rows",
        ours,
        "Delta MERGE",
        timed_batches(lambda b: merge_with_delta(merged, b), batches[:2]),
    )


def claims_about_growth(home: Path, sizes: list[int], repeats: int) -> Iterator[Claim]:
    """The same at several sizes, with the most memory used so far."""
    for rows in sizes:
        features = filled(Project(home), f"growth_{rows}", rows)
        size = f"{rows:,} rows: "
        yield Claim(
            size + "upsert new",
            timed_batches(features.insert, new_keys(rows, repeats)),
            note=peak(),
        )
        yield Claim(
            size + "append",
            timed_batches(
                lambda batch, features=features: features.insert(batch, operation="insert"),
                new_keys(rows, repeats, after=repeats),
            ),
        )
        yield Claim(
            size + "read one day",
            timed(lambda _, features=features, rows=rows: one_day(features, rows), repeats),
        )
        yield Claim(
            size + "upsert existing, of the last day",
            timed_batches(features.insert, [new_keys(rows, 1)[0]] * 2),
        )
        yield Claim(
            size + "upsert existing, all over",
            timed_batches(features.insert, existing_keys(rows, 2)),
            note=peak(),
        )
        features.delete()


def claims_about_days(home: Path, days: int) -> Iterator[Claim]:
    """A row a day: how many files a reader opens, and what that costs."""
    features = group(Project(home), "days")
    inserts = timed_batches(
        features.insert, [frame([2 * ROWS_PER_DAY * day], day) for day in range(days)]
    )
    files, _ = features._table.size()
    on_disk = len(list(Path(features.location).glob("*.parquet")))
    note = f"{files} files to open (at most 30), {on_disk} on disk"
    yield Claim(f"insert a row on each of {days} days", inserts, holds=files <= 30, note=note)
    several = timed(lambda _: features.read(), 15)
    features.delta_compact()
    assert features._table.size()[0] == 1 and len(features.read()) == days
    one = timed(lambda _: features.read(), 15)
    yield Claim("read them all", several, "as one file", one, at_most_ratio=2)


def peak() -> str:
    """Give the most memory this process has had."""
    if os.name == "nt":
        return ""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
    return f"peak memory {gigabytes:.1f} GB"


# --- what is printed ---------------------------------------------------------------------------


@contextmanager
def progress(claims: Iterator[Claim]) -> Iterator[Iterator[Claim]]:
    """Show which claim was measured last, and for how long the run goes on."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("preparing")

        def told() -> Iterator[Claim]:
            for claim in claims:
                bar.update(task, description=f"measured: {claim.name}")
                yield claim

        yield told()


def printed(claims: list[Claim]) -> Table:
    """Give the results as a table."""
    table = Table(title="Embedded feature store, milliseconds: best (median)")
    for name in ("what", "ours", "peer", "peer's", "ratio", "target", "ok", "note"):
        table.add_column(name, justify="right" if name in ("ours", "peer's", "ratio") else "left")
    for claim in claims:
        limits = [f"{claim.at_most_ms:g} ms" if claim.at_most_ms is not None else ""]
        limits += [f"ratio {claim.at_most_ratio:g}" if claim.at_most_ratio is not None else ""]
        table.add_row(
            claim.name,
            _milliseconds(claim.ours),
            claim.peer_name,
            _milliseconds(claim.peer) if claim.peer else "",
            f"{claim.ratio:.2f}" if claim.ratio is not None else "",
            ", ".join(filter(None, limits)),
            {True: "[green]yes[/]", False: "[red]NO[/]", None: ""}[claim.ok],
            claim.note,
        )
    return table


def _milliseconds(timing: Timing) -> str:
    return f"{timing.best * 1000:.1f} ({timing.median * 1000:.1f})"


def main() -> int:
    """Measure, print and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 rows and few repeats")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()
    rows, repeats = (100_000, 2) if options.quick else (1_000_000, 5)
    sizes = [10_000, 100_000] + ([] if options.quick else [1_000_000, 10_000_000])

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)

        def all_claims() -> Iterator[Claim]:
            yield from claims_about_one_table(home, rows, repeats)
            yield from claims_about_days(home, 60 if options.quick else 300)
            yield from claims_about_growth(home, sizes, repeats)

        with progress(all_claims()) as claims:
            results = list(claims)
    console.print(printed(results))
    if options.json:
        found = [asdict(claim) | {"ratio": claim.ratio, "ok": claim.ok} for claim in results]
        options.json.write_text(json.dumps({"rows": rows, "results": found}, indent=2))
    return int(any(claim.ok is False for claim in results))


if __name__ == "__main__":
    sys.exit(main())
