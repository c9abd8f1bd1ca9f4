"""The numbers say what the estimators say, in every hour, without the libraries they came from."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aurora import features, model, sample, scoring
from aurora.sites import SITES
from fti import trees
from fti.models import ModelError
from fti.training import check_equal

START, END = (pd.Timestamp(day, tz="UTC") for day in ("2025-01-01", "2026-01-01"))
HEAVY = ("sklearn", "xgboost", "ephem", "scipy", "httpx")
NUMBERS = [*features.KP, "kp_age_h", *features.WEATHER]


@pytest.fixture(scope="module")
def table():
    """The first six days of each month of the sample's 2025 over Kiruna."""
    kiruna = SITES["kiruna"]
    labels = features.labels_while_watched(sample.labels(START, END, kiruna), kiruna)
    labels = labels[labels["time"].dt.day <= 6].reset_index(drop=True)
    hours = pd.DatetimeIndex(labels["time"])
    known = sample.kp(START, END), sample.weather(START, END, kiruna), features.observed_at(hours)
    return features.build_features("kiruna", hours, *known, labels)


@pytest.fixture(scope="module")
def watched(table):
    return table[table["aurora"] != "unknown"]


@pytest.fixture(scope="module")
def seen(watched):
    return (watched["aurora"] == "yes").astype(int)


@pytest.fixture(scope="module")
def ours(watched, seen):
    return model.candidate().fit(watched, seen)


@pytest.fixture(scope="module")
def compared(watched, seen):
    """The baselines that are estimators, fitted."""
    return {name: one.fit(watched, seen) for name, one in model.baselines().items()}


@pytest.fixture(scope="module")
def folder(ours, table, tmp_path_factory):
    """A folder with both files."""
    folder = tmp_path_factory.mktemp("model")
    (folder / scoring.SCORER).write_bytes(scoring.save_scorer(model.scorer_of(ours)))
    content = scoring.save_baselines(model.fit_baselines(table))
    (folder / scoring.BASELINES).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def scorer(folder):
    return scoring.load_scorer(folder)


@pytest.fixture(scope="module")
def loaded(folder):
    return scoring.load_baselines(folder)


def wild(table, seed, count, unknown):
    """Some rows of a table with other numbers, unknown ones, strange icons and aged indices."""
    rng = np.random.default_rng(seed)
    rows = table.sample(count, replace=True, random_state=seed).reset_index(drop=True)
    for name in NUMBERS:
        other = rng.choice([0, 1e6, 5, 10, 100, 0.5], count)
        rows[name] = rows[name].where(rng.random(count) > 0.1, other)
        rows[name] = rows[name].mask(rng.random(count) < unknown)
    rows["icon"] = rows["icon"].mask(rng.random(count) < unknown, "unknown")
    return rows


def test_the_numbers_say_what_the_model_says(ours, scorer, table):
    check_equal(ours.predict_proba(table), scorer.predict_proba(table))
    assert scorer.predict_proba(table)[:, 1].max() > 0.5


@pytest.fixture(scope="module")
def compare(ours, scorer, compared, loaded, table):
    """A function that compares both forms on `wild` rows (hypothesis shows what it is given)."""

    def both(*chosen):
        rows = wild(table, *chosen)
        check_equal(ours.predict_proba(rows), scorer.predict_proba(rows))
        for name, fitted in compared.items():
            given = fitted.predict_proba(rows)[:, 1]
            np.testing.assert_array_equal(getattr(loaded, name)(rows), given)

    return both


@given(st.integers(0, 2**32 - 1), st.integers(1, 90), st.sampled_from([0, 0.3, 0.9, 1]))
@settings(deadline=None, max_examples=25)
def test_they_do_for_rows_with_anything_unknown_or_strange(compare, seed, count, unknown):
    compare(seed, count, unknown)


@pytest.mark.parametrize("name", model.CANDIDATES)
def test_every_candidate_has_numbers(name, watched, seen, tmp_path):
    fitted = model.candidate(name).set_params(calibrate=False).fit(watched[::3], seen[::3])
    (tmp_path / scoring.SCORER).write_bytes(scoring.save_scorer(model.scorer_of(fitted)))

    scorer = scoring.load_scorer(tmp_path)

    check_equal(fitted.predict_proba(watched), scorer.predict_proba(watched))
    assert len(scorer.blind.members) == len(model.CANDIDATES[name])


def test_votes_outside_0_to_1_are_clipped_after_the_mean():
    node = np.zeros(1, "int32")
    members = (
        trees.Trees(node, node, node, node, node, node > 0, np.array([value]), 0.0, False)
        for value in (1.25, -0.15)
    )
    table = pd.DataFrame({name: [0.0] for name in [*NUMBERS, *features.SKY, "equinox"]})
    above, below = members
    assert scoring.Vote((above, below)).probability(table) == pytest.approx([0.55])
    assert scoring.Vote((above,)).probability(table) == [1.0]
    assert scoring.Vote((below,)).probability(table) == [0.0]


def test_by_day_nothing_is_seen_and_no_rows_have_no_probability(scorer, loaded, table):
    june = table[table["valid_hour"].dt.month == 6]
    assert len(june) == 144 and (june["sun_altitude"] > features.WATCHED_SUN).all()
    np.testing.assert_array_equal(scorer.predict_proba(june), [[1.0, 0.0]] * len(june))
    nothing = table.head(0)
    assert scorer.predict_proba(nothing).shape == (0, 2)
    assert loaded.seed_tree(nothing).shape == loaded.climatology(nothing).shape == (0,)
    assert loaded.persistence([]).shape == (0,)


def test_rows_may_stand_in_any_order_with_other_columns(scorer, loaded, table):
    other = table[sorted(table.columns, reverse=True)].drop(columns="aurora").iloc[::-1]
    backwards = scorer.predict_proba(table)[::-1]
    np.testing.assert_allclose(scorer.predict_proba(other), backwards, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(loaded.seed_tree(other), loaded.seed_tree(table)[::-1])


def test_persistence_is_the_share_after_the_same_sky(loaded, table):
    states, hours = scoring.states_a_day_before(table), table["valid_hour"]
    noon = table["valid_hour"].dt.day.eq(3) & table["valid_hour"].dt.hour.eq(12)
    yesterday = table[hours.isin(hours[noon] - scoring.DAY)]
    np.testing.assert_array_equal(states[noon], yesterday["aurora"])
    assert (states[hours.dt.day == 1] == "unknown").all()

    known = (table["aurora"] != "unknown").to_numpy()
    for state in features.STATES:
        share = (table["aurora"][known & (states == state)] == "yes").mean()
        assert loaded.persistence([state, state]) == pytest.approx([share, share])


def test_persistence_takes_no_other_words(loaded):
    with pytest.raises(ValueError, match="states are yes, no, unknown, not None, maybe"):
        loaded.persistence(["yes", "maybe", None])


def test_the_day_before_is_that_of_the_same_site(table):
    both = pd.concat([table, table.assign(site="abisko", aurora="no")], ignore_index=True)
    states = scoring.states_a_day_before(both)
    np.testing.assert_array_equal(states[: len(table)], scoring.states_a_day_before(table))
    assert set(states[len(table) :]) == {"no", "unknown"}


def test_a_state_that_was_never_met_has_the_share_of_all_hours():
    share = scoring.shares_by_state(np.array(["yes", "yes", "no", "no"]), np.array([1, 1, 1, 0]))
    np.testing.assert_array_equal(share, [1.0, 0.5, 0.75])
    with pytest.raises(ValueError, match="no hours"):
        scoring.shares_by_state(np.array([]), np.array([]))


def test_forecasting_imports_none_of_the_libraries_that_fitted(folder, scorer, loaded, table):
    rows = table.tail(72)
    rows.to_parquet(folder / "rows.parquet")
    code = f"""if True:
        import sys
        from pathlib import Path
        import numpy, pandas
        from aurora import scoring
        folder = Path({str(folder)!r})
        rows = pandas.read_parquet(folder / "rows.parquet")
        baselines = scoring.load_baselines(folder)
        p = scoring.load_scorer(folder).predict_proba(rows)[:, 1]
        given = [p, baselines.seed_tree(rows), baselines.climatology(rows),
                 baselines.persistence(scoring.states_a_day_before(rows))]
        numpy.save(folder / "given.npy", given)
        print(*set({HEAVY!r}) & set(sys.modules))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    states = scoring.states_a_day_before(rows)
    expected = [scorer.predict_proba(rows)[:, 1], loaded.seed_tree(rows), loaded.climatology(rows)]
    found = np.load(folder / "given.npy")
    np.testing.assert_array_equal(found, [*expected, loaded.persistence(states)])


def test_the_files_are_small(folder):
    assert (folder / scoring.SCORER).stat().st_size < 1_000_000
    assert (folder / scoring.BASELINES).stat().st_size < 50_000


@pytest.mark.parametrize("name", [scoring.SCORER, scoring.BASELINES])
def test_a_damaged_or_foreign_file_is_one_sentence(folder, name, tmp_path):
    load = {scoring.SCORER: scoring.load_scorer, scoring.BASELINES: scoring.load_baselines}[name]
    other = {scoring.SCORER: scoring.BASELINES, scoring.BASELINES: scoring.SCORER}[name]
    whole = (folder / name).read_bytes()
    with pytest.raises(ModelError, match=rf"{name} is missing: run the training pipeline again"):
        load(tmp_path)
    for content in (b"", whole[: len(whole) // 2], (folder / other).read_bytes()):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=rf"{name} is damaged or of another model"):
            load(tmp_path)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda arrays: {k: v for k, v in arrays.items() if not k.startswith("blind")},
        lambda arrays: {k: v for k, v in arrays.items() if k != "curve"},
        lambda arrays: arrays | {"curve": np.arange(3.0)},
        lambda arrays: arrays | {"blind.9.net.weights": np.arange(3.0)},
        lambda arrays: arrays | {"informed.0.linear.weights": np.ones((2, 2))},
        lambda arrays: {f"0.{k}": v for k, v in arrays.items()},
    ],
    ids=["half", "no curve", "long curve", "strange member", "no vector", "other names"],
)
def test_arrays_that_are_no_scorer_are_refused(scorer, spoil, tmp_path):
    (tmp_path / scoring.SCORER).write_bytes(trees.save(spoil(scorer.to_arrays())))
    with pytest.raises(ModelError, match="damaged or of another model"):
        scoring.load_scorer(tmp_path)


def test_shares_of_another_shape_are_refused(loaded, tmp_path):
    arrays = {"by_hour": loaded.by_hour[:, :5], "by_state": loaded.by_state}
    content = trees.save(arrays | trees.pack({"tree": loaded.tree}))
    (tmp_path / scoring.BASELINES).write_bytes(content)
    with pytest.raises(ModelError, match="12 months, 24 hours and 3 states"):
        scoring.load_baselines(tmp_path)
