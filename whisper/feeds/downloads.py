"""Where corpora that come over the network are kept, and whether there is room for them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from fti import projects
from fti.errors import UserError

SETTING = "WHISPER_DOWNLOADS"
SPARE = 2**30  # bytes to leave free
GIGABYTE = 10**9


def folder() -> Path:
    """Give the folder of downloads: WHISPER_DOWNLOADS, or one beside the embedded projects."""
    chosen = os.environ.get(SETTING)
    return Path(chosen).expanduser() if chosen else projects.home() / "cache" / "whisper"


def check_room(place: Path, size: int, what: str, setting: str = SETTING) -> None:
    """Raise UserError where `size` bytes more, for `what`, would fill the disk that `place` is on.

    `setting` is the one by which another place can be named.
    """
    there = next(path for path in (place, *place.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if size + SPARE > free:
        raise UserError(
            f"{what} takes {size / GIGABYTE:,.1f} GB, and of the {free / GIGABYTE:,.1f} GB free at "
            f"{place} {SPARE / GIGABYTE:.0f} should stay so: free some space, or name another "
            f"place with {setting}."
        )
