"""Raw bytes from where a user says: a path, an http(s) address, or the use case's own addresses."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from fti import http
from fti.errors import SourceError, SourceUnreachable

log = logging.getLogger(__name__)

WEB, SAMPLE = "web", "sample"
MAX_BYTES = 100 * http.MEGABYTE
OR_SAMPLE = "or use the built-in sample with --source sample"


def chosen(source: str | None, use_case: str, default: str = WEB) -> str:
    """Say which source counts: the argument, else <USE CASE>_SOURCE, else the default."""
    return str(source or os.environ.get(f"{use_case.upper()}_SOURCE") or default)


def fetch(
    source: str,
    urls: Sequence[str] = (),
    *,
    max_bytes: int = MAX_BYTES,
    cache: Path | None = None,
    retries: int = 3,
) -> tuple[bytes, str]:
    """Give the content of a path, an address, or "web" (the first of `urls` that answers).

    Out: the bytes, and a name for error messages, without secrets. A web address is tried
    `retries` times more when it does not answer, and its copy is kept in the folder `cache`, if
    given. Raises SourceError, and SourceUnreachable where the network is the reason.
    """
    if source == WEB:
        return _from_web(urls, max_bytes, cache, retries)
    if "://" in source:
        return _from_web((source,), max_bytes, cache, retries)
    return _from_file(Path(source), max_bytes), source


def shown(source: str) -> str:
    """Give a source as it may be logged."""
    return http.without_secrets(source) if "://" in source else source


def _from_web(urls, max_bytes, cache, retries):
    """Give what the first address that answers has; the others are for one that has moved."""
    for url in urls:
        try:
            data = http.get(url, max_bytes=max_bytes, cache=cache, retries=retries)
            return data, http.without_secrets(url)
        except http.HttpError as error:
            problem = error
            if error.status is None:
                break
    reason = str(problem).rstrip(".")
    raise SourceUnreachable(f"{reason}; {OR_SAMPLE}, or a file with --source PATH.") from problem


def _from_file(path, max_bytes):
    try:
        path = path.expanduser() if path.parts[:1] == ("~",) else path
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError:
        reason = "there is no such file"
    except (OSError, ValueError, RuntimeError) as error:
        reason = f"it cannot be read ({getattr(error, 'strerror', None) or error})"
        reason = "this is a folder; name the file in it" if path.is_dir() else reason
    else:
        if len(data) <= max_bytes:
            return data
        reason = f"it is larger than {max_bytes:,} bytes; split it"
    raise SourceError(f"{path!s}: {reason}; {OR_SAMPLE}.")
