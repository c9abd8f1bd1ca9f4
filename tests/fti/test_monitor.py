"""A monitor's numbers come from predictions that were joined with their outcomes."""

import datetime as dt

import pandas as pd
import pytest

from fti import monitor
from fti.published import to_json

DAY = dt.date(2026, 1, 31)


def predictions(**columns):
    """Four predictions on two days; the last has no outcome yet."""
    table = {
        "model_version": [1, 1, 1, 1],
        "predicted_at": pd.to_datetime(["2026-01-30", "2026-01-30", "2026-01-31", "2026-01-31"]),
        "probability": [0.25, 0.75, 0.5, 0.5],
        "predicted": [0, 1, 1, 1],
        "outcome": [0.0, 0.0, 1.0, None],
    }
    return pd.DataFrame(table | columns)


def test_scores_count_all_predictions_and_score_those_with_an_outcome():
    found = monitor.scores(predictions())
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


@pytest.mark.parametrize("rows", [4, 0])
def test_without_outcomes_there_are_only_counts(rows):
    table = predictions(outcome=[None] * 4).head(rows)
    assert monitor.scores(table) == {"predictions": rows, "outcomes": 0}
    assert monitor.history(table) == []
    assert monitor.running([]) == {"day": [], "accuracy": [], "majority": []}


def test_history_has_a_row_per_day_and_version():
    later = predictions(model_version=2, predicted_at=pd.Timestamp("2026-01-31"))
    assert monitor.history(pd.concat([predictions(), later])) == [
        {"day": "2026-01-30", "model_version": 1, "n": 2, "accuracy": 0.5, "brier": 0.3125}
        | {"base_rate": 0.0},
        {"day": "2026-01-31", "model_version": 1, "n": 1, "accuracy": 1.0, "brier": 0.25}
        | {"base_rate": 1.0},
        {"day": "2026-01-31", "model_version": 2, "n": 3, "accuracy": pytest.approx(2 / 3)}
        | {"brier": pytest.approx(0.875 / 3), "base_rate": pytest.approx(1 / 3)},
    ]


def test_history_keeps_the_newest_days():
    assert [row["day"] for row in monitor.history(predictions(), days=1)] == ["2026-01-31"]


def test_running_scores_are_of_all_predictions_up_to_a_day():
    assert monitor.running(monitor.history(predictions())) == {
        "day": ["2026-01-30", "2026-01-31"],
        "accuracy": [0.5, pytest.approx(2 / 3)],
        "majority": [1.0, pytest.approx(2 / 3)],
    }


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
        monitor.scores(predictions(outcome=0)),  # no AUC without both outcomes
        monitor.history(predictions()),
        monitor.freshness(DAY, pd.NaT),
    ]
    assert "NaN" not in to_json(found)
