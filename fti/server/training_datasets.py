"""Training datasets: versions of a feature view's training data, with their statistics.

The client reads the rows, splits them and fits the transformation functions; here is kept how, and
on which table versions.
"""

from __future__ import annotations

import json
from typing import Any

from fti.embedded.catalog import Entry
from fti.embedded.feature_view import FeatureView
from fti.server.feature_views import VIEW, columns_to_json, extra_filter, found
from fti.server.queries import condition_from_json, logic_to_json
from fti.server.routes import (
    STATISTICS_NOT_FOUND,
    TRAINING_DATASET_NOT_FOUND,
    USER,
    Context,
    Request,
    Routes,
    items,
    not_found,
)

DATASETS = VIEW + "/trainingdatasets"
DATASET = DATASETS + r"/version/(\d+)"
IN_MEMORY = "IN_MEMORY_TRAINING_DATASET"
RANDOM, TIMED = "RANDOM_SPLIT", "TIME_SERIES_SPLIT"
WHOLE = "all"  # the one split of training data that is not split
NUMBERS = {"count": "count", "min": "min", "max": "max", "mean": "mean", "std_dev": "stdDev"}

routes = Routes()


@routes.add("POST", DATASETS)
def create(context: Context, request: Request, name: str, version: str) -> dict[str, Any]:
    """Record a new training dataset version."""
    view, given = found(context.store, name, version), request.json()
    if given.get("trainingDatasetType") != IN_MEMORY:
        raise NotImplementedError(
            "Materialised training datasets need a cluster: use train_test_split() and its "
            "siblings, and fetch them again by version."
        )
    splits = [_split_from_json(split) for split in given.get("splits") or []]
    whole = {"name": WHOLE, "start": given.get("eventStartTime"), "end": given.get("eventEndTime")}
    extra = given.get("extraFilter")
    condition = condition_from_json(extra, view.query.featuregroups) if extra else None
    entry = view._new_dataset(splits or [whole], given.get("description"), condition)
    return dataset_to_json(view, entry)


@routes.add("GET", DATASETS)
def list_all(context: Context, request: Request, name: str, version: str) -> dict[str, Any]:
    """Give all training datasets of a view."""
    view = found(context.store, name, version)
    return items([dataset_to_json(view, entry) for entry in view._dataset_entries()])


@routes.add("GET", DATASET)
def get(context: Context, request: Request, name: str, version: str, number: str) -> dict[str, Any]:
    """Give one training dataset."""
    view = found(context.store, name, version)
    return dataset_to_json(view, dataset_entry(view, number))


@routes.add("DELETE", DATASET + "(?:/data)?")
def delete(context: Context, request: Request, name: str, version: str, number: str) -> None:
    """Forget a training dataset."""
    view = found(context.store, name, version)
    context.store.catalog.remove(dataset_entry(view, number))


@routes.add("DELETE", DATASETS + "(?:/data)?")
def delete_all(context: Context, request: Request, name: str, version: str) -> None:
    """Forget all training datasets of a view."""
    found(context.store, name, version).delete_all_training_datasets()


@routes.add("POST", DATASET + "/statistics")
def put_statistics(
    context: Context, request: Request, name: str, version: str, number: str
) -> dict[str, Any]:
    """Keep the statistics that the transformation functions were fitted with."""
    given = request.json()
    described = given.get("featureDescriptiveStatistics") or []
    if given.get("beforeTransformation"):
        statistics = {one["featureName"]: _statistics_from_json(one) for one in described}
        entry = dataset_entry(found(context.store, name, version), number)
        context.store.catalog.update(
            entry,
            lambda document: document.update(statistics=statistics, described=described),
        )
    return items([given])


@routes.add("GET", DATASET + "/statistics")
def get_statistics(
    context: Context, request: Request, name: str, version: str, number: str
) -> dict[str, Any]:
    """Give the statistics that the transformation functions were fitted with."""
    document = dataset_entry(found(context.store, name, version), number).document
    if not document["statistics"]:
        raise not_found(f"Statistics of training dataset {number}", STATISTICS_NOT_FOUND)
    described = document.get("described") or [
        _statistics_to_json(one) for one in document["statistics"].values()
    ]
    found_ones = {
        "computationTime": 0,
        "rowPercentage": 1.0,
        "beforeTransformation": True,
        "featureDescriptiveStatistics": described,
    }
    return items([found_ones])


def dataset_to_json(view: FeatureView, entry: Entry) -> dict[str, Any]:
    """Give a training dataset as the client reads it."""
    document = entry.document
    splits, extra = document["splits"], extra_filter(view, document)
    whole = splits[0] if splits[0]["name"] == WHOLE else {}
    return {
        "type": "trainingDatasetDTO",
        "id": entry.id,
        "name": view.name,
        "version": entry.version,
        "description": document["description"],
        "dataFormat": "parquet",
        "trainingDatasetType": IN_MEMORY,
        "splits": [] if whole else [_split_to_json(split) for split in splits],
        "trainSplit": None if whole else splits[0]["name"],
        "seed": document["seed"],
        "eventStartTime": whole.get("start"),
        "eventEndTime": whole.get("end"),
        "extraFilter": None if extra is None else logic_to_json(extra),
        "features": columns_to_json(view),
        "featurestoreId": view.featurestore_id,
        "featurestoreName": view.feature_store_name,
        "created": entry.created,
        "creator": USER,
        "location": "",
        "statisticsConfig": {"enabled": False},
    }


def dataset_entry(view: FeatureView, number: int | str) -> Entry:
    """Give what the catalog knows of a training dataset; RestAPIError when there is none."""
    for entry in view._dataset_entries():
        if entry.version == int(number):
            return entry
    raise not_found(
        f"Training dataset {number} of feature view {view.name}", TRAINING_DATASET_NOT_FOUND
    )


def _split_from_json(given: dict[str, Any]) -> dict[str, Any]:
    if given["splitType"] == TIMED:
        return {"name": given["name"], "start": given["startTime"], "end": given["endTime"]}
    return {"name": given["name"], "size": given["percentage"]}


def _split_to_json(split: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": split["name"],
        "splitType": RANDOM if "size" in split else TIMED,
        "percentage": split.get("size"),
        "startTime": split.get("start"),
        "endTime": split.get("end"),
    }


def _statistics_from_json(given: dict[str, Any]) -> dict[str, Any]:
    """Give statistics of a feature as the embedded project keeps them."""
    extended = given.get("extendedStatistics") or {}
    extended = json.loads(extended) if isinstance(extended, str) else extended
    return {
        "feature_name": given["featureName"],
        "unique_values": extended.get("unique_values"),
        **{ours: given.get(theirs) for ours, theirs in NUMBERS.items()},
    }


def _statistics_to_json(kept: dict[str, Any]) -> dict[str, Any]:
    extended = {"unique_values": kept["unique_values"]}
    return {
        "featureName": kept["feature_name"],
        "extendedStatistics": json.dumps(extended),
        **{theirs: kept[ours] for ours, theirs in NUMBERS.items()},
    }
