"""Feature groups: named, versioned tables with a key and an event time.

Semantics are Hopsworks' own: a group is created by its first insert, names become lower case with
underscores, the key of an upsert is primary key + event time + partition key, and timestamps are
stored as UTC microseconds without zone. Two things are stricter, because a Hopsworks cluster
would silently store wrong rows: a batch with a repeated key and a group without any key are
refused.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fti.embedded.catalog import AlreadyExists, Entry
from fti.embedded.exceptions import FeatureGroupWarning, FeatureStoreException, RestAPIError
from fti.embedded.feature import (
    OFFLINE_TYPES,
    Feature,
    Filter,
    Logic,
    check_schema,
    offline_type,
    sanitized,
    stored_type,
)
from fti.embedded.offline import Commit, OfflineTable, Transaction, quoted
from fti.embedded.query import Query, refuse_online, run, to_dataframe, to_milliseconds
from fti.embedded.tags import Tagged
from fti.embedded.unsupported import not_embedded

if TYPE_CHECKING:
    from fti.embedded.feature_store import FeatureStore

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
EXISTS_ALREADY = 270089


class FeatureGroup(Tagged):
    """One feature group; made by `FeatureStore.get_or_create_feature_group` and its siblings."""

    def __init__(self, store: FeatureStore, name: str, version: int, document: dict[str, Any]):
        self._store = store
        self._name = name
        self._version = version
        self._document = document
        self._entry: Entry | None = None
        self._must_be_new = False

    @classmethod
    def from_entry(cls, store: FeatureStore, entry: Entry) -> FeatureGroup:
        """Give a group that the catalog knows."""
        group = cls(store, entry.name, entry.version, entry.document)
        group._entry = entry
        return group

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        not_embedded("FeatureGroup", name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(
                f"'FeatureGroup' object has no attribute '{name}'. If you are trying to access a "
                "feature, fall back on using the `get_feature` method."
            ) from error

    def __getitem__(self, name: str) -> Feature:
        if not isinstance(name, str):
            raise TypeError(f"Expected type `str`, got `{type(name)}`.")
        for feature in self.features:
            if feature.name == name:
                return feature
        raise KeyError(f"'FeatureGroup' object has no feature called '{name}'.")

    def __repr__(self) -> str:
        return f"FeatureGroup({self.name!r}, version={self.version})"

    # --- what it is ------------------------------------------------------------------------

    @property
    def id(self) -> int | None:
        """Number in the catalog; None before the first insert."""
        return self._entry.id if self._entry else None

    @property
    def name(self) -> str:
        """Name of the group."""
        return self._name

    @property
    def version(self) -> int:
        """Version of the group's schema."""
        return self._version

    @property
    def description(self) -> str:
        """What the group holds."""
        return self._document["description"]

    @property
    def primary_key(self) -> list[str]:
        """Columns that say who or what a row is about."""
        return self._document["primary_key"]

    @property
    def partition_key(self) -> list[str]:
        """Columns that are part of the key as well; rows are not split into folders by them."""
        return self._document["partition_key"]

    @property
    def foreign_key(self) -> list[str]:
        """Columns that name rows of other groups."""
        return self._document["foreign_key"]

    @property
    def event_time(self) -> str | None:
        """Column that says when a row was true."""
        return self._document["event_time"]

    @property
    def features(self) -> list[Feature]:
        """The columns, in order; empty before the first insert unless given at creation."""
        return [
            Feature(**feature, feature_group_id=self.id, feature_group=self)
            for feature in self._document["features"]
        ]

    columns = features
    schema = features

    @property
    def column_names(self) -> list[str]:
        """Names of the columns, in order."""
        return [feature["name"] for feature in self._document["features"]]

    @property
    def created(self) -> str | None:
        """When it was created (ISO 8601, UTC)."""
        return self._entry.created if self._entry else None

    @property
    def feature_store(self) -> FeatureStore:
        """The feature store it is in."""
        return self._store

    @property
    def _label(self) -> str:
        """Name and version, as the folder of its rows is called."""
        return f"{self._name}_{self._version}"

    def get_fg_name(self) -> str:
        """Give name and version as one name."""
        return self._label

    @property
    def feature_store_name(self) -> str:
        """Name of the feature store."""
        return self._store.name

    @property
    def feature_store_id(self) -> int:
        """Number of the feature store."""
        return self._store.id

    @property
    def online_enabled(self) -> bool:
        """Always False: there is no online store."""
        return False

    @property
    def time_travel_format(self) -> str:
        """Always DELTA."""
        return "DELTA"

    @property
    def location(self) -> str:
        """Folder of the Delta table."""
        return str(self._table.path)

    @property
    def _table(self) -> OfflineTable:
        """The stored rows."""
        key = [*self.primary_key, *self.partition_key]
        if self.event_time:
            key.append(self.event_time)
        path = self._store.project.home / "offline" / self._label
        return OfflineTable(path, list(dict.fromkeys(key)), self._pinned_versions)

    def arrow_schema(self) -> pa.Schema:
        """Give the stored columns as an Arrow schema."""
        return pa.schema([(f["name"], _arrow_type(f["type"])) for f in self._document["features"]])

    def get_feature(self, name: str) -> Feature | None:
        """Give one column, or None; also one like `id` whose name is an attribute of the group."""
        return self[name] if self.has_feature(name) else None

    def _feature(self, name: str) -> Feature:
        """Give one column; FeatureStoreException when there is none."""
        try:
            return self[name]
        except KeyError as error:
            raise FeatureStoreException(
                f"Feature '{name}' is not in feature group {self._label}."
            ) from error

    def has_feature(self, name: str) -> bool:
        """Tell whether there is a column of this name."""
        return name in self.column_names

    # --- writing ---------------------------------------------------------------------------

    def save(
        self,
        features: pd.DataFrame | pa.Table | Sequence[Feature] | None = None,
        write_options: dict[str, Any] | None = None,
        validation_options: dict[str, Any] | None = None,
        wait: bool = False,
        n_processes: int | None = None,
    ) -> tuple[None, None]:
        """Create the group: with rows, with a list of features, or with those given before."""
        if isinstance(features, pd.DataFrame | pa.Table):
            return self.insert(features, write_options=write_options, wait=wait)
        if features is not None:
            self._document["features"] = [feature.to_dict() for feature in features]
        if not self._document["features"]:
            raise FeatureStoreException(
                f"Feature group {self._label} has no features yet: save it with a data frame."
            )
        self._check_keyed()
        self._register()
        return None, None

    def insert(
        self,
        features: pd.DataFrame | pa.Table,
        overwrite: bool = False,
        operation: str | None = "upsert",
        storage: str | None = None,
        write_options: dict[str, Any] | None = None,
        validation_options: dict[str, Any] | None = None,
        wait: bool = False,
        transformation_context: dict[str, Any] | None = None,
        transform: bool = True,
        n_processes: int | None = None,
    ) -> tuple[None, None]:
        """Store rows; an upsert replaces rows of the same key, `operation="insert"` appends.

        `write_options={"commit_properties": {"app_id": ..., "version": ...}}` names the write:
        repeating it adds nothing. Raises FeatureStoreException or ValueError for rows that do not
        fit the group, before anything is stored.
        """
        operation = (operation or "upsert").lower()
        if operation not in ("upsert", "insert"):
            raise ValueError(f"operation {operation!r} is not known: use 'upsert' or 'insert'")
        if storage not in (None, "offline"):
            raise NotImplementedError(
                f"storage {storage!r} is not in the embedded project: leave it out"
            )
        rows = self._rows(features)
        self._register()
        rows = rows.select(self.column_names)  # as the first writer of all ordered them
        options = write_options or {}
        transaction = _transaction(options)
        if overwrite:
            self._table.overwrite(rows, transaction)
        elif operation == "insert" or str(options.get("mode", "")).lower() == "append":
            self._table.append(rows, transaction)
        else:
            self._table.upsert(rows, transaction)
        return None, None

    def remove_rows(
        self,
        delete_df: pd.DataFrame | pa.Table,
        write_options: dict[str, Any] | None = None,
        storage: str | None = None,
    ) -> None:
        """Remove the rows with these keys; the frame needs the key columns, event time included."""
        given = to_arrow(delete_df)
        missing = [name for name in self._table.key if name not in given.column_names]
        if missing:
            raise FeatureStoreException(
                f"Rows to remove from {self._label} need the columns {', '.join(missing)}."
            )
        self._stored()
        schema = self.arrow_schema()
        keys = pa.table(
            {name: given[name].cast(schema.field(name).type) for name in self._table.key}
        )
        self._table.delete(keys)

    def commit_delete_record(
        self,
        delete_df: pd.DataFrame | pa.Table,
        write_options: dict[str, Any] | None = None,
    ) -> None:
        """Remove rows by their keys (Hopsworks' older name for `remove_rows`)."""
        self.remove_rows(delete_df, write_options)

    def delete(self, force: bool = False, delete_feature_views: bool = False) -> None:
        """Remove the group and its rows.

        Raises RestAPIError while feature views use it, unless they are to be deleted too (`force`).
        """
        views = [view for view in self._store.all_feature_views() if view.reads(self)]
        if views and not (force or delete_feature_views):
            names = ", ".join(f"{view.name} version {view.version}" for view in views)
            raise RestAPIError(
                f"Feature group {self._label} is used by feature view {names}.", 270153
            )
        for view in views:
            view.delete(force=True)
        self._table.drop()  # first: rows without a group would come back with the next one
        if self._entry:
            self._store.catalog.remove(self._entry)
        self._entry = None

    def append_features(self, features: Feature | list[Feature]) -> FeatureGroup:
        """Add columns; rows that are there already read as null in them."""
        new = [features] if isinstance(features, Feature) else list(features)
        known = [feature.name for feature in new if self.has_feature(feature.name)]
        if known:
            raise FeatureStoreException(
                f"{self._label} has the features {', '.join(known)} already."
            )
        entry = self._stored()
        self._table.add_columns([pa.field(f.name, _arrow_type(f.type)) for f in new])
        described = [feature.to_dict() for feature in new]
        self._store.catalog.update(entry, lambda document: document["features"].extend(described))
        return self

    def update_description(self, description: str) -> FeatureGroup:
        """Change what is said of the group."""
        self._store.catalog.update(
            self._stored(), lambda document: document.update(description=description)
        )
        return self

    def update_feature_description(self, feature_name: str, description: str) -> FeatureGroup:
        """Change what is said of one column."""
        name = self._feature(feature_name).name

        def describe(document: dict[str, Any]) -> None:
            for feature in document["features"]:
                if feature["name"] == name:
                    feature["description"] = description

        self._store.catalog.update(self._stored(), describe)
        return self

    def delta_vacuum(self, retention_hours: int | None = None) -> None:
        """Drop files that no version of the last hours refers to."""
        self._table.compact(168 if retention_hours is None else retention_hours)

    def delta_compact(
        self,
        after_ingest_date: Any = None,
        max_concurrent_tasks: int = 1,
        target_size: int | None = None,
    ) -> None:
        """Merge small files into large ones."""
        self._table.compact()

    delta_optimize = delta_compact

    # --- reading ---------------------------------------------------------------------------

    def read(
        self,
        wallclock_time: Any = None,
        online: bool = False,
        dataframe_type: str = "default",
        read_options: dict[str, Any] | None = None,
        start_time: Any = None,
        end_time: Any = None,
    ) -> Any:
        """Read all columns of the rows with start_time <= event time < end_time."""
        if wallclock_time is not None:
            raise NotImplementedError(
                "FeatureGroup.read(wallclock_time) is not in the embedded project (nor in "
                "Hopsworks' Python engine): use as_of(...).read()"
            )
        return self.select_all().read(online, dataframe_type, read_options, start_time, end_time)

    def read_primary_keys(
        self,
        online: bool = False,
        dataframe_type: str = "default",
        read_options: dict[str, Any] | None = None,
    ) -> Any:
        """Read the primary keys, each once, in order."""
        refuse_online(online)
        names = ", ".join(quoted(name) for name in self.primary_key)
        keys = self.select(self.primary_key).to_arrow()
        text = f"SELECT DISTINCT {names} FROM keys ORDER BY {names}"
        return to_dataframe(run(text, {"keys": keys}), dataframe_type)

    def show(self, n: int, online: bool = False) -> list[list[Any]]:
        """Give the first n rows as lists."""
        return self.select_all().show(n, online)

    def select(self, features: list[str | Feature]) -> Query:
        """Select columns by name."""
        names = [f.name if isinstance(f, Feature) else f for f in features]
        self._stored()
        return Query(self, [self._feature(name) for name in names])

    def select_all(
        self,
        include_primary_key: bool | None = True,
        include_foreign_key: bool | None = True,
        include_partition_key: bool | None = True,
        include_event_time: bool | None = True,
    ) -> Query:
        """Select all columns, or all but keys and event time."""
        left_out: set[str] = set()
        left_out |= set() if include_primary_key else set(self.primary_key)
        left_out |= set() if include_foreign_key else set(self.foreign_key)
        left_out |= set() if include_partition_key else set(self.partition_key)
        left_out |= set() if include_event_time else {self.event_time or ""}
        return self.select_except(sorted(left_out))

    def select_except(self, features: list[str | Feature] | None = None) -> Query:
        """Select all columns but these."""
        left_out = {f.name if isinstance(f, Feature) else f for f in features or []}
        self._stored()
        return Query(self, [f for f in self.features if f.name not in left_out])

    def select_features(self) -> Query:
        """Select what describes the row: all columns but keys and event time."""
        return self.select_all(False, False, False, False)

    def filter(self, f: Filter | Logic) -> Query:
        """Select all columns of the rows that meet a condition."""
        return self.select_all().filter(f)

    def as_of(self, wallclock_time: Any = None, exclude_until: Any = None) -> Query:
        """Select all columns as they were stored at a time."""
        return self.select_all().as_of(wallclock_time, exclude_until)

    def commit_details(
        self, wallclock_time: Any = None, limit: int | None = None
    ) -> dict[int, dict[str, Any]]:
        """Give the changes by commit time (milliseconds since the epoch), newest first."""
        until = to_milliseconds(wallclock_time)
        commits = self._table.commits()
        chosen = [c for c in commits if until is None or c.committed_at <= until][:limit]
        return {commit.committed_at: _details(commit) for commit in chosen}

    def _files(self, version: int | None, between: tuple[int | None, int | None]) -> list[Any]:
        """Give the data files that may hold rows of a time range in milliseconds."""
        table = self._table
        if not table.exists():
            return []
        bounds = {}
        if self.event_time and self._feature(self.event_time).type == "timestamp":
            low, high = (None if ms is None else pd.Timestamp(ms, unit="ms") for ms in between)
            bounds = {self.event_time: (low, high)}
        return table.files(version, bounds)

    # --- inside ----------------------------------------------------------------------------

    def _rows(self, features: pd.DataFrame | pa.Table) -> pa.Table:
        """Give a batch in the stored columns and types; raise for what does not fit."""
        self._check_keyed()
        given = to_arrow(features)
        for name in self._table.key:
            if name not in given.column_names:
                kind = "Event time" if name == self.event_time else "Primary key"
                raise ValueError(f"{kind} column {name} is missing in input dataframe")
            if pc.any(pc.is_null(given[name], nan_is_null=True)).as_py():
                kind = "Event time" if name == self.event_time else "Primary key"
                raise ValueError(f"{kind} column {name} contains null values.")
        derived = [self._derived_feature(field) for field in given.schema]
        if self._document["features"]:
            check_schema(self.features, derived)
        self._refuse_repeated_keys(given)
        if not self._document["features"]:
            self._document["features"] = [feature.to_dict() for feature in derived]
        return given.select(self.column_names)

    def _derived_feature(self, field: pa.Field) -> Feature:
        return Feature(
            field.name,
            offline_type(field.type),
            primary=field.name in self.primary_key,
            foreign=field.name in self.foreign_key,
            partition=field.name in self.partition_key,
        )

    def _check_keyed(self) -> None:
        if not self._table.key:
            raise FeatureStoreException(
                f"Feature group {self._label} has neither primary_key nor event_time: a second "
                "insert could not tell which rows are new. Name the columns that identify a row."
            )

    def _refuse_repeated_keys(self, rows: pa.Table) -> None:
        key = self._table.key
        counted = rows.select(key).group_by(key).aggregate([([], "count_all")])
        if len(counted) == len(rows):
            return
        twice = counted.filter(pc.greater(counted["count_all"], 1))
        example = ", ".join(f"{name}={twice[name][0].as_py()}" for name in key)
        raise FeatureStoreException(
            f"{len(twice)} keys occur more than once in the rows for {self._label} (first: "
            f"{example}): a key may occur once per batch, so drop the duplicates first."
        )

    def _register(self) -> None:
        """Put the group into the catalog with its first rows; a lazy twin may have done so."""
        if self._entry is not None:
            return
        catalog = self._store.catalog
        try:
            self._entry = catalog.add("feature_group", self.name, self.version, self._document)
        except AlreadyExists as error:
            if self._must_be_new:
                raise RestAPIError(
                    f"Feature group {self.name} version {self.version} exists already.",
                    EXISTS_ALREADY,
                ) from error
            self._entry = catalog.get("feature_group", self.name, self.version)
            mine, self._document = self.features, self._stored().document
            check_schema(self.features, mine)

    def _stored(self) -> Entry:
        if self._entry is None:
            raise FeatureStoreException(
                f"Feature group {self._label} does not exist yet: its first insert creates it."
            )
        return self._entry

    def _tagged_entry(self) -> Entry:
        return self._stored()

    def _pinned_versions(self) -> list[int]:
        return self._store.pinned_versions(self._label)


def checked_name(name: str) -> str:
    """Give a name as Hopsworks stores it; FeatureStoreException when it cannot be one."""
    if not NAME.fullmatch(name):
        raise FeatureStoreException(
            f"The name '{name}' is not allowed: use at most 63 lower case letters, digits and "
            "underscores, starting with a letter."
        )
    return name


def to_arrow(frame: pd.DataFrame | pa.Table) -> pa.Table:
    """Give a frame as an Arrow table of storable types with sanitized names.

    Times with a zone become UTC; ValueError for columns without a type (all null) or with one
    that no feature group can hold.
    """
    if isinstance(frame, pd.DataFrame):
        table = pa.Table.from_pandas(frame, preserve_index=False)
    elif isinstance(frame, pa.Table):
        table = frame
    elif hasattr(frame, "to_arrow"):  # polars
        table = frame.to_arrow()
    else:
        raise TypeError(
            "The provided dataframe type is not recognized. Supported types are: pandas "
            f"dataframe, polars dataframe, Arrow table. The provided one has type: {type(frame)}"
        )
    names = [sanitized(str(name)) for name in table.column_names]
    changed = [old for old, new in zip(table.column_names, names, strict=True) if old != new]
    if changed:
        warnings.warn(
            f"The ingested dataframe contains upper case letters or spaces in feature names: "
            f"`{changed}`. Feature names are lower case with underscores in the feature store.",
            FeatureGroupWarning,
            stacklevel=3,
        )
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"The columns {', '.join(twice)} occur twice: name each once")
    return pa.table([_storable(table[i], name) for i, name in enumerate(names)], names=names)


def _storable(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    try:
        return column.cast(stored_type(column.type), safe=not pa.types.is_timestamp(column.type))
    except (ValueError, pa.ArrowInvalid) as error:
        raise ValueError(f"Feature '{name}': {error}") from error


def _arrow_type(offline: str | None) -> pa.DataType:
    """Give the Arrow type that an offline type is stored as."""
    if offline in OFFLINE_TYPES:
        return OFFLINE_TYPES[offline]
    text = offline or ""
    if match := re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", text):
        return pa.decimal128(int(match[1]), int(match[2]))
    if match := re.fullmatch(r"array<(.*)>", text):
        return pa.list_(_arrow_type(match[1]))
    if match := re.fullmatch(r"struct<(.*)>", text):
        parts = (part.split(":", 1) for part in _split_outside_brackets(match[1]))
        return pa.struct([(name.strip(), _arrow_type(kind.strip())) for name, kind in parts])
    raise FeatureStoreException(f"The feature type '{offline}' is not known.")


def _split_outside_brackets(text: str) -> list[str]:
    """Split at commas that are not inside <...> or (...)."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "<(") - (character in ">)")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _transaction(write_options: dict[str, Any]) -> Transaction | None:
    properties = write_options.get("commit_properties")
    if not properties:
        return None
    named = properties.get("transactions", [properties])[0]
    return Transaction(str(named["app_id"]), int(named["version"]))


def _details(commit: Commit) -> dict[str, Any]:
    stamp = datetime.fromtimestamp(commit.committed_at / 1000, tz=UTC)
    return {
        "committedOn": stamp.strftime("%Y%m%d%H%M%S%f")[:-3],
        "rowsInserted": commit.inserted,
        "rowsUpdated": commit.updated,
        "rowsDeleted": commit.deleted,
    }
