"""The days of the use cases run unchanged by the real client, and leave what embedded ones do."""

import datetime as dt
import shutil
import subprocess
import sys
import uuid

import pytest
from pandas.testing import assert_frame_equal

from fti import models
from fti.embedded.project import Project
from fti.published import read_published
from housing import sample as market
from housing.table import together
from tests.hopsworks.environment import ROOT, Client, clean_environment, serving
from titanic import sources

DAY, NEXT = "2026-01-30", "2026-01-31"
GROUPS = {
    "titanic": ("titanic_passengers", "titanic_synthetic_passengers", "titanic_predictions"),
    "iris": ("iris_flowers", "iris_synthetic_flowers", "iris_predictions"),
    "aurora": ("aurora_hours", "aurora_forecasts"),
    "housing": ("housing_sales", "housing_listings", "housing_valuations"),
}
SOLD_NEXT = 2  # flats of `flats_for_sale` that are sold on the next day
ADDED = {  # rows, by the next day
    "titanic": [0, 1, 1],
    "iris": [0, 1, 1],
    "aurora": [24, 72],
    "housing": [SOLD_NEXT, 0, SOLD_NEXT],
}
SHOWN = {
    "titanic": "monitor.parquet",
    "iris": "monitor.parquet",
    "aurora": "forecast.parquet",
    "housing": "valuations.parquet",
}
PIPELINES = ["feature", "training", "batch_inference"]
pytestmark = pytest.mark.timeout(600)  # seconds: the client starts and waits slowly


@pytest.fixture(scope="session")
def raw(tmp_path_factory):
    """What each use case reads: a file of some passengers, the flowers that scikit-learn has."""
    passengers = sources.sample().head(300)
    headers = {name: column.header for name, column in sources.COLUMNS.items()}
    path = tmp_path_factory.mktemp("source") / "some.csv"
    passengers.rename(columns=headers).to_csv(path, index=False)
    flats = tmp_path_factory.mktemp("flats") / "flats.parquet"
    flats_for_sale().to_parquet(flats)
    return {"titanic": str(path), "iris": "sample", "aurora": "sample", "housing": str(flats)}


def flats_for_sale():
    """A year of sales of the sample, two of them on the next day, and what is for sale."""
    sold = market.sales(dt.date(2025, 1, 31), dt.date(2026, 1, 31), per_day=1)
    later = market.sales(dt.date(2026, 1, 31), dt.date(2026, 2, 1), per_day=12).head(SOLD_NEXT)
    return together([sold, later, market.listings(dt.date(2026, 1, 30), per_day=1)])


def stored(project, use_case):
    """Every row of the use case's groups, by key."""
    store = project.get_feature_store()
    groups = [store.get_feature_group(name, version=1) for name in GROUPS[use_case]]
    keys = [[*group.primary_key, group.event_time] for group in groups]
    return {
        group.name: group.read().sort_values(key, ignore_index=True)
        for group, key in zip(groups, keys, strict=True)
    }


def run_embedded(use_case, raw, project, day):
    """Run a day by the embedded classes, in a process of its own."""
    environment = clean_environment(project.home) | {
        "FTI_BACKEND": "embedded",
        "FTI_HOME": str(project.home.parents[1]),
        "FTI_PROJECT": project.name,
    }
    command = [sys.executable, "-m", use_case, "--source", raw[use_case], "--date", day]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)


def same_rows(found, expected):
    assert list(found) == list(expected)
    for name, table in expected.items():
        assert_frame_equal(found[name][list(table)], table)


def scores(model):
    """Give the scores of a model that a slower machine does not change."""
    return {name: v for name, v in model.training_metrics.items() if not name.startswith("ms_")}


@pytest.fixture(scope="session", params=GROUPS)
def days(request, raw, client_env, tmp_path_factory):
    """A use case, and a folder of projects in which the client ran its day twice."""
    folder = tmp_path_factory.mktemp("days")
    project = Project(folder / "fti", f"p{uuid.uuid4().hex[:12]}")
    with serving(project) as server:
        client = Client(client_env, server.settings, folder)
        for _ in range(2):  # the second time is a scheduled run that is repeated
            source = raw[request.param]
            done = client.run("-m", request.param, "--source", source, "--date", DAY)
            assert done.returncode == 0, done.stderr[-3000:]
        client.forget_models()
        assert server.unknown == {}
    return request.param, project


def test_a_day_by_the_client_leaves_what_an_embedded_day_leaves(days, raw, tmp_path):
    use_case, served = days
    embedded = Project(tmp_path, "embedded")
    run_embedded(use_case, raw, embedded, DAY)
    same_rows(stored(served, use_case), stored(embedded, use_case))

    ours, theirs = (models.latest_model(project, use_case) for project in (embedded, served))
    assert theirs.version == ours.version == 1
    assert scores(theirs) == pytest.approx(scores(ours))
    shown = [read_published(p, use_case, SHOWN[use_case]) for p in (served, embedded)]
    # Of a first day the times are as they were made, later as they were stored.
    assert_frame_equal(*shown, check_dtype=False)


def test_embedded_days_go_on_where_the_client_left_off(days, raw, tmp_path):
    use_case, served = days
    shutil.copytree(served.home, tmp_path / "projects" / served.name)
    project = Project(tmp_path, served.name)
    before = stored(project, use_case)
    run_embedded(use_case, raw, project, DAY)
    same_rows(stored(project, use_case), before)
    run_embedded(use_case, raw, project, NEXT)
    added = [len(table) - len(before[n]) for n, table in stored(project, use_case).items()]
    assert added == ADDED[use_case]
    recorded = project.get_feature_store().get_feature_group("pipeline_runs", version=1).read()
    assert recorded["pipeline"].value_counts().to_dict() == dict.fromkeys(PIPELINES, 4)
    assert recorded["backend"].value_counts().to_dict() == {"hopsworks": 6, "embedded": 6}
