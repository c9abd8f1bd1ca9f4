"""Turn the speech of a source into shards to train on, and say what is in them.

Reads a `--source` of speech (see `whisper/sources.py`); writes shards of 16 kHz FLAC with labels
beside the feature group `whisper_clips`, which has a row for each clip. Run it with
`python -m whisper.feature_pipeline --source fleurs:sv_se --language sv`.

A run that was interrupted goes on where it stopped, and a second one of the same source writes
nothing: a clip keeps the day it was first stored as it is. On Modal, machines make the shards.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from datetime import date as Date
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

import fti
from fti import console, quality, raw, rows
from whisper import clips, labels, shards, sources, storage
from whisper.clips import TEST, TRAIN, Recording
from whisper.labels import Tokenizer
from whisper.pace import Pace
from whisper.splits import Splits

log = logging.getLogger(__name__)

GROUP, VERSION, KEY, EVENT_TIME = "whisper_clips", 1, "clip_id", "added_at"
DESCRIPTION = "Clips of speech: who says what for how long, in which split; audio is in shards"
MODEL = "openai/whisper-small"  # whose tokenizer is taken when nothing else is said
TRAINED = "train"  # what --tokenizer says for one that is made of the source's texts

TokenizerOption = Annotated[
    str | None,
    typer.Option(
        "--tokenizer",
        metavar="train|NAME|DIR",
        show_default=f"that of the shards there are, otherwise {MODEL}",
        help="Of a model on the hub or a folder; `train` makes a small one of the source's texts.",
    ),
]
ProcessesOption = Annotated[
    int | None,
    typer.Option("--processes", min=1, show_default="one a core", help="How many make shards."),
]
TestSourceOption = Annotated[
    str | None,
    typer.Option(
        "--test-source",
        metavar="PATH|NAME",
        help="What to test on, all of it; the other source then only trains and validates.",
    ),
]


def main(
    source: sources.SourceOption = None,
    date: console.DateOption = None,
    language: sources.LanguageOption = None,
    tokenizer: TokenizerOption = None,
    test_source: TestSourceOption = None,
    processes: ProcessesOption = None,
    columns: sources.ColumnsOption = None,
    validated: sources.ValidatedOption = False,
    translate: sources.TranslateOption = False,
) -> None:
    """Store the clips of a source that are new or changed, and their shards."""
    how = {"columns": columns, "validated": validated, "translate": translate}
    mapper = shards.in_processes(processes or cores())
    store(source, date, language, tokenizer, test_source, mapper, **how)


def store(
    source: str | None = None,
    date: Date | str | None = None,
    language: str | None = None,
    tokenizer: str | None = None,
    test_source: str | None = None,
    mapper: shards.Mapper = map,
    **how: Any,
) -> None:
    """Do what `main` does, with parts of shards handed out by `mapper`, as `modal_function.map`.

    `how` is more that `sources.read` is to know.
    """
    date, source = console.day(date), sources.chosen(source)
    project = fti.login()
    with fti.run(project, "whisper", "feature", date) as run:
        run.source = raw.shown(source)
        folder = storage.folder(project)
        storage.fetch(project, folder, adding=True)
        how |= {"language": language, "tested_elsewhere": test_source is not None}
        written_by = choose_tokenizer(folder, tokenizer, source, **how)

        seen: set[tuple[str, str]] = set()
        recordings = noting(read(source, test_source, **how), seen)
        with Pace() as pace:
            done = shards.write(recordings, folder, written_by, mapper=mapper, told=pace.add)
        added, removed = store_rows(project, shards.table(folder, moment(date)), seen)
        storage.keep(project, folder)

        run.rows_in, run.rows_out = done.clips + done.skipped.total(), added
        run.details = account(done, pace, removed, written_by)
    say(done, added, removed)


def cores() -> int:
    """Give how many cores this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # which macOS and Windows do not have
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def moment(date: Date) -> pd.Timestamp:
    """Give when clips count as added: as the day begins, UTC."""
    return pd.Timestamp(date, tz="UTC")


def choose_tokenizer(folder: Path, said: str | None, source: str, **how: Any) -> Tokenizer:
    """Give the tokenizer that was asked for: by default the one of the shards in the folder.

    One that was made here of texts before serves again, as all labels of a folder are by one.
    """
    there = shards.tokenizer_in(folder)
    if said is None:
        return there or labels.load(MODEL)
    if said != TRAINED:
        return labels.load(said)
    made_here = there is not None and there.end <= labels.SIZE + 1
    return there if made_here else labels.train(texts(source, **how))


def texts(source: str, *, tested_elsewhere: bool = False, **how: Any) -> Iterator[str]:
    """Give what is said and translated in the training split, as a model writes it."""
    with sources.opened(source, **how) as feed:
        splits = Splits.of(feed.lines(), tested_elsewhere)
        for line in map(splits.place, feed.lines()):
            if line.split == TRAIN and not line.problem:
                yield labels.written(line.text, line.language)
                yield labels.written(line.translation, "en")


def read(source: str, test_source: str | None, **how: Any) -> Iterator[Recording]:
    """Give the recordings of a source, and those of another one to test on."""
    found = sources.read(source, **how)
    if test_source is None:
        return found
    of_test = how | {"tested_elsewhere": False}
    return chain(found, sources.read(test_source, as_split=TEST, **of_test))


def noting(recordings: Iterable[Recording], seen: set[tuple[str, str]]) -> Iterator[Recording]:
    """Pass recordings on; corpora and languages are put into `seen`."""
    for recording in recordings:
        seen.add((recording.corpus, recording.language))
        yield recording


def store_rows(project: Any, found: pd.DataFrame, seen: set[tuple[str, str]]) -> tuple[int, int]:
    """Bring `whisper_clips` to what the shards hold; give how many rows came and went.

    A row is stored when its clip is new or not as it was. Rows go whose clip its corpus, one of
    those `seen`, has no longer.
    """
    tell_leaks(found)
    store = project.get_feature_store()
    stored = rows.stored(store, GROUP, VERSION)
    known = newest(stored)
    new = new_or_changed(found, known)
    if len(new):
        store.get_or_create_feature_group(
            GROUP,
            version=VERSION,
            primary_key=[KEY],
            event_time=EVENT_TIME,
            description=DESCRIPTION,
        ).insert(quality.check(new, clips.schema(), "whisper clips"), wait=True)
    gone = gone_from(stored, found, seen)
    if len(gone):
        store.get_feature_group(GROUP, version=VERSION).remove_rows(gone[[KEY, EVENT_TIME]])
    return len(new), gone[KEY].nunique() if len(gone) else 0


def newest(stored: pd.DataFrame) -> pd.DataFrame:
    """Give one row for each clip: as it was stored last."""
    if stored.empty:
        return stored
    return stored.sort_values(EVENT_TIME).drop_duplicates(KEY, keep="last")


def new_or_changed(found: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Give the clips that are not stored as they are, whenever that was."""
    without = found.drop(columns=EVENT_TIME)
    return found.loc[rows.new_or_changed(without, known, [KEY]).index]


def gone_from(
    stored: pd.DataFrame, found: pd.DataFrame, seen: set[tuple[str, str]]
) -> pd.DataFrame:
    """Give the rows of clips that corpora had once."""
    if stored.empty:
        return stored
    of = pd.MultiIndex.from_frame(stored[["corpus", "language"]])
    return stored[of.isin(list(seen)) & ~stored[KEY].isin(found[KEY])]


def tell_leaks(found: pd.DataFrame) -> None:
    """Warn of sound that is tested on and trained on, as when two sources have it."""
    tested = set(found.loc[found["split"] == TEST, "sha1"])
    leaked = int((found["sha1"].isin(tested) & (found["split"] != TEST)).sum())
    if leaked:
        log.warning(
            "%s clips to train on or validate with are also in the test split, sample for sample: "
            "its scores will be too good",
            f"{leaked:,}",
        )


def account(done: shards.Done, pace: Pace, removed: int, tokenizer: Tokenizer) -> dict[str, Any]:
    """Give what the run record keeps."""
    return {
        "hours": round(done.seconds / 3600, 3),
        "audio_bytes": done.audio_bytes,
        "buckets": dict(sorted(done.buckets.items())),
        "left_out": dict(done.skipped),
        "removed": removed,
        "made_hours": round(pace.hours, 3),
        "hours_a_minute": round(pace.hours_a_minute, 2),
        "tokenizer": tokenizer.fingerprint,
    }


def say(done: shards.Done, added: int, removed: int) -> None:
    """Print the result, and what was left out for which reason."""
    gone = f", {removed:,} removed" if removed else ""
    console.say(
        f"{done.clips:,} clips, {done.seconds / 3600:.2f} hours of speech in "
        f"{done.audio_bytes / 1e6:,.1f} MB; {added:,} new or changed{gone}"
    )
    for sentence in done.sentences():
        console.say(sentence)


if __name__ == "__main__":
    console.run(main)
