"""An embedded project is a folder that any process may open."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

import fti
from fti.embedded.exceptions import FeatureStoreException
from fti.embedded.project import Project


def test_opening_a_project_makes_its_folder(home):
    project = Project(home)
    assert (home / "projects" / "local" / "Resources").is_dir()
    assert (project.name, project.id, project.project_namespace) == ("local", 1, "local")
    assert project.get_url() == project.home.as_uri()
    assert str(project.home) in project.description


def test_login_opens_the_project_of_the_environment(home, monkeypatch):
    assert fti.login().home == home / "projects" / "local"
    monkeypatch.setenv("FTI_PROJECT", "my_flowers")
    assert fti.login().home == home / "projects" / "my_flowers"
    assert fti.login().project_namespace == "my-flowers"


def test_projects_know_nothing_of_each_other(home):
    first, second = Project(home, "first"), Project(home, "second")
    group = first.get_feature_store().create_feature_group("flowers", 1, primary_key=["id"])
    group.insert(pd.DataFrame({"id": [1]}))
    assert second.get_feature_store().get_feature_group("flowers", 1) is None
    assert first.get_feature_store().get_feature_group("flowers", 1) is not None


@pytest.mark.parametrize("name", ["../up", "My Project", "", "a/b", "1st"])
def test_a_name_is_a_folder_below_the_home(home, name):
    with pytest.raises(FeatureStoreException, match="is not allowed"):
        Project(home, name)
    assert not home.exists()


def test_a_project_has_one_feature_store(project):
    for name in (None, "local", "local_featurestore"):
        assert project.get_feature_store(name).name == "local_featurestore"
    with pytest.raises(NotImplementedError, match="no shared feature stores"):
        project.get_feature_store("other")


def test_a_project_moves_with_its_folder(project, home, tmp_path):
    store = project.get_feature_store()
    group = store.create_feature_group("flowers", 1, primary_key=["flower"])
    group.insert(pd.DataFrame({"flower": [1, 2], "width": [0.2, 0.4]}))
    view = store.create_feature_view("flowers", group.select(["width"]))
    X, _ = view.training_data()
    (tmp_path / "model.txt").write_text("model")
    project.get_model_registry().python.create_model("m").save(tmp_path / "model.txt")
    shutil.move(home, tmp_path / "elsewhere")
    moved = Project(tmp_path / "elsewhere")
    again = moved.get_feature_store().get_feature_view("flowers", 1)
    assert again.get_training_data(1)[0].equals(X)
    assert moved.get_model_registry().get_model("m", 1).download()


def test_threads_open_a_project_at_the_same_time(home):
    def write(number):
        store = Project(home).get_feature_store()
        group = store.get_or_create_feature_group("numbers", 1, primary_key=["n"])
        group.insert(pd.DataFrame({"n": [number]}))
        return store.get_or_create_feature_view("numbers", group.select_all(), 1).id

    with ThreadPoolExecutor(4) as pool:
        views = set(pool.map(write, range(8)))
    store = Project(home).get_feature_store()
    assert sorted(store.get_feature_group("numbers", 1).read()["n"]) == list(range(8))
    assert len(views) == len(store.get_feature_views("numbers")) == 1
