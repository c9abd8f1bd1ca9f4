"""The dataset API: files of the project, uploaded in chunks."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from fti.embedded.dataset_api import DATASETS, DatasetApi
from fti.embedded.exceptions import RestAPIError
from fti.server.multipart import parse_form
from fti.server.routes import ILLEGAL_ARGUMENT, PROJECT, Context, Request, Routes

FILES = PROJECT + "/dataset"
MANY = 10**9

routes = Routes()


@routes.add("POST", FILES + "/upload/(.+)")
def upload(context: Context, request: Request, folder: str) -> None:
    """Take one chunk of a file, in the form of flow.js (https://github.com/flowjs/flow.js)."""
    form = parse_form(request.content_type, request.body)
    name = form["flowFilename"].decode()
    if "/" in name or "\\" in name:
        raise RestAPIError(f"{name!r} is not the name of a file", ILLEGAL_ARGUMENT)
    number, size = int(form["flowChunkNumber"]), int(form["flowChunkSize"])
    total = max(1, int(form["flowTotalChunks"]))
    target = _api(context)._local(f"{folder}/{name}")
    context.uploads.put(target, number, total, (number - 1) * size, form["file"])


@routes.add("GET", FILES + "/download/with_auth/(.+)")
def download(context: Context, request: Request, path: str) -> Path:
    """Give the bytes of a file."""
    found = _api(context)._existing(path)
    if found.is_dir():
        raise RestAPIError(f"{path} is a folder", ILLEGAL_ARGUMENT)
    return found


@routes.add("GET", FILES + "/?(.*)")
def look(context: Context, request: Request, path: str) -> dict[str, Any]:
    """Give a file or folder, or what is in a folder, page by page."""
    api = _api(context)
    if request.first("action") == "listing":
        return _listing(context, request, path)
    local = api._local(path)
    if not local.exists():
        # A client looks whether a file is there before it begins to upload it.
        context.uploads.forget(local)
    return _inode(context, api._existing(path))


@routes.add("POST", FILES + "/(.+)")
def act(context: Context, request: Request, path: str) -> dict[str, Any] | None:
    """Make a folder, or copy or move a file or folder."""
    api, action = _api(context), (request.first("action") or "").lower()
    if action == "create":
        api.mkdir(path)
        return _inode(context, api._existing(path))
    destination = request.first("destination_path") or ""
    if action == "copy":
        api.copy(path, destination)
    elif action == "move":
        api.move(path, destination)
    else:
        raise NotImplementedError(f"POST dataset?action={action} is not in this server")
    return None


@routes.add("DELETE", FILES + "/(.+)")
def delete(context: Context, request: Request, path: str) -> None:
    """Remove a file or folder."""
    _api(context).remove(path)


def _api(context: Context) -> DatasetApi:
    return context.project.get_dataset_api()


def _listing(context: Context, request: Request, path: str) -> dict[str, Any]:
    """Give one page and the number of all."""
    api, home = _api(context), context.project.home
    paths = api.list(path, 0, MANY)
    if (request.first("sort_by") or "").lower() == "name:desc":
        paths.reverse()
    offset = request.number("offset", 0) or 0
    page = paths[offset : offset + (request.number("limit", MANY) or MANY)]
    entries = [_inode(context, api._local(name)) for name in page]
    if path.strip("/") in ("", f"Projects/{home.name}"):
        entries = [_dataset(number, entry) for number, entry in enumerate(entries, 1)]
    return {"count": len(paths), "items": entries}


def _inode(context: Context, local: Path) -> dict[str, Any]:
    """Describe a file or folder as the client reads it."""
    seen, relative = local.stat(), local.relative_to(context.project.home)
    changed = dt.datetime.fromtimestamp(seen.st_mtime, dt.UTC)
    attributes = {
        "name": local.name,
        "path": f"/Projects/{context.project.name}/{relative.as_posix()}",
        "dir": local.is_dir(),
        "size": seen.st_size,
        "owner": "local",
        "permission": "rwxr-x---",
        "modificationTime": changed.isoformat(timespec="milliseconds"),
        "underConstruction": False,
    }
    whole = {"datasetType": "DATASET"} if relative.as_posix() in DATASETS else {}
    return {"href": "", "attributes": attributes, **whole}


def _dataset(number: int, entry: dict[str, Any]) -> dict[str, Any]:
    return entry | {"id": number, "name": entry["attributes"]["name"]}
