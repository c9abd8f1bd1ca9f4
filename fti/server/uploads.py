"""Uploads in progress: files whose chunks arrive in any order, several at a time."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from fti.embedded.files import TEMPORARY, remove


class Uploads:
    """Files of which some chunks have arrived; each appears under its name when it is whole."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrived: dict[Path, set[int]] = {}

    def put(self, target: Path, number: int, total: int, offset: int, content: bytes) -> None:
        """Keep chunk `number` of `total` (from 1), which begins at a byte of the file."""
        with self._lock:
            partial = self._partial(target)
            target.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("r+b" if partial.exists() else "w+b") as file:
                file.seek(offset)
                file.write(content)
            arrived = self._arrived.setdefault(target, set())
            arrived.add(number)
            if len(arrived) >= total:
                partial.replace(target)
                del self._arrived[target]

    def forget(self, target: Path) -> None:
        """Drop the chunks of an upload that was cut short."""
        with self._lock:
            self._arrived.pop(target, None)
            remove(self._partial(target))

    @staticmethod
    def _partial(target: Path) -> Path:
        name = hashlib.sha256(target.name.encode()).hexdigest()[:32]
        return target.parent / f"{TEMPORARY}{name}"
