"""What is heard in the clips of a split, and how good that is; by any model, with or without torch.

    rows = scoring.collect(hear, folder, "test")       what was heard, beside what was said
    scores = scoring.score(rows)                       error rates, BLEU and chrF with intervals
    scores |= scoring.compare(rows, rows_of_another)   whether one is better than the other

Rates are shares of errors pooled over clips; keys and intervals are those of `whisper.scores`,
computed by the metric modules of whisper/metrics/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache
from itertools import product, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from fti import console
from fti.errors import UserError
from whisper import audio, augment, clips, scores, shard_files, shards
from whisper.clips import Clip
from whisper.normalise import normalise

TRANSCRIBE, TRANSLATE = "transcribe", "translate"
BUCKET, FULL = "bucket", "full"  # windows: the shortest that holds a clip, or the model's longest
FULL_WINDOWS = "full_windows"  # suffix of their scores where there are others
METRICS = {"wer": "word_error_rate", "cer": "character_error_rate"}
GROUPS = {True: "known_speakers", False: "new_speakers"}  # by `known_speaker`
INTERVAL = ("", "_low", "_high")

Hear = Callable[[Iterable[Clip], str, str], list[str]]  # of clips, a task and a kind of window


def collect(
    hear: Hear,
    folder: Path,
    split: str,
    windows: Sequence[str] = (BUCKET,),
    tasks: Sequence[str] = (TRANSCRIBE,),
    limit: int = 0,
    silent: int = 0,
    title: str | None = None,
) -> pd.DataFrame:
    """Give what is heard in the clips of a split, by whatever hears.

    In: `hear`, which writes down clips for a task and a kind of window; the tasks, of which clips
    without a translation are always transcribed; `limit`: how many clips at most, a stable random
    sample, 0 for all; `silent`: how many clips of silence and noise, as long as the first clips,
    are to be heard, too; and the title of a progress bar. Out: clip_id, language, speaker,
    known_speaker (also in the training split; missing where nobody says), seconds, task, window,
    reference ("" for silence), heard. Raises UserError for a split without clips.
    """
    chosen = _choose(folder, split, limit)
    if chosen.empty:
        raise UserError(f"{folder}: there are no clips for {split}: run the feature pipeline first")
    asked = {task: _asked(chosen, task, tasks) for task in (TRANSCRIBE, TRANSLATE)}
    total = sum(map(len, asked.values())) + min(silent, len(asked[TRANSCRIBE]))
    told = []
    with closing(console.progress(_forever(), len(windows) * total, title)) as bar:
        for window, (task, ids) in product(windows, asked.items()):
            some: list[Clip] = []  # without audio
            given = _given(folder, split, ids, silent if task == TRANSCRIBE else 0)
            heard = hear(_noting(given, some, bar), task, window) if ids else []
            pairs = zip(some, heard, strict=True)
            told += [_row(clip, task, window, text) for clip, text in pairs]
    rows = pd.DataFrame(told)
    known = rows["speaker"].isin(_speakers(folder)).astype("boolean")
    unknown = (rows["speaker"] == "") | (rows["reference"] == "")
    rows.insert(3, "known_speaker", known.mask(unknown))
    return rows


def score(rows: pd.DataFrame) -> dict[str, Any]:
    """Score what `collect` gives.

    Always: `clips`, `hours` of audio, and `error_rate` with its interval (`_low`, `_high`): errors
    in normalised texts, of words or, in languages written without blanks, of characters; without
    transcripts, what is missing to a chrF of 100. Where there is something to score, the keys of
    `scores.transcription` for both kinds of languages (`wer`, `wer_normalised`, `cer`, ...) and of
    `scores.translation`; the same for each of several languages (`wer_sv`), and for speakers that
    are in the training split and that are not (`wer_known_speakers`, `wer_new_speakers`);
    `heard_in_silence`, the share of `silent_clips` for which something was written. If both kinds
    of windows are in the rows, keys without a suffix are those of buckets, and those of full
    windows end in `_full_windows`.
    """
    kinds = [kind for kind in (BUCKET, FULL) if (rows["window"] == kind).any()]
    found = _score(rows[rows["window"] == kinds[0]])
    for kind in kinds[1:]:
        more = _score(rows[rows["window"] == kind])
        found |= {f"{key}_{FULL_WINDOWS}": value for key, value in more.items()}
    return found


def compare(ours: pd.DataFrame, theirs: pd.DataFrame) -> dict[str, float]:
    """Give the error rate of ours less that of theirs on the same clips: below 0, ours is better.

    In: rows of `collect` for two models; each is taken in buckets if it was heard so. Only without
    transcripts is it about translations, and words that are not those of the reference. Out:
    `error_rate_difference` with the ends of its interval. Raises UserError for other clips.
    """
    both = [_judged(_preferred(rows)).sort_values("clip_id") for rows in (ours, theirs)]
    if both[0]["clip_id"].tolist() != both[1]["clip_id"].tolist():
        raise UserError("Two models can be compared only on the same clips: evaluate both on them.")
    counts = [_counts(rows) for rows in both]
    low, high = scores.difference_interval(*counts)
    difference = counts[0].rate - counts[1].rate
    return dict(_named("error_rate_difference", (difference, low, high)))


def _score(rows):
    """Score the rows of one kind of window."""
    spoken = rows[rows["reference"] != ""]
    once = spoken.drop_duplicates("clip_id")
    found = {"clips": len(once), "hours": float(once["seconds"].sum() / 3600)}
    found |= _texts(spoken)
    if spoken["language"].nunique() > 1:
        for language, part in spoken.groupby("language"):
            found |= _suffixed(_texts(part), language)
    for known, part in spoken.dropna(subset="known_speaker").groupby("known_speaker"):
        found |= _suffixed(_texts(part), GROUPS[bool(known)])
        found[f"clips_{GROUPS[bool(known)]}"] = part["clip_id"].nunique()
    silent = rows[(rows["reference"] == "") & (rows["task"] == TRANSCRIBE)]
    if len(silent):
        spoke = [bool(normalise(*pair)) for pair in _pairs(silent, "heard", "language")]
        found |= {"silent_clips": len(silent), "heard_in_silence": float(np.mean(spoke))}
    return found


def _texts(rows):
    """Score transcripts and translations of speech."""
    transcripts, translations = _transcripts(rows), rows[rows["task"] == TRANSLATE]
    found = {}
    if len(transcripts):
        counts = _counts(transcripts)
        found |= _named("error_rate", (counts.rate, *scores.rate_interval(counts)))
    for name, part in transcripts.groupby(transcripts["language"].map(scores.measure)):
        rates = _metric(METRICS[name]).compute(
            predictions=part["heard"].tolist(),
            references=part["reference"].tolist(),
            language=part["language"].tolist(),
        )
        found |= {key: value for key, value in rates.items() if key.startswith(name)}
    if len(translations):
        found |= _metric("translation").compute(
            predictions=translations["heard"].tolist(),
            references=translations["reference"].tolist(),
        )
        found["translations"] = found.pop("clips")
        found.pop("without_reference")
    if len(translations) and not len(transcripts):
        missing = (1 - found[f"chrf{end}"] / 100 for end in ("", "_high", "_low"))
        found |= _named("error_rate", missing)
    return found


def _transcripts(rows):
    return rows[(rows["task"] == TRANSCRIBE) & (rows["reference"] != "")]


def _judged(rows):
    transcripts = _transcripts(rows)
    if len(transcripts):
        return transcripts
    return rows[rows["reference"] != ""].assign(language="en")


def _preferred(rows):
    kind = BUCKET if (rows["window"] == BUCKET).any() else FULL
    return rows[rows["window"] == kind]


def _counts(rows):
    """Count the errors of each row, in normalised words or characters."""
    errors, units = np.zeros(len(rows), dtype=int), np.zeros(len(rows), dtype=int)
    count = {"wer": scores.word_counts, "cer": scores.character_counts}
    measures = rows["language"].map(scores.measure).to_numpy()
    for name in sorted(set(measures)):
        of_it = measures == name
        part = rows[of_it]
        said, heard = (
            [normalise(*pair) for pair in _pairs(part, column, "language")]
            for column in ("reference", "heard")
        )
        counts = count[name](said, heard)
        errors[of_it], units[of_it] = counts.errors, counts.units
    return scores.Counts(errors, units)


def _pairs(rows, first, second):
    return zip(rows[first], rows[second], strict=True)


def _named(name, values):
    return {f"{name}{end}": value for end, value in zip(INTERVAL, values, strict=True)}


def _suffixed(found, suffix):
    """Name scores after the group they are of, leaving out how sacrebleu was set."""
    return {f"{k}_{suffix}": v for k, v in found.items() if not k.endswith("_signature")}


_metric = cache(scores.load_metric)


# Clips of shards


def _choose(folder: Path, split: str, limit: int) -> pd.DataFrame:
    """Give clip_id and translation of the clips of a split, only the `limit` lowest ids if any."""
    columns = ["clip_id", "translation"]
    tables = [_columns(path, columns) for path in shards.files(folder, split=split)]
    found = pd.concat([pd.DataFrame(columns=columns), *tables]).sort_values("clip_id")
    return found.head(limit or len(found)).reset_index(drop=True)


def _speakers(folder: Path) -> set[str]:
    """Give who speaks in the training split."""
    paths = shards.files(folder, split=clips.TRAIN)
    return {name for path in paths for name in _columns(path, ["speaker"])["speaker"]} - {""}


def _columns(path: Path, names: list[str]) -> pd.DataFrame:
    schema = pa.schema([shard_files.SCHEMA.field(name) for name in names])
    return pa.Table.from_batches(shard_files.batches(path, names), schema).to_pandas()


def _asked(chosen: pd.DataFrame, task: str, tasks: Sequence[str]) -> set[str]:
    """Give the ids of the clips that a task is to be done for."""
    translated = chosen["translation"] != ""
    wanted = task in tasks
    if task == TRANSLATE:
        return set(chosen["clip_id"][translated & wanted])
    return set(chosen["clip_id"][~translated | wanted])


def _given(folder: Path, split: str, ids: set[str], silent: int) -> Iterator[Clip]:
    """Give clips by their ids and some of silence, each after one that is as long."""
    last = max(ids)
    for path in shards.files(folder, split=split):
        # Clips lie in the order of their ids, so a sample is the beginning of each shard.
        for clip in takewhile(lambda clip: clip.clip_id <= last, shards.read([path])):
            if clip.clip_id in ids:
                yield clip
                if silent > 0:
                    silent -= 1
                    yield _silence(clip)


def _silence(clip: Clip) -> Clip:
    """Give silence or noise that lasts as long as a clip, with nothing to be heard in it."""
    rng = augment.generator(0, 0, clip.clip_id)
    flac = audio.encode(augment.nothing_said(len(audio.samples(clip.audio)), rng))
    return replace(clip, audio=flac, text_raw="", text_norm="", translation="")


def _noting(given: Iterable[Clip], some: list[Clip], bar: Iterator[Any]) -> Iterator[Clip]:
    """Pass clips on; what is known of each stays in `some`, without audio."""
    for clip in given:
        some.append(replace(clip, audio=b""))
        next(bar)
        yield clip


def _forever() -> Iterator[None]:
    while True:
        yield None


def _row(clip, task, window, heard):
    return {
        "clip_id": clip.clip_id,
        "language": clip.language,
        "speaker": clip.speaker,
        "seconds": clip.seconds,
        "task": task,
        "window": window,
        "reference": clip.translation if task == TRANSLATE else clip.text_raw,
        "heard": heard,
    }
