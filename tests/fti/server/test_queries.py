"""Queries on their way to the client and back."""

import datetime as dt
from decimal import Decimal

import pandas as pd
import pytest

from fti.embedded.feature import Logic
from fti.server.queries import (
    condition_from_json,
    logic_to_json,
    query_to_json,
    read_from_json,
    within,
)
from tests.contract.space import flowers

VALUES = {
    "flower_id": 3,
    "width": 1.5,
    "sort": "it's 100%",
    "seen_at": "2026-01-01 03:00:00.123456",
    "fresh": True,
    "day": dt.date(2026, 1, 1),
    "price": Decimal("1.50"),
    "raw": b"\x00'\xff",
}


@pytest.fixture
def group(store):
    rows = flowers().assign(
        fresh=True, day=dt.date(2026, 1, 1), price=Decimal("1.50"), raw=b"\x00'\xff"
    )
    group = store.get_or_create_feature_group(
        "flowers", 1, primary_key=["flower_id"], event_time="seen_at"
    )
    group.insert(rows)
    return group


def back(condition, group):
    return condition_from_json(logic_to_json(condition), [group]).to_dict()


@pytest.mark.parametrize("name", VALUES)
def test_a_comparison_comes_back_in_the_type_of_its_column(name, group):
    condition = group[name] >= VALUES[name]
    assert back(condition, group) == condition.to_dict()


def test_conditions_come_back_as_they_were_nested(group):
    width, sort = group["width"], group["sort"]
    either = (width > 1) | sort.isin(["setosa", "other"])
    for condition in (either & (width < group["flower_id"]), (sort == None) & either):  # noqa: E711
        assert back(condition, group) == condition.to_dict()


def test_a_value_that_does_not_fit_its_column_is_refused(group):
    wrong = logic_to_json(group["width"] > 1)
    wrong["leftFilter"]["value"] = "wide"
    with pytest.raises(Exception, match="'wide' cannot be compared with a double"):
        condition_from_json(wrong, [group])


@pytest.mark.parametrize(("start", "end", "rows"), [(0, 2, 2), (1, None, 5), (None, 3, 3)])
def test_a_time_range_goes_with_a_query_and_keeps_its_filters(start, end, rows, group, store):
    edges = [None if hour is None else 1767225600000 + hour * 3600000 for hour in (start, end)]
    query = group.select(["flower_id"]).filter(group["fresh"] == True)  # noqa: E712
    read = read_from_json(store, within(query_to_json(query), group, *edges))
    assert (read.start, read.end) == tuple(edges)
    assert not isinstance(read.query.filters, Logic)
    assert len(read.run()) == rows


def test_rows_come_in_the_order_of_their_keys_without_helper_columns(group, store):
    group.insert(group.read().head(2).assign(fresh=False))  # they move to another file
    found = read_from_json(store, query_to_json(group.select(["width", "flower_id"]))).run()
    expected = pd.DataFrame({"width": [0.5 * k for k in range(6)], "flower_id": range(6)})
    pd.testing.assert_frame_equal(found.to_pandas(), expected)
