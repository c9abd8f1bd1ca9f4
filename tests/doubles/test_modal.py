"""The Modal double does what Modal says it does; the apps here are small ones of our own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doubles.modal import Disturbance, Modal, limits

ROOT = Path(__file__).parents[2]
APP = '''
"""Functions that end in every way."""

import os
from pathlib import Path

import modal

volume = modal.Volume.from_name("kept", create_if_missing=True)
image = modal.Image.debian_slim().env({"FOLDER": "/kept", "GREETING": "hello"})
image = image.add_local_python_source("small")
app = modal.App("small", image=image, volumes={"/kept": volume})
RETRIES = modal.Retries(max_retries=2, initial_delay=10.0, backoff_coefficient=3.0)


@app.function(schedule=modal.Cron("7 6 * * 1-5", timezone="Europe/Stockholm"), gpu="T4")
def clock():
    print("the clock struck")
    return {"greeting": os.environ["GREETING"], "mine": os.environ.get("OUR_SECRET", "")}


@app.function(retries=RETRIES)
def third_time():
    volume.reload()
    tries = Path(os.environ["FOLDER"], "tries")
    tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
    volume.commit()
    if len(tries.read_text()) < 3:
        raise RuntimeError("not yet")
    return tries.read_text()


@app.function(timeout=2)
def forever():
    while True:
        pass


@app.function()
def resumes():
    started = Path(os.environ["FOLDER"], "started")
    if not started.exists():
        started.touch()
        while True:
            pass
    return "resumed"


@app.function()
def unmounted():
    import elsewhere

    return elsewhere.VALUE


@app.function()
def double(number: int):
    return 2 * number


@app.local_entrypoint()
def doubles(first: int, last: int):
    assert list(double.map(range(first, last))) == [2 * n for n in range(first, last)]
    assert double.spawn(21).get() == 42
'''
BROKEN = '''
"""An app whose module needs what it does not mount."""

import modal

import elsewhere

app = modal.App("broken", image=modal.Image.debian_slim().add_local_python_source("small"))


@app.function()
def never():
    return elsewhere.VALUE
'''
REFUSED = {
    "minute": {"schedule": "Cron('61 6 * * *')"},
    "fields": {"schedule": "Cron('7 6 * *')"},
    "zone": {"schedule": "Cron('7 6 * * *', timezone='Mars/Base')"},
    "gpu": {"gpu": "'H1000'"},
    "timeout": {"timeout": "25 * 3600"},
    "retries": {"retries": "11"},
    "secret": {"secrets": "[modal.Secret.from_name('unknown')]"},
}
DEPLOY_ALL = """
import json, sys
import modal
from modal import Cron

def answer(name, **options):
    app = modal.App(name)
    app.function(serialized=True, name="only", **options)(lambda: 1)
    try:
        app.deploy()
    except Exception as error:
        return str(error)
    return "deployed"

refused = json.loads(sys.argv[1])
said = {name: answer(name, **{k: eval(v) for k, v in o.items()}) for name, o in refused.items()}
crons = [answer(f"cron-{k}", schedule=Cron("7 6 * * *")) for k in (1, 2, 3, 4, 5, 5, 6)]
print(json.dumps({**said, "crons": crons}))
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A folder with the package `small` and, beside it, a module that it does not mount."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "small").mkdir()
    (folder / "small" / "__init__.py").write_text('"""Small."""\n')
    (folder / "small" / "modal_app.py").write_text(APP)
    (folder / "small" / "broken_app.py").write_text(BROKEN)
    (folder / "elsewhere.py").write_text("VALUE = 1\n")
    return folder


@pytest.fixture(scope="module")
def modal(sources):
    """A workspace in which the app `small` is deployed."""
    with Modal() as workspace:
        done = workspace.command("deploy", "-m", "small.modal_app", cwd=sources)
        assert done.returncode == 0, done.stderr
        yield workspace
        assert not workspace.unknown


def statuses(workspace, function):
    return [each.status for each in workspace.attempts if each.function == function]


def test_a_deployed_function_is_described(modal):
    clock = modal.deployed("small")["clock"]
    assert (clock.cron, clock.timezone, clock.gpu) == ("7 6 * * 1-5", "Europe/Stockholm", ["T4"])
    assert clock.timeout == 300 and clock.volumes == {"/kept": "kept"}
    assert clock.mounted == [f"small/{name}.py" for name in ("__init__", "broken_app", "modal_app")]
    assert modal.scheduled() == [("small", "clock")]


def test_a_schedule_runs_with_the_images_environment_and_none_of_ours(modal, monkeypatch):
    monkeypatch.setenv("OUR_SECRET", "seen")
    ended = modal.call("small", "clock")
    assert (ended.status, ended.value) == ("SUCCESS", {"greeting": "hello", "mine": ""})


def test_the_logs_of_an_app_are_what_its_containers_wrote(modal):
    modal.call("small", "clock")
    shown = modal.command("app", "logs", "small")
    assert shown.returncode == 0 and "the clock struck" in shown.stdout


def test_a_file_of_a_volume_can_be_taken_home(modal, tmp_path):
    content = os.urandom(9 * 2**20)  # more than one block
    (modal.volume("kept") / "big").write_bytes(content)
    got = modal.command("volume", "get", "kept", "big", str(tmp_path / "mine"))
    assert got.returncode == 0, got.stderr
    assert (tmp_path / "mine").read_bytes() == content


def test_a_failure_is_retried_with_growing_pauses_on_the_same_volume(modal):
    ended = modal.call("small", "third_time")
    assert ended.value == "xxx" == (modal.volume("kept") / "tries").read_text()
    tries = [each for each in modal.attempts if each.function == "third_time"]
    assert [each.status for each in tries] == ["FAILURE", "FAILURE", "SUCCESS"]
    assert [each.waited for each in tries] == [0, 10, 30]


def test_a_function_ends_at_its_timeout(modal):
    assert modal.call("small", "forever").status == "TIMEOUT"


def test_a_preempted_function_starts_again_and_uses_no_retry(modal):
    started = modal.volume("kept") / "started"
    modal.disturb("resumes", Disturbance(signal.SIGINT, lambda _: started.exists()))
    assert modal.call("small", "resumes").value == "resumed"
    assert statuses(modal, "resumes") == ["PREEMPTED", "SUCCESS"]


def test_what_is_not_mounted_is_not_there(modal):
    ended = modal.call("small", "unmounted")
    assert ended.status == "FAILURE" and "elsewhere" in ended.exception


def test_a_container_that_cannot_import_its_module_fails_with_what_it_said(modal, sources):
    done = modal.command("deploy", "-m", "small.broken_app", cwd=sources)
    assert done.returncode == 0, done.stderr
    ended = modal.call("broken", "never")
    assert ended.status == "FAILURE" and "No module named 'elsewhere'" in ended.exception


def test_map_and_spawn_work_from_a_local_entrypoint(modal, sources):
    arguments = ("run", "-m", "small.modal_app::doubles", "--first", "1", "--last", "4")
    done = modal.command(*arguments, cwd=sources)
    assert done.returncode == 0, done.stderr
    assert statuses(modal, "double") == ["SUCCESS"] * 4


def test_a_stopped_app_has_no_clock(sources):
    with Modal() as workspace:
        workspace.command("deploy", "-m", "small.modal_app", cwd=sources)
        assert workspace.scheduled()
        stopped = workspace.command("app", "stop", "small", "--yes")
        assert stopped.returncode == 0, stopped.stderr
        assert not workspace.scheduled() and not workspace.deployed("small")


@pytest.fixture(scope="module")
def answers():
    """What deploys of apps with something wrong end in, by what is wrong."""
    with Modal() as workspace:
        done = subprocess.run(
            [sys.executable, "-c", DEPLOY_ALL, json.dumps(REFUSED)],
            env=workspace.environment(), capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("minute", "'61' is no minute"),
        ("fields", "5 fields are needed"),
        ("zone", "Unknown timezone 'Mars/Base'"),
        ("gpu", "Unknown GPU type 'H1000'"),
        ("timeout", "1 second to 24 hours, not 90000"),
        ("retries", "At most 10 retries, not 11"),
        ("secret", "Secret 'unknown' not found"),
    ],
)
def test_the_client_lets_it_through_but_the_service_refuses(answers, wrong, reason):
    assert reason in answers[wrong]


def test_a_sixth_cron_across_apps_is_refused_but_not_a_second_deploy_of_one(answers):
    *deployed, last = answers["crons"]
    assert deployed == ["deployed"] * 6
    assert "6 scheduled functions, but the plan has 5 crons" in last


@pytest.mark.parametrize("text", ["*/5 * * * *", "0,30 6-18/2 1 jan-mar mon", "7 6 * * 7"])
def test_crons_as_they_are_written(text):
    limits.check_cron(text)


@pytest.mark.parametrize("text", ["* * * * fun", "5-1 * * * *", "*/0 * * * *", "1;2 * * * *", ""])
def test_crons_that_are_none(text):
    with pytest.raises(Exception, match="Invalid cron string"):
        limits.check_cron(text)


def test_the_double_runs_a_command_from_a_shell_and_prints_what_was_deployed(sources):
    command = [sys.executable, "-m", "tests.doubles.modal", "--fire", "--"]
    done = subprocess.run(
        [*command, "modal", "deploy", "-m", "small.modal_app"],
        cwd=sources, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "cron: 7 6 * * 1-5" in done.stdout
    assert "small.clock: SUCCESS {'greeting': 'hello', 'mine': ''}" in done.stdout
