"""Versions of models: saved whole, found by version or metric, and given back unchanged."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fti.embedded.exceptions import ModelRegistryException, VersionWarning
from fti.embedded.project import Project
from fti.models import Schema


@pytest.fixture
def registry(project):
    return project.get_model_registry()


@pytest.fixture
def folder(tmp_path):
    """A model's files."""
    files = tmp_path / "model"
    (files / "parts").mkdir(parents=True)
    (files / "model.bin").write_bytes(b"weights")
    (files / "parts" / "vocabulary.txt").write_text("a b c")
    return files


@pytest.fixture
def view(store):
    group = store.create_feature_group("flowers", 1, primary_key=["flower_id"])
    group.insert(pd.DataFrame({"flower_id": range(10), "width": np.arange(10.0)}))
    return store.create_feature_view("flowers", group.select(["width"]))


def contents(path):
    files = (file for file in Path(path).rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def test_files_come_back_as_they_were_saved(registry, folder, tmp_path):
    model = registry.sklearn.create_model("flowers", metrics={"accuracy": 0.9}).save(str(folder))
    found = registry.get_model("flowers", 1)
    expected = {"model.bin": b"weights", "parts/vocabulary.txt": b"a b c"}
    assert contents(found.download()) == expected
    assert found.download(str(tmp_path / "copy")) == str(tmp_path / "copy")
    assert contents(tmp_path / "copy") == expected
    assert contents(folder) == expected
    assert (model.id, model.version, model.framework) == ("flowers_1", 1, "SKLEARN")


def test_a_single_file_is_saved_under_its_name(registry, folder):
    registry.python.create_model("flowers").save(folder / "model.bin")
    assert contents(registry.get_model("flowers", 1).download()) == {"model.bin": b"weights"}


def test_versions_increment_and_exist_once(registry, folder):
    assert registry.python.create_model("flowers").version is None
    saved = [registry.python.create_model("flowers").save(folder).version for _ in range(2)]
    assert saved == [1, 2]
    assert registry.python.create_model("flowers", version=5).save(folder).version == 5
    assert registry.python.create_model("flowers").save(folder).version == 6
    with pytest.raises(ModelRegistryException, match="name flowers and version 5 already exists"):
        registry.python.create_model("flowers", version=5).save(folder)
    assert [model.version for model in registry.get_models("flowers")] == [1, 2, 5, 6]


def test_what_is_missing_is_none(registry):
    assert registry.get_model("flowers", 1) is None
    assert registry.get_models("flowers") == []
    assert registry.get_best_model("flowers", "accuracy", "max") is None


def test_without_a_version_it_is_version_one_not_the_newest(registry, folder):
    for _ in range(2):
        registry.python.create_model("flowers").save(folder)
    with pytest.warns(VersionWarning, match="model `flowers`, defaulting to `1`"):
        assert registry.get_model("flowers").version == 1


def test_the_best_model_is_found_by_a_metric(registry, folder):
    for score in (0.5, 0.9, 0.7, 0.9):
        registry.python.create_model("flowers", metrics={"accuracy": score}).save(folder)
    registry.python.create_model("flowers", metrics={"loss": 0.1}).save(folder)
    assert registry.get_best_model("flowers", "accuracy", "max").version == 4
    assert registry.get_best_model("flowers", "accuracy", "min").version == 1
    assert registry.get_best_model("flowers", "loss", "min").version == 5
    assert registry.get_best_model("flowers", "speed", "max") is None
    with pytest.raises(ModelRegistryException, match="'up' is not known"):
        registry.get_best_model("flowers", "accuracy", "up")


def test_metrics_are_numbers(registry):
    model = registry.python.create_model("flowers", metrics={"f1": np.float32(0.5), "n": "3"})
    assert model.training_metrics == {"f1": 0.5, "n": 3.0}
    with pytest.raises(TypeError, match="metric f1 is 'good'"):
        registry.python.create_model("flowers", metrics={"f1": "good"})


def test_metadata_are_kept_with_the_version(registry, folder, home):
    before = datetime.now(UTC)
    registry.torch.create_model(
        "flowers",
        description="Tells flowers apart",
        input_example=pd.DataFrame({"width": [0.2, 0.4]}),
        model_schema=Schema({"input": ["width"]}),
        tags={"owner": "us"},
    ).save(folder)
    model = Project(home).get_model_registry().get_model("flowers", 1)
    assert model.description == "Tells flowers apart"
    assert model.framework == "TORCH"
    assert model.input_example == {"columns": ["width"], "data": [[0.2], [0.4]]}
    assert model.model_schema == {"input": ["width"]}
    assert model.get_tags() == {"owner": "us"}
    assert model.model_files_path == "/Projects/local/Models/flowers/1/Files"
    assert abs((model.created - before).total_seconds()) < 60
    assert json.loads(model.json())["description"] == "Tells flowers apart"
    beside = contents(model.download() + "/..")
    assert json.loads(beside["input_example.json"]) == model.input_example
    assert json.loads(beside["model_schema.json"]) == model.model_schema


def test_tags_are_changed(registry, folder):
    model = registry.python.create_model("flowers", tags={"a": 1}).save(folder)
    model.add_tag("b", [2])
    model.set_tag("a", 3)
    registry.get_model("flowers", 1).delete_tag("b")
    model.add_tag("c", None)
    assert registry.get_model("flowers", 1).get_tags() == {"a": 3, "c": None}
    assert model.get_tag("a") == 3
    assert model.get_tag("b") is None


def test_a_model_leads_to_its_view_and_back(registry, folder, view):
    view.train_test_split(0.2)
    view.train_test_split(0.2)
    registry.python.create_model("flowers", feature_view=view).save(folder)
    registry.python.create_model("other", feature_view=view, training_dataset_version=1).save(
        folder
    )
    registry.python.create_model("unrelated").save(folder)
    model = registry.get_model("flowers", 1)
    assert model.training_dataset_version == 2
    assert (model.get_feature_view().name, model.get_feature_view().version) == ("flowers", 1)
    assert registry.get_model("unrelated", 1).get_feature_view() is None
    assert [model.name for model in view.get_models()] == ["flowers", "other"]
    assert [model.name for model in view.get_models(training_dataset_version=1)] == ["other"]
    assert view.get_newest_model().name == "other"
    assert view.get_newest_model(training_dataset_version=7) is None


def test_the_view_of_a_model_is_ready_for_batch_scoring(registry, folder, store, view):
    from fti.embedded.transformations import min_max_scaler

    scaled = store.create_feature_view(
        "scaled", view.query, transformation_functions=[min_max_scaler("width")]
    )
    scaled.training_data()
    registry.python.create_model("flowers", feature_view=scaled).save(folder)
    ready = registry.get_model("flowers", 1).get_feature_view()
    assert ready.get_batch_data()["min_max_scaler_width_"].max() == 1.0


def test_a_deleted_version_is_gone_with_its_files(registry, folder, project):
    registry.python.create_model("flowers").save(folder)
    model = registry.python.create_model("flowers").save(folder)
    stored = Path(model.download())
    model.delete()
    assert not stored.exists()
    assert [model.version for model in registry.get_models("flowers")] == [1]
    assert project.get_dataset_api().list("Models/flowers") == ["/Models/flowers/1"]


@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_a_damaged_file_is_noticed(registry, folder, damage):
    model = registry.python.create_model("flowers").save(folder)
    file = Path(model.download()) / "parts" / "vocabulary.txt"
    if damage == "changed":
        file.write_text("a b d")
    else:
        file.unlink()
    with pytest.raises(ModelRegistryException, match=r"parts/vocabulary.txt .* not the file"):
        model.download()


def test_a_save_that_was_cut_short_is_not_a_version(registry, folder, project):
    left = project.home / "Models" / "flowers" / "1"
    left.mkdir(parents=True)
    (left / "half.bin").write_bytes(b"ha")
    assert registry.get_models("flowers") == []
    model = registry.python.create_model("flowers").save(folder)
    assert model.version == 1
    assert "half.bin" not in contents(model.download() + "/..")


def test_what_is_not_there_cannot_be_saved(registry, tmp_path):
    with pytest.raises(OSError, match="Could not find path"):
        registry.python.create_model("flowers").save(tmp_path / "nothing")
    assert registry.get_models("flowers") == []


def test_what_is_not_saved_cannot_be_used(registry):
    model = registry.python.create_model("flowers")
    for use in (model.download, model.delete, lambda: model.add_tag("a", 1)):
        with pytest.raises(ModelRegistryException, match="not saved yet"):
            use()


@pytest.mark.parametrize("name", ["../flowers", "a/b", "", ".", "..", "a b", "\\up", ".lock"])
def test_a_name_is_a_folder_inside_the_registry(registry, name):
    with pytest.raises(ModelRegistryException, match="is not allowed"):
        registry.python.create_model(name)


def test_savers_at_the_same_time_get_a_version_each(home, folder):
    def save(score):
        registry = Project(home).get_model_registry()
        return registry.python.create_model("flowers", metrics={"s": score}).save(folder).version

    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(save, range(8)))
    assert sorted(versions) == list(range(1, 9))
    models = Project(home).get_model_registry().get_models("flowers")
    assert sorted(model.training_metrics["s"] for model in models) == list(range(8))


def test_a_registry_knows_its_project(registry):
    assert (registry.project_name, registry.project_id) == ("local", 1)
    assert registry.project_path == "/Projects/local"
    assert registry.model_registry_id == 1
    assert registry.shared_registry_project_name is None


def test_model_schema_needs_the_json_method_that_hopsworks_calls(project):
    with pytest.raises(AttributeError, match="json"):
        project.get_model_registry().python.create_model("m", model_schema={"input": ["width"]})
