"""How training goes, while it does: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import logging
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from transformers import TrainerCallback

log = logging.getLogger(__name__)

LINE_EVERY = 30.0  # seconds


class Pace:
    """Steps a second, and hours of windows an hour, since training began or went on."""

    def __init__(self) -> None:
        self.windows = 0.0  # seconds of audio, with the silence that fills windows
        self.start(0)

    def start(self, step: int) -> None:
        """Begin to count time, at that step."""
        self._first, self._began, self._paused = step, time.monotonic(), 0.0

    def pause(self, seconds: float) -> None:
        """Take time that something else than training took out of the pace."""
        self._paused += seconds

    @property
    def in_all(self) -> float:
        """The seconds since it began, pauses included."""
        return time.monotonic() - self._began

    def said(self, step: int) -> str:
        """Give the pace in words."""
        seconds = max(self.in_all - self._paused, 1e-9)
        return f"{(step - self._first) / seconds:.2f} steps/s, {self.windows / seconds:,.0f} h/h"


class ShownProgress(TrainerCallback):
    """Shows steps, loss, error rate and pace on stderr, in one process of several."""

    def __init__(self, pace: Pace, title: str):
        self._pace, self._title = pace, title
        self._bar: Progress | None = None
        self._last_line = time.monotonic()
        self._known: dict[str, str] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Put up the bar, where there is a terminal."""
        if not state.is_world_process_zero:
            return
        screen = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} {task.fields[said]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._bar = Progress(
            *columns, console=screen, transient=True, disable=not screen.is_terminal
        )
        self._bar.add_task(self._title, total=state.max_steps, completed=state.global_step, said="")
        self._bar.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Move on."""
        if self._bar is None:
            return
        said = self._said(state.global_step)
        self._bar.update(self._bar.task_ids[0], completed=state.global_step, said=said)
        if self._bar.disable and time.monotonic() - self._last_line >= LINE_EVERY:
            self._last_line = time.monotonic()
            log.info("step %s of %s, %s", state.global_step, state.max_steps, said)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Remember the newest loss and error rate."""
        for key, name in (("loss", "loss"), ("eval_error_rate", "error rate")):
            if key in (logs or {}):
                self._known[name] = f"{name} {logs[key]:.3f}"
        if "eval_error_rate" in (logs or {}) and self._bar is not None and self._bar.disable:
            log.info("step %s, %s", state.global_step, self._said(state.global_step))

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take the bar away."""
        self.close()

    def close(self) -> None:
        """Take the bar away, also after an error."""
        if self._bar is not None:
            self._bar.stop()

    def _said(self, step: int) -> str:
        return ", ".join((*self._known.values(), self._pace.said(step)))
