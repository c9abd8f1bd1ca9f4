"""What comparables and features cost for 10 thousand to 10 million sales: seconds and memory.

    python benchmarks/housing_scale.py [--sizes 10000,100000] [--all] [--shards N]

Sales are those of `housing.sample` over ten years, from 100,000 on tiled over invented towns. Each
size runs in a process of its own. Beside ours are its peers: each flat against all earlier sales
(some hundred flats are measured, and give the same distances as ours), and scikit-learn's ball
tree, which looks into the future as well. `--all` adds 10 million sales: a year in a file, as
public registers give them, sharded by town with DuckDB, and then features town by town; `--shards`
stops after so many towns. Targets are for CPU seconds, which other work on the machine stretches
less than those on the wall; exits with 1 when one is missed.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import duckdb
import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import children
from housing import comparables, features, level, sample
from housing.comparables import Known, as_arrays

FIRST, LAST, DAYS = "2016-01-01", "2025-12-31", 3652
TOWN = 100_000  # sales of a town in ten years
SHARDED = 100 * TOWN
K = 10
TRIED = 200  # flats that are set against all sales
MEMORY = "1GB"  # that DuckDB may take
OWN = ("comparables", "level", "features")
PEERS = ("all pairs, by a sample", "ball tree, no time")
STEPS = ("write years", "shard by town", "level and features")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
AT_MOST_SECONDS = {TOWN: 10.0}  # of CPU for comparables
AT_MOST_GB = {10 * TOWN: 6.0, SHARDED: 3.0}
# n log² n would be 14 times as much for ten times as many
AT_MOST_GROWTH = 20.0

Took = dict[str, tuple[float, float]]  # CPU and wall seconds of each step


def main(
    sizes: Annotated[str, typer.Option(help="Numbers of sales.")] = "10000,100000,1000000",
    everything: Annotated[bool, typer.Option("--all", help="And 10 million, sharded.")] = False,
    shards: Annotated[int, typer.Option(help="Towns of these to do, of 100.")] = SHARDED // TOWN,
    only: Annotated[int | None, typer.Option(help="One size; its times as JSON.")] = None,
) -> None:
    """Measure each size and print the times."""
    if only:
        print(json.dumps(sharded(shards) if only == SHARDED else in_memory(only)))
        return
    found = {int(size): in_child(int(size)) for size in sizes.split(",")}
    report(found)
    missed = misses(found)
    if everything:
        of_shards = in_child(SHARDED, "--shards", str(shards))
        report_shards(of_shards)
        missed += misses({SHARDED: of_shards})
    for sentence in missed:
        print(f"missed: {sentence}")
    raise typer.Exit(1 if missed else 0)


def in_child(size: int, *options: str) -> dict[str, Any]:
    """Measure a size in a process of its own."""
    command = [sys.executable, __file__, "--only", str(size), *options]
    found, memory = children.run(command, **ONE_THREAD)
    return found | {"peak_gb": memory / 1024}


# In the child


def in_memory(size: int) -> dict[str, Any]:
    """Make comparables and features of one table, and the peers' comparables."""
    sales = tiled(town(min(size, TOWN)), max(size // TOWN, 1)).to_arrow_table().to_pandas()
    took: Took = {}
    known, near = timed(took, "comparables", lambda: comparable(sales))
    usual = timed(took, "level", lambda: level.fit(sales))
    timed(
        took, "features", lambda: features.matrix(as_arrays(sales), features.remember(sales, usual))
    )
    tried = np.linspace(0, len(sales) - 1, TRIED).astype(int)
    apart = timed(took, "all pairs, by a sample", lambda: from_all(known, tried))
    took["all pairs, by a sample"] = tuple(
        seconds * len(sales) / TRIED for seconds in took["all pairs, by a sample"]
    )
    np.testing.assert_allclose(near.unlike[tried], apart)
    timed(took, "ball tree, no time", lambda: ball_tree(known.points))
    return {"sales": len(sales), "took": took}


def sharded(shards: int) -> dict[str, Any]:
    """Make features of sales that do not fit into memory, town by town; all is in files."""
    took: Took = {}
    with tempfile.TemporaryDirectory() as scratch:
        years, towns, done = (Path(scratch, name) for name in ("years", "towns", "features"))
        done.mkdir()
        engine(scratch)
        timed(took, "write years", lambda: by_year(years))
        timed(took, "shard by town", lambda: by_town(years, towns))
        megabytes = sum(file.stat().st_size for file in towns.rglob("*.parquet")) / 2**20
        chosen = sorted(towns.iterdir())[:shards]
        rows = timed(
            took,
            "level and features",
            lambda: sum(of_one_town(folder, done) for folder in chosen),
        )
    found = {"sales": SHARDED, "megabytes": megabytes, "shards": len(chosen), "shard_rows": rows}
    return found | {"took": took}


def timed(took: Took, name: str, work: Callable[[], Any]) -> Any:
    """Do some work, and note what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    took[name] = time.process_time() - cpu, time.perf_counter() - wall
    return found


def town(size: int) -> pd.DataFrame:
    """Give so many sales of one town, in the order of their days."""
    sales = sample.sales(FIRST, LAST, per_day=1.1 * size / DAYS)
    return sales.sample(size, random_state=0).sort_values(["sold_on", "sale_id"])


def tiled(sales: pd.DataFrame, towns: int) -> duckdb.DuckDBPyRelation:
    """Give the sales of several towns, alike but for their names and places on the map."""
    duckdb.sql("SET TimeZone = 'UTC'")
    return duckdb.from_arrow(_arrow(sales)).query(
        "town",
        f"""SELECT town.* REPLACE (
            sale_id || ':' || k AS sale_id,
            'stad ' || k AS municipality,
            'stad ' || k || ', ' || district AS district,
            latitude + k // 10 AS latitude,
            longitude + 2 * (k % 10) AS longitude
        ) FROM town CROSS JOIN range({towns}) AS t(k)""",
    )


def _arrow(sales: pd.DataFrame):
    import pyarrow

    return pyarrow.Table.from_pandas(sales, preserve_index=False)


def comparable(sales: pd.DataFrame) -> tuple[Known, comparables.Near]:
    """Find the comparables of all sales among themselves, in the order of their days."""
    known = comparables.remember(sales)
    return known, comparables.find(known, known.sales, K)


def from_all(known: Known, rows: np.ndarray) -> np.ndarray:
    """Give the distances of the nearest known sales the plain way: from all of them."""
    until = known.day - comparables.KNOWN_AFTER // comparables.DAY
    found = np.full((len(rows), K), np.inf)
    for place, row in enumerate(rows):
        earlier = known.points[: np.searchsorted(known.day, until[row], side="right")]
        apart = np.sqrt(((earlier - known.points[row]) ** 2).sum(axis=1))
        nearest = np.sort(np.partition(apart, K)[:K] if len(apart) > K else apart)
        found[place, : len(nearest)] = nearest
    return found


def ball_tree(points: np.ndarray) -> None:
    """Find the nearest sales of any time, and each flat itself."""
    from sklearn.neighbors import BallTree

    BallTree(points).query(points, k=K + 1)


def engine(scratch: str) -> None:
    """Set what DuckDB may use."""
    duckdb.sql(f"SET memory_limit = '{MEMORY}'; SET temp_directory = '{scratch}/spilled'")
    duckdb.sql("SET preserve_insertion_order = false; SET TimeZone = 'UTC'")


def by_year(years: Path) -> None:
    """Write the sales of all towns, a year in a file."""
    years.mkdir()
    sales = town(TOWN)
    for year, rows in sales.groupby(sales["sold_on"].dt.year):
        tiled(rows, SHARDED // TOWN).write_parquet(str(years / f"{year}.parquet"))


def by_town(years: Path, towns: Path) -> None:
    """Shard by town: one pass over all years, in little memory."""
    duckdb.sql(
        f"COPY (SELECT *, municipality AS town FROM '{years}/*.parquet') TO '{towns}' "
        "(FORMAT parquet, COMPRESSION zstd, PARTITION_BY (town))"
    )


def of_one_town(folder: Path, done: Path) -> int:
    """Make the features of a shard and store them; give its number of sales."""
    files = duckdb.read_parquet(f"{folder}/*.parquet", hive_partitioning=False)
    sales = files.order("sold_on, sale_id").to_arrow_table().to_pandas()
    found = features.build_features(sales, features.remember(sales, level.fit(sales)))
    found.insert(0, "sale_id", sales["sale_id"])
    found.to_parquet(done / f"{folder.name}.parquet", index=False)
    return len(found)


# What is printed


def report(found: dict[int, dict[str, Any]]) -> None:
    """Print the seconds of each step at each size, ours over the peers', and the memory."""
    table = Table("CPU s (wall s)", title=f"{K} comparables, and features of {features.K}")
    for size in found:
        table.add_column(f"{size:,}", justify="right")
    for name in (*OWN, *PEERS):
        table.add_row(name, *(_seconds(each["took"][name]) for each in found.values()))
    for peer in PEERS:
        ratios = (each["took"]["comparables"][0] / each["took"][peer][0] for each in found.values())
        table.add_row(f"comparables / {peer}", *(f"{ratio:.4f}" for ratio in ratios))
    table.add_row("peak memory, GB", *(f"{each['peak_gb']:.1f}" for each in found.values()))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def report_shards(found: dict[str, Any]) -> None:
    """Print the seconds of each step of the sharded sales."""
    title = f"{found['sales']:,} sales in {SHARDED // TOWN} shards, {found['megabytes']:,.0f} MB"
    table = Table("step", "CPU s (wall s)", title=title)
    for name in STEPS:
        table.add_row(name, _seconds(found["took"][name]))
    of = found["took"][STEPS[-1]][0] / found["shards"]
    table.add_row(f"features of {found['shards']} shards, each", f"{of:,.1f}")
    table.add_row("peak memory, GB", f"{found['peak_gb']:.1f}")
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def misses(found: dict[int, dict[str, Any]]) -> list[str]:
    """Say which targets are missed."""
    said = []
    for size, each in found.items():
        if each["peak_gb"] > AT_MOST_GB.get(size, np.inf):
            said.append(f"{size:,} sales took {each['peak_gb']:.1f} GB of {AT_MOST_GB[size]}")
        cpu = each["took"].get("comparables", (0.0, 0.0))[0]
        if cpu > AT_MOST_SECONDS.get(size, np.inf):
            said.append(
                f"comparables of {size:,} sales took {cpu:.1f} of {AT_MOST_SECONDS[size]} s"
            )
        tenth = found.get(size // 10, each)["took"].get("comparables", (1.0, 1.0))[0]
        if size >= 10 * TOWN and cpu > AT_MOST_GROWTH * tenth:
            said.append(f"{size:,} sales took {cpu / tenth:.0f} times as long as a tenth of them")
    return said


def _seconds(took: tuple[float, float]) -> str:
    cpu, wall = took
    return f"{cpu:,.2f} ({wall:,.2f})"


if __name__ == "__main__":
    typer.run(main)
