"""Training on the loopback Modal: interrupted twice, it goes on and ends as if it had not been."""

import signal
from pathlib import Path

import pytest

pytest.importorskip("modal")

import torch
from safetensors.torch import load_file

import fti
from fti import modal as shared
from fti import models
from tests.doubles.modal import Disturbance, Modal
from tests.whisper.spoken import recordings
from whisper import processes
from whisper.training_pipeline import choose

ROOT = Path(__file__).parents[3]
EMBEDDED = {"FTI_BACKEND": "embedded", "FTI_HOME": "", "WHISPER_SOURCE": "/work/recordings"}
SMALL = (
    "d_model=16 heads=2 ffn=32 encoder_layers=1 decoder_layers=1 batch_size=8 max_steps=30 "
    "save_steps=5 eval_steps=30 max_new_tokens=4 dropout=0.2 windows=1.2,2.4"
)
DAY = "2026-01-30"


@pytest.fixture(scope="module")
def modal():
    """A workspace with the app deployed, and features of some recordings on its volume."""
    with Modal() as workspace:
        done = workspace.command("deploy", "-m", "whisper.modal_app", env=EMBEDDED, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        recordings(workspace.volume("whisper-work") / "recordings")
        options = {"language": "en", "tokenizer": "train", "date": DAY}
        made = workspace.call("whisper", "features", **options)
        assert made.status == "SUCCESS", made.exception
        yield workspace
        assert not workspace.unknown


def past(kept, step):
    """Give what tells whether training has got to a checkpoint of that step."""
    names = (one.name.split("-")[1] for one in kept.glob("*/checkpoint-*"))
    return any(int(name) >= step for name in names)


def registered(modal, home):
    """Give the weights that the app has registered."""
    shared.unpack(modal.volume("whisper-project") / shared.ARCHIVE, home)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FTI_BACKEND", "embedded")
        environment.setenv("FTI_HOME", str(home))
        environment.delenv("FTI_PROJECT", raising=False)
        folder = models.fetch_model(fti.login(), "whisper").folder
    return load_file(folder / "model.safetensors")


def undisturbed(modal, work):
    """Give the weights of the same training in this process, with as many threads."""
    folder = modal.volume("whisper-work") / "shards"
    torch.set_num_threads(int(shared.THREADS["OMP_NUM_THREADS"]))
    try:
        fitted = processes.fit(choose("tiny", SMALL.split()), folder, work)
    finally:
        torch.set_num_threads(1)
    return fitted.model.state_dict()


def test_training_that_is_preempted_twice_ends_in_the_weights_of_an_undisturbed_one(
    modal, tmp_path
):
    kept = modal.volume("whisper-work") / "checkpoints"
    second = Disturbance(signal.SIGINT, lambda _: past(kept, 15))

    def first(folder):
        if past(kept, 5):
            modal.disturb("train", second)
        return past(kept, 5)

    modal.disturb("train", Disturbance(signal.SIGINT, first))
    ended = modal.call("whisper", "train", recipe="tiny", settings=SMALL, date=DAY)
    assert ended.status == "SUCCESS", ended.exception
    attempts = [each for each in modal.attempts if each.function == "train"]
    assert [each.status for each in attempts] == ["PREEMPTED", "PREEMPTED", "SUCCESS"]
    assert {each.retries for each in attempts} == {0}
    assert "goes on from checkpoint-" in attempts[-1].output

    weights, expected = registered(modal, tmp_path), undisturbed(modal, tmp_path / "work")
    assert all(torch.equal(weights[name], expected[name]) for name in weights)

    scored = modal.call("whisper", "weekly")  # as the clock does
    assert scored.status == "SUCCESS", scored.exception
    assert scored.value["batch_inference_published"] == 3


def test_a_grid_is_tried_by_containers_into_one_table(modal):
    knobs = [pair.split("=") for pair in SMALL.split()]
    told = "\n".join(f"{knob} = [{value}]" if "," in value else f"{knob} = {value}"
                     for knob, value in knobs)  # fmt: skip
    ended = modal.call("whisper", "sweep", text=f"[set]\n{told}")
    assert ended.status == "SUCCESS", ended.exception
    assert "**base**" in ended.value
    assert [each.function for each in modal.attempts].count("attempt") == 1
