"""Is the model as good as it was: scored again each week on the test split, as it is served.

    new = weekly.evaluate(project, model, date, When.due)    rows of `whisper_evaluations`
    weekly.drops(all rows, model.scores)                     a sentence for each language that fell

What is scored is the whole way from audio to text that apps go, in int8 on a CPU, so a drop may
come from the model, from a library below it, or from the clips; the sentence says which changed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from datetime import date as Date
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import pandas as pd

from fti import quality, rows, training
from fti.errors import SourceError
from whisper import audio, scoring, shards, storage
from whisper.clips import TEST, Clip
from whisper.registry import Fetched

log = logging.getLogger(__name__)

GROUP, VERSION = "whisper_evaluations", 1
KEY, EVENT_TIME = ("model_version", "language"), "evaluated_at"
DESCRIPTION = "Error rates of the registered model on the test split, as it is served, week by week"
ALL = "all"  # languages together
EVERY = timedelta(days=7)
MEASURES = {"wer": "words", "cer": "characters", "": "words or characters"}
CLIPS, SILENT = 500, 20  # at most: of the test split, and of silence and noise


class When(StrEnum):
    """When to score the model."""

    due = "due"
    always = "always"
    never = "never"


def evaluate(
    project: Any, model: Fetched, date: Date, when: When = When.due, limit: int = CLIPS
) -> pd.DataFrame:
    """Score the registered model on the test split, if that is due, and store the rows.

    Due is what was not scored within a week: this version, on these clips. At most `limit` clips
    are heard, the same ones each time. Out: all rows stored up to the date.
    """
    store = project.get_feature_store()
    known = stored(store, date)
    if when == When.never:
        return known
    folder = storage.folder(project)
    try:
        storage.fetch(project, folder)
    except SourceError as error:
        log.warning("The model is not scored: %s", error)
        return known
    clips = shards.table(folder, pd.Timestamp(date, tz="UTC"), split=TEST)
    if clips.empty:
        log.warning("The model is not scored: the shards have no test split.")
        return known
    data = training.fingerprint(clips[["clip_id", "sha1"]])[:16]
    if when == When.due and not is_due(known, model.version, data, date):
        return known
    new = scored(model, folder, data, date, limit)
    group = store.get_or_create_feature_group(
        GROUP,
        version=VERSION,
        primary_key=list(KEY),
        event_time=EVENT_TIME,
        description=DESCRIPTION,
    )
    group.insert(quality.check(new, schema(), "whisper evaluations"), wait=True)
    return stored(store, date)


def stored(store: Any, date: Date) -> pd.DataFrame:
    """Give the rows up to the end of a day, in the order of time."""
    found = rows.stored(store, GROUP, VERSION, end_time=date + timedelta(days=1))
    if found.empty:
        return pd.DataFrame(columns=list(schema().columns))
    times = pd.to_datetime(found[EVENT_TIME], utc=True).dt.as_unit("us")
    found = found.assign(**{EVENT_TIME: times})[list(schema().columns)]
    return found.sort_values([EVENT_TIME, *KEY]).reset_index(drop=True)


def is_due(known: pd.DataFrame, version: int, data: str, date: Date) -> bool:
    """Tell whether this version was not scored on these clips within the last week."""
    same = known[(known["model_version"] == version) & (known["data"] == data)]
    since = pd.Timestamp(date, tz="UTC") - EVERY
    return same.empty or same[EVENT_TIME].max() <= since


def scored(model: Fetched, folder: Path, data: str, date: Date, limit: int) -> pd.DataFrame:
    """Give the rows of one evaluation: one for all languages, and one for each."""
    from whisper.transcriber import Transcriber

    listener = Transcriber(model.folder)

    def hear(clips: Iterable[Clip], task: str, window: str) -> list[str]:
        return [
            listener.transcribe(audio.samples(clip.audio), language=clip.language, task=task)
            .transcript()
            .text
            for clip in clips
        ]

    began = time.perf_counter()
    heard = scoring.collect(
        hear, folder, TEST, limit=limit, silent=SILENT, title="scoring the registered model"
    )
    seconds = time.perf_counter() - began
    parts = {ALL: heard} | dict(iter(heard.groupby("language")))
    made = [_row(name, scoring.score(part)) for name, part in parts.items()]
    moment = pd.Series(pd.Timestamp(date, tz="UTC"), range(len(made)), "datetime64[us, UTC]")
    table = pd.DataFrame(made).assign(
        model_version=model.version, evaluated_at=moment, seconds=seconds, data=data
    )
    return table[list(schema().columns)]


def drops(known: pd.DataFrame, registered: Mapping[str, Any]) -> list[str]:
    """Say of which languages the newest scores fell, beyond the interval of those before.

    What was before is the evaluation before; for the first one, the scores of the registration.
    """
    said = []
    for language, part in known.groupby("language"):
        now = part.iloc[-1]
        if len(part) > 1:
            before, of = part.iloc[-2], _before(now, part.iloc[-2])
        elif language == ALL and "error_rate_high" in registered:
            before, of = registered, "when it was registered"
        else:
            continue
        fell = now["error_rate"] > before["error_rate_high"]
        if fell and now["error_rate_low"] > before["error_rate"]:
            said.append(
                f"{language}: of {now['clips']} clips, {now['error_rate']:.1%} of the "
                f"{MEASURES[now['measure']]} are wrong; {of} it was {before['error_rate']:.1%} "
                f"({before['error_rate_low']:.1%} to {before['error_rate_high']:.1%})."
            )
    return said


def schema():
    """Give the pandera schema of the feature group."""
    from pandera.pandas import Check, Column, DataFrameSchema

    rate = Column("float64", Check.ge(0))
    return DataFrameSchema(
        {
            "model_version": Column("int64", Check.ge(1)),
            "language": Column(str, Check.str_length(min_value=2)),
            "evaluated_at": Column("datetime64[us, UTC]"),  # midnight of the run's date
            "measure": Column(str, Check.isin(MEASURES)),
            "error_rate": rate,
            "error_rate_low": rate,
            "error_rate_high": rate,
            "clips": Column("int64", Check.ge(1)),
            "hours": rate,
            "heard_in_silence": Column("float64", Check.in_range(0, 1), nullable=True),
            "seconds": rate,  # that all of it took
            "data": Column(str),  # which clips there were
        },
        unique=[*KEY, EVENT_TIME],
        strict=True,
        ordered=True,
        name=GROUP,
    )


def _row(language, found):
    names = ("error_rate", "error_rate_low", "error_rate_high", "hours")
    measured = [name for name in ("wer", "cer") if name in found]
    return {
        "language": language,
        "measure": measured[0] if len(measured) == 1 else "",
        **{name: float(found[name]) for name in names},
        "clips": int(found["clips"]),
        "heard_in_silence": float(found.get("heard_in_silence", float("nan"))),
    }


def _before(now, before):
    """Say when that was, and what was different then."""
    changed = []
    if now["model_version"] != before["model_version"]:
        changed.append(f"version {before['model_version']}")
    if now["data"] != before["data"]:
        changed.append("other clips")
    return f"on {before[EVENT_TIME]:%Y-%m-%d}" + (f" ({', '.join(changed)})" if changed else "")
