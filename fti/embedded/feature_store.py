"""The feature store of an embedded project: creates and finds feature groups and feature views."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from fti.embedded.catalog import AlreadyExists, Catalog, Entry
from fti.embedded.exceptions import FeatureStoreException, RestAPIError, VersionWarning
from fti.embedded.feature import Feature, sanitized
from fti.embedded.feature_group import FeatureGroup, checked_name
from fti.embedded.feature_view import FeatureView
from fti.embedded.query import Query, query_from_dict, refuse_online, run, to_dataframe
from fti.embedded.transformations import (
    BUILT_IN,
    HopsworksUdf,
    TransformationFunction,
    attached,
    find,
)
from fti.embedded.unsupported import Unsupported, refuse, refuse_settings

if TYPE_CHECKING:
    from fti.embedded.project import Project

DEFAULT_VERSION = 1
VIEW_EXISTS_ALREADY = 270180


class FeatureStore(Unsupported):
    """Feature groups and feature views of one project."""

    def __init__(self, project: Project):
        self.project = project
        self.catalog: Catalog = project.catalog

    def __repr__(self) -> str:
        return f"FeatureStore({self.name!r})"

    @property
    def id(self) -> int:
        """Number of the feature store: a project has one."""
        return 1

    @property
    def name(self) -> str:
        """Name of the feature store."""
        return f"{self.project.name}_featurestore"

    @property
    def project_name(self) -> str:
        """Name of the project."""
        return self.project.name

    @property
    def project_id(self) -> int:
        """Number of the project."""
        return self.project.id

    @property
    def online_enabled(self) -> bool:
        """Always False: there is no online store."""
        return False

    # --- feature groups --------------------------------------------------------------------

    def create_feature_group(
        self,
        name: str,
        version: int | None = None,
        description: str | None = "",
        online_enabled: bool | None = False,
        time_travel_format: str | None = None,
        partition_key: list[str] | None = None,
        primary_key: list[str] | None = None,
        foreign_key: list[str] | None = None,
        embedding_index: Any = None,
        hudi_precombine_key: str | None = None,
        features: list[Feature] | None = None,
        statistics_config: Any = None,
        event_time: str | None = None,
        stream: bool | None = False,
        expectation_suite: Any = None,
        parents: Any = None,
        *,
        tags: dict[str, Any] | None = None,
        **cluster_settings: Any,
    ) -> FeatureGroup:
        """Describe a new feature group, without a version the next one; insert creates it."""
        refuse(
            "FeatureStore.create_feature_group",
            online_enabled=online_enabled, stream=stream, embedding_index=embedding_index,
            expectation_suite=expectation_suite,
        )  # fmt: skip
        refuse_settings("FeatureStore.create_feature_group", cluster_settings)
        _check_format(time_travel_format)
        known = self.catalog.find("feature_group", checked_name(name))
        if version is None:
            version = max((entry.version for entry in known), default=0) + 1
        group = FeatureGroup(
            self,
            name,
            version,
            {
                "description": description or "",
                "primary_key": _sanitized(primary_key),
                "partition_key": _sanitized(partition_key),
                "foreign_key": _sanitized(foreign_key),
                "event_time": sanitized(event_time) if event_time else None,
                "features": [feature.to_dict() for feature in features or []],
                "tags": dict(tags or {}),
            },
        )
        group._must_be_new = True
        return group

    def get_or_create_feature_group(
        self,
        name: str,
        version: int,
        description: str | None = "",
        online_enabled: bool | None = False,
        time_travel_format: str | None = None,
        partition_key: list[str] | None = None,
        primary_key: list[str] | None = None,
        foreign_key: list[str] | None = None,
        embedding_index: Any = None,
        hudi_precombine_key: str | None = None,
        features: list[Feature] | None = None,
        statistics_config: Any = None,
        expectation_suite: Any = None,
        event_time: str | None = None,
        stream: bool | None = False,
        parents: Any = None,
        *,
        tags: dict[str, Any] | None = None,
        **cluster_settings: Any,
    ) -> FeatureGroup:
        """Give the group of this name and version, or describe it for the first insert."""
        entry = self.catalog.get("feature_group", name, version)
        if entry:
            return FeatureGroup.from_entry(self, entry)
        group = self.create_feature_group(
            name, version, description, online_enabled, time_travel_format, partition_key,
            primary_key, foreign_key, embedding_index, hudi_precombine_key, features,
            statistics_config, event_time, stream, expectation_suite, parents, tags=tags,
            **cluster_settings,
        )  # fmt: skip
        group._must_be_new = False
        return group

    def get_feature_group(self, name: str, version: int | None = None) -> FeatureGroup | None:
        """Give a feature group, or None; without a version it is version 1, with a warning."""
        entry = self.catalog.get("feature_group", name, _version(version, "feature group", name))
        return FeatureGroup.from_entry(self, entry) if entry else None

    def get_feature_groups(self, name: str | None = None) -> list[FeatureGroup]:
        """Give all versions of a feature group, or all feature groups."""
        entries = self.catalog.find("feature_group", name)
        return [FeatureGroup.from_entry(self, entry) for entry in entries]

    # --- feature views ---------------------------------------------------------------------

    def create_feature_view(
        self,
        name: str,
        query: Query,
        version: int | None = None,
        description: str | None = "",
        labels: list[str] | None = None,
        inference_helper_columns: list[str] | None = None,
        training_helper_columns: list[str] | None = None,
        transformation_functions: list[TransformationFunction | HopsworksUdf] | None = None,
        logging_enabled: bool | None = False,
        max_feature_age: Any = None,
        extra_log_columns: Any = None,
        tags: Any = None,
        logging_materialization_interval: str | None = None,
        logging_transport: str | None = None,
    ) -> FeatureView:
        """Store a feature view, without a version the next one."""
        refuse("FeatureStore.create_feature_view", logging_enabled=logging_enabled)
        helpers = _sanitized(inference_helper_columns) + _sanitized(training_helper_columns)
        names = {output.name for output in query.outputs()}
        unknown = [column for column in [*_sanitized(labels), *helpers] if column not in names]
        if unknown:
            raise FeatureStoreException(
                f"The columns {', '.join(unknown)} are not selected by the query of feature view "
                f"{name}."
            )
        functions = attached(transformation_functions)
        for function in functions:
            find(function.udf.reference)
        document = {
            "description": description or "",
            "query": query.to_dict(),
            "labels": _sanitized(labels),
            "inference_helper_columns": _sanitized(inference_helper_columns),
            "training_helper_columns": _sanitized(training_helper_columns),
            "transformation_functions": [function.to_dict() for function in functions],
            "tags": dict(tags or {}),
        }
        try:
            entry = self.catalog.add("feature_view", checked_name(name), version, document)
        except AlreadyExists as error:
            raise RestAPIError(
                f"Feature view {name} version {version} exists already.", VIEW_EXISTS_ALREADY
            ) from error
        return self._view(entry)

    def get_or_create_feature_view(
        self,
        name: str,
        query: Query,
        version: int,
        description: str | None = "",
        labels: list[str] | None = None,
        inference_helper_columns: list[str] | None = None,
        training_helper_columns: list[str] | None = None,
        transformation_functions: list[TransformationFunction | HopsworksUdf] | None = None,
        logging_enabled: bool | None = False,
        max_feature_age: Any = None,
        extra_log_columns: Any = None,
        tags: Any = None,
        logging_materialization_interval: str | None = None,
        logging_transport: str | None = None,
    ) -> FeatureView:
        """Give the feature view of this name and version, or store it."""
        if entry := self.catalog.get("feature_view", name, version):
            return self._view(entry)
        try:
            return self.create_feature_view(
                name, query, version, description, labels, inference_helper_columns,
                training_helper_columns, transformation_functions, logging_enabled, max_feature_age,
                extra_log_columns, tags,
            )  # fmt: skip
        except RestAPIError:  # another process was faster
            if entry := self.catalog.get("feature_view", name, version):
                return self._view(entry)
            raise

    def get_feature_view(self, name: str, version: int | None = None) -> FeatureView | None:
        """Give a feature view, or None; without a version it is version 1, with a warning."""
        entry = self.catalog.get("feature_view", name, _version(version, "feature view", name))
        return self._view(entry) if entry else None

    def get_feature_views(self, name: str) -> list[FeatureView]:
        """Give all versions of a feature view."""
        return [self._view(entry) for entry in self.catalog.find("feature_view", name)]

    def all_feature_views(self) -> list[FeatureView]:
        """Give all feature views (not Hopsworks' API)."""
        return [self._view(entry) for entry in self.catalog.find("feature_view")]

    # --- the rest --------------------------------------------------------------------------

    def create_transformation_function(
        self, transformation_function: HopsworksUdf, version: int | None = None
    ) -> TransformationFunction:
        """Store one's own `@udf` for `get_transformation_function`; it must be importable."""
        find(transformation_function.reference)
        self.catalog.add(
            "transformation_function",
            transformation_function.function_name,
            version,
            {"udf": transformation_function.reference},
        )
        return TransformationFunction(transformation_function, transformation_function.arguments)

    def get_transformation_function(
        self, name: str, version: int | None = None
    ) -> TransformationFunction:
        """Give a transformation function, built in or stored; call it with a feature's name."""
        stored = self.catalog.find("transformation_function", name, version)
        function = find(stored[0].document["udf"]) if stored else BUILT_IN.get(name)
        if function is None:
            raise FeatureStoreException(f"There is no transformation function {name}.")
        return TransformationFunction(function, function.arguments)

    def get_transformation_functions(self) -> list[TransformationFunction]:
        """Give all transformation functions."""
        stored = {entry.name for entry in self.catalog.find("transformation_function")}
        return [self.get_transformation_function(name) for name in sorted(stored | set(BUILT_IN))]

    def sql(
        self,
        query: str,
        dataframe_type: str = "default",
        online: bool = False,
        read_options: dict[str, Any] | None = None,
    ) -> Any:
        """Run DuckDB SQL in which each feature group is a table called <name>_<version>."""
        refuse_online(online)
        tables = {
            group._label: group.select_all().to_arrow()
            for group in self.get_feature_groups()
            if group._label in query
        }
        return to_dataframe(run(query, tables), dataframe_type)

    def pinned_versions(self, label: str) -> list[int]:
        """Give the table versions that training datasets were made of (not Hopsworks' API)."""
        kinds = {f"training_dataset:{view.version}" for view in self.all_feature_views()}
        versions = [
            entry.document["tables"].get(label)
            for kind in kinds
            for entry in self.catalog.find(kind)
        ]
        return [version for version in versions if version is not None]

    def _view(self, entry: Entry) -> FeatureView:
        return FeatureView(self, entry, query_from_dict(entry.document["query"], self._group))

    def _group(self, name: str, version: int) -> FeatureGroup:
        group = self.get_feature_group(name, version)
        if group is None:
            raise FeatureStoreException(f"Feature group {name} version {version} does not exist.")
        return group


def _version(version: int | None, what: str, name: str) -> int:
    if version is None:
        warnings.warn(
            f"No version provided for getting {what} `{name}`, defaulting to `{DEFAULT_VERSION}`.",
            VersionWarning,
            stacklevel=3,
        )
        return DEFAULT_VERSION
    return version


def _sanitized(names: list[str] | None) -> list[str]:
    return [sanitized(name) for name in names or []]


def _check_format(time_travel_format: str | None) -> None:
    if (time_travel_format or "DELTA").upper() != "DELTA":
        raise NotImplementedError(
            f"time_travel_format {time_travel_format!r} is not in the embedded project: it stores "
            "Delta tables, so leave it out"
        )
