"""Queries over feature groups: selection, filters, joins (also point in time) and time ranges.

A query is compiled to one DuckDB statement over the data files of each feature group's snapshot.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from fti.embedded import offline
from fti.embedded.exceptions import FeatureStoreException
from fti.embedded.feature import Feature, Filter, Logic, condition_from_dict
from fti.embedded.offline import literal, quoted
from fti.embedded.unsupported import not_embedded

if TYPE_CHECKING:
    from fti.embedded.feature_group import FeatureGroup

COMPARISONS = {
    "EQUALS": "=",
    "NOT_EQUALS": "<>",
    "GREATER_THAN": ">",
    "GREATER_THAN_OR_EQUAL": ">=",
    "LESS_THAN": "<",
    "LESS_THAN_OR_EQUAL": "<=",
    "LIKE": "LIKE",
}
JOIN_TYPES = {"inner": "INNER", "left": "LEFT", "right": "RIGHT", "full": "FULL", "outer": "FULL"}
READ_ATTEMPTS = 5  # each finds the newest version again
SECONDS_END = 10**10  # Hopsworks takes integers of at most ten digits as seconds, longer ones as ms


def to_milliseconds(moment: str | int | datetime | date | None) -> int | None:
    """Give a time as milliseconds since the epoch, as Hopsworks reads it; no zone means UTC.

    Takes ISO text, Hopsworks' compact forms (20260131, 20260131140000), datetime, date, seconds
    or milliseconds. Raises ValueError for anything else.
    """
    if moment is None or moment == "":
        return None
    if isinstance(moment, bool) or not isinstance(moment, str | int | date):
        raise ValueError(f"{moment!r} is not a time: give a datetime, a date, ISO text or an int")
    if isinstance(moment, int):
        if moment <= 0:
            raise ValueError("Event time should be greater than 0.")
        return moment * 1000 if moment < SECONDS_END else moment
    try:
        stamp = pd.Timestamp(moment)
    except ValueError as error:
        raise ValueError(f"{moment!r} is not a time: write it as 2026-01-31 14:00:00") from error
    stamp = stamp.tz_localize(UTC) if stamp.tzinfo is None else stamp.tz_convert(UTC)
    return stamp.value // 1_000_000


@dataclass
class Join:
    """A joined query and how its rows are matched."""

    query: Query
    on: list[str] = field(default_factory=list)
    left_on: list[str] = field(default_factory=list)
    right_on: list[str] = field(default_factory=list)
    join_type: str = "left"
    prefix: str | None = None

    def keys(self, left: FeatureGroup) -> tuple[list[str], list[str]]:
        """Give the matched columns of both sides: as said, or the primary key they share."""
        right = self.query._left_feature_group
        shared = self.on or [key for key in left.primary_key if key in right.primary_key]
        ours, theirs = self.left_on or shared, self.right_on or shared
        if not ours or len(ours) != len(theirs):
            raise FeatureStoreException(
                f"Cannot join {left.name} with {right.name}: they share no primary key column; "
                "name the columns with `on`, or with `left_on` and `right_on` of equal length."
            )
        for group, names in ((left, ours), (right, theirs)):
            for name in names:
                group._feature(name)
        return ours, theirs


@dataclass(frozen=True)
class Output:
    """One column that a query gives: where it comes from and what it is called."""

    alias: str
    feature: Feature
    name: str


def query_from_dict(
    document: dict[str, Any], group_of: Callable[[str, int], FeatureGroup]
) -> Query:
    """Give the query that `Query.to_dict` described."""
    group = group_of(document["feature_group"], document["version"])
    query = Query(group, [group._feature(name) for name in document["features"]])
    for join in document["joins"]:
        sub_query = query_from_dict(join["query"], group_of)
        query._joins.append(Join(**join | {"query": sub_query}))
    query._limit, query._as_of = document["limit"], document["as_of"]
    if document["filter"] is not None:
        groups = {source._label: source for source in query.featuregroups}
        query._filter = condition_from_dict(document["filter"], groups)
    return query


class Query:
    """What to read from feature groups; building one reads nothing."""

    def __init__(
        self,
        left_feature_group: FeatureGroup,
        left_features: list[Feature],
        feature_store_name: str | None = None,
        feature_store_id: int | None = None,
        left_feature_group_start_time: Any = None,
        left_feature_group_end_time: Any = None,
        joins: list[Join] | None = None,
        filter: Filter | Logic | None = None,
        limit: int | None = None,
        **kwargs: Any,
    ):
        self._left_feature_group = left_feature_group
        self._left_features = list(left_features)
        self._joins = list(joins or [])
        self._filter = filter
        self._limit = limit
        self._as_of: int | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        not_embedded("Query", name)
        try:
            return self.get_feature(name)
        except FeatureStoreException as error:
            raise AttributeError(f"'Query' object has no attribute '{name}'.") from error

    def __getitem__(self, name: str) -> Feature:
        return self.get_feature(name)

    @property
    def features(self) -> list[Feature]:
        """The selected features, those of joined groups included."""
        return [output.feature for output in self.outputs()]

    @property
    def featuregroups(self) -> list[FeatureGroup]:
        """The feature groups that are read."""
        return [group for group, _ in self._tree()]

    @property
    def filters(self) -> Filter | Logic | None:
        """The condition that rows must meet."""
        return self._filter

    @property
    def joins(self) -> list[Join]:
        """The joined queries."""
        return self._joins

    def get_feature(self, feature_name: str) -> Feature:
        """Give a selected feature by the name it has in the result, or without its prefix."""
        outputs = self.outputs()
        found = [o.feature for o in outputs if o.name == feature_name]
        found = found or [o.feature for o in outputs if o.feature.name == feature_name]
        if not found:
            raise FeatureStoreException(
                f"Feature name '{feature_name}' could not be found in query."
            )
        if len(found) > 1:
            raise FeatureStoreException(
                f"Provided feature name '{feature_name}' is ambiguous and exists in more than one "
                "feature group. Consider prepending the prefix specified in the join."
            )
        return found[0]

    def append_feature(self, feature: str | Feature) -> Query:
        """Select one more feature of the left feature group."""
        name = feature.name if isinstance(feature, Feature) else feature
        self._left_features.append(self._left_feature_group._feature(name))
        return self

    def filter(self, f: Filter | Logic) -> Query:
        """Keep the rows that meet a condition, besides those set before."""
        if not isinstance(f, Filter | Logic):
            raise TypeError(f"Expected type `Filter` or `Logic`, got `{type(f)}`")
        self._filter = f if self._filter is None else self._filter & f
        return self

    def join(
        self,
        sub_query: Query,
        on: list[str] | None = None,
        left_on: list[str] | None = None,
        right_on: list[str] | None = None,
        join_type: str | None = "left",
        prefix: str | None = None,
    ) -> Query:
        """Join another query.

        When both sides have an event time, each row gets the newest row of the other side that
        was true at its own event time (point in time), never a later one.
        """
        kind = (join_type or "left").lower()
        if kind not in JOIN_TYPES:
            raise FeatureStoreException(
                f"join_type {join_type!r} is not known: use one of {', '.join(JOIN_TYPES)}"
            )
        join = Join(sub_query, on or [], left_on or [], right_on or [], kind, prefix)
        join.keys(self._left_feature_group)
        if self._point_in_time(join) and kind not in ("inner", "left"):
            raise NotImplementedError(
                f"join_type {join_type!r} between groups that both have an event time is not in "
                "the embedded project: use 'left' or 'inner'"
            )
        self._joins.append(join)
        return self

    def as_of(self, wallclock_time: Any = None, exclude_until: Any = None) -> Query:
        """Read the rows as they were stored at a time, in this query and those joined to it."""
        if exclude_until is not None:
            raise NotImplementedError(
                "Query.as_of(exclude_until) is not in the embedded project: filter by event time"
            )
        self._as_of = to_milliseconds(wallclock_time)
        for join in self._joins:
            join.query.as_of(wallclock_time)
        return self

    def is_time_travel(self) -> bool:
        """Tell whether `as_of` was set."""
        return self._as_of is not None

    def limit(self, n: int) -> Query:
        """Read at most n rows."""
        self._limit = n
        return self

    def show(self, n: int, online: bool = False) -> list[list[Any]]:
        """Give the first n rows as lists."""
        shown = Query(**self._parts() | {"limit": n})
        shown._as_of = self._as_of
        return shown.read(online=online, dataframe_type="python")

    def read(
        self,
        online: bool = False,
        dataframe_type: str = "default",
        read_options: dict[str, Any] | None = None,
        start_time: Any = None,
        end_time: Any = None,
    ) -> Any:
        """Read the rows with start_time <= event time < end_time (open where None).

        Timestamps are UTC without zone. `dataframe_type` is default (pandas), pandas, polars,
        numpy or python (a list of lists).
        """
        refuse_online(online)
        return to_dataframe(self.to_arrow(start_time, end_time), dataframe_type)

    def read_batches(
        self,
        online: bool = False,
        batch_size: int = 10000,
        read_options: dict[str, Any] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows in Arrow batches of at most `batch_size`."""
        refuse_online(online)
        yield from self.to_arrow().to_batches(max_chunksize=batch_size)

    def to_string(self, online: bool = False, arrow_flight: bool = False) -> str:
        """Give the SQL that a read runs now."""
        refuse_online(online)
        return Statement(self).text

    def to_arrow(
        self,
        start_time: Any = None,
        end_time: Any = None,
        versions: dict[str, int | None] | None = None,
        outputs: list[Output] | None = None,
    ) -> pa.Table:
        """Read as an Arrow table; `versions` pins table versions by `<name>_<version>`.

        Where files vanish between finding and reading them (somebody cleaned up all that the
        newest version does not refer to), the newest version is found again and read.
        """
        for attempt in itertools.count(1):
            statement = Statement(self, start_time, end_time, versions or {}, outputs)
            try:
                return run(statement.text, statement.tables)
            except FileNotFoundError:
                if versions or attempt == READ_ATTEMPTS:
                    raise

    def outputs(self) -> list[Output]:
        """Give the columns of the result; two of one name are an error that names the prefix."""
        columns = [
            Output(f"t{index}", feature, (prefix or "") + feature.name)
            for index, (query, prefix) in enumerate(self._queries())
            for feature in query._left_features
        ]
        names = [column.name for column in columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise FeatureStoreException(
                f"The features {', '.join(twice)} are in more than one joined feature group: "
                "select each once, or give the join a prefix."
            )
        return columns

    def table_version(self) -> int | None:
        """Give the version of the left group's table that a read sees now; None for no rows.

        Raises FeatureStoreException when there was none at the time given to `as_of`.
        """
        group = self._left_feature_group
        if self._as_of is None:
            return group._table.version()
        version = group._table.version_as_of(self._as_of)
        if version is None:
            raise FeatureStoreException(
                f"Feature group {group._label} had no rows at the time given to as_of."
            )
        return version

    def to_dict(self) -> dict[str, Any]:
        """Give what the catalog keeps of it."""
        return {
            "feature_group": self._left_feature_group.name,
            "version": self._left_feature_group.version,
            "features": [feature.name for feature in self._left_features],
            "joins": [vars(join) | {"query": join.query.to_dict()} for join in self._joins],
            "filter": self._filter.to_dict() if self._filter is not None else None,
            "limit": self._limit,
            "as_of": self._as_of,
        }

    def _parts(self) -> dict[str, Any]:
        return {
            "left_feature_group": self._left_feature_group,
            "left_features": self._left_features,
            "joins": self._joins,
            "filter": self._filter,
            "limit": self._limit,
        }

    def _point_in_time(self, join: Join) -> bool:
        right = join.query._left_feature_group
        return bool(self._left_feature_group.event_time and right.event_time)

    def _queries(self, prefix: str | None = None) -> Iterator[tuple[Query, str | None]]:
        """Give this query and those joined to it, depth first."""
        yield self, prefix
        for join in self._joins:
            yield from join.query._queries(join.prefix)

    def _tree(self) -> Iterator[tuple[FeatureGroup, Query]]:
        for query, _ in self._queries():
            yield query._left_feature_group, query


Scope = list[tuple[str, "FeatureGroup"]]  # the table aliases that a condition may name


class Statement:
    """A query compiled to DuckDB SQL (`text`) over files and the Arrow `tables` it names."""

    def __init__(
        self,
        query: Query,
        start_time: Any = None,
        end_time: Any = None,
        versions: dict[str, int | None] | None = None,
        outputs: list[Output] | None = None,
    ):
        self.tables: dict[str, pa.Table] = {}
        self._versions = versions or {}
        self._aliases: Scope = []
        self._range = (to_milliseconds(start_time), to_milliseconds(end_time))
        outputs = outputs or query.outputs()
        sources = self._from(query)
        columns = ", ".join(f"{column(o.alias, o.feature)} AS {quoted(o.name)}" for o in outputs)
        conditions = [*self._time_range(query), *self._where(query)]
        self.text = f"SELECT {columns} FROM {sources}"
        if conditions:
            self.text += f" WHERE {' AND '.join(conditions)}"
        if query._limit is not None:
            self.text += f" LIMIT {int(query._limit)}"

    def _from(self, query: Query) -> str:
        alias = self._alias(query._left_feature_group)
        text = f"{self._scan(query, bounded=alias == 't0')} AS {alias}"
        for join in query._joins:
            text += " " + self._join(query, alias, join)
        return text

    def _join(self, query: Query, left: str, join: Join) -> str:
        group, other = query._left_feature_group, join.query._left_feature_group
        ours, theirs = join.keys(group)
        right = self._alias(other)
        source = self._filtered(join.query)
        matched = [
            f"{left}.{quoted(a)} = {right}.{quoted(b)}" for a, b in zip(ours, theirs, strict=True)
        ]
        kind = JOIN_TYPES[join.join_type]
        if query._point_in_time(join):
            kind = f"ASOF {kind}"
            matched.append(f"{moment(left, group)} >= {moment(right, other)}")
        text = f"{kind} JOIN {source} AS {right} ON {' AND '.join(matched)}"
        for nested in join.query._joins:
            text += " " + self._join(join.query, right, nested)
        return text

    def _filtered(self, query: Query) -> str:
        """Give a joined group's rows with its own filter applied before the join."""
        if query._filter is None:
            return self._scan(query)
        scope = self._aliases[-1:]
        condition = self._logic(query._filter, scope)
        return f"(SELECT * FROM {self._scan(query)} AS {scope[0][0]} WHERE {condition})"

    def _scan(self, query: Query, bounded: bool = False) -> str:
        group = query._left_feature_group
        version = self._version(query)
        files = group._files(version, self._range if bounded else (None, None))
        if files:
            return offline.scan(files, group.arrow_schema())
        name = f"empty_{len(self.tables)}"
        self.tables[name] = group.arrow_schema().empty_table()
        return name

    def _version(self, query: Query) -> int | None:
        pinned = self._versions.get(query._left_feature_group._label)
        if pinned is not None or query._as_of is None:
            return pinned
        return query.table_version()

    def _alias(self, group: FeatureGroup) -> str:
        alias = f"t{len(self._aliases)}"
        self._aliases.append((alias, group))
        return alias

    def _time_range(self, query: Query) -> list[str]:
        group = query._left_feature_group
        start, end = self._range
        if (start or end) and not group.event_time:
            raise FeatureStoreException(
                f"Feature group {group._label} has no event time, so it cannot be read by time."
            )
        bounds = [(start, ">="), (end, "<")]
        return [
            f"{moment('t0', group)} {sign} {_timestamp(edge)}"
            for edge, sign in bounds
            if edge is not None
        ]

    def _where(self, query: Query) -> list[str]:
        return [] if query._filter is None else [self._logic(query._filter, self._aliases)]

    def _logic(self, condition: Filter | Logic, scope: Scope) -> str:
        if isinstance(condition, Filter):
            return self._comparison(condition, scope)
        left = self._logic(condition.get_left_filter_or_logic(), scope)
        right = condition.get_right_filter_or_logic()
        if right is None:
            return left
        return f"({left} {condition.type} {self._logic(right, scope)})"

    def _comparison(self, condition: Filter, scope: Scope) -> str:
        alias, feature = self._found(condition.feature, scope)
        name, value = column(alias, feature), condition.value
        if value is None:
            if condition.condition not in ("EQUALS", "NOT_EQUALS"):
                raise FeatureStoreException(f"{condition.feature.name} compared with None")
            return f"{name} IS {'NOT ' if condition.condition == 'NOT_EQUALS' else ''}NULL"
        if condition.condition == "IN":
            values = ", ".join(self._value(item, feature, scope) for item in value)
            return f"{name} IN ({values})" if values else "false"
        return f"{name} {COMPARISONS[condition.condition]} {self._value(value, feature, scope)}"

    def _value(self, value: Any, feature: Feature, scope: Scope) -> str:
        if isinstance(value, Feature):
            return column(*self._found(value, scope))
        if isinstance(value, str) and feature.type == "timestamp":
            return _timestamp(to_milliseconds(value), pd.Timestamp(value).microsecond % 1000)
        return sql_value(value)

    def _found(self, feature: Feature, scope: Scope) -> tuple[str, Feature]:
        for alias, group in scope:
            owner = feature.feature_group
            if (owner is None or owner._label == group._label) and group.has_feature(feature.name):
                return alias, group._feature(feature.name)
        raise FeatureStoreException(
            f"The filter's feature '{feature.name}' is in none of the queried feature groups."
        )


def column(alias: str, feature: Feature) -> str:
    """Give a feature of an aliased table as SQL."""
    return f"{alias}.{quoted(feature.name)}"


def moment(alias: str, group: FeatureGroup) -> str:
    """Give a group's event time as an SQL timestamp, whichever of Hopsworks' types it has."""
    feature = group._feature(group.event_time)
    name = column(alias, feature)
    if feature.type in ("bigint", "int"):
        return f"epoch_ms(CASE WHEN {name} < {SECONDS_END} THEN {name} * 1000 ELSE {name} END)"
    return name if feature.type == "timestamp" else f"CAST({name} AS TIMESTAMP)"


def sql_value(value: Any) -> str:
    """Give a filter's value as an SQL literal; FeatureStoreException for types it cannot hold."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"CAST({literal(value)} AS DOUBLE)" if isinstance(value, float) else str(value)
    if isinstance(value, datetime):
        return _timestamp(to_milliseconds(value), pd.Timestamp(value).microsecond % 1000)
    if isinstance(value, date):
        return f"DATE {literal(value.isoformat())}"
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, Decimal):
        return f"CAST({literal(value)} AS DECIMAL(38, {max(0, -value.as_tuple().exponent)}))"
    if isinstance(value, bytes):
        return f"from_hex({literal(value.hex())})"
    raise FeatureStoreException(f"A filter cannot compare with {value!r} ({type(value).__name__}).")


def _timestamp(milliseconds: int | None, microseconds: int = 0) -> str:
    stamp = pd.Timestamp((milliseconds or 0) * 1000 + microseconds, unit="us")
    return f"TIMESTAMP {literal(stamp.isoformat(sep=' '))}"


def run(text: str, tables: dict[str, pa.Table]) -> pa.Table:
    """Run compiled SQL; what DuckDB refuses becomes a FeatureStoreException.

    Raises FileNotFoundError when a data file is not there any more.
    """
    import duckdb

    try:
        return offline.sql(text, **tables)
    except duckdb.IOException as error:
        if "No files found" in str(error) or "No such file" in str(error):
            raise FileNotFoundError(f"A data file is gone: {error}") from error
        raise
    except (duckdb.ConversionException, duckdb.BinderException) as error:
        raise FeatureStoreException(f"The query cannot be run: {error}") from error


def refuse_online(online: bool) -> None:
    """Raise NotImplementedError for reads from the online store."""
    if online:
        raise NotImplementedError(
            "The embedded project has no online store: read with online=False"
        )


def to_dataframe(table: pa.Table, dataframe_type: str | None = "default") -> Any:
    """Give an Arrow table as the kind of frame that Hopsworks' `dataframe_type` names."""
    kind = (dataframe_type or "default").lower()
    if kind in ("default", "pandas"):
        return table.to_pandas(date_as_object=True)
    if kind == "numpy":
        return table.to_pandas().to_numpy()
    if kind == "python":
        return table.to_pandas().to_numpy().tolist()
    if kind == "polars":
        import polars

        return polars.from_arrow(table)
    raise ValueError(
        f'dataframe_type "{dataframe_type}" not supported: use default, pandas, polars, numpy or '
        "python."
    )
