"""How the rows of one feature group are stored and found: a Delta table, queried by DuckDB.

Writes go through one lock per table and become visible in one commit of the Delta log
(https://github.com/delta-io/delta/blob/master/PROTOCOL.md), so a reader never waits and never
sees half a write, and a process that dies leaves the last commit as it was. Only files whose
key range overlaps a batch are looked at, and only those that hold one of its keys are rewritten.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import duckdb
    from deltalake import CommitProperties, DeltaTable
    from deltalake.transaction import AddAction, RemoveAction
    from filelock import FileLock

log = logging.getLogger(__name__)

FILE_SIZE = 32 * 2**20  # bytes: a file a reader opens gladly and an upsert rewrites in a blink
SMALL_FILES = 16  # so many files under half of FILE_SIZE are merged into one
KEEP_REPLACED_FILES = 7 * 24  # hours, for running readers and `as_of`
LOCK_TIMEOUT = 600  # seconds another process may hold the table
STATISTICS_TEXT = 64  # characters: longer text says nothing useful about a range of keys

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


@cache
def _database() -> duckdb.DuckDBPyConnection:
    import duckdb

    return duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",  # a store without a network stays one
            "autoload_known_extensions": "false",
            "temp_directory": str(Path(tempfile.gettempdir()) / "fti-duckdb"),
        }
    )


def sql(query: str, **tables: pa.Table) -> pa.Table:
    """Run a DuckDB query in which each keyword names an Arrow table; give the Arrow result."""
    with _database().cursor() as cursor:
        for name, table in tables.items():
            cursor.register(name, table)
        return cursor.sql(query).to_arrow_table()


def execute(statement: str, **tables: pa.Table) -> None:
    """Run a DuckDB statement that gives no rows, such as COPY."""
    with _database().cursor() as cursor:
        for name, table in tables.items():
            cursor.register(name, table)
        cursor.execute(statement)


def quoted(name: str) -> str:
    """Give a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: Any) -> str:
    """Give a string as an SQL literal."""
    return "'" + str(value).replace("'", "''") + "'"


def scan(files: Sequence[Path], schema: pa.Schema) -> str:
    """Give the SQL that reads these Parquet files as one table of this schema."""
    if not files:
        raise ValueError("scan() needs at least one file")
    names = ", ".join(literal(file) for file in files)
    # Files from before a column was appended lack it; by name it reads as null.
    columns = ", ".join(quoted(name) for name in schema.names)
    return f"(SELECT {columns} FROM read_parquet([{names}], union_by_name = true))"


class OfflineTable:
    """One feature group's rows in the folder `path`, unique by `key`.

    `pinned` tells which versions must stay readable for ever (training datasets made of them).
    """

    def __init__(
        self, path: Path, key: Sequence[str], pinned: Callable[[], Iterable[int]] = lambda: ()
    ):
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
        return pc.sum(_actions(self._open())["num_records"]).as_py() or 0

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
            touched = self._files_with_keys_of(rows, table)
            if not touched:
                return self._write(table, rows, "append", transaction)
            return self._rewrite(table, touched, rows, rows, transaction)

    def delete(self, keys: pa.Table) -> Commit | None:
        """Remove the rows that have these keys; None when there are none."""
        with self._lock():
            table = self._latest()
            touched = self._files_with_keys_of(keys, table)
            if not touched:
                return None
            return self._rewrite(table, touched, keys, pa.table({}), None)

    def overwrite(self, rows: pa.Table, transaction: Transaction | None = None) -> Commit | None:
        """Replace all rows in one commit."""
        with self._lock():
            table = self._latest()
            if _landed(table, transaction):
                return None
            return self._write(table, rows, "overwrite", transaction, deleted=self.count())

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
        """Remove the table and its files."""
        with self._lock():
            shutil.rmtree(self.path, ignore_errors=True)

    # --- inside ----------------------------------------------------------------------------

    def _lock(self) -> FileLock:
        from filelock import FileLock

        self.path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self.path.with_name(self.path.name + ".lock"), timeout=LOCK_TIMEOUT)

    def _open(self, version: int | None = None) -> DeltaTable:
        from deltalake import DeltaTable

        return DeltaTable(str(self.path), version=version)

    def _latest(self) -> DeltaTable | None:
        return self._open() if self.exists() else None

    def _write(
        self,
        table: DeltaTable | None,
        rows: pa.Table,
        mode: str,
        transaction: Transaction | None,
        deleted: int = 0,
    ) -> Commit:
        from deltalake import write_deltalake

        counts = {"inserted": len(rows), "updated": 0, "deleted": deleted}
        write_deltalake(
            table or str(self.path),
            rows,
            mode=mode,
            configuration=None if table else CONFIGURATION,
            target_file_size=FILE_SIZE,
            commit_properties=_properties(counts, transaction),
        )
        return self._committed(table or self._open(), counts)

    def _files_with_keys_of(self, rows: pa.Table, table: DeltaTable | None) -> list[dict[str, Any]]:
        """Find the data files (as their log entries) that hold a row with one of these keys."""
        if table is None or not len(rows):
            return []
        bounds = {name: pc.min_max(rows[name]).as_py() for name in self.key}
        bounds = {name: (edge["min"], edge["max"]) for name, edge in bounds.items()}
        candidates = _within(_actions(table), bounds).to_pylist()
        if not candidates:
            return []
        paths = ", ".join(literal(self.path / file["path"]) for file in candidates)
        found = sql(
            f"SELECT filename, count(*) AS rows FROM read_parquet([{paths}], filename = true) "
            f"SEMI JOIN batch USING ({_columns(self.key)}) GROUP BY filename",
            batch=rows.select(self.key),
        ).to_pylist()
        hits = {Path(row["filename"]).name: row["rows"] for row in found}
        names = [Path(file["path"]).name for file in candidates]
        return [
            {**file, "hits": hits[name]}
            for file, name in zip(candidates, names, strict=True)
            if name in hits
        ]

    def _rewrite(
        self,
        table: DeltaTable,
        touched: list[dict[str, Any]],
        leaving: pa.Table,
        arriving: pa.Table,
        transaction: Transaction | None,
    ) -> Commit:
        """Replace files: rows with a key in `leaving` go, rows `arriving` come, in one commit.

        A row that replaces another stays in its file, so that files keep narrow key ranges.
        """
        schema = pa.schema(table.schema().to_arrow())
        key, leaving = _columns(self.key), leaving.select(self.key)
        actions: list[AddAction | RemoveAction] = []
        unplaced = arriving
        for file in touched:
            old = scan([self.path / file["path"]], schema)
            rows = f"SELECT * FROM {old} ANTI JOIN leaving USING ({key})"
            if len(unplaced):
                rows += f" UNION ALL BY NAME SELECT * FROM arriving SEMI JOIN {old} USING ({key})"
            actions += [_remove(file), *self._copy(rows, leaving=leaving, arriving=unplaced)]
            if len(unplaced):
                rest = f"SELECT * FROM arriving ANTI JOIN {old} USING ({key})"
                unplaced = sql(rest, arriving=unplaced)
        if len(unplaced):
            actions += self._copy("SELECT * FROM arriving", arriving=unplaced)
        counts = {
            "inserted": len(unplaced),
            "updated": len(arriving) - len(unplaced),
            "deleted": 0 if len(arriving) else sum(file["hits"] for file in touched),
        }
        table.create_write_transaction(
            actions, "append", schema, commit_properties=_properties(counts, transaction)
        )
        return self._committed(table, counts)

    def _copy(self, query: str, **tables: pa.Table) -> list[AddAction]:
        """Write the rows of a query to a new data file; give its log entry, if it has rows."""
        file = self.path / f"part-{uuid.uuid4()}.parquet"
        tables = {name: table for name, table in tables.items() if table.num_columns}
        execute(f"COPY ({query}) TO {literal(file)} (FORMAT parquet, COMPRESSION snappy)", **tables)
        add = _add(file)
        if add is None:
            file.unlink()
        return [add] if add else []

    def _committed(self, table: DeltaTable, counts: dict[str, int]) -> Commit:
        table.update_incremental()
        commit = Commit(table.version(), table.history(1)[0]["timestamp"], **counts)
        small = pc.sum(pc.less(_actions(table)["size_bytes"], FILE_SIZE // 2)).as_py() or 0
        if small >= SMALL_FILES:
            self._compact(table, KEEP_REPLACED_FILES)
        return commit

    def _compact(self, table: DeltaTable, keep_hours: int) -> None:
        table.optimize.compact(target_size=FILE_SIZE // 2)
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


def _properties(counts: dict[str, int], transaction: Transaction | None) -> CommitProperties:
    from deltalake import CommitProperties
    from deltalake.transaction import Transaction as DeltaTransaction

    transactions = None
    if transaction:
        transactions = [DeltaTransaction(transaction.app_id, transaction.version)]
    return CommitProperties(custom_metadata={"rows": counts}, app_transactions=transactions)


def _commit(entry: dict[str, Any]) -> Commit | None:
    """Give a log entry as a change of rows, ours or another Delta writer's; None if it is none."""
    if entry["operation"] not in {"WRITE", "MERGE", "DELETE", "CREATE TABLE"}:
        return None
    counts = entry.get("rows")
    if counts is None:
        metrics = entry.get("operationMetrics", {})
        counts = {
            "inserted": metrics.get("num_target_rows_inserted", metrics.get("num_added_rows", 0)),
            "updated": metrics.get("num_target_rows_updated", 0),
            "deleted": metrics.get("num_target_rows_deleted", metrics.get("num_deleted_rows", 0)),
        }
    return Commit(entry["version"], entry["timestamp"], **{k: int(v) for k, v in counts.items()})


def _actions(table: DeltaTable) -> pa.Table:
    """Give a row per live data file: path, size_bytes, num_records, min.<name>, max.<name>."""
    return pa.table(table.get_add_actions(flatten=True))


def _within(actions: pa.Table, bounds: dict[str, tuple[Any, Any]]) -> pa.Table:
    """Keep the files whose statistics allow a row within the bounds."""
    for name, (low, high) in bounds.items():
        for column, limit, compare in (
            ("max", low, pc.greater_equal),
            ("min", high, pc.less_equal),
        ):
            if limit is not None and f"{column}.{name}" in actions.column_names:
                edge = actions[f"{column}.{name}"]
                possible = compare(edge, pa.scalar(limit).cast(edge.type))
                actions = actions.filter(pc.fill_null(possible, True))
    return actions


def _remove(file: dict[str, Any]) -> RemoveAction:
    from deltalake.transaction import RemoveAction

    return RemoveAction(file["path"], True, _now(), file["size_bytes"], {})


def _add(file: Path) -> AddAction | None:
    """Describe a Parquet file for the Delta log; None for a file without rows."""
    import pyarrow.parquet as pq
    from deltalake.transaction import AddAction

    metadata = pq.read_metadata(file)
    if not metadata.num_rows:
        return None
    statistics = json.dumps(_statistics(metadata), allow_nan=False)
    return AddAction(file.name, file.stat().st_size, {}, _now(), True, statistics)


def _statistics(metadata: Any) -> dict[str, Any]:
    """Give the Delta statistics (rows, smallest and largest value by column) of a Parquet file."""
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    skipped: set[str] = set()
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            name, found = column.path_in_schema, column.statistics
            if found is not None and found.null_count == column.num_values:
                continue  # only nulls: this row group says nothing of the range
            if found is None or not found.has_min_max or not _plain(found.min, found.max):
                skipped.add(name)
                continue
            low[name] = min(low.get(name, found.min), found.min)
            high[name] = max(high.get(name, found.max), found.max)
    return {
        "numRecords": metadata.num_rows,
        "minValues": {name: _json(value) for name, value in low.items() if name not in skipped},
        "maxValues": {name: _json(value) for name, value in high.items() if name not in skipped},
        "nullCount": {},
    }


def _plain(*values: Any) -> bool:
    from datetime import date

    return all(
        (isinstance(v, str) and len(v) < STATISTICS_TEXT)
        or (isinstance(v, (int, float, date)) and not isinstance(v, bool) and v == v)
        for v in values
    )


def _json(value: Any) -> Any:
    return value if isinstance(value, (int, float, str)) else value.isoformat()


def _now() -> int:
    return time.time_ns() // 1_000_000
