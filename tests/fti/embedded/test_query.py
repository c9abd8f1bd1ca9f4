"""What a query selects, keeps, joins and gives."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from fti.embedded.exceptions import FeatureStoreException

NOON = datetime(2026, 1, 5, 12)
TYPES = {
    "row": [1, 2, 3, 4],
    "small": np.array([-1, 0, 1, 2], "int32"),
    "real": [-0.5, 0.0, 0.1, np.nan],
    "half": np.array([-0.5, 0.0, 0.5, np.nan], "float32"),
    "flag": [True, False, True, None],
    "text": ["plain", "o'hara", 'say "50%"', None],
    "moment": [NOON, NOON + timedelta(microseconds=1), NOON + timedelta(days=1), None],
    "day": [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7), None],
    "price": [Decimal("0.10"), Decimal("12.50"), Decimal("99.99"), None],
    "bytes": [b"\x00", b"\xff", b"'", None],
}


def frame(**columns):
    return pd.DataFrame(columns)


@pytest.fixture
def stored(store):
    """Store a frame as a feature group."""

    def store_frame(name, rows, primary_key, event_time=None):
        group = store.get_or_create_feature_group(
            name, 1, primary_key=primary_key, event_time=event_time
        )
        group.insert(rows)
        return group

    return store_frame


@pytest.fixture
def types(stored):
    return stored("types", pd.DataFrame(TYPES), ["row"])


@pytest.fixture
def people(stored):
    rows = frame(person=[1, 2, 3], town=["kiruna", "abisko", "lund"], age=[30, 40, 50])
    return stored("people", rows, ["person"])


@pytest.fixture
def jobs(stored):
    return stored("jobs", frame(person=[1, 2, 4], title=["baker", "nurse", "pilot"]), ["person"])


@pytest.fixture
def towns(stored):
    return stored("towns", frame(name=["kiruna", "abisko"], age=[126, 120]), ["name"])


def found(query):
    return sorted(query.read()["row"].tolist())


def rows(query, *by):
    result = query.read()
    return result.sort_values(list(by or result.columns[:1]), ignore_index=True)


# Selection


@pytest.fixture
def sales(stored):
    rows = frame(sale=[1], year=[2026], address=["a"], sold_on=[NOON], price=[3.0], rooms=[2])
    store = stored("unused", frame(id=[1]), ["id"]).feature_store
    group = store.get_or_create_feature_group(
        "sales", 1, primary_key=["sale"], partition_key=["year"], foreign_key=["address"],
        event_time="sold_on",
    )  # fmt: skip
    group.insert(rows)
    return group


def test_columns_come_in_the_order_of_selection(sales):
    assert list(sales.select(["rooms", sales.price]).read()) == ["rooms", "price"]
    with pytest.raises(FeatureStoreException, match="'colour'"):
        sales.select(["colour"])


def test_select_all_leaves_out_keys_when_told_so(sales):
    everything = ["sale", "year", "address", "sold_on", "price", "rooms"]
    assert list(sales.select_all().read()) == everything
    for position, left_out in enumerate(["sale", "address", "year", "sold_on"]):
        included = [index != position for index in range(4)]
        expected = [name for name in everything if name != left_out]
        assert list(sales.select_all(*included).read()) == expected


def test_select_except_leaves_out_the_named_columns(sales):
    assert list(sales.select_except(["year", sales.price]).read()) == [
        "sale", "address", "sold_on", "rooms",
    ]  # fmt: skip
    assert len(sales.select_except().features) == 6


def test_select_features_leaves_out_keys_and_event_time(sales):
    assert [feature.name for feature in sales.select_features().features] == ["price", "rooms"]


def test_a_feature_is_appended_to_a_selection(sales):
    query = sales.select(["price"]).append_feature("rooms").append_feature(sales.year)
    assert list(query.read()) == ["price", "rooms", "year"]
    assert query.rooms.name == query["rooms"].name == query.get_feature("rooms").name == "rooms"
    with pytest.raises(AttributeError, match="address"):
        query.address  # noqa: B018
    with pytest.raises(FeatureStoreException, match="address"):
        query.get_feature("address")


def test_building_a_query_reads_nothing(sales):
    query = sales.select(["price"]).filter(sales.rooms > 1)
    sales.insert(
        frame(sale=[2], year=[2026], address=["b"], sold_on=[NOON], price=[4.0], rooms=[3])
    )
    assert sorted(query.read()["price"]) == [3.0, 4.0]


# Filters


@pytest.mark.parametrize("name", [name for name in TYPES if name != "flag"])
def test_every_comparison_works_with_every_stored_type(types, name):
    feature, values = types.get_feature(name), TYPES[name]
    middle = values[1]
    assert found(types.filter(feature == middle)) == [2]
    assert 2 not in found(types.filter(feature != middle))
    ordered = [i + 1 for i, value in enumerate(values) if pd.notna(value)]
    known = {i: values[i - 1] for i in ordered}
    assert found(types.filter(feature < middle)) == [i for i in known if known[i] < middle]
    assert found(types.filter(feature <= middle)) == [i for i in known if known[i] <= middle]
    assert found(types.filter(feature > middle)) == [i for i in known if known[i] > middle]
    assert found(types.filter(feature >= middle)) == [i for i in known if known[i] >= middle]
    assert found(types.filter(feature.isin([values[0], values[2]]))) == [1, 3]
    assert found(types.filter(feature.contains([values[0]]))) == [1]
    if len(known) < 4:
        assert found(types.filter(feature == None)) == [4]  # noqa: E711
        assert found(types.filter(feature != None)) == [1, 2, 3]  # noqa: E711


def test_booleans_are_compared(types):
    assert found(types.filter(types.flag == True)) == [1, 3]  # noqa: E712
    assert found(types.filter(types.flag != np.bool_(True))) == [2]
    assert found(types.filter(types.flag.isin([True, False]))) == [1, 2, 3]


def test_values_of_numpy_and_pandas_are_compared(types):
    assert found(types.filter(types.small > np.int64(0))) == [3, 4]
    assert found(types.filter(types.real == np.float64(0.1))) == [3]
    assert found(types.filter(types.row.isin(np.array([1, 4])))) == [1, 4]
    assert found(types.filter(types.moment > pd.Timestamp(NOON))) == [2, 3]


def test_times_with_a_zone_and_as_text_are_compared(types):
    assert found(types.filter(types.moment > NOON.replace(tzinfo=UTC))) == [2, 3]
    assert found(types.filter(types.moment >= "2026-01-06")) == [3]
    assert found(types.filter(types.moment > "2026-01-05T13:00:00+01:00")) == [2, 3]
    assert found(types.filter(types.day == "2026-01-06")) == [2]


def test_a_pattern_matches_text(types):
    assert found(types.filter(types.text.like("%'%"))) == [2]
    assert found(types.filter(types.text.like("p_ain"))) == [1]
    assert found(types.filter(types.text.like("O%"))) == []


@pytest.mark.parametrize("text", ["'; DROP TABLE t0; --", "o''hara", "\\", "\n", "%", ""])
def test_text_is_never_taken_for_sql(types, text):
    assert found(types.filter(types.text == text)) == []
    assert found(types.filter(types.text.isin([text, "plain"]))) == [1]


def test_nothing_is_in_an_empty_list(types):
    assert found(types.filter(types.row.isin([]))) == []


def test_conditions_are_nested(types):
    low, high, plain = types.row <= 1, types.row >= 3, types.text == "plain"
    assert found(types.filter(low | high)) == [1, 3, 4]
    assert found(types.filter((low | high) & plain)) == [1]
    assert found(types.filter(low | (high & plain))) == [1]
    assert found(types.filter((low & plain) | (high & (types.flag == True)))) == [1, 3]  # noqa: E712
    assert found(types.filter(low | high).filter(types.real > -1).filter(high)) == [3]


def test_two_features_are_compared(types):
    assert found(types.filter(types.row > types.small)) == [1, 2, 3, 4]
    assert found(types.filter(types.real == types.half)) == [1, 2]


def test_what_cannot_be_compared_is_refused(types):
    with pytest.raises(FeatureStoreException, match="cannot compare"):
        types.filter(types.row == object()).read()
    with pytest.raises(FeatureStoreException, match="compared with None"):
        types.filter(types.row > None).read()
    with pytest.raises(FeatureStoreException, match="cannot be run"):
        types.filter(types.row == "one").read()
    with pytest.raises(ValueError, match="'soon' is not a time"):
        types.filter(types.moment > "soon").read()
    with pytest.raises(TypeError, match="Expected type `Filter` or `Logic`"):
        types.select_all().filter(True)
    with pytest.raises(TypeError, match="Operator `&`"):
        (types.row > 1) & True


def test_a_filter_needs_a_feature_of_the_query(types, people):
    with pytest.raises(FeatureStoreException, match="'town' is in none"):
        types.select_all().filter(people.town == "lund").read()


def test_filters_apply_to_columns_that_are_not_selected(types):
    assert types.select(["text"]).filter(types.row == 2).read()["text"].tolist() == ["o'hara"]


# Joins


def test_a_left_join_keeps_every_row(people, jobs):
    query = people.select_all().join(jobs.select(["title"]))
    assert rows(query).to_dict("list") == {
        "person": [1, 2, 3],
        "town": ["kiruna", "abisko", "lund"],
        "age": [30, 40, 50],
        "title": ["baker", "nurse", None],
    }


@pytest.mark.parametrize(
    ("join_type", "titles"),
    [
        ("inner", {"kiruna": "baker", "abisko": "nurse"}),
        ("LEFT", {"kiruna": "baker", "abisko": "nurse", "lund": None}),
        ("right", {"kiruna": "baker", "abisko": "nurse", None: "pilot"}),
        ("full", {"kiruna": "baker", "abisko": "nurse", "lund": None, None: "pilot"}),
        ("outer", {"kiruna": "baker", "abisko": "nurse", "lund": None, None: "pilot"}),
    ],
)
def test_join_types_keep_their_rows(people, jobs, join_type, titles):
    query = people.select(["town"]).join(jobs.select(["title"]), join_type=join_type)
    result = query.read()
    assert dict(zip(result["town"], result["title"], strict=True)) == titles


def test_an_unknown_join_type_is_refused(people, jobs):
    with pytest.raises(FeatureStoreException, match="'cross' is not known"):
        people.select_all().join(jobs.select_all(), join_type="cross")


def test_a_join_is_on_the_named_columns(people, towns):
    query = people.select(["person"]).join(
        towns.select(["age"]), left_on=["town"], right_on=["name"]
    )
    assert rows(query).fillna(0).to_dict("list") == {"person": [1, 2, 3], "age": [126, 120, 0]}


def test_groups_that_share_no_key_need_named_columns(people, towns):
    with pytest.raises(FeatureStoreException, match="share no primary key column"):
        people.select_all().join(towns.select_all())
    with pytest.raises(FeatureStoreException, match="equal length"):
        people.select_all().join(towns.select_all(), left_on=["town", "age"], right_on=["name"])
    with pytest.raises(FeatureStoreException, match="'colour'"):
        people.select_all().join(towns.select_all(), on=["colour"])


def test_two_features_of_one_name_need_a_prefix(people, towns):
    query = people.select(["age"]).join(towns.select(["age"]), left_on=["town"], right_on=["name"])
    with pytest.raises(FeatureStoreException, match=r"age are in more than one.*prefix"):
        query.read()
    query = people.select(["age"]).join(
        towns.select(["age"]), left_on=["town"], right_on=["name"], prefix="town_"
    )
    assert rows(query.filter(people.age < 50)).to_dict("list") == {
        "age": [30, 40],
        "town_age": [126, 120],
    }
    assert query.get_feature("town_age").feature_group.name == "towns"
    assert query.get_feature("age").feature_group.name == "people"


def test_a_joined_feature_is_found_with_or_without_its_prefix(people, jobs, towns):
    query = people.select(["person"]).join(jobs.select(["title"]), prefix="a_")
    assert query.get_feature("a_title").feature_group.name == "jobs"
    assert query.title.feature_group.name == "jobs"
    query.join(jobs.select(["title"]), prefix="b_")
    assert query.get_feature("b_title").feature_group.name == "jobs"
    with pytest.raises(FeatureStoreException, match="'title' is ambiguous"):
        query.get_feature("title")


def test_filters_reach_joined_features(people, towns):
    query = (
        people.select(["person"])
        .join(towns.select(["age"]), left_on=["town"], right_on=["name"])
        .filter((towns.age > 120) | (people.town == "lund"))
    )
    assert rows(query)["person"].tolist() == [1, 3]
    assert rows(query.filter(towns.age > 0))["person"].tolist() == [1]


def test_a_joined_query_is_filtered_before_the_join(people, jobs):
    bakers = jobs.select(["title"]).filter(jobs.title == "baker")
    assert rows(people.select(["person"]).join(bakers))["title"].tolist() == ["baker", None, None]


def test_joins_are_nested_and_chained(people, jobs, towns, stored):
    land = stored("lands", frame(name=["kiruna", "abisko"], land=["north", "arctic"]), ["name"])
    nested = people.select(["town"]).join(
        land.select(["land"]), left_on=["town"], right_on=["name"]
    )
    query = (
        jobs.select(["title"])
        .join(nested, join_type="inner")
        .join(towns.select(["age"]), left_on=["title"], right_on=["name"])
    )
    assert rows(query).fillna("none").to_dict("list") == {
        "title": ["baker", "nurse"],
        "town": ["kiruna", "abisko"],
        "land": ["north", "arctic"],
        "age": ["none", "none"],
    }
    assert [group.name for group in query.featuregroups] == ["jobs", "people", "lands", "towns"]
    assert len(query.joins) == 2


# Point in time


def hours(*values):
    return [NOON + timedelta(hours=value) for value in values]


@pytest.fixture
def forecasts(stored):
    rows = frame(site=["a", "a", "b"], made=hours(0, 2, 1), kp=[1.0, 2.0, 3.0])
    return stored("forecasts", rows, ["site"], "made")


def test_a_row_gets_the_newest_value_of_its_own_time(stored, forecasts):
    seen = frame(site=["a"] * 4 + ["b"], hour=hours(-1, 0, 1, 9, 0), aurora=[0, 1, 2, 3, 4])
    seen = stored("seen", seen, ["site"], "hour")
    query = seen.select(["aurora"]).join(forecasts.select(["kp"]))
    assert rows(query)["kp"].fillna(-1).tolist() == [-1, 1, 1, 2, -1]
    query = seen.select(["aurora"]).join(forecasts.select(["kp"]), join_type="inner")
    assert rows(query).to_dict("list") == {"aurora": [1, 2, 3], "kp": [1, 1, 2]}


def test_a_point_in_time_join_only_keeps_rows_of_its_left_side(stored, forecasts):
    seen = stored("seen", frame(site=["a"], hour=hours(1)), ["site"], "hour")
    for kind in ("right", "full"):
        with pytest.raises(NotImplementedError, match="'left' or 'inner'"):
            seen.select_all().join(forecasts.select(["kp"]), join_type=kind)


def test_a_group_without_event_time_is_joined_as_it_is(stored, forecasts):
    sites = stored("sites", frame(site=["a", "b"], lat=[67.8, 68.4]), ["site"])
    query = forecasts.select(["kp"]).join(sites.select(["lat"]))
    assert rows(query)["lat"].tolist() == [67.8, 67.8, 68.4]
    query = sites.select(["lat"]).join(forecasts.select(["kp"]))
    assert rows(query, "kp")["lat"].tolist() == [67.8, 67.8, 68.4]


def test_several_groups_are_joined_at_the_same_time(stored, forecasts):
    clouds = stored(
        "clouds", frame(site=["a", "a"], at=hours(1, 3), cover=[10, 30]), ["site"], "at"
    )
    seen = stored("seen", frame(site=["a"] * 3, hour=hours(0, 2, 4)), ["site"], "hour")
    query = seen.select(["hour"]).join(forecasts.select(["kp"])).join(clouds.select(["cover"]))
    result = rows(query).fillna(0)
    assert result[["kp", "cover"]].to_numpy().tolist() == [[1, 0], [2, 10], [2, 30]]


def test_a_read_by_time_bounds_the_left_side_only(stored, forecasts):
    seen = stored("seen", frame(site=["a"] * 3, hour=hours(0, 2, 4)), ["site"], "hour")
    query = seen.select(["hour"]).join(forecasts.select(["kp"]))
    assert query.read(start_time=hours(1)[0], end_time=hours(4)[0])["kp"].tolist() == [2.0]


events = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 12)), min_size=1, max_size=10, unique=True
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(left=events, right=events, inner=st.booleans())
def test_a_point_in_time_join_never_sees_the_future(project, left, right, inner):
    store = project.get_feature_store()

    def stored(name, keys, moment, value):
        group = store.create_feature_group(name, primary_key=["site"], event_time=moment)
        sites, moments = zip(*keys, strict=True)
        group.insert(frame(**{"site": sites, moment: hours(*moments), value: range(len(keys))}))
        return group

    seen, made = stored("seen", left, "hour", "x"), stored("made", right, "at", "y")
    query = seen.select(["x"]).join(
        made.select(["y", "at"]), join_type="inner" if inner else "left"
    )
    expected = {}
    for x, (site, hour) in enumerate(left):
        past = [(at, y) for y, (where, at) in enumerate(right) if where == site and at <= hour]
        if past or not inner:
            expected[x] = max(past)[1] if past else None
    result = query.to_arrow().to_pylist()
    assert {row["x"]: row["y"] for row in result} == expected
    assert len(result) == len(expected)


# Time travel


def test_as_of_reaches_the_joined_groups(people, jobs):
    people.insert(frame(person=[5], town=["umeå"], age=[1]))
    jobs.insert(frame(person=[1], title=["miller"]))
    before = max(jobs.commit_details())
    jobs.insert(frame(person=[1], title=["retired"]))
    people.insert(frame(person=[1], town=["luleå"], age=[31]))
    query = people.select(["person", "town"]).join(jobs.select(["title"]))
    assert rows(query).iloc[0].tolist() == [1, "luleå", "retired"]
    assert rows(query.as_of(before)).iloc[0].tolist() == [1, "kiruna", "miller"]
    assert rows(query.as_of(None)).iloc[0].tolist() == [1, "luleå", "retired"]


def test_groups_are_read_as_of_their_own_times(people, jobs):
    first = min(people.commit_details())
    people.insert(frame(person=[1], town=["luleå"], age=[31]))
    jobs.insert(frame(person=[1], title=["retired"]))
    query = people.select(["person", "town"]).as_of(first).join(jobs.select(["title"]))
    assert rows(query).iloc[0].tolist() == [1, "kiruna", "retired"]


# Results


def test_limit_and_show_give_some_rows(people):
    assert len(people.select_all().limit(2).read()) == 2
    assert len(people.select_all().limit(2).show(1)) == 1
    assert sorted(people.show(9)) == [
        [1, "kiruna", 30],
        [2, "abisko", 40],
        [3, "lund", 50],
    ]


def test_batches_hold_at_most_the_asked_number_of_rows(people):
    batches = list(people.select(["person"]).read_batches(batch_size=2))
    assert [batch.num_rows for batch in batches] == [2, 1]
    found = [person for batch in batches for person in batch["person"].to_pylist()]
    assert sorted(found) == [1, 2, 3]


def test_frames_come_in_the_asked_kind(people):
    query = people.select(["person", "town"]).filter(people.person == 1)
    assert_frame_equal(query.read(dataframe_type="pandas"), frame(person=[1], town=["kiruna"]))
    assert query.read(dataframe_type="numpy").tolist() == [[1, "kiruna"]]
    assert query.read(dataframe_type="python") == [[1, "kiruna"]]
    with pytest.raises(ValueError, match='"spark" not supported'):
        query.read(dataframe_type="spark")


def test_a_query_shows_its_sql(people):
    text = people.select(["town"]).filter(people.age > 30).to_string()
    assert text.startswith('SELECT t0."town" AS "town" FROM')
    assert text.endswith('WHERE t0."age" > 30')


def test_a_group_without_rows_joins_as_nothing(store, people):
    from fti.embedded.feature import Feature

    empty = store.create_feature_group("empty", primary_key=["person"])
    empty.save([Feature("person", "bigint"), Feature("note", "string")])
    assert rows(people.select(["person"]).join(empty.select(["note"])))["note"].isna().all()
    assert rows(empty.select(["note"]).join(people.select(["town"]))).empty
