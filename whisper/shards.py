"""Shards: clips in Parquet files by duration, written part by part and read back by bucket.

    <folder>/tokenizer/                          what all labels in the folder were written by
    <folder>/<corpus>/<language>/<split>/part-00000/
        04s-000.parquet, 06s-000.parquet, ...    clips for windows of 4, 6, ... seconds
        part.json                                what it was made of, and what was left out and why

A part is some consecutive recordings of a split. It appears in one step when it is whole, so that a
run that was interrupted goes on with the parts that lack; a part whose recordings or rules have
changed is made anew. Parts know nothing of each other: `convert` makes one, here, in processes, or
on machines of Modal:

    tokenizer = labels.load("openai/whisper-small")
    shards.write(sources.read("cv.tar.gz"), folder, tokenizer)
    shards.write(sources.read("cv.tar.gz"), folder, tokenizer, mapper=shards.in_processes(4))
    shards.write(sources.read("cv.tar.gz"), folder, tokenizer, mapper=modal_function.map)

Machines need the folder in common, as a volume.

Inside a part clips lie in the order of their ids, which are hashes: shuffled, but always the same.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from fti.errors import SourceError, UserError
from whisper import clips, labels, mel, shard_files
from whisper.clips import RULES, SPLITS, Clip, Recording, Rules, Unusable
from whisper.labels import Tokenizer
from whisper.shard_files import SCHEMA, WITHOUT_AUDIO

log = logging.getLogger(__name__)

FORMAT = 2  # of what is written; another makes all parts anew
ABOUT = "part.json"
TOKENIZER = "tokenizer"  # the folder of its files
PART_CLIPS, PART_BYTES = 2_000, 64 * 2**20  # whichever a part has first; bytes as they came

Mapper = Callable[[Callable[["Part"], "Done"], Iterable["Part"]], Iterable["Done"]]


@dataclass(frozen=True)
class Part:
    """Some recordings of one split, and where their shards go: all that `convert` needs."""

    folder: str
    number: int
    rules: Rules
    tokenizer: str  # the folder of its files, which are too large to be sent with each part
    fingerprint: str  # of the tokenizer
    recordings: list[Recording] = field(repr=False)

    @property
    def path(self) -> Path:
        """The folder of the part."""
        return Path(self.folder) / f"part-{self.number:05}"


@dataclass(frozen=True)
class Done:
    """What became of a part, or of all of them together."""

    clips: int = 0
    samples: int = 0
    audio_bytes: int = 0
    buckets: Counter[str] = field(default_factory=Counter)  # clips by bucket, as "04s"
    skipped: Counter[str] = field(default_factory=Counter)  # recordings by reason of REASONS
    examples: dict[str, str] = field(default_factory=dict)  # by reason, the first of each part

    def __add__(self, other: Done) -> Done:
        return Done(
            self.clips + other.clips,
            self.samples + other.samples,
            self.audio_bytes + other.audio_bytes,
            self.buckets + other.buckets,
            self.skipped + other.skipped,
            other.examples | self.examples,
        )

    @property
    def seconds(self) -> float:
        """How long all clips are together."""
        return self.samples / mel.SAMPLE_RATE

    def sentences(self) -> list[str]:
        """Say what was left out: a line for each reason, the most frequent first."""
        return [
            f"{count:,} left out, {reason}: {self.examples.get(reason, clips.REASONS[reason])}"
            for reason, count in self.skipped.most_common()
        ]


def write(
    recordings: Iterable[Recording],
    folder: Path,
    tokenizer: Tokenizer,
    *,
    rules: Rules = RULES,
    mapper: Mapper = map,
    part_clips: int = PART_CLIPS,
    told: Callable[[Done], None] | None = None,
) -> Done:
    """Write the clips of a corpus into shards, going on where an earlier run has stopped.

    In: what `sources.read` gives; the folder; the tokenizer that labels are written by; how parts
    are handed out, as `map`, one after the other, in this process; how many recordings a part has
    at most (as many as in the run to go on with); and who is told of each part that is made. Out:
    counts over all parts, old and new. Parts and splits that the corpus has no longer are removed.
    In memory there is never more than a part of each split for each process. Raises UserError where
    the folder has shards by another tokenizer.
    """
    keep_tokenizer(folder, tokenizer)
    numbers = Counter[str]()
    before: list[Done] = []
    made: list[Done] = []

    def lacking() -> Iterator[Part]:
        for part in parts(recordings, folder, tokenizer, rules, part_clips):
            numbers[part.folder] = part.number + 1
            done = _before(part)
            if done is None:
                yield part
            else:
                before.append(done)

    for done in mapper(convert, lacking()):
        made.append(done)
        if told:
            told(done)
    for place, count in numbers.items():
        _remove_others(Path(place), count)
    for corpus in {Path(place).parent for place in numbers}:
        for split in SPLITS:
            if str(corpus / split) not in numbers:
                shutil.rmtree(corpus / split, ignore_errors=True)
    log.info("%s parts made, %s were there", len(made), len(before))
    return sum([*before, *made], Done())


def keep_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Put the tokenizer beside the shards; raises UserError where they are by another one."""
    said = [shard_files.tokenizer_of(path) for path in islice(_every(folder), 1)]
    if said and said[0] != tokenizer.fingerprint:
        raise UserError(
            f"The shards in {folder} have labels of another tokenizer: leave --tokenizer out to go "
            "on with theirs, or choose another folder with WHISPER_SHARDS=DIR."
        )
    tokenizer.save(Path(folder) / TOKENIZER)


def tokenizer_in(folder: Path) -> Tokenizer | None:
    """Give the tokenizer of a folder of shards, None where there is none."""
    there = (Path(folder) / TOKENIZER / labels.FILE).is_file()
    return labels.load(Path(folder) / TOKENIZER) if there else None


def parts(
    recordings: Iterable[Recording],
    folder: Path,
    tokenizer: Tokenizer,
    rules: Rules = RULES,
    size: int = PART_CLIPS,
) -> Iterator[Part]:
    """Divide recordings into parts, the same ones each time for the same recordings."""
    held: dict[str, list[Recording]] = {}
    weights, numbers = Counter[str](), Counter[str]()
    written_by = (str(Path(folder) / TOKENIZER), tokenizer.fingerprint)

    def part(place: str) -> Part:
        weights[place], numbers[place] = 0, numbers[place] + 1
        return Part(place, numbers[place] - 1, rules, *written_by, held.pop(place))

    for recording in recordings:
        place = str(Path(folder) / recording.corpus / recording.language / recording.split)
        held.setdefault(place, []).append(recording)
        weights[place] += _size(recording)
        if len(held[place]) >= size or weights[place] >= PART_BYTES:
            yield part(place)
    for place in sorted(held):
        yield part(place)


def convert(part: Part) -> Done:
    """Make the clips of a part and write them; at its place there is a whole part, or nothing."""
    part.path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{part.path.name}-", dir=part.path.parent))
    try:
        done = _write_clips(part, scratch)
        about = vars(done) | {"made_of": _fingerprint(part)}
        (scratch / ABOUT).write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
        shutil.rmtree(part.path, ignore_errors=True)
        scratch.chmod(0o755)
        scratch.rename(part.path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return done


def in_processes(workers: int) -> Mapper:
    """Give a `map` over processes that asks for a part only when one is free to make it."""

    def mapper(function, parts):
        first = list(islice(parts := iter(parts), 2))
        if workers < 2 or len(first) < 2:  # not worth a process
            yield from map(function, chain(first, parts))
            return
        parts = chain(first, parts)
        # Spawned, because a fork of a process with threads (pyarrow has some) may lock up.
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            running = set()
            for part in parts:
                running.add(pool.submit(function, part))
                if len(running) > workers:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (one.result() for one in done)
            yield from (one.result() for one in wait(running).done)

    return mapper


def files(
    folder: Path,
    *,
    split: str | None = None,
    language: str | None = None,
    bucket: int | None = None,
) -> list[Path]:
    """Give the shards in a folder, or only those of a split, a language, a bucket (seconds)."""
    name = "*.parquet" if bucket is None else f"{bucket:02}s-*.parquet"
    return sorted(_every(folder, f"{language or '*'}/{split or '*'}/part-*/{name}"))


def buckets(folder: Path, split: str | None = None) -> dict[int, int]:
    """Give the clips in each bucket that has some, by its window in seconds."""
    found = Counter[int]()
    for path in files(folder, split=split):
        found[int(path.name.partition("s")[0])] += parquet.read_metadata(path).num_rows
    return dict(sorted(found.items()))


def read(paths: Iterable[Path]) -> Iterator[Clip]:
    """Give the clips of shards, some rows in memory at a time; raises SourceError for damage."""
    for path in paths:
        for batch in shard_files.batches(path, clips.COLUMNS):
            yield from (Clip(**row) for row in batch.to_pylist())


def table(folder: Path, added_at: pd.Timestamp, split: str | None = None) -> pd.DataFrame:
    """Give all clips without their audio: the rows of feature group `whisper_clips`.

    `added_at` is the moment (UTC) of the run, the same for all. See `clips.schema`.
    """
    tables = [
        pa.Table.from_batches(shard_files.batches(path, WITHOUT_AUDIO))
        for path in files(folder, split=split)
        if parquet.read_metadata(path).num_rows
    ]
    empty = pa.schema([SCHEMA.field(name) for name in WITHOUT_AUDIO]).empty_table()
    rows = pa.concat_tables([empty, *tables]).to_pandas()
    moment = pd.Timestamp(added_at).tz_convert("UTC").as_unit("us")
    return rows.assign(added_at=pd.Series(moment, index=rows.index, dtype="datetime64[us, UTC]"))


def summary(folder: Path) -> Done:
    """Give the counts over all parts in a folder."""
    found = sorted(Path(folder).glob(f"*/*/*/part-*/{ABOUT}"))
    return sum((_done(_about(path)) for path in found), Done())


def _write_clips(part, folder):
    """Turn recordings into clips, each written into the shard of its bucket."""
    skipped, examples, writers = Counter[str](), {}, {}
    tokenizer = _loaded(part.tokenizer, part.fingerprint)
    try:
        for recording in sorted(part.recordings, key=clips.clip_id):
            try:
                clip = clips.make(recording, part.rules)
            except Unusable as error:
                skipped[error.reason] += 1
                examples.setdefault(error.reason, f"{recording.file} ({error})")
                continue
            bucket = f"{mel.bucket(clip.seconds) // mel.FRAMES_PER_SECOND:02}s"
            if bucket not in writers:
                writers[bucket] = shard_files.Bucket(folder, bucket, tokenizer)
            writers[bucket].add(clip)
    finally:
        for writer in writers.values():
            writer.close()
    written = writers.values()
    return Done(
        sum(writer.clips for writer in written),
        sum(writer.samples for writer in written),
        sum(writer.audio_bytes for writer in written),
        Counter({name: writer.clips for name, writer in writers.items()}),
        skipped,
        examples,
    )


@lru_cache(maxsize=2)
def _loaded(folder, fingerprint):
    """Load the tokenizer of a part, once a process."""
    found = labels.load(folder)
    if found.fingerprint != fingerprint:
        raise SourceError(f"{folder}: it was replaced while shards were written; run it again.")
    return found


def _every(folder, pattern="*/*/part-*/*.parquet"):
    """Give the shards of all corpora, in no order."""
    return Path(folder).glob(f"*/{pattern}")


def _fingerprint(part):
    """Give a hash of all that a part is made of, without reading audio that is in files."""
    made_by = f"{FORMAT} {part.rules} {mel.BUCKETS} {mel.SLACK} {part.fingerprint}"
    found = hashlib.sha256(made_by.encode())
    for one in part.recordings:
        values = (clips.clip_id(one), one.text, one.translation, one.speaker, one.problem)
        found.update(repr((*values, _stamp(one))).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def _stamp(recording):
    """Give what changes when audio does: its hash, or size and time of its file."""
    if isinstance(recording.audio, Path):
        try:
            about = recording.audio.stat()
        except (OSError, ValueError):
            return None
        return about.st_size, about.st_mtime_ns
    return recording.audio and hashlib.sha1(recording.audio, usedforsecurity=False).hexdigest()


def _size(recording):
    return len(recording.audio) if isinstance(recording.audio, bytes) else 0


def _before(part):
    """Give the counts of a part that is there and made of the same, otherwise None."""
    path = part.path / ABOUT
    if not path.exists():
        return None
    about = _about(path)
    return _done(about) if about.pop("made_of", None) == _fingerprint(part) else None


def _about(path):
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: it is damaged ({error}); delete its folder.") from error


def _done(about):
    counters = {name: Counter(about[name]) for name in ("buckets", "skipped")}
    plain = {name: about[name] for name in ("clips", "samples", "audio_bytes", "examples")}
    return Done(**plain, **counters)


def _remove_others(folder, count):
    """Remove parts that a corpus has no longer, and what interrupted runs left behind."""
    for path in folder.iterdir():
        number = path.name.removeprefix("part-")
        if path.name.startswith(".part-") or (number.isdigit() and int(number) >= count):
            shutil.rmtree(path, ignore_errors=True)
