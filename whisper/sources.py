"""Where speech comes from: corpora as their publishers deliver them, on disk, one clip at a time.

    read("cv-corpus-24.0-sv-SE.tar.gz")       Common Voice, the archive or the folder
    read("fleurs", "sv")                      a folder of Parquet files: FLEURS, CoVoST 2, others
    read("recordings", "en")                  a folder with metadata.csv
    read("sample:sv")                         generated, for trying out: `sample`

    python -m whisper.sources --source recordings     what it holds, and what of it cannot be used

Nothing is ever read whole. No speaker is in two splits: where the corpus has splits, the clips of
whoever is in test are left out of the others, and those of validation out of training; where it has
none, a tenth of the speakers each is held out for validation and test.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from fti import console
from fti.errors import SourceError, UserError
from fti.raw import SAMPLE
from whisper import clips, sample
from whisper.clips import HELD_OUT, LISTED_TWICE, SPLITS, TEST, TRAIN, VALIDATION, Recording
from whisper.feeds import Feed, common_voice, metadata_folder, parquet
from whisper.feeds.parquet import Columns

log = logging.getLogger(__name__)

SETTING = "WHISPER_SOURCE"
HELD_OUT_SHARE = 0.1  # of the speakers, for validation and for test each
DEFAULT_LANGUAGE = "en"  # of a table that says none


def chosen(source: str | None = None) -> str:
    """Say which source counts: the argument, else WHISPER_SOURCE; raises SourceError for none."""
    source = source or os.environ.get(SETTING)
    if not source:
        raise SourceError(
            f"Say where speech comes from with --source PATH or {SETTING}: an archive of Common "
            "Voice, a folder with metadata.csv or Parquet files; or try --source sample."
        )
    return source


def read(
    source: str | None = None,
    language: str | None = None,
    split: str | None = None,
    *,
    columns: Columns | None = None,
    validated: bool = False,
    as_split: str | None = None,
) -> Iterator[Recording]:
    """Give the recordings of a source one by one, in a stable order.

    In: the source (default: WHISPER_SOURCE); the language (ISO 639-1), needed where the source does
    not say it or has several; one split only, or all. `columns` of a Parquet dataset that is not
    known; `validated` trains on all of Common Voice's validated clips; `as_split` takes everything
    as that split, whatever the source says. Out: recordings, also those that cannot be used, whose
    `problem` says why. Raises SourceError, at the first recording at the latest.
    """
    for said in filter(None, (split, as_split)):
        if said not in SPLITS:
            raise UserError(f"The split '{said}' is none: give {', '.join(SPLITS)}.")
    with opened(chosen(source), language, columns, validated) as feed:
        splits = None if as_split else Splits.of(feed.lines())
        seen: set[int] = set()
        for recording in feed.recordings():
            placed = splits.place(recording) if splits else replace(recording, split=as_split)
            if split in (None, placed.split):
                yield _once(placed, seen)


@contextmanager
def opened(
    source: str, language: str | None, columns: Columns | None = None, validated: bool = False
) -> Iterator[Feed]:
    """Open a source, told by what is there; raises SourceError."""
    if source.partition(":")[0] == SAMPLE:
        yield sample.Sample(source.partition(":")[2] or language or DEFAULT_LANGUAGE)
        return
    path = Path(source).expanduser()
    if path.is_file() and path.name.lower().endswith(common_voice.SUFFIXES):
        with common_voice.archive(path, language, validated) as feed:
            yield feed
    elif path.is_dir():
        yield _folder(path, language, columns, validated)
    elif path.is_file() and path.suffix.lower() == ".parquet":
        yield parquet.feed(path, language, columns)
    elif path.is_file():
        kinds = ", ".join((*common_voice.SUFFIXES, ".parquet"))
        raise SourceError(f"{path}: this is none of {kinds}, and no folder.")
    else:
        raise SourceError(f"{path}: there is no such file or folder; or try --source sample.")


@dataclass(frozen=True)
class Splits:
    """Who is held out: keys of the speakers in test and in validation; all others train.

    A recording without a speaker counts as one of its own.
    """

    test: frozenset[int]
    validation: frozenset[int]
    told: bool  # by the corpus

    @classmethod
    def of(cls, lines: Iterable[Recording]) -> Splits:
        """Read off, or make, the splits of a corpus from its lines; raises SourceError."""
        said: dict[str, set[int]] = {name: set() for name in ("", *SPLITS)}
        named, count = 0, 0
        for line in lines:
            if not line.problem:
                said[line.split].add(_voice(line))
                named, count = named + bool(line.speaker), count + 1
        if not count:
            raise SourceError("The source lists no recordings in this language.")
        untold = said.pop("")
        if untold and any(said.values()):
            raise SourceError("Some recordings of the source have a split and others none.")
        if untold:
            return cls._made(sorted(untold), bool(named))
        _tell_overlap(said)
        return cls(frozenset(said[TEST]), frozenset(said[VALIDATION]), told=True)

    @classmethod
    def _made(cls, voices: list[int], by_speaker: bool) -> Splits:
        """Hold out a tenth of the voices for test, and another for validation, one at least."""
        what = "speakers" if by_speaker else "recordings"
        if len(voices) < len(SPLITS):
            raise SourceError(
                f"The source has {len(voices)} {what}, too few for {', '.join(SPLITS)}: add a "
                "column split, or leave the column speaker out to split by recording."
            )
        held = max(1, round(HELD_OUT_SHARE * len(voices)))
        log.info(
            "the source has no splits: of %s %s, %s are held out for validation and %s for test",
            *(f"{len(voices):,}", what, f"{held:,}", f"{held:,}"),
        )
        if not by_speaker:
            log.warning("it does not say who speaks: scores may be of voices trained on")
        return cls(frozenset(voices[:held]), frozenset(voices[held : 2 * held]), told=False)

    def place(self, recording: Recording) -> Recording:
        """Give a recording its split, or the problem that its speaker is held out in another."""
        voice = _voice(recording)
        home = TEST if voice in self.test else VALIDATION if voice in self.validation else TRAIN
        if not self.told:
            return replace(recording, split=home)
        if recording.split == home or recording.problem:
            return recording
        return replace(recording, problem=HELD_OUT)


def _folder(path, language, columns, validated):
    """Tell which kind of corpus a folder holds."""
    if (path / metadata_folder.TABLE).exists():
        if language is None:
            log.warning("%s says no language: taken as %s", path, DEFAULT_LANGUAGE)
        return metadata_folder.MetadataFolder(path, language or DEFAULT_LANGUAGE)
    locales = {folder.resolve().name: folder for folder in common_voice.folders(path)}
    if locales:
        locale = common_voice.chosen(list(locales), language, str(path))
        said = common_voice.language_of(locale, language, str(path))
        return common_voice.Folder(locales[locale], said, common_voice.tables(validated))
    if next(path.rglob("*.parquet"), None):
        return parquet.feed(path, language, columns)
    layouts = "metadata.csv, <locale>/train.tsv with clips, or .parquet"
    raise SourceError(f"{path}: no known corpus is in this folder: none of {layouts}.")


def _voice(recording):
    """Give the key of a speaker, or of the recording where none is known."""
    key = f"speaker {recording.speaker}" if recording.speaker else f"file {recording.file}"
    return _key(key)


def _key(text):
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def _once(recording, seen):
    """Give a recording, with a problem if its file was in the table before."""
    key = _key(f"{recording.split}\0{recording.file}")
    if key in seen and not recording.problem:
        return replace(recording, problem=LISTED_TWICE)
    if not recording.problem:
        seen.add(key)
    return recording


def _tell_overlap(said):
    """Say how many speakers are in more than one split."""
    times = Counter(voice for voices in said.values() for voice in voices)
    several = sum(count > 1 for count in times.values())
    if several:
        log.warning("%s speakers are in more than one split: they stay in test first", several)


LanguageOption = Annotated[
    str | None, typer.Option("--language", metavar="CODE", help="Which language, as sv.")
]


def main(source: console.SourceOption = None, language: LanguageOption = None) -> None:
    """Show what the source holds, split by split, and what of it cannot be used and why."""
    from rich.console import Console
    from rich.table import Table

    held: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    speakers: dict[str, set[str]] = {name: set() for name in SPLITS}
    lost: Counter[str] = Counter()
    for recording in read(source, language):
        try:
            clip = clips.make(recording)
        except clips.Unusable as error:
            lost[error.reason] += 1
            continue
        held[clip.split] += 1
        seconds[clip.split] += clip.seconds
        speakers[clip.split].add(clip.speaker)
    shown = Table("split", "clips", "hours", "speakers")
    for name in SPLITS:
        hours = f"{seconds[name] / 3600:.3f}"
        shown.add_row(name, f"{held[name]:,}", hours, f"{len(speakers[name]):,}")
    Console().print(shown)
    for reason, count in lost.most_common():
        console.say(f"{count:,} left out, {reason}: {clips.REASONS[reason]}")


if __name__ == "__main__":
    console.run(main)
