"""The episodes of a podcast: its feed (RSS or Atom) fetched and read with nothing trusted.

    podcast = podcasts.fetch("https://example.org/feed.xml")
    podcast.episodes[0].title, .address, .published

The feed comes through `whisper.web` and is read in a process of its own, with entities refused, as
they are how a small feed becomes a huge one or tells what is in a local file.
"""

from __future__ import annotations

import io
import re
import tempfile
from calendar import timegm
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fti.errors import SourceError
from fti.http import MEGABYTE
from whisper import bounded, web
from whisper.bounded import Limits
from whisper.web import PUBLIC, Guard

MAX_BYTES = 20 * MEGABYTE  # feeds of twenty years of days have about 10
MOST = 500  # episodes, the newest
LONGEST = 300  # characters of a title
LIMITS = Limits(seconds=30, processor=30, memory=2**30)
LANGUAGE = re.compile(r"([a-z]{2,3})(?:[-_].*)?", re.IGNORECASE)
SUFFIXES = (".mp3", ".m4a", ".mp4", ".aac", ".ogg", ".oga", ".opus", ".wav", ".flac", ".webm")


class FeedError(SourceError):
    """What came is no feed, or none that is read here."""


@dataclass(frozen=True)
class Episode:
    """One recording of a feed; `guid` names it for good, whatever its address becomes."""

    guid: str
    title: str
    address: str  # https
    published: datetime | None  # UTC
    language: str  # ISO 639, or "" where the feed does not say


@dataclass(frozen=True)
class Podcast:
    """A feed with its newest episodes, the newest first."""

    title: str
    episodes: list[Episode]


def fetch(url: str, *, most: int = MOST, guard: Guard = PUBLIC) -> Podcast:
    """Fetch and read a feed; raises WebError or FeedError."""
    data = web.read(url, kinds=web.FEED, max_bytes=MAX_BYTES, guard=guard)
    return read(data, web.shown(url), most=most)


def read(
    data: bytes, name: str = "the feed", *, most: int = MOST, limits: Limits = LIMITS
) -> Podcast:
    """Read the bytes of a feed; entries without a recording are left out."""
    # In UTF-16 and UTF-32, the signs of markup have zeros beside them.
    if b"<!entity" in data.replace(b"\0", b"").lower():
        raise FeedError(f"{name} declares entities, which no podcast needs: it is not read.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "feed")
        path.write_bytes(data)
        asked = {"path": str(path), "name": name, "most": most}
        found = bounded.call(_read, asked, limits, name, FeedError)
    episodes = [
        Episode(**one | {"published": when and datetime.fromtimestamp(when, UTC)})
        for one in found["episodes"]
        for when in [one["published"]]
    ]
    return Podcast(found["title"], episodes)


# In the process -----------------------------------------------------------------------------------


def _read(path: str, name: str, most: int) -> dict[str, Any]:
    import feedparser

    # A stream, because text and bytes may also name files and addresses for feedparser to open.
    feed = feedparser.parse(io.BytesIO(Path(path).read_bytes()), resolve_relative_uris=False)
    if not feed.get("version"):
        raise FeedError(f"{name} is no feed of a podcast: paste the address of its RSS feed.")
    spoken = _language(feed.feed.get("language"))
    entries = [_episode(entry, spoken) for entry in feed.entries]
    by_guid = {one["guid"]: one for one in reversed(entries) if one["address"]}
    newest = sorted(reversed(by_guid.values()), key=lambda one: -(one["published"] or 0))
    return {"title": _text(feed.feed.get("title")), "episodes": newest[:most]}


def _episode(entry: Any, spoken: str) -> dict[str, Any]:
    address = _recording(entry.get("enclosures", []))
    day = entry.get("published_parsed") or entry.get("updated_parsed")
    return {
        "guid": _text(entry.get("id")) or address,
        "title": _text(entry.get("title")),
        "address": address,
        "published": timegm(day) if day else None,
        "language": _language(entry.get("language")) or spoken,
    }


def _recording(enclosures: list[Any]) -> str:
    """Give the address of the first sound or video; feeds that still say http mean https."""
    for one in enclosures[:10]:
        address, kind = str(one.get("href") or "").strip(), str(one.get("type") or "").lower()
        known = kind.startswith(("audio/", "video/"))
        if known or address.lower().partition("?")[0].endswith(SUFFIXES):
            scheme, _, rest = address.partition("://")
            return f"https://{rest}" if scheme.lower() == "http" else address
    return ""


def _text(value: Any) -> str:
    return " ".join(str(value or "").split())[:LONGEST]


def _language(value: Any) -> str:
    found = LANGUAGE.fullmatch(str(value or "").strip())
    return found[1].lower() if found else ""
