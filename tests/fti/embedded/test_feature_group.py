"""What a feature group stores, replaces, refuses and gives back."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from fti.embedded.exceptions import FeatureGroupWarning, FeatureStoreException, RestAPIError
from fti.embedded.feature import Feature

DAY = timedelta(days=1)
MONDAY = datetime(2026, 1, 5)


def times(*moments, unit="us"):
    return pd.Series(pd.to_datetime(list(moments))).astype(f"datetime64[{unit}]")


def readings(*rows):
    """Give a frame of (site, hour of 5 January 2026, value)."""
    return pd.DataFrame(
        {
            "site": [row[0] for row in rows],
            "hour": times(*(MONDAY + timedelta(hours=row[1]) for row in rows)),
            "value": [float(row[2]) for row in rows],
        }
    )


def sorted_by(frame, *names):
    return frame.sort_values(list(names), ignore_index=True)


@pytest.fixture
def group(store):
    """Readings by site and hour, not stored yet."""
    return store.get_or_create_feature_group("readings", 1, primary_key=["site"], event_time="hour")


# Creation


def test_a_group_is_stored_by_its_first_insert(store, group):
    assert group.id is None
    assert store.get_feature_group("readings", 1) is None
    assert store.get_feature_groups() == []
    group.insert(readings(("kiruna", 0, 1)))
    assert store.get_feature_group("readings", 1).id == group.id


def test_a_group_without_rows_cannot_be_read(group):
    with pytest.raises(FeatureStoreException, match="first insert creates it"):
        group.read()


def test_save_with_features_creates_an_empty_group(store):
    group = store.create_feature_group("readings", 1, primary_key=["site"])
    group.save([Feature("Site", "string"), Feature("value", "double")])
    found = store.get_feature_group("readings", 1)
    assert [(f.name, f.type) for f in found.features] == [("site", "string"), ("value", "double")]
    assert found.read().to_dict("list") == {"site": [], "value": []}
    found.insert(pd.DataFrame({"site": ["abisko"], "value": [1.5]}))
    assert found.read().to_dict("list") == {"site": ["abisko"], "value": [1.5]}


def test_save_with_rows_inserts_them(group):
    assert group.save(readings(("kiruna", 0, 1))) == (None, None)
    assert_frame_equal(group.read(), readings(("kiruna", 0, 1)))


def test_save_without_features_is_refused(group):
    with pytest.raises(FeatureStoreException, match="has no features yet"):
        group.save()


def test_features_given_at_creation_are_the_schema(store):
    group = store.get_or_create_feature_group(
        "readings", 1, primary_key=["site"], features=[Feature("site", "string")]
    )
    with pytest.raises(FeatureStoreException, match=r"value .* does not exist in feature group"):
        group.insert(pd.DataFrame({"site": ["abisko"], "value": [1.5]}))


def test_keys_and_columns_are_known_before_and_after_reopening(store):
    group = store.get_or_create_feature_group(
        "sales", 1, "Flats sold", primary_key=["Sale Id"], partition_key=["Year"],
        foreign_key=["address"], event_time="Sold On",
    )  # fmt: skip
    frame = pd.DataFrame({"sale_id": [1], "year": [2026], "address": ["a"], "sold_on": [MONDAY]})
    group.insert(frame)
    for found in (group, store.get_feature_group("sales", 1)):
        assert found.description == "Flats sold"
        assert found.primary_key == ["sale_id"]
        assert found.partition_key == ["year"]
        assert found.foreign_key == ["address"]
        assert found.event_time == "sold_on"
        assert found.column_names == ["sale_id", "year", "address", "sold_on"]
        assert [f.primary for f in found.features] == [True, False, False, False]
        assert [f.foreign for f in found.features] == [False, False, True, False]
        assert found.get_fg_name() == "sales_1"
        assert not found.online_enabled


def test_a_call_written_for_a_cluster_works(store):
    group = store.get_or_create_feature_group(
        name="readings",
        version=1,
        description="Sky",
        primary_key=["site"],
        event_time="hour",
        online_enabled=False,
        time_travel_format="DELTA",
        statistics_config={"enabled": True, "histograms": True},
    )
    options = {"wait_for_job": True, "start_offline_materialization": True}
    job, report = group.insert(readings(("kiruna", 0, 1)), write_options=options, wait=True)
    assert (job, report) == (None, None)
    assert_frame_equal(group.read(read_options={"use_hive": False}), readings(("kiruna", 0, 1)))


def test_two_lazy_twins_become_one_group(store, group):
    twin = store.get_or_create_feature_group("readings", 1, primary_key=["site"], event_time="hour")
    group.insert(readings(("kiruna", 0, 1)))
    twin.insert(readings(("kiruna", 0, 2))[["value", "hour", "site"]])
    assert_frame_equal(group.read(), readings(("kiruna", 0, 2)))
    assert len(store.get_feature_groups("readings")) == 1


# Keys


def test_an_upsert_replaces_rows_of_the_same_key_and_event_time(group):
    group.insert(readings(("kiruna", 0, 1), ("kiruna", 1, 2), ("abisko", 0, 3)))
    group.insert(readings(("kiruna", 1, 20), ("abisko", 1, 4)))
    assert_frame_equal(
        sorted_by(group.read(), "site", "hour"),
        readings(("abisko", 0, 3), ("abisko", 1, 4), ("kiruna", 0, 1), ("kiruna", 1, 20)),
    )


def test_a_new_event_time_is_a_new_row(group):
    group.insert(readings(("kiruna", 0, 1)))
    group.insert(readings(("kiruna", 1, 1)))
    assert len(group.read()) == 2


def test_event_times_a_microsecond_apart_are_two_rows(group):
    first = readings(("kiruna", 0, 1)).assign(hour=times(MONDAY + timedelta(microseconds=1)))
    second = first.assign(hour=first["hour"] + timedelta(microseconds=1))
    for value in (1.0, 2.0):
        group.insert(first.assign(value=value))
        group.insert(second.assign(value=value))
    expected = pd.concat([first, second], ignore_index=True).assign(value=2.0)
    assert_frame_equal(sorted_by(group.read(), "hour"), expected)


def test_the_partition_key_is_part_of_the_key(store):
    group = store.get_or_create_feature_group(
        "sales", 1, primary_key=["sale_id"], partition_key=["year"]
    )
    group.insert(pd.DataFrame({"sale_id": [1, 1], "year": [2025, 2026], "price": [1.0, 2.0]}))
    group.insert(pd.DataFrame({"sale_id": [1], "year": [2026], "price": [3.0]}))
    assert sorted_by(group.read(), "year")["price"].tolist() == [1.0, 3.0]


def test_an_event_time_alone_is_a_key(store):
    group = store.get_or_create_feature_group("kp", 1, event_time="hour")
    frame = readings(("kiruna", 0, 1)).drop(columns="site")
    group.insert(frame)
    group.insert(frame.assign(value=2.0))
    assert_frame_equal(group.read(), frame.assign(value=2.0))


def test_a_group_without_any_key_is_refused(store):
    group = store.get_or_create_feature_group("kp", 1)
    with pytest.raises(FeatureStoreException, match="neither primary_key nor event_time"):
        group.insert(pd.DataFrame({"value": [1]}))
    assert store.get_feature_group("kp", 1) is None


def test_a_repeated_key_in_a_batch_is_refused_and_nothing_is_stored(store, group):
    with pytest.raises(FeatureStoreException, match=r"1 keys occur more than once.*site=kiruna"):
        group.insert(readings(("kiruna", 0, 1), ("kiruna", 0, 2)))
    assert store.get_feature_group("readings", 1) is None


def test_a_refused_first_batch_does_not_fix_the_columns(group):
    with pytest.raises(FeatureStoreException, match="occur more than once"):
        group.insert(readings(("kiruna", 0, 1), ("kiruna", 0, 2)).assign(extra=1))
    group.insert(readings(("kiruna", 0, 1)))
    assert group.column_names == ["site", "hour", "value"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("site", "Primary key column site contains null values"),
        ("hour", "Event time column hour contains null values"),
    ],
)
def test_a_null_in_a_key_is_a_value_error(group, column, message):
    frame = readings(("kiruna", 0, 1), ("abisko", 0, 2))
    frame.loc[1, column] = None
    with pytest.raises(ValueError, match=message):
        group.insert(frame)


def test_a_missing_key_column_is_a_value_error(group):
    with pytest.raises(ValueError, match="Primary key column site is missing"):
        group.insert(readings(("kiruna", 0, 1)).drop(columns="site"))
    with pytest.raises(ValueError, match="Event time column hour is missing"):
        group.insert(readings(("kiruna", 0, 1)).drop(columns="hour"))


@pytest.mark.parametrize(
    "values",
    [
        [date(2026, 1, 1), date(2026, 1, 2)],
        [False, True],
        [1.5, 2.5],
        [Decimal("1.50"), Decimal("2.50")],
        [Decimal("12345678901234567890.12"), Decimal("12345678901234567890.13")],
        [float("inf"), -0.0],
        [-(2**63), 2**63 - 1],
        ["o'hara", 'say "hi"'],
        ["å" * 200, "ö" * 200],
        [b"\x00", b"\xff"],
        np.array([1, 2], "int32"),
    ],
    ids=[
        "date", "bool", "double", "decimal", "long decimal", "infinity", "int64", "quotes",
        "long text", "binary", "int32",
    ],
)  # fmt: skip
def test_every_type_can_be_a_key(store, values):
    group = store.get_or_create_feature_group("keyed", 1, primary_key=["key"])
    frame = pd.DataFrame({"key": values, "value": [1, 2]})
    group.insert(frame.head(1))
    group.insert(frame.tail(1))
    for row in (frame.head(1), frame.tail(1)):
        group.insert(row.assign(value=row["value"] + 10))
    assert sorted(group.read()["value"]) == [11, 12]
    group.remove_rows(frame.head(1))
    assert group.read()["value"].tolist() == [12]


# Columns and types


def test_a_column_without_any_value_is_refused_by_its_type(group):
    frame = readings(("kiruna", 0, 1)).assign(note=None)
    with pytest.raises(ValueError, match="'note': dtype 'null' not supported"):
        group.insert(frame)


def test_a_float_does_not_fit_a_column_of_integers(group):
    group.insert(readings(("kiruna", 0, 1)).assign(value=1))
    with pytest.raises(FeatureStoreException, match=r"expected type: 'bigint'.*input: 'double'"):
        group.insert(readings(("kiruna", 1, 1.5)))
    assert len(group.read()) == 1


def test_missing_and_unknown_columns_are_named_together(group):
    group.insert(readings(("kiruna", 0, 1)))
    with pytest.raises(FeatureStoreException) as refused:
        group.insert(readings(("kiruna", 0, 1)).rename(columns={"value": "speed"}))
    assert str(refused.value) == (
        "Features are not compatible with Feature Group schema: "
        "\n - value (type: 'double') is missing from input dataframe."
        "\n - speed (type: 'double') does not exist in feature group."
    )


def test_columns_may_come_in_any_order(group):
    group.insert(readings(("kiruna", 0, 1)))
    group.insert(readings(("kiruna", 0, 2))[["value", "hour", "site"]])
    assert_frame_equal(group.read(), readings(("kiruna", 0, 2)))


def test_upper_case_and_spaces_in_names_are_changed_with_a_warning(store):
    group = store.get_or_create_feature_group("flowers", 1, primary_key=["Flower Id"])
    with pytest.warns(FeatureGroupWarning, match="Flower Id.*Sepal Length"):
        group.insert(pd.DataFrame({"Flower Id": [1], "Sepal Length": [5.1], "width": [0.2]}))
    assert group.read().to_dict("list") == {
        "flower_id": [1],
        "sepal_length": [5.1],
        "width": [0.2],
    }


def test_columns_that_become_one_name_are_refused(store):
    group = store.get_or_create_feature_group("flowers", 1, primary_key=["id"])
    with (
        pytest.warns(FeatureGroupWarning),
        pytest.raises(ValueError, match="The columns width occur twice"),
    ):
        group.insert(pd.DataFrame({"id": [1], "width": [1], "Width": [2]}))


def test_something_that_is_no_frame_is_a_type_error(group):
    with pytest.raises(TypeError, match="dataframe type is not recognized"):
        group.insert([{"site": "kiruna"}])


def test_types_come_back_as_they_went_in(store):
    group = store.get_or_create_feature_group("types", 1, primary_key=["id"])
    frame = pd.DataFrame(
        {
            "id": [1, 2],
            "small": np.array([1, -2], "int32"),
            "large": np.array([2**40, -1], "int64"),
            "half": np.array([0.5, np.nan], "float32"),
            "real": [1e300, np.nan],
            "flag": [True, False],
            "text": ["åäö", None],
            "moment": times(MONDAY, None),
            "day": [date(2026, 1, 5), None],
            "bytes": [b"\x00\xff", None],
            "price": [Decimal("12.50"), None],
            "vector": [np.array([1.0, 2.5]), np.array([])],
            "words": [np.array(["a", "b"], dtype=object), None],
            "place": [{"lat": 59.3, "name": "Stockholm"}, {"lat": 67.9, "name": "Kiruna"}],
        }
    )
    group.insert(frame)
    assert {f.name: f.type for f in group.features} == {
        "id": "bigint",
        "small": "int",
        "large": "bigint",
        "half": "float",
        "real": "double",
        "flag": "boolean",
        "text": "string",
        "moment": "timestamp",
        "day": "date",
        "bytes": "binary",
        "price": "decimal(4,2)",
        "vector": "array<double>",
        "words": "array<string>",
        "place": "struct<lat:double,name:string>",
    }
    assert_frame_equal(group.read(), frame)
    group.insert(frame)  # an upsert writes files in another way than a first insert
    assert_frame_equal(group.read(), frame)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (pd.array([1, None], "Int64"), ("bigint", [1.0, np.nan])),
        (pd.array([True, None], "boolean"), ("boolean", [True, None])),
        (pd.Categorical(["a", None]), ("string", ["a", None])),
        (pd.array(["a", None], "string"), ("string", ["a", None])),
        (np.array([1, 2], "uint8"), ("int", [1, 2])),
        (np.array([1, 2], "uint32"), ("bigint", [1, 2])),
        (np.array([1, 2], "float16"), ("float", [1.0, 2.0])),
    ],
    ids=["Int64", "boolean", "category", "string", "uint8", "uint32", "float16"],
)
def test_other_types_become_the_nearest_stored_type(store, given, stored):
    group = store.get_or_create_feature_group("types", 1, primary_key=["id"])
    group.insert(pd.DataFrame({"id": [1, 2], "value": given}))
    kind, values = stored
    assert group["value"].type == kind
    expected = pd.Series(values, dtype=group.read()["value"].dtype, name="value")
    pd.testing.assert_series_equal(group.read()["value"], expected)


def test_an_arrow_table_is_inserted_like_a_frame(group):
    group.insert(pa.Table.from_pandas(readings(("kiruna", 0, 1)), preserve_index=False))
    assert_frame_equal(group.read(), readings(("kiruna", 0, 1)))


def test_a_type_without_a_place_in_hopsworks_is_refused(group):
    frame = readings(("kiruna", 0, 1)).assign(took=timedelta(seconds=1))
    with pytest.raises(ValueError, match=r"'took': dtype 'duration\[.s\]' not supported"):
        group.insert(frame)


# Times


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_are_stored_in_microseconds(group, unit):
    group.insert(readings(("kiruna", 0, 1)).assign(hour=times(MONDAY, unit=unit)))
    assert group.read()["hour"].dtype == "datetime64[us]"
    assert group.read()["hour"].tolist() == [pd.Timestamp(MONDAY)]


def test_nanoseconds_are_cut_off(group):
    moment = pd.Series([pd.Timestamp("2026-01-05 00:00:00.000001999")])
    group.insert(readings(("kiruna", 0, 1)).assign(hour=moment))
    assert group.read()["hour"].tolist() == [pd.Timestamp("2026-01-05 00:00:00.000001")]


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_times_with_a_zone_become_utc(group, unit):
    local = pd.Series(pd.to_datetime(["2026-01-05 01:00", "2026-07-05 02:00"]))
    local = local.dt.tz_localize("Europe/Stockholm").astype(f"datetime64[{unit}, Europe/Stockholm]")
    group.insert(pd.DataFrame({"site": "kiruna", "hour": local, "value": 1.0}))
    hours = sorted_by(group.read(), "hour")["hour"]
    assert hours.tolist() == [pd.Timestamp("2026-01-05 00:00"), pd.Timestamp("2026-07-05 00:00")]
    assert hours.dtype == "datetime64[us]"


def test_a_zone_and_utc_name_the_same_row(group):
    group.insert(readings(("kiruna", 0, 1)))
    local = readings(("kiruna", 0, 2))
    local["hour"] = local["hour"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    group.insert(local)
    assert_frame_equal(group.read(), readings(("kiruna", 0, 2)))


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        (None, None, [0, 1, 2, 3]),
        ("2026-01-05 01:00", "2026-01-05 03:00", [1, 2]),
        (MONDAY + timedelta(hours=1), None, [1, 2, 3]),
        (None, MONDAY + timedelta(hours=1), [0]),
        (MONDAY, MONDAY, []),
        ("20260105", "20260106", [0, 1, 2, 3]),
        ("20260105010000", "20260105030000", [1, 2]),
        (date(2026, 1, 6), None, []),
        (1767574800, 1767582000, [1, 2]),  # seconds
        (1767574800000, 1767582000000, [1, 2]),  # milliseconds
        ("2026-01-05T02:00:00+01:00", None, [1, 2, 3]),
        (datetime(2026, 1, 5, 1, tzinfo=UTC), "", [1, 2, 3]),
    ],
)
def test_a_read_starts_at_start_time_and_ends_before_end_time(group, start, end, hours):
    group.insert(readings(*(("kiruna", hour, hour) for hour in range(4))))
    rows = group.read(start_time=start, end_time=end)
    assert sorted(rows["value"]) == hours


@pytest.mark.parametrize(
    ("column", "start", "end"),
    [
        ([date(2026, 1, 4), date(2026, 1, 5), date(2026, 1, 6)], MONDAY, MONDAY + DAY),
        ([1767484800, 1767571200, 1767657600], MONDAY, MONDAY + DAY),
        ([1767484800000, 1767571200000, 1767657600000], MONDAY, "2026-01-06"),
    ],
    ids=["date", "seconds", "milliseconds"],
)
def test_event_times_may_be_dates_or_integers(store, column, start, end):
    group = store.get_or_create_feature_group("days", 1, primary_key=["id"], event_time="day")
    group.insert(pd.DataFrame({"id": [0, 1, 2], "day": column}))
    assert group.read(start_time=start, end_time=end)["id"].tolist() == [1]


def test_a_group_without_event_time_is_not_read_by_time(store):
    group = store.get_or_create_feature_group("flowers", 1, primary_key=["id"])
    group.insert(pd.DataFrame({"id": [1]}))
    with pytest.raises(FeatureStoreException, match="has no event time"):
        group.read(start_time="2026-01-01")


@pytest.mark.parametrize("moment", ["soon", 0, -5, True, 1.5])
def test_what_is_no_time_is_a_value_error(group, moment):
    group.insert(readings(("kiruna", 0, 1)))
    with pytest.raises(ValueError):
        group.read(start_time=moment)


def test_wallclock_time_of_read_is_refused_as_by_hopsworks_python_engine(group):
    group.insert(readings(("kiruna", 0, 1)))
    with pytest.raises(NotImplementedError, match="as_of"):
        group.read(wallclock_time="2026-01-05")


def test_there_is_no_online_store(group):
    group.insert(readings(("kiruna", 0, 1)))
    with pytest.raises(NotImplementedError, match="no online store"):
        group.read(online=True)
    with pytest.raises(NotImplementedError, match="storage 'online'"):
        group.insert(readings(("kiruna", 0, 1)), storage="online")


# Other ways to write


@pytest.mark.parametrize(
    "how", [{"operation": "insert"}, {"write_options": {"mode": "append"}}], ids=["insert", "mode"]
)
def test_an_append_looks_for_no_keys(group, how):
    group.insert(readings(("kiruna", 0, 1)))
    group.insert(readings(("kiruna", 0, 2)), **how)
    assert sorted(group.read()["value"]) == [1.0, 2.0]


def test_an_empty_frame_of_objects_has_no_types_and_is_refused_as_by_hopsworks(group):
    group.insert(readings(("kiruna", 0, 1)))
    with pytest.raises(ValueError, match="'site': dtype 'null' not supported"):
        group.insert(readings(("kiruna", 0, 1)).head(0))


def test_an_unknown_operation_is_refused(group):
    with pytest.raises(ValueError, match="'merge' is not known"):
        group.insert(readings(("kiruna", 0, 1)), operation="merge")


def test_an_overwrite_leaves_only_the_new_rows(group):
    group.insert(readings(("kiruna", 0, 1), ("abisko", 0, 2)))
    group.insert(readings(("kiruna", 1, 3)), overwrite=True)
    assert_frame_equal(group.read(), readings(("kiruna", 1, 3)))


def test_an_empty_frame_adds_nothing(group):
    group.insert(readings(("kiruna", 0, 1)))
    group.insert(readings(("kiruna", 0, 1)).astype({"site": "string"}).head(0))
    assert_frame_equal(group.read(), readings(("kiruna", 0, 1)))


@pytest.mark.parametrize("how", [{}, {"operation": "insert"}, {"overwrite": True}], ids=str)
def test_a_named_write_lands_once(store, group, how):
    named = {"commit_properties": {"app_id": "run-7", "version": 1}}
    group.insert(readings(("kiruna", 0, 1)), write_options=named, **how)
    group.insert(readings(("kiruna", 0, 1)), write_options=named, **how)
    store.get_feature_group("readings", 1).insert(
        readings(("kiruna", 0, 1)), write_options=named, **how
    )
    assert len(group.read()) == 1
    assert len(group.commit_details()) == 1
    named = {"commit_properties": {"app_id": "run-7", "version": 2}}
    group.insert(readings(("kiruna", 0, 5)), operation="insert", write_options=named)
    assert sorted(group.read()["value"]) == [1.0, 5.0]


def test_rows_are_removed_by_key_and_event_time(group):
    group.insert(readings(("kiruna", 0, 1), ("kiruna", 1, 2), ("abisko", 0, 3)))
    group.remove_rows(readings(("kiruna", 0, 99), ("nowhere", 0, 0)))
    group.commit_delete_record(readings(("abisko", 0, 3))[["hour", "site"]])
    assert_frame_equal(group.read(), readings(("kiruna", 1, 2)))


def test_removing_needs_the_whole_key(group):
    group.insert(readings(("kiruna", 0, 1)))
    with pytest.raises(FeatureStoreException, match="need the columns hour"):
        group.remove_rows(pd.DataFrame({"site": ["kiruna"]}))


def test_removing_rows_that_are_not_there_is_no_change(group):
    group.insert(readings(("kiruna", 0, 1)))
    group.remove_rows(readings(("abisko", 0, 1)))
    assert len(group.commit_details()) == 1


def test_commits_tell_how_many_rows_changed(group):
    group.insert(readings(("kiruna", 0, 1), ("kiruna", 1, 2)))
    group.insert(readings(("kiruna", 1, 3), ("kiruna", 2, 4), ("kiruna", 3, 5)))
    group.remove_rows(readings(("kiruna", 0, 0)))
    group.insert(readings(("abisko", 0, 1)), overwrite=True)
    commits = group.commit_details()
    names = ("rowsInserted", "rowsUpdated", "rowsDeleted")
    assert [tuple(c[name] for name in names) for c in commits.values()] == [
        (1, 0, 3),
        (0, 0, 1),
        (2, 1, 0),
        (2, 0, 0),
    ]
    newest = next(iter(commits))
    assert list(commits) == sorted(commits, reverse=True)
    stamp = datetime.fromtimestamp(newest / 1000, tz=UTC).strftime("%Y%m%d%H%M%S%f")[:-3]
    assert commits[newest]["committedOn"] == stamp
    assert list(group.commit_details(limit=1)) == [newest]
    oldest = min(commits)
    assert list(group.commit_details(wallclock_time=oldest)) == [oldest]


# Reading


def test_rows_are_read_as_they_were_at_a_time(group):
    group.insert(readings(("kiruna", 0, 1)))
    first = max(group.commit_details())
    group.insert(readings(("kiruna", 0, 2)))
    assert group.as_of(first).read()["value"].tolist() == [1.0]
    assert group.as_of(datetime.now(UTC)).read()["value"].tolist() == [2.0]
    assert group.as_of().read()["value"].tolist() == [2.0]
    assert group.as_of(first).is_time_travel()
    assert group.as_of(first).show(5)[0][2] == 1.0
    with pytest.raises(FeatureStoreException, match="had no rows at the time"):
        group.as_of("2020-01-01").read()
    with pytest.raises(NotImplementedError, match="exclude_until"):
        group.as_of(first, exclude_until=first)


def test_small_files_are_merged_and_nothing_is_lost(group):
    group.insert(readings(("kiruna", 0, 0)))
    first = max(group.commit_details())
    for hour in range(1, 20):
        group.insert(readings(("kiruna", hour, hour)))
    group.delta_compact()
    group.delta_vacuum()
    assert sorted(group.read()["value"]) == list(range(20))
    assert group.as_of(first).read()["value"].tolist() == [0.0]
    group.delta_vacuum(retention_hours=0)
    assert sorted(group.read()["value"]) == list(range(20))
    with pytest.raises(FileNotFoundError, match="was cleaned up"):
        group.as_of(first).read()


def test_a_text_is_found_after_an_upsert(group):
    # deltalake's own merge writes a type of text that Arrow cannot compare
    group.insert(readings(("kiruna", 0, 1), ("o'hara", 0, 2)))
    group.insert(readings(("kiruna", 0, 3), ("o'hara", 1, 4)))
    rows = group.filter(group.site == "o'hara").read()
    assert sorted(rows["value"]) == [2.0, 4.0]


def test_primary_keys_are_read_once_each(group):
    group.insert(readings(("kiruna", 0, 1), ("kiruna", 1, 2), ("abisko", 0, 3)))
    assert group.read_primary_keys().to_dict("list") == {"site": ["abisko", "kiruna"]}


@pytest.mark.parametrize("name", ["id", "name", "version", "description", "columns"])
def test_a_feature_called_like_an_attribute_is_found_by_name(store, name):
    group = store.get_or_create_feature_group("named", 1, primary_key=["key"])
    group.insert(pd.DataFrame({"key": [1, 2], name: ["a", "b"]}))
    rows = group.filter(group.get_feature(name) == "b").read()
    assert rows.to_dict("list") == {"key": [2], name: ["b"]}
    assert not isinstance(getattr(group, name), Feature)
    assert group[name].name == name


@pytest.mark.parametrize("name", ["label", "table", "files", "store", "document"])
def test_a_feature_is_not_hidden_by_a_name_that_hopsworks_does_not_use(store, name):
    group = store.get_or_create_feature_group("named", 1, primary_key=["key"])
    group.insert(pd.DataFrame({"key": [1, 2], name: ["a", "b"]}))
    assert group.filter(getattr(group, name) == "b").read()["key"].tolist() == [2]


def test_an_unknown_feature_is_none_or_an_error_that_names_it(group):
    group.insert(readings(("kiruna", 0, 1)))
    assert group.get_feature("speed") is None
    with pytest.raises(FeatureStoreException, match="Feature 'speed' is not in"):
        group.select(["speed"])
    with pytest.raises(AttributeError, match="speed"):
        group.speed  # noqa: B018
    with pytest.raises(KeyError, match="speed"):
        group["speed"]
    with pytest.raises(TypeError, match="Expected type `str`"):
        group[0]


# Metadata


def test_appended_features_read_as_null_in_old_rows(store, group):
    group.insert(readings(("kiruna", 0, 1)))
    group.append_features([Feature("speed", "double"), Feature("sky", "array<string>")])
    group.append_features(Feature("note", "string"))
    expected = readings(("kiruna", 0, 1)).assign(speed=np.nan, sky=None, note=None)
    assert_frame_equal(group.read(), expected)
    new = readings(("kiruna", 1, 2)).assign(speed=1.5, sky=[np.array(["clear"])], note="x")
    again = store.get_feature_group("readings", 1)
    again.insert(new)
    again.insert(readings(("kiruna", 0, 1)).assign(speed=2.5, sky=[np.array(["fog"])], note="y"))
    again.insert(readings(("kiruna", 0, 1)).assign(speed=0.0, sky=[np.array([""])], note="z"))
    rows = sorted_by(again.read(), "hour")
    assert rows["note"].tolist() == ["z", "x"]
    assert rows["speed"].tolist() == [0, 1.5]
    with pytest.raises(FeatureStoreException, match="has the features note already"):
        group.append_features(Feature("note", "string"))


def test_descriptions_are_changed(store, group):
    group.insert(readings(("kiruna", 0, 1)))
    assert group.update_description("Sky over Kiruna") is group
    assert group.update_feature_description("value", "Kp index") is group
    found = store.get_feature_group("readings", 1)
    assert found.description == "Sky over Kiruna"
    assert found.get_feature("value").description == "Kp index"
    with pytest.raises(FeatureStoreException, match="'speed'"):
        group.update_feature_description("speed", "none")


def test_tags_are_kept_with_the_group(store, group):
    group.insert(readings(("kiruna", 0, 1)))
    group.add_tag("source", {"owner": "IRF"})
    group.add_tag("checked", True)
    group.delete_tag("checked")
    group.delete_tag("never there")
    found = store.get_feature_group("readings", 1)
    assert found.get_tags() == {"source": {"owner": "IRF"}}
    assert found.get_tag("source") == {"owner": "IRF"}
    assert found.get_tag("checked") is None


def test_changes_through_two_objects_add_up(store, group):
    group.insert(readings(("kiruna", 0, 1)))
    other = store.get_feature_group("readings", 1)
    group.append_features(Feature("speed", "double"))
    other.add_tag("source", "IRF")
    group.update_description("Sky")
    other.append_features(Feature("note", "string"))
    found = store.get_feature_group("readings", 1)
    assert found.column_names == ["site", "hour", "value", "speed", "note"]
    assert (found.description, found.get_tags()) == ("Sky", {"source": "IRF"})


def test_a_deleted_group_is_gone_with_its_rows(store, group):
    group.insert(readings(("kiruna", 0, 1)))
    group.delete()
    assert store.get_feature_group("readings", 1) is None
    again = store.get_or_create_feature_group("readings", 1, primary_key=["site"])
    again.insert(pd.DataFrame({"site": ["abisko"]}))
    assert again.read().to_dict("list") == {"site": ["abisko"]}


def test_a_group_that_a_view_reads_is_not_deleted(store, group):
    group.insert(readings(("kiruna", 0, 1)))
    store.create_feature_view("sky", group.select_all())
    with pytest.raises(RestAPIError, match="used by feature view sky version 1"):
        group.delete()
    assert len(group.read()) == 1
    group.delete(force=True)
    assert store.get_feature_view("sky", 1) is None


def test_a_group_without_any_key_is_refused_also_when_its_features_are_given(store):
    group = store.create_feature_group("keyless", 1, features=[Feature("age", "double")])

    with pytest.raises(FeatureStoreException, match="neither primary_key nor event_time"):
        group.save()
    with pytest.raises(FeatureStoreException, match="neither primary_key nor event_time"):
        group.insert(pd.DataFrame({"age": [1.0]}))
    assert store.get_feature_group("keyless", 1) is None
