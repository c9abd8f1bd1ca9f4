import datetime as dt
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest

import fti
from fti import runs
from fti.errors import UserError

ROOT = Path(__file__).parents[2]
DAY = dt.date(2026, 1, 31)


def last(project):
    return runs.recent(project, 1).iloc[0].to_dict()


def test_a_run_that_works_is_one_row(project, monkeypatch):
    monkeypatch.setenv("FTI_CODE_VERSION", "abc123")
    before = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    with fti.run(project, "titanic", "feature", DAY, source="sample", kind="test") as run:
        run.rows_in, run.rows_out, run.model_version = 891, 890, 3
        run.published = 2
        run.message = "one passenger was left out"
    row = last(project)
    assert before <= row.pop("started_at") <= dt.datetime.now(dt.UTC).replace(tzinfo=None)
    assert 0 <= row.pop("seconds") < 60
    assert row == {
        "run_id": run.id,
        "use_case": "titanic",
        "pipeline": "feature",
        "date": "2026-01-31",
        "status": "success",
        "message": "one passenger was left out",
        "source": "sample",
        "backend": "embedded",
        "code": "abc123",
        "rows_in": 891.0,
        "rows_out": 890.0,
        "model_version": 3.0,
        "published": 2.0,
        "details": '{"kind": "test"}',
    }


def test_a_run_that_fails_is_recorded_and_its_error_let_through(project):
    error = ValueError("column 'age'\n  is missing")
    with (
        pytest.raises(ValueError, match="age") as raised,
        fti.run(project, "titanic", "feature", DAY) as run,
    ):
        run.rows_in = 891
        raise error
    assert raised.value is error
    row = last(project)
    assert (row["run_id"], row["status"]) == (run.id, "failure")
    assert row["message"] == "ValueError: column 'age' is missing"
    assert row["rows_in"] == 891 and pd.isna(row["rows_out"])


def test_a_user_error_is_recorded_as_its_sentence(project):
    with pytest.raises(UserError), fti.run(project, "titanic", "training", DAY):
        raise UserError("There are no passengers yet.")
    assert last(project)["message"] == "There are no passengers yet."


def test_a_long_message_is_cut(project):
    with pytest.raises(RuntimeError), fti.run(project, "titanic", "training", DAY):
        raise RuntimeError("x" * 10_000)
    assert len(last(project)["message"]) == runs.LONGEST_MESSAGE


def test_ctrl_c_is_a_failure_called_interrupted(project):
    with pytest.raises(KeyboardInterrupt), fti.run(project, "titanic", "training", DAY):
        raise KeyboardInterrupt
    assert (last(project)["status"], last(project)["message"]) == ("failure", "interrupted")


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without telling it")
def test_a_run_that_is_told_to_end_is_recorded_before_it_does(home, project):
    code = (
        "import os, signal, fti\n"
        "project = fti.login()\n"
        "with fti.run(project, 'titanic', 'training', '2026-01-31'):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    raise AssertionError('it went on')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 128 + 15 and ended.stderr == ""
    assert (last(project)["status"], last(project)["message"]) == ("failure", "interrupted")


def test_a_failure_that_cannot_be_recorded_does_not_hide_the_error(project, caplog):
    with (
        pytest.raises(ValueError, match="the first one"),
        fti.run(project, "titanic", "training", DAY),
    ):
        project.home.joinpath("catalog.sqlite").unlink(missing_ok=True)
        project.home.joinpath("catalog.sqlite").mkdir()
        raise ValueError("the first one")
    assert "could not be recorded" in caplog.text


def test_a_success_that_cannot_be_recorded_is_an_error(project):
    with pytest.raises(Exception, match="database"), fti.run(project, "titanic", "feature", DAY):
        project.home.joinpath("catalog.sqlite").unlink(missing_ok=True)
        project.home.joinpath("catalog.sqlite").mkdir()


def test_the_same_step_of_a_run_adds_its_rows_once(project, store):
    rows = pd.DataFrame({"site": ["KRN"], "hour": pd.to_datetime(["2026-01-01"]), "kp": [5.0]})
    group = store.get_or_create_feature_group(
        "hours", version=1, primary_key=["site"], event_time="hour"
    )
    for run_id in ("first", "first", "second"):
        with fti.run(project, "aurora", "feature", DAY, run_id=run_id) as run:
            group.insert(rows, operation="insert", write_options=run.once("hours"))
            group.insert(rows, operation="insert", write_options=run.once("more hours"))
    assert len(group.read()) == 4


def test_columns_keep_their_types_whatever_is_known(project, store):
    with fti.run(project, "titanic", "feature", DAY):
        pass
    with fti.run(project, "titanic", "training", "2026-01-31", rows_in=3, model_version=1):
        pass
    group = store.get_feature_group("pipeline_runs", version=1)
    assert {feature.name: feature.type for feature in group.features} == {
        "run_id": "string",
        "started_at": "timestamp",
        **dict.fromkeys(runs.TEXTS, "string"),
        **dict.fromkeys(runs.NUMBERS, "double"),
        "details": "string",
    }
    assert (group.primary_key, group.event_time) == (["run_id"], "started_at")


def test_the_newest_runs_come_first(project):
    assert runs.recent(project).empty
    assert list(runs.recent(project)) == list(runs.COLUMNS)
    for pipeline in ("feature", "training", "batch_inference"):
        with fti.run(project, "titanic", pipeline, DAY):
            pass
    assert list(runs.recent(project, 2)["pipeline"]) == ["batch_inference", "training"]
    assert len(runs.recent(project)) == 3


def test_each_run_has_its_own_id(project):
    with (
        fti.run(project, "titanic", "feature", DAY) as one,
        fti.run(project, "iris", "feature", DAY) as other,
    ):
        assert one.id != other.id


def test_a_run_in_a_thread_is_recorded_too(project):
    def work():
        with fti.run(project, "titanic", "feature", DAY):
            pass

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert last(project)["status"] == "success"


def test_a_misspelt_attribute_is_an_error(project):
    with pytest.raises(AttributeError), fti.run(project, "titanic", "feature", DAY) as run:
        run.row_in = 891
    assert last(project)["status"] == "failure"


def test_a_date_is_a_day(project):
    with fti.run(project, "titanic", "feature", dt.datetime(2026, 1, 31, 12)) as run:
        assert run.date == "2026-01-31"
    with pytest.raises(ValueError), fti.run(project, "titanic", "feature", "yesterday"):
        pass


def test_details_are_kept_as_json_whatever_they_are(project):
    with fti.run(project, "titanic", "feature", DAY, drift=0.5, path=Path("a.csv")):
        pass
    assert json.loads(last(project)["details"]) == {"drift": 0.5, "path": "a.csv"}


def test_the_code_is_known_by_its_git_commit(tmp_path):
    (tmp_path / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / "packed-refs").write_text("# pack-refs\n" + "1" * 40 + " refs/heads/main\n")
    assert runs._git_commit(tmp_path) == "1" * 40
    (tmp_path / "refs" / "heads").mkdir(parents=True)
    (tmp_path / "refs" / "heads" / "main").write_text("2" * 40 + "\n")
    assert runs._git_commit(tmp_path) == "2" * 40
    (tmp_path / "HEAD").write_text("3" * 40 + "\n")
    assert runs._git_commit(tmp_path) == "3" * 40
