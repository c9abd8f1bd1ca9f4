"""What exists in an embedded project: feature groups, feature views, training datasets, models.

One SQLite file in WAL mode (https://www.sqlite.org/wal.html): readers never wait, and a writer
that dies leaves the last transaction. Rows of feature groups are not here but in Delta tables.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

BUSY_TIMEOUT = 60  # seconds to wait for another process's write
NEWEST_LAYOUT = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    created TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (kind, name, version)
)
"""


@dataclass
class Entry:
    """One thing the project knows by kind, name and version; `document` is its JSON metadata."""

    id: int
    kind: str
    name: str
    version: int
    created: str  # ISO 8601, UTC
    document: dict[str, Any] = field(default_factory=dict)


class AlreadyExists(Exception):
    """There is an entry of this kind, name and version."""


class Catalog:
    """The entries of one project, in the SQLite file `path`."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite does not wait when two processes turn a new file into WAL mode at once.
        with FileLock(f"{path}.lock", timeout=BUSY_TIMEOUT), self._transaction() as connection:
            layout = connection.execute("PRAGMA user_version").fetchone()[0]
            if layout > NEWEST_LAYOUT:
                raise RuntimeError(
                    f"{path} was written by a newer version of this program (layout {layout}, "
                    f"this one reads {NEWEST_LAYOUT}): update the program"
                )
            connection.execute(SCHEMA)
            connection.execute(f"PRAGMA user_version = {NEWEST_LAYOUT}")

    def add(self, kind: str, name: str, version: int | None, document: dict[str, Any]) -> Entry:
        """Store an entry; without a version it gets the highest one + 1.

        Raises AlreadyExists when that version is taken.
        """
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._transaction() as connection:
            if version is None:
                version = self._next_version(connection, kind, name)
            try:
                row = connection.execute(
                    "INSERT INTO entries (kind, name, version, created, document) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (kind, name, version, created, json.dumps(document)),
                )
            except sqlite3.IntegrityError as error:
                raise AlreadyExists(f"{kind} {name} version {version} exists already") from error
            return Entry(row.lastrowid or 0, kind, name, version, created, document)

    def get(self, kind: str, name: str, version: int) -> Entry | None:
        """Give one entry, or None."""
        found = self.find(kind, name, version)
        return found[0] if found else None

    def find(self, kind: str, name: str | None = None, version: int | None = None) -> list[Entry]:
        """Give the entries of a kind by name and version, oldest version first."""
        query, values = "SELECT * FROM entries WHERE kind = ?", [kind]
        for column, value in (("name", name), ("version", version)):
            if value is not None:
                query += f" AND {column} = ?"
                values.append(value)
        with self._reading() as connection:
            rows = connection.execute(query + " ORDER BY name, version", values).fetchall()
        return [Entry(*row[:5], json.loads(row[5])) for row in rows]

    def update(self, entry: Entry, change: Callable[[dict[str, Any]], Any]) -> None:
        """Change an entry's document as it is stored now, so that no other change is lost.

        Raises LookupError when the entry was removed meanwhile.
        """
        with self._transaction() as connection:
            query = "SELECT document FROM entries WHERE id = ?"
            row = connection.execute(query, (entry.id,)).fetchone()
            if row is None:
                raise LookupError(f"{entry.kind} {entry.name} version {entry.version} was deleted")
            document = json.loads(row[0])
            change(document)
            query = "UPDATE entries SET document = ? WHERE id = ?"
            connection.execute(query, (json.dumps(document), entry.id))
        entry.document.clear()
        entry.document.update(document)

    def remove(self, entry: Entry) -> None:
        """Forget an entry."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM entries WHERE id = ?", (entry.id,))

    @staticmethod
    def _next_version(connection: sqlite3.Connection, kind: str, name: str) -> int:
        query = "SELECT coalesce(max(version), 0) + 1 FROM entries WHERE kind = ? AND name = ?"
        return connection.execute(query, (kind, name)).fetchone()[0]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with closing(self._connect()) as connection:
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        return connection
