"""The audio of shards in any order, without holding it in memory.

Shards keep FLAC as it is, uncompressed, so each clip lies in its file in one piece. Where it lies
is found when the first clip of a row group is asked for; from then on a clip costs one short read,
where Parquet would read its whole row group.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from fti.errors import SourceError
from whisper.shard_files import damaged

_START = 64  # bytes of a clip that are looked for; FLAC has a hash of the sound among them


class Sounds:
    """The column `audio` of some shards, by row; rows are counted on from file to file.

    It can be pickled and forked, and keeps no file open.
    """

    def __init__(self, paths: Sequence[Path]):
        self.paths = [Path(path) for path in paths]
        self._groups: list[tuple[int, int]] = []  # the file and the row group in it
        sizes = []
        for number, path in enumerate(self.paths):
            about = parquet.read_metadata(path)
            for group in range(about.num_row_groups):
                self._groups.append((number, group))
                sizes.append(about.row_group(group).num_rows)
        self._firsts = np.cumsum([0, *sizes])  # rows before each group
        self._places = np.full(len(self), -1, dtype=np.int64)  # in bytes from the file's start
        self._sizes = np.zeros(len(self), dtype=np.int32)  # in bytes

    def __len__(self) -> int:
        return int(self._firsts[-1])

    def __getitem__(self, row: int) -> bytes:
        """Give the FLAC of a row; raises IndexError, or SourceError where the shard is damaged."""
        if not 0 <= row < len(self):
            raise IndexError(f"there are {len(self)} clips, and none of number {row}")
        group = int(np.searchsorted(self._firsts, row, side="right")) - 1
        if self._places[row] < 0:
            self._find(group)
        with self.paths[self._groups[group][0]].open("rb") as file:
            file.seek(self._places[row])
            return file.read(self._sizes[row])

    def _find(self, group):
        """Find where each clip of a row group lies in the file."""
        number, inside = self._groups[group]
        path, rows = self.paths[number], range(self._firsts[group], self._firsts[group + 1])
        try:
            with parquet.ParquetFile(path) as file:
                audio = file.read_row_group(inside, columns=["audio"], use_threads=False)["audio"]
                about = file.metadata.row_group(inside)
        except (pa.ArrowException, OSError) as error:
            raise damaged(path, error) from error
        columns = map(about.column, range(about.num_columns))
        chunk = next(column for column in columns if column.path_in_schema == "audio")
        start = chunk.data_page_offset
        with path.open("rb") as file:
            file.seek(start)
            stored = file.read(chunk.total_compressed_size)
        place = 0
        for row, clip in zip(rows, audio, strict=True):
            clip = clip.as_py()
            place = stored.find(clip[:_START], place)
            if place < 0 or stored[place : place + len(clip)] != clip:
                raise SourceError(f"{path}: its audio is compressed; write the shards again.")
            self._places[row], self._sizes[row] = start + place, len(clip)
            place += len(clip)
