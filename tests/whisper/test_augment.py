"""Changed audio is changed by what was asked, comes again with its seed, and keeps its text."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti.errors import UserError
from whisper import augment
from whisper.augment import SAMPLE_RATE, TICK, Recipe, Segment

NOTHING = Recipe(noise=0, speed=0, pitch=0, gain=0, masks=0)
EVERYTHING = Recipe(noise=1, speed=1, pitch=1, gain=1, masks=1)


def tone(hertz=440, seconds=1.0):
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


def pitch(audio):
    """The strongest frequency, in Hz."""
    strength = np.abs(np.fft.rfft(audio * np.hanning(audio.size)))
    return strength.argmax() * SAMPLE_RATE / audio.size


def power(audio):
    return np.mean(np.square(audio, dtype=np.float64))


@settings(max_examples=40)
@given(snr=st.floats(-10, 40), colour=st.sampled_from(list(augment.COLOURS)), seed=st.integers(0))
def test_noise_has_the_stated_distance_to_the_speech(snr, colour, seed):
    clip = tone()
    noise = augment.coloured_noise(clip.size, colour, np.random.default_rng(seed))
    noisy = augment.add_noise(clip, noise, snr)
    measured = 10 * np.log10(power(clip) / power(noisy - clip.astype(np.float64)))
    assert measured == pytest.approx(snr, abs=0.05)


@pytest.mark.parametrize("samples", [0, 1, 1_001, 16_000])
def test_silence_gets_no_noise(samples):
    noise = augment.coloured_noise(samples, "pink", np.random.default_rng(0))
    assert noise.size == samples
    assert not augment.add_noise(np.zeros(samples, np.float32), noise, 10).any()


def test_darker_noise_has_less_of_high_frequencies():
    shares = []
    for colour in ("white", "pink", "brown"):
        noise = augment.coloured_noise(32_000, colour, np.random.default_rng(0))
        strength = np.abs(np.fft.rfft(noise)) ** 2
        shares.append(strength[8_000:].sum() / strength.sum())
        assert power(noise) == pytest.approx(1, abs=1e-4)
    assert shares[0] == pytest.approx(0.5, abs=0.05)
    assert shares[0] > shares[1] > shares[2]


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.1])
def test_speed_shortens_a_clip_and_raises_its_pitch(factor):
    faster = augment.change_speed(tone(), factor)
    assert faster.size == pytest.approx(SAMPLE_RATE / factor, abs=2)
    assert pitch(faster) == pytest.approx(440 * factor, rel=0.01)


@pytest.mark.parametrize("semitones", [-2, -0.5, 0, 1, 2])
def test_pitch_moves_by_semitones_and_the_length_stays(semitones):
    shifted = augment.shift_pitch(tone(), semitones)
    assert shifted.size == SAMPLE_RATE
    assert pitch(shifted) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.005)
    assert power(shifted) == pytest.approx(power(tone()), rel=0.05)


@pytest.mark.parametrize("semitones", [-2, 2])
def test_pitch_leaves_when_and_how_loud_things_are_said(semitones):
    clip = np.zeros(SAMPLE_RATE, np.float32)
    clip[8_000:12_000] = tone(300, 0.25)
    shifted = augment.shift_pitch(clip, semitones)
    middle = np.average(np.arange(SAMPLE_RATE), weights=np.square(shifted))
    assert middle == pytest.approx(10_000, abs=300)  # 20 ms
    assert power(shifted) == pytest.approx(power(clip), rel=1e-3)


@given(decibels=st.floats(-40, 40), loudness=st.floats(0, 1.5))
def test_gain_never_makes_a_clip_too_loud(decibels, loudness):
    clip = np.array([loudness, -loudness / 2], np.float32)
    changed = augment.change_gain(clip, decibels)
    assert np.abs(changed).max() <= max(1, np.abs(clip).max()) + 1e-6
    if decibels <= 0:
        assert np.allclose(changed, clip * 10 ** (decibels / 20))


@pytest.mark.parametrize("samples", [0, 1, 300, 5_000, 80_000])
def test_every_change_at_once_gives_usable_audio(samples):
    clip = np.resize(tone(), samples)
    changed = augment.augment(clip, EVERYTHING, augment.generator(0, 0, "clip"))
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    assert samples / 1.12 - 1 <= changed.size <= samples / 0.88 + 1


def test_a_clip_changes_the_same_way_in_a_rerun_and_another_way_in_the_next_epoch():
    first, again, later, other = (
        augment.augment(tone(), EVERYTHING, augment.generator(7, epoch, clip))
        for epoch, clip in ((0, "a"), (0, "a"), (1, "a"), (0, "b"))
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first[:1000], later[:1000])
    assert not np.array_equal(first[:1000], other[:1000])


def test_changes_happen_as_often_as_the_recipe_says():
    clip = tone(seconds=0.05)
    recipe = Recipe(noise=0.25, speed=0, pitch=0, gain=0)
    rngs = (augment.generator(0, 0, str(number)) for number in range(800))
    changed = sum(not np.array_equal(augment.augment(clip, recipe, rng), clip) for rng in rngs)
    assert 0.2 < changed / 800 < 0.3
    assert augment.augment(clip, NOTHING, augment.generator(0, 0, "a")) is clip


def test_a_probability_that_is_none_is_refused():
    with pytest.raises(UserError, match=r"probability of pitch is 1\.5"):
        Recipe(pitch=1.5)


@settings(max_examples=50)
@given(bands=st.sampled_from([80, 128]), frames=st.integers(0, 300), seed=st.integers(0, 2**32 - 1))
def test_masks_hide_whole_stretches_of_the_clip_and_nothing_of_its_padding(bands, frames, seed):
    rng = np.random.default_rng(seed)
    mel = rng.standard_normal((bands, frames + 40)).astype(np.float32)
    kept = mel.copy()
    masked = augment.mask(mel, EVERYTHING, rng, frames)
    assert np.array_equal(mel, kept)
    assert np.array_equal(masked[:, frames:], mel[:, frames:])
    hidden = masked[:, :frames] != mel[:, :frames]
    rows, columns = hidden.all(axis=1), hidden.all(axis=0)
    assert np.array_equal(hidden, rows[:, None] | columns[None])
    assert rows.sum() <= 2 * 0.15 * bands or columns.all()
    assert columns.sum() <= 2 * 0.05 * frames


def test_clips_in_which_nothing_is_said_are_silence_or_quiet_noise():
    clips = [augment.nothing_said(8_000, augment.generator(0, 0, str(n))) for n in range(200)]
    silent = sum(not clip.any() for clip in clips)
    assert 70 < silent < 130
    assert all(power(clip) <= 0.011 and np.abs(clip).max() <= 1 for clip in clips)
    assert {(clip.size, clip.dtype) for clip in clips} == {(8_000, np.dtype(np.float32))}


@settings(max_examples=60)
@given(
    clips=st.lists(st.tuples(st.integers(1, 16_000), st.sampled_from(["", "hej", "på dig"]))),
    most=st.integers(1, 6),
    seed=st.integers(0, 1_000),
)
def test_packed_clips_are_all_there_in_order_at_their_times(clips, most, seed):
    sounds = [(np.full(size, n + 1, np.float32), text) for n, (size, text) in enumerate(clips)]
    windows = list(augment.pack(sounds, np.random.default_rng(seed), most, longest=48_000))
    assert [s.text for w in windows for s in w.segments] == [text for _, text in clips if text]
    assert sum(np.count_nonzero(w.audio) for w in windows) == sum(size for size, _ in clips)
    spoken = iter([sound for sound, text in sounds if text])
    for window in windows:
        assert window.audio.size <= 48_000
        assert len(np.unique(window.audio[window.audio > 0])) <= most
        times = [time for s in window.segments for time in (s.start, s.end)]
        assert times == sorted(times)
        assert all(round(time * SAMPLE_RATE) % TICK == 0 for time in times)
        for segment in window.segments:
            start, end = (round(t * SAMPLE_RATE) for t in (segment.start, segment.end))
            sound = next(spoken)
            assert np.array_equal(window.audio[start : start + sound.size], sound)
            assert 0 <= end - start - sound.size < TICK


def test_windows_of_30_s_are_well_filled():
    clips = [(np.ones(5 * SAMPLE_RATE, np.float32), "fem sekunder")] * 60
    sizes = [w.audio.size for w in augment.pack(clips, np.random.default_rng(0))]
    assert np.mean(sizes) > 15 * SAMPLE_RATE
    assert max(sizes) <= 30 * SAMPLE_RATE


def test_a_clip_longer_than_a_window_is_refused():
    with pytest.raises(UserError, match=r"31\.00 s does not fit"):
        list(augment.pack([(np.zeros(31 * SAMPLE_RATE), "lång")], np.random.default_rng(0)))


def test_segments_are_written_as_whisper_writes_them():
    said = [Segment(0.0, 1.2, "Hej."), Segment(1.6, 2.84, "Hur är det?")]
    written = augment.timestamped(said, "sv")
    assert written == "<|0.00|> Hej.<|1.20|><|1.60|> Hur är det?<|2.84|>"
    assert re.sub(r"<\|[\d.]+\|>", "", written).strip() == augment.text_of(said, "sv")
    assert augment.timestamped([Segment(0.0, 1.0, "你好")], "zh") == "<|0.00|>你好<|1.00|>"
    assert augment.text_of([Segment(0, 1, "你"), Segment(1, 2, "好")], "zh") == "你好"
