"""Input that nobody vouches for costs so much and no more, and learns nothing."""

import os
import sys

import psutil
import pytest

from tests.whisper import hostile
from whisper import bounded
from whisper.audio import AudioError
from whisper.bounded import Limits

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows bounds nothing but the time")
TEN = Limits(seconds=10, processor=10)


def call(function, limits=TEN, **arguments):
    return bounded.call(function, arguments, limits, "talk.mp4", AudioError)


def test_arguments_go_in_and_the_result_comes_out_whatever_is_printed():
    assert call(hostile.answers, value=["å", 1.5, None])["value"] == ["å", 1.5, None]


def test_the_process_knows_no_keys_of_its_parent(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "a")
    monkeypatch.setenv("HOPSWORKS_API_KEY", "b")
    known = call(hostile.answers, value=0)["environment"]
    assert not {"HF_TOKEN", "HOPSWORKS_API_KEY"} & set(known)


def test_a_sentence_comes_out_as_the_error_that_is_wanted():
    with pytest.raises(AudioError, match=r"^This file is no sound\.$"):
        call(hostile.refuses)


def test_a_bug_is_not_taken_for_bad_input():
    with pytest.raises(RuntimeError, match="a bug"):
        call(hostile.fails)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds address space")
def test_memory_is_bounded():
    limits = Limits(seconds=10, processor=10, memory=2**29)
    assert call(hostile.eats, limits, size=2**20) == 2**20
    with pytest.raises(AudioError, match=r"^talk\.mp4: it is damaged, or needs more memory"):
        call(hostile.eats, limits, size=2**29)


def test_processor_time_is_bounded():
    with pytest.raises(AudioError, match="more memory or time"):
        call(hostile.spins, Limits(seconds=10, processor=1))


def test_the_size_of_files_is_bounded(tmp_path):
    path = tmp_path / "out"
    with pytest.raises(AudioError, match="more memory or time"):
        call(hostile.writes, Limits(10, 10, file=1000), path=str(path), size=2000)
    assert path.stat().st_size <= 1000


def test_time_is_bounded_and_nothing_that_was_started_goes_on(tmp_path):
    with pytest.raises(AudioError, match=r"^talk\.mp4: it took longer than 1\.5 s"):
        call(hostile.waits, Limits(seconds=1.5), path=str(tmp_path / "number"))
    number = int((tmp_path / "number").read_text())
    assert not psutil.pid_exists(number) or psutil.Process(number).status() == "zombie"


def test_a_crash_of_a_library_is_one_sentence():
    with pytest.raises(AudioError, match=r"take another file\.$"):
        call(hostile.dies)
