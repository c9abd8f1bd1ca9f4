"""Lineage: what a feature view reads, and what was trained on it."""

from __future__ import annotations

from typing import Any

from fti.embedded.feature_view import FeatureView
from fti.embedded.model_registry import Model
from fti.server.feature_groups import group_to_json
from fti.server.feature_views import VIEW, found, view_to_json
from fti.server.models import MODEL, model_to_json, saved
from fti.server.routes import Context, Request, Routes
from fti.server.training_datasets import dataset_entry, dataset_to_json

routes = Routes()


@routes.add("GET", VIEW + "/provenance/links")
def of_view(context: Context, request: Request, name: str, version: str) -> dict[str, Any]:
    """Give the groups that a view reads, its training datasets, and the models trained on those."""
    view = found(context.store, name, version)
    groups = {group._label: group_to_json(group) for group in view.query.featuregroups}
    trained: dict[int | None, list[Model]] = {}
    for model in view.get_models():
        trained.setdefault(model.training_dataset_version, []).append(model)
    return {
        "node": _node("FEATURE_VIEW", view_to_json(view)),
        "upstream": [{"node": _node("FEATURE_GROUP", group)} for group in groups.values()],
        "downstream": [_trained(context, view, *entry) for entry in trained.items()],
    }


@routes.add("GET", MODEL + "/provenance/links")
def of_model(context: Context, request: Request, identity: str) -> dict[str, Any]:
    """Give the training dataset and the feature view that a model was trained on."""
    model = saved(context, identity)
    view = model.get_feature_view(init=False)
    upstream: list[dict[str, Any]] = []
    if view is not None:
        upstream = [{"node": _node("FEATURE_VIEW", view_to_json(view)), "upstream": []}]
    if view is not None and model.training_dataset_version:
        dataset = dataset_to_json(view, dataset_entry(view, model.training_dataset_version))
        upstream = [{"node": _node("TRAINING_DATASET", dataset), "upstream": upstream}]
    artifact = model_to_json(context, model)
    return {"node": _node("MODEL", artifact), "upstream": upstream, "downstream": []}


def _trained(
    context: Context, view: FeatureView, version: int | None, models: list[Model]
) -> dict[str, Any]:
    """Give the models of a training dataset version, as the client finds them below it."""
    return {
        "node": _node("TRAINING_DATASET", {"name": view.name, "version": version}),
        "downstream": [{"node": _node("MODEL", model_to_json(context, m))} for m in models],
    }


def _node(kind: str, artifact: dict[str, Any]) -> dict[str, Any]:
    return {
        "artifactType": kind,
        "artifact": artifact,
        "accessible": True,
        "deleted": False,
        "exceptionCause": None,
    }
