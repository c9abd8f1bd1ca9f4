"""Common Voice as Mozilla Data Collective delivers it, unpacked or not.

    <release>/<locale>/{train,dev,test,validated}.tsv
    <release>/<locale>/clips/*.mp3

An archive is read twice from front to back, never unpacked: first its tables, which may lie behind
the clips, into a temporary database on disk, then the clips as they come.

`train` is what the publisher calls so: each sentence once. `validated` is several times larger;
with it, whoever is in dev or test stays out (`sources.Splits` sees to it).
"""

from __future__ import annotations

import sqlite3
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from fti.errors import SourceError
from whisper.audio import MAX_BYTES
from whisper.clips import DAMAGED_LINE, NO_AUDIO, TEST, TRAIN, UNDECODABLE, VALIDATION, Recording
from whisper.feeds import names

CORPUS = "common_voice"
SUFFIXES = (".tar.gz", ".tgz", ".tar")
TABLES = {"train": TRAIN, "dev": VALIDATION, "test": TEST}
WHOLE_TABLES = {"validated": TRAIN, "dev": VALIDATION, "test": TEST}
NEEDED = ("client_id", "path", "sentence")
MAX_LINE = 100_000  # bytes


@dataclass(frozen=True)
class Folder:
    """One language, unpacked: a folder with the tables and `clips`."""

    folder: Path
    language: str
    tables: dict[str, str]

    def lines(self) -> Iterator[Recording]:
        """Give the lines of the tables there are."""
        for table, split in self.tables.items():
            path = self.folder / f"{table}.tsv"
            if path.exists():
                with path.open("rb") as file:
                    yield from _lines(file, str(path), self.folder.name, self.language, split)

    def recordings(self) -> Iterator[Recording]:
        """Give the lines with the paths of their audio, which is not read yet."""
        for line in self.lines():
            path = self.folder / "clips" / PurePosixPath(line.file).name
            yield line if line.problem else replace(line, audio=path)


@dataclass(frozen=True)
class Archive:
    """One language of an archive whose tables are in a database."""

    path: Path
    locale: str
    language: str
    database: sqlite3.Connection

    def lines(self) -> Iterator[Recording]:
        """Give the lines of the tables."""
        select = "SELECT file, text, split, speaker, problem FROM lines ORDER BY rowid"
        yield from map(self._recording, self.database.execute(select))

    def recordings(self) -> Iterator[Recording]:
        """Give the clips in the order of the archive, and then the lines that have none."""
        select = "SELECT file, text, split, speaker, problem FROM lines WHERE file = ?"
        for member, read in _members(self.path):
            locale, name = _place(member, "clips")
            rows = self.database.execute(select, (f"{self.locale}/{name}",)).fetchall()
            if locale != self.locale or not rows:
                continue
            self.database.execute("UPDATE lines SET seen = 1 WHERE file = ?", (rows[0][0],))
            audio, problem = (None, UNDECODABLE) if member.size > MAX_BYTES else (read(), "")
            for row in rows:
                yield replace(self._recording(row), audio=audio, problem=problem)
        select = "SELECT file, text, split, speaker, problem FROM lines WHERE NOT seen"
        for row in self.database.execute(select).fetchall():
            yield replace(self._recording(row), problem=row[-1] or NO_AUDIO)

    def _recording(self, row):
        file, text, split, speaker, problem = row
        return Recording(CORPUS, self.language, file, text, split, speaker, problem=problem)


def folders(root: Path) -> list[Path]:
    """Give the folders of languages in a release, or `root` itself if it is one."""
    here = [root, *sorted(root.glob("*/")), *sorted(root.glob("*/*/"))]
    known = set(TABLES) | set(WHOLE_TABLES)
    return [
        path
        for path in here
        if (path / "clips").is_dir() and any((path / f"{table}.tsv").exists() for table in known)
    ]


def tables(whole: bool) -> dict[str, str]:
    """Give the tables to read and their splits; `whole` means all of `validated` to train on."""
    return WHOLE_TABLES if whole else TABLES


@contextmanager
def archive(path: Path, language: str | None, whole: bool = False) -> Iterator[Archive]:
    """Open an archive; raises SourceError for one that is none, or has not one such language."""
    with closing(sqlite3.connect("", check_same_thread=False)) as database:  # deleted on closing
        database.execute(
            "CREATE TABLE lines (locale, file, text, split, speaker, problem, seen DEFAULT 0)"
        )
        for member, read in _members(path):
            locale, name = _place(member)
            split = tables(whole).get(name.removesuffix(".tsv")) if locale else None
            if split and name.endswith(".tsv"):
                said = names.language(locale)
                _keep(database, locale, _lines(read(stream=True), name, locale, said, split))
        database.execute("CREATE INDEX by_file ON lines (file)")
        found = [row[0] for row in database.execute("SELECT DISTINCT locale FROM lines")]
        locale = chosen(found, language, str(path))
        database.execute("DELETE FROM lines WHERE locale <> ?", (locale,))
        yield Archive(path, locale, language_of(locale, language, str(path)), database)


def chosen(locales: list[str], language: str | None, name: str) -> str:
    """Give the one of the locales there are that is of a language, or the only one."""
    if not locales:
        layout = "<locale>/train.tsv, dev.tsv or test.tsv"
        raise SourceError(f"{name}: this is no Common Voice: no {layout} is in it.")
    fitting = [one for one in locales if language in (None, names.language(one))]
    if len(fitting) == 1:
        return fitting[0]
    there = ", ".join(sorted(locales))
    if language and not names.language(locales[0]) and len(locales) == 1:
        return locales[0]  # a folder of some other name, whose language was said
    asked = f"'{language}' was asked for" if language else "say which with --language"
    raise SourceError(f"{name}: it has the languages {there}; {asked}.")


def language_of(locale: str, language: str | None, name: str) -> str:
    """Give the language that was asked for, else that of the locale; SourceError if it has none."""
    said = language or names.language(locale)
    if not said:
        raise SourceError(f"{name}: the locale '{locale}' is not known; say it with --language.")
    return said


def _keep(database, locale, lines):
    rows = (
        (locale, line.file, line.text, line.split, line.speaker, line.problem) for line in lines
    )
    columns = "locale, file, text, split, speaker, problem"
    database.executemany(f"INSERT INTO lines ({columns}) VALUES (?, ?, ?, ?, ?, ?)", rows)


def _members(path):
    """Give each file of an archive, and what reads it before the next one is asked for."""
    try:
        with tarfile.open(path, "r|*") as tar:
            for member in tar:
                tar.members = []  # it would keep them all
                if member.isfile():
                    yield member, lambda stream=False, tar=tar, m=member: _read(tar, m, stream)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        reason = f"it is no tar archive, or is cut off ({error})"
        raise SourceError(f"{path}: {reason}; download it again.") from error


def _read(tar, member, stream):
    file = tar.extractfile(member)
    return file if stream else file.read()


def _place(member, folder=None):
    """Give locale and name of a file of an archive; both are "" for one that lies elsewhere."""
    parts = PurePosixPath(member.name).parts
    if folder:
        parts = (*parts[:-2], parts[-1]) if parts[-2:-1] == (folder,) else ()
    return parts[-2:] if len(parts) > 1 else ("", "")


def _lines(file: BinaryIO, name: str, locale: str, language: str, split: str):
    """Give the lines of a table. Its texts are as they are: a quotation mark quotes nothing."""
    header: list[str] = []
    for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), start=1):
        cells = _text(line, f"{name}, line {number}").rstrip("\r\n").split("\t")
        if not header:
            header = _header(cells, name)
        elif len(cells) != len(header):
            place = f"{locale}/{split}:{number}"
            yield Recording(CORPUS, language, place, "", split, problem=DAMAGED_LINE)
        else:
            row = dict(zip(header, cells, strict=True))
            file_name = PurePosixPath(row["path"]).name or f"{split}:{number}"
            file_name += "" if "." in file_name else ".mp3"  # as the first releases wrote it
            path = f"{locale}/{file_name}"
            yield Recording(CORPUS, language, path, row["sentence"], split, row["client_id"])


def _header(cells, name):
    missing = [column for column in NEEDED if column not in cells]
    if missing:
        raise SourceError(
            f"{name}: there is no column '{missing[0]}' in its first line; this is no table of "
            "Common Voice."
        )
    return cells


def _text(line, where):
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{where}: it is not UTF-8 text; download it again.") from error
