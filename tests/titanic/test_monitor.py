"""What is published of the passengers' predictions, on small tables and from nothing."""

import datetime as dt
import json
from pathlib import Path

import pandas as pd
import pytest

from fti.models import ModelFiles
from titanic import features, monitor, sources, synthetic
from titanic.monitor import KINDS

DAY = dt.date(2026, 1, 31)
SCORES = {"accuracy": 0.8, "auc": 0.9, "log_loss": 0.4, "brier": 0.1}
RECORD = {
    "recipe": "survival-1",
    "rows": 60,
    "date": "2026-01-30",
    "training_dataset_version": 1,
    "repeats": 10,
    "verdict": "accepted: no version to beat yet",
    "baselines": {
        "seed_a_random_forest": {**SCORES, "auc": 0.85, "log_loss": 0.5},
        "majority": {"accuracy": 0.6, "auc": 0.5, "log_loss": 0.7, "brier": 0.2},
    },
}


@pytest.fixture
def current(tmp_path):
    """A model of which only the record is there."""
    (tmp_path / "training.json").write_text(json.dumps(RECORD))
    return ModelFiles(
        name="titanic", version=2, folder=tmp_path, metrics=SCORES, manifest={}, created=None
    )


@pytest.fixture(scope="module")
def real():
    """60 passengers of the sample, as they are stored."""
    return features.build_features(sources.sample()).head(60).assign(is_synthetic=False)


@pytest.fixture(scope="module")
def invented():
    """70 synthetic ones of a day."""
    table = features.build_features(sources.sample())
    return synthetic.fit(table).sample(70, DAY)


def predictions(people, version=2, day=DAY):
    return pd.DataFrame(
        {
            "passenger_id": people["passenger_id"],
            "model_version": version,
            "predicted_at": pd.Timestamp(day),
            "probability": people["sex"].map({"female": 0.75, "male": 0.25}),
            "predicted": (people["sex"] == "female").astype("int64"),
            "is_synthetic": people["is_synthetic"],
        }
    )


def test_predictions_and_outcomes_meet_by_passenger_whatever_their_order(real):
    shuffled = predictions(real).sample(frac=1, random_state=0)
    joined = monitor.join_outcomes(real, shuffled).set_index("passenger_id")
    assert joined["outcome"].to_dict() == real.set_index("passenger_id")["survived"].to_dict()


def test_the_newest_of_each_kind_come_first(real, invented):
    people = pd.concat([real, invented], ignore_index=True)
    both = pd.concat([predictions(people, 1), predictions(people, 2)])
    newest = monitor.newest(monitor.join_outcomes(people, both), 2)
    last = [*invented["passenger_id"].tail(2)[::-1], *real["passenger_id"].tail(2)[::-1]]
    assert list(newest["passenger_id"]) == [number for number in last for _ in (1, 2)]
    assert list(newest["model_version"]) == [2, 1] * 4


def test_rates_of_groups_are_in_reading_order_and_count_everybody(real):
    groups = monitor.group_rates(monitor.join_outcomes(real, predictions(real)))
    assert {name: [row["group"] for row in rows] for name, rows in groups.items()} == {
        "sex": ["female", "male"],
        "class": ["first", "second", "third"],
        "age": [*monitor.AGE_BANDS, "unknown"],
    }
    assert all(sum(row["n"] for row in rows) == 60 for rows in groups.values())
    assert groups["sex"][0]["mean_predicted"] == 0.75


def test_the_summary_scores_the_current_version_and_remembers_the_others(current, real, invented):
    people = pd.concat([real, invented], ignore_index=True)
    before = predictions(real, version=1, day=DAY - dt.timedelta(days=1))
    published = monitor.files(current, people, pd.concat([before, predictions(people)]), DAY)
    summary = published["monitor.json"]
    assert summary["model"]["version"] == 2 and summary["model"]["rows"] == 60
    assert [summary[kind]["outcomes"] for kind in KINDS] == [60, 70]
    assert [row["model_version"] for row in summary["real"]["history"]] == [1, 2]
    assert len(published["monitor.parquet"]) == 60 + 60 + 70
    assert len(summary["drift"]) == len(monitor.DRIFT_COLUMNS)
    assert summary["freshness"]["newest_row"] == "2026-01-31T00:00:00+00:00"
    for text in ("best baseline 0.850", "A: random forest", "Accepted: no version", "polyline"):
        assert text in published["report.html"]


def test_without_synthetic_passengers_the_report_says_so(current, real):
    published = monitor.files(current, real, predictions(real), DAY)
    assert published["monitor.json"]["synthetic"] == {
        "predictions": 0, "outcomes": 0, "history": [],
    }  # fmt: skip
    assert published["monitor.json"]["drift"] == []
    assert "Nothing to compare yet." in published["report.html"]
    assert published["report.html"].count("No outcomes yet.") == 1


def test_without_predictions_or_outcomes_the_report_says_so(current, real):
    none = monitor.files(current, real, predictions(real).head(0), DAY)
    assert none["monitor.json"]["real"]["predictions"] == 0 and none["monitor.parquet"].empty

    unknown = real.assign(survived=float("nan"))
    pending = monitor.files(current, unknown, predictions(real), DAY)
    assert pending["monitor.json"]["real"]["predictions"] == 60
    assert pending["monitor.json"]["real"]["outcomes"] == 0
    for published in (none, pending):
        assert published["report.html"].count("No outcomes yet.") == 2


def test_names_are_text_in_the_report(current, real):
    evil = real.assign(name="<script>alert(1)</script>")
    html = monitor.files(current, evil, predictions(evil), DAY)["report.html"]
    assert "<script" not in html and "&lt;script&gt;" in html


def test_a_record_is_read_from_beside_the_model(current):
    assert monitor.read_training(Path(current.folder)) == RECORD
