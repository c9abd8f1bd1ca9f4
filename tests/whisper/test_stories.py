"""Clips of our own can be heard and read: both halves fit into their five seconds."""

import shutil

import numpy as np
import pytest

from whisper import media, speech, stories
from whisper.mel import SAMPLE_RATE

HALF = 5 * SAMPLE_RATE

spoken = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")


def test_there_are_twenty_and_no_two_begin_alike():
    assert len({story.clue for story in stories.STORIES}) == 20
    assert {story.language for story in stories.STORIES} == {"en", "sv"}
    for story in stories.STORIES:
        assert 5 <= len(story.clue.split()) <= 10 and 5 <= len(story.answer.split()) <= 10


@spoken
def test_a_half_is_said_in_its_five_seconds():
    for number, story in enumerate(stories.STORIES):
        sound = stories.speech(story, number)
        assert len(sound) == 2 * HALF
        for half in (sound[:HALF], sound[HALF:]):
            assert np.abs(half[: SAMPLE_RATE // 5]).max() == 0  # it begins a little later
            assert np.abs(half[-SAMPLE_RATE // 2 :]).max() < 0.01  # and is over before the end
    found = list(speech.utterances([sound]))
    assert {one.start < 5 for one in found} == {True, False}
    assert not [one for one in found if one.start < 5 < one.end]


@spoken
def test_a_film_has_ten_seconds_of_sound_and_pictures_that_differ_by_number(tmp_path):
    sizes = set()
    for number in (0, 1):
        path = tmp_path / f"{number}.mp4"
        stories.film(stories.STORIES[0], path, number)
        found = media.probe(path)
        assert (found.kind, found.has_audio, found.width) == ("video", True, 640)
        assert found.seconds == pytest.approx(10, abs=0.2)
        sizes.add(path.stat().st_size)
    assert len(sizes) == 2


def test_the_answer_is_not_in_the_picture_before_it_is_said():
    story = stories.STORIES[0]
    other = stories.Story("en", story.clue, "something else")
    pairs = zip(stories.pictures(story), stories.pictures(other), strict=True)
    same = [bool((one == two).all()) for one, two in pairs]
    assert same == [True] * 50 + [False] * 50
