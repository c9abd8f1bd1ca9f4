"""Speech is found and cut by the real detector, on recordings where these are on the machine."""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from whisper import audio, speech
from whisper.mel import SAMPLE_RATE

SHARED = Path(__file__).parents[3] / "shared/data/whisper"
HAVE_DATA = pytest.mark.skipif(not SHARED.exists(), reason="no recordings on this machine")
PAUSE = np.zeros(int(0.7 * SAMPLE_RATE), np.float32)


def noise(seconds, loudness, seed=0):
    drawn = np.random.default_rng(seed).standard_normal(int(seconds * SAMPLE_RATE)) * loudness
    return np.clip(drawn, -1, 1).astype(np.float32)


@pytest.fixture(scope="module")
def digits():
    """Thirty recordings of one word each."""
    folder = SHARED / "spoken_digits"
    told = (folder / "metadata.csv").read_text("utf-8")
    rows = list(csv.DictReader(told.splitlines()))
    return [audio.decode(folder / row["file_name"]) for row in rows[::34]]


@pytest.fixture(scope="module")
def speaker():
    """Eleven seconds of a speech."""
    return audio.decode(SHARED / "jfk.flac")


@pytest.mark.parametrize("loudness", [0.0, 0.01, 0.3])
def test_a_minute_without_speech_has_none(loudness):
    sound = noise(60, loudness)
    deep = np.cumsum(sound) - np.convolve(np.cumsum(sound), np.ones(400) / 400, "same")
    deep *= loudness / max(float(deep.std()), 1e-9)
    for one in (sound, deep.astype(np.float32)):
        assert list(speech.utterances([one])) == []


@HAVE_DATA
@pytest.mark.parametrize("before", [0, 2, 40])
@pytest.mark.parametrize("loudness", [0.0, 0.005])
def test_words_are_found_however_long_nobody_spoke(digits, before, loudness):
    found, words = 0, digits[:: 1 if before < 40 else 6]
    for word in words:
        sound = np.concatenate([noise(before, loudness), PAUSE, word, PAUSE])
        utterances = list(speech.utterances([sound]))
        found += any(u.end > before + 0.7 for u in utterances)
    assert found >= 0.95 * len(words)


@HAVE_DATA
def test_pieces_of_any_size_give_the_same_utterances(speaker):
    sound = np.concatenate([noise(3, 0.005), speaker, noise(2, 0.005)])
    whole = list(speech.utterances([sound]))
    for size in (160, 511, 5000, 70_000):
        pieces = (sound[first : first + size] for first in range(0, len(sound), size))
        again = list(speech.utterances(pieces))
        assert [u.start for u in again] == [u.start for u in whole]
        for one, other in zip(again, whole, strict=True):
            assert np.array_equal(one.samples, other.samples)


@HAVE_DATA
@pytest.mark.parametrize("longest", [1.0, 2.0])
def test_long_speech_is_cut_where_it_is_quiet_and_nothing_is_lost(speaker, longest):
    whole = list(speech.utterances([speaker], longest=30))
    parts = list(speech.utterances([speaker], longest=longest))
    assert len(parts) > len(whole) and all(part.seconds <= longest for part in parts)
    for part in parts:
        first = round(part.start * SAMPLE_RATE)
        assert np.array_equal(part.samples, speaker[first : first + len(part.samples)])
    covered = np.zeros(len(speaker), int)
    for part in parts:
        covered[round(part.start * SAMPLE_RATE) : round(part.end * SAMPLE_RATE)] += 1
    assert covered.max() == 1
    loud = np.abs(speaker) > 0.1
    spoken = np.zeros(len(speaker), bool)
    for one in whole:
        spoken[round(one.start * SAMPLE_RATE) : round(one.end * SAMPLE_RATE)] = True
    assert covered[loud & spoken].min() == 1
    joints = [b.start for a, b in pairwise(parts) if a.end == b.start]
    level = np.sqrt(np.mean(speaker[spoken] ** 2))
    quiet = [speaker[int(at * SAMPLE_RATE) - 400 :][:800] for at in joints]
    assert joints and np.mean([np.sqrt(np.mean(one**2)) for one in quiet]) < level / 2


@HAVE_DATA
def test_what_goes_on_is_there_before_it_has_ended(speaker):
    cutter, lengths = speech.Cutter(), []
    for first in range(0, 2 * SAMPLE_RATE, 1600):
        assert cutter.feed(speaker[first : first + 1600]) == []
        lengths.append(cutter.open.seconds if cutter.open else 0.0)
    assert lengths == sorted(lengths) and lengths[-1] > 1.5
    (ended,) = cutter.finish()
    assert ended.samples[:1000].tolist() == speaker[int(ended.start * 16_000) :][:1000].tolist()


def utterance(start, seconds):
    return speech.Utterance(start, np.ones(round(seconds * SAMPLE_RATE), np.float32))


def test_utterances_are_put_into_stretches_with_some_silence():
    several = [utterance(*one) for one in ((1, 4), (10, 5), (70, 2), (80, 12), (99, 0.5))]
    first, second, third = speech.joined(several, 12)
    assert first.places == ((0.0, 1), (4.5, 10), (10.0, 70)) and first.seconds == 12
    assert second.places == ((0.0, 80),) and third.places == ((0.0, 99),)
    assert [first.time(t) for t in (0, 4, 4.5, 6, 10, 11.5)] == [1, 5, 10, 11.5, 70, 71.5]
    assert [first.time(t, end=True) for t in (4, 4.5, 10, 12)] == [5, 5.5, 15.5, 72]
    assert [one.places[0][1] for one in speech.joined(several)] == [1, 10, 70, 80, 99]


def test_times_in_a_stretch_never_reach_into_what_was_said_next():
    (stretch,) = speech.joined([utterance(1, 4), utterance(5.1, 5)], 12)
    assert [stretch.time(t, end=True) for t in (4, 4.3, 4.5, 5)] == [5, 5.1, 5.1, 5.6]
    assert [stretch.time(t) for t in (4.3, 4.5)] == [5.1, 5.1]
