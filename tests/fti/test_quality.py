"""Schema checks, drift, scores and the champion gate."""

import math

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import binomtest, ks_2samp
from sklearn.metrics import brier_score_loss, confusion_matrix, log_loss, roc_auc_score

from fti import quality
from fti.errors import UserError

PASSENGERS = pa.DataFrameSchema(
    {
        "passenger_id": pa.Column(int),
        "age": pa.Column(float, pa.Check.in_range(0, 100), nullable=True),
        "sex": pa.Column(str, pa.Check.isin(["female", "male"])),
    },
    checks=[pa.Check(lambda t: ~(t["age"] >= t["passenger_id"] * 50), name="age below id")],
    unique=["passenger_id"],
    strict=True,
)

numbers = st.lists(st.floats(-1e6, 1e6) | st.none(), min_size=1, max_size=60)
categories = st.lists(st.sampled_from("abcdef") | st.none(), min_size=1, max_size=60)
scored_rows = st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=80)


def rng(seed=0):
    return np.random.default_rng(seed)


# Schema checks


def test_a_valid_table_passes_the_check():
    table = pd.DataFrame({"passenger_id": [1, 2], "age": [4.0, None], "sex": ["male", "female"]})
    pd.testing.assert_frame_equal(quality.check(table, PASSENGERS, "passengers"), table)


def test_all_failures_are_told_at_once_with_values_and_keys():
    table = pd.DataFrame(
        {"passenger_id": [5, 6, 7, 7], "age": [4.0, -1, 400, 2], "sex": ["male", "x", "y", "z"]}
    )
    with pytest.raises(quality.DataError) as error:
        quality.check(table, PASSENGERS, "the passengers of 2026-11-20")
    assert str(error.value).splitlines() == [
        "the passengers of 2026-11-20 fails 4 checks (4 rows):",
        "- age: in_range(0, 100), got -1.0, 400.0, in 2 rows: passenger_id=6, passenger_id=7",
        "- sex: isin(['female', 'male']), got x, y, z, "
        "in 3 rows: passenger_id=6, passenger_id=7, passenger_id=7",
        "- table: age below id, in 1 row: passenger_id=7",
        "- table: multiple_fields_uniqueness, in 2 rows: passenger_id=7, passenger_id=7",
    ]


def test_missing_and_surplus_columns_are_named():
    table = pd.DataFrame({"passenger_id": [1], "age": [4.0], "cabin": ["C85"]})
    with pytest.raises(quality.DataError) as error:
        quality.check(table, PASSENGERS, "passengers")
    assert "column_in_dataframe, got sex" in str(error.value)
    assert "column_in_schema, got cabin" in str(error.value)


def test_a_schema_class_and_rows_without_a_key_work_too():
    class Flowers(pa.DataFrameModel):
        petal_length: float = pa.Field(ge=0)

    with pytest.raises(UserError, match=r"petal_length: .*got -1.0, in 1 row: index f7"):
        quality.check(pd.DataFrame({"petal_length": [-1.0]}, index=["f7"]), Flowers, "flowers")


def test_many_failing_rows_are_counted_and_the_first_shown():
    table = pd.DataFrame({"x": np.arange(-10.0, 0)})
    with pytest.raises(quality.DataError) as error:
        quality.check(table, pa.DataFrameSchema({"x": pa.Column(float, pa.Check.ge(0))}), "x")
    assert "got -10.0, -9.0, -8.0, ..., in 10 rows: index 0, index 1, index 2, ..." in str(
        error.value
    )


# Drift


@given(numbers | categories)
def test_equal_samples_have_no_drift(values):
    values = pd.Series(values, dtype=object if isinstance(values[0], str) else None)
    assert quality.psi(values, values) == pytest.approx(0, abs=1e-12)
    assert quality.jensen_shannon(values, values) == pytest.approx(0, abs=1e-12)


@given(numbers, numbers)
def test_drift_statistics_of_numbers_stay_in_their_ranges(reference, current):
    reference, current = pd.Series(reference, dtype=float), pd.Series(current, dtype=float)
    assert quality.psi(reference, current) >= 0
    assert 0 <= quality.jensen_shannon(reference, current) <= 1
    distance = quality.ks(reference, current)
    assert math.isnan(distance) or 0 <= distance <= 1


@given(categories, categories)
def test_drift_statistics_of_categories_are_symmetric_and_bounded(reference, current):
    there, back = (
        quality.jensen_shannon(reference, current),
        quality.jensen_shannon(current, reference),
    )
    assert 0 <= there <= 1
    assert there == pytest.approx(back, abs=1e-9)
    assert 0 <= quality.psi(reference, current) < math.inf


@pytest.mark.filterwarnings("ignore:ks_2samp:RuntimeWarning")  # of its p-value
@settings(max_examples=50)
@given(numbers, numbers)
def test_ks_is_scipys_statistic(reference, current):
    a, b = ([v for v in values if v is not None] for values in (reference, current))
    if a and b:
        expected = ks_2samp(a, b, method="exact").statistic
        assert quality.ks(reference, current) == pytest.approx(expected)


def test_jensen_shannon_is_scipys_distance_squared():
    reference, current = list("aaabbc"), list("abbbbd")
    distance = jensenshannon([3, 2, 1, 0], [1, 4, 0, 1], base=2)
    assert quality.jensen_shannon(reference, current) == pytest.approx(distance**2)
    assert quality.jensen_shannon(list("aa"), list("bb")) == 1


def test_psi_is_the_sum_over_bins_with_half_a_row_added():
    r, c = np.array([30.5, 70.5]) / 101, np.array([60.5, 40.5]) / 101
    expected = ((c - r) * np.log(c / r)).sum()
    reference, current = ["a"] * 30 + ["b"] * 70, ["a"] * 60 + ["b"] * 40
    assert quality.psi(reference, current) == pytest.approx(expected)
    as_numbers = [0] * 30 + [1] * 70, [0] * 60 + [1] * 40
    assert quality.psi(*as_numbers) == pytest.approx(expected)


def test_psi_bins_are_fixed_by_the_reference():
    reference = rng().normal(size=1000)
    far_away = quality.psi(reference, rng(1).normal(50, 1, size=1000))
    assert far_away == pytest.approx(quality.psi(reference, rng(2).normal(90, 9, size=1000)))


def test_psi_without_drift_is_the_noise_that_is_expected():
    measured = [
        quality.psi(rng(seed).normal(size=800), rng(-seed - 1 + 10_000).normal(size=150))
        for seed in range(150)
    ]
    assert np.mean(measured) == pytest.approx(quality.psi_noise(10, 800, 150), rel=0.15)


@pytest.mark.parametrize("n", [50, 110, 1000])
def test_without_drift_few_features_raise_an_alarm(n):
    population = {
        "fare": lambda r, n: r.exponential(size=n),
        "sex": lambda r, n: r.choice(list("fm"), n),
    }
    draw = [
        pd.DataFrame(
            {
                f"{name}_{k}": f(rng(k + 1000 * m), n)
                for k in range(100)
                for name, f in population.items()
            }
        )
        for m, n in ((0, 891), (1, n))
    ]
    status = quality.drift(*draw)["status"].value_counts(normalize=True)
    assert status.get("watch", 0) <= 0.05
    assert status.get("act", 0) <= 0.01


def test_drift_tells_each_feature_its_status():
    r = rng()
    reference = pd.DataFrame(
        {
            "age": r.normal(30, 10, 900),
            "fare": r.exponential(30, 900),
            "sex": r.choice(["female", "male"], 900),
            "port": r.choice(["S", "C"], 900),
        }
    )
    current = pd.DataFrame(
        {
            "age": r.normal(30, 10, 400),
            "fare": r.exponential(60, 400),
            "sex": r.choice(["female", "male"], 400, p=[0.3, 0.7]),
            "port": r.choice(["S", "X"], 400),
        }
    )
    table = quality.drift(reference, current, ["age", "fare", "sex", "port"]).set_index("feature")
    assert table["status"].to_dict() == {
        "age": "stable",
        "fare": "act",
        "sex": "watch",
        "port": "act",
    }
    assert table["kind"].tolist() == ["number", "number", "category", "category"]
    assert table.loc["port", "unseen"] == pytest.approx(0.5, abs=0.1)
    assert table["n_reference"].tolist() == [900] * 4
    assert table["n_current"].tolist() == [400] * 4
    assert (table["watch_above"] > quality.PSI_WATCH).all()
    assert table["ks"].notna().tolist() == [True, True, False, False]
    assert table["jensen_shannon"].notna().tolist() == [False, False, True, True]


def test_values_that_went_missing_are_drift():
    reference = pd.DataFrame({"age": rng().normal(size=500)})
    current = reference.assign(age=reference["age"].where(rng().random(500) > 0.4))
    row = quality.drift(reference, current).iloc[0]
    assert (row["status"], row["missing_reference"]) == ("act", 0)
    assert row["missing_current"] == pytest.approx(0.4, abs=0.05)
    as_text = quality.drift(reference, current.astype("string").fillna("unknown")).iloc[0]
    assert as_text["missing_current"] == row["missing_current"]
    all_gone = quality.drift(reference, current.assign(age=None)).iloc[0]
    assert (all_gone["status"], all_gone["missing_current"]) == ("act", 1)
    assert math.isnan(all_gone["ks"])


@pytest.mark.parametrize("n", [0, 1, 49])
def test_a_handful_of_rows_has_no_drift_status(n):
    reference = pd.DataFrame({"age": rng().normal(size=500), "sex": ["f", "m"] * 250})
    assert set(quality.drift(reference, reference.head(n))["status"]) == {"too few rows"}


def test_many_bins_need_more_rows_than_two():
    r = rng()
    reference = pd.DataFrame({"age": r.normal(size=891), "sex": r.choice(list("fm"), 891)})
    current = pd.DataFrame({"age": r.normal(size=60), "sex": r.choice(list("fm"), 60)})
    assert quality.drift(reference, current)["status"].tolist() == ["too few rows", "stable"]


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(quality.DataError, match="the current table lacks fare"):
        quality.drift(pd.DataFrame({"fare": [1.0]}), pd.DataFrame({"age": [1.0]}), ["fare"])


@pytest.mark.parametrize(
    "dtype", ["Int64", "float32", "boolean", "category", "string", "datetime64[ns]"]
)
def test_every_kind_of_column_can_be_compared(dtype):
    values = pd.Series([0, 1, 0, 1] * 50).astype(dtype)
    with_gap = values.copy()
    if dtype != "float32":
        with_gap.iloc[0] = pd.NaT if dtype.startswith("date") else pd.NA
    row = quality.drift(pd.DataFrame({"x": values}), pd.DataFrame({"x": with_gap})).iloc[0]
    assert row["status"] == "stable"
    assert row["unseen"] == 0


def test_rates_count_missing_and_unseen_values():
    assert quality.missing_rate([1, None, 3, None]) == 0.5
    assert quality.unseen_rate(["a", "b"], ["a", "c", None, "c"]) == pytest.approx(2 / 3)
    assert quality.unseen_rate([1.0, 5.0], [0.0, 2, 5, 9, None]) == 0.5
    assert quality.unseen_rate([None, None], ["a"]) == 1
    assert math.isnan(quality.unseen_rate(["a"], [None]))
    assert math.isnan(quality.unseen_rate([1.0], [None]))
    assert quality.unseen_rate(pd.Series([None], dtype=float), [1.0]) == 1
    assert math.isnan(quality.missing_rate([]))


# Scores


def test_binary_scores_are_scikit_learns():
    p = rng().random(200)
    y = (rng(1).random(200) < p).astype(int)
    assert quality.binary_scores(y, p) == {
        "accuracy": pytest.approx(np.mean((p > 0.5) == y)),
        "auc": pytest.approx(roc_auc_score(y, p)),
        "log_loss": pytest.approx(log_loss(y, p)),
        "brier": pytest.approx(brier_score_loss(y, p)),
        "n": 200,
    }


def test_certain_and_one_sided_predictions_have_scores():
    scores = quality.binary_scores([True, True], [1.0, 0.0])
    assert math.isnan(scores.pop("auc"))
    assert scores == {
        "accuracy": 0.5,
        "brier": 0.5,
        "n": 2,
        "log_loss": pytest.approx(log_loss([1, 1], [1.0, 0.0], labels=[0, 1])),
    }


@pytest.mark.parametrize(
    ("y", "p", "says"),
    [
        ([1, 0], [0.5], "1 probabilities do not belong to 2 outcomes"),
        ([], [], "no rows"),
        ([1, 2], [0.1, 0.2], "0 or 1"),
        ([1, None], [0.1, 0.2], "0 or 1"),
        ([1, 0], [0.1, math.nan], "from 0 to 1"),
        ([1, 0], [0.1, 1.2], "from 0 to 1"),
        (["yes", "no"], [0.1, 0.2], "numbers"),
    ],
)
def test_what_cannot_be_scored_is_told(y, p, says):
    with pytest.raises(quality.DataError, match=says):
        quality.binary_scores(y, p)


def test_multiclass_scores_are_scikit_learns_in_any_label_order():
    labels = ["virginica", "setosa", "versicolor"]
    p = rng().dirichlet([1, 1, 1], size=90)
    y = rng(1).choice(labels, 90)
    by_name = np.argsort(labels)
    scores = quality.multiclass_scores(y, p, labels)
    assert scores["accuracy"] == np.mean(np.array(labels)[p.argmax(axis=1)] == y)
    assert scores["log_loss"] == pytest.approx(log_loss(y, p[:, by_name]))
    assert scores["brier"] == pytest.approx(
        brier_score_loss(y, p[:, by_name], labels=sorted(labels), scale_by_half=False)
    )
    assert scores["auc"] == pytest.approx(roc_auc_score(y, p[:, by_name], multi_class="ovr"))
    with pytest.raises(quality.DataError, match="known label"):
        quality.multiclass_scores(["rose"] * 90, p, labels)
    with pytest.raises(quality.DataError, match="sum to 1"):
        quality.multiclass_scores(y, p * 2, labels)


@given(scored_rows, st.integers(1, 20))
def test_reliability_bins_hold_every_row_once(rows, bins):
    y, p = zip(*rows, strict=True)
    table = quality.reliability_bins(y, p, bins)
    assert (len(table), table["n"].sum()) == (bins, len(rows))
    used = table[table["n"] > 0]
    assert (used["mean_predicted"] * used["n"]).sum() == pytest.approx(sum(p))
    assert (used["observed_rate"] * used["n"]).sum() == pytest.approx(sum(y))
    assert used["observed_rate"].between(used["observed_low"], used["observed_high"] + 1e-12).all()
    assert 0 <= quality.expected_calibration_error(y, p, bins) <= 1


@settings(max_examples=50)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_wilson_interval_is_scipys(hits_and_n):
    expected = binomtest(*hits_and_n).proportion_ci(method="wilson")
    assert quality.wilson_interval(*hits_and_n) == pytest.approx(tuple(expected), abs=1e-9)


def test_calibration_error_is_the_mean_gap():
    y, p = [1, 1, 0, 0], [0.9, 0.9, 0.9, 0.3]
    assert quality.expected_calibration_error(y, p) == pytest.approx(
        0.75 * abs(0.9 - 2 / 3) + 0.25 * 0.3
    )


def test_confusion_counts_each_pair_with_its_rate():
    y, predicted, labels = list("aabbb"), list("abbbb"), ["b", "a", "c"]
    table = quality.confusion(y, predicted, labels)
    counts = table.pivot(index="actual", columns="predicted", values="n")
    expected = confusion_matrix(y, predicted, labels=labels)
    assert counts.loc[labels, labels].to_numpy().tolist() == expected.tolist()
    rates = table.set_index(["actual", "predicted"])["rate"]
    assert rates["a", "b"] == 0.5
    assert rates["b", "b"] == 1
    assert rates["c"].isna().all()
    with pytest.raises(quality.DataError, match="one of b, a"):
        quality.confusion(y, ["a", "b", "b", "b", "x"], labels[:2])
    with pytest.raises(quality.DataError, match="2 predictions do not belong to 5 outcomes"):
        quality.confusion(y, ["a", "b"], labels)


def test_group_rates_keep_groups_apart_and_missing_ones_too():
    table = quality.group_rates(
        [1, 0, 1, 1], [0.6, 0.2, 0.9, 0.5], ["first", "third", "first", None]
    )
    assert table["group"].fillna("-").tolist() == ["first", "third", "-"]
    assert table["n"].tolist() == [2, 1, 1]
    assert table["observed_rate"].tolist() == [1, 0, 1]
    assert table["mean_predicted"].tolist() == [0.75, 0.2, 0.5]


# The champion gate


def gate(candidate, champion, **options):
    asked = {"metric": "auc", "higher_is_better": True} | options
    return quality.champion_gate(candidate, champion, **asked)


def test_without_a_champion_the_candidate_is_accepted():
    verdict = gate({"auc": 0.8, "brier": 0.15}, None)
    assert verdict == quality.Verdict(True, "accepted: auc 0.8000, no version to beat yet")


def test_an_equal_candidate_is_accepted():
    scores = {"auc": 0.1 + 0.2, "brier": 0.15, "n": 179}
    verdict = gate(scores, scores | {"auc": 0.3})
    assert verdict.accepted
    assert verdict.reason == (
        "accepted: auc 0.3000 against 0.3000 (may lose 0.0000), "
        "brier 0.1500 against 0.1500 (may rise 0.0100) on the same 179 rows"
    )


@pytest.mark.parametrize(
    ("candidate", "options", "reason"),
    [
        (
            {"auc": 0.79, "brier": 0.15},
            {},
            "refused: auc 0.7900 against 0.8000 (may lose 0.0000)",
        ),
        (
            {"auc": 0.801, "brier": 0.15},
            {"margin": 0.005},
            "refused: auc 0.8010 against 0.8000 (has to gain 0.0050)",
        ),
        (
            {"auc": 0.90, "brier": 0.17},
            {},
            "refused: brier 0.1700 against 0.1500 (may rise 0.0100)",
        ),
        (
            {"auc": math.nan, "brier": 0.15},
            {},
            "refused: the candidate has no usable auc (nan)",
        ),
        ({"brier": 0.15}, {}, "refused: the candidate has no usable auc"),
        (
            {"auc": 0.9, "brier": 0.1},
            {"guard": {"ece": 0.01}},
            "refused: the candidate has no usable ece",
        ),
        ({"auc": 0.9, "n": 10}, {}, "refused: not scored on the same rows (10 and None of them)"),
    ],
)
def test_the_refusal_says_why_in_numbers(candidate, options, reason):
    verdict = gate(candidate, {"auc": 0.8, "brier": 0.15}, **options)
    assert verdict == quality.Verdict(False, reason)


def test_a_candidate_with_nan_is_refused_even_without_a_champion():
    assert not gate({"auc": math.nan}, None).accepted


def test_a_champion_that_cannot_be_scored_is_told():
    verdict = gate({"auc": 0.8}, {"auc": math.inf})
    assert verdict.reason == "refused: the current version has no usable auc (inf)"


def test_lower_is_better_for_errors():
    options = {"metric": "mape", "higher_is_better": False}
    assert gate({"mape": 9.0}, {"mape": 9.5}, **options).accepted
    assert not gate({"mape": 9.6}, {"mape": 9.5}, **options).accepted
    assert gate({"mape": 9.6}, {"mape": 9.5}, margin=-0.2, **options).accepted
