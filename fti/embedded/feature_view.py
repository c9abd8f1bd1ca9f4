"""Feature views: a query with labels, and the training and batch data made of it.

Every split is a training dataset with a version. It records the table versions it was read from,
so that the same rows come back under that version however often they are fetched.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from fti.embedded.catalog import Entry
from fti.embedded.exceptions import FeatureStoreException
from fti.embedded.feature import Feature, Filter, Logic
from fti.embedded.query import Output, Query, Statement, to_dataframe, to_milliseconds
from fti.embedded.tags import Tagged
from fti.embedded.transformations import TransformationFunction
from fti.embedded.unsupported import not_embedded, refuse

if TYPE_CHECKING:
    from fti.embedded.feature_group import FeatureGroup
    from fti.embedded.feature_store import FeatureStore
    from fti.embedded.model_registry import Model

log = logging.getLogger(__name__)

EARLIEST = 1000  # ms: an open time range starts one second after the epoch and ends now, as the
# Hopsworks client has it; rows from before 1970 or from the future need both ends said
SPLIT_SEED = 42  # in memory splits take no seed; the same rows are split alike on every machine
ORDER = "__order"  # helper columns of a read that never reach the caller


@dataclass
class TrainingDataset:
    """One version of training data: how it was split and from which table versions."""

    name: str
    version: int
    created: str
    document: dict[str, Any]

    @property
    def description(self) -> str:
        """What was said when it was made."""
        return self.document["description"]

    @property
    def splits(self) -> list[dict[str, Any]]:
        """The splits in order: name and size, or name and time range in milliseconds."""
        return self.document["splits"]


class FeatureView(Tagged):
    """One feature view; made by `FeatureStore.get_or_create_feature_view` and its siblings."""

    def __init__(self, store: FeatureStore, entry: Entry, query: Query):
        self._store = store
        self._entry = entry
        self._query = query
        self._batch_statistics: dict[str, Any] | None = None
        self._last_accessed: int | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        not_embedded("FeatureView", name)
        try:
            return self.get_feature(name)
        except FeatureStoreException as error:
            raise AttributeError(f"'FeatureView' object has no attribute '{name}'.") from error

    def __repr__(self) -> str:
        return f"FeatureView({self.name!r}, version={self.version})"

    @property
    def id(self) -> int:
        """Number in the catalog."""
        return self._entry.id

    @property
    def name(self) -> str:
        """Name of the view."""
        return self._entry.name

    @property
    def version(self) -> int:
        """Version of the view."""
        return self._entry.version

    @property
    def description(self) -> str:
        """What the view is for."""
        return self._entry.document["description"]

    @description.setter
    def description(self, description: str) -> None:
        self._entry.document["description"] = description

    @property
    def labels(self) -> list[str]:
        """Columns that are predicted."""
        return self._entry.document["labels"]

    @property
    def inference_helper_columns(self) -> list[str]:
        """Columns that only batch inference needs."""
        return self._entry.document["inference_helper_columns"]

    @property
    def training_helper_columns(self) -> list[str]:
        """Columns that only training needs."""
        return self._entry.document["training_helper_columns"]

    @property
    def feature_store_name(self) -> str:
        """Name of the feature store."""
        return self._store.name

    @property
    def featurestore_id(self) -> int:
        """Number of the feature store."""
        return self._store.id

    @property
    def query(self) -> Query:
        """What the view reads."""
        return self._query

    @property
    def features(self) -> list[Feature]:
        """Columns of the query, labels included."""
        return self._query.features

    schema = features

    @property
    def primary_keys(self) -> list[str]:
        """Primary key columns of the root feature group."""
        return self._root.primary_key

    @property
    def transformation_functions(self) -> list[TransformationFunction]:
        """Functions that are applied to training and batch data."""
        documents = self._entry.document["transformation_functions"]
        return [TransformationFunction.from_dict(document) for document in documents]

    def get_feature(self, name: str) -> Feature:
        """Give a column by the name it has in the view."""
        return self._query.get_feature(name)

    def reads(self, group: FeatureGroup) -> bool:
        """Tell whether the view uses a feature group (not Hopsworks' API)."""
        return group._label in {source._label for source in self._query.featuregroups}

    def update(self) -> FeatureView:
        """Store a changed description."""
        self._store.catalog.update(
            self._entry, lambda document, new=self.description: document.update(description=new)
        )
        return self

    def delete(self, force: bool = False) -> None:
        """Remove the view and its training datasets."""
        self.delete_all_training_datasets()
        self._store.catalog.remove(self._entry)

    # --- training data ---------------------------------------------------------------------

    def training_data(
        self,
        start_time: Any = None,
        end_time: Any = None,
        description: str | None = "",
        extra_filter: Filter | Logic | None = None,
        statistics_config: Any = None,
        read_options: dict[str, Any] | None = None,
        spine: Any = None,
        primary_key: bool = False,
        event_time: bool = False,
        training_helper_columns: bool = False,
        dataframe_type: str | None = "default",
        transformation_context: dict[str, Any] | None = None,
        lookback: Any = None,
        n_processes: int | None = None,
        tags: Any = None,
        spine_df: Any = None,
        **kwargs: Any,
    ) -> tuple[Any, Any]:
        """Give (features, labels) of a time range; makes a new training dataset version."""
        primary_key = _primary_key(primary_key, kwargs, "training_data")
        refuse("FeatureView.training_data", spine=spine, lookback=lookback, spine_df=spine_df)
        span = _span("all", start_time, end_time)
        dataset = self._new_dataset([span], description, extra_filter)
        parts = Parts(
            primary_key, event_time, training_helper_columns, dataframe_type, transformation_context
        )
        return tuple(self._data(dataset, parts))

    def train_test_split(
        self,
        test_size: float | None = None,
        train_start: Any = "",
        train_end: Any = "",
        test_start: Any = "",
        test_end: Any = "",
        description: str | None = "",
        extra_filter: Filter | Logic | None = None,
        statistics_config: Any = None,
        read_options: dict[str, Any] | None = None,
        spine: Any = None,
        primary_key: bool = False,
        event_time: bool = False,
        training_helper_columns: bool = False,
        dataframe_type: str | None = "default",
        transformation_context: dict[str, Any] | None = None,
        lookback: Any = None,
        n_processes: int | None = None,
        tags: Any = None,
        spine_df: Any = None,
        **kwargs: Any,
    ) -> tuple[Any, Any, Any, Any]:
        """Give X_train, X_test, y_train, y_test, split at random by size or by event time.

        A random split depends on the rows' keys alone, not on their order: when rows are added,
        only those near the boundary change sides. Each call makes a new training dataset version.
        """
        primary_key = _primary_key(primary_key, kwargs, "train_test_split")
        refuse("FeatureView.train_test_split", spine=spine, lookback=lookback, spine_df=spine_df)
        if not ((test_size and 0 < test_size < 1) or train_end or test_start):
            raise ValueError(
                "Invalid split input. You should specify either `test_size` or (`train_end` or "
                "`test_start`). `test_size` should be between 0 and 1 if specified."
            )
        if test_size:
            splits = [_share("train", 1 - test_size), _share("test", test_size)]
        else:
            splits = [
                _span("train", train_start, train_end or test_start),
                _span("test", test_start or train_end, test_end),
            ]
        dataset = self._new_dataset(splits, description, extra_filter)
        parts = Parts(
            primary_key, event_time, training_helper_columns, dataframe_type, transformation_context
        )
        return _features_then_labels(self._data(dataset, parts))

    def train_validation_test_split(
        self,
        validation_size: float | None = None,
        test_size: float | None = None,
        train_start: Any = "",
        train_end: Any = "",
        validation_start: Any = "",
        validation_end: Any = "",
        test_start: Any = "",
        test_end: Any = "",
        description: str | None = "",
        extra_filter: Filter | Logic | None = None,
        statistics_config: Any = None,
        read_options: dict[str, Any] | None = None,
        spine: Any = None,
        primary_key: bool = False,
        event_time: bool = False,
        training_helper_columns: bool = False,
        dataframe_type: str | None = "default",
        transformation_context: dict[str, Any] | None = None,
        lookback: Any = None,
        n_processes: int | None = None,
        tags: Any = None,
        spine_df: Any = None,
        **kwargs: Any,
    ) -> tuple[Any, Any, Any, Any, Any, Any]:
        """Give X_train, X_val, X_test, y_train, y_val, y_test, at random or by event time."""
        primary_key = _primary_key(primary_key, kwargs, "train_validation_test_split")
        refuse(
            "FeatureView.train_validation_test_split",
            spine=spine, lookback=lookback, spine_df=spine_df,
        )  # fmt: skip
        sizes = (validation_size or 0, test_size or 0)
        by_size = all(0 < size < 1 for size in sizes) and sum(sizes) < 1
        if not (by_size or ((train_end or validation_start) and (validation_end or test_start))):
            raise ValueError(
                "Invalid split input. You should specify either `validation_size` and `test_size` "
                "(each between 0 and 1, together below 1) or the times where the splits end."
            )
        if by_size:
            shares = [("train", 1 - sum(sizes)), ("validation", sizes[0]), ("test", sizes[1])]
            splits = [_share(name, size) for name, size in shares]
        else:
            splits = [
                _span("train", train_start, train_end or validation_start),
                _span("validation", validation_start or train_end, validation_end or test_start),
                _span("test", test_start or validation_end, test_end),
            ]
        dataset = self._new_dataset(splits, description, extra_filter)
        parts = Parts(
            primary_key, event_time, training_helper_columns, dataframe_type, transformation_context
        )
        return _features_then_labels(self._data(dataset, parts))

    def get_training_data(
        self,
        training_dataset_version: int,
        read_options: dict[str, Any] | None = None,
        primary_key: bool = False,
        event_time: bool = False,
        training_helper_columns: bool = False,
        dataframe_type: str | None = "default",
        transformation_context: dict[str, Any] | None = None,
        n_processes: int | None = None,
        spine_df: Any = None,
        **kwargs: Any,
    ) -> tuple[Any, Any]:
        """Give the (features, labels) of a training dataset version again."""
        primary_key = _primary_key(primary_key, kwargs, "get_training_data")
        parts = Parts(
            primary_key, event_time, training_helper_columns, dataframe_type, transformation_context
        )
        return self._again(training_dataset_version, parts, 1, spine_df)

    def get_train_test_split(
        self,
        training_dataset_version: int,
        read_options: dict[Any, Any] | None = None,
        primary_key: bool = False,
        event_time: bool = False,
        training_helper_columns: bool = False,
        dataframe_type: str | None = "default",
        transformation_context: dict[str, Any] | None = None,
        n_processes: int | None = None,
        spine_df: Any = None,
        **kwargs: Any,
    ) -> tuple[Any, Any, Any, Any]:
        """Give the split of a training dataset version again."""
        primary_key = _primary_key(primary_key, kwargs, "get_train_test_split")
        parts = Parts(
            primary_key, event_time, training_helper_columns, dataframe_type, transformation_context
        )
        return self._again(training_dataset_version, parts, 2, spine_df)

    def get_train_validation_test_split(
        self,
        training_dataset_version: int,
        read_options: dict[str, Any] | None = None,
        primary_key: bool = False,
        event_time: bool = False,
        training_helper_columns: bool = False,
        dataframe_type: str = "default",
        transformation_context: dict[str, Any] | None = None,
        n_processes: int | None = None,
        spine_df: Any = None,
        **kwargs: Any,
    ) -> tuple[Any, Any, Any, Any, Any, Any]:
        """Give the three-way split of a training dataset version again."""
        primary_key = _primary_key(primary_key, kwargs, "get_train_validation_test_split")
        parts = Parts(
            primary_key, event_time, training_helper_columns, dataframe_type, transformation_context
        )
        return self._again(training_dataset_version, parts, 3, spine_df)

    def get_training_datasets(self) -> list[TrainingDataset]:
        """Give all training datasets, oldest first."""
        return [_dataset(self.name, entry) for entry in self._dataset_entries()]

    def get_last_accessed_training_dataset(self) -> int | None:
        """Give the version that was made or fetched last through this object."""
        return self._last_accessed

    def update_last_accessed_training_dataset(self, version: int) -> None:
        """Remember which version was fetched last."""
        self._last_accessed = version

    def delete_training_dataset(self, training_dataset_version: int) -> None:
        """Forget a training dataset version."""
        self._store.catalog.remove(self._dataset_entry(training_dataset_version))

    purge_training_data = delete_training_dataset

    def delete_all_training_datasets(self) -> None:
        """Forget all training dataset versions."""
        for entry in self._dataset_entries():
            self._store.catalog.remove(entry)

    purge_all_training_data = delete_all_training_datasets

    # --- batch data ------------------------------------------------------------------------

    def init_batch_scoring(
        self, training_dataset_version: int | None = None, n_processes: int | None = None
    ) -> None:
        """Load the statistics of a training dataset for the transformation functions."""
        version = training_dataset_version or self._last_accessed or 1
        self._batch_statistics = self._dataset_entry(version).document["statistics"]

    def get_batch_data(
        self,
        start_time: Any = None,
        end_time: Any = None,
        read_options: dict[str, Any] | None = None,
        spine: Any = None,
        primary_key: bool | None = None,
        event_time: bool | None = None,
        inference_helper_columns: bool = False,
        dataframe_type: str | None = "default",
        transformed: bool | None = True,
        transformation_context: dict[str, Any] | None = None,
        logging_data: bool = False,
        extra_filter: Filter | Logic | None = None,
        lookback: Any = None,
        n_processes: int | None = None,
        spine_df: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Give the features (no labels) of the rows with start_time <= event time < end_time."""
        primary_key = _primary_key(primary_key, kwargs, "get_batch_data")
        refuse(
            "FeatureView.get_batch_data",
            spine=spine, logging_data=logging_data, lookback=lookback, spine_df=spine_df,
        )  # fmt: skip
        functions = [f for f in self.transformation_functions if not self._of_labels(f)]
        functions = functions if transformed else []
        if any(f.uses_statistics for f in functions) and self._batch_statistics is None:
            raise FeatureStoreException(
                "The feature view has transformation functions that need training statistics: "
                "call `init_batch_scoring` with the training dataset version first."
            )
        wanted = self._outputs(primary_key, bool(event_time), labels=False)
        dropped = set(self.training_helper_columns)
        dropped |= set() if inference_helper_columns else set(self.inference_helper_columns)
        wanted = [output for output in wanted if output.name not in dropped]
        query = self._filtered(extra_filter)
        table = query.to_arrow(start_time, end_time, outputs=wanted).to_pandas()
        for function in functions:
            table = function.apply(table, self._batch_statistics or {}, transformation_context)
        return _typed(table, dataframe_type)

    def get_batch_query(
        self,
        start_time: Any = None,
        end_time: Any = None,
        extra_filter: Filter | Logic | None = None,
        lookback: Any = None,
    ) -> str:
        """Give the SQL that reads the view's rows."""
        refuse("FeatureView.get_batch_query", lookback=lookback)
        return Statement(self._filtered(extra_filter), start_time, end_time).text

    def get_models(self, training_dataset_version: int | None = None) -> list[Model]:
        """Give the models that were trained on the view, oldest first."""
        models = self._store.project.get_model_registry().all_models()
        return [
            model
            for model in models
            if model.trained_on(self.name, self.version, training_dataset_version)
        ]

    def get_newest_model(self, training_dataset_version: int | None = None) -> Model | None:
        """Give the model that was trained on the view last, or None."""
        return max(
            self.get_models(training_dataset_version),
            key=lambda model: model.created,
            default=None,
        )

    # --- inside ----------------------------------------------------------------------------

    @property
    def _root(self) -> FeatureGroup:
        return self._query._left_feature_group

    def _tagged_entry(self) -> Entry:
        return self._entry

    @property
    def _dataset_kind(self) -> str:
        return f"training_dataset:{self.version}"

    def _dataset_entries(self) -> list[Entry]:
        return self._store.catalog.find(self._dataset_kind, self.name)

    def _dataset_entry(self, version: int) -> Entry:
        entry = self._store.catalog.get(self._dataset_kind, self.name, version)
        if entry is None:
            raise FeatureStoreException(
                f"Feature view {self.name} version {self.version} has no training dataset "
                f"version {version}."
            )
        return entry

    def _new_dataset(
        self,
        splits: list[dict[str, Any]],
        description: str | None,
        extra_filter: Filter | Logic | None,
    ) -> Entry:
        if self._root.event_time and "size" not in splits[0]:
            splits[0]["start"] = splits[0]["start"] or EARLIEST
            splits[-1]["end"] = splits[-1]["end"] or time.time_ns() // 1_000_000
        versions = {group._label: query.table_version() for group, query in self._query._tree()}
        entry = self._store.catalog.add(
            self._dataset_kind,
            self.name,
            None,
            {
                "description": description or "",
                "splits": splits,
                "extra_filter": extra_filter.to_dict() if extra_filter is not None else None,
                "seed": SPLIT_SEED,
                "tables": versions,
                "statistics": {},
            },
        )
        log.info("%s: training dataset version %d", self.name, entry.version)
        return entry

    def _again(self, version: int, parts: Parts, splits: int, spine_df: Any) -> Any:
        refuse("FeatureView.get_training_data", spine_df=spine_df)
        entry = self._dataset_entry(version)
        if len(entry.document["splits"]) != splits:
            raise FeatureStoreException(
                f"Training dataset version {version} of {self.name} has "
                f"{len(entry.document['splits'])} splits, not {splits}."
            )
        return _features_then_labels(self._data(entry, parts))

    def _data(self, dataset: Entry, parts: Parts) -> list[Any]:
        """Give features and labels of each split in turn, transformed by the first one's scale."""
        self._last_accessed = dataset.version
        wanted = [*self._outputs(parts.primary_key, parts.event_time), *self._helpers()]
        tables = [self._split_columns(t, parts, wanted) for t in self._splits(dataset, wanted)]
        tables, labels = self._transformed(tables, dataset, parts.context)
        result: list[Any] = []
        for table in tables:
            result.append(_typed(table.drop(columns=labels), parts.dataframe_type))
            result.append(_typed(table[labels], parts.dataframe_type) if labels else None)
        return result

    def _splits(self, dataset: Entry, wanted: list[Output]) -> list[pd.DataFrame]:
        document = dataset.document
        query = self._filtered(_condition(document["extra_filter"], self._query))
        splits = document["splits"]

        def rows(start: int | None, end: int | None) -> pd.DataFrame:
            table = query.to_arrow(
                _moment(start), _moment(end), document["tables"], wanted
            ).to_pandas()
            return table.sort_values(self._order_columns(table), kind="stable", ignore_index=True)

        if "size" not in splits[0]:
            return [rows(split["start"], split["end"]) for split in splits]
        table = rows(None, None)
        sizes = [split["size"] for split in splits]
        key = self._order_columns(table)[: len(self._root._table.key)]
        return split_at_random(table, sizes, key, document["seed"])

    def _order_columns(self, table: pd.DataFrame) -> list[str]:
        return [name for name in table.columns if name.startswith(ORDER)]

    def _helpers(self) -> list[Output]:
        """Give the keys of all groups as extra columns: they order the rows, the root's first."""
        keys = [
            (f"t{table}", group._feature(name))
            for table, group in enumerate(self._query.featuregroups)
            for name in group._table.key
        ]
        return [Output(alias, key, f"{ORDER}{i}") for i, (alias, key) in enumerate(keys)]

    def _split_columns(
        self, table: pd.DataFrame, parts: Parts, wanted: list[Output]
    ) -> pd.DataFrame:
        dropped = set(self._order_columns(table)) | set(self.inference_helper_columns)
        if not parts.training_helper_columns:
            dropped |= set(self.training_helper_columns)
        return table.drop(columns=[name for name in table.columns if name in dropped])

    def _transformed(
        self, tables: list[pd.DataFrame], dataset: Entry, context: dict[str, Any] | None
    ) -> tuple[list[pd.DataFrame], list[str]]:
        """Give the transformed splits and which of their columns are labels."""
        functions, labels = self.transformation_functions, list(self.labels)
        if not functions:
            return tables, labels
        statistics = dataset.document["statistics"]
        if not statistics:
            for function in functions:
                statistics |= function.fit(tables[0])
            self._store.catalog.update(
                dataset, lambda document: document.update(statistics=statistics)
            )
        for function in functions:
            before = tables[0].columns
            tables = [function.apply(table, statistics, context) for table in tables]
            if self._of_labels(function):
                labels += [name for name in tables[0].columns if name not in before]
        return tables, [label for label in labels if label in tables[0].columns]

    def _of_labels(self, function: TransformationFunction) -> bool:
        return not set(self.labels).isdisjoint(function.features)

    def _outputs(self, primary_key: bool, event_time: bool, labels: bool = True) -> list[Output]:
        """Give the view's columns, and its keys and event time as asked.

        Like Hopsworks, a key that the query does not select itself comes under its full name:
        <project>_<group>_<version>_<column>.
        """
        outputs = self._query.outputs()
        names = {output.name for output in outputs}
        extra = list(self._root.primary_key) if primary_key else []
        extra += [self._root.event_time] if event_time and self._root.event_time else []
        for name in extra:
            if name not in names:
                full = f"{self._store.project.name}_{self._root._label}_{name}"
                outputs.append(Output("t0", self._root._feature(name), full))
        return [output for output in outputs if labels or output.name not in self.labels]

    def _filtered(self, extra: Filter | Logic | None) -> Query:
        if extra is None:
            return self._query
        query = Query(**self._query._parts())
        query._as_of = self._query._as_of
        return query.filter(extra)


@dataclass
class Parts:
    """Which columns a caller wants, and in which kind of frame."""

    primary_key: bool
    event_time: bool
    training_helper_columns: bool
    dataframe_type: str | None
    context: dict[str, Any] | None


def split_at_random(
    table: pd.DataFrame, sizes: Sequence[float], key: list[str], seed: int
) -> list[pd.DataFrame]:
    """Split rows into shares of exact size, by a hash of their key; row order does not matter."""
    salted = pd.util.hash_pandas_object(table[key], index=False, hash_key=f"{seed:016d}")
    order = np.argsort(salted.to_numpy(), kind="stable")
    counts = [int(round(len(table) * size, 6)) for size in sizes]  # the last share gets the rest
    parts = np.split(order, np.cumsum(counts[:-1]))
    return [table.iloc[np.sort(part)].reset_index(drop=True) for part in parts]


def _primary_key(wanted: bool | None, kwargs: dict[str, Any], method: str) -> bool:
    """Tell whether keys are wanted, also by Hopsworks' older name; TypeError for other names."""
    unknown = sorted(name for name in kwargs if name != "primary_keys")
    if unknown:
        raise TypeError(
            f"FeatureView.{method}() got unexpected keyword argument(s) {', '.join(unknown)}"
        )
    return bool(kwargs.get("primary_keys") or wanted)


def _share(name: str, size: float) -> dict[str, Any]:
    return {"name": name, "size": size}


def _span(name: str, start: Any, end: Any) -> dict[str, Any]:
    return {"name": name, "start": to_milliseconds(start), "end": to_milliseconds(end)}


def _moment(milliseconds: int | None) -> pd.Timestamp | None:
    return None if milliseconds is None else pd.Timestamp(milliseconds, unit="ms")


def _features_then_labels(parts: list[Any]) -> tuple[Any, ...]:
    """Turn X, y, X, y, ... into X, X, ..., y, y, ..."""
    return (*parts[::2], *parts[1::2])


def _typed(table: pd.DataFrame, dataframe_type: str | None) -> Any:
    if (dataframe_type or "default").lower() in ("default", "pandas"):
        return table
    return to_dataframe(pa.Table.from_pandas(table, preserve_index=False), dataframe_type)


def _dataset(name: str, entry: Entry) -> TrainingDataset:
    return TrainingDataset(name, entry.version, entry.created, entry.document)


def _condition(document: dict[str, Any] | None, query: Query) -> Filter | Logic | None:
    from fti.embedded.feature import condition_from_dict

    if document is None:
        return None
    groups = {group._label: group for group in query.featuregroups}
    return condition_from_dict(document, groups)
