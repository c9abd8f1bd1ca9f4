"""A checkpoint is whole or is not picked up, and notice to stop is heard where it may be."""

import os
import signal

import pytest

from whisper import checkpoints
from whisper.preemption import Interrupted, Notice


def written(folder, step, text="weights"):
    place = checkpoints.path(folder, step)
    checkpoints.begin(place)
    (checkpoints.aside(place) / "rng").mkdir()
    (checkpoints.aside(place) / "rng" / "state").write_text(text)
    (checkpoints.aside(place) / "model").write_text(text)
    checkpoints.finish(place)
    return place


def test_the_newest_checkpoint_is_by_step_and_not_by_name(tmp_path):
    places = [written(tmp_path, step) for step in (900, 1000, 20)]
    assert checkpoints.latest(tmp_path) == places[1]
    assert checkpoints.every(tmp_path) == [places[2], places[0], places[1]]


def test_without_a_checkpoint_there_is_none(tmp_path):
    assert checkpoints.latest(tmp_path / "nowhere") is None


def test_what_was_not_finished_is_not_picked_up(tmp_path):
    before = written(tmp_path, 10)
    checkpoints.begin(checkpoints.path(tmp_path, 20))
    (checkpoints.aside(checkpoints.path(tmp_path, 20)) / "model").write_text("half")
    assert checkpoints.latest(tmp_path) == before


@pytest.mark.parametrize("damage", ["a file is gone", "a file is cut off", "the list is gone"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, damage, caplog):
    before, newest = written(tmp_path, 10), written(tmp_path, 20)
    if damage == "a file is gone":
        (newest / "rng" / "state").unlink()
    elif damage == "a file is cut off":
        (newest / "model").write_text("weigh")
    else:
        (newest / checkpoints.LIST).unlink()
    assert checkpoints.latest(tmp_path) == before
    assert str(newest) in caplog.text


def test_a_checkpoint_takes_the_place_of_an_earlier_one_of_its_step(tmp_path):
    written(tmp_path, 10, "old")
    assert (written(tmp_path, 10, "new") / "model").read_text() == "new"


def test_only_the_newest_are_kept_and_nothing_unfinished(tmp_path):
    for step in (10, 20, 30):
        written(tmp_path, step)
    checkpoints.begin(checkpoints.path(tmp_path, 40))
    checkpoints.keep_newest(tmp_path, 2)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["checkpoint-20", "checkpoint-30"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_notice_is_taken_and_handlers_are_put_back(number):
    before = signal.getsignal(number)
    with Notice() as notice:
        assert not notice.given
        os.kill(os.getpid(), number)
        assert notice.given
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_does_not_wait():
    with Notice(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_what_may_be_left_is_left_at_once():
    with Notice() as notice:
        with pytest.raises(Interrupted), notice.at_once():
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError("it went on")
        with pytest.raises(Interrupted), notice.at_once():
            raise AssertionError("it began")
