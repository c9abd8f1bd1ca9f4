"""The model: dark hours only, calibrated, sure of the index only while it is known."""

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone

from aurora import evaluation, model, sample
from aurora.features import WATCHED_SUN, without_kp
from aurora.sites import SITES

START, END = (pd.Timestamp(day, tz="UTC") for day in ("2025-09-01", "2025-12-01"))


@pytest.fixture(scope="module")
def table():
    """Three months of the sample with what was known of the index when they were over."""
    kiruna = SITES["kiruna"]
    found = {
        "kp": sample.kp(START, END),
        "weather": sample.weather(START, END, kiruna),
        "labels": sample.labels(START, END, kiruna),
    }
    observed = evaluation.observed_and_known(found)["observed"]
    return observed[observed["aurora"] != "unknown"].reset_index(drop=True)


@pytest.fixture(scope="module")
def seen(table):
    return (table["aurora"] == "yes").astype(int)


@pytest.fixture(scope="module")
def ours(table, seen):
    return model.candidate().fit(table, seen)


def probability(fitted, table):
    return fitted.predict_proba(table)[:, 1]


def test_by_day_nothing_is_seen(ours, table):
    p = probability(ours, table)
    day = table["sun_altitude"] >= WATCHED_SUN
    assert day.any() and (p[day] == 0).all()
    assert ((p[~day] > 0) & (p[~day] < 1)).all()


def test_daylight_teaches_nothing(ours, table, seen):
    night = table["sun_altitude"] < WATCHED_SUN
    again = model.candidate().fit(table[night], seen[night])
    np.testing.assert_array_equal(probability(again, table), probability(ours, table))


def test_columns_are_found_by_name(ours, table):
    shuffled = table[sorted(table.columns, reverse=True)].drop(columns="aurora")
    np.testing.assert_array_equal(ours.predict_proba(shuffled), ours.predict_proba(table))


def test_fitting_again_gives_the_same(ours, table, seen):
    again = clone(ours).fit(table, seen)
    np.testing.assert_array_equal(again.predict_proba(table), ours.predict_proba(table))


def test_a_storm_under_a_clear_sky_is_likelier_than_cloud_or_quiet(ours, table):
    dark = table[table["sun_altitude"] < -15]

    def mean(kp, cloud):
        known = dict.fromkeys(("kp", "kp_max_12h", "kp_mean_24h"), kp)
        clouds = dict.fromkeys(("cloud_cover", "cloud_mean_3h", "cloud_min_3h"), cloud)
        return probability(ours, dark.assign(**known, **clouds, kp_age_h=0.0)).mean()

    assert mean(5.0, 0.0) > 1.5 * mean(1.0, 0.0)
    assert mean(5.0, 0.0) > 2 * mean(5.0, 100.0)


def test_what_is_long_ago_known_of_the_index_moves_nothing(ours, table):
    old = table.assign(kp_age_h=10_000.0)
    never = without_kp(table).assign(kp_age_h=np.nan)
    np.testing.assert_allclose(probability(ours, old), probability(ours, never), atol=1e-12)
    assert np.abs(probability(ours, old) - probability(ours, table)).max() > 0.05


def test_no_rows_and_rows_of_daylight(ours, table):
    day = table[table["sun_altitude"] > 0]
    assert ours.predict_proba(table.head(0)).shape == (0, 2)
    assert (ours.predict(day) == 0).all()


def test_calibration_mends_what_is_too_sure_or_too_high():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.02, 0.98, 4000)
    y = (rng.random(4000) < p).astype(int)
    twisted = 1 / (1 + np.exp(-(2 * model.log_odds(p) + 1)))

    slope, intercept = model.logistic_curve(twisted, y)

    assert slope == pytest.approx(0.5, abs=0.07) and intercept == pytest.approx(-0.5, abs=0.15)
    assert model.logistic_curve(p, y) == pytest.approx((1, 0), abs=0.1)


def test_calibration_of_few_hours_changes_little():
    slope, intercept = model.logistic_curve(np.array([0.9, 0.8, 0.2]), np.array([0, 0, 1]))
    assert slope == pytest.approx(1, abs=0.25) and intercept == pytest.approx(0, abs=0.25)


def test_probabilities_of_unseen_weeks_come_true(table, seen):
    week = (table["valid_hour"] - START).dt.days // 7
    test = (week % 3 == 0).to_numpy()
    fitted = model.candidate().fit(table[~test], seen[~test])
    dark = test & (table["sun_altitude"] < -6).to_numpy()
    p, y = probability(fitted, table[dark]), seen[dark]
    assert p.mean() == pytest.approx(y.mean(), abs=0.05)
    high, low = p > 0.5, p < 0.2
    assert y[high].mean() > 0.55 and y[low].mean() < 0.2


@pytest.mark.parametrize("name", model.CANDIDATES)
def test_saved_model_predicts_the_same_and_needs_only_the_named_trust(name, table, seen, tmp_path):
    path = tmp_path / "model.skops"
    fitted = model.candidate(name).set_params(calibrate=False).fit(table, seen)
    skops.io.dump(fitted, path)

    again = skops.io.load(path, trusted=list(model.TRUSTED))

    assert set(skops.io.get_untrusted_types(file=path)) <= set(model.TRUSTED)
    np.testing.assert_array_equal(again.predict_proba(table), fitted.predict_proba(table))


def test_the_seed_tree_sees_kp_visibility_and_icon_only(table, seen):
    tree = model.SeedTree().fit(table, seen)
    assert list(model.seed_columns(table))[:3] == ["kp", "visibility_km", "clear-day"]
    assert len(model.seed_columns(table).columns) == 11
    other = table.assign(sun_altitude=0.0, cloud_cover=0.0, magnetic_hour=0.0)
    np.testing.assert_array_equal(tree.predict_proba(other), tree.predict_proba(table))
    gaps = table.assign(visibility_km=table["visibility_km"].mask(table.index % 2 == 0))
    assert np.isfinite(model.SeedTree().fit(gaps, seen).predict_proba(gaps)).all()


def test_the_seed_tree_does_without_visibility_where_nobody_tells_it(table, seen):
    without = table.assign(visibility_km=np.nan)
    only_no = table.assign(visibility_km=table["visibility_km"].where(seen == 0))
    for rows in (without, only_no):
        p = probability(model.SeedTree().fit(rows, seen), rows)
        assert np.isfinite(p).all() and p.mean() == pytest.approx(seen.mean())
    untold = model.fit_baselines(without)
    np.testing.assert_array_equal(
        untold.seed_tree(without), probability(model.SeedTree().fit(without, seen), without)
    )


def test_climatology_is_the_share_of_the_hour_in_the_month(table, seen):
    fitted = model.Climatology().fit(table, seen)
    november = (table["valid_hour"].dt.month == 11) & (table["valid_hour"].dt.hour == 22)
    share, p = seen[november].mean(), probability(fitted, table[november])
    assert (p == p[0]).all() and p[0] == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize(
    ("month", "seen_months", "like"),
    [(11, range(1, 11), 1), (12, range(1, 11), 1), (3, range(1, 11), 3), (7, (1, 4, 5), 5)],
)
def test_a_month_never_seen_is_like_the_one_with_the_same_sun(month, seen_months, like):
    assert model.nearest_month(month, seen_months) == like
