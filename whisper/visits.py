"""What the visitors of an app have on this machine: nothing once they have left.

    visit = visits.of(session)       a folder of the visitor's own, and files to be deleted with it
    visits.end(session)

A visit ends when the page is closed, and in any case some time after the visitor did something.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

HOUR = 3600.0  # seconds


class Visit:
    """What one visitor has: `folder`, a `live` microphone, and whether their work is to stop."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.live: Any = None
        self.seen = time.monotonic()
        self.stop = threading.Event()
        self._adopted: dict[Path, str] = {}

    def adopt(self, path: str | Path, kind: str = "") -> Path:
        """Delete a file that an upload left elsewhere when this visit ends, or `drop` says so."""
        self._adopted[Path(path)] = kind
        return Path(path)

    def drop(self, kind: str | None = None) -> None:
        """Delete the files that were adopted, all or those of a kind."""
        for path in [one for one, its in list(self._adopted.items()) if kind in (None, its)]:
            self._adopted.pop(path, None)
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                path.parent.rmdir()  # where it was alone in its folder

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a folder for one piece of work, gone with it."""
        with tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def end(self) -> None:
        """Stop what is done for this visitor, and delete all of theirs."""
        self.stop.set()
        self.live = None
        self.drop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Visits:
    """All visits of an app."""

    def __init__(self, longest: float = HOUR):
        """Begin; `longest` is how many seconds a visitor may do nothing."""
        self._longest, self._lock = longest, threading.Lock()
        self._visits: dict[str, Visit] = {}

    @cached_property
    def root(self) -> Path:
        """Where the folders of all visitors are; it goes with the app."""
        made = Path(tempfile.mkdtemp(prefix="visits-"))
        weakref.finalize(self, shutil.rmtree, made, ignore_errors=True)
        return made

    def of(self, session: str) -> Visit:
        """Give the visit of a session, which may begin here."""
        now = time.monotonic()
        with self._lock:
            late = [key for key, one in self._visits.items() if now - one.seen > self._longest]
            gone = [self._visits.pop(key) for key in late]
            if session not in self._visits:
                self._visits[session] = self._new()
            visit = self._visits[session]
            visit.seen = now
        for one in gone:
            one.end()
        return visit

    def end(self, session: str) -> None:
        """End a visit, if there is one."""
        with self._lock:
            visit = self._visits.pop(session, None)
        if visit is not None:
            visit.end()

    @contextlib.contextmanager
    def passing(self) -> Iterator[Visit]:
        """Give the visit of somebody who asks once."""
        visit = self._new()
        try:
            yield visit
        finally:
            visit.end()

    def _new(self) -> Visit:
        return Visit(Path(tempfile.mkdtemp(dir=self.root)))
