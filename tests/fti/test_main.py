import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import fti
from fti import doctor
from fti.__main__ import app

ROOT = Path(__file__).parents[2]


def command(*arguments, cwd=ROOT):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, "-m", "fti", *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip


def shown(*arguments):
    """What a command prints when it works, without a process of its own."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def levels(checks):
    return {check.name: check.level for check in checks}


@pytest.fixture
def filled(project, tmp_path):
    """A project in which everything happened once."""
    rows = pd.DataFrame({"site": ["KRN"], "hour": pd.to_datetime(["2026-01-01"]), "kp": [5.0]})
    with fti.run(project, "aurora", "feature", "2026-01-31", rows_in=1) as run:
        store = project.get_feature_store()
        store.get_or_create_feature_group(
            "aurora_hours", version=1, primary_key=["site"], event_time="hour"
        ).insert(rows)
        run.rows_out = 1
    (tmp_path / "model.txt").write_text("weights")
    registry = project.get_model_registry()
    for auc in (0.8, 0.9):
        model = registry.python.create_model("aurora", metrics={"auc": auc})
        model.save(str(tmp_path / "model.txt"))
    fti.publish(project, "aurora", {"forecast.json": {"kp": 5}})
    return project


# status


def test_an_empty_project_says_what_to_run(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "feature_pipeline.py").touch()
    assert shown("status").rstrip().endswith("Nothing is stored yet: run `python -m zoo`.")


def test_status_shows_what_is_stored(filled):
    tables = shown("status")
    for text in (
        "aurora_hours v1",
        "pipeline_runs v1",
        "auc 0.9",
        "Resources/aurora/forecast.json",
        "success",
        "2026-01-31",
    ):
        assert text in tables
    assert "Nothing is stored" not in tables


def test_status_as_json_is_json_alone(filled):
    found = json.loads(command("status", "--json").stdout)
    assert (found["project"], found["backend"]) == ("local", "embedded")
    groups = {group["name"]: group for group in found["feature_groups"]}
    assert sorted(groups) == ["aurora_hours", "pipeline_runs"]
    assert (groups["aurora_hours"]["rows"], groups["aurora_hours"]["files"]) == (1, 1)
    assert groups["aurora_hours"]["last_commit"].endswith("+00:00")
    (model,) = found["models"]
    assert (model["name"], model["version"], model["metrics"]) == ("aurora", 2, {"auc": 0.9})
    assert found["published"] == ["Resources/aurora/forecast.json"]
    (run,) = found["runs"]
    assert (run["pipeline"], run["rows_out"], run["model_version"]) == ("feature", 1, None)


def test_status_of_what_cannot_be_opened_is_one_sentence(home, monkeypatch):
    monkeypatch.setenv("FTI_BACKEND", "hopsworks")
    failed = command("status")
    assert failed.returncode == 1 and failed.stdout == ""
    assert failed.stderr.startswith("HOPSWORKS_API_KEY is not set") and failed.stderr[-1] == "\n"
    assert len(failed.stderr.splitlines()) == 1


# doctor


def test_doctor_finds_nothing_wrong_with_the_embedded_project(home):
    examined = command("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(examined.stdout)}
    assert examined.returncode == 0
    assert {check["level"] for check in checks.values()} == {"ok"}
    assert checks["backend"]["finding"] == "embedded, because FTI_BACKEND is embedded"
    assert "deltalake" in checks["packages"]["finding"]
    assert str(home) in checks["FTI_HOME"]["finding"] and not home.exists()


def test_doctor_fails_with_a_hint_and_exit_code_1(home, monkeypatch):
    monkeypatch.setenv("FTI_BACKEND", "clowd")
    examined = command("doctor")
    assert examined.returncode == 1
    assert "fail" in examined.stdout and "auto, embedded, hopsworks" in examined.stdout


def test_doctor_sees_a_folder_that_cannot_be_written_to(home, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FTI_HOME", str(tmp_path / "file" / "home"))
    assert levels(doctor.examine())["FTI_HOME"] == "fail"


def test_doctor_warns_of_half_a_hopsworks(home, monkeypatch):
    monkeypatch.delenv("FTI_BACKEND")
    monkeypatch.setenv("HOPSWORKS_PROJECT", "titanic")
    (check,) = [check for check in doctor.examine() if check.name == "backend"]
    assert check.level == "warn" and "set HOPSWORKS_API_KEY as well" in check.hint


def test_doctor_looks_at_hopsworks_step_by_step(hopsworks):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        checks = doctor.examine()
        assert listener
    found = levels(checks)
    assert found["Hopsworks settings"] == found["Hopsworks server"] == "ok"
    assert found["Hopsworks project"] == "ok"
    assert found["Hopsworks query service"] == "fail"
    (reads,) = [check for check in checks if check.name == "Hopsworks query service"]
    assert "nowhere.invalid:5005" in reads.finding
    assert not any("good-key" in str(check) for check in checks)


def test_doctor_says_which_step_of_hopsworks_fails(hopsworks, monkeypatch):
    hopsworks.version = "4.0.1"
    monkeypatch.setenv("HOPSWORKS_API_KEY", "bad-key")
    checks = {check.name: check for check in doctor.examine()}
    assert checks["Hopsworks server"].finding == "4.0.1"
    assert "refuses the key" in checks["Hopsworks project"].hint
    assert checks["Hopsworks version"].level == "fail"


def test_doctor_stops_at_a_server_that_is_not_there(hopsworks, monkeypatch):
    monkeypatch.setenv("HOPSWORKS_HOST", "nowhere.invalid")
    monkeypatch.setenv("NO_PROXY", "nowhere.invalid")
    found = levels(doctor.examine())
    assert found["Hopsworks server"] == "fail" and "Hopsworks project" not in found


def test_doctor_stops_at_settings_that_are_wrong(hopsworks, monkeypatch):
    monkeypatch.setenv("HOPSWORKS_PORT", "https")
    found = levels(doctor.examine())
    assert found["Hopsworks settings"] == "fail" and "Hopsworks server" not in found


def test_doctor_warns_of_a_certificate_that_is_not_checked(hopsworks, monkeypatch):
    monkeypatch.setenv("HOPSWORKS_HOSTNAME_VERIFICATION", "false")
    assert levels(doctor.examine())["Hopsworks settings"] == "warn"


def test_sources_are_asked_only_when_told_to(home, tmp_path, monkeypatch):
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200 if self.path == "/there" else 404)
            self.end_headers()

        def log_message(self, *args):
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        here = f"http://127.0.0.1:{server.server_port}"
        (tmp_path / "zoo").mkdir()
        (tmp_path / "zoo" / "feature_pipeline.py").touch()
        (tmp_path / "zoo" / "sources.py").write_text(
            f"LIONS_URL = '{here}/there'\nZEBRA_URLS = ('{here}/gone?key=secret',)\n"
        )
        monkeypatch.chdir(tmp_path)
        assert not [name for name in levels(doctor.examine()) if name.startswith("source")]
        assert asked == []
        online = command("doctor", "--json", "--online", cwd=tmp_path)
        server.shutdown()
        thread.join()
    found = [check for check in json.loads(online.stdout) if check["name"] == "source of zoo"]
    assert online.returncode == 0 and "secret" not in online.stdout
    assert [check["level"] for check in found] == ["ok", "warn"]
    assert "ZOO_SOURCE=PATH" in found[1]["hint"]
    assert asked == ["/there", "/gone?key=secret"]


def test_without_a_command_it_says_which_there_are():
    helped = CliRunner().invoke(app, [])
    assert "status" in helped.output and "doctor" in helped.output
