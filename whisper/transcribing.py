"""Recordings into rows of `whisper_transcripts`: one job for each, for whichever machine is free.

    made = map(transcribe, jobs)                     here, or `modal_function.map` over machines
    table = transcribing.table(jobs, made, 3, date)  rows of the feature group

A recording that cannot be fetched, read or understood is an outcome with its sentence; it does not
stop the others. Its row is made when a later run succeeds.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date as Date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fti.errors import UserError
from fti.http import MEGABYTE, without_secrets
from whisper import media, scores, web, youtube
from whisper.normalise import normalise
from whisper.recordings import Waiting
from whisper.scoring import TRANSCRIBE, TRANSLATE
from whisper.web import PUBLIC, Guard

if TYPE_CHECKING:
    from whisper.transcriber import Transcriber

GROUP, VERSION = "whisper_transcripts", 1
KEY, EVENT_TIME = ("recording_id", "model_version"), "transcribed_at"
DESCRIPTION = "What is said in recordings, with times; error rates (normalised) where it is known"
LONGEST = 3 * 3600.0  # seconds of a recording that are written down
TASKS = (TRANSCRIBE, TRANSLATE)
MOST_BYTES, FETCHING = 500 * MEGABYTE, 900.0  # of a recording on the web, and seconds for it
# Three hours are decoded in a minute or two; the model's own time is not in it.
DECODING = media.Limits(seconds=600, processor=600)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A recording and what is to be done with it: all that a machine has to know."""

    recording: Waiting
    model: str  # the folder of the model
    language: str = ""  # "" for the recording's own, or for whatever is heard
    task: str = TRANSCRIBE
    longest: float = LONGEST


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a job; with a `problem`, one sentence, nothing else counts."""

    recording_id: str
    problem: str = ""
    text: str = ""
    segments: tuple[dict[str, Any], ...] = ()  # start and end in seconds, text, marks
    language: str = ""
    seconds: float = 0.0  # of audio that was listened to
    compute_seconds: float = 0.0  # from the file at hand to its text
    truncated: bool = False


def transcribe(job: Job, guard: Guard = PUBLIC) -> Outcome:
    """Fetch a recording, if it is not at hand, and write down what is said in it.

    Raises UserError only for a model that cannot be loaded.
    """
    listener = _listener(job.model)
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = at_hand(job.recording, Path(folder), job.longest, guard)
            began = time.perf_counter()
            flac = Path(folder, "sound.flac")
            name = job.recording.title[:100]
            sound = media.sound(path, flac, longest=job.longest, name=name, limits=DECODING)
            language = job.language or job.recording.language or None
            heard = listener.transcribe(flac, language=language, task=job.task).transcript()
    except UserError as error:
        return Outcome(recording_id=job.recording.recording_id, problem=str(error))
    return Outcome(
        recording_id=job.recording.recording_id,
        text=heard.text,
        segments=tuple(asdict(segment) for segment in heard.segments),
        language=heard.language,
        seconds=heard.audio_seconds,
        compute_seconds=time.perf_counter() - began,
        truncated=sound.truncated or heard.truncated,
    )


def at_hand(
    recording: Waiting, folder: Path, longest: float = LONGEST, guard: Guard = PUBLIC
) -> Path:
    """Give the file of a recording, fetched into `folder` if it is not on this machine."""
    if recording.is_file:
        return Path(recording.place)
    if youtube.is_video(recording.place):
        return youtube.sound(recording.place, folder, longest=longest)
    path = folder / "recording"
    web.fetch(recording.place, path, max_bytes=MOST_BYTES, seconds=FETCHING, guard=guard)
    return path


def pending(found: Sequence[Waiting], known: pd.DataFrame, version: int | None) -> list[Waiting]:
    """Give the recordings that have no transcript: by a model version, or by any if it is None."""
    if known.empty:
        return list(found)
    done = known if version is None else known[known["model_version"] == version]
    written = set(done["recording_id"])
    return [one for one in found if one.recording_id not in written]


def table(
    jobs: Sequence[Job], outcomes: Sequence[Outcome], version: int, date: Date
) -> pd.DataFrame:
    """Give the rows of those outcomes that have no problem, in the order of the jobs."""
    by_id = {one.recording_id: one for one in outcomes if not one.problem}
    moment = pd.Timestamp(date, tz="UTC")
    rows = [
        _row(job, by_id[job.recording.recording_id], version, moment)
        for job in jobs
        if job.recording.recording_id in by_id
    ]
    made = pd.DataFrame(rows, columns=list(schema().columns))
    return made.astype({EVENT_TIME: "datetime64[us, UTC]", "model_version": "int64"})


def schema():
    """Give the pandera schema of the feature group."""
    from pandera.pandas import Check, Column, DataFrameSchema

    text, written = Column(str), Column(str, Check.str_length(min_value=1))
    rate = Column("float64", Check.ge(0), nullable=True)
    return DataFrameSchema(
        {
            "recording_id": written,
            "model_version": Column("int64", Check.ge(1)),
            "transcribed_at": Column("datetime64[us, UTC]"),  # midnight of the run's date
            "title": written,
            "place": written,  # file name, or address without its query
            "published": text,
            "language": text,
            "task": Column(str, Check.isin(TASKS)),
            "text": text,
            "segments": written,  # JSON
            "seconds": Column("float64", Check.ge(0)),
            "compute_seconds": Column("float64", Check.ge(0)),
            "truncated": Column(bool),
            "reference": text,
            "wer": rate,
            "cer": rate,
        },
        unique=list(KEY),
        strict=True,
        ordered=True,
        name=GROUP,
    )


def error_rates(reference: str, heard: str, language: str) -> dict[str, float]:
    """Give the error rate of a text by its language, normalised: `wer` or `cer`; the other is NaN.

    Both are NaN where nobody knows what is said.
    """
    said, found = normalise(reference, language), normalise(heard, language)
    rates = {"wer": math.nan, "cer": math.nan}
    if said:
        name = scores.measure(language)
        count = {"wer": scores.word_counts, "cer": scores.character_counts}[name]
        rates[name] = count([said], [found]).rate
    return rates


def _row(job, heard, version, moment):
    recording = job.recording
    place = Path(recording.place).name if recording.is_file else without_secrets(recording.place)
    reference = recording.reference if job.task == TRANSCRIBE else ""
    return {
        "recording_id": recording.recording_id,
        "model_version": version,
        "transcribed_at": moment,
        "title": recording.title,
        "place": place,
        "published": recording.published,
        "language": heard.language,
        "task": job.task,
        "text": heard.text,
        "segments": json.dumps(heard.segments, ensure_ascii=False),
        "seconds": float(heard.seconds),
        "compute_seconds": float(heard.compute_seconds),
        "truncated": heard.truncated,
        "reference": reference,
        **error_rates(reference, heard.text, heard.language),
    }


@cache
def _listener(folder: str) -> Transcriber:
    """Load the model of a folder, once in a process."""
    from whisper.transcriber import Transcriber

    return Transcriber(folder)
