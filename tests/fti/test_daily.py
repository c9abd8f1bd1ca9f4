"""The day of several use cases ends in one table, whatever becomes of each."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fti
from fti import runs, training
from fti.daily import may_take_sample
from titanic import feature_pipeline, model, scoring, training_pipeline
from titanic.features import TASK

ROOT = Path(__file__).parents[2]
DAY = "2026-01-31"
CLOSED = "http://127.0.0.1:9"  # nothing listens there
SCORES = {"accuracy": 0.8, "auc": 0.9, "log_loss": 0.4, "brier": 0.1}

UNREACHABLE = """
import sys
import fti
from fti.errors import SourceUnreachable

source = "sample" if "sample" in sys.argv else "web"
try:
    with fti.run(fti.login(), "zoo", "feature", sys.argv[2], source=source) as run:
        if source == "web":
            raise SourceUnreachable("nobody answers")
        run.rows_in = 1234
except SourceUnreachable as error:
    sys.exit(error.exit_code)
"""


def daily(*use_cases, cwd=ROOT):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "fti", "daily", *use_cases, "--date", DAY],
        cwd=cwd, env=environment, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip


def row(printed, use_case):
    """The cells of a use case in the table."""
    (line,) = [line for line in printed.splitlines() if line.startswith(f"│ {use_case} ")]
    return [cell.strip() for cell in line.strip("│").split("│")]


@pytest.fixture
def use_case(tmp_path, home):
    """A function that makes a folder with a `__main__.py`; gives where it is."""

    def make(name, code):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__main__.py").write_text(code)
        return tmp_path

    return make


@pytest.fixture
def no_network(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, CLOSED)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def sample_model(project):
    """A model of the sample's passengers that training has no reason to replace."""
    feature_pipeline.main("sample", "2026-01-30")
    view = training_pipeline.feature_view(project.get_feature_store())
    X, y = view.training_data(training_helper_columns=True)
    estimator = model.linear().fit(X, y["survived"])
    record = {
        "recipe": TASK.recipe,
        "data": training.fingerprint(view.query.read()),
        "rows": len(X),
        "date": "2026-01-30",
        "training_dataset_version": 1,
        "repeats": 1,
        "verdict": "accepted",
        "baselines": {"majority": SCORES},
    }
    fti.save_model(
        project,
        "titanic",
        estimator,
        SCORES,
        feature_view=view,
        training_dataset_version=1,
        input_example=X.head(3),
        files={
            scoring.SCORER: scoring.save_scorer(model.scorer_of(estimator)),
            training.RECORD: json.dumps(record).encode(),
            training.OUT_OF_FOLD: b"{}",
        },
    )


def test_titanic_falls_back_to_its_sample_and_ends_in_the_table(sample_model, no_network):
    ran = daily("titanic")
    assert ran.returncode == 0, ran.stderr
    assert "titanic: its raw data cannot be reached, so it runs on the built-in" in ran.stderr
    assert "Traceback" not in ran.stderr
    *cells, seconds = row(ran.stdout, "titanic")
    assert cells == ["titanic", "ok", "sample", "1,316", "v1", "accuracy 0.800", "3"]
    assert float(seconds) > 0
    assert ran.stdout.rstrip().splitlines()[-1].startswith("└")
    newest = runs.recent(fti.login(), 4)[["pipeline", "status"]].to_numpy().tolist()
    assert newest == [
        ["batch_inference", "success"],
        ["training", "success"],
        ["feature", "success"],
        ["feature", "failure"],
    ]


def test_a_source_that_was_named_is_not_replaced_by_the_sample(use_case, monkeypatch):
    folder = use_case("zoo", UNREACHABLE)
    monkeypatch.setenv("ZOO_SOURCE", "https://nowhere.invalid/zoo.csv")
    ran = daily("zoo", cwd=folder)
    assert ran.returncode == 1
    assert row(ran.stdout, "zoo")[:4] == ["zoo", "failed (69)", "web", ""]


def test_a_failed_use_case_does_not_stop_the_next_one_and_the_exit_code_is_1(use_case):
    use_case("broken", "raise SystemExit(3)")
    folder = use_case("zoo", UNREACHABLE)
    ran = daily("broken", "zoo", cwd=folder)
    assert ran.returncode == 1
    assert row(ran.stdout, "broken")[:7] == ["broken", "failed (3)", "", "", "", "", "0"]
    assert row(ran.stdout, "zoo")[:4] == ["zoo", "ok", "sample", "1,234"]


@pytest.mark.parametrize("name", ["nothing", "../titanic", "json", "tests"])
def test_an_unknown_use_case_is_one_sentence_and_nothing_runs(name, home):
    ran = daily("titanic", name)
    assert ran.returncode == 1 and ran.stdout == ""
    lines = [line for line in ran.stderr.splitlines() if not line.startswith("Embedded project")]
    assert lines == [f"There is no use case '{name}' here: name a folder that holds one."]


def test_the_sample_never_enters_a_shared_project_or_replaces_a_named_source(project, monkeypatch):
    assert may_take_sample(project, "titanic")
    assert not may_take_sample(object(), "titanic")  # not ours, so Hopsworks'
    monkeypatch.setenv("TITANIC_SOURCE", "mine.csv")
    assert not may_take_sample(project, "titanic")
