"""How fast shards are made, while they are: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import logging
import time
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from whisper.shards import Done

log = logging.getLogger(__name__)

LINE_EVERY = 60.0  # seconds


class Pace:
    """Counts the clips of parts as they are made, and hours of audio a minute."""

    def __init__(self) -> None:
        self._done, self._began = Done(), time.monotonic()
        self._last_line = -LINE_EVERY
        screen = Console(stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bar = Progress(
            *columns, console=screen, transient=True, disable=not screen.is_terminal
        )

    def __enter__(self) -> Pace:
        self._bar.start()
        self._bar.add_task("reading the source", total=None)
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.stop()
        if self.hours:
            log.info("%s", self)

    def add(self, done: Done) -> None:
        """Count a part."""
        self._done += done
        self._bar.update(self._bar.task_ids[0], description=str(self))
        passed = time.monotonic() - self._began
        if self._bar.disable and passed - self._last_line >= LINE_EVERY:
            self._last_line = passed
            log.info("%s", self)

    @property
    def hours(self) -> float:
        """The hours of audio that were made into clips."""
        return self._done.seconds / 3600

    @property
    def hours_a_minute(self) -> float:
        """The same for each minute since it began."""
        return 60 * self.hours / max(time.monotonic() - self._began, 1e-9)

    def __str__(self) -> str:
        return (
            f"{self._done.clips:,} clips made, {self.hours:.2f} audio-hours, "
            f"{self.hours_a_minute:.2f} audio-hours a minute"
        )
