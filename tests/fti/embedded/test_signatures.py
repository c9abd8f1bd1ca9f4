"""The embedded classes answer to the public API of hopsworks 5.2.1, or say why not.

The frozen API is what `freeze_signatures.py` found in the real package.
"""

import json

import pandas as pd
import pytest

from fti.embedded.feature import Feature, Logic
from fti.embedded.transformations import udf
from fti.embedded.unsupported import CLUSTER_SETTINGS, NOT_EMBEDDED
from tests.fti.embedded.freeze_signatures import FROZEN, describe, parameters

REAL = json.loads(FROZEN.read_text(encoding="utf-8"))
CREATORS = ("python", "sklearn", "torch", "tensorflow", "llm")
CLASSES = [name for name in REAL if name not in (*CREATORS, "udf")]
MAKES_GROUPS = ("create_feature_group", "get_or_create_feature_group")

# Public names that Hopsworks' classes do not have as methods or properties.
OURS = {
    "Project": {
        "home": "the folder, for people who want to look inside",
        "catalog": "what the parts of a project share",
    },
    "FeatureStore": {
        "project": "leads from any part to the others",
        "catalog": "what the parts of a project share",
        "all_feature_views": "Hopsworks lists feature views by name only",
        "pinned_versions": "table versions that compaction must keep",
    },
    "FeatureGroup": {
        "foreign_key": "a plain attribute of Hopsworks' objects",
        "arrow_schema": "for queries, which read Arrow",
        "from_entry": "how the catalog makes one",
        "has_feature": "for queries that look for a filter's feature",
    },
    "Query": {
        "outputs": "for feature views, which choose among the columns",
        "table_version": "for training datasets, which pin it",
        "to_arrow": "a read without the way through pandas",
    },
    "FeatureView": {"reads": "a group in use is not deleted"},
    "ModelRegistry": {
        "project": "leads from any part to the others",
        "catalog": "what the parts of a project share",
        "all_models": "Hopsworks lists models by name only",
    },
    "Model": {"trained_on": "for FeatureView.get_models()"},
    "Feature": {"feature_group": "a plain attribute of Hopsworks' objects"},
}


@pytest.fixture
def objects(project, tmp_path):
    """One object of each class by its name."""
    store = project.get_feature_store()
    group = store.get_or_create_feature_group("flowers", 1, primary_key=["flower_id"])
    group.insert(pd.DataFrame({"flower_id": [1], "width": [0.2]}))
    query = group.select_all()
    registry = project.get_model_registry()
    (tmp_path / "model.txt").write_text("a model")
    objects = (
        project,
        store,
        group,
        query,
        group["width"],
        group["width"] > 0.1,
        (group["width"] > 0.1) & (group["width"] < 0.3),
        store.create_feature_view("flowers", query),
        registry,
        registry.python.create_model("flowers").save(tmp_path / "model.txt"),
        project.get_dataset_api(),
    )
    return {type(thing).__name__: thing for thing in objects}


def public(thing):
    return {name for name in dir(thing) if not name.startswith("_")}


def real_names(name):
    return {*REAL[name]["methods"], *REAL[name]["properties"]} - {"__init__"}


def test_every_class_of_the_frozen_api_is_embedded(objects):
    assert sorted(objects) == sorted(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_methods_take_the_same_parameters_in_the_same_order_with_the_same_defaults(name, objects):
    real = REAL[name]["methods"]
    ours = describe(type(objects[name]))["methods"]
    compared = [method for method in ours if method in real and method not in MAKES_GROUPS]
    assert compared
    assert {m: ours[m] for m in compared} == {m: real[m] for m in compared}


@pytest.mark.parametrize("method", MAKES_GROUPS)
def test_feature_groups_are_made_with_the_same_parameters(method, store):
    real = REAL["FeatureStore"]["methods"][method]
    ours = parameters(getattr(store, method))
    spelled = [p for p in ours if p[1] == "POSITIONAL_OR_KEYWORD"]
    assert spelled == real[: len(spelled)]
    assert ours[len(spelled) :] == [
        ["tags", "KEYWORD_ONLY", "None"],
        ["cluster_settings", "VAR_KEYWORD", None],
    ]
    rest = {name for name, _, _ in real[len(spelled) :]}
    assert rest == {"tags", *CLUSTER_SETTINGS}


@pytest.mark.parametrize("name", CREATORS)
def test_models_of_every_framework_are_created_with_the_same_parameters(name, project):
    creator = getattr(project.get_model_registry(), name)
    assert parameters(creator.create_model) == REAL[name]["methods"]["create_model"]


def test_udf_takes_the_same_parameters():
    assert parameters(udf) == REAL["udf"]["methods"]["udf"]


@pytest.mark.parametrize("name", CLASSES)
def test_properties_are_read_without_a_call(name, objects):
    ours = public(objects[name])
    for prop in ours.intersection(REAL[name]["properties"]):
        assert not callable(getattr(objects[name], prop)), prop


@pytest.mark.parametrize("name", CLASSES)
def test_every_other_name_is_refused_with_what_to_use_instead(name, objects):
    missing = real_names(name) - public(objects[name])
    listed = [listed for names in NOT_EMBEDDED.get(name, {}).values() for listed in names]
    assert sorted(listed) == sorted(missing)
    for reason, names in NOT_EMBEDDED.get(name, {}).items():
        for member in names:
            with pytest.raises(NotImplementedError) as refused:
                getattr(objects[name], member)
            assert str(refused.value) == (
                f"{name}.{member} is not in the embedded project: {reason}."
            )


def test_only_classes_of_the_frozen_api_refuse_names():
    assert set(NOT_EMBEDDED) <= set(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_few_public_names_are_not_hopsworks_own(name, objects):
    assert public(objects[name]) - real_names(name) == set(OURS.get(name, {}))


def test_a_name_that_neither_has_is_an_attribute_error(objects):
    for name, thing in objects.items():
        with pytest.raises(AttributeError, match="no_such_name"):
            thing.no_such_name  # noqa: B018
        assert not hasattr(thing, "_no_such_name"), name


@pytest.mark.parametrize("setting", CLUSTER_SETTINGS)
def test_settings_of_a_cluster_are_refused_by_name(store, setting):
    for method in (store.create_feature_group, store.get_or_create_feature_group):
        with pytest.raises(NotImplementedError, match=setting):
            method("flowers", 1, primary_key=["flower_id"], **{setting: "x"})
        method("flowers", 1, primary_key=["flower_id"], **{setting: None})


def test_a_setting_that_nobody_knows_is_a_type_error(store):
    with pytest.raises(TypeError, match="primary_keys"):
        store.get_or_create_feature_group("flowers", 1, primary_keys=["flower_id"])


def test_a_cluster_is_needed_for_online_groups(store):
    with pytest.raises(NotImplementedError, match="online_enabled"):
        store.get_or_create_feature_group("flowers", 1, online_enabled=True)
    with pytest.raises(NotImplementedError, match="HUDI"):
        store.get_or_create_feature_group("flowers", 1, time_travel_format="HUDI")


def test_a_condition_can_be_built_from_its_parts():
    width = Feature("Sepal Width", "double")
    both = Logic("AND", width > 1, width < 2)
    assert width.name == "sepal_width"
    assert both.get_left_filter_or_logic().condition == "GREATER_THAN"
    assert both.get_right_filter_or_logic().value == 2
