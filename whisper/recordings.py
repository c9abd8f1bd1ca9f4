"""What is to be written down: the recordings of a folder, of a list of addresses or of a podcast.

    recordings.find("meetings")                        every sound and video in a folder
    recordings.find("talks.txt")                       an https address a line
    recordings.find("https://example.org/feed.xml")    the newest episodes of a podcast

A recording keeps its id wherever its file is moved to, and whatever a podcast does to the address
of its episode, so that it is written down once. In a folder, what is said may be known: from a
`.txt` of the same name beside it, or from a `metadata.csv` (`file_name,sentence`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fti.errors import SourceError
from whisper import podcasts
from whisper.feeds import metadata_folder
from whisper.feeds.names import LANGUAGES
from whisper.web import PUBLIC, Guard

SUFFIXES = {
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".mp4", ".m4v", ".mov",
    ".mkv", ".webm", ".avi", ".3gp",
}  # fmt: skip
MOST = 10_000  # addresses in a list
LONGEST_TEXT = 2_000_000  # bytes of what is known to be said


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A recording before anybody listened to it."""

    recording_id: str
    title: str
    place: str  # an absolute path, or an https address
    published: str = ""  # ISO 8601, UTC; "" where nobody says
    language: str = ""  # ISO 639, "" where nobody says
    reference: str = ""  # what is said in it, where that is known

    @property
    def is_file(self) -> bool:
        """Whether it is a file of this machine."""
        return "://" not in self.place


def find(where: str, guard: Guard = PUBLIC) -> list[Waiting]:
    """Give the recordings of a folder, a list (.txt), a podcast's address, or a single file.

    Raises UserError where there is no such place, and SourceError where nothing is in it.
    """
    if "://" in where:
        found = _podcast(where, guard)
    elif (path := Path(where).expanduser()).is_dir():
        found = _folder(path)
    elif path.is_file():
        found = _list(path) if path.suffix.lower() == ".txt" else [_file(path, path.parent, {})]
    else:
        raise SourceError(
            f"{where}: there is no such folder, list or file; name one, or a podcast's https "
            "address, with --recordings."
        )
    if not found:
        raise SourceError(f"{where}: there is no recording in it.")
    return list({one.recording_id: one for one in found}.values())


def _podcast(address, guard):
    feed = podcasts.fetch(address, guard=guard)
    return [
        Waiting(
            recording_id=_id("guid", one.guid),
            title=one.title or one.guid,
            place=one.address,
            published=one.published.isoformat() if one.published else "",
            language=one.language if one.language in LANGUAGES else "",
        )
        for one in feed.episodes
    ]


def _list(path):
    """Give the addresses of a list; blank lines and those that begin with # do not count."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: it is no text in UTF-8; write one address a line.") from error
    addresses = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if len(addresses) > MOST:
        raise SourceError(f"{path}: it has {len(addresses):,} addresses, and {MOST:,} may be.")
    for number, address in enumerate(addresses, 1):
        if "://" not in address:
            raise SourceError(f"{path}: address {number}, '{address[:60]}', is not https://...")
    return [
        Waiting(recording_id=_id("address", one), title=one.rpartition("/")[2] or one, place=one)
        for one in addresses
    ]


def _folder(folder):
    known = _table(folder)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return [_file(path, folder, known) for path in files if path.is_file()]


def _file(path, folder, known):
    """Give a file, named after what is in it."""
    name = path.relative_to(folder).as_posix()
    sentence, text = known.get(name, ""), path.with_suffix(".txt")
    if not sentence and text.is_file():
        with text.open("rb") as file:
            sentence = file.read(LONGEST_TEXT).decode("utf-8-sig", "replace").strip()
    try:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{path}: it cannot be read ({error.strerror}).") from error
    return Waiting(
        recording_id=_id("content", content),
        title=name,
        place=str(path.resolve()),
        reference=sentence,
    )


def _table(folder):
    """Give what the table of a folder, if it has one, knows to be said: file name -> text."""
    if not (folder / metadata_folder.TABLE).is_file():
        return {}
    lines = metadata_folder.MetadataFolder(folder, "").lines()
    return {line.file: line.text for line in lines if not line.problem}


def _id(kind: str, name: str) -> str:
    key = f"{kind}\0{name}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(key).hexdigest()[:20]
