"""Scenarios of feature groups."""

from __future__ import annotations

import datetime as dt
import warnings
from decimal import Decimal

import pandas as pd

from tests.contract.space import Space, flowers, refused, same, scenario

STAMP = "datetime64[us]"


@scenario
def a_group_exists_from_its_first_insert_on(space: Space) -> None:
    group = space.group()
    assert space.store.get_feature_group(group.name, version=1) is None
    group.insert(flowers())
    found = space.store.get_feature_group(group.name, version=1)
    assert (found.name, found.version, found.event_time) == (group.name, 1, "seen_at")
    assert found.primary_key == ["flower_id"]
    assert {feature.name: feature.type for feature in found.features} == {
        "flower_id": "bigint", "sort": "string", "width": "double", "seen_at": "timestamp",
    }  # fmt: skip
    same(found.read(), flowers())


@scenario
def a_group_that_exists_cannot_be_created_again(space: Space) -> None:
    space.filled()
    twin = space.store.create_feature_group(
        space.name("flowers"), version=1, primary_key=["flower_id"], event_time="seen_at"
    )
    error = refused("RestAPIError", twin.insert, flowers())
    assert error.error_code == 270089


@scenario
def types_of_columns_survive(space: Space) -> None:
    rows = pd.DataFrame(
        {
            "flower_id": pd.Series([1, 2], dtype="int32"),
            "big": [2**40, -1],
            "small": pd.Series([0.5, None], dtype="float32"),
            "exact": [0.1, None],
            "seen": [True, False],
            "name": ["å", None],
            "day": [dt.date(2026, 1, 31), None],
            "raw": [b"\x00\xff", None],
            "price": [Decimal("1.50"), None],
            "parts": [[1.0, 2.0], None],
            "seen_at": pd.Series(["2026-01-01 00:00:00.123456", "2026-01-02"]).astype(STAMP),
        }
    )
    found = space.filled(rows).read().sort_values("flower_id", ignore_index=True)
    assert list(found["parts"][0]) == [1.0, 2.0] and found["parts"][1] is None
    same(found.drop(columns="parts"), rows.drop(columns="parts"))


@scenario
def times_with_a_zone_are_stored_as_utc(space: Space) -> None:
    rows = flowers()
    local = rows.assign(seen_at=rows["seen_at"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"))
    same(space.filled(local).read(), rows)


@scenario
def an_upsert_replaces_rows_of_the_same_key_and_event_time(space: Space) -> None:
    group = space.filled()
    group.insert(flowers().head(2).assign(width=9.0))
    later = flowers().head(1).assign(seen_at=pd.Timestamp("2026-02-01").as_unit("us"))
    group.insert(later)
    expected = flowers()
    expected.loc[:1, "width"] = 9.0
    found = group.read()
    assert len(found) == 7
    same(found[found["seen_at"] < "2026-02-01"], expected)


@scenario
def rows_are_inserted_without_looking_for_their_keys(space: Space) -> None:
    group = space.filled()
    group.insert(flowers().head(2), operation="insert")
    assert len(group.read()) == 8


@scenario
def an_overwrite_replaces_all_rows(space: Space) -> None:
    group = space.filled()
    group.insert(flowers().tail(2), overwrite=True)
    same(group.read(), flowers().tail(2))


@scenario
def rows_are_removed_by_their_keys(space: Space) -> None:
    group = space.filled()
    group.remove_rows(flowers().head(2)[["flower_id", "seen_at"]])
    same(group.read(), flowers().tail(4))


@scenario
def a_partition_key_is_part_of_the_key(space: Space) -> None:
    group = space.group(partition_key=["sort"])
    group.insert(flowers())
    group.insert(flowers().assign(sort="versicolor"))
    group.insert(flowers().head(1).assign(width=7.0))
    found = group.read()
    assert len(found) == 12 and (found["width"] == 7.0).sum() == 1


@scenario
def commits_say_what_changed(space: Space) -> None:
    group = space.filled()
    group.insert(flowers().head(2).assign(width=9.0))
    group.remove_rows(flowers().tail(1)[["flower_id", "seen_at"]])
    names = ("rowsInserted", "rowsUpdated", "rowsDeleted")
    details = group.commit_details()
    assert [tuple(said[name] for name in names) for said in details.values()] == [
        (0, 0, 1), (0, 2, 0), (6, 0, 0),
    ]  # fmt: skip
    assert list(group.commit_details(limit=1)) == list(details)[:1]
    assert len(next(iter(details.values()))["committedOn"]) == len("20260131140000000")


@scenario
def names_become_lower_case_with_underscores(space: Space) -> None:
    named = flowers().rename(columns={"width": "Petal Width"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is warned of
        group = space.filled(named)
    assert "petal_width" in group.read()


@scenario
def rows_that_do_not_fit_are_refused_before_they_are_stored(space: Space) -> None:
    group = space.filled()
    text = flowers().assign(width="wide")
    refused("FeatureStoreException", group.insert, text)
    refused("FeatureStoreException", group.insert, flowers().drop(columns="width"))
    refused("FeatureStoreException", group.insert, flowers().assign(more=1))
    keyless = flowers().astype({"flower_id": "Int64"})
    keyless.loc[0, "flower_id"] = None
    refused("ValueError", group.insert, keyless)
    same(group.read(), flowers())


@scenario
def columns_and_descriptions_are_added_later(space: Space) -> None:
    group = space.filled()
    appended = group.get_feature("width").__class__("height", "double")
    group.append_features(appended)
    group.update_description("Flowers of a garden")
    group.update_feature_description("width", "in cm")
    found = space.store.get_feature_group(group.name, version=1)
    assert found.description == "Flowers of a garden"
    assert found.get_feature("width").description == "in cm"
    assert found.read()["height"].isna().all()
    found.insert(flowers(8).tail(2).assign(height=1.5))
    assert found.read()["height"].sum() == 3.0


@scenario
def versions_of_a_group_are_apart(space: Space) -> None:
    space.filled()
    second = space.store.create_feature_group(
        space.name("flowers"), primary_key=["flower_id"], event_time="seen_at"
    )
    second.insert(flowers(2))
    assert second.version == 2
    found = space.store.get_feature_groups(space.name("flowers"))
    assert {group.version: len(group.read()) for group in found} == {1: 6, 2: 2}


@scenario
def a_group_that_a_view_reads_is_not_deleted(space: Space) -> None:
    group = space.filled()
    view = space.view(group)
    refused("RestAPIError", group.delete)
    view.delete()
    group.delete()
    assert space.store.get_feature_group(space.name("flowers"), version=1) is None
    same(space.filled(flowers(2)).read(), flowers(2))


@scenario
def a_group_is_found_by_its_tags_value(space: Space) -> None:
    group = space.filled()
    group.add_tag("owner", {"name": "garden"})
    group.add_tag("season", "spring")
    assert group.get_tag("owner") is not None
    assert set(group.get_tags()) == {"owner", "season"}
    group.delete_tag("season")
    assert set(group.get_tags()) == {"owner"}
