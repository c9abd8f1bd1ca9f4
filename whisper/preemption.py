"""A machine that is wanted back says so (SIGTERM, or SIGINT on Modal): time to write a checkpoint.

with preemption.Notice() as notice:
    while not notice.given: ...             a step
    with notice.at_once(): ...              what may be left in the middle, by `Interrupted`
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from fti.errors import UserError

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Preempted(UserError):
    """Training was asked to stop and has left a checkpoint from which it goes on."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: try again


class Interrupted(BaseException):
    """Notice came in the middle of what need not be finished."""


def leave_stopping_to_main(worker: int) -> None:
    """Keep a loader's worker at work when a terminal or a scheduler signals all processes.

    The main one finishes its step before it writes a checkpoint, and without the worker's batches
    it could not. Only when that one ends it, it does; or when that one is gone, as torch sees to.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # not on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with_main, daemon=True).start()


def _end_with_main() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        log.debug("asked to stop: that is the main process's to do")
    os._exit(0)


class Notice:
    """Listens for the signals, in the main thread, for as long as the `with` block lasts."""

    def __init__(self) -> None:
        self.given = False
        self._leaving = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Notice:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._heard) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let notice raise Interrupted inside the block."""
        if self.given:
            raise Interrupted
        self._leaving = True
        try:
            yield
        finally:
            self._leaving = False

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self.given and number == signal.SIGINT:
            raise KeyboardInterrupt  # Ctrl-C twice: somebody does not want to wait
        self.given = True
        log.info("asked to stop (%s): a checkpoint comes first", signal.Signals(number).name)
        if self._leaving:
            self._leaving = False
            raise Interrupted
