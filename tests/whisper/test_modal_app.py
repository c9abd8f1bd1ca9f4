"""Whisper on the loopback Modal: what its functions are given, and shards made side by side.

Training there, and being interrupted, is in tests/whisper/training/test_modal.py.
"""

from pathlib import Path

import pytest

import fti
from fti import modal as shared
from fti import runs
from tests.doubles.modal import Modal, limits
from tests.whisper.spoken import recordings
from whisper import shards

ROOT = Path(__file__).parents[2]
HOUR = 3600
EMBEDDED = {"FTI_BACKEND": "embedded", "FTI_HOME": "", "WHISPER_SOURCE": "/work/recordings"}
ON_GPU = {"train", "attempt"}
KEPT = {
    "WHISPER_SHARDS": "/work/shards",
    "WHISPER_CHECKPOINTS": "/work/checkpoints",
    "WHISPER_DOWNLOADS": "/work/downloads",
    "WHISPER_MODELS": "/work/models",
    "HF_HOME": "/work/huggingface",
}


@pytest.fixture(scope="module")
def modal():
    """A workspace with the app deployed for an embedded project, and recordings on its volume."""
    with Modal({"keys": {"HF_TOKEN": "dummy"}}) as workspace:
        env = EMBEDDED | {"WHISPER_SECRET": "keys"}
        done = workspace.command("deploy", "-m", "whisper.modal_app", env=env, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        recordings(workspace.volume("whisper-work") / "recordings")
        yield workspace
        assert not workspace.unknown


@pytest.fixture
def functions(modal):
    """The deployed functions by name."""
    return modal.deployed("whisper")


def pins(modal, function):
    """Give the requirements files whose content a function's image is made of."""
    copied = modal.copied("whisper", function).values()
    files = (ROOT / "requirements").glob("*.txt")
    return [path.name for path in files if path.read_bytes() in copied]


def test_training_has_a_gpu_a_day_ten_tries_and_a_container_for_itself(functions):
    assert {name for name, each in functions.items() if each.gpu} == ON_GPU
    for name in ON_GPU:
        function = functions[name]
        assert function.gpu == ["H100", "A100", "L40S", "A10"]
        assert (function.timeout, function.startup_timeout) == (24 * HOUR, 600)
        assert (function.retries, function.first_delay) == (limits.MOST_RETRIES, 0)
        assert function.single_use


def test_what_runs_by_the_clock_needs_no_gpu_and_no_torch(modal, functions):
    weekly = functions["weekly"]
    assert (weekly.cron, weekly.timezone) == ("33 6 * * 1", "UTC")
    assert pins(modal, "weekly") == ["whisper.txt"]
    assert pins(modal, "train") == pins(modal, "sweep") == ["whisper-training.txt"]


def test_every_function_has_the_shards_the_project_and_the_keys(functions):
    for function in functions.values():
        assert function.volumes == {"/volume": "whisper-project", "/work": "whisper-work"}
        assert function.secrets == ["keys"]
        assert KEPT.items() <= function.environment.items()
        assert 0 < function.timeout <= 24 * HOUR and function.retries


def test_without_a_secret_of_its_own_it_has_that_of_hopsworks(modal):
    secrets = {"hopsworks": {"HOPSWORKS_API_KEY": "dummy", "HOPSWORKS_PROJECT": "dummy"}}
    env = {"FTI_BACKEND": "", "FTI_HOME": "", "WHISPER_SECRET": "", "WHISPER_SOURCE": ""}
    with Modal(secrets) as workspace:
        done = workspace.command("deploy", "-m", "whisper.modal_app", env=env, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        for function in workspace.deployed("whisper").values():
            assert function.secrets == ["hopsworks"]
            assert function.volumes == {"/work": "whisper-work"}
        assert pins(workspace, "train") == ["whisper-training-hopsworks.txt"]


def test_containers_make_the_parts_of_shards_side_by_side_and_once(modal, tmp_path, monkeypatch):
    options = {"language": "en", "tokenizer": "train", "date": "2026-01-30"}
    first = modal.call("whisper", "features", **options)
    assert first.status == "SUCCESS", first.exception
    again = modal.call("whisper", "features", **options)
    assert (first.value["feature_rows_out"], again.value["feature_rows_out"]) == (30, 0)
    assert [each.function for each in modal.attempts].count("convert") == 3

    kept = modal.volume("whisper-work") / "shards"
    assert shards.summary(kept).clips == 30 and shards.tokenizer_in(kept)
    shared.unpack(modal.volume("whisper-project") / shared.ARCHIVE, tmp_path)
    monkeypatch.setenv("FTI_BACKEND", "embedded")
    monkeypatch.setenv("FTI_HOME", str(tmp_path))
    monkeypatch.delenv("FTI_PROJECT", raising=False)
    project = fti.login()
    clips = project.get_feature_store().get_feature_group("whisper_clips", version=1).read()
    assert len(clips) == 30 and set(runs.recent(project)["status"]) == {"success"}
