"""What a feature store creates and finds."""

import pandas as pd
import pytest

from fti.embedded.exceptions import FeatureStoreException, RestAPIError, VersionWarning
from fti.embedded.project import Project

FLOWERS = pd.DataFrame({"flower_id": [1, 2], "width": [0.2, 0.4]})


@pytest.fixture
def flowers(store):
    group = store.get_or_create_feature_group("flowers", 1, primary_key=["flower_id"])
    group.insert(FLOWERS)
    return group


def test_what_is_missing_is_none(store):
    assert store.get_feature_group("flowers", 1) is None
    assert store.get_feature_view("flowers", 1) is None
    assert store.get_feature_groups() == []
    assert store.get_feature_views("flowers") == []


def test_without_a_version_it_is_version_one_with_a_warning(store, flowers):
    store.create_feature_group("flowers", 2, primary_key=["flower_id"]).insert(FLOWERS)
    with pytest.warns(VersionWarning, match="feature group `flowers`, defaulting to `1`"):
        assert store.get_feature_group("flowers").version == 1
    store.create_feature_view("flowers", flowers.select_all())
    store.create_feature_view("flowers", flowers.select_all())
    with pytest.warns(VersionWarning, match="feature view `flowers`, defaulting to `1`"):
        assert store.get_feature_view("flowers").version == 1


def test_a_new_group_without_a_version_gets_the_next_one(store, flowers):
    group = store.create_feature_group("flowers", primary_key=["flower_id"])
    assert group.version == 2
    group.insert(FLOWERS.head(1))
    assert [len(g.read()) for g in store.get_feature_groups("flowers")] == [2, 1]
    assert store.create_feature_group("flowers").version == 3


def test_a_version_is_created_once(store, flowers):
    group = store.create_feature_group("flowers", 1, primary_key=["flower_id"])
    with pytest.raises(RestAPIError, match="flowers version 1 exists already") as refused:
        group.insert(FLOWERS)
    assert refused.value.error_code == 270089
    view = store.create_feature_view("flowers", flowers.select_all(), version=1)
    with pytest.raises(RestAPIError, match="flowers version 1 exists already") as refused:
        store.create_feature_view("flowers", flowers.select_all(), version=1)
    assert refused.value.error_code == 270180
    assert store.get_or_create_feature_view("flowers", flowers.select_all(), 1).id == view.id


def test_get_or_create_gives_the_group_as_it_was_created(store, flowers):
    found = store.get_or_create_feature_group("flowers", 1, "Other", primary_key=["width"])
    assert (found.description, found.primary_key) == ("", ["flower_id"])


@pytest.mark.parametrize("name", ["Flowers", "1flower", "flow-ers", "", "../up", "a" * 64, "a b"])
def test_names_are_lower_case_words(store, flowers, name):
    with pytest.raises(FeatureStoreException, match="is not allowed"):
        store.create_feature_group(name, 1)
    with pytest.raises(FeatureStoreException, match="is not allowed"):
        store.create_feature_view(name, flowers.select_all())


def test_labels_and_helpers_must_be_selected(store, flowers):
    for role in ("labels", "inference_helper_columns", "training_helper_columns"):
        with pytest.raises(FeatureStoreException, match="species are not selected"):
            store.create_feature_view("flowers", flowers.select_all(), **{role: ["species"]})


def test_labels_and_helpers_may_be_written_as_in_the_frame(store, flowers):
    view = store.create_feature_view("flowers", flowers.select_all(), labels=["WIDTH"])
    assert view.labels == ["width"]


def test_sql_reads_groups_as_tables(store, flowers):
    rows = store.sql("SELECT sum(width) AS total FROM flowers_1")
    assert rows["total"].round(9).tolist() == [0.6]
    with pytest.raises(NotImplementedError, match="no online store"):
        store.sql("SELECT 1", online=True)


def test_it_knows_its_project(store, project):
    assert (store.name, store.id) == ("local_featurestore", 1)
    assert (store.project_name, store.project_id) == ("local", 1)
    assert not store.online_enabled


def test_everything_is_there_after_reopening_the_project(store, flowers, home):
    store.create_feature_view("flowers", flowers.select_all(), labels=["width"])
    again = Project(home).get_feature_store()
    assert again.get_feature_group("flowers", 1).read().equals(flowers.read())
    assert again.get_feature_view("flowers", 1).labels == ["width"]
