"""A monitor's numbers come from predictions that were joined with their outcomes."""

import datetime as dt
import json

import pandas as pd
import pytest

from fti import monitor
from fti.classification import Task
from fti.models import ModelFiles
from fti.monitor import Shown
from fti.published import to_json

DAY = dt.date(2026, 1, 31)
COINS = Task(
    use_case="coins", entity="coin", entities="coins", label="side", recipe="coins-1",
    outcomes={0: "heads", 1: "tails"},
)  # fmt: skip
FRUIT = Task(
    use_case="fruit", entity="fruit", entities="fruits", label="kind", recipe="fruit-1",
    outcomes={"apple": "apples", "fig": "figs", "pear": "pears"},
)  # fmt: skip
SHOWN = Shown(
    title="Coins: which side",
    drift_columns=("width",),
    describe=lambda rows: {"coin": rows["coin_id"]},
    groups=lambda rows: {"size": rows["width"].gt(5).map({True: "large", False: "small"})},
    models={"majority": "always the same guess"},
)
SCORES = {"accuracy": 0.8, "auc": 0.9, "log_loss": 0.4, "brier": 0.1}
RECORD = {
    "recipe": "coins-1", "rows": 60, "date": "2026-01-30", "training_dataset_version": 1,
    "repeats": 10, "verdict": "accepted: no version to beat yet",
    "baselines": {"majority": {"accuracy": 0.6, "auc": 0.5, "log_loss": 0.7, "brier": 0.2}},
}  # fmt: skip


def predictions(**columns):
    """Four predictions on two days; the last has no outcome yet."""
    table = {
        "coin_id": [1, 2, 3, 4],
        "model_version": [1, 1, 1, 1],
        "predicted_at": pd.to_datetime(["2026-01-30", "2026-01-30", "2026-01-31", "2026-01-31"]),
        "probability": [0.25, 0.75, 0.5, 0.5],
        "predicted": [0, 1, 1, 1],
        "outcome": [0.0, 0.0, 1.0, None],
    }
    return pd.DataFrame(table | columns)


def fruits():
    """Three predictions among three labels, one of them wrong."""
    return pd.DataFrame(
        {
            "fruit_id": [1, 2, 3],
            "model_version": 1,
            "predicted_at": pd.Timestamp(DAY),
            "p_apple": [0.5, 0.25, 0.25],
            "p_fig": [0.25, 0.5, 0.25],
            "p_pear": [0.25, 0.25, 0.5],
            "predicted": ["apple", "fig", "pear"],
            "outcome": ["apple", "fig", "fig"],
        }
    )


@pytest.fixture
def current(tmp_path):
    """A model of which only the record is there."""
    (tmp_path / "training.json").write_text(json.dumps(RECORD))
    return ModelFiles(
        name="coins", version=2, folder=tmp_path, metrics=SCORES, manifest={}, created=None
    )


def coins(n=60, kind="real", first=1):
    """n coins, half of them tails."""
    return pd.DataFrame(
        {
            "coin_id": range(first, first + n),
            "recorded_at": pd.Timestamp(DAY, tz="UTC"),
            "width": [float(k % 10) for k in range(n)],
            "side": [k % 2 for k in range(n)],
            "is_synthetic": kind == "synthetic",
        }
    )


def guessed(table, version=2, day=DAY):
    """A prediction of each coin: more tails among wide ones."""
    tails = table["width"] >= 5
    return pd.DataFrame(
        {
            "coin_id": table["coin_id"],
            "model_version": version,
            "predicted_at": pd.Timestamp(day),
            "probability": tails.map({True: 0.75, False: 0.25}),
            "predicted": tails.astype("int64"),
            "is_synthetic": table["is_synthetic"],
        }
    )


def test_scores_count_all_predictions_and_score_those_with_an_outcome():
    found = monitor.scores(COINS, predictions())
    confusion, reliability = found.pop("confusion"), found.pop("reliability")
    assert found == {
        "predictions": 4,
        "outcomes": 3,
        "accuracy": pytest.approx(2 / 3),
        "auc": 0.5,
        "log_loss": pytest.approx(0.7890, abs=1e-4),
        "brier": pytest.approx((0.0625 + 0.5625 + 0.25) / 3),
        "majority": pytest.approx(2 / 3),
        "calibration_error": pytest.approx(0.5),
    }
    assert [(row["actual"], row["predicted"], row["n"]) for row in confusion] == [
        (0, 0, 1), (0, 1, 1), (1, 0, 0), (1, 1, 1),
    ]  # fmt: skip
    assert sum(row["n"] for row in reliability) == 3


def test_several_labels_are_scored_by_all_their_probabilities():
    found = monitor.scores(FRUIT, fruits())
    assert (found["accuracy"], found["majority"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    wrong = 0.25**2 + 0.75**2 + 0.5**2
    assert found["brier"] == pytest.approx((2 * (0.5**2 + 2 * 0.25**2) + wrong) / 3)
    # each claims one half for what it says, and two of three are right
    assert found["calibration_error"] == pytest.approx(2 / 3 - 0.5)
    counts = {(row["actual"], row["predicted"]): row["n"] for row in found["confusion"]}
    assert counts["fig", "pear"] == 1 and len(counts) == 9


@pytest.mark.parametrize("rows", [4, 0])
def test_without_outcomes_there_are_only_counts(rows):
    table = predictions(outcome=[None] * 4).head(rows)
    assert monitor.scores(COINS, table) == {"predictions": rows, "outcomes": 0}
    assert monitor.history(COINS, table) == []
    assert monitor.previous(COINS, table, 1) is None
    assert monitor.running([]) == {"day": [], "accuracy": [], "majority": []}


def test_history_has_a_row_per_day_and_version():
    later = predictions(model_version=2, predicted_at=pd.Timestamp("2026-01-31"))
    assert monitor.history(COINS, pd.concat([predictions(), later], ignore_index=True)) == [
        {"day": "2026-01-30", "model_version": 1, "n": 2, "accuracy": 0.5, "brier": 0.3125}
        | {"counts": {"0": 2, "1": 0}},
        {"day": "2026-01-31", "model_version": 1, "n": 1, "accuracy": 1.0, "brier": 0.25}
        | {"counts": {"0": 0, "1": 1}},
        {"day": "2026-01-31", "model_version": 2, "n": 3, "accuracy": pytest.approx(2 / 3)}
        | {"brier": pytest.approx(0.875 / 3), "counts": {"0": 2, "1": 1}},
    ]


def test_history_keeps_the_newest_days():
    newest = monitor.history(COINS, predictions(), days=1)
    assert [row["day"] for row in newest] == ["2026-01-31"]


def test_running_scores_are_of_all_predictions_up_to_a_day():
    assert monitor.running(monitor.history(COINS, predictions())) == {
        "day": ["2026-01-30", "2026-01-31"],
        "accuracy": [0.5, pytest.approx(2 / 3)],
        "majority": [1.0, pytest.approx(2 / 3)],
    }


def test_versions_are_compared_on_the_rows_that_both_predicted():
    better = predictions(model_version=3, probability=[0.0, 0.0, 1.0, 1.0]).tail(3)
    better["predicted"] = [0, 1, 1]
    both = pd.concat([predictions(model_version=2), better], ignore_index=True)
    assert monitor.previous(COINS, both, 3) == {
        "version": 2,
        "n": 2,
        "accuracy": 0.5,
        "brier": pytest.approx((0.5625 + 0.25) / 2),
        "current_accuracy": 1.0,
        "current_brier": 0.0,
    }
    assert monitor.previous(COINS, both, 2) is None


def test_predictions_and_outcomes_meet_by_key_whatever_their_order():
    shuffled = guessed(coins()).sample(frac=1, random_state=0)
    joined = monitor.join_outcomes(COINS, coins(), shuffled).set_index("coin_id")
    assert joined["outcome"].to_dict() == coins().set_index("coin_id")["side"].to_dict()


def test_the_newest_of_each_kind_come_first():
    table = pd.concat([coins(), coins(70, "synthetic", 100)], ignore_index=True)
    both = pd.concat([guessed(table, 1), guessed(table, 2)])
    newest = monitor.newest(COINS, monitor.join_outcomes(COINS, table, both), 2)
    assert list(newest["coin_id"]) == [169, 169, 168, 168, 60, 60, 59, 59]
    assert list(newest["model_version"]) == [2, 1] * 4


def test_the_files_score_the_current_version_and_remember_the_others(current):
    table = pd.concat([coins(), coins(70, "synthetic", 100)], ignore_index=True)
    before = guessed(coins(), 1, DAY - dt.timedelta(days=1))
    guesses = pd.concat([before, guessed(table)], ignore_index=True)
    published = monitor.files(COINS, SHOWN, current, table, guesses, DAY)
    summary = published["monitor.json"]
    assert summary["labels"] == [{"value": 0, "name": "heads"}, {"value": 1, "name": "tails"}]
    assert (summary["model"]["version"], summary["model"]["rows"]) == (2, 60)
    assert [summary[kind]["outcomes"] for kind in ("real", "synthetic")] == [60, 70]
    assert [row["model_version"] for row in summary["real"]["history"]] == [1, 2]
    assert (summary["real"]["previous"]["n"], summary["synthetic"]["previous"]) == (60, None)
    assert [row["group"] for row in summary["real"]["groups"]["size"]] == ["large", "small"]
    assert len(published["monitor.parquet"]) == 60 + 60 + 70
    assert [row["feature"] for row in summary["drift"]] == ["width"]
    for text in (
        "best baseline 0.700",
        "always the same guess",
        "Accepted: no version",
        "polyline",
    ):
        assert text in published["report.html"]


def test_without_synthetic_rows_the_report_says_so(current):
    published = monitor.files(COINS, SHOWN, current, coins(), guessed(coins()), DAY)
    assert published["monitor.json"]["synthetic"] == {
        "predictions": 0, "outcomes": 0, "history": [], "previous": None,
    }  # fmt: skip
    assert published["monitor.json"]["drift"] == []
    assert "Nothing to compare yet." in published["report.html"]
    assert published["report.html"].count("No outcomes yet.") == 1


def test_without_predictions_or_outcomes_the_report_says_so(current):
    none = monitor.files(COINS, SHOWN, current, coins(), guessed(coins()).head(0), DAY)
    assert none["monitor.json"]["real"]["predictions"] == 0 and none["monitor.parquet"].empty

    unknown = coins().assign(side=float("nan"))
    pending = monitor.files(COINS, SHOWN, current, unknown, guessed(coins()), DAY)
    assert pending["monitor.json"]["real"]["predictions"] == 60
    assert pending["monitor.json"]["real"]["outcomes"] == 0
    for published in (none, pending):
        assert published["report.html"].count("No outcomes yet.") == 2


def test_freshness_says_when_the_next_run_is_expected():
    assert monitor.freshness(DAY, pd.Timestamp("2026-01-31 06:00", tz="UTC")) == {
        "run_date": "2026-01-31",
        "newest_row": "2026-01-31T06:00:00+00:00",
        "next_run_expected": "2026-02-01T00:00:00+00:00",
        "stale_after": "2026-02-02T00:00:00+00:00",
    }
    every_hour = monitor.freshness(DAY, None, every_hours=1)
    assert every_hour["newest_row"] is None
    assert every_hour["next_run_expected"] == "2026-01-31T01:00:00+00:00"


def test_everything_can_be_published_as_json():
    found = [
        monitor.scores(COINS, predictions(outcome=0)),  # no AUC without both outcomes
        monitor.history(COINS, predictions()),
        monitor.freshness(DAY, pd.NaT),
    ]
    assert "NaN" not in to_json(found)
