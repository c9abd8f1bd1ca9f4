"""What Hopsworks has and the embedded project has not, and what to use instead."""

from __future__ import annotations

from typing import Any

ONLINE = "it needs Hopsworks' online store: read offline with read() or get_batch_data()"
JOBS = "it runs as a job on a Hopsworks cluster: compute it in the pipeline"
KAFKA = "it needs Kafka: insert a data frame with insert()"
SUITES = "expectation suites are Great Expectations': check the frame with fti.quality.check()"
DRIFT = "monitoring runs on a Hopsworks cluster: use fti.quality.drift()"
LOGGING = "feature logging needs a Hopsworks cluster: insert predictions into a feature group"
SHARING = "an embedded project has one user: copy the folder to share it"
LAYOUT = "the layout of embedded tables is automatic: leave it out"
MATERIALISED = (
    "embedded training datasets are read when asked for: use training_data(), train_test_split() "
    "or train_validation_test_split() and fetch them again by version"
)
EXTERNAL = "external sources are not embedded: read the source and insert() the rows"
DEPLOYMENT = "serving needs a Hopsworks cluster: load the model with fti.load_model()"
SEARCH = "there is no search: list with get_feature_groups() or get_feature_views()"
CHANGES = "changes are not recorded: compare two as_of() reads, or see commit_details()"
DIAGRAMS = "diagrams are drawn by the Hopsworks client"
LINEAGE = "read lineage from Model.get_feature_view() and FeatureView.get_models()"
INSIDE = "it is an inner part of the Hopsworks client"

NOT_EMBEDDED: dict[str, dict[str, list[str]]] = {}


def not_embedded(kind: str, name: str) -> None:
    """Raise NotImplementedError when Hopsworks has this method and the embedded class has not."""
    for reason, names in NOT_EMBEDDED.get(kind, {}).items():
        if name in names:
            raise NotImplementedError(f"{kind}.{name} is not in the embedded project: {reason}.")


class Unsupported:
    """Answers the names that only a cluster has with a NotImplementedError that helps."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            not_embedded(type(self).__name__, name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'.")


def refuse(method: str, **arguments: Any) -> None:
    """Raise NotImplementedError for arguments that were given but only a cluster can honour."""
    given = [name for name, value in arguments.items() if value is not None and value is not False]
    if given:
        raise NotImplementedError(
            f"{method}({', '.join(given)}) is not in the embedded project: leave it out."
        )


CLUSTER_SETTINGS = (
    "topic_name", "notification_topic_name", "transformation_functions", "online_config",
    "offline_backfill_every_hr", "storage_connector", "path", "data_source", "ttl", "ttl_enabled",
    "online_disk", "sink_enabled", "sink_job_conf", "sink_job", "partitioned_by",
    "online_partition_columns", "zorder_by", "clustered_by", "bucket_index", "sort_order",
)  # fmt: skip


def refuse_settings(method: str, settings: dict[str, Any]) -> None:
    """Raise for settings of a cluster's feature groups: TypeError for names nobody knows."""
    unknown = [name for name in settings if name not in CLUSTER_SETTINGS]
    if unknown:
        raise TypeError(f"{method}() got an unexpected keyword argument '{unknown[0]}'")
    refuse(method, **settings)
