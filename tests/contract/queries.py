"""Scenarios of queries."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pandas as pd

from tests.contract.space import Space, flowers, refused, same, scenario


def numbers(query: object) -> list[int]:
    """Give the flowers that a query finds."""
    return sorted(query.read()["flower_id"].tolist())


@scenario
def columns_are_selected(space: Space) -> None:
    group = space.filled()
    assert list(group.select(["width", "flower_id"]).read()) == ["width", "flower_id"]
    assert set(group.select_except(["width"]).read()) == {"flower_id", "sort", "seen_at"}
    assert set(group.select_features().read()) == {"sort", "width"}


@scenario
def filters_compare_numbers_and_text(space: Space) -> None:
    group = space.filled()
    flower, width, sort = (group.get_feature(n) for n in ("flower_id", "width", "sort"))
    found = {
        "over": numbers(group.filter(width > 1.5)),
        "at least": numbers(group.filter(flower >= 4)),
        "under": numbers(group.filter(width < 0.5)),
        "at most": numbers(group.filter(flower <= 1)),
        "other": numbers(group.filter(sort != "setosa")),
        "one of": numbers(group.filter(flower.isin([1, 3, 99]))),
        "named": numbers(group.filter(sort.isin(["virginica"]))),
        "like": numbers(group.filter(sort.like("set%"))),
        "and": numbers(group.filter((width > 0.5) & (sort == "setosa"))),
        "or": numbers(group.filter((flower == 0) | ((flower > 2) & (width < 2.5)))),
        "again": numbers(group.filter(width > 0.5).filter(width < 2.0)),
    }
    assert found == {
        "over": [4, 5], "at least": [4, 5], "under": [0], "at most": [0, 1], "other": [1, 3, 5],
        "one of": [1, 3], "named": [1, 3, 5], "like": [0, 2, 4], "and": [2, 4], "or": [0, 3, 4],
        "again": [2, 3],
    }  # fmt: skip


@scenario
def filters_compare_values_of_every_type(space: Space) -> None:
    rows = flowers().assign(
        fresh=[True, False] * 3,
        day=[dt.date(2026, 1, 1 + k) for k in range(6)],
        price=[Decimal(f"{k}.50") for k in range(6)],
        note=["it's", 'a "quote"', "100%", "true", "null", "5"],
    )
    group = space.filled(rows)
    feature = {name: group.get_feature(name) for name in rows}
    noon = dt.datetime(2026, 1, 1, 3)
    assert numbers(group.filter(feature["fresh"] == True)) == [0, 2, 4]  # noqa: E712
    assert numbers(group.filter(feature["day"] > dt.date(2026, 1, 4))) == [4, 5]
    assert numbers(group.filter(feature["price"] <= Decimal("1.50"))) == [0, 1]
    assert numbers(group.filter(feature["seen_at"] >= noon)) == [3, 4, 5]
    assert numbers(group.filter(feature["seen_at"] < "2026-01-01 02:00:00")) == [0, 1]
    for number, text in enumerate(rows["note"]):
        assert numbers(group.filter(feature["note"] == text)) == [number], text


@scenario
def filters_compare_columns_with_each_other(space: Space) -> None:
    group = space.filled(flowers().assign(height=[9.0, 0.5, 0.0, 9.0, 2.0, 9.0]))
    width, height = group.get_feature("width"), group.get_feature("height")
    assert numbers(group.filter(width < height)) == [0, 3, 5]
    assert numbers(group.filter(width == height)) == [1, 4]


@scenario
def filters_find_text_after_an_upsert(space: Space) -> None:
    group = space.filled()
    group.insert(flowers().head(2).assign(width=9.0))
    assert numbers(group.filter(group.get_feature("sort") == "setosa")) == [0, 2, 4]


@scenario
def a_time_range_has_its_start_and_not_its_end(space: Space) -> None:
    group = space.filled()
    found = group.read(start_time="2026-01-01 01:00:00", end_time="2026-01-01 03:00:00")
    same(found, flowers().iloc[1:3])
    since = group.select(["flower_id"]).read(start_time=dt.datetime(2026, 1, 1, 4))
    assert sorted(since["flower_id"]) == [4, 5]


@scenario
def a_time_range_needs_an_event_time(space: Space) -> None:
    group = space.group(event_time=None)
    group.insert(flowers())
    refused("FeatureStoreException", group.read, start_time="2026-01-01")


@scenario
def a_limit_bounds_the_rows(space: Space) -> None:
    assert len(space.filled().select_all().limit(2).read()) == 2


@scenario
def as_of_reads_what_was_stored_then(space: Space) -> None:
    group = space.filled()
    first = next(iter(group.commit_details()))
    group.insert(flowers(8).assign(width=9.0))
    same(group.select_all().as_of(first).read(), flowers())
    same(group.read(), flowers(8).assign(width=9.0))


@scenario
def groups_are_joined_by_the_key_they_share(space: Space) -> None:
    left = space.group(event_time=None)
    left.insert(flowers())
    prices = pd.DataFrame({"flower_id": [0, 1, 7], "price": [1.0, 2.0, 3.0]})
    right = space.group("prices", event_time=None)
    right.insert(prices)
    query = left.select(["flower_id", "sort"]).join(right.select(["price"]))
    assert query.read().sort_values("flower_id")["price"].fillna(-1).tolist() == [1, 2] + [-1] * 4
    inner = left.select(["flower_id"]).join(right.select(["price"]), join_type="inner")
    assert numbers(inner) == [0, 1]


@scenario
def joined_columns_may_have_a_prefix_and_other_keys(space: Space) -> None:
    left = space.group(event_time=None)
    left.insert(flowers())
    sorts = pd.DataFrame({"name": ["setosa", "virginica"], "width": [10.0, 20.0]})
    right = space.group("sorts", primary_key=["name"], event_time=None)
    right.insert(sorts)
    query = left.select(["flower_id", "width"]).join(
        right.select(["width"]), left_on=["sort"], right_on=["name"], prefix="sort_"
    )
    found = query.read().sort_values("flower_id", ignore_index=True)
    assert list(found) == ["flower_id", "width", "sort_width"]
    assert found["sort_width"].tolist() == [10.0, 20.0] * 3


@scenario
def a_join_of_groups_with_event_times_never_sees_the_future(space: Space) -> None:
    left = space.filled()
    moments = pd.to_datetime(["2026-01-01 00:30:00", "2026-01-01 02:00:00"]).astype(
        "datetime64[us]"
    )
    prices = pd.DataFrame({"flower_id": [3, 3], "price": [1.0, 2.0], "seen_at": moments})
    late = pd.DataFrame({"flower_id": [0], "price": [9.0], "seen_at": moments[1:]})
    right = space.filled(pd.concat([prices, late], ignore_index=True), "prices")
    query = left.select(["flower_id"]).join(right.select(["price"]), on=["flower_id"])
    found = query.read().set_index("flower_id")["price"].dropna()
    assert found.to_dict() == {3: 2.0}


@scenario
def a_feature_that_is_not_there_is_none_of_a_group(space: Space) -> None:
    group = space.filled()
    assert group.get_feature("height") is None
    refused("FeatureStoreException", group.select(["width"]).get_feature, "height")
