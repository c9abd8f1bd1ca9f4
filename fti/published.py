"""The small result files that Spaces read: tables, numbers and one report, under one folder each.

    fti.publish(project, "titanic", {"predictions.parquet": table, "monitor.json": numbers})
    table = fti.read_published(project, "titanic", "predictions.parquet")

They are files of the project, in `Resources/<use_case>/`, because a Space reaches files (HTTPS)
but no feature group.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import shutil
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fti.errors import UserError
from fti.runs import backend_of

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "Resources"
SUFFIXES = (".parquet", ".json", ".html")
MAX_BYTES = 100 * 1024 * 1024  # of a file that is read back
USE_CASE = re.compile(r"[a-z][a-z0-9_]{0,62}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class PublishedError(UserError, ValueError):
    """A published file cannot be written, found or read as asked."""


def publish(
    project: Any,
    use_case: str,
    files: Mapping[str, pd.DataFrame | dict[str, Any] | list[Any] | str | bytes | Path],
) -> list[str]:
    """Write the files of a use case and give their paths in the project, in the order given.

    The name decides the format: .parquet takes a table; .json a dict, a list, or a table, which
    becomes a list of rows; .html text. All three take bytes, or the Path of a finished file.
    All files are made before the first one is uploaded, and nobody ever reads half of one.
    """
    _check_use_case(use_case)
    for name in files:
        _check_name(name)
    folder = f"{FOLDER}/{use_case}"
    with tempfile.TemporaryDirectory() as temporary:
        made = [_make(Path(temporary) / name, content) for name, content in files.items()]
        api = project.get_dataset_api()
        if not api.exists(folder):
            api.mkdir(folder)
        if backend_of(project) == "embedded":  # an upload is one step there
            return [api.upload(str(path), folder, overwrite=True) for path in made]
        return _upload_aside(api, made, folder)


def read_published(
    project: Any, use_case: str, name: str, *, max_bytes: int = MAX_BYTES
) -> pd.DataFrame | dict[str, Any] | list[Any] | str:
    """Give a published file: a table (.parquet), what JSON holds (.json), or text (.html)."""
    _check_use_case(use_case)
    _check_name(name)
    path = f"{FOLDER}/{use_case}/{name}"
    api = project.get_dataset_api()
    if not api.exists(path):
        raise PublishedError(
            f"{use_case} has not published {name} yet: run `python -m {use_case}`."
        )
    with tempfile.TemporaryDirectory() as temporary:
        local = Path(api.download(path, str(Path(temporary) / name), overwrite=True))
        size = local.stat().st_size
        if size > max_bytes:
            raise PublishedError(f"{path} has {size:,} bytes, more than the {max_bytes:,} allowed.")
        return _read(local)


def published_files(project: Any) -> list[str]:
    """Give the paths of all published files, by use case and name."""
    api = project.get_dataset_api()
    found = []
    for folder in _names(api, FOLDER):
        if USE_CASE.fullmatch(folder):
            inside = [name for name in _names(api, f"{FOLDER}/{folder}") if name.endswith(SUFFIXES)]
            found += [f"{FOLDER}/{folder}/{name}" for name in inside]
    return found


def to_json(value: Any) -> str:
    """Give strict JSON: no NaN (null instead), numbers of numpy as numbers, times as ISO in UTC."""
    return json.dumps(_plain(value), allow_nan=False, ensure_ascii=False, indent=1)


def _upload_aside(api: Any, made: list[Path], folder: str) -> list[str]:
    """Upload to a folder beside, then move: Hopsworks writes an upload piece by piece.

    What a move replaces is gone for the moment between two requests.
    """
    aside = f"{folder}/partial-{uuid.uuid4().hex}"
    api.mkdir(aside)
    try:
        for path in made:
            api.upload(str(path), aside, overwrite=True)
        for path in made:
            api.move(f"{aside}/{path.name}", f"{folder}/{path.name}", overwrite=True)
    finally:
        api.remove(aside)
    return [f"{folder}/{path.name}" for path in made]


def _names(api: Any, folder: str) -> list[str]:
    if not api.exists(folder):
        return []
    return sorted(path.rstrip("/").rpartition("/")[2] for path in api.list(folder))


def _check_use_case(use_case: str) -> None:
    if not USE_CASE.fullmatch(use_case):
        raise PublishedError(f"'{use_case}' is not the name of a use case.")


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name) or not name.endswith(SUFFIXES):
        raise PublishedError(
            f"'{name}' is not the name of a published file: use letters, digits, '_', '-' and '.', "
            f"ending in {', '.join(SUFFIXES)}."
        )


def _make(target: Path, content: Any) -> Path:
    """Write a file of the format that its name says; TypeError or PublishedError if not."""
    import pandas as pd

    suffix = target.suffix
    if isinstance(content, Path):
        shutil.copyfile(content, target)
    elif isinstance(content, bytes):
        target.write_bytes(content)
    elif suffix == ".parquet" and isinstance(content, pd.DataFrame):
        content.to_parquet(target, index=False)
        return target
    elif suffix == ".json" and isinstance(content, dict | list | pd.DataFrame):
        target.write_text(to_json(content), encoding="utf-8", newline="\n")
        return target
    elif suffix != ".parquet" and isinstance(content, str):
        target.write_text(content, encoding="utf-8", newline="\n")
    else:
        raise TypeError(f"a {type(content).__name__} cannot be published as {target.name}")
    _read(target)  # what somebody else made is looked at before anybody sees it
    return target


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".parquet":
            import pandas as pd

            return pd.read_parquet(path)
        text = path.read_text(encoding="utf-8")
        return text if path.suffix == ".html" else json.loads(text, parse_constant=_no_constant)
    except (ValueError, OSError) as error:
        raise PublishedError(f"{path.name} is not {path.suffix[1:]}: {error}") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _plain(value: Any) -> Any:
    """Give a value as JSON has it; TypeError for one that JSON has no place for."""
    import numpy as np
    import pandas as pd

    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(inner) for key, inner in value.items()}
    if isinstance(value, pd.DataFrame):
        return [_plain(row) for row in value.to_dict("records")]
    if isinstance(value, list | tuple | set | np.ndarray | pd.Series | pd.Index):
        inside = sorted(value) if isinstance(value, set) else value
        return [_plain(inner) for inner in inside]
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dt.datetime):
        utc = value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
        return utc.isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bool | int | str):
        return value
    raise TypeError(f"a {type(value).__name__} has no place in JSON")
