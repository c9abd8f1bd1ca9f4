"""The table of sales: what is kept, what becomes unknown, and who a sale is."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti import quality
from housing import table


def rows(**columns):
    """Give rows as a source reads them; what is not said is usual."""
    count = max((len(values) for values in columns.values()), default=1)
    usual = {
        "sold_on": "2021-10-13",
        "price": 4e6,
        "currency": "SEK",
        "living_area_m2": 40.0,
        "street": "storgatan",
        "number": "5b",
        "source": "csv",
    }
    given = {name: [value] * count for name, value in usual.items()} | columns
    return pd.DataFrame(given, index=range(1, count + 1))


def test_a_finished_table_has_all_columns_and_passes_its_schema():
    sales = table.finish(rows(price=[4e6, 5e6]))
    assert list(sales.columns) == list(table.COLUMNS)
    quality.check(sales, table.schema(), "sales")
    assert sales.dtypes.astype(str).to_dict() == table.COLUMNS
    assert sales["association"].tolist() == ["unknown", "unknown"]
    assert sales["address"].tolist() == ["storgatan 5b"] * 2
    assert sales["extra_area_m2"].tolist() == [0.0, 0.0]


def test_a_table_without_rows_is_one():
    assert table.finish(rows().iloc[:0]).dtypes.equals(table.empty().dtypes)


def test_places_are_in_lower_case_and_days_are_midnights():
    sales = table.finish(rows(street=["Storgatan"], district=["Ås"], sold_on=["2021-10-13 14:05"]))
    assert sales.loc[0, ["street", "district"]].tolist() == ["storgatan", "ås"]
    assert sales["sold_on"][0] == pd.Timestamp("2021-10-13", tz="UTC")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("living_area_m2", 0.0),
        ("living_area_m2", 4_000.0),
        ("living_area_m2", np.nan),
        ("price", 1.0),
        ("price", 40e9),
        ("price", np.inf),
        ("sold_on", None),
        ("sold_on", "1875-01-01"),
        ("sold_on", "2999-01-01"),
    ],
)
def test_a_sale_that_cannot_be_is_left_out_and_told(column, value):
    sales = table.finish(rows(**{column: [value, rows().at[1, column]]}))
    assert len(sales) == 1
    (problem,) = table.problems(sales)
    assert (problem["row"], problem["column"], problem["dropped"]) == (1, column, True)


@pytest.mark.parametrize(
    ("column", "value"),
    [("floor", 1702.0), ("year_built", 3000.0), ("rooms", 99.0), ("fee", -1.0), ("balcony", 2.0)],
)
def test_a_value_that_cannot_be_becomes_unknown_and_is_told(column, value):
    sales = table.finish(rows(**{column: [value]}))
    assert np.isnan(sales[column][0])
    (problem,) = table.problems(sales)
    assert (problem["column"], problem["dropped"]) == (column, False)
    assert problem["reason"] == table.RANGES[column].why


def test_a_price_is_judged_by_its_currency_and_area():
    cheap = table.finish(rows(price=[30_000.0], currency=["EUR"]))
    assert len(cheap) == 1
    dear = table.finish(rows(price=[30e6, 4e6], living_area_m2=[20.0, 40.0]))
    assert table.problems(dear)[0]["reason"].endswith("600,000 SEK/m²")
    assert len(dear) == 1


def test_a_flat_is_not_sold_long_before_its_house_is_built():
    sales = table.finish(rows(year_built=[2026.0, 2030.0]))
    assert sorted(sales["year_built"].dropna()) == [2026.0]


def test_half_a_point_and_the_corner_of_the_map_are_unknown():
    points = {"latitude": [59.3, 0.0, 59.3], "longitude": [np.nan, 0.0, 18.0]}
    sales = table.finish(rows(floor=[1.0, 2.0, 3.0], **points))
    assert sales["latitude"].count() == sales["longitude"].count() == 1
    assert len(table.problems(sales)) == 2


def test_a_listing_is_a_row_without_a_price():
    sales = table.finish(rows(price=[np.nan, 4e6]))
    assert len(table.sold(sales)) == len(table.for_sale(sales)) == 1


def test_equal_rows_count_once():
    sales = table.finish(rows(price=[4e6, 4e6]))
    assert len(sales) == 1
    assert table.problems(sales)[0]["reason"] == "the same row is there already"


def test_sales_alike_in_all_that_identifies_them_are_told_apart():
    sales = table.finish(rows(floor=[2.0, 3.0]))
    assert sales["sale_id"].nunique() == 2


def test_an_identity_of_the_source_is_kept_and_its_second_row_left_out():
    sales = table.finish(rows(sale_id=["booli:1", "booli:1", "booli:2"], floor=[1.0, 2.0, 3.0]))
    assert sorted(sales["sale_id"]) == ["booli:1", "booli:2"]
    assert "identity" in table.problems(sales)[0]["reason"]


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(6)), st.lists(st.sampled_from([1.0, 2.0]), min_size=6, max_size=6))
def test_identities_do_not_depend_on_the_order_of_rows(order, floors):
    given = rows(floor=floors, fee=[float(place) for place in range(6)])
    shuffled = given.iloc[order].set_axis(given.index)
    one, other = table.finish(given), table.finish(shuffled)
    pd.testing.assert_frame_equal(one.sort_values("fee", ignore_index=True),
                                  other.sort_values("fee", ignore_index=True))  # fmt: skip


def test_tables_put_together_have_each_sale_once():
    one, other = table.finish(rows(price=[4e6, 5e6])), table.finish(rows(price=[5e6, 0.0]))
    both = table.together([one, other], ["a.csv", "b.csv"])
    assert sorted(both["price"]) == [4e6, 5e6]
    assert table.problems(both)[0]["row"] == "b.csv:2"
    assert table.together([]).empty


def test_problems_survive_what_is_done_to_a_table_and_are_not_copied():
    sales = table.finish(rows(floor=[99.0, 1.0]))
    filtered = sales[sales["price"] > 0].assign(price=1.0)
    assert filtered.attrs["problems"] is sales.attrs["problems"]


def test_problems_are_counted_by_reason():
    noted = table.Problems()
    for row in (1, 2):
        noted.add(row, "floor", "x" * 200, "it is not a floor")
    noted.add(3, "price", "0", "it is missing", dropped=True)
    lines = noted.by_reason()
    assert lines["count"].tolist() == [2, 1]
    assert lines["dropped"].tolist() == [0, 1]
    assert len(lines["value"][0]) < 100
    assert table.Problems().by_reason().empty
