"""Feature views, and the queries that read training and batch data through them."""

from __future__ import annotations

from typing import Any

from fti.embedded.exceptions import RestAPIError
from fti.embedded.feature import Filter, Logic, condition_from_dict
from fti.embedded.feature_store import FeatureStore
from fti.embedded.feature_view import FeatureView
from fti.embedded.query import Query, query_from_dict
from fti.server.feature_groups import feature_to_json, group_to_json
from fti.server.queries import condition_from_json, query_from_json, query_to_json, within
from fti.server.routes import (
    FEATURE_VIEW_NOT_FOUND,
    NO_EVENT_TIME,
    STORE,
    USER,
    Context,
    Request,
    Routes,
    items,
    not_found,
    tags_from_json,
)
from fti.server.transformations import function_from_json, function_to_json

VIEWS = STORE + "/featureview"
VIEW = VIEWS + r"/([^/]+)/version/(\d+)"

routes = Routes()


@routes.add("POST", VIEWS)
def create(context: Context, request: Request) -> dict[str, Any]:
    """Store a new feature view."""
    given, store = request.json(), context.store
    if given.get("loggingEnabled"):
        raise NotImplementedError("Feature logging needs a cluster: leave logging_enabled out.")
    query, columns = query_from_json(store, given["query"]), given.get("features") or []
    view = store.create_feature_view(
        given["name"],
        query,
        given.get("version"),
        given.get("description"),
        _named(columns, "label", query),
        _named(columns, "inferenceHelperColumn", query),
        _named(columns, "trainingHelperColumn", query),
        tags=tags_from_json(given),
    )
    functions = [function_from_json(said) for said in given.get("transformationFunctions") or []]
    store.catalog.update(
        view._entry, lambda document: document.update(transformation_functions=functions)
    )
    return view_to_json(view)


@routes.add("GET", VIEWS)
def list_all(context: Context, request: Request) -> dict[str, Any]:
    """Give all feature views."""
    return items([view_to_json(view) for view in context.store.all_feature_views()])


@routes.add("GET", VIEW)
def get(context: Context, request: Request, name: str, version: str) -> dict[str, Any]:
    """Give one feature view."""
    return view_to_json(found(context.store, name, version))


@routes.add("GET", VIEWS + "/([^/]+)")
def get_by_name(context: Context, request: Request, name: str) -> dict[str, Any]:
    """Give all versions of a feature view."""
    views = context.store.get_feature_views(name)
    if not views:
        raise not_found(f"Feature view {name}", FEATURE_VIEW_NOT_FOUND)
    return items([view_to_json(view) for view in views])


@routes.add("PUT", VIEW)
def update(context: Context, request: Request, name: str, version: str) -> dict[str, Any]:
    """Change the description."""
    view = found(context.store, name, version)
    view.description = request.json().get("description") or ""
    return view_to_json(view.update())


@routes.add("DELETE", VIEW)
def delete(context: Context, request: Request, name: str, version: str) -> None:
    """Remove a feature view and its training datasets."""
    found(context.store, name, version).delete(request.flag("force"))


@routes.add("DELETE", VIEWS + "/([^/]+)")
def delete_by_name(context: Context, request: Request, name: str) -> None:
    """Remove all versions of a feature view."""
    for view in context.store.get_feature_views(name):
        view.delete(request.flag("force"))


@routes.add("GET", VIEW + "/preparedstatement")
def prepared_statements(
    context: Context, request: Request, name: str, version: str
) -> dict[str, Any]:
    """Give the statements for feature vectors: none, because there is no online store."""
    return items([])


@routes.add("GET|POST", VIEW + "/query/batch")
def batch_query(context: Context, request: Request, name: str, version: str) -> dict[str, Any]:
    """Give the query for training data (which asks for labels) or batch data (which never does)."""
    view = found(context.store, name, version)
    query = query_from_dict(view.query.to_dict(), view._store._group)
    training = request.number("td_version") if request.flag("with_label") else None
    if training is not None:
        _pin(query, view, training)
    if request.body:
        _restrict(query, condition_from_json(request.json(), query.featuregroups))
    _drop(query, _unwanted(view, request))
    start, end = request.number("start_time"), request.number("end_time")
    if (start or end) and not view._root.event_time:
        raise RestAPIError(f"Feature group {view._root._label} has no event time.", NO_EVENT_TIME)
    document = query_to_json(query)
    document["leftFeatures"] += _keys(view, query, request)
    return within(document, view._root, start, end)


def found(store: FeatureStore, name: str, version: int | str) -> FeatureView:
    """Give a feature view; RestAPIError when there is none."""
    view = store.get_feature_view(name, int(version))
    if view is None:
        raise not_found(f"Feature view {name} version {version}", FEATURE_VIEW_NOT_FOUND)
    return view


def extra_filter(view: FeatureView, document: dict[str, Any]) -> Filter | Logic | None:
    """Give the condition that a training dataset adds to its view."""
    groups = {group._label: group for group in view.query.featuregroups}
    kept = document["extra_filter"]
    return None if kept is None else condition_from_dict(kept, groups)


def view_to_json(view: FeatureView) -> dict[str, Any]:
    """Give a feature view as the client reads it."""
    functions = view._entry.document["transformation_functions"]
    return {
        "type": "featureViewDTO",
        "id": view.id,
        "name": view.name,
        "version": view.version,
        "description": view.description,
        "featurestoreId": view.featurestore_id,
        "featurestoreName": view.feature_store_name,
        "created": view._entry.created,
        "creator": USER,
        "query": query_to_json(view.query),
        "features": columns_to_json(view),
        "transformationFunctions": [
            function_to_json(document, number, view.featurestore_id)
            for number, document in enumerate(functions, 1)
        ],
        "servingKeys": [],
        "loggingEnabled": False,
    }


def columns_to_json(view: FeatureView) -> list[dict[str, Any]]:
    """Give the columns of a view as the client reads them, with the part each plays."""
    groups = view.query.featuregroups
    return [
        {
            "name": output.name,
            "type": output.feature.type,
            "index": index,
            "label": output.name in view.labels,
            "inferenceHelperColumn": output.name in view.inference_helper_columns,
            "trainingHelperColumn": output.name in view.training_helper_columns,
            "featureGroupFeatureName": output.feature.name,
            "featuregroup": group_to_json(groups[int(output.alias[1:])]),
        }
        for index, output in enumerate(view.query.outputs())
    ]


def _named(columns: list[dict[str, Any]], part: str, query: Query) -> list[str]:
    """Give the names of the columns that play a part.

    The client sends the name in the feature group, without the prefix of a join.
    """
    outputs, groups = query.outputs(), query.featuregroups
    return [
        output.name
        for column in columns
        if column.get(part)
        for output in outputs
        if output.feature.name == column["name"]
        and groups[int(output.alias[1:])].id == (column.get("featuregroup") or {}).get("id")
    ]


def _pin(query: Query, view: FeatureView, training: int) -> None:
    """Read what a training dataset version was made of: its rows, its tables at their time."""
    document = view._dataset_entry(training).document
    for group, part in query._tree():
        commits = group._table.commits()
        pinned = document["tables"].get(group._label)
        past = [c.committed_at for c in commits if pinned is not None and c.version <= pinned]
        # Only when it is not the newest: a read of the newest needs no look at the log's times.
        if past and len(past) < len(commits):
            part._as_of = max(past)
    _restrict(query, extra_filter(view, document))


def _restrict(query: Query, condition: Filter | Logic | None) -> None:
    if condition is not None:
        both = query._filter is not None
        query._filter = Logic("AND", query._filter, condition) if both else condition


def _unwanted(view: FeatureView, request: Request) -> set[str]:
    """Give the columns of the view that a request does not ask for."""
    parts = {
        "with_label": view.labels,
        "inference_helper_columns": view.inference_helper_columns,
        "training_helper_columns": view.training_helper_columns,
    }
    return {name for flag, names in parts.items() if not request.flag(flag) for name in names}


def _drop(query: Query, names: set[str]) -> None:
    """Leave out the columns that have these names in the result."""
    for part, prefix in list(query._queries()):
        part._left_features = [
            feature for feature in part._left_features if (prefix or "") + feature.name not in names
        ]


def _keys(view: FeatureView, query: Query, request: Request) -> list[dict[str, Any]]:
    """Give the keys that were asked for and are not selected, to come under their full names."""
    root = view._root
    asked = list(root.primary_key) if request.flag("with_primary_keys") else []
    if request.flag("with_event_time") and root.event_time:
        asked.append(root.event_time)
    selected = {feature.name for feature in query._left_features}
    missing = [name for name in asked if name not in selected]
    return [feature_to_json(root._feature(name), full_name=True) for name in missing]
