"""A day stores the sales and listings that are new, once, with coordinates and the economy."""

import json
import logging
from datetime import date, timedelta

import pandas as pd
import pytest

import fti
from fti import runs
from fti.errors import SourceError, UserError
from housing import feature_pipeline, groups, macro, sample, table

FIRST = date(2025, 3, 10)
RATE = "date;value;published\n2025-01-01;2.5;2025-01-01\n2025-03-05;2.25;2025-03-05\n"
YEARS = "date;value;change;published\n2024-01-01;8.4;1.0;2025-03-08\n"


@pytest.fixture(autouse=True)
def no_economy(home, monkeypatch):
    """Do not ask for series on the web unless a test says where they are."""
    monkeypatch.setenv("HOUSING_MACRO", "none")


@pytest.fixture
def write(tmp_path):
    """A function that writes some days of the sample as a file, with changes; gives its path."""

    def made(name="sales.parquet", days=20, **changes):
        rows = sample.sales(FIRST - timedelta(days=days - 1), FIRST + timedelta(days=1), per_day=2)
        rows.assign(**changes).to_parquet(tmp_path / name)
        return str(tmp_path / name)

    return made


def run(source, day=FIRST):
    feature_pipeline.main(source, day)
    return runs.recent(fti.login(), 1).iloc[0]


def sales():
    return groups.read(fti.login().get_feature_store(), groups.SALES)


def commits():
    group = fti.login().get_feature_store().get_feature_group("housing_sales", version=1)
    return len(group.commit_details())


def test_sales_are_stored_once_with_all_columns(home, write):
    first, again = run(write()), run(write())
    stored = sales()
    assert first["rows_in"] == first["rows_out"] == len(stored) > 20
    assert again["rows_out"] == 0 and commits() == 1
    assert list(stored) == [*table.COLUMNS, *macro.SERIES]
    assert stored["sold_on"].is_monotonic_increasing


def test_nothing_later_than_the_date_enters(home, write):
    run(write(), FIRST - timedelta(days=5))
    assert sales()["sold_on"].max().date() <= FIRST - timedelta(days=5)
    run(write(), FIRST)
    assert sales()["sold_on"].max().date() > FIRST - timedelta(days=5)


def test_a_source_whose_sales_are_all_later_is_one_sentence(home, write):
    with pytest.raises(SourceError, match=r"has no sale of 2020-01-01 or before.*--date"):
        run(write(), date(2020, 1, 1))
    assert sales().empty


def test_a_corrected_price_is_stored(home, write):
    run(write())
    dearer = pd.read_parquet(write("dearer.parquet"))
    dearer.loc[3, "price"] += 10_000
    dearer.to_parquet(write("dearer.parquet"))
    path = write("other.parquet", price=dearer["price"])
    assert run(path)["rows_out"] == 1
    assert sales().set_index("sale_id")["price"][dearer["sale_id"][3]] == dearer["price"][3]


def test_the_economy_is_what_was_published_by_the_day(home, write, tmp_path, monkeypatch):
    (tmp_path / "historicalInterest.csv").write_text(RATE)
    for name in ("historicalGDP.csv", "historicalUnemployment.csv"):
        (tmp_path / name).write_text(YEARS)
    monkeypatch.setenv("HOUSING_MACRO", str(tmp_path))
    run(write(source="csv"))
    stored = sales().set_index("sold_on")
    assert set(stored.loc[:"2025-03-04", "policy_rate"]) == {2.5}
    assert set(stored.loc["2025-03-05":, "policy_rate"]) == {2.25}
    assert stored.loc[:"2025-03-07", "unemployment"].isna().all()
    assert set(stored.loc["2025-03-08":, "unemployment"]) == {8.4}


def test_without_the_economy_a_warning_says_so_and_what_is_stored_stays(
    home, write, tmp_path, monkeypatch, caplog
):
    path = write(source="csv")
    run(path, FIRST - timedelta(days=5))
    known = sales()
    assert known[list(macro.SERIES)].isna().all(axis=None)
    monkeypatch.setenv("HOUSING_MACRO", "sample")
    run(path, FIRST - timedelta(days=5))
    known = sales()
    assert known["policy_rate"].notna().all()
    monkeypatch.setenv("HOUSING_MACRO", str(tmp_path / "nowhere"))
    with caplog.at_level(logging.WARNING):
        run(path)
    assert caplog.text.count("New sales are stored without the economy of their day") == 1
    stored = sales()
    assert len(stored) > len(known)
    assert stored.head(len(known))["policy_rate"].equals(known["policy_rate"])
    assert stored.tail(len(stored) - len(known))["policy_rate"].isna().all()


def test_swedish_series_say_nothing_of_sales_in_euros(home, write, monkeypatch):
    monkeypatch.setenv("HOUSING_MACRO", "sample")
    euros = pd.read_parquet(write())["price"] / 10
    run(write("euros.parquet", currency="EUR", source="csv", price=euros))
    assert sales()["policy_rate"].isna().all()


def test_missing_coordinates_come_from_the_table_of_addresses(home, write, tmp_path, monkeypatch):
    rows = pd.read_parquet(write())
    book = rows[["street", "number", "municipality", "latitude", "longitude"]].head(5)
    book.to_csv(tmp_path / "addresses.csv", index=False)
    monkeypatch.setenv("HOUSING_ADDRESSES", str(tmp_path / "addresses.csv"))
    path = write("blind.parquet", latitude=float("nan"), longitude=float("nan"), source="csv")
    run(path)
    stored = sales().set_index("sale_id")["latitude"]
    first = rows.set_index("sale_id")["latitude"].head(5)
    assert stored[first.index].to_numpy() == pytest.approx(first.to_numpy(), abs=1e-4)
    found = groups.read(fti.login().get_feature_store(), groups.GEOCODES)
    assert found["found"].sum() >= 5 and not found["found"].all()
    assert run(path)["rows_out"] == 0
    again = groups.read(fti.login().get_feature_store(), groups.GEOCODES)
    assert len(again) == len(found)


def test_flats_for_sale_are_kept_apart(home, tmp_path):
    rows = table.together([sample.sales("2025-03-01", "2025-03-11"), sample.listings(FIRST)])
    rows.to_parquet(tmp_path / "both.parquet")
    run(str(tmp_path / "both.parquet"))
    listed = groups.read(fti.login().get_feature_store(), groups.LISTINGS)
    assert len(listed) == rows["price"].isna().sum() and listed["price"].isna().all()
    assert not set(listed["sale_id"]) & set(sales()["sale_id"])


def test_the_run_keeps_what_was_left_out_and_why(home, write):
    path = write(days=20, rooms=99.0)
    said = json.loads(run(path)["details"])
    assert said["read"] == len(sales()) and said["left_out"] == 0
    (problem,) = said["problems"]
    assert problem["reason"].startswith("rooms: ") and problem["n"] == said["read"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"source": "csv"}, "the sample's sales"), ({"currency": "EUR"}, "sales in SEK")],
)
def test_what_does_not_belong_together_is_refused(home, write, changes, words):
    run(write())
    before = sales()
    with pytest.raises(UserError, match=f"{words}.*FTI_PROJECT"):
        run(write("other.parquet", price=500_000.0, **changes))
    assert sales().equals(before)


def test_a_row_stored_with_two_days_counts_with_the_later_one(home, store):
    rows = sample.sales("2025-03-01", "2025-03-03").assign(**dict.fromkeys(macro.SERIES, 1.0))
    groups.add(store, groups.SALES, rows)
    later = rows.head(1).assign(sold_on=(rows["sold_on"] + pd.Timedelta(days=9)).dt.as_unit("us"))
    groups.add(store, groups.SALES, later)
    stored = groups.read(store, groups.SALES)
    assert len(stored) == len(rows) and stored["sale_id"].iloc[-1] == rows["sale_id"][0]
