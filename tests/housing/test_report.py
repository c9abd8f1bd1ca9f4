"""The page and the numbers say the same, and say plainly what is not a value of today."""

import copy
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest

from housing import groups, report, summary

SCORES = {
    "mape": 7.0, "mdape": 5.0, "within_10": 75.0, "within_20": 95.0, "coverage_90": 90.0,
    "ms_per_valuation": 2.0,
}  # fmt: skip
OF_GROUP = {name: 5.0 for name in report.RECORD} | {"n": 12}
SAID = {
    "use_case": "housing", "is_synthetic": False, "currency": "SEK",
    "model": {
        "name": "housing", "version": 3, "metrics": SCORES, "recipe": "some-1", "rows": 900,
        "trained_until": "2026-01-10", "training_dataset_version": 2,
        "verdict": "accepted: mape 7.0000, no version to beat yet",
        "held_out": SCORES | {
            "seed_xgboost": SCORES, "rows": {"train": 700, "test": 200},
            "train_until": "2025-10-01",
        },
    },
    "other_models": [{
        "name": "housing_seed_xgboost", "version": 2,
        "metrics": {name: value for name, value in SCORES.items() if name != "coverage_90"},
    }],
    "live": {
        "scored": 24, "since": "2026-01-11", **SCORES, "coverage_80": 80.0, "bias": -1.0,
        "seed_mape": 9.0, "listings_waiting": 3,
        "by_month": [{"month": "2026-01", **OF_GROUP}, {"month": "2026-02", **OF_GROUP}],
        "by_district": [{"district": "vasastan", **OF_GROUP}],
        "by_price_band": [{"price_band": "below 3,000,000", **OF_GROUP}],
    },
    "drift": [{
        "feature": "fee", "psi": 0.4, "watch_above": 0.1, "act_above": 0.3, "status": "act",
    }],
    "market": [
        {"month": "2026-01", "index": 0.97, "sales": 30},
        {"month": "2026-02", "index": 1.0, "sales": 40},
    ],
    "sources": {
        "read": 1234, "left_out": 2, "problems": [{"n": 2, "reason": "price: it is missing"}],
    },
    "freshness": {
        "run_date": "2026-02-12", "newest_row": "2026-02-11T00:00:00+00:00",
        "next_run_expected": "2026-02-13T00:00:00+00:00",
    },
    "credits": [],
}  # fmt: skip


@pytest.fixture
def said():
    """What a summary says, to be changed."""
    return copy.deepcopy(SAID)


def newest(prices=(4_000_000.0, np.nan), **changes):
    """Published valuations: one of each price."""
    n = len(prices)
    rows = pd.DataFrame(
        {
            "sale_id": [f"x:{k}" for k in range(n)], "model_version": 3, "value": 4_100_000.0,
            "low_80": 3_800_000.0, "high_80": 4_400_000.0, "low_90": 3_700_000.0,
            "high_90": 4_500_000.0, "confidence": "B",
            "sold_on": pd.to_datetime(["2026-02-01"] * n, utc=True), "address": "sveavägen 1",
            "district": "vasastan", "living_area_m2": 52.0, "rooms": 2.0, "price": prices,
        }
    )  # fmt: skip
    rows["error"] = rows["value"] / rows["price"] - 1
    return rows.assign(**changes)


def text_of(page):
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.partition("<body>")[2]))
    return unescape(text).replace("\N{NO-BREAK SPACE}", " ").replace("\N{NON-BREAKING HYPHEN}", "-")


def test_the_page_says_what_the_numbers_say(said):
    page = text_of(report.render(said, newest()))
    assert "Model version 3, trained on sales up to 2026-01-10" in page
    assert "24 sales since 2026-01-11: mean error 7.0 %, the seed's model 9.0 %" in page
    assert "2026-02 12 5.0" in page and "below 3,000,000 12" in page
    assert "4 100 000 4 000 000 2.5 yes" in page
    assert "3 800 000 to 4 400 000 B" in page
    assert "fee 0.400 0.100 0.300 act" in page
    assert "1,234 rows read, 2 of them left out." in page and "price: it is missing 2" in page
    assert "not an appraisal" in page and "this model, version 3" in page


def test_real_and_fresh_values_carry_no_warning(said):
    assert report.cautions(said) == []
    assert 'class="warn"' not in report.render(said, newest()).partition("<section")[0]


def test_the_sample_says_so_at_the_top(said):
    said["is_synthetic"] = True
    top = text_of(report.render(said, newest()).partition("<section")[0])
    assert "built-in sample: an invented market" in top


@pytest.mark.parametrize(("day", "words"), [("2025-11-01", "103 days"), ("2021-10-13", "4 years")])
def test_old_sales_say_so_at_the_top(said, day, words):
    said["freshness"]["newest_row"] = f"{day}T00:00:00+00:00"
    assert report.cautions(said) == [
        f"The newest sale is of {day}, {words} before this run: values are those of the market of "
        "that time."
    ]


def test_without_a_record_the_page_says_why(said):
    said["live"] = {"scored": 0, "since": None, "by_month": [], "listings_waiting": 0}
    page = text_of(report.render(said, newest(())))
    assert "there is no sale since the model was trained (on sales up to 2026-01-10)" in page
    assert "The source has no flat that is for sale" in page


def test_a_record_without_the_seeds_values_does_not_name_them(said):
    said["live"]["seed_mape"] = None
    assert "mean error 7.0 %; 90.0 % of prices" in text_of(report.render(said, newest()))


def test_what_is_in_data_is_escaped(said):
    evil = "<script>alert(1)</script>"
    said["sources"]["problems"][0]["reason"] = evil
    said["live"]["by_district"][0]["district"] = evil
    page = report.render(said, newest(address=evil, district=evil))
    assert "<script" not in page and "&lt;script&gt;" in page


def test_unknown_values_leave_cells_empty(said):
    page = text_of(report.render(said, newest(rooms=np.nan)))
    assert "nan" not in page.lower().split()


def test_whose_data_it_is_is_named(said):
    said["credits"] = ["Statistics Sweden, CC BY 4.0"]
    assert "Data: Statistics Sweden, CC BY 4.0." in text_of(report.render(said, newest()))


def test_published_valuations_have_their_flat_and_their_error(first_day):
    store = first_day.get_feature_store()
    made, listed = (groups.read(store, group) for group in (groups.VALUATIONS, groups.LISTINGS))
    stored = summary.Stored(groups.read(store, groups.SALES), listed, made)
    waiting = summary.valuations(stored)
    assert len(waiting) == len(made) and waiting["error"].isna().all()
    sold = listed.head(1).assign(price=5e6, policy_rate=1.0, unemployment=1.0, gdp_growth=1.0)
    sales = pd.concat([stored.sales, sold], ignore_index=True)
    found = summary.valuations(summary.Stored(sales, listed, made)).set_index("sale_id")
    row = found.loc[sold["sale_id"].item()]
    assert row["price"] == 5e6 and row["error"] == pytest.approx(row["value"] / 5e6 - 1)
    assert found["price"].notna().sum() == 1
