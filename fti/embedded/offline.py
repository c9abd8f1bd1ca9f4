"""How the rows of one feature group are stored and found: a Delta table, queried by DuckDB.

Writes go through one lock per table and become visible in one commit of the Delta log
(https://github.com/delta-io/delta/blob/master/PROTOCOL.md), so a reader never waits and never
sees half a write, and a process that dies leaves the last commit as it was. Only files whose
key range overlaps a batch are looked at, and only those that hold one of its keys are rewritten.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fti.embedded.files import sweep, temporary_beside
from fti.errors import UserError

if TYPE_CHECKING:
    import duckdb
    from deltalake import CommitProperties, DeltaTable, WriterProperties
    from deltalake.transaction import AddAction, RemoveAction
    from filelock import FileLock

log = logging.getLogger(__name__)

FILE_SIZE = 32 * 2**20  # bytes: a file a reader opens gladly and an upsert rewrites in a blink
ROW_GROUP = 122_880  # rows that a reader skips or reads together, as DuckDB writes them
DICTIONARY = 2**18  # bytes: a column with more distinct values per row group is written plainly
SMALL_FILES = 8  # so many files under half of FILE_SIZE are merged into one
TIDY_EVERY = 20  # commits: then replaced files are dropped even if there are no small ones
KEEP_REPLACED_FILES = 7 * 24  # hours, for running readers and `as_of`
LOCK_TIMEOUT = 600  # seconds another process may hold the table
STATISTICS_TEXT = 64  # characters: longer text says nothing useful about a range of keys

# Names of columns that no feature can have: those have no spaces.
FILE_OF_ROW, ROW_OF_BATCH = "file of row", "row of batch"

UNUSABLE = set("[]^|\\%#?\n\t")  # what delta-rs cannot open in a path, or opens as something else

CONFIGURATION = {
    "delta.checkpointInterval": "20",
    # `as_of` and training datasets point into the past, and a year of daily commits is small.
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
}


@dataclass(frozen=True)
class Commit:
    """One change of a table; `committed_at` is in milliseconds since the epoch."""

    version: int
    committed_at: int
    inserted: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class Transaction:
    """Names a write, so that repeating it after a crash or a retry adds nothing."""

    app_id: str
    version: int = 1


@dataclass(frozen=True)
class Touched:
    """A data file with rows whose keys are in a batch."""

    entry: dict[str, Any]  # of the Delta log
    leaving: int  # how many of its rows those are
    rows: np.ndarray  # where their keys are in the batch


@cache
def _database(process: int) -> duckdb.DuckDBPyConnection:
    import duckdb

    return duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",  # a store without a network stays one
            "autoload_known_extensions": "false",
            # Two processes that spill into one folder would overwrite each other's files.
            "temp_directory": str(Path(tempfile.gettempdir()) / f"fti-duckdb-{process}"),
        }
    )


@contextmanager
def _cursor(tables: dict[str, pa.Table]) -> Iterator[duckdb.DuckDBPyConnection]:
    with _database(os.getpid()).cursor() as cursor:
        for name, table in tables.items():
            cursor.register(name, table)
        yield cursor


def sql(query: str, **tables: pa.Table) -> pa.Table:
    """Run a DuckDB query in which each keyword names an Arrow table; give the Arrow result."""
    with _cursor(tables) as cursor:
        return cursor.sql(query).to_arrow_table()


def execute(statement: str, **tables: pa.Table) -> None:
    """Run a DuckDB statement that gives no rows, such as COPY."""
    with _cursor(tables) as cursor:
        cursor.execute(statement)


def quoted(name: str) -> str:
    """Give a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: Any) -> str:
    """Give a string as an SQL literal."""
    return "'" + str(value).replace("'", "''") + "'"


def scan(files: Sequence[Path], schema: pa.Schema) -> str:
    """Give the SQL that reads these Parquet files as one table of this schema.

    Files from before a column was appended lack it; it reads as null.
    """
    if not files:
        raise ValueError("scan() needs at least one file")
    names = ", ".join(literal(file) for file in files)
    with _cursor({"empty": schema.empty_table()}) as cursor:
        types = dict(zip(schema.names, cursor.table("empty").types, strict=True))
    nulls = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in types.items())
    return (
        f"(SELECT {_columns(schema.names)} FROM (SELECT {nulls} WHERE false UNION ALL BY NAME "
        f"SELECT * FROM read_parquet([{names}], union_by_name = true)))"
    )


class OfflineTable:
    """One feature group's rows in the folder `path`, unique by `key`.

    `pinned` tells which versions must stay readable for ever (training datasets made of them).
    """

    def __init__(
        self, path: Path, key: Sequence[str], pinned: Callable[[], Iterable[int]] = lambda: ()
    ):
        if UNUSABLE & set(path.as_posix()):
            raise UserError(f"Delta tables cannot be in {path}: name a folder without []^|\\%#?")
        self.path = path
        self.key = list(key)
        self._pinned = pinned

    # --- reading ---------------------------------------------------------------------------

    def exists(self) -> bool:
        """Tell whether a first commit was made."""
        return (self.path / "_delta_log" / f"{0:020}.json").exists()

    def version(self) -> int | None:
        """Give the version of the last commit, or None before the first."""
        return self._open().version() if self.exists() else None

    def count(self) -> int:
        """Give the number of rows without reading them."""
        if not self.exists():
            return 0
        return _rows_in(self._open())

    def size(self) -> tuple[int, int]:
        """Give the number of files a reader opens and their bytes."""
        if not self.exists():
            return 0, 0
        actions = _actions(self._open())
        return len(actions), pc.sum(actions["size_bytes"]).as_py() or 0

    def files(
        self, version: int | None = None, bounds: dict[str, tuple[Any, Any]] | None = None
    ) -> list[Path]:
        """Give the data files of a version that may hold rows within the inclusive bounds.

        A bound that is None is open. Raises FileNotFoundError for a version whose files were
        cleaned up.
        """
        actions = _within(_actions(self._open(version)), bounds or {})
        files = [self.path / name for name in actions["path"].to_pylist()]
        gone = version is not None and next((file for file in files if not file.exists()), None)
        if gone:
            raise FileNotFoundError(f"version {version} of {self.path.name} was cleaned up")
        return files

    def commits(self, limit: int | None = None) -> list[Commit]:
        """Give the changes of rows, newest first."""
        if not self.exists():
            return []
        history = (_commit(entry) for entry in self._open().history())
        changes = [commit for commit in history if commit is not None]
        return changes[:limit]

    def version_as_of(self, moment: int) -> int | None:
        """Give the last version committed at or before a time in milliseconds, if there is one."""
        past = [commit.version for commit in self.commits() if commit.committed_at <= moment]
        return max(past, default=None)

    # --- writing ---------------------------------------------------------------------------

    def create(self, schema: pa.Schema) -> None:
        """Make the empty table."""
        self.append(schema.empty_table())

    def append(self, rows: pa.Table, transaction: Transaction | None = None) -> Commit | None:
        """Add rows without looking for their keys; None when the transaction had landed."""
        with self._lock():
            table = self._latest()
            if _landed(table, transaction):
                return None
            return self._write(table, rows, "append", transaction)

    def upsert(self, rows: pa.Table, transaction: Transaction | None = None) -> Commit | None:
        """Add rows, and replace those that have the same key; None when it had landed."""
        with self._lock():
            table = self._latest()
            if _landed(table, transaction):
                return None
            touched = self._touched(rows, table)
            if not touched:
                return self._write(table, rows, "append", transaction)
            return self._replace(table, touched, rows, transaction)

    def delete(self, keys: pa.Table) -> Commit | None:
        """Remove the rows that have these keys; None when there are none."""
        with self._lock():
            table = self._latest()
            once = keys.group_by(self.key).aggregate([])
            touched = self._touched(once, table)
            if not touched:
                return None
            actions = [action for file in touched for action in self._without(table, file, once)]
            counts = {"deleted": sum(file.leaving for file in touched)}
            return self._commit(table, actions, counts, None)

    def overwrite(self, rows: pa.Table, transaction: Transaction | None = None) -> Commit | None:
        """Replace all rows in one commit."""
        with self._lock():
            table = self._latest()
            if _landed(table, transaction):
                return None
            return self._write(table, rows, "overwrite", transaction)

    def add_columns(self, fields: Sequence[pa.Field]) -> None:
        """Append columns; rows from before have null there."""
        from deltalake import Schema

        with self._lock():
            table = self._latest()
            if table:
                table.alter.add_columns(Schema.from_arrow(pa.schema(fields)).fields)

    def compact(self, keep_hours: int = KEEP_REPLACED_FILES) -> None:
        """Merge small files, write a checkpoint, and drop what no kept version refers to."""
        with self._lock():
            table = self._latest()
            if table:
                self._compact(table, keep_hours)

    def drop(self) -> None:
        """Remove the table and its files, in one step for those who look."""
        with self._lock():
            if self.path.exists():
                self.path.rename(temporary_beside(self.path))
            sweep(self.path.parent)

    # --- inside ----------------------------------------------------------------------------

    def _lock(self) -> FileLock:
        from filelock import FileLock

        self.path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self.path.with_name(self.path.name + ".lock"), timeout=LOCK_TIMEOUT)

    def _open(self, version: int | None = None) -> DeltaTable:
        from deltalake import DeltaTable

        return DeltaTable(self.path.as_uri(), version=version)

    def _latest(self) -> DeltaTable | None:
        return self._open() if self.exists() else None

    def _write(
        self,
        table: DeltaTable | None,
        rows: pa.Table,
        mode: str,
        transaction: Transaction | None,
    ) -> Commit:
        from deltalake import write_deltalake

        deleted = _rows_in(table) if table and mode == "overwrite" else 0
        counts = {"inserted": len(rows), "deleted": deleted}
        write_deltalake(
            table or self.path.as_uri(),
            rows,
            mode=mode,
            # A table may have columns that this writer does not know of yet: they become null.
            schema_mode="merge" if table else None,
            configuration=None if table else CONFIGURATION | _statistics_of(self.key),
            target_file_size=FILE_SIZE,
            writer_properties=_writer(),
            commit_properties=_properties(counts, transaction),
        )
        return self._committed(table or self._open(), counts)

    def _touched(self, rows: pa.Table, table: DeltaTable | None) -> list[Touched]:
        """Find the data files that hold a row with one of these keys."""
        if table is None or not len(rows):
            return []
        keys = rows.select(self.key)
        candidates = _within(_actions(table), _bounds(keys)).to_pylist()
        if not candidates:
            return []
        paths = ", ".join(literal(self.path / entry["path"]) for entry in candidates)
        found = sql(
            f"SELECT {quoted(FILE_OF_ROW)} AS file, count(*) AS leaving, "
            f"list(DISTINCT {quoted(ROW_OF_BATCH)}) AS rows "
            f"FROM read_parquet([{paths}], filename = {literal(FILE_OF_ROW)}) "
            f"JOIN batch USING ({_columns(self.key)}) GROUP BY {quoted(FILE_OF_ROW)}",
            batch=keys.append_column(ROW_OF_BATCH, pa.array(np.arange(len(keys)))),
        )
        entries = {Path(entry["path"]).name: entry for entry in candidates}
        names = [Path(file).name for file in found["file"].to_pylist()]
        rows_of = [np.sort(rows.values.to_numpy()) for rows in found["rows"]]
        return list(map(Touched, map(entries.get, names), found["leaving"].to_pylist(), rows_of))

    def _replace(
        self,
        table: DeltaTable,
        touched: list[Touched],
        rows: pa.Table,
        transaction: Transaction | None,
    ) -> Commit:
        """Write the rows: each into the file that held its key, so that files keep narrow ranges
        of keys, and those with a new key into files of their own."""
        new = np.full(len(rows), True)
        actions: list[AddAction | RemoveAction] = []
        for file in touched:
            here = file.rows[new[file.rows]]
            new[here] = False
            actions += self._without(table, file, rows, rows.take(here))
        arrived = rows.filter(new)
        actions += self._copies(arrived)
        counts = {"inserted": len(arrived), "updated": len(rows) - len(arrived)}
        return self._commit(table, actions, counts, transaction)

    def _without(
        self, table: DeltaTable, file: Touched, keys: pa.Table, arriving: pa.Table | None = None
    ) -> list[AddAction | RemoveAction]:
        """Copy a data file without the rows whose keys are leaving, but with those arriving."""
        old = scan([self.path / file.entry["path"]], pa.schema(table.schema().to_arrow()))
        query = f"SELECT * FROM {old} ANTI JOIN leaving USING ({_columns(self.key)})"
        tables = {"leaving": keys.select(self.key).take(file.rows)}
        if arriving:
            query += " UNION ALL BY NAME SELECT * FROM arriving"
            tables["arriving"] = arriving
        return [_remove(file.entry), *self._copy(query, **tables)]

    def _copies(self, rows: pa.Table) -> list[AddAction]:
        step = max(1, 2 * FILE_SIZE * len(rows) // max(1, rows.nbytes))  # Parquet is about half
        starts = range(0, len(rows), step)
        parts = (self._copy("SELECT * FROM part", part=rows.slice(i, step)) for i in starts)
        return [add for part in parts for add in part]

    def _copy(self, query: str, **tables: pa.Table) -> list[AddAction]:
        """Write the rows of a query to a new data file; give its log entry, if it has rows."""
        file = self.path / f"part-{uuid.uuid4()}.parquet"
        execute(f"COPY ({query}) TO {literal(file)} (FORMAT parquet, COMPRESSION snappy)", **tables)
        add = _add(file, self.key)
        if add is None:
            file.unlink()
        return [add] if add else []

    def _commit(
        self,
        table: DeltaTable,
        actions: list[AddAction | RemoveAction],
        counts: dict[str, int],
        transaction: Transaction | None,
    ) -> Commit:
        properties = _properties(counts, transaction)
        schema = table.schema()
        table.create_write_transaction(actions, "append", schema, commit_properties=properties)
        return self._committed(table, counts)

    def _committed(self, table: DeltaTable, counts: dict[str, int]) -> Commit:
        from deltalake.exceptions import DeltaError

        table.update_incremental()
        commit = Commit(table.version(), table.history(1)[0]["timestamp"], **counts)
        small = pc.sum(pc.less(_actions(table)["size_bytes"], FILE_SIZE // 2)).as_py() or 0
        if small >= SMALL_FILES or commit.version % TIDY_EVERY == 0 < commit.version:
            try:
                self._compact(table, KEEP_REPLACED_FILES)
            except (OSError, DeltaError) as error:
                log.warning("%s is written, but not tidied up: %s", self.path.name, error)
        return commit

    def _compact(self, table: DeltaTable, keep_hours: int) -> None:
        table.optimize.compact(target_size=FILE_SIZE // 2, writer_properties=_writer())
        table.vacuum(
            retention_hours=keep_hours,
            dry_run=False,
            enforce_retention_duration=False,
            full=True,  # also what a killed process left behind
            keep_versions=sorted(set(self._pinned())) or None,
        )
        table.create_checkpoint()


def _landed(table: DeltaTable | None, transaction: Transaction | None) -> bool:
    if table is None or transaction is None:
        return False
    seen = table.transaction_version(transaction.app_id)
    return seen is not None and seen >= transaction.version


def _columns(names: Iterable[str]) -> str:
    return ", ".join(quoted(name) for name in names)


def _writer() -> WriterProperties:
    from deltalake import WriterProperties

    return WriterProperties(
        compression="SNAPPY",
        max_row_group_size=ROW_GROUP,
        dictionary_page_size_limit=DICTIONARY,
    )


def _statistics_of(key: Sequence[str]) -> dict[str, str]:
    """Give the setting by which the log has the ranges of these columns, and of no others."""
    names = ("`" + name.replace("`", "``") + "`" for name in key)
    return {"delta.dataSkippingStatsColumns": ",".join(names)}


def _properties(counts: dict[str, int], transaction: Transaction | None) -> CommitProperties:
    from deltalake import CommitProperties
    from deltalake.transaction import Transaction as DeltaTransaction

    transactions = None
    if transaction:
        transactions = [DeltaTransaction(transaction.app_id, transaction.version)]
    return CommitProperties(custom_metadata={"rows": counts}, app_transactions=transactions)


def _commit(entry: dict[str, Any]) -> Commit | None:
    """Give a log entry as a change of rows, ours or another Delta writer's; None if it is none."""
    if entry["operation"] not in {"WRITE", "MERGE", "UPDATE", "DELETE", "CREATE TABLE"}:
        return None
    counts = entry.get("rows")
    if counts is None:
        metrics = entry.get("operationMetrics", {})
        counts = {
            "inserted": metrics.get("num_target_rows_inserted", metrics.get("num_added_rows", 0)),
            "updated": metrics.get("num_target_rows_updated", metrics.get("num_updated_rows", 0)),
            "deleted": metrics.get("num_target_rows_deleted", metrics.get("num_deleted_rows", 0)),
        }
    return Commit(entry["version"], entry["timestamp"], **{k: int(v) for k, v in counts.items()})


def _actions(table: DeltaTable) -> pa.Table:
    """Give a row per live data file: path, size_bytes, num_records, min.<name>, max.<name>."""
    return pa.table(table.get_add_actions(flatten=True))


def _rows_in(table: DeltaTable) -> int:
    return pc.sum(_actions(table)["num_records"]).as_py() or 0


def _bounds(keys: pa.Table) -> dict[str, tuple[pa.Scalar, pa.Scalar]]:
    """Give the smallest and largest value of the columns whose statistics are exact.

    Those of floats leave out NaN, those of decimals are rounded to floats.
    """
    exact = [
        field.name
        for field in keys.schema
        for kind in (field.type,)
        if pa.types.is_integer(kind)
        or pa.types.is_string(kind)
        or pa.types.is_date(kind)
        or pa.types.is_timestamp(kind)
    ]
    edges = {name: pc.min_max(keys[name]) for name in exact}
    return {name: (edge["min"], edge["max"]) for name, edge in edges.items()}


def _within(actions: pa.Table, bounds: dict[str, tuple[Any, Any]]) -> pa.Table:
    """Keep the files whose statistics allow a row within the bounds."""
    for name, (low, high) in bounds.items():
        for column, limit, compare in (
            ("max", low, pc.greater_equal),
            ("min", high, pc.less_equal),
        ):
            if limit is not None and f"{column}.{name}" in actions.column_names:
                edge = actions[f"{column}.{name}"]
                limit = pa.scalar(limit).cast(edge.type)
                if column == "max" and pa.types.is_timestamp(edge.type):
                    # The log has whole milliseconds, cut off: there may be rows after its maximum.
                    limit = pc.floor_temporal(limit, unit="millisecond")
                possible = compare(edge, limit)
                actions = actions.filter(pc.fill_null(possible, True))
    return actions


def _remove(entry: dict[str, Any]) -> RemoveAction:
    from deltalake.transaction import RemoveAction

    return RemoveAction(entry["path"], True, _now(), entry["size_bytes"], {})


def _add(file: Path, columns: Sequence[str]) -> AddAction | None:
    """Describe a Parquet file for the Delta log; None for a file without rows."""
    import pyarrow.parquet as pq
    from deltalake.transaction import AddAction

    metadata = pq.read_metadata(file)
    if not metadata.num_rows:
        return None
    # As it is: delta-rs decodes the escapes of characters beyond U+1FFFF to other characters.
    statistics = json.dumps(_statistics(metadata, columns), ensure_ascii=False)
    return AddAction(file.name, file.stat().st_size, {}, _now(), True, statistics)


def _statistics(metadata: Any, columns: Sequence[str]) -> dict[str, Any]:
    """Give the Delta statistics of a Parquet file: its rows, and the ranges of some columns."""
    ranges: dict[str, Any] = {"minValues": {}, "maxValues": {}}
    for index in range(metadata.num_columns):
        name = metadata.schema.column(index).path
        groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
        edges = [_edges(group.column(index).statistics) for group in groups]
        if name in columns and None not in edges:
            ranges["minValues"][name] = _json(min(low for low, _ in edges))
            ranges["maxValues"][name] = _json(max(high for _, high in edges))
    return {"numRecords": metadata.num_rows, **ranges, "nullCount": {}}


def _edges(statistics: Any) -> tuple[Any, Any] | None:
    """Give the smallest and largest value of a part of a column, if they are known exactly."""
    if statistics is None or not statistics.has_min_max:
        return None
    edges = statistics.min, statistics.max
    return edges if all(map(_exact, edges)) else None


def _exact(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) < STATISTICS_TEXT
    return isinstance(value, int | date) and not isinstance(value, bool)


def _json(value: Any) -> Any:
    return value if isinstance(value, int | str) else value.isoformat()


def _now() -> int:
    return time.time_ns() // 1_000_000
