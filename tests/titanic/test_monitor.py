"""What the monitor shows of passengers: who they are, and how each group fares."""

import pandas as pd
import pytest

from fti import monitor, monitor_report
from titanic import features, sources
from titanic.features import TASK
from titanic.monitor import AGE_BANDS, SHOWN


@pytest.fixture(scope="module")
def joined():
    """60 passengers of the sample with a prediction by sex."""
    real = features.build_features(sources.sample()).head(60).assign(is_synthetic=False)
    predictions = pd.DataFrame(
        {
            "passenger_id": real["passenger_id"],
            "model_version": 1,
            "predicted_at": pd.Timestamp("2026-01-31"),
            "probability": real["sex"].map({"female": 0.75, "male": 0.25}),
            "predicted": (real["sex"] == "female").astype("int64"),
            "is_synthetic": False,
        }
    )
    return monitor.join_outcomes(TASK, real, predictions)


def test_rates_of_groups_are_in_reading_order_and_count_everybody(joined):
    groups = monitor.group_rates(SHOWN, joined)
    assert {name: [row["group"] for row in rows] for name, rows in groups.items()} == {
        "sex": ["female", "male"],
        "class": ["first", "second", "third"],
        "age": [*AGE_BANDS, "unknown"],
    }
    assert all(sum(row["n"] for row in rows) == 60 for rows in groups.values())
    assert groups["sex"][0]["mean_predicted"] == 0.75


def test_a_passenger_is_shown_with_name_class_sex_and_age(joined):
    shown = monitor_report.recent_table(TASK, SHOWN, joined.head(1))
    assert list(shown)[:4] == ["passenger", "class", "sex", "age"]
    assert shown["predicted"][0] in TASK.outcomes.values()


def test_names_are_text_in_the_report(joined):
    evil = joined.head(2).assign(name="<script>alert(1)</script>")
    html = monitor_report._recent_section(TASK, SHOWN, "real", evil)
    assert "<script" not in html and "&lt;script&gt;" in html


def test_drift_is_watched_in_columns_that_the_feature_table_has():
    assert set(SHOWN.drift_columns) <= set(features.COLUMNS)
