"""Any folder of audio with a `metadata.csv`: `file_name,sentence[,speaker,split,translation]`.

The text may also be called `text` or `transcription`, as in folders for Hugging Face's `datasets`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from fti.errors import SourceError
from whisper.clips import DAMAGED_LINE, NO_AUDIO, Recording
from whisper.feeds import names

TABLE = "metadata.csv"
TEXTS = ("sentence", "text", "transcription")


@dataclass(frozen=True)
class MetadataFolder:
    """The recordings that the table in a folder lists."""

    folder: Path
    language: str

    def lines(self) -> Iterator[Recording]:
        """Give the lines of the table; raises SourceError for what is no such table."""
        table = self.folder / TABLE
        try:
            with table.open(encoding="utf-8-sig", newline="") as file:
                yield from self._lines(csv.reader(file, strict=True), str(table))
        except UnicodeDecodeError as error:
            raise SourceError(f"{table}: it is not UTF-8 text; save it as CSV UTF-8.") from error
        except OSError as error:
            raise SourceError(f"{table}: it cannot be read ({error.strerror}).") from error

    def recordings(self) -> Iterator[Recording]:
        """Give the lines with the paths of their audio, which is not read yet."""
        for line in self.lines():
            if line.problem:
                yield line
            elif (path := _inside(self.folder, line.file)) is not None:
                yield replace(line, audio=path)
            else:
                yield replace(line, problem=NO_AUDIO)

    def _lines(self, reader, name):
        try:
            header = [column.strip() for column in next(reader, [])]
            text = _checked(header, name)
            corpus = self.folder.resolve().name
            for cells in filter(None, reader):
                where = f"{name}, line {reader.line_num}"
                if len(cells) != len(header):
                    file = f"{TABLE}:{reader.line_num}"
                    yield Recording(corpus, self.language, file, "", problem=DAMAGED_LINE)
                else:
                    row = dict(zip(header, cells, strict=True))
                    yield self._recording(row, text, corpus, where)
        except csv.Error as error:
            raise SourceError(f"{name}: line {reader.line_num} is not CSV ({error}).") from error

    def _recording(self, row, text, corpus, where):
        return Recording(
            corpus=corpus,
            language=self.language,
            file=row["file_name"].strip(),
            text=row[text],
            split=names.split(row["split"], where) if "split" in row else "",
            speaker=row.get("speaker", "").strip(),
            translation=row.get("translation", ""),
        )


def _checked(header, name):
    """Give the column of the text, once the header has all that is needed."""
    twice = [column for column in header if header.count(column) > 1]
    if twice:
        raise SourceError(f"{name}: two columns are called '{twice[0]}'; rename one.")
    text = next((column for column in TEXTS if column in header), None)
    if "file_name" not in header or text is None:
        found = ", ".join(f"'{column[:40]}'" for column in header[:8]) or "nothing"
        needs = f"the columns file_name and {TEXTS[0]} are needed"
        raise SourceError(f"{name}: {needs}, and its first line has {found}.")
    return text


def _inside(folder, name):
    """Give the path of a file that a table names, None if it lies elsewhere."""
    outside = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive
    if not name or "\0" in name or outside or ".." in name.replace("\\", "/").split("/"):
        return None
    return folder / name
