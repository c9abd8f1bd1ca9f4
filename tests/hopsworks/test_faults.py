"""A server that goes wrong: pipelines get through, or end in one sentence and are repaired."""

import json
import time

import pytest

from fti import models, runs
from fti.published import published_files, read_published
from fti.server.faults import Kind

DAY = "2026-01-30"
SHORT = "5"  # seconds of HOPSWORKS_TIMEOUT where the server stalls
pytestmark = pytest.mark.timeout(600)  # seconds: the client starts and waits slowly
BOUND = 60  # seconds for a run that ends by that timeout, the start of the client included


def pipeline(client, name, **environment):
    """Run one of Iris' pipelines by the client."""
    options = ["--source", "sample"] if name == "feature" else []
    module = f"iris.{name}_pipeline"
    return client.run("-m", module, *options, "--date", DAY, IRIS_SOURCE="sample", **environment)


def rows(served, name):
    group = served.project.get_feature_store().get_feature_group(name, version=1)
    return 0 if group is None else len(group.read())


def sentence(done):
    """Expect a run that ended in one sentence; give it."""
    assert done.returncode == 69, (done.returncode, done.stderr[-3000:])
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_short_troubles_are_waited_out(client, served):
    written = ((Kind.unavailable, "POST", "/featuregroups$"), (Kind.late, "GET", "/pipeline_runs$"))
    read = (
        (Kind.unavailable, "GET", "/iris_flowers$"),
        (Kind.drop, "PUT", "/featurestores/query$"),
        (Kind.unavailable, "FLIGHT", "/do_get"),
    )
    for faults in (written, read):
        for fault in faults:
            served.faults.add(*fault)
        done = pipeline(client, "feature")
        assert done.returncode == 0, done.stderr[-3000:]
        assert served.faults.left == 0
    assert (rows(served, "iris_flowers"), rows(served, "iris_synthetic_flowers")) == (150, 1)


@pytest.mark.parametrize(
    ("kind", "method", "path", "words"),
    [
        (Kind.drop, "POST", "/featuregroups$", "connection to Hopsworks broke"),
        (Kind.late, "POST", "/featuregroups$", "HTTP 504"),
        (Kind.drop, "POST", "/commits$", "connection to Hopsworks broke"),
        (Kind.stall, "POST", "/featuregroups$", "HOPSWORKS_TIMEOUT"),
    ],
    ids=["group dropped", "group late", "commit dropped", "group stalled"],
)
def test_a_write_that_fails_is_one_sentence_and_the_next_run_repairs_it(
    kind, method, path, words, client, served
):
    served.faults.add(kind, method, path)
    began = time.monotonic()
    assert words in sentence(pipeline(client, "feature", HOPSWORKS_TIMEOUT=SHORT))
    assert time.monotonic() - began < BOUND
    done = pipeline(client, "feature")
    assert done.returncode == 0, done.stderr[-3000:]
    assert (rows(served, "iris_flowers"), rows(served, "iris_synthetic_flowers")) == (150, 1)


def test_reads_models_and_files_survive_a_server_that_goes_wrong(client, served):
    """One project through a day in which each step meets what can go wrong with it."""
    assert pipeline(client, "feature").returncode == 0

    served.faults.add(Kind.stall, "FLIGHT", "/do_get")
    assert "HOPSWORKS_TIMEOUT" in sentence(pipeline(client, "feature", HOPSWORKS_TIMEOUT=SHORT))

    # The version exists although the client was told that its save failed, and an upload broke.
    served.faults.add(Kind.cut, "POST", "/dataset/upload/.*Models")
    served.faults.add(Kind.late, "PUT", "/models/")
    done = pipeline(client, "training")
    assert done.returncode == 0, done.stderr[-3000:]
    assert served.faults.left == 0
    found = served.project.get_model_registry().get_models("iris")
    assert [model.version for model in found] == [1]
    assert models.fetch_model(served.project, "iris").manifest["files"]

    assert pipeline(client, "batch_inference").returncode == 0
    before = read_published(served.project, "iris", "monitor.json")
    served.faults.add(Kind.cut, "POST", "/dataset/upload/.*Resources")
    assert "connection" in sentence(pipeline(client, "batch_inference"))
    assert read_published(served.project, "iris", "monitor.json") == before
    assert pipeline(client, "batch_inference").returncode == 0
    assert len(published_files(served.project)) == 3
    recorded = runs.recent(served.project, 20)
    assert set(recorded.loc[recorded["status"] == "failure", "pipeline"]) == {
        "feature", "batch_inference",
    }  # fmt: skip
    json.loads(recorded["details"].iloc[0])
