import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from fti.models import ModelError
from housing import comparables, model, scoring
from tests.housing.generated import bare, sales


@pytest.fixture(scope="module")
def made():
    return sales(500, seed=2)


@pytest.fixture(scope="module")
def scorer(made):
    return model.candidate().fit(made.head(420)).scorer()


@pytest.fixture(scope="module")
def past(scorer, made):
    return scorer.past(made.head(420))


@pytest.fixture
def folder(tmp_path, scorer, made):
    (tmp_path / scoring.SCORER).write_bytes(scoring.save_scorer(scorer))
    (tmp_path / scoring.KNOWN_SALES).write_bytes(scoring.save_sales(made.head(420)))
    return tmp_path


def test_saved_and_loaded_it_values_the_same(folder, scorer, past, made):
    again = scoring.load_scorer(folder)
    found = again.value(made.tail(50), scoring.load_past(folder, again))
    pd.testing.assert_frame_equal(found, scorer.value(made.tail(50), past))


def test_one_flat_is_valued_as_among_others(scorer, past, made):
    batch = scorer.value(made, past)
    for row in (0, 250, 499):
        pd.testing.assert_frame_equal(scorer.value(made.iloc[[row]], past), batch.iloc[[row]])


def test_chunks_equal_the_whole(scorer, past, made, monkeypatch):
    whole = scorer.value(made, past)
    monkeypatch.setattr(scoring, "CHUNK", 100)
    pd.testing.assert_frame_equal(scorer.value(made, past), whole)


def test_no_rows_give_no_values(scorer, past, made):
    assert scorer.value(made.head(0), past).columns.tolist() == list(scoring.RESULTS)


def test_contributions_sum_up_to_the_value(scorer, past, made):
    rows = made.tail(80)
    money = scorer.contributions(rows, past)
    assert np.allclose(money.sum(axis=1), scorer.value(rows, past)["value"], rtol=1e-9)
    assert list(money) == ["usual", *scoring.INPUTS]


def test_a_larger_flat_owes_it_to_its_size(scorer, past):
    small, large = (
        scorer.contributions(bare(living_area_m2=area), past).iloc[0] for area in (30.0, 100.0)
    )
    assert small["size"] < 0 < large["size"]


def test_the_own_price_is_not_looked_at(scorer, past, made):
    rows = made.tail(20)
    changed = scorer.value(rows.assign(price=np.nan), past)
    pd.testing.assert_frame_equal(changed, scorer.value(rows, past))


def test_comparable_sales_were_known_and_are_near(past, made):
    rows = made.tail(2)
    found = scoring.comparable_sales(rows, past, k=5)
    assert found["row"].tolist() == [0] * 5 + [1] * 5
    assert found["rank"].tolist() == [1, 2, 3, 4, 5] * 2
    assert (found["sold_on"] <= rows["sold_on"].min() - comparables.KNOWN_AFTER).all()
    assert found.groupby("row")["weight"].sum().to_numpy() == pytest.approx([1, 1])
    assert (found["metres"] < 3000).all()


def test_price_today_moves_an_old_price_with_the_market(scorer, past, made):
    found = scoring.comparable_sales(made.tail(50), past, k=5)
    aged = found["price_today"] / found["price"]
    level = past.level.market
    assert aged.between(np.exp(level.min() - level.max()), np.exp(level.max() - level.min())).all()


def test_later_sales_teach_without_another_model(scorer, past, made):
    """A market 30 % dearer than at training is seen in the sales that became known since."""
    later = made.tail(80)
    rise = pd.concat([made.head(420), later.assign(price=later["price"] * 1.3)])
    day = later["sold_on"].max() + 2 * comparables.KNOWN_AFTER
    flat = later.tail(20).assign(sold_on=day)
    before, after = (scorer.predict(flat, of) for of in (past, scorer.past(rise)))
    assert np.median(after / before) > 1.08


def test_scoring_imports_neither_xgboost_nor_scikit_learn(folder):
    code = (
        "import sys; from pathlib import Path; from housing import scoring\n"
        f"scorer = scoring.load_scorer(Path({str(folder)!r}))\n"
        f"past = scoring.load_past(Path({str(folder)!r}), scorer)\n"
        "scorer.value(past.known.sales.tail(2), past)\n"
        "assert not {'xgboost', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_missing_or_damaged_file_says_what_to_do(folder, scorer):
    (folder / scoring.SCORER).write_bytes(b"no arrays")
    with pytest.raises(ModelError, match="run the training pipeline again"):
        scoring.load_scorer(folder)
    (folder / scoring.KNOWN_SALES).unlink()
    with pytest.raises(ModelError, match=r"known_sales\.parquet is missing"):
        scoring.load_past(folder, scorer)
