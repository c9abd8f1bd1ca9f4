"""Where the shards are: a folder here, and the files of the project that others fetch them from.

    folder = storage.folder(project)
    storage.fetch(project, folder)      what other machines have kept, before it is read or added to
    storage.keep(project, folder)       what is new here, after

With WHISPER_SHARDS=DIR they are in that folder only, such as a volume that machines share. In an
embedded project they are made where its files are. Otherwise, on Hopsworks, they are copied to
`Resources/whisper/shards`, part by part: `index.json` names the parts and is written last, and no
part is ever written over, so that whoever reads always finds whole ones.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fti import projects
from fti.errors import SourceError
from fti.runs import backend_of
from whisper import labels, shards

log = logging.getLogger(__name__)

SETTING = "WHISPER_SHARDS"
KEPT = "Resources/whisper/shards"
INDEX = "index.json"

Told = Callable[[int, int], None]  # parts that are through, and all of them


@dataclass(frozen=True)
class Kept:
    """A part, or the tokenizer, as the index has it."""

    made_of: str  # what tells it from what was at its place before
    files: tuple[str, ...]


def folder(project: Any) -> Path:
    """Give the folder of the shards on this machine, which is made when it is written to."""
    if said := os.environ.get(SETTING):
        return Path(said).expanduser().absolute()
    if backend_of(project) == "embedded":
        return Path(project.home, *PurePosixPath(KEPT).parts)
    return projects.home() / "shards" / project.name


def keep(project: Any, folder: Path, told: Told | None = None) -> int:
    """Copy the parts that are new or other than before into the project; give how many.

    Nothing is copied from where the project, or everybody, reads anyway.
    """
    if _shared(project, folder):
        return 0
    api, here = project.get_dataset_api(), _here(folder)
    there = _there(api)
    new = [name for name, part in here.items() if there.get(name) != part]
    for number, name in enumerate(new, 1):
        _upload(api, folder / name, here[name], _place(name, here[name]))
        if told:
            told(number, len(new))
    if there != here:
        _write_index(api, here)
        for name, part in there.items():
            if here.get(name) != part:
                api.remove(_place(name, part))
    (folder / INDEX).write_text(_written(here), encoding="utf-8", newline="\n")
    return len(new)


def fetch(project: Any, folder: Path, told: Told | None = None, *, adding: bool = False) -> int:
    """Bring the folder to what the project keeps; give how many parts came.

    With `adding`, parts that were made here since, by a run that was interrupted, stay for the next
    one to go on with, and there need be none. Otherwise raises SourceError where there are none.
    """
    if _shared(project, folder):
        there, lacking = _here(folder), []
    else:
        api = project.get_dataset_api()
        there, here = _there(api), _here(folder)
        before = _read(folder / INDEX) if adding and (folder / INDEX).exists() else {}
        ours = {name for name, part in here.items() if adding and before.get(name) != part}
        lacking = [name for name in there if here.get(name) != there[name] and name not in ours]
        for number, name in enumerate(lacking, 1):
            _download(api, _place(name, there[name]), there[name], folder / name)
            if told:
                told(number, len(lacking))
        for name in here.keys() - there.keys() - ours:
            shutil.rmtree(folder / name, ignore_errors=True)
        if there:
            (folder / INDEX).write_text(_written(there), encoding="utf-8", newline="\n")
    if not there and not adding:
        raise SourceError(
            f"There are no shards in {folder}: make some with `python -m whisper.feature_pipeline "
            "--source ...`."
        )
    return len(lacking)


def _shared(project, folder):
    """Whether the folder is the one that everybody reads."""
    return bool(os.environ.get(SETTING)) or (
        backend_of(project) == "embedded" and folder.is_relative_to(project.home)
    )


def _here(folder: Path) -> dict[str, Kept]:
    """Give the parts of a folder, and its tokenizer, by their paths in it."""
    found = {}
    for about in sorted(Path(folder).glob(f"*/*/*/part-*/{shards.ABOUT}")):
        files = tuple(sorted(path.name for path in about.parent.iterdir()))
        made_of = json.loads(about.read_text(encoding="utf-8"))["made_of"]
        found[about.parent.relative_to(folder).as_posix()] = Kept(made_of, files)
    tokenizer = Path(folder, shards.TOKENIZER, labels.FILE)
    if found and tokenizer.exists():
        made_of = hashlib.sha256(tokenizer.read_bytes()).hexdigest()
        found[shards.TOKENIZER] = Kept(made_of, (labels.FILE, labels.ABOUT))
    return found


def _there(api) -> dict[str, Kept]:
    """Give what the index of the project says."""
    if not api.exists(f"{KEPT}/{INDEX}"):
        return {}
    with tempfile.TemporaryDirectory() as scratch:
        path = str(Path(scratch, INDEX))
        return _read(Path(api.download(f"{KEPT}/{INDEX}", path, overwrite=True)))


def _read(path) -> dict[str, Kept]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        return {name: Kept(part["made_of"], tuple(part["files"])) for name, part in index.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SourceError(
            f"{INDEX} of the shards is damaged ({error}): remove it from {KEPT} of the project and "
            "from the folder here, and run `python -m whisper.feature_pipeline` again."
        ) from error


def _written(parts):
    said = {name: {"made_of": part.made_of, "files": part.files} for name, part in parts.items()}
    return json.dumps(said, indent=1)


def _place(name, part):
    """Give where a part lies in the project: never where another one has been."""
    return f"{KEPT}/{name}-{part.made_of[:16]}"


def _upload(api, folder, part, place):
    _make_folder(api, place)
    for name in part.files:
        api.upload(str(folder / name), place, overwrite=True)


def _download(api, place, part, folder):
    """Fetch a part and put it at its place in one step."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name in part.files:
            api.download(f"{place}/{name}", str(scratch / name), overwrite=True)
        shutil.rmtree(folder, ignore_errors=True)
        scratch.chmod(0o755)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write_index(api, parts):
    """Put the index at its place in one step, as far as the project can."""
    aside = f"{KEPT}/partial-{uuid.uuid4().hex}"
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, INDEX)
        path.write_text(_written(parts), encoding="utf-8", newline="\n")
        _make_folder(api, aside)
        try:
            api.upload(str(path), aside, overwrite=True)
            api.move(f"{aside}/{INDEX}", f"{KEPT}/{INDEX}", overwrite=True)
        finally:
            api.remove(aside)


def _make_folder(api, path):
    """Make a folder with those above it, which Hopsworks does not do by itself."""
    parts = PurePosixPath(path).parts
    for count in range(2, len(parts) + 1):
        above = "/".join(parts[:count])
        if not api.exists(above):
            api.mkdir(above)
