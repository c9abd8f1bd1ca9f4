"""What YouTube has at an address: title, thumbnail, sound and a small video, by yt-dlp.

    youtube.is_video("https://youtu.be/dQw4w9WgXcQ")     is it an address of a video on YouTube
    about = youtube.info(address)                        title, thumbnail, seconds
    youtube.sound(address, folder)                       the file with the best sound
    youtube.video(address, folder)                       an mp4 of at most 480 lines

Only the video's eleven letters are taken from what a visitor pastes; yt-dlp gets an address made of
them. It runs in a process of its own, with an end, and reads no settings, cookies, playlists or
local files. YouTube refuses many machines in data centres: each YouTubeError says so in one
sentence that leads to the upload.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fti.errors import SourceError
from fti.http import MEGABYTE
from whisper import bounded, web
from whisper.bounded import Limits

log = logging.getLogger(__name__)

HOSTS = {"youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "youtu.be"}
VIDEO = re.compile(r"[A-Za-z0-9_-]{11}")
FOLDERS = ("shorts", "live", "embed", "v")  # /shorts/<video>
SOUND = "bestaudio[protocol^=http]/best[height<=?480][protocol^=http]"
PICTURES = "best[ext=mp4][height<=?480][protocol^=http]"  # both in one file, so nothing is merged
UPLOAD = "upload the file instead."
PROCESSOR = 120  # seconds, most of it for YouTube's own scripts
# What yt-dlp says, and what it means for a visitor; the first that fits.
MEANINGS = {
    r"it took longer than": "YouTube takes too long",
    r"not a bot|HTTP Error 429|rate.?limit": "YouTube does not serve this machine",
    r"JavaScript|challenge solving|Requested format|Only images|No video formats": (
        "YouTube gives this machine no file of this video"
    ),
    r"Private video|members.only|Join this channel|requires payment": "This video is not public",
    r"age.restricted|confirm your age|inappropriate": "YouTube shows this video to adults only",
    r"not available in your country|not made this video available|blocked it": (
        "This video is not shown in the country of this machine"
    ),
    r"live event|Premieres in|is_live|is live": "This is a live stream",
    r"unavailable|removed|terminated|does not exist|HTTP Error 404": (
        "This video is not available any more"
    ),
    r"longer than|larger than|max-filesize": "This video is too long or too large",
    r"HTTP Error 403": "YouTube does not serve this machine",
    r"resolve|timed out|refused|Unable to connect|unreachable|Network|handshake": (
        "YouTube does not answer"
    ),
}


class YouTubeError(SourceError):
    """A video that YouTube does not have, or does not give to this machine."""


@dataclass(frozen=True)
class Video:
    """What is known of a video; `seconds` is None where YouTube does not say."""

    title: str
    thumbnail: str  # an https address, or ""
    seconds: float | None


@dataclass(frozen=True)
class Site:
    """Whose addresses are taken, and which part of yt-dlp reads them; another one is for tests."""

    extractor: str
    address: Callable[[str], str]


def is_video(url: str) -> bool:
    """Tell whether this is the address of a video on YouTube."""
    return _video_id(url) is not None


def watch_address(url: str) -> str:
    """Give the plain address of the video that an address names; raises YouTubeError."""
    found = _video_id(url)
    if found is None:
        raise YouTubeError("This is no address of a video on YouTube: paste one, or " + UPLOAD)
    return f"https://www.youtube.com/watch?v={found}"


YOUTUBE = Site("youtube", watch_address)


def info(url: str, *, seconds: float = 30.0, site: Site = YOUTUBE) -> Video:
    """Tell title, thumbnail and length of a video, within so many seconds."""
    address = site.address(url)
    found = _call(_info, {"address": address, "extractor": site.extractor}, seconds)
    return Video(**found)


def sound(
    url: str,
    folder: Path,
    *,
    longest: float = 3600.0,
    max_bytes: int = 200 * MEGABYTE,
    seconds: float = 180.0,
    site: Site = YOUTUBE,
) -> Path:
    """Write the best sound of a video into a folder of the visitor's own; give its path.

    `longest` bounds the video's length in seconds, `seconds` the time that all of it takes.
    """
    return _download(url, folder, SOUND, longest, max_bytes, seconds, site)


def video(
    url: str,
    folder: Path,
    *,
    longest: float = 3600.0,
    max_bytes: int = 200 * MEGABYTE,
    seconds: float = 180.0,
    site: Site = YOUTUBE,
) -> Path:
    """Write a video of at most 480 lines, as mp4, into a folder; bounds as of `sound`."""
    return _download(url, folder, PICTURES, longest, max_bytes, seconds, site)


def meaning(said: str) -> str:
    """Put what yt-dlp says into one sentence for a visitor."""
    said = " ".join(said.split())
    for pattern, sentence in MEANINGS.items():
        if re.search(pattern, said, re.IGNORECASE):
            return f"{sentence}: {UPLOAD}"
    log.warning("yt-dlp: %s", said[:500])
    return f"YouTube did not give this video: {UPLOAD}"


def _video_id(url: str) -> str | None:
    try:
        web.check(url)
        parts = urlsplit(url.strip())
    except (web.WebError, ValueError):
        return None
    if (parts.hostname or "").rstrip(".") not in HOSTS:
        return None
    names = [name for name in parts.path.split("/") if name]
    if parts.hostname == "youtu.be":
        found = names[0] if names else ""
    elif names[:1] == ["watch"]:
        found = parse_qs(parts.query).get("v", [""])[0]
    else:
        found = names[1] if len(names) > 1 and names[0] in FOLDERS else ""
    return found if VIDEO.fullmatch(found) else None


def _download(url, folder, formats, longest, max_bytes, seconds, site):
    asked = {
        "address": site.address(url),
        "extractor": site.extractor,
        "folder": str(Path(folder).resolve()),
        "formats": formats,
        "longest": longest,
        "max_bytes": max_bytes,
    }
    return Path(_call(_fetch, asked, seconds, max_bytes))


def _call(function, asked, seconds, max_bytes=MEGABYTE):
    # No bound on address space: JavaScript runtimes reserve far more than they use.
    limits = Limits(seconds=seconds, processor=PROCESSOR, memory=None, file=max_bytes + MEGABYTE)
    try:
        return bounded.call(function, asked, limits, "This video", YouTubeError)
    except YouTubeError as error:
        sentence = str(error)
        raise YouTubeError(sentence if UPLOAD in sentence else meaning(sentence)) from error


# In the process -----------------------------------------------------------------------------------


def _info(address: str, extractor: str) -> dict[str, Any]:
    found = _run(address, extractor, {"skip_download": True, "ignore_no_formats_error": True})
    picture = str(found.get("thumbnail") or "")
    length = found.get("duration")
    return {
        "title": str(found.get("title") or "")[:300],
        "thumbnail": picture if picture.startswith("https://") else "",
        "seconds": None if length is None else float(length),
    }


def _fetch(
    address: str, extractor: str, folder: str, formats: str, longest: float, max_bytes: int
) -> str:
    def refused(about, *, incomplete):
        if about.get("is_live"):
            return "is_live"
        return "longer than asked" if (about.get("duration") or 0) > longest else None

    def watch(progress):
        if (progress.get("downloaded_bytes") or 0) > max_bytes:
            raise YouTubeError(meaning("larger than asked"))

    _run(
        address,
        extractor,
        {
            "format": formats,
            "match_filter": refused,
            "max_filesize": max_bytes,
            "progress_hooks": [watch],
            "outtmpl": {"default": str(Path(folder, "video.%(ext)s"))},
        },
    )
    made = sorted(Path(folder).glob("video.*"))
    if not made:
        raise YouTubeError(meaning("larger than asked"))
    return str(made[0])


def _run(address, extractor, options):
    """Ask yt-dlp for one video, with nothing of this machine at its disposal."""
    os.environ["YTDLP_NO_PLUGINS"] = "1"
    try:
        import yt_dlp
    except ImportError as error:
        missing = "yt-dlp is not installed here (requirements/whisper-apps.txt)"
        raise YouTubeError(f"{missing}: {UPLOAD}") from error
    said = _Said()
    common = {
        "allowed_extractors": [f"^{extractor}$"],
        "cachedir": False,
        "color": "no_color",
        "enable_file_urls": False,
        "extractor_retries": 1,
        "fixup": "never",
        "js_runtimes": {"deno": {}, "node": {}},
        "logger": said,
        "nopart": True,
        "noplaylist": True,
        "noprogress": True,
        "overwrites": True,
        "playlist_items": "1",
        "quiet": True,
        "retries": 1,
        "socket_timeout": 10,
    }
    try:
        with yt_dlp.YoutubeDL(common | options) as ydl:
            found = ydl.extract_info(address, download="format" in options)
    except yt_dlp.utils.YoutubeDLError as error:
        raise YouTubeError(meaning(str(error))) from error
    if not found or found.get("_type") == "playlist":
        raise YouTubeError(meaning(said.last or "No video formats"))
    return found


class _Said:
    """What yt-dlp logs; the last line tells why it left a video out."""

    last = ""

    def debug(self, line: str) -> None:
        """Keep a line that says why a video is left out."""
        if "skipping" in line or "does not pass" in line or "larger than" in line:
            self.last = line

    def warning(self, line: str) -> None:
        """Leave warnings out: what matters comes again as an error."""

    error = warning
