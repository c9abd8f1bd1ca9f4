"""Feature groups: their metadata. Rows never pass here: the client writes the Delta table itself.

It does so where a group's location is not on HopsFS and its connector is of type S3
(`_is_hopsfs_storage` in hsfs/feature_group.py), so that is what groups say of themselves.
"""

from __future__ import annotations

from typing import Any

from fti.embedded.feature import Feature
from fti.embedded.feature_group import FeatureGroup
from fti.embedded.feature_store import FeatureStore
from fti.server.routes import (
    FEATURE_GROUP_NOT_FOUND,
    PROJECT,
    STORE,
    USER,
    Context,
    Request,
    Routes,
    items,
    not_found,
    tags_from_json,
)

GROUPS = STORE + "/featuregroups"
GROUP = GROUPS + r"/(\d+)"
UNTIL = "commited_on_ltoeq:"  # spelled so by the client

routes = Routes()


@routes.add("POST", GROUPS)
def create(context: Context, request: Request) -> dict[str, Any]:
    """Store a new group."""
    given = request.json()
    _refuse_cluster_groups(given)
    features = [feature_from_json(feature) for feature in given["features"]]
    group = context.store.create_feature_group(
        given["name"],
        given.get("version"),
        given.get("description"),
        primary_key=[feature.name for feature in features if feature.primary],
        partition_key=[feature.name for feature in features if feature.partition],
        foreign_key=[feature.name for feature in features if feature.foreign],
        event_time=given.get("eventTime"),
        features=features,
        tags=tags_from_json(given),
    )
    group.save()
    return group_to_json(with_table(group))


@routes.add("GET", GROUPS)
def list_all(context: Context, request: Request) -> dict[str, Any]:
    """Give all groups."""
    return items([group_to_json(with_table(g)) for g in context.store.get_feature_groups()])


@routes.add("GET", GROUP)
def get(context: Context, request: Request, number: str) -> dict[str, Any]:
    """Give one group."""
    return group_to_json(with_table(by_id(context.store, number)))


@routes.add("GET", GROUPS + "/([^/]+)")
def get_by_name(context: Context, request: Request, name: str) -> list[dict[str, Any]]:
    """Give the versions of a group, or one of them."""
    version = request.number("version")
    groups = context.store.get_feature_groups(name)
    found = [group for group in groups if version in (None, group.version)]
    if not found:
        raise not_found(f"Feature group {name} version {version}", FEATURE_GROUP_NOT_FOUND)
    return [group_to_json(with_table(group)) for group in found]


@routes.add("PUT", GROUP)
def update(context: Context, request: Request, number: str) -> dict[str, Any]:
    """Change descriptions, or append features."""
    group, given = by_id(context.store, number), request.json()
    features = [feature_from_json(feature) for feature in given["features"]]
    new = [feature for feature in features if not group.has_feature(feature.name)]
    if new:
        group.append_features(new)
    for feature in features:
        if feature.description != group._feature(feature.name).description:
            group.update_feature_description(feature.name, feature.description)
    if (given.get("description") or "") != group.description:
        group.update_description(given.get("description") or "")
    return group_to_json(group)


@routes.add("DELETE", GROUP)
def delete(context: Context, request: Request, number: str) -> None:
    """Remove a group and its rows."""
    group = by_id(context.store, number)
    group.delete(request.flag("force"), request.flag("deleteFeatureViews"))


@routes.add("POST", GROUP + "/clear")
def clear(context: Context, request: Request, number: str) -> None:
    """Remove all rows, in a commit of its own."""
    group = by_id(context.store, number)
    group._table.overwrite(group.arrow_schema().empty_table())


@routes.add("POST", GROUP + "/commits")
def commit(context: Context, request: Request, number: str) -> dict[str, Any]:
    """Hear of a commit that the client made; the table's own log has it already."""
    given = request.json()
    return given | {"commitID": given.get("commitID") or given["commitTime"], "href": request.path}


@routes.add("GET", GROUP + "/commits")
def commits(context: Context, request: Request, number: str) -> dict[str, Any]:
    """Give the changes of rows, newest first."""
    until = [
        int(said.removeprefix(UNTIL))
        for said in request.query.get("filter_by", [])
        if said.startswith(UNTIL)
    ]
    group = by_id(context.store, number)
    details = group.commit_details(until[0] if until else None, request.number("limit"))
    changes = ("rowsInserted", "rowsUpdated", "rowsDeleted")
    return items(
        [
            {"commitID": moment, "commitTime": moment, "commitDateString": said["committedOn"]}
            | {name: said[name] for name in changes}
            for moment, said in details.items()
            if any(said[name] for name in changes)  # making the table is no change of rows
        ]
    )


@routes.add("POST", GROUP + "/updatetableschema")
def update_table_schema(context: Context, request: Request, number: str) -> dict[str, Any]:
    """Give the job that would change the table: it is done, the update changed it."""
    name = f"{by_id(context.store, number)._label}_schema"
    done = {"id": 0, "name": name, "creationTime": None, "config": {}, "jobType": "PYTHON"}
    return done | {"creator": USER}


@routes.add("GET", PROJECT + "/jobs/[^/]+/executions")
def executions(context: Context, request: Request) -> dict[str, Any]:
    """Give the runs of a job: none, so that nobody waits for one."""
    return items([])


@routes.add("GET", GROUP + "/expectationsuite")
def expectation_suite(context: Context, request: Request, number: str) -> dict[str, Any]:
    """Give the group's expectation suite: none."""
    return items([])


def by_id(store: FeatureStore, number: int | str) -> FeatureGroup:
    """Give the group of a number; RestAPIError when there is none."""
    for group in store.get_feature_groups():
        if group.id == int(number):
            return group
    raise not_found(f"Feature group {number}", FEATURE_GROUP_NOT_FOUND)


def with_table(group: FeatureGroup) -> FeatureGroup:
    """Give a group whose table exists, with our settings: the client would make it with its own."""
    if not group._table.exists():
        group._table.create(group.arrow_schema())
    return group


def group_to_json(group: FeatureGroup) -> dict[str, Any]:
    """Give a group as the client reads it."""
    return {
        "type": "cachedFeaturegroupDTO",
        "id": group.id,
        "name": group.name,
        "version": group.version,
        "description": group.description,
        "featurestoreId": group.feature_store_id,
        "featurestoreName": group.feature_store_name,
        "created": group.created,
        "creator": USER,
        "features": [feature_to_json(feature) for feature in group.features],
        "eventTime": group.event_time,
        "timeTravelFormat": group.time_travel_format,
        "onlineEnabled": False,
        "deprecated": False,
        "location": group._table.path.as_uri(),
        "dataSource": {"storageConnector": _connector(group.feature_store_id), "path": ""},
        "statisticsConfig": {"enabled": False},  # else the client starts jobs
    }


def feature_to_json(feature: Feature, full_name: bool = False) -> dict[str, Any]:
    """Give a feature as the client reads it, to come under its full name or its own."""
    return {
        "name": feature.name,
        "type": feature.type,
        "description": feature.description,
        # The client would write a table in folders by partition key, which no reader here looks
        # into; as a part of the primary key it is part of the key of an upsert as well.
        "primary": bool(feature.primary or feature.partition),
        "partition": False,
        "foreign": bool(feature.foreign),
        "onlineType": None,
        "defaultValue": feature.default_value,
        "featureGroupId": feature.feature_group_id,
        "hudiPrecombineKey": False,
        "useFullyQualifiedName": full_name,
    }


def feature_from_json(given: dict[str, Any]) -> Feature:
    """Give the feature that a client described."""
    return Feature(
        given["name"],
        given.get("type"),
        given.get("description"),
        bool(given.get("primary")),
        bool(given.get("foreign")),
        bool(given.get("partition")),
        default_value=given.get("defaultValue"),
    )


def _refuse_cluster_groups(given: dict[str, Any]) -> None:
    if given.get("onlineEnabled") or given["type"] != "cachedFeaturegroupDTO":
        raise NotImplementedError(
            "Online, stream and external feature groups need a cluster: leave online_enabled and "
            "stream out."
        )
    table_format = given.get("timeTravelFormat") or "NONE"
    if table_format != "DELTA":
        raise NotImplementedError(
            f"Feature groups here are Delta tables, not {table_format}: leave time_travel_format "
            "out."
        )


def _connector(store: int) -> dict[str, Any]:
    return {
        "type": "featurestoreS3ConnectorDTO",
        "id": 1,
        "name": "local_disk",
        "featurestoreId": store,
        "storageConnectorType": "S3",
        "bucket": "local",
    }
