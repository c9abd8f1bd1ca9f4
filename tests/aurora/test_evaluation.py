"""Scores are of later hours than those trained on, and mean what they say."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from aurora import evaluation, sample, sources
from aurora.sites import SITES
from fti.quality import DataError

START, END = (pd.Timestamp(day, tz="UTC") for day in ("2025-09-01", "2025-12-01"))
UNTIL, FROM = "2025-10-31", "2025-11-01"


@pytest.fixture(scope="module")
def season():
    """Autumn 2025 of the sample."""
    kiruna = SITES["kiruna"]
    return {
        "kp": sample.kp(START, END),
        "weather": sample.weather(START, END, kiruna),
        "labels": sample.labels(START, END, kiruna),
    }


@pytest.fixture(scope="module")
def found(season):
    return evaluation.evaluate(season, UNTIL, FROM)


def test_the_promised_scores_are_there_and_are_json(found):
    promised = ("auc", "average_precision", "brier", "dark_auc", "dark_brier_skill")
    for scores in (found, *(found[name] for name in ("seed_tree", "climatology", "persistence"))):
        assert all(np.isfinite(scores[name]) for name in promised)
    assert set(found["by_lead"]) == {"0", "6", "24", "72"}
    json.dumps(found, allow_nan=False)


def test_ours_beats_the_baselines_on_the_sample(found):
    for name in ("seed_tree", "climatology", "persistence"):
        assert found["dark_auc"] > found[name]["dark_auc"]
        assert found["brier"] < found[name]["brier"]
    assert found["dark_brier_skill"] > 0.1 and found["climatology"]["dark_brier_skill"] == 0


def test_labels_of_the_scored_hours_do_not_reach_the_forecasts(season):
    tables = evaluation.observed_and_known(season)
    hour = tables["observed"]["valid_hour"]
    train, test = hour < FROM, hour >= FROM
    honest = evaluation.forecasts(tables, train, test)
    turned = {
        name: table.assign(aurora=table["aurora"].mask(test, "yes"))
        for name, table in tables.items()
    }
    told = evaluation.forecasts(turned, train, test)
    columns = [name for name in honest if name not in ("seen", "persistence")]
    pd.testing.assert_frame_equal(honest[columns], told[columns])


def test_index_of_later_hours_does_not_reach_a_row_with_a_lead(season):
    tables = evaluation.observed_and_known(season)
    noon = pd.Timestamp("2025-11-10T12:00", tz="UTC")
    other = season["kp"].assign(value=season["kp"]["value"].mask(season["kp"]["time"] >= noon, 9))
    changed = evaluation.observed_and_known(season | {"kp": other})
    for lead in evaluation.LEADS:
        before, after = tables[f"lead_{lead}"], changed[f"lead_{lead}"]
        early = before["valid_hour"] <= noon + pd.Timedelta(hours=lead)
        pd.testing.assert_frame_equal(before[early], after[early])
        assert (before["issued_at"] == before["valid_hour"] - pd.Timedelta(hours=lead)).all()
        assert not before["kp"].equals(after["kp"])


def test_every_row_is_issued_before_its_lead_and_weather_stays_as_observed(season):
    tables = evaluation.observed_and_known(season)
    weather = ["cloud_cover", "visibility_km", "sun_altitude", "aurora"]
    for lead in evaluation.LEADS:
        pd.testing.assert_frame_equal(tables[f"lead_{lead}"][weather], tables["observed"][weather])


def test_hours_that_are_trained_on_are_not_scored(season):
    with pytest.raises(DataError, match="also trained on"):
        evaluation.evaluate(season, "2025-11-01", "2025-11-01")


def test_periods_without_hours_are_refused(season):
    with pytest.raises(DataError, match="to score"):
        evaluation.evaluate(season, UNTIL, "2026-05-01")
    with pytest.raises(DataError, match="to train on"):
        evaluation.evaluate(season, "2020-01-01", FROM)


def test_one_day_follows_from_the_other(season, found):
    short = {name: table[table["time"] < "2025-11-20"] for name, table in season.items()}
    until, start = (evaluation.evaluate(short, *days) for days in ((UNTIL, None), (None, FROM)))
    assert until == start
    for name in ("trained_until", "from"):
        assert until[name] == found[name]
    assert found["trained_until"] == "2025-10-31T23:00:00+00:00"
    assert found["from"] == "2025-11-01T00:00:00+00:00"


def test_without_days_the_last_quarter_of_the_dark_is_scored(season):
    table = evaluation.observed_and_known(season)["observed"]
    train, test = evaluation.split(table)
    first = table.loc[test, "valid_hour"].min()
    assert first.hour == 12
    assert table.loc[train, "valid_hour"].max() == first - pd.Timedelta(hours=25)
    dark = (table["sun_altitude"] < evaluation.DARK) & evaluation.is_watched(table)
    assert 0.25 <= (test & dark).sum() / dark.sum() < 0.27
    assert not evaluation.lacking(table, train) and not evaluation.lacking(table, test)
    few = table["valid_hour"] < "2025-09-05"
    assert evaluation.lacking(table, few).endswith("of them with aurora")
    nothing = table.assign(aurora="unknown")
    assert not any(rows.any() for rows in evaluation.split(nothing))


def test_stored_hours_are_evaluated_as_their_sources_are(season):
    tables = evaluation.observed_and_known(season)
    table = tables["observed"]
    again = evaluation.with_leads(table, evaluation.stored_kp(table))
    for name, expected in tables.items():
        pd.testing.assert_frame_equal(again[name][120:], expected[120:])


def test_a_day_is_whole_at_both_ends(season):
    found = evaluation.evaluate(season, UNTIL, FROM, FROM)
    unknown = (season["labels"]["aurora"] == "unknown") & season["labels"][
        "time"
    ].dt.normalize().eq(pd.Timestamp(FROM, tz="UTC"))
    assert found["rows"]["hours"] == 24 - unknown.sum()
    assert found["auc"] is found["spread"]["auc"] is None  # an overcast day, and no second one
    json.dumps(found, allow_nan=False)


def test_rolling_forecasts_each_month_from_those_before(season):
    found = evaluation.rolling(season)
    assert list(found["by_month"]) == ["2025-10", "2025-11"]
    assert found["rows"]["hours"] > 1300
    assert list(evaluation.rolling(season, until="2025-10-31")["by_month"]) == ["2025-10"]
    with pytest.raises(DataError, match="no month"):
        evaluation.rolling(season, until="2025-09-30")


def given_rows(p, seen, dark=True):
    hours = pd.date_range(START, periods=len(p), freq="h")
    return pd.DataFrame({"valid_hour": hours, "seen": seen, "dark": dark, "ours": p}).assign(
        climatology=np.mean(seen)
    )


def test_scores_of_a_perfect_a_constant_and_a_wrong_forecast():
    seen = np.array([0, 1] * 50)
    perfect, constant, wrong = (
        evaluation.scores(given_rows(p, seen), "ours") for p in (seen, np.full(100, 0.5), 1 - seen)
    )
    assert perfect["auc"] == perfect["max_tss"] == perfect["brier_skill"] == 1
    assert constant["auc"] == 0.5 and constant["brier_skill"] == constant["max_tss"] == 0
    assert wrong["auc"] == wrong["max_tss"] == 0 and wrong["brier_skill"] == -3


def test_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(1)
    p = rng.random(500)
    seen = (rng.random(500) < p).astype(int)
    dark = rng.random(500) < 0.5
    found = evaluation.scores(given_rows(p, seen, dark), "ours")
    assert found["auc"] == pytest.approx(roc_auc_score(seen, p))
    assert found["dark_auc"] == pytest.approx(roc_auc_score(seen[dark], p[dark]))


def test_what_cannot_be_scored_is_none():
    found = evaluation.scores(given_rows(np.full(9, 0.1), np.zeros(9, dtype=int)), "ours")
    assert found["auc"] is found["average_precision"] is found["max_tss"] is None
    assert found["brier"] == pytest.approx(0.01)


def test_persistence_is_the_share_after_the_same_sky(season):
    table = evaluation.observed_and_known(season)["observed"]
    train, test = table["valid_hour"] < FROM, table["valid_hour"] >= FROM
    p = pd.Series(evaluation.persistence(table, train, test))
    before = table["aurora"].shift(24)[test].reset_index(drop=True)
    assert p.groupby(before).nunique().max() == 1
    assert p[before == "yes"].iloc[0] > p[before == "no"].iloc[0]


def test_the_course_data_up_to_mid_october(shared):
    """Rolling months of the real season: floors well below what was measured (README)."""
    tables = {
        "kp": sources.read_kp(str(shared)),
        "weather": sources.read_weather(str(shared)),
        "labels": sources.read_labels(str(shared)),
    }
    found = evaluation.rolling(tables)
    assert found["auc"] > 0.94 and found["average_precision"] > 0.78 and found["brier"] < 0.08
    assert found["dark_auc"] > 0.82 and found["dark_brier_skill"] > 0.15
    assert found["seed_tree"]["auc"] < 0.72
    assert found["by_lead"]["72"]["auc"] > 0.93
