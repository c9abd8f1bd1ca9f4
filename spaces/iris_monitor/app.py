"""Watch the iris model at work: `PYTHONPATH=. python spaces/iris_monitor/app.py`.

Reads what batch inference published for `iris`, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
import pandas as pd

from fti import ui
from fti.monitor_app import EVERY, View, build_monitor
from iris.features import MEASUREMENTS, TASK
from iris.monitor import SHOWN
from iris.pictures import flower_svg


def picture(row: Mapping[str, Any]) -> str:
    """Draw a flower of `monitor.parquet`, in the colour of its variety once that is known."""
    variety = None if pd.isna(row["outcome"]) else row["outcome"]
    return flower_svg(*(row[name] for name in MEASUREMENTS), variety)


VIEW = View(task=TASK, shown=SHOWN, picture=picture)


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
