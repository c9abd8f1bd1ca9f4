"""What a server can be made to do wrong, to see what pipelines make of it."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The ways to go wrong."""

    drop = "close the connection without doing the work or answering"
    cut = "close the connection in the middle of the request's body"
    unavailable = "answer 503 without doing the work"
    late = "do the work, then answer 504"
    stall = "never answer"


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose method and path match.

    Requests of the query service have the method FLIGHT and the path /do_get, for example.
    """

    kind: Kind
    method: str
    path: str
    times: int = 1


class Faults:
    """The faults that are still to happen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[Fault] = []

    def add(self, kind: Kind, method: str, path: str, times: int = 1) -> None:
        """Let the next requests that match go wrong; method and path are regular expressions."""
        with self._lock:
            self._pending.append(Fault(kind, method, path, times))

    def next(self, method: str, path: str) -> Kind | None:
        """Give what goes wrong with a request, None when nothing does."""
        with self._lock:
            for fault in self._pending:
                if re.fullmatch(fault.method, method) and re.search(fault.path, path):
                    fault.times -= 1
                    if not fault.times:
                        self._pending.remove(fault)
                    return fault.kind
        return None

    @property
    def left(self) -> int:
        """How many requests have still to go wrong."""
        with self._lock:
            return sum(fault.times for fault in self._pending)
