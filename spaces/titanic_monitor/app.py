"""Watch the survival model at work: `PYTHONPATH=. python spaces/titanic_monitor/app.py`.

Reads what batch inference published for `titanic`, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from fti import ui
from fti.monitor_app import EVERY, View, build_monitor
from titanic.features import TASK
from titanic.monitor import SHOWN
from titanic.pictures import outcome_svg, passenger_svg


def picture(row: Mapping[str, Any]) -> str:
    """Draw a passenger of `monitor.parquet`."""
    return passenger_svg(row["sex"], row["age"], row["pclass"], row["title"])


def outcome(label: int) -> str:
    """Draw what became of a passenger."""
    return outcome_svg(bool(label))


VIEW = View(task=TASK, shown=SHOWN, picture=picture, outcome=outcome)


def build(
    project: Any | None = None,
    *,
    api_prefix: str = "",
    every: float = EVERY,
    ttl: float = ui.TTL,
) -> gr.Blocks:
    """Give the app; `project` None is the one that `fti.login()` gives when first needed."""
    return build_monitor(VIEW, project, api_prefix=api_prefix, every=every, ttl=ttl)


if __name__ == "__main__":
    ui.launch(build)
