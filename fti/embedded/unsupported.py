"""What Hopsworks has and the embedded project has not, and what to use instead."""

from __future__ import annotations

from typing import Any

ONLINE = "it needs Hopsworks' online store: read offline with read() or get_batch_data()"
KAFKA = "it needs Kafka: insert data frames with insert()"
JOBS = "it runs as a job on a Hopsworks cluster: compute it in the pipeline"
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
SERVICES = "it is a service of a Hopsworks cluster"
ALERTS = "alerts are sent by a Hopsworks cluster: let the pipeline fail, its scheduler tells"
KEYWORDS = "there are no keywords: use add_tag() and get_tags()"
STATISTICS = "statistics are computed by jobs on a cluster: use read().describe()"
SPLITS = "training datasets have no tags or keywords: say it in `description`"
SPINES = "spines are not embedded: join feature groups with Query.join()"
ON_DEMAND = "on-demand functions are not embedded: call the function before insert()"
TRANSFORMED = "functions are applied by get_batch_data() and the training data methods"
COLUMNS = "columns are fixed: append_features() or update_feature_description()"
FILES = "files have no tags or permissions here: use upload(), copy(), move() and remove()"
ARCHIVES = "archives are not embedded: use Python's shutil on downloaded files"
PEOPLE = "an embedded project keeps no account of people or programs: use tags"
HUB = "download with huggingface_hub and save the folder with mr.python.create_model()"
CACHE = "there is no cache: download() gives the stored files themselves"

_KEYWORDS = "add_keywords delete_keyword get_keywords get_keywords_metadata set_keywords"
_ALERTS = "create_alert get_alert get_alerts"
_MONITORING = (
    "create_feature_monitoring create_scheduled_statistics get_feature_monitoring_configs "
    "get_feature_monitoring_history"
)
_SHARING = "share shared_with unshare"
_TAGS = "get_tag_metadata get_tags_metadata missing_mandatory_tags"

# By class and reason, the names of the Hopsworks client's public API that are not here.
_NOT_EMBEDDED: dict[str, dict[str, str]] = {
    "Project": {
        SHARING: "add_member get_members get_members_api owner remove_member",
        ALERTS: "create_featurestore_alert create_job_alert get_alert get_alerts get_alerts_api",
        JOBS: "get_environment_api get_git_api get_job_api get_jobs_api",
        KAFKA: "get_kafka_api",
        SEARCH: "get_search_api",
        DEPLOYMENT: "get_model_serving",
        SERVICES: "get_app_api get_opensearch_api get_superset_api get_trino_api "
        "get_trino_catalog_api",
        INSIDE: "created from_response_json home_path json",
    },
    "FeatureStore": {
        SERVICES: "create_chart create_dashboard get_chart get_charts get_dashboard get_dashboards",
        EXTERNAL: "create_data_source create_external_feature_group create_on_demand_feature_group "
        "get_data_source get_external_feature_group get_external_feature_groups "
        "get_on_demand_feature_group get_on_demand_feature_groups get_storage_connector",
        ONLINE: "get_online_data_source get_online_storage_connector online_featurestore_name",
        SPINES: "get_or_create_spine_group",
        MATERIALISED: "create_training_dataset get_training_dataset get_training_datasets",
        SEARCH: "search search_feature_groups search_feature_views search_features "
        "search_training_datasets",
        KEYWORDS: "get_all_keywords",
        SHARING: _SHARING,
        INSIDE: "from_response_json offline_featurestore_name",
    },
    "FeatureGroup": {
        KEYWORDS: _KEYWORDS,
        ALERTS: _ALERTS,
        DRIFT: _MONITORING,
        PEOPLE: f"creator {_TAGS}",
        SHARING: f"{_SHARING} get_restricted_access grant_restricted_access "
        "revoke_restricted_access",
        STATISTICS: "compute_statistics get_all_statistics get_statistics "
        "get_statistics_by_commit_window statistics statistics_config update_statistics_config",
        SUITES: "delete_expectation_suite expectation_suite get_all_validation_reports "
        "get_expectation_suite get_latest_validation_report get_validation_history "
        "save_expectation_suite save_validation_report validate",
        LAYOUT: "bucket_index clustered_by delta_checkpoint delta_cleanup_metadata describe_layout "
        "disable_clustering get_clustering_columns get_partition_spec get_partition_specs "
        "get_sort_order online_partition_columns optimize partitioned_by sort_order "
        "update_clustering update_partition_spec zorder_by",
        ONLINE: "disable_ttl embedding_index enable_ttl find_neighbors "
        "get_latest_online_ingestion get_online_ingestion offline_backfill_every_hr online_config "
        "ttl ttl_enabled",
        KAFKA: "avro_schema finalize_multi_part_insert insert_stream multi_part_insert "
        "notification_topic_name stream subject topic_name update_notification_topic_name "
        "update_topic_name",
        JOBS: "materialization_job sink_enabled sink_job sink_job_conf",
        EXTERNAL: "data_source get_data_source get_data_source_provenance get_storage_connector "
        "get_storage_connector_provenance storage_connector",
        LINEAGE: "get_generated_feature_groups get_generated_feature_views "
        "get_parent_feature_groups parents",
        ON_DEMAND: "execute_odts transformation_functions",
        COLUMNS: "update_features",
        CHANGES: "read_changes",
        DIAGRAMS: "visualize_transformations",
        INSIDE: "check_deprecated deprecated from_response_json get_complex_features "
        "hudi_precombine_key json prepare_spark_location to_dict update_deprecated "
        "update_from_response_json",
    },
    "Query": {
        CHANGES: "pull_changes",
        SPINES: "inference_spine lookback",
        INSIDE: "check_and_warn_ambiguous_features from_response_json get_ambiguous_features "
        "is_cache_feature_group_only json left_feature_group_end_time "
        "left_feature_group_start_time",
    },
    "Filter": {INSIDE: "from_response_json json"},
    "Logic": {INSIDE: "from_response_json json"},
    "Feature": {
        ONLINE: "offline_only online_type",
        ON_DEMAND: "on_demand",
        INSIDE: "column_name from_response_json hudi_precombine_key is_complex json original_name "
        "use_fully_qualified_name",
    },
    "FeatureView": {
        KEYWORDS: _KEYWORDS,
        ALERTS: _ALERTS,
        DRIFT: f"{_MONITORING} create_model_monitoring",
        PEOPLE: _TAGS,
        SPLITS: "add_training_dataset_keywords add_training_dataset_tag "
        "delete_training_dataset_keyword delete_training_dataset_tag "
        "get_training_dataset_keywords get_training_dataset_keywords_metadata "
        "get_training_dataset_tag get_training_dataset_tag_metadata get_training_dataset_tags "
        "get_training_dataset_tags_metadata set_training_dataset_keywords",
        STATISTICS: "get_training_dataset_statistics",
        MATERIALISED: "create_train_test_split create_train_validation_test_split "
        "create_training_data recreate_training_dataset",
        ONLINE: "find_neighbors get_feature_vector get_feature_vector_async get_feature_vectors "
        "get_feature_vectors_async get_inference_helper get_inference_helpers init_serving "
        "max_feature_age serving_keys",
        LOGGING: "create_feature_logger delete_log enable_logging feature_logging get_log_timeline "
        "init_feature_logger log logging_enabled materialize_log pause_logging read_log "
        "resume_logging set_log_materialization_interval",
        ON_DEMAND: "compute_on_demand_features execute_odts on_demand_transformations "
        "request_parameters",
        TRANSFORMED: "execute_mdts model_dependent_transformations transform",
        DEPLOYMENT: "deploy",
        LINEAGE: "get_models_provenance get_parent_feature_groups",
        DIAGRAMS: "visualize_transformations",
        INSIDE: "clean from_response_json get_root_fg get_training_dataset_schema json to_dict "
        "update_from_response_json",
    },
    "ModelRegistry": {HUB: "hf_download", INSIDE: "from_response_json"},
    "Model": {
        DEPLOYMENT: "deploy",
        DRIFT: "create_model_monitoring get_monitoring_configs",
        LINEAGE: "get_feature_view_provenance get_training_dataset_provenance",
        PEOPLE: "creator environment missing_mandatory_tags program user",
        CACHE: "clear_cache",
        INSIDE: "from_response_json update_from_response_json",
    },
    "DatasetApi": {
        SHARING: "share unshare",
        FILES: "add chmod delete get get_tags",
        ARCHIVES: "unzip zip",
        EXTERNAL: "upload_feature_group",
    },
}

NOT_EMBEDDED: dict[str, dict[str, list[str]]] = {
    kind: {reason: names.split() for reason, names in reasons.items()}
    for kind, reasons in _NOT_EMBEDDED.items()
}


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
