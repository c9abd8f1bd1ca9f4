"""Changed audio is changed by what was asked, comes again with its seed, and keeps its time."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti.errors import UserError
from whisper import augment
from whisper.augment import SAMPLE_RATE, TICK, Recipe

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
    with pytest.raises(UserError, match=r"tract_factor is \(0, 1\)"):
        Recipe(tract_factor=(0, 1))


def test_a_tract_is_drawn_as_often_as_the_recipe_says_and_else_draws_nothing():
    recipe = Recipe(tract=0.25, tract_factor=(0.8, 1.1))
    drawn = [augment.tract(recipe, augment.generator(0, 0, str(n))) for n in range(800)]
    other = [factor for factor in drawn if factor != 1]
    assert 0.2 < len(other) / 800 < 0.3
    assert 0.8 <= min(other) < 0.82 and 1.08 < max(other) <= 1.1
    rngs = [augment.generator(0, 0, "a") for _ in range(2)]
    assert augment.tract(NOTHING, rngs[0]) == 1 and rngs[0].random() == rngs[1].random()


def test_a_tone_lifts_a_part_of_the_spectrum_and_leaves_the_loudness():
    heard = augment.coloured_noise(16_000, "white", np.random.default_rng(0)) / 10
    levels = np.where(np.arange(augment.TONES) < augment.TONES / 2, -12.0, 12.0)
    changed = augment.change_tone(heard, levels)
    before, after = (np.abs(np.fft.rfft(x)) ** 2 for x in (heard, changed))
    ratio = after / before
    assert changed.size == heard.size and np.isclose(np.std(changed), np.std(heard), rtol=0.02)
    assert 10 * np.log10(np.median(ratio[4000:]) / np.median(ratio[100:300])) == pytest.approx(
        24, abs=2
    )
    assert np.array_equal(augment.change_tone(np.zeros(500, np.float32), levels), np.zeros(500))


def test_a_clip_is_never_slowed_beyond_its_window():
    clip, slow = tone(), Recipe(noise=0, speed=1, factor=(0.9, 0.95), pitch=0, gain=0)
    rngs = [augment.generator(0, 0, "a") for _ in range(2)]
    assert augment.augment(clip, slow, rngs[0]).size > 16_000
    assert augment.augment(clip, slow, rngs[1], longest=16_500) is clip


def test_masks_are_as_wide_and_as_frequent_as_the_recipe_says():
    recipe = Recipe(masks=0.25, time_masks=3, time_share=0.1, band_masks=1, band_share=0.2)
    drawn = [augment.masks(recipe, augment.generator(0, 0, str(n))) for n in range(800)]
    assert {(times.shape, bands.shape) for times, bands in drawn} == {((3, 2), (1, 2))}
    times, bands = (np.stack(kind) for kind in zip(*drawn, strict=True))
    some = times[..., 0].any(axis=1)
    assert 0.2 < some.mean() < 0.3
    assert np.array_equal(some, bands[..., 0].any(axis=1))
    assert 0.09 < times[..., 0].max() < 0.1
    assert 0.19 < bands[..., 0].max() < 0.2
    assert 0 <= times[..., 1].min() <= times[..., 1].max() < 1
    assert times.dtype == bands.dtype == np.float32


def test_clips_in_which_nothing_is_said_are_silence_or_quiet_noise():
    clips = [augment.nothing_said(8_000, augment.generator(0, 0, str(n))) for n in range(200)]
    silent = sum(not clip.any() for clip in clips)
    assert 70 < silent < 130
    assert all(power(clip) <= 0.011 and np.abs(clip).max() <= 1 for clip in clips)
    assert {(clip.size, clip.dtype) for clip in clips} == {(8_000, np.dtype(np.float32))}


@settings(max_examples=60)
@given(sizes=st.lists(st.integers(1, 16_000), min_size=1), seed=st.integers(0, 1_000))
def test_packed_clips_are_there_in_order_at_their_times(sizes, seed):
    sounds = [np.full(size, number + 1, np.float32) for number, size in enumerate(sizes)]
    window, times = augment.pack(iter(sounds), np.random.default_rng(seed), 48_000)
    assert 1 <= len(times) <= len(sounds)
    assert window.size <= 48_000
    assert np.count_nonzero(window) == sum(sizes[: len(times)])
    for sound, (start, end) in zip(sounds, times, strict=False):
        first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
        assert first % TICK == last % TICK == 0
        assert np.array_equal(window[first : first + sound.size], sound)
        assert 0 <= last - first - sound.size < TICK
    pauses = [later[0] - earlier[1] for earlier, later in pairwise(times)]
    assert all(0.1 <= round(pause, 6) <= 1 for pause in pauses)


def test_a_window_takes_as_many_clips_as_fit():
    sounds = [np.ones(5 * SAMPLE_RATE, np.float32)] * 60
    _, times = augment.pack(sounds, np.random.default_rng(0), 30 * SAMPLE_RATE)
    assert len(times) == 5


def test_a_clip_longer_than_a_window_is_refused():
    with pytest.raises(UserError, match=r"31\.00 s does not fit"):
        augment.pack([np.zeros(31 * SAMPLE_RATE)], np.random.default_rng(0), 30 * SAMPLE_RATE)
