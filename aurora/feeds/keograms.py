"""Download all-sky keograms of the Swedish Institute of Space Physics (IRF), one file per night.

    python -m aurora.feeds.keograms FOLDER --first 2026-09-01 --last 2026-09-30

`https://www.irf.se/alis/allsky/krn/YYYY/MM/DD/dark_keoYYYYMMDD.gif` answered until 2023; whether it
still does is not known. Error pages were once kept as pictures, so a file is kept only when it is a
picture by its first bytes and `aurora.keogram` can decode it to its end. The date in the address
says which night it is: none can be older than it seems.

KAGO data are free for scientific use; publication needs IRF's permission, and passing them on its
licence (https://www.irf.se/en/forskning/kago/license/): keep them where git does not see them.
"""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

from aurora import keogram
from aurora.feeds import documents
from fti import console
from fti.errors import SourceError
from fti.http import HttpError

log = logging.getLogger(__name__)

URL = "https://www.irf.se/alis/allsky/{camera}/{day:%Y/%m/%d}/dark_keo{day:%Y%m%d}.gif"
CAMERA = "krn"  # Kiruna
ATTRIBUTION = "IRF Kiruna, KAGO all-sky camera"
SIGNATURES = {b"\x89PNG\r\n\x1a\n": ".png", b"GIF87a": ".gif", b"GIF89a": ".gif"}
PAUSE = 1.0  # seconds between two requests


@dataclass
class Nights:
    """Pictures by their day, and why others could not be had, one sentence each."""

    pictures: dict[date, Path] = field(default_factory=dict)
    faults: dict[date, str] = field(default_factory=dict)


def address(day: date, camera: str = CAMERA) -> str:
    """Give where the keogram of the night that begins on `day` is."""
    return URL.format(camera=camera, day=day)


def download(
    days: Iterable[date],
    folder: Path,
    *,
    camera: str = CAMERA,
    retries: int = 3,
    patience: int | None = None,
    title: str | None = "keograms",
    sleep: Callable[[float], None] = time.sleep,
) -> Nights:
    """Bring the keograms of these days into the folder; those already there are not asked for.

    A night without a picture, or with one that is none, is among the faults and costs no more: a
    summer has none. A file from before its night was over is fetched again. After `patience` nights
    in a row without a picture, or when the service is out of service, no more are asked for.
    """
    days, nights, missing, out = list(days), Nights(), 0, False
    for day in console.progress(days, len(days), title):
        path = _kept(day, folder)
        if path is None and (out or (patience is not None and missing >= patience)):
            nights.faults[day] = "it was not asked for, after others could not be had"
            continue
        try:
            if path is None:
                path = download_night(day, folder, camera=camera, retries=retries)
                sleep(PAUSE)
            nights.pictures[day], missing = path, 0
        except SourceError as error:
            nights.faults[day], missing, out = str(error), missing + 1, _out_of_service(error)
            sleep(PAUSE)
    return nights


def _out_of_service(error: SourceError) -> bool:
    """Tell whether the service was asked several times and may answer another day."""
    return isinstance(error.__cause__, HttpError) and error.__cause__.passing


def download_night(day: date, folder: Path, *, camera: str = CAMERA, retries: int = 3) -> Path:
    """Bring one keogram into the folder, in one step, once it is known to be whole.

    Raises SourceUnreachable when there is none, SourceError when it is none.
    """
    data = fetch(day, camera=camera, retries=retries)
    path = folder / f"{day:%Y%m%d}{_suffix(data)}"
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    Path(temporary).replace(path)
    return path


def fetch(day: date, *, camera: str = CAMERA, retries: int = 3) -> bytes:
    """Give the bytes of one keogram, known to be whole. Raises SourceError."""
    url = address(day, camera)
    data, name = documents.fetch(url, max_bytes=keogram.MAX_BYTES, retries=retries)
    if documents.is_web_page(data):
        raise documents.refusal(name, "this is a web page saved as a picture")
    if _suffix(data) is None:
        raise documents.refusal(name, "this is neither PNG nor GIF")
    keogram.decode(data, name)
    return data


def _suffix(data):
    return next((suffix for start, suffix in SIGNATURES.items() if data.startswith(start)), None)


def _kept(day: date, folder: Path) -> Path | None:
    """Give the file of a night, if there is one that was written after the night was over."""
    over = keogram.start_of(day) + timedelta(days=1)
    for suffix in keogram.SUFFIXES:
        path = folder / f"{day:%Y%m%d}{suffix}"
        if path.exists() and path.stat().st_mtime >= over.timestamp():
            return path
    return None


def main(
    folder: Annotated[Path, typer.Argument(help="Where the pictures are kept; not in git.")],
    first: Annotated[str, typer.Option(help="First night, YYYY-MM-DD.")],
    last: Annotated[str, typer.Option(help="Last night, YYYY-MM-DD.")],
    camera: Annotated[str, typer.Option(help="IRF's name of the camera.")] = CAMERA,
) -> None:
    """Download the keograms of some nights; run again, it asks only for what is missing."""
    start, end = console.day(first), console.day(last)
    days = [start + timedelta(days=count) for count in range((end - start).days + 1)]
    nights = download(days, folder, camera=camera)
    for fault in nights.faults.values():
        console.note(fault)
    console.say(f"{len(nights.pictures)} of {len(days)} nights are in {folder}")


if __name__ == "__main__":
    console.run(main)
