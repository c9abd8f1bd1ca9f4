"""Of a value of the economy nothing is known before it was published."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fti.errors import SourceError, SourceUnreachable
from housing import macro
from housing.feeds import riksbank, scb
from tests.housing import test_riksbank, test_scb

FAST = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
DAYS = pd.date_range("2018-01-01", "2024-12-31", freq="D", tz="UTC", unit="us")
FILES = {
    "historicalInterest.csv": "date;value\n2022-11-30;2.50\n2022-09-21;1.75\n2022-12-26;2.64\n",
    "historicalUnemployment.csv": "date;value;change\n2022-01-01;7.10;-1.56\n2021-01-01;8.66;.37",
    "historicalGDP.csv": "date;value;change\n2021-01-01;627.44;4.80\n2020-01-01;541.49;-2.94\n",
}


def day(text):
    return pd.Timestamp(text, tz="UTC")


def rows(*values):
    """Give a macro table of (series, period, published_at, value)."""
    table = pd.DataFrame(values, columns=list(macro.COLUMNS))
    return table.assign(
        period=[day(text) for text in table["period"]],
        published_at=[day(text) for text in table["published_at"]],
    ).astype(macro.COLUMNS)


@pytest.fixture
def files(tmp_path):
    """A folder with the three files."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def tables():
    """Any table of values, each published some days after its period began."""
    row = st.tuples(
        st.sampled_from(macro.SERIES),
        st.integers(0, len(DAYS) - 400),
        st.integers(0, 399),
        st.floats(-5, 20),
    )
    return st.lists(row, max_size=30, unique_by=lambda drawn: drawn[:3]).map(
        lambda drawn: pd.DataFrame(
            [(name, DAYS[start], DAYS[start + lag], value) for name, start, lag, value in drawn],
            columns=list(macro.COLUMNS),
        ).astype(macro.COLUMNS)
    )


@FAST
@given(table=tables(), place=st.integers(0, len(DAYS) - 1), other=st.floats(-5, 20), data=st.data())
def test_what_is_published_after_a_day_changes_nothing_for_that_day(table, place, other, data):
    at = DAYS[place]
    later = table["published_at"] > at
    changed = table.assign(value=table["value"].mask(later, other))
    gone = changed[~later | data.draw(st.booleans())]
    pd.testing.assert_frame_equal(macro.as_of(gone, [at]), macro.as_of(table, [at]))


@FAST
@given(table=tables(), data=st.data())
def test_the_order_of_the_values_does_not_matter(table, data):
    mixed = table.iloc[data.draw(st.permutations(range(len(table))))]
    pd.testing.assert_frame_equal(macro.as_of(mixed, DAYS[::50]), macro.as_of(table, DAYS[::50]))


@FAST
@given(table=tables(), place=st.integers(0, len(DAYS) - 1))
def test_a_value_is_one_that_was_published_by_then_and_not_long_ago(table, place):
    at = DAYS[place]
    known = macro.as_of(table, [at]).iloc[0].dropna()
    for series, value in known.items():
        age = (
            at - table.loc[(table["series"] == series) & (table["value"] == value), "published_at"]
        )
        assert ((age >= pd.Timedelta(0)) & (age <= macro.COUNTS_FOR[series])).any()


@FAST
@given(places=st.lists(st.integers(0, len(DAYS) - 1), max_size=10), table=tables())
def test_each_day_is_answered_by_itself(places, table):
    days = DAYS[places]
    together = macro.as_of(table, days)
    assert together.index.equals(days) and list(together) == list(macro.SERIES)
    alone = [macro.as_of(table, [at]).to_numpy() for at in days]
    np.testing.assert_array_equal(together.to_numpy(), np.array(alone).reshape(len(days), 3))


def test_a_value_counts_from_the_day_of_its_publication():
    table = rows(("unemployment", "2021-08-01", "2021-09-18", 8.5))
    known = macro.as_of(table, ["2021-09-17", "2021-09-18", "2022-10-01", "2024-01-01", None])
    assert known["unemployment"].fillna(-1).tolist() == [-1, 8.5, 8.5, -1, -1]
    assert known[["policy_rate", "gdp_growth"]].isna().all(axis=None)


def test_an_old_period_told_late_does_not_replace_a_newer_one():
    table = rows(
        ("gdp_growth", "2021-04-01", "2021-08-29", 9.0),
        ("gdp_growth", "2021-01-01", "2021-10-01", 1.0),
    )
    assert macro.as_of(table, ["2021-12-01"])["gdp_growth"].tolist() == [9.0]


def test_without_values_nothing_is_known():
    assert macro.as_of(macro.empty(), ["2021-01-01"]).isna().all(axis=None)
    assert macro.read("none", "2026-01-01").empty


def test_files_are_read_by_what_was_published(files):
    table = macro.read(str(files), "2026-11-21")
    assert table.dtypes.astype(str).to_dict() == macro.COLUMNS
    said = table.assign(
        period=table["period"].dt.strftime("%Y-%m-%d"),
        published_at=table["published_at"].dt.strftime("%Y-%m-%d"),
    )
    assert said.to_numpy().tolist() == [
        ["gdp_growth", "2020-01-01", "2021-03-01", -2.94],
        ["gdp_growth", "2021-01-01", "2022-03-01", 4.80],
        ["policy_rate", "2022-09-21", "2022-09-21", 1.75],
        ["policy_rate", "2022-11-30", "2022-11-30", 2.50],
        ["unemployment", "2021-01-01", "2022-01-18", 8.66],
    ]


def test_guesses_of_the_files_are_left_out_and_said(files, caplog):
    with caplog.at_level(logging.WARNING):
        macro.read(str(files), "2026-11-21")
    assert "historicalInterest.csv: 1 values of after 2022-12-26 are guesses" in caplog.text
    assert "historicalUnemployment.csv: 1 values" in caplog.text
    assert "historicalGDP.csv: " not in caplog.text


def test_a_file_that_says_when_values_were_published_is_believed(files):
    text = "date;change;published\n2023-01-01;-0.3;2024-02-29\n"
    (files / "historicalGDP.csv").write_text(text)
    table = macro.read(str(files), "2026-11-21")
    known = macro.as_of(table, ["2024-02-28", "2024-02-29"])["gdp_growth"]
    assert known.fillna(0).tolist() == [0, -0.3]


def test_nothing_is_read_that_comes_after_the_day(files):
    table = macro.read(str(files), "2022-03-01")
    assert table["published_at"].max() == day("2022-03-01")
    assert set(table["series"]) == {"gdp_growth", "unemployment"}


@pytest.mark.parametrize(
    ("series", "text", "said"),
    [
        ("policy_rate", "<html>", "this is a web page"),
        ("policy_rate", "date;value\n", "it has no rows"),
        ("policy_rate", "", "this is not CSV"),
        ("policy_rate", "date;rate\n2022-01-01;1", "there is no column value"),
        ("gdp_growth", "date;value\n2022-01-01;630", "there is no column change"),
        ("policy_rate", "date;value\n2022-01-01;1;2", "line 2 has 3 values, the header 2"),
        ("policy_rate", "date;value\n1 januari;1", "expected a day like 2026-01-31"),
        ("policy_rate", "date;value\n2022-01-01;", "value is null at place 0"),
        ("policy_rate", "date;value\n2022-01-01;1,5", "value has '1,5' at place 0"),
        ("policy_rate", "date;value\n2022-01-01;nan", "value has 'nan' at place 0"),
        ("unemployment", "date;value\n2022-01-01;630", "value has '630' at place 0"),
        ("unemployment", "date;value\n2022-02-01;8", "expected years"),
        ("unemployment", "date;value\n2022-01-01;8\n2022-01-01;8", "2022-01-01 is there twice"),
        ("unemployment", "date;value;published\n2022-01-01;8;2021-12-31", "before its period"),
    ],
)
def test_a_file_that_cannot_be_is_refused(series, text, said):
    with pytest.raises(SourceError, match=f"^the.csv: .*{said}"):
        macro.parse_file(text.encode(), "the.csv", series)


@FAST
@given(junk=st.binary(max_size=100) | st.text(alphabet="0123456789-;.\n datevlu", max_size=80))
def test_any_bytes_are_rows_or_a_sentence(junk):
    data = junk if isinstance(junk, bytes) else b"date;value\n" + junk.encode()
    try:
        table = macro.parse_file(data, "the.csv", "policy_rate")
    except SourceError as error:
        assert str(error).startswith("the.csv: ") and "\n" not in str(error)
    else:
        assert table["value"].between(*macro.BOUNDS["policy_rate"]).all()


def test_a_folder_without_the_files_is_said(tmp_path):
    with pytest.raises(SourceError, match=r"historicalInterest\.csv: there is no such file"):
        macro.read(str(tmp_path), "2026-01-01")
    with pytest.raises(SourceError, match="there is no such folder; correct HOUSING_MACRO"):
        macro.read(str(tmp_path / "none"), "2026-01-01")


def test_files_beside_the_sales_are_found(files, monkeypatch):
    sales = files / "sales.csv"
    sales.write_text("street\n")
    assert macro.chosen(str(sales)) == macro.chosen(str(files)) == str(files)
    assert macro.chosen("sample") == "sample"
    assert macro.chosen("web") == "none"
    assert macro.chosen("booli:1") == "web"
    monkeypatch.setenv("HOUSING_MACRO", "elsewhere")
    assert macro.chosen(str(sales)) == "elsewhere"


def test_sales_without_files_beside_them_take_the_web(tmp_path):
    (tmp_path / "sales.csv").write_text("street\n")
    assert macro.chosen(str(tmp_path / "sales.csv")) == "web"


@pytest.fixture
def web(service, monkeypatch):
    """Riksbank and SCB on this machine."""
    monkeypatch.setattr(
        riksbank,
        "URL",
        service.answer("/rate", test_riksbank.written(test_riksbank.observations())),
    )
    monkeypatch.setattr(scb, "URL", f"{service.address}/v2")
    monkeypatch.setattr(scb, "URL_V1", f"{service.address}/v1")
    quarters = [f"{year}K{quarter}" for year in (2020, 2021) for quarter in (1, 2, 3, 4)]
    gdp = test_scb.dataset(codes=quarters, values=[1e6] * 4 + [1.02e6, 1.1e6, 1.05e6, None])
    months = [f"2021M{month:02}" for month in range(1, 13)]
    jobs = test_scb.dataset(scb.UNEMPLOYMENT, months, np.arange(12) / 4 + 7)
    service.answer(f"/v1/{scb.GDP.path}", json.dumps(gdp).encode())
    service.answer(f"/v1/{scb.UNEMPLOYMENT.path}", json.dumps(jobs).encode())
    return service


def test_from_the_web_growth_is_over_the_year_and_all_counts_from_its_publication(web):
    table = macro.read("web", "2022-11-30", retries=0)
    growth = table[table["series"] == "gdp_growth"]
    assert growth["value"].round(6).tolist() == [2.0, 10.0, 5.0]
    assert growth["published_at"].dt.strftime("%m-%d").tolist() == ["05-30", "08-29", "11-29"]
    known = macro.as_of(table, ["2021-08-28", "2021-08-29", "2021-02-17", "2021-02-18"])
    assert known["gdp_growth"].round(6).tolist()[:2] == [2.0, 10.0]
    assert known["unemployment"].fillna(0).tolist() == [8.5, 8.5, 0, 7.0]
    assert macro.as_of(table, ["2022-11-29", "2022-11-30"])["policy_rate"].tolist() == [1.75, 2.5]


def test_a_web_that_does_not_answer_is_said_with_what_to_do(web, monkeypatch):
    monkeypatch.setattr(riksbank, "URL", web.answer("/rate", status=503))
    with pytest.raises(SourceUnreachable, match=r"out of service.*HOUSING_MACRO, or set it to"):
        macro.read("web", "2022-11-30", retries=0)


def test_the_sample_is_the_same_whenever_it_is_read():
    early, late = (macro.read("sample", until) for until in ("2020-06-01", "2026-11-21"))
    pd.testing.assert_frame_equal(
        early, late[late["published_at"] <= day("2020-06-01")].reset_index(drop=True)
    )
    assert macro.as_of(late, ["2026-11-21"]).notna().all(axis=None)


def test_the_shared_files_tell_what_was_known_of_the_last_sale(shared):
    table = macro.read(macro.chosen(str(shared / "stockholm_sales.csv")), "2026-11-21")
    known = macro.as_of(table, ["2021-10-13"]).iloc[0].to_dict()
    assert known == {"policy_rate": 0.0, "unemployment": 8.29, "gdp_growth": -2.94}
