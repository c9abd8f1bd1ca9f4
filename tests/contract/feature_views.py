"""Scenarios of feature views: training data, batch data and transformation functions."""

from __future__ import annotations

import pandas as pd
from pandas.testing import assert_frame_equal

from tests.contract.space import Space, flowers, refused, same, scenario, scenario_of_ours


@scenario
def a_view_is_found_by_name_and_version(space: Space) -> None:
    assert space.store.get_feature_view(space.name("flowers"), version=1) is None
    space.view(space.filled(), description="All flowers")
    view = space.store.get_feature_view(space.name("flowers"), version=1)
    assert (view.name, view.version, view.labels) == (space.name("flowers"), 1, ["sort"])
    assert view.description == "All flowers"
    assert [view.version for view in space.store.get_feature_views(view.name)] == [1]
    same(view.query.read(), flowers())
    view.delete()
    assert space.store.get_feature_view(space.name("flowers"), version=1) is None


@scenario
def a_view_that_exists_cannot_be_created_again(space: Space) -> None:
    group = space.filled()
    space.view(group)
    assert refused("RestAPIError", space.view, group).error_code == 270180
    again = space.store.get_or_create_feature_view(
        space.name("flowers"), group.select_all(), version=1, labels=["sort"]
    )
    assert again.labels == ["sort"]


@scenario
def rows_are_split_at_random_by_size(space: Space) -> None:
    view = space.view(space.filled(flowers(10)))
    X_train, X_test, y_train, y_test = view.train_test_split(test_size=0.2)
    assert (len(X_train), len(X_test), len(y_train), len(y_test)) == (8, 2, 8, 2)
    assert set(X_train) == {"flower_id", "width", "seen_at"} and list(y_test) == ["sort"]
    assert sorted([*X_train["flower_id"], *X_test["flower_id"]]) == list(range(10))
    parts = view.train_validation_test_split(validation_size=0.2, test_size=0.1)
    assert [len(part) for part in parts] == [7, 2, 1, 7, 2, 1]


@scenario
def labels_belong_to_their_rows(space: Space) -> None:
    view = space.view(space.filled(flowers(10)))
    X_train, X_test, y_train, y_test = view.train_test_split(test_size=0.5)
    sorts = flowers(10).set_index("flower_id")["sort"]
    for X, y in ((X_train, y_train), (X_test, y_test)):
        assert y["sort"].tolist() == sorts[X["flower_id"]].tolist()


@scenario
def rows_are_split_by_event_time(space: Space) -> None:
    view = space.view(space.filled())
    X_train, X_test, _, _ = view.train_test_split(
        train_start="2026-01-01", train_end="2026-01-01 02:00:00",
        test_start="2026-01-01 02:00:00", test_end="2026-01-01 05:00:00",
    )  # fmt: skip
    assert sorted(X_train["flower_id"]) == [0, 1]
    assert sorted(X_test["flower_id"]) == [2, 3, 4]


@scenario
def each_call_makes_a_new_version_of_training_data(space: Space) -> None:
    view = space.view(space.filled())
    view.train_test_split(test_size=0.5)
    X, y = view.training_data(description="all of them")
    assert (len(X), list(y)) == (6, ["sort"])
    assert view.get_last_accessed_training_dataset() == 2
    assert sorted(dataset.version for dataset in view.get_training_datasets()) == [1, 2]
    again, _ = view.get_training_data(2)
    assert len(again) == 6
    view.delete_training_dataset(1)
    assert [dataset.version for dataset in view.get_training_datasets()] == [2]


@scenario_of_ours
def a_version_of_training_data_gives_the_same_rows_for_ever(space: Space) -> None:
    group = space.filled(flowers(10))
    view = space.view(group)
    before = view.train_test_split(test_size=0.3)
    group.insert(flowers(20).assign(width=7.0))
    for old, new in zip(before, view.get_train_test_split(1), strict=True):
        assert_frame_equal(old.reset_index(drop=True), new.reset_index(drop=True))
    assert len(view.training_data()[0]) == 20


@scenario
def training_data_of_a_time_range(space: Space) -> None:
    view = space.view(space.filled())
    X, _ = view.training_data(start_time="2026-01-01 01:00:00", end_time="2026-01-01 03:00:00")
    assert sorted(X["flower_id"]) == [1, 2]


@scenario
def training_data_may_be_filtered_further(space: Space) -> None:
    group = space.filled()
    view = space.view(group)
    X, _ = view.training_data(extra_filter=group.get_feature("width") > 1.0)
    assert sorted(X["flower_id"]) == [3, 4, 5]
    again, _ = view.get_training_data(1)
    assert sorted(again["flower_id"]) == [3, 4, 5]


@scenario
def helper_columns_come_when_asked_for(space: Space) -> None:
    view = space.view(
        space.filled(), training_helper_columns=["flower_id"], inference_helper_columns=["seen_at"]
    )
    X, _ = view.training_data()
    assert set(X) == {"width"}
    X, _ = view.training_data(training_helper_columns=True)
    assert set(X) == {"width", "flower_id"}
    assert set(view.get_batch_data()) == {"width"}
    assert set(view.get_batch_data(inference_helper_columns=True)) == {"width", "seen_at"}


@scenario
def keys_that_are_not_selected_come_under_their_full_names(space: Space) -> None:
    group = space.filled()
    view = space.view(group, query=group.select(["width", "sort"]))
    full = f"{space.project.name}_{group.name}_1_"
    X, _ = view.training_data(primary_key=True, event_time=True)
    assert set(X) == {"width", f"{full}flower_id", f"{full}seen_at"}
    batch = view.get_batch_data(primary_key=True)
    assert set(batch) == {"width", f"{full}flower_id"}


@scenario
def batch_data_has_no_labels_and_a_time_range(space: Space) -> None:
    group = space.filled()
    view = space.view(group)
    same(view.get_batch_data(), flowers().drop(columns="sort"))
    some = view.get_batch_data(
        start_time="2026-01-01 01:00:00", end_time="2026-01-01 05:00:00",
        extra_filter=group.get_feature("width") > 1.0,
    )  # fmt: skip
    assert sorted(some["flower_id"]) == [3, 4]


@scenario
def a_view_of_a_join_has_a_label_of_either_side(space: Space) -> None:
    left = space.filled()
    prices = flowers().assign(width=10.0).drop(columns="sort")
    right = space.filled(prices, "prices")
    query = left.select(["flower_id", "width"]).join(
        right.select(["width"]), on=["flower_id"], prefix="price_"
    )
    view = space.view(left, query=query, labels=["price_width"])
    X, y = view.training_data()
    assert set(X) == {"flower_id", "width"} and y["price_width"].tolist() == [10.0] * 6


@scenario
def a_view_keeps_the_filters_of_its_query(space: Space) -> None:
    group = space.filled(flowers(10))
    feature = {name: group.get_feature(name) for name in flowers()}
    early = feature["seen_at"] < "2026-01-01 07:00:00"
    some = feature["flower_id"].isin([1, 2, 5, 9]) | (feature["sort"] == "setosa")
    space.view(group, query=group.select_all().filter(early & some))
    view = space.store.get_feature_view(space.name("flowers"), version=1)
    assert sorted(view.get_batch_data()["flower_id"]) == [0, 1, 2, 4, 5, 6]
    X, _ = view.training_data(extra_filter=feature["width"] > 0.5)
    assert sorted(X["flower_id"]) == [2, 4, 5, 6]


@scenario
def functions_scale_by_what_was_trained_on(space: Space) -> None:
    group = space.filled()
    scale = space.store.get_transformation_function(name="min_max_scaler")
    encode = space.store.get_transformation_function(name="label_encoder")
    space.view(
        group, query=group.select(["sort", "width", "flower_id"]), labels=["flower_id"],
        transformation_functions=[scale("width"), encode("sort")],
    )  # fmt: skip
    view = space.store.get_feature_view(space.name("flowers"), version=1)
    X, _ = view.training_data()
    assert set(X) == {"min_max_scaler_width_", "label_encoder_sort_"}
    assert sorted(X["min_max_scaler_width_"]) == [k / 5 for k in range(6)]
    group.insert(flowers(7 + 1).tail(2).assign(width=5.0))
    later = space.store.get_feature_view(space.name("flowers"), version=1)
    later.init_batch_scoring(training_dataset_version=1)
    batch = later.get_batch_data()
    assert batch["min_max_scaler_width_"].max() == 2.0
    assert sorted(batch["label_encoder_sort_"]) == [0] * 4 + [1] * 4


@scenario
def a_view_that_has_no_such_training_data_says_so(space: Space) -> None:
    view = space.view(space.filled())
    try:
        view.get_train_test_split(7)
    except Exception as error:  # noqa: BLE001 - the client has several
        assert type(error).__name__ in ("FeatureStoreException", "RestAPIError")
    else:
        raise AssertionError("training data that nobody made were given")


@scenario
def a_view_keeps_a_changed_description_and_tags(space: Space) -> None:
    view = space.view(space.filled())
    view.description = "Changed"
    view.update()
    view.add_tag("owner", "garden")
    found = space.store.get_feature_view(view.name, version=1)
    assert found.description == "Changed"
    assert set(found.get_tags()) == {"owner"}


@scenario
def an_empty_range_gives_no_rows_of_the_same_columns(space: Space) -> None:
    view = space.view(space.filled())
    none = view.get_batch_data(start_time="2027-01-01", end_time="2027-02-01")
    assert isinstance(none, pd.DataFrame) and set(none) == {"flower_id", "width", "seen_at"}
    assert len(none) == 0
