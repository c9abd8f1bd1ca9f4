"""A run that was interrupted goes on to the same losses and weights, to the last bit."""

import json
import os
import resource
import shutil
import signal
from dataclasses import replace

import pytest
from safetensors.torch import load_file, save_file

from fti.errors import UserError
from tests.whisper.training.runs import RECIPE, process, same, trained
from whisper import checkpoints, training
from whisper.preemption import Preempted


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("straight")


@pytest.fixture(scope="module")
def straight(digits_shards, digits_tokenizer, work):
    """What a run gives that nothing interrupts; its last checkpoints are of steps 15 and 20."""
    return trained(digits_shards, digits_tokenizer, work)


@pytest.fixture
def left(straight, work, tmp_path):
    """A copy of the run, of which the last checkpoint is lost; it is in an epoch's middle."""
    shutil.copytree(work, tmp_path, dirs_exist_ok=True)
    run = tmp_path / straight.run_id
    assert [place.name for place in checkpoints.every(run)] == ["checkpoint-15", "checkpoint-20"]
    shutil.rmtree(checkpoints.path(run, 20))
    state = json.loads((checkpoints.path(run, 15) / "trainer_state.json").read_text())
    assert state["epoch"] % 1
    return checkpoints.path(run, 15)


@pytest.fixture
def again(digits_shards, digits_tokenizer, tmp_path):
    """Train, in the folder of the test."""
    return lambda **options: trained(digits_shards, digits_tokenizer, tmp_path, **options)


def test_a_run_learns_and_scores_as_it_was_told(straight):
    losses = {row["step"]: row["loss"] for row in straight.history if "loss" in row}
    rates = {row["step"]: row["error_rate"] for row in straight.history if "error_rate" in row}
    assert list(losses) == [4, 8, 12, 16, 20]
    assert losses[20] < losses[4]
    assert list(rates) == [6, 12, 18, 20]
    assert straight.best_score == min(rates.values()) == rates[straight.best_step]
    assert (straight.steps, straight.seconds > 0) == (20, True)


def test_going_on_equals_never_having_stopped(straight, left, again):
    assert same(again(), straight)


def test_loaders_that_stay_from_epoch_to_epoch_give_the_same_run(straight, again):
    assert same(again(recipe=replace(RECIPE, workers=1)), straight)


@pytest.mark.parametrize("lost", ["rng_state.pth", "optimizer.pt"])
def test_without_all_of_its_state_a_run_would_come_out_differently(straight, left, again, lost):
    (left / lost).unlink()
    listed = json.loads((left / checkpoints.LIST).read_text())
    del listed[lost]
    (left / checkpoints.LIST).write_text(json.dumps(listed))
    assert not same(again(), straight)


def test_a_checkpoint_that_lost_a_file_is_not_gone_on_from(straight, left, again):
    (left / "rng_state.pth").unlink()
    assert same(again(), straight)


def test_a_run_that_is_over_is_not_trained_again(straight, digits_shards, digits_tokenizer, work):
    def refuse(model):
        raise AssertionError("it was scored again")

    assert same(trained(digits_shards, digits_tokenizer, work, evaluate=refuse), straight)


def test_without_resume_a_run_begins_anew(straight, left, again):
    assert same(again(resume=False), straight)


def test_notice_while_scoring_leaves_it_for_later(straight, again, tmp_path):
    def told(model):
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("it went on")

    with pytest.raises(Preempted, match="stopped at step 6 of 20"):
        again(evaluate=told)
    assert checkpoints.latest(tmp_path / straight.run_id).name == "checkpoint-6"
    with pytest.raises(Preempted, match="stopped at step 6 of 20"):
        again(evaluate=told)
    assert same(again(), straight)


def test_a_process_told_to_stop_leaves_a_checkpoint_and_another_goes_on(
    straight, digits_shards, again, tmp_path
):
    # As a terminal and a scheduler do: all processes hear it, also those that load audio.
    with process(digits_shards, tmp_path, workers=2) as running:
        assert running.stdout.readline() == "scored\n"
        os.killpg(running.pid, signal.SIGTERM)
        said = running.communicate()[1]
    assert running.returncode == Preempted.exit_code, said
    assert "the same command goes on from there" in said
    steps = [place.name for place in checkpoints.every(tmp_path / straight.run_id)]
    assert "checkpoint-20" not in steps and steps
    assert same(again(), straight)


def test_a_process_killed_while_it_saves_leaves_the_checkpoint_before(
    straight, digits_shards, again, tmp_path
):
    # The state is the last that is written; python tells when it opens the file.
    kill = """
import os, sys
def die(event, given):
    if event == "open" and ".writing-checkpoint-10/trainer_state" in str(given[0]):
        os.kill(os.getpid(), 9)
sys.addaudithook(die)
"""
    with process(digits_shards, tmp_path, first=kill) as running:
        said = running.communicate()[1]
    assert running.returncode == -signal.SIGKILL, said
    run = tmp_path / straight.run_id
    assert (run / ".writing-checkpoint-10" / "model.safetensors").exists()
    assert checkpoints.latest(run).name == "checkpoint-5"
    assert same(again(), straight)
    assert not list(run.glob(".writing-*"))


def test_a_full_disk_leaves_the_checkpoint_before(straight, again, tmp_path):
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(model):
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, unlimited[1]))
        return {"error_rate": 0.5}

    try:
        with pytest.raises(UserError, match=r"best-6: it could not be written .* make room"):
            again(evaluate=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    run = tmp_path / straight.run_id
    assert checkpoints.latest(run).name == "checkpoint-5"
    assert not list(run.glob(".writing-*"))
    assert same(again(), straight)


def test_a_checkpoint_of_another_model_is_refused(straight, left, again):
    weights = load_file(left / "model.safetensors")
    weights.pop("model.encoder.conv1.bias")
    save_file(weights, left / "model.safetensors", {"format": "pt"})
    (left / checkpoints.LIST).unlink()
    left.rename(checkpoints.aside(left))
    checkpoints.finish(left)
    with pytest.raises(UserError, match="it is of another model"):
        again()


def test_a_run_whose_best_weights_are_lost_says_so_before_it_trains(straight, left, again):
    best = json.loads((left / "trainer_state.json").read_text())["best_global_step"]
    shutil.rmtree(left.parent / f"best-{best}")
    with pytest.raises(UserError, match="is lost: delete"):
        again()


def test_a_run_is_known_by_all_that_it_learns_from(straight, digits_shards, digits_tokenizer):
    def known(**changes):
        return training.run_id(replace(RECIPE, **changes), digits_shards, digits_tokenizer)

    assert known() == straight.run_id
    assert known(workers=3, tensorboard=True, logging_steps=9) == straight.run_id
    others = [{"max_steps": 21}, {"seed": 1}, {"dropout": 0.3}, {"model": "openai/whisper-tiny"}]
    assert len({known(**changes) for changes in others} | {known()}) == len(others) + 1


def test_lora_goes_on_to_the_same_weights(straight, digits_shards, digits_tokenizer, tmp_path):
    def train():
        recipe = replace(RECIPE, lora_rank=2, max_steps=6, eval_steps=6, save_steps=3)
        return trained(digits_shards, digits_tokenizer, tmp_path, recipe)

    whole = train()
    shutil.rmtree(checkpoints.path(tmp_path / whole.run_id, 6))
    assert same(train(), whole)


def test_two_processes_train_one_model_together(digits_shards, tmp_path):
    changes = {"max_steps": 4, "save_steps": 2, "eval_steps": 4}
    with process(digits_shards, tmp_path, processes=2, **changes) as running:
        said, complaint = running.communicate()
    assert running.returncode == 0, complaint
    scored, one, other = sorted(said.splitlines())
    assert scored == "scored"
    assert one == other and one.startswith("weights")
    (run,) = tmp_path.iterdir()
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= {
        file.name for file in checkpoints.path(run, 4).iterdir()
    }
