"""Queries: between the client's JSON and the embedded `Query`, which runs them.

The client has the server turn a query into a payload (`hqsPayload`), which it sends unread to the
query service. Ours is the query itself, without what the catalog knows.
"""

from __future__ import annotations

import ast
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from fti.embedded.exceptions import FeatureStoreException
from fti.embedded.feature import Feature, Filter, Logic
from fti.embedded.feature_group import FeatureGroup
from fti.embedded.feature_store import FeatureStore
from fti.embedded.query import Join, Output, Query, Statement
from fti.server.feature_groups import by_id, feature_to_json, group_to_json
from fti.server.routes import PROJECT, Context, Request, Routes

ORDER = "row order "  # begins names that no feature can have: those have no spaces
# Begins the value of a filter that bounds the event time, whatever type it has: milliseconds.
EVENT_TIME = "event time in ms "
EDGES = {"GREATER_THAN_OR_EQUAL": "start", "LESS_THAN": "end"}

Value = str | int | float | bool | date | Decimal | bytes

routes = Routes()


@dataclass
class Read:
    """A query to run, with the time range and the columns that its JSON asked for."""

    query: Query
    outputs: list[Output]
    start: int | None = None
    end: int | None = None

    @property
    def sql(self) -> str:
        """The SQL of it."""
        return Statement(self.query, self.start, self.end, outputs=self.outputs).text

    def run(self) -> pa.Table:
        """Give the rows in the order of their keys, so that a split of them is always the same."""
        keys = [
            Output(f"t{table}", group._feature(name), f"{ORDER}{table} {name}")
            for table, group in enumerate(self.query.featuregroups)
            for name in group._table.key
        ]
        rows = self.query.to_arrow(self.start, self.end, outputs=[*self.outputs, *keys])
        ordered = rows.sort_by([(key.name, "ascending") for key in keys])
        return ordered.select([output.name for output in self.outputs])


@routes.add("PUT", PROJECT + "/featurestores/query")
def construct(context: Context, request: Request) -> dict[str, Any]:
    """Give a query as SQL and as the payload for the query service."""
    given = request.json()
    payload = json.dumps(_bare(given))
    signature = hmac.new(context.key.encode(), payload.encode(), hashlib.sha256)
    return {
        "query": read_from_json(context.store, given).sql,
        "queryOnline": None,
        "hqsPayload": payload,
        "hqsPayloadSignature": signature.hexdigest(),
        "onDemandFeatureGroups": [],
        "hudiCachedFeatureGroups": [],
        "deltaCachedFeatureGroups": [],
    }


# --- from JSON ------------------------------------------------------------------------------------


def read_from_json(store: FeatureStore, given: dict[str, Any]) -> Read:
    """Give what a client's Query JSON asks for."""
    edges: dict[str, int] = {}
    query = query_from_json(store, given, edges)
    return Read(query, list(_outputs(given, query)), edges.get("start"), edges.get("end"))


def query_from_json(
    store: FeatureStore, given: dict[str, Any], edges: dict[str, int] | None = None
) -> Query:
    """Give the query that a client described; bounds of the event time go to `edges`."""
    group = by_id(store, given["leftFeatureGroup"]["id"])
    query = Query(group, [group._feature(said["name"]) for said in given["leftFeatures"]])
    for said in given.get("joins") or []:
        query._joins.append(_join(store, said, group))
    if given.get("filter"):
        query._filter = condition_from_json(given["filter"], query.featuregroups, edges)
    query._limit = given.get("limit")
    query._as_of = given.get("leftFeatureGroupEndTime")
    return query


def condition_from_json(
    given: dict[str, Any], groups: list[FeatureGroup], edges: dict[str, int] | None = None
) -> Filter | Logic | None:
    """Give the condition that a client described, None when it only bounds the event time."""
    edges = {} if edges is None else edges
    sides = [
        _comparison(given[f"{side}Filter"], groups, edges)
        if given.get(f"{side}Filter")
        else condition_from_json(given[f"{side}Logic"], groups, edges)
        for side in ("left", "right")
        if given.get(f"{side}Filter") or given.get(f"{side}Logic")
    ]
    conditions = [side for side in sides if side is not None]
    if len(conditions) < 2:
        return conditions[0] if conditions else None
    return Logic(given["type"], *conditions)


def _join(store: FeatureStore, given: dict[str, Any], left: FeatureGroup) -> Join:
    on, left_on, right_on = (
        [feature["name"] for feature in given.get(name) or []]
        for name in ("on", "leftOn", "rightOn")
    )
    kind = (given.get("type") or "LEFT").lower()
    joined = query_from_json(store, given["query"])
    checked = Query(left, []).join(joined, on, left_on, right_on, kind, given.get("prefix"))
    return checked.joins[0]


def _comparison(
    given: dict[str, Any], groups: list[FeatureGroup], edges: dict[str, int]
) -> Filter | None:
    feature, value = _feature(given["feature"], groups), given["value"]
    if isinstance(value, str) and value.startswith(EVENT_TIME):
        edges[EDGES[given["condition"]]] = int(value.removeprefix(EVENT_TIME))
        return None
    if value is None:
        return Filter(feature, given["condition"], None)
    if given["condition"] == "IN":
        listed = json.loads(value)
        typed = [_typed(v, feature.type) if isinstance(v, str) else v for v in listed]
        return Filter(feature, "IN", typed)
    if other := _other_feature(value):
        return Filter(feature, given["condition"], _feature(other, groups))
    return Filter(feature, given["condition"], _typed(value, feature.type))


def _feature(given: dict[str, Any], groups: list[FeatureGroup]) -> Feature:
    number = given.get("featureGroupId")
    owners = [group for group in groups if group.id == number] if number else groups
    for group in owners:
        if group.has_feature(given["name"]):
            return group._feature(given["name"])
    raise FeatureStoreException(
        f"The filter's feature '{given['name']}' is in none of the queried feature groups."
    )


def _other_feature(text: str) -> dict[str, Any] | None:
    """Give the feature that a value is, which the client writes as the JSON of one."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "featureGroupId" in found else None


def _typed(text: str, kind: str | None) -> Value:
    """Give a filter's value, which the client sends as `str(value)`, in the type of its column."""
    convert = CONVERT.get((kind or "").partition("(")[0], str)
    try:
        return convert(text)
    except (ValueError, ArithmeticError, SyntaxError) as error:
        raise FeatureStoreException(f"'{text}' cannot be compared with a {kind}.") from error


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def _day(text: str) -> date | datetime:
    return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)


CONVERT: dict[str, Callable[[str], Value]] = {
    "boolean": lambda text: text.lower() == "true",
    "int": _number,
    "bigint": _number,
    "float": float,
    "double": float,
    "decimal": Decimal,
    "date": _day,
    "binary": ast.literal_eval,  # b'...'
}


def _outputs(given: dict[str, Any], query: Query) -> Iterator[Output]:
    """Give the columns of a query's JSON: of the left group first, then of those joined."""
    said = list(_selected(given, ""))
    for index, (part, (features, prefix)) in enumerate(
        zip((part for part, _ in query._queries()), said, strict=True)
    ):
        group = part._left_feature_group
        for feature in features:
            name = prefix + feature["name"]
            if feature.get("useFullyQualifiedName"):
                name = f"{group.feature_store.project_name}_{group._label}_{feature['name']}"
            yield Output(f"t{index}", group._feature(feature["name"]), name)


def _selected(given: dict[str, Any], prefix: str) -> Iterator[tuple[list[dict[str, Any]], str]]:
    yield given["leftFeatures"], prefix
    for join in given.get("joins") or []:
        yield from _selected(join["query"], join.get("prefix") or "")


def _bare(given: dict[str, Any]) -> dict[str, Any]:
    """Give a query's JSON without what is read from the catalog anyway."""
    feature = ("name", "useFullyQualifiedName")
    kept = ("filter", "limit", "leftFeatureGroupEndTime")
    return {
        "leftFeatureGroup": {"id": given["leftFeatureGroup"]["id"]},
        "leftFeatures": [{name: f.get(name) for name in feature} for f in given["leftFeatures"]],
        "joins": [join | {"query": _bare(join["query"])} for join in given.get("joins") or []],
        **{name: given.get(name) for name in kept},
    }


# --- to JSON --------------------------------------------------------------------------------------


def query_to_json(query: Query) -> dict[str, Any]:
    """Give a query as the client reads it, with whole feature groups, which it asks for."""
    group = query._left_feature_group
    condition = query.filters
    return {
        "featureStoreName": group.feature_store_name,
        "featureStoreId": group.feature_store_id,
        "leftFeatureGroup": group_to_json(group),
        "leftFeatures": [feature_to_json(feature) for feature in query._left_features],
        "leftFeatureGroupStartTime": None,
        "leftFeatureGroupEndTime": query._as_of,
        "joins": [_join_to_json(join) for join in query.joins],
        "filter": None if condition is None else logic_to_json(condition),
        "limit": query._limit,
    }


def logic_to_json(condition: Filter | Logic) -> dict[str, Any]:
    """Give a condition as the client reads it; a lone comparison is a `SINGLE` logic."""
    if isinstance(condition, Filter):
        return {"type": "SINGLE", "leftFilter": _filter_to_json(condition)}
    sides: dict[str, Any] = {"type": condition.type}
    left, right = condition.get_left_filter_or_logic(), condition.get_right_filter_or_logic()
    for name, side in (("left", left), ("right", right)):
        if isinstance(side, Filter):
            sides[f"{name}Filter"] = _filter_to_json(side)
        elif side is not None:
            sides[f"{name}Logic"] = logic_to_json(side)
    return sides


def within(
    given: dict[str, Any], group: FeatureGroup, start: int | None, end: int | None
) -> dict[str, Any]:
    """Give a query's JSON restricted to start <= event time < end, in milliseconds."""
    if not group.event_time:
        return given
    feature = feature_to_json(group._feature(group.event_time))
    for condition, moment in zip(EDGES, (start, end), strict=True):
        if moment is not None:
            bound = {"feature": feature, "condition": condition, "value": f"{EVENT_TIME}{moment}"}
            single = {"type": "SINGLE", "leftFilter": bound}
            both = {"type": "AND", "leftLogic": given["filter"], "rightLogic": single}
            given = given | {"filter": both if given["filter"] else single}
    return given


def _join_to_json(join: Join) -> dict[str, Any]:
    return {
        "query": query_to_json(join.query),
        "on": [{"name": name} for name in join.on],
        "leftOn": [{"name": name} for name in join.left_on],
        "rightOn": [{"name": name} for name in join.right_on],
        "type": join.join_type.upper(),
        "prefix": join.prefix,
    }


def _filter_to_json(condition: Filter) -> dict[str, Any]:
    return {
        "feature": feature_to_json(condition.feature),
        "condition": condition.condition,
        "value": _text(condition.value),
    }


def _text(value: Any) -> str | None:
    if isinstance(value, list):
        return json.dumps(value, default=str)
    if isinstance(value, Feature):
        return json.dumps({"name": value.name, "featureGroupId": value.feature_group_id})
    return None if value is None else str(value)
