"""Write down new recordings, score the registered model once a week, and publish both.

Reads the model `whisper`, recordings (a folder, a list of addresses or a podcast's feed) and the
shards' test split; writes the feature groups `whisper_transcripts` and `whisper_evaluations` and
the files `transcripts.parquet`, `transcripts.json` and `report.html`. Run it with
`python -m whisper.batch_inference_pipeline --recordings FOLDER`.

A recording that cannot be fetched or read is counted with its reason, and is tried again by the
next run. Transcripts are stored as they come, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date as Date
from functools import partial
from typing import Annotated, Any, Literal

import pandas as pd
import typer

import fti
from fti import console, quality, raw, rows
from whisper import registry, report, summary, transcribing, weekly
from whisper.recordings import Waiting, find
from whisper.registry import Fetched
from whisper.scoring import TRANSCRIBE, TRANSLATE
from whisper.transcribing import DESCRIPTION, EVENT_TIME, GROUP, KEY, VERSION, Job, Outcome
from whisper.web import PUBLIC, Guard
from whisper.weekly import When

log = logging.getLogger(__name__)

SETTING = "WHISPER_RECORDINGS"
STORED_AT_ONCE = 8  # recordings

Mapper = Callable[[Callable[[Job], Outcome], Iterable[Job]], Iterable[Outcome]]
RecordingsOption = Annotated[
    str | None,
    typer.Option(
        "--recordings",
        metavar="FOLDER|LIST.txt|FEED",
        show_default=f"{SETTING}, otherwise none",
        help="What to write down: files in a folder, addresses in a list, a podcast's feed.",
    ),
]
EvaluateOption = Annotated[
    When, typer.Option(help="`due`: the model was not scored on these test clips for a week.")
]


def main(
    recordings: RecordingsOption = None,
    date: console.DateOption = None,
    language: Annotated[
        str | None, typer.Option(help="Of all recordings (as sv); otherwise their own, or heard.")
    ] = None,
    task: Annotated[
        Literal["transcribe", "translate"], typer.Option(help="What to write: `translate` English.")
    ] = TRANSCRIBE,
    again: Annotated[
        bool, typer.Option("--again", help="Also what an older model version wrote down.")
    ] = False,
    evaluate: EvaluateOption = When.due,
) -> None:
    """Write down recordings that have no transcript; say whether the model is as good as it was."""
    write_down(recordings, date, language, task, again=again, evaluate=evaluate)


def write_down(
    where: str | None = None,
    date: Date | str | None = None,
    language: str | None = None,
    task: str = TRANSCRIBE,
    *,
    again: bool = False,
    evaluate: When = When.due,
    mapper: Mapper = map,
    guard: Guard = PUBLIC,
) -> None:
    """Do what `main` does, with recordings handed out by `mapper`, as `modal_function.map`."""
    date, where = console.day(date), where or os.environ.get(SETTING)
    project = fti.login()
    with fti.run(project, "whisper", "batch_inference", date) as run:
        model, store = registry.fetch(project), project.get_feature_store()
        run.source = raw.shown(where or "")
        found = waiting(where, task, guard)
        known = rows.stored(store, GROUP, VERSION)
        new = transcribing.pending(found, known, model.version if again else None)
        jobs = [
            Job(recording=one, model=str(model.folder), language=language or "", task=task)
            for one in new
        ]
        outcomes = mapper(partial(transcribing.transcribe, guard=guard), jobs)
        failed = store_all(store, jobs, outcomes, model.version, date)

        evaluations = weekly.evaluate(project, model, date, evaluate)
        drops = weekly.drops(evaluations, model.scores)
        transcripts = summary.newest(rows.stored(store, GROUP, VERSION))
        told = summary.summarize(transcripts, evaluations, drops, failed, model, date)
        files = {
            "transcripts.parquet": transcripts,
            "transcripts.json": told,
            "report.html": report.render(told),
        }
        made = len(jobs) - len(failed)
        run.rows_in, run.rows_out = len(found), made
        run.model_version, run.published = model.version, len(files)
        run.message, run.details = " ".join(drops), {"failed": failed}
        fti.publish(project, "whisper", files)
    say(model, made, failed, drops)


def waiting(where: str | None, task: str, guard: Guard) -> list[Waiting]:
    """Give the recordings there are; a translation is another one than the transcript."""
    found = find(where, guard) if where else []
    if task == TRANSLATE:
        found = [replace(one, recording_id=f"{one.recording_id}-en") for one in found]
    return found


def store_all(
    store: Any, jobs: Sequence[Job], outcomes: Iterable[Outcome], version: int, date: Date
) -> list[dict[str, str]]:
    """Store transcripts some at a time, as they come; give title and reason of what failed."""
    titles = {job.recording.recording_id: job.recording.title for job in jobs}
    failed, held = [], []
    for outcome in console.progress(outcomes, len(jobs), "listening" if jobs else None):
        if outcome.problem:
            failed.append({"title": titles[outcome.recording_id], "reason": outcome.problem})
            log.warning("%s", outcome.problem)
            continue
        held.append(outcome)
        if len(held) == STORED_AT_ONCE:
            insert(store, transcribing.table(jobs, held, version, date))
            held = []
    if held:
        insert(store, transcribing.table(jobs, held, version, date))
    return failed


def insert(store: Any, made: pd.DataFrame) -> None:
    """Check rows and store them."""
    group = store.get_or_create_feature_group(
        GROUP,
        version=VERSION,
        primary_key=list(KEY),
        event_time=EVENT_TIME,
        description=DESCRIPTION,
    )
    group.insert(quality.check(made, transcribing.schema(), "whisper transcripts"), wait=True)


def say(model: Fetched, made: int, failed: Sequence[Any], drops: Sequence[str]) -> None:
    """Print the result, and what fell."""
    lacking = f", {len(failed):,} could not be read" if failed else ""
    console.say(f"{made:,} recordings written down by model version {model.version}{lacking}")
    for sentence in drops:
        console.say(sentence)


if __name__ == "__main__":
    console.run(main)
