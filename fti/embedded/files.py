"""Files and folders written so that nobody ever sees half of one."""

from __future__ import annotations

import hashlib
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path

TEMPORARY = ".partial-"
LOCK = ".lock"
ABANDONED = 24 * 3600  # seconds after which a temporary file belongs to no running process


def sha256(path: Path) -> str:
    """Give the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checksums(folder: Path) -> dict[str, str]:
    """Give the SHA-256 of each file below a folder by its relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def temporary_beside(target: Path) -> Path:
    """Give an unused hidden name in the folder of `target`, which is made if need be."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.parent / f"{TEMPORARY}{uuid.uuid4().hex}"


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file or folder to a name where nothing is, or replace a file, in one step."""
    partial = temporary_beside(target)
    sweep(target.parent, ABANDONED)
    try:
        if source.is_dir():
            shutil.copytree(source, partial)
        else:
            shutil.copy2(source, partial)
        if target.is_dir():
            replaced = temporary_beside(target)
            target.rename(replaced)
            partial.rename(target)
            shutil.rmtree(replaced)
        else:
            partial.replace(target)
    finally:
        remove(partial)


def remove(path: Path) -> None:
    """Remove a file or folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sweep(folder: Path, seconds: float = 0) -> None:
    """Remove what killed processes left in a folder, if it is at least so many seconds old."""
    for path in folder.glob(f"{TEMPORARY}*"):
        with suppress(FileNotFoundError):  # another process sweeps as well
            if time.time() - path.stat().st_ctime >= seconds:
                remove(path)
