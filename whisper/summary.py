"""What is published of transcripts and weekly scores: a table, numbers, and what a page shows.

`transcripts.parquet` has every transcript, each recording by the newest model version that wrote it
down; `transcripts.json` the newest of them with their words and times, within a size that pages
can hold, beside the scores; `report.html` shows that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date as Date
from typing import Any

import pandas as pd

from whisper.registry import Fetched
from whisper.transcribing import EVENT_TIME, schema

MOST_LETTERS = 5_000_000  # of text and times in transcripts.json; the others are in the table
KNOWN = (
    "recording_id", "title", "place", "published", "language", "task", "text", "seconds",
    "compute_seconds", "truncated", "model_version",
)  # fmt: skip


def newest(known: pd.DataFrame) -> pd.DataFrame:
    """Give each recording once, by its newest model version; the newest recordings first."""
    if known.empty:
        return pd.DataFrame(columns=list(schema().columns))
    table = known[list(schema().columns)]
    moments = pd.to_datetime(table[EVENT_TIME], utc=True).dt.as_unit("us")
    table = table.assign(**{EVENT_TIME: moments})
    last = table.sort_values(["model_version", EVENT_TIME]).drop_duplicates(
        "recording_id", keep="last"
    )
    when = last["published"].where(last["published"] != "", last[EVENT_TIME].map(str))
    order = last.assign(when=when).sort_values(["when", "recording_id"], ascending=[False, True])
    return order.drop(columns="when").reset_index(drop=True)


def summarize(
    transcripts: pd.DataFrame,
    evaluations: pd.DataFrame,
    drops: Sequence[str],
    failed: Sequence[Mapping[str, str]],
    model: Fetched,
    date: Date,
) -> dict[str, Any]:
    """Give what transcripts.json holds.

    In: what `newest` and `weekly.evaluate` gave; the sentences of `weekly.drops`; title and
    reason of the recordings that could not be written down.
    """
    listed = _listed(transcripts)
    seconds, compute = (float(transcripts[name].sum()) for name in ("seconds", "compute_seconds"))
    return {
        "run_date": date.isoformat(),
        "model": {
            "version": model.version,
            "languages": list(model.record.get("languages", [])),
            "error_rate": model.scores.get("error_rate"),
        },
        "recordings": len(transcripts),
        "hours": seconds / 3600,
        "times_faster": seconds / compute if compute else None,
        "error_rates": _by_language(transcripts),
        "drops": list(drops),
        "evaluations": [_plain(row) for row in evaluations.to_dict("records")],
        "failed": list(failed),
        "not_listed": len(transcripts) - len(listed),
        "transcripts": listed,
    }


def _listed(transcripts):
    """Give as many of the newest as fit, with their segments as [start, end, text]."""
    found, letters = [], 0
    for row in transcripts.to_dict("records"):
        letters += len(row["text"]) + len(row["segments"])
        if letters > MOST_LETTERS:
            break
        segments = [[one["start"], one["end"], one["text"]] for one in json.loads(row["segments"])]
        rates = {name: row[name] for name in ("wer", "cer") if not math.isnan(row[name])}
        found.append({name: row[name] for name in KNOWN} | rates | {"segments": segments})
    return found


def _by_language(transcripts):
    """Give the mean error rate of those recordings of which it is known what they say."""
    rates = transcripts.assign(rate=transcripts["wer"].fillna(transcripts["cer"])).dropna(
        subset="rate"
    )
    return {
        language: {"recordings": len(part), "mean_error_rate": float(part["rate"].mean())}
        for language, part in rates.groupby("language")
    }


def _plain(row):
    return {
        key: value.isoformat() if isinstance(value, pd.Timestamp) else value
        for key, value in row.items()
    }
