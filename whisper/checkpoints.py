"""Checkpoints on disk: a folder named `checkpoint-300` is whole, or it is not there.

A checkpoint is written beside its place and moved there with one rename when it is complete; its
list of files tells one that a copy or a volume has truncated. Nothing here needs torch.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

log = logging.getLogger(__name__)

PREFIX, ASIDE = "checkpoint-", ".writing-"
LIST = "files.json"


def path(folder: Path, step: int) -> Path:
    """Give the place of the checkpoint of a step."""
    return Path(folder) / f"{PREFIX}{step}"


def latest(folder: Path) -> Path | None:
    """Give the newest whole checkpoint of a run, None without one."""
    for found in reversed(every(folder)):
        if is_whole(found):
            return found
        log.warning("%s is not whole and is passed over", found)
    return None


def every(folder: Path) -> list[Path]:
    """Give the checkpoints of a run, the newest last."""
    names = [one.name.removeprefix(PREFIX) for one in Path(folder).glob(f"{PREFIX}*")]
    return [path(folder, step) for step in sorted(int(name) for name in names if name.isdigit())]


def is_whole(folder: Path) -> bool:
    """Tell whether all files are there that belong to it, each as long as it was written."""
    try:
        sizes = json.loads((folder / LIST).read_text(encoding="utf-8"))
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def aside(place: Path) -> Path:
    """Give the folder in which to write what belongs at a place."""
    return place.with_name(ASIDE + place.name)


def begin(place: Path) -> None:
    """Make the folder in which to write, an empty one."""
    abandon(place)
    aside(place).mkdir(parents=True)


def finish(place: Path) -> None:
    """Put what was written at its place, once the disk has it."""
    written = aside(place)
    files = [one for one in sorted(written.rglob("*")) if one.is_file()]
    sizes = {one.relative_to(written).as_posix(): one.stat().st_size for one in files}
    (written / LIST).write_text(json.dumps(sizes, indent=1), encoding="utf-8")
    for one in (*files, written / LIST):
        _to_disk(one)
    if place.exists():  # of an earlier attempt at the same step
        shutil.rmtree(place)
    written.rename(place)


def abandon(place: Path) -> None:
    """Remove what was written for a place so far."""
    shutil.rmtree(aside(place), ignore_errors=True)


def keep_newest(folder: Path, count: int) -> None:
    """Remove all but so many checkpoints, and what interrupted ones have left."""
    for old in every(folder)[:-count]:
        shutil.rmtree(old)
    for left in Path(folder).glob(f"{ASIDE}*"):
        shutil.rmtree(left)


def _to_disk(file: Path) -> None:
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
