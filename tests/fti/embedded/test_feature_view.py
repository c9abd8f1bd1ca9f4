"""Training and batch data of feature views."""

from collections import Counter
from datetime import datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from fti.embedded.exceptions import FeatureStoreException
from fti.embedded.feature import Feature
from fti.embedded.feature_view import split_at_random
from fti.embedded.project import Project

JANUARY = datetime(2026, 1, 1)


def days(*values):
    return pd.Series([JANUARY + timedelta(days=value) for value in values]).astype("datetime64[us]")


def sales(*ids, price=None):
    return pd.DataFrame(
        {
            "sale": list(ids),
            "sold_on": days(*ids),
            "rooms": [1 + i % 4 for i in ids],
            "street": [f"street {i}" for i in ids],
            "price": [float(price or 100 + i) for i in ids],
        }
    )


@pytest.fixture
def group(store):
    """A hundred sales, one a day."""
    group = store.get_or_create_feature_group(
        "sales", 1, primary_key=["sale"], event_time="sold_on"
    )
    group.insert(sales(*range(100)))
    return group


@pytest.fixture
def view(store, group):
    """Rooms and price of the sales; the price is the label."""
    return store.create_feature_view("prices", group.select(["rooms", "price"]), labels=["price"])


def prices(*frames):
    return [sorted(frame["price"] - 100) for frame in frames]


# Columns


def test_labels_come_apart_from_features(view):
    X, y = view.training_data()
    assert list(X) == ["rooms"]
    assert list(y) == ["price"]
    assert prices(y) == [list(range(100))]
    assert (X["rooms"] == 1 + (y["price"] - 100) % 4).all()


def test_a_view_without_labels_gives_none_for_them(store, group):
    view = store.create_feature_view("rooms", group.select(["rooms"]))
    X, y = view.training_data()
    assert (list(X), y) == (["rooms"], None)
    X_train, X_test, y_train, y_test = view.train_test_split(0.2)
    assert (len(X_train), len(X_test), y_train, y_test) == (80, 20, None, None)


def test_helper_columns_come_when_asked_for(store, group):
    view = store.create_feature_view(
        "prices",
        group.select(["rooms", "street", "sale", "price"]),
        labels=["price"],
        training_helper_columns=["street"],
        inference_helper_columns=["sale"],
    )
    assert list(view.training_data()[0]) == ["rooms"]
    assert list(view.training_data(training_helper_columns=True)[0]) == ["rooms", "street"]
    assert list(view.get_batch_data()) == ["rooms"]
    assert list(view.get_batch_data(inference_helper_columns=True)) == ["rooms", "sale"]


def test_keys_that_the_view_does_not_select_come_under_their_full_names(view):
    X, _ = view.training_data(primary_key=True, event_time=True)
    assert list(X) == ["rooms", "local_sales_1_sale", "local_sales_1_sold_on"]
    assert sorted(X["local_sales_1_sale"]) == list(range(100))
    assert list(view.get_batch_data(primary_key=True)) == ["rooms", "local_sales_1_sale"]


def test_keys_that_the_view_selects_keep_their_names(store, group):
    view = store.create_feature_view("all", group.select_all(), labels=["price"])
    X, _ = view.training_data(primary_key=True, event_time=True)
    assert list(X) == ["sale", "sold_on", "rooms", "street"]


def test_a_view_knows_its_features(view, group, store):
    assert [f.name for f in view.features] == ["rooms", "price"]
    assert view.get_feature("price").feature_group.name == view.price.feature_group.name == "sales"
    assert view.primary_keys == ["sale"]
    assert view.query.featuregroups[0].name == "sales"
    with pytest.raises(AttributeError, match="colour"):
        view.colour  # noqa: B018
    view.description = "What flats cost"
    view.update().add_tag("owner", "us")
    found = store.get_feature_view("prices", 1)
    assert (found.description, found.get_tags()) == ("What flats cost", {"owner": "us"})


# Splits


def test_a_random_split_has_exact_sizes_and_every_row_once(view):
    X_train, X_test, y_train, y_test = view.train_test_split(test_size=0.2)
    assert [len(part) for part in (X_train, X_test, y_train, y_test)] == [80, 20, 80, 20]
    train, test = prices(y_train, y_test)
    assert sorted(train + test) == list(range(100))
    assert test != list(range(80, 100))


def test_a_three_way_split_has_exact_sizes(view):
    parts = view.train_validation_test_split(validation_size=0.1, test_size=0.2)
    assert [len(part) for part in parts] == [70, 10, 20, 70, 10, 20]
    train, validation, test = prices(*parts[3:])
    assert sorted(train + validation + test) == list(range(100))


@given(
    rows=st.integers(0, 200),
    sizes=st.sampled_from([(0.8, 0.2), (0.29, 0.71), (1 / 3, 2 / 3), (0.7, 0.15, 0.15)]),
    seed=st.integers(0, 99),
)
def test_shares_are_rounded_down_and_the_last_one_gets_the_rest(rows, sizes, seed):
    table = pd.DataFrame({"key": range(rows)})
    parts = split_at_random(table, sizes, ["key"], seed)
    counts = [int(round(rows * size, 6)) for size in sizes[:-1]]
    assert [len(part) for part in parts] == [*counts, rows - sum(counts)]
    assert sorted(key for part in parts for key in part["key"]) == list(range(rows))


def test_a_row_is_split_alike_however_rows_are_ordered(store, view):
    order = list(reversed(range(100)))
    again = store.create_feature_group("sales", 2, primary_key=["sale"], event_time="sold_on")
    again.insert(sales(*order[:50]))
    again.insert(sales(*order[50:]))
    other = store.create_feature_view("other", again.select(["rooms", "price"]), labels=["price"])
    for one, two in zip(view.train_test_split(0.3), other.train_test_split(0.3), strict=True):
        assert_frame_equal(one, two)


def test_a_split_by_time_ends_before_its_end(view):
    _, _, y_train, y_test = view.train_test_split(
        train_start="2026-01-11", train_end="2026-01-31", test_end=JANUARY + timedelta(days=40)
    )
    assert prices(y_train, y_test) == [list(range(10, 30)), list(range(30, 40))]


def test_a_split_by_time_may_leave_a_gap(view):
    parts = view.train_test_split(train_end="2026-01-11", test_start="2026-01-21")
    assert prices(*parts[2:]) == [list(range(10)), list(range(20, 100))]
    parts = view.train_test_split(test_start="2026-01-21")
    assert prices(*parts[2:]) == [list(range(20)), list(range(20, 100))]


def test_a_three_way_split_by_time(view):
    parts = view.train_validation_test_split(train_end="2026-01-11", validation_end="2026-01-21")
    assert prices(*parts[3:]) == [list(range(10)), list(range(10, 20)), list(range(20, 100))]


@pytest.mark.parametrize("size", [None, 0, 1, 1.5, -0.1])
def test_a_split_needs_a_size_between_0_and_1_or_times(view, size):
    with pytest.raises(ValueError, match="Invalid split input"):
        view.train_test_split(test_size=size)
    with pytest.raises(ValueError, match="Invalid split input"):
        view.train_validation_test_split(validation_size=0.5, test_size=size)
    assert view.get_training_datasets() == []


def test_training_data_of_a_time_range(view):
    _, y = view.training_data(start_time="2026-01-11", end_time=datetime(2026, 1, 21))
    assert prices(y) == [list(range(10, 20))]


def test_rows_that_match_several_joined_rows_keep_their_order(store, group):
    views = store.create_feature_group("views", 1, primary_key=["sale", "visitor"])
    views.insert(
        pd.DataFrame([(s, v) for s in range(99) for v in "cab"], columns=["sale", "visitor"])
    )
    query = group.select(["price"]).join(views.select(["visitor"]), on=["sale"])
    view = store.create_feature_view("visits", query, labels=["price"])
    first = view.train_test_split(0.25)
    assert_frame_equal(first[0], view.get_train_test_split(1)[0])
    assert first[0]["visitor"].tolist()[:3] == ["a", "b", "c"]
    assert Counter(first[2]["price"]).most_common(1)[0][1] == 3


# Versions


def test_every_call_makes_a_new_version(view):
    view.training_data(description="all")
    assert view.get_last_accessed_training_dataset() == 1
    view.train_test_split(0.2)
    view.train_validation_test_split(0.1, 0.1)
    assert view.get_last_accessed_training_dataset() == 3
    datasets = view.get_training_datasets()
    assert [dataset.version for dataset in datasets] == [1, 2, 3]
    assert datasets[0].description == "all"
    assert [split["name"] for split in datasets[2].splits] == ["train", "validation", "test"]


def test_a_version_gives_the_same_rows_again_after_later_writes(view, group):
    before = view.train_test_split(0.2, extra_filter=group.sale > 9)
    group.insert(sales(*range(100, 120)))
    group.insert(sales(*range(20), price=1))
    group.remove_rows(sales(50))
    group.append_features(Feature("floor", "bigint"))
    group.delta_compact()
    group.delta_vacuum(retention_hours=0)
    assert len(group.read()) == 119
    for one, two in zip(before, view.get_train_test_split(1), strict=True):
        assert_frame_equal(one, two)
    assert len(view.train_test_split(0.2)[0]) == 95


def test_every_kind_of_version_is_fetched_again(view, store, home):
    made = [view.training_data("2026-01-05"), view.train_validation_test_split(0.1, 0.2)]
    again = Project(home).get_feature_store().get_feature_view("prices", 1)
    fetched = [again.get_training_data(1), again.get_train_validation_test_split(2)]
    for one, two in zip(sum(made, ()), sum(fetched, ()), strict=True):
        assert_frame_equal(one, two)
    assert again.get_last_accessed_training_dataset() == 2


def test_a_version_is_fetched_as_what_it_is(view):
    view.train_test_split(0.2)
    with pytest.raises(FeatureStoreException, match="version 1 of prices has 2 splits, not 1"):
        view.get_training_data(1)
    with pytest.raises(FeatureStoreException, match="no training dataset version 2"):
        view.get_train_test_split(2)


def test_training_datasets_are_deleted(view):
    for _ in range(3):
        view.training_data()
    view.delete_training_dataset(2)
    assert [dataset.version for dataset in view.get_training_datasets()] == [1, 3]
    view.delete_all_training_datasets()
    assert view.get_training_datasets() == []


def test_a_deleted_view_is_gone(view, store):
    view.training_data()
    view.delete()
    assert store.get_feature_view("prices", 1) is None
    again = store.create_feature_view("prices", view.query, 1)
    assert again.get_training_datasets() == []


def test_versions_of_a_view_have_their_own_training_datasets(view, store):
    second = store.create_feature_view("prices", view.query, labels=["price"])
    assert second.version == 2
    view.training_data()
    second.training_data()
    assert [len(v.get_training_datasets()) for v in store.get_feature_views("prices")] == [1, 1]


# Filters


def test_an_extra_filter_holds_for_one_training_dataset(view, group, home):
    _, y = view.training_data(extra_filter=(group.sale >= 95) | (group.street == "street 3"))
    assert prices(y) == [[3, 95, 96, 97, 98, 99]]
    again = Project(home).get_feature_store().get_feature_view("prices", 1)
    assert_frame_equal(again.get_training_data(1)[1], y)
    assert prices(again.training_data()[1]) == [list(range(100))]


def test_filters_of_every_kind_of_value_are_kept_with_the_version(store, group, home):
    from decimal import Decimal

    rows = pd.DataFrame(
        {
            "sale": range(3),
            "fee": [Decimal("1.50"), Decimal("2.50"), Decimal("3.50")],
            "code": [b"\x00", b"\xff", b"'"],
            "day": [value.date() for value in days(0, 1, 2)],
            "seen": days(0, 1, 2),
            "new": [True, False, True],
        }
    )
    fees = store.create_feature_group("fees", 1, primary_key=["sale"])
    fees.insert(rows)
    view = store.create_feature_view("fees", fees.select(["sale"]))
    conditions = [
        fees.fee >= Decimal("2.50"),
        fees.code.isin([b"\xff", b"'"]),
        fees.day > JANUARY.date(),
        fees.seen > JANUARY,
        (fees.new == True) | (fees.seen == fees.day),  # noqa: E712
    ]
    for condition in conditions:
        view.training_data(extra_filter=condition)
    again = Project(home).get_feature_store().get_feature_view("fees", 1)
    read = [again.get_training_data(version)[0]["sale"].tolist() for version in range(1, 6)]
    assert read == [[1, 2]] * 4 + [[0, 1, 2]]


def test_the_filter_and_joins_of_a_view_are_kept(store, group, home):
    areas = store.create_feature_group("areas", 1, primary_key=["street"])
    areas.insert(pd.DataFrame({"street": ["street 1", "street 2"], "rooms": [7, 8]}))
    query = group.select(["price"]).join(
        areas.select(["rooms"]), on=["street"], join_type="inner", prefix="area_"
    )
    query = query.filter((areas.rooms > 7) & (group.sale > 0))
    store.create_feature_view("areas", query, labels=["price"])
    again = Project(home).get_feature_store().get_feature_view("areas", 1)
    X, y = again.training_data()
    assert (X.to_dict("list"), prices(y)) == ({"area_rooms": [8]}, [[2]])


def test_a_view_as_of_a_time_is_trained_and_scored_as_of_that_time(store, group):
    before = max(group.commit_details())
    group.insert(sales(*range(100, 110)))
    view = store.create_feature_view("old", group.select(["rooms"]).as_of(before))
    assert len(view.get_batch_data()) == 100
    assert len(view.training_data()[0]) == 100


# Batch data


def test_batch_data_have_no_labels_and_no_training_helpers(view):
    rows = view.get_batch_data(start_time="2026-01-11", end_time="2026-01-13")
    assert rows.to_dict("list") == {"rooms": [3, 4]}


def test_batch_data_are_those_of_now(view, group):
    group.insert(sales(100))
    assert len(view.get_batch_data()) == 101
    assert len(view.get_batch_data(extra_filter=group.sale > 98)) == 2
    assert len(view.get_batch_data()) == 101


def test_the_batch_query_is_sql(view):
    text = view.get_batch_query(start_time="2026-01-11")
    assert text.endswith("WHERE t0.\"sold_on\" >= TIMESTAMP '2026-01-11 00:00:00'")


@pytest.mark.parametrize("kind", ["numpy", "python"])
def test_data_come_in_the_asked_kind_of_frame(view, kind):
    X, y = view.training_data(end_time="2026-01-03", dataframe_type=kind)
    as_list = [part if kind == "python" else part.tolist() for part in (X, y)]
    assert as_list == [[[1], [2]], [[100.0], [101.0]]]
    rows = view.get_batch_data(end_time="2026-01-03", dataframe_type=kind)
    assert (rows if kind == "python" else rows.tolist()) == [[1], [2]]


def test_an_argument_that_hopsworks_does_not_know_is_a_type_error(view):
    with pytest.raises(TypeError, match="seed"):
        view.train_test_split(0.2, seed=42)
    view.training_data()
    view.train_test_split(0.2)
    view.train_validation_test_split(0.2, 0.2)
    for call in (
        view.training_data,
        lambda **other: view.train_validation_test_split(0.1, 0.1, **other),
        lambda **other: view.get_training_data(1, **other),
        lambda **other: view.get_train_test_split(2, **other),
        lambda **other: view.get_train_validation_test_split(3, **other),
        view.get_batch_data,
    ):
        with pytest.raises(TypeError, match="no_such_name"):
            call(no_such_name=1)
    assert len(view.get_training_datasets()) == 3


def test_the_older_name_for_primary_key_works(view):
    X, _ = view.training_data(primary_keys=True)
    assert "local_sales_1_sale" in X
    assert "local_sales_1_sale" in view.get_batch_data(primary_keys=True)


@pytest.mark.parametrize("argument", ["spine", "lookback", "spine_df"])
def test_what_a_cluster_does_is_refused(view, argument):
    for method in (view.training_data, view.train_test_split, view.get_batch_data):
        with pytest.raises(NotImplementedError, match=argument):
            method(**{argument: "x"})
    with pytest.raises(NotImplementedError, match="logging_data"):
        view.get_batch_data(logging_data=True)


def test_open_training_data_leaves_out_rows_before_1970_and_from_the_future(store):
    days = pd.to_datetime(["1912-04-15", "2012-09-28", "2200-01-01"])
    rows = pd.DataFrame({"id": [1, 2, 3], "at": days})
    group = store.get_or_create_feature_group("old", 1, primary_key=["id"], event_time="at")
    group.insert(rows)
    view = store.create_feature_view("old", group.select_all())

    open_range, _ = view.training_data()
    whole, _ = view.training_data(start_time="1900-01-01", end_time="2201-01-01")

    assert list(open_range["id"]) == [2]
    assert list(whole["id"]) == [1, 2, 3]
