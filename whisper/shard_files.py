"""The Parquet files that shards are: how rows lie in them, and how they are written and read.

A row is a clip and what a model is to write for it: `label_ids` of its text, `translation_ids` of
its translation, empty where it has none. Both are numbers of text only, by the tokenizer whose
fingerprint is in the file's metadata. Row groups are small, as a reader holds whole ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from fti.errors import SourceError
from whisper import clips
from whisper.clips import Clip
from whisper.labels import Tokenizer

FILE_BYTES = 256 * 2**20  # of audio in a shard
GROUP_BYTES = 8 * 2**20  # of audio in a row group
ROWS = 64  # given at a time when reading
TOKENIZER = b"tokenizer"  # the key of its fingerprint
LABELS = ("label_ids", "translation_ids")
WITHOUT_AUDIO = tuple(name for name in clips.COLUMNS if name != "audio")
SCHEMA = pa.schema(
    {name: pa.string() for name in clips.COLUMNS}
    | {"seconds": pa.float64(), "sample_rate": pa.int64(), "audio": pa.binary()}
    | dict.fromkeys(LABELS, pa.list_(pa.int32()))
)


class Bucket:
    """Writes the clips of one bucket into files of bounded size, with a row group in memory."""

    def __init__(self, folder: Path, name: str, tokenizer: Tokenizer):
        self.folder, self.name, self.tokenizer = folder, name, tokenizer
        self.clips = self.samples = self.audio_bytes = self.files = 0
        self._rows: list[dict[str, Any]] = []
        self._held = self._in_file = 0  # bytes
        self._writer: parquet.ParquetWriter | None = None

    def add(self, clip: Clip) -> None:
        """Take a clip, with its labels."""
        size = len(clip.audio)
        if self._in_file and self._in_file + size > FILE_BYTES:
            self.close()
        self._rows.append(row(clip, self.tokenizer))
        self.clips, self.audio_bytes = self.clips + 1, self.audio_bytes + size
        self.samples += round(clip.seconds * clip.sample_rate)
        self._held, self._in_file = self._held + size, self._in_file + size
        if self._held >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """End the file; another is begun by the next clip."""
        self._flush()
        if self._writer:
            self._writer.close()
        self._writer, self._in_file = None, 0

    def _flush(self):
        if not self._rows:
            return
        if self._writer is None:
            path = self.folder / f"{self.name}-{self.files:03}.parquet"
            self._writer, self.files = _writer(path, self.tokenizer), self.files + 1
        self._writer.write_table(pa.Table.from_pylist(self._rows, self._writer.schema))
        self._rows, self._held = [], 0


def row(clip: Clip, tokenizer: Tokenizer) -> dict[str, Any]:
    """Give the row of a clip; a translation is in English."""
    return {name: getattr(clip, name) for name in clips.COLUMNS} | {
        "label_ids": tokenizer.label(clip.text_raw, clip.language),
        "translation_ids": tokenizer.label(clip.translation, "en"),
    }


def batches(path: Path, columns: Iterable[str]) -> Iterator[pa.RecordBatch]:
    """Give columns of a shard, some rows in memory at a time; raises SourceError for damage."""
    try:
        with parquet.ParquetFile(path) as file:
            yield from file.iter_batches(ROWS, columns=list(columns), use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, error) from error


def tokenizer_of(path: Path) -> str:
    """Give the fingerprint of the tokenizer that a shard was labelled by; raises SourceError."""
    try:
        metadata = parquet.read_schema(path).metadata or {}
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, error) from error
    return metadata.get(TOKENIZER, b"").decode()


def damaged(path: Path, error: Exception) -> SourceError:
    """Say that a shard cannot be read."""
    reason = str(error).splitlines()[0][:120].rstrip(".")
    return SourceError(
        f"{path}: it is no shard, or is damaged ({reason}); delete its folder and run "
        "`python -m whisper.feature_pipeline` again."
    )


def _writer(path, tokenizer):
    """Open a shard. FLAC does not get smaller by compression; texts and numbers do."""
    leaves = [f"{name}.list.element" if name in LABELS else name for name in SCHEMA.names]
    repeated = ["corpus", "split", "language", "speaker", "sample_rate"]
    return parquet.ParquetWriter(
        path,
        SCHEMA.with_metadata({TOKENIZER: tokenizer.fingerprint.encode()}),
        compression={name: "NONE" if name == "audio" else "ZSTD" for name in leaves},
        use_dictionary=repeated,
        write_statistics=list(WITHOUT_AUDIO),
    )
