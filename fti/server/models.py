"""The model registry: metadata here, files by the dataset API.

The client makes the folder of a version, uploads what is in it, and then registers it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from fti.embedded.catalog import AlreadyExists
from fti.embedded.files import checksums
from fti.embedded.model_registry import Model
from fti.server.routes import (
    MODEL_NOT_FOUND,
    PROJECT,
    Context,
    Request,
    Routes,
    items,
    not_found,
    tags_from_json,
)

MODELS = PROJECT + r"/modelregistries/\d+/models"
MODEL = MODELS + "/([^/]+)"
NAMED = "name_eq:"
IDENTITY = re.compile(r"(?P<name>.+)_(?P<version>\d+)(-\d+)?")

routes = Routes()


@routes.add("PUT", MODEL)
def put(context: Context, request: Request, identity: str) -> dict[str, Any]:
    """Register a version whose files are there, or register it again."""
    given = request.json()
    name, version = given["name"], int(given["version"])
    document = _document(given, _folder(context, name, version))
    catalog = context.project.catalog
    try:
        catalog.add("model", name, version, document)
    except AlreadyExists:
        catalog.update(catalog.get("model", name, version), lambda kept: kept.update(document))
    return model_to_json(context, saved(context, identity))


@routes.add("GET", MODEL)
def get(context: Context, request: Request, identity: str) -> dict[str, Any]:
    """Give one version of a model."""
    return model_to_json(context, saved(context, identity))


@routes.add("DELETE", MODEL)
def delete(context: Context, request: Request, identity: str) -> None:
    """Remove a version and its files."""
    saved(context, identity).delete()


@routes.add("GET", MODELS)
def find(context: Context, request: Request) -> dict[str, Any]:
    """Give the versions of a model; sorted by a metric, those that have it."""
    registry = context.project.get_model_registry()
    said = [text for text in request.query.get("filter_by", []) if text.startswith(NAMED)]
    models = registry.get_models(said[0].removeprefix(NAMED)) if said else registry.all_models()
    if order := request.first("sort_by"):
        models = _sorted(models, order)
    return items([model_to_json(context, model) for model in models[: request.number("limit")]])


def saved(context: Context, identity: str) -> Model:
    """Give a model by <name>_<version> or the id it was given; RestAPIError without one."""
    match = IDENTITY.fullmatch(identity)
    registry = context.project.get_model_registry()
    found = registry.get_model(match["name"], int(match["version"])) if match else None
    if found is None:
        raise not_found(f"Model {identity}", MODEL_NOT_FOUND)
    return found


def model_to_json(context: Context, model: Model) -> dict[str, Any]:
    """Give a model as the client reads it; example and schema it reads from their files."""
    created = int(model.created.timestamp() * 1000)
    return {
        # The client keeps downloads by project, name, version and id, in one folder for all
        # servers: a model of another folder, or one saved anew, must not have the same.
        "id": f"{model.id}-{created}",
        "name": model.name,
        "version": model.version,
        "projectName": model.project_name,
        "modelRegistryId": context.project.id,
        "description": model.description,
        "framework": model.framework,
        "metrics": model.training_metrics,
        "created": created,
        "creator": "Local User",
        "trainingDatasetVersion": model.training_dataset_version,
    }


def _document(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Give what the embedded project keeps of a model."""
    view = given.get("featureView")
    return {
        "framework": given.get("framework") or "PYTHON",
        "metrics": {name: float(value) for name, value in (given.get("metrics") or {}).items()},
        "description": given.get("description"),
        "input_example": _read_json(folder / "input_example.json"),
        "model_schema": _read_json(folder / "model_schema.json"),
        "feature_view": [view["name"], view["version"]] if view else None,
        "training_dataset_version": given.get("trainingDatasetVersion"),
        "tags": tags_from_json(given),
        "files": checksums(folder / "Files"),
    }


def _folder(context: Context, name: str, version: int) -> Path:
    return context.project.get_dataset_api()._local(f"Models/{name}/{version}")


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _sorted(models: list[Model], order: str) -> list[Model]:
    metric, _, direction = order.rpartition(":")
    sign = -1 if direction == "desc" else 1
    scored = [model for model in models if metric in model.training_metrics]
    return sorted(scored, key=lambda m: (sign * m.training_metrics[metric], -m.version))
