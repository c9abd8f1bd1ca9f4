"""The log-mel is the one Whisper was trained on: held against a plain transform in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fti.errors import UserError
from whisper import mel

CLOSE = 5e-5
SHORT = 100  # frames of the windows that the slow reference is asked for


def reference(clip, frames=SHORT, bands=80):
    """The definition, frame by frame: Fourier transform by matrix, filters by interpolation."""
    window = np.zeros(frames * 160)
    window[: len(clip)] = clip
    edged = np.pad(window, 200, mode="reflect")
    n = np.arange(400)
    fourier = np.exp(-2j * np.pi * np.outer(np.arange(201), n) / 400)
    hann = np.sin(np.pi * n / 400) ** 2
    columns, filters = [], triangles(bands)
    for t in range(frames):
        power = np.abs(fourier @ (hann * edged[160 * t : 160 * t + 400])) ** 2
        columns.append(np.log10(np.maximum(1e-10, filters @ power)))
    logarithms = np.stack(columns, axis=1)
    return (np.maximum(logarithms, logarithms.max() - 8) + 4) / 4


def triangles(bands):
    """Each band rises from the last one's peak to its own and falls to the next one's."""
    steps = np.linspace(0, 15 + 27 * np.log(8) / np.log(6.4), bands + 2)  # mel of 8 kHz
    peaks = np.where(steps < 15, steps * 200 / 3, 1000 * 6.4 ** ((steps - 15) / 27))
    hertz = np.arange(201) * 40.0
    rows = []
    for low, peak, high in zip(peaks, peaks[1:], peaks[2:], strict=False):
        shape = np.interp(hertz, [low, peak, high], [0, 1, 0], left=0, right=0)
        rows.append(shape * 2 / (high - low))
    return np.array(rows)


def voice(samples, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / mel.SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 9))
    return (0.1 * tones + 0.01 * rng.standard_normal(samples)).astype(np.float32)


@pytest.mark.parametrize("bands", mel.BANDS)
def test_filters_are_slaneys(bands):
    assert np.allclose(mel.filters(bands).T, triangles(bands), atol=1e-7)
    assert not mel.filters(bands).flags.writeable


@pytest.mark.parametrize("bands", mel.BANDS)
@pytest.mark.parametrize(
    "samples", [0, 1, 50, 160, 199, 200, 201, 399, 8_000, 15_799, 15_801, 15_999, 16_000]
)
def test_padded_clips_equal_the_definition_also_at_both_edges(samples, bands):
    clip = voice(samples)
    ours = mel.padded([clip], bands, SHORT)
    assert ours.dtype == np.float32
    assert ours.shape == (1, bands, SHORT)
    assert np.abs(ours[0] - reference(clip, bands=bands)).max() < CLOSE


def test_a_batch_equals_its_clips_one_by_one():
    clips = [voice(samples, seed) for seed, samples in enumerate((0, 3_000, 16_000, 100))]
    together = mel.padded(clips, frames=SHORT)
    assert all(
        np.array_equal(one, mel.padded([clip], frames=SHORT)[0])
        for one, clip in zip(together, clips, strict=True)
    )


def test_what_pads_a_clip_is_the_quietest_value_of_the_clip():
    padded = mel.padded([voice(16_000)])[0]
    assert padded.shape == (80, mel.WINDOW)
    behind = padded[:, 16_000 // mel.HOP + 2 :]
    assert (behind == behind[0, 0]).all()
    assert behind[0, 0] == pytest.approx(padded.max() - 2, abs=1e-6)  # 8 powers of ten, by 4


def test_silence_is_the_lowest_value_there_is():
    assert (mel.padded([np.zeros(16_000)]) == -1.5).all()


@settings(max_examples=30)
@given(samples=st.integers(0, 9_000), seed=st.integers(0, 5))
def test_unpadded_clips_are_the_first_frames_of_padded_ones(samples, seed):
    clip = voice(samples, seed)
    alone = mel.unpadded([clip])[0]
    assert alone.shape == (80, mel.frames_of(samples))
    assert np.allclose(alone, mel.padded([clip])[0, :, : alone.shape[1]], atol=1e-6)


@pytest.mark.parametrize("samples", [160, 320, 480_000])
def test_a_click_at_the_very_end_is_as_loud_in_unpadded_clips(samples):
    clip = 0.001 * voice(samples)
    clip[-1] = 1
    alone = mel.unpadded([clip])[0]
    assert np.allclose(alone, mel.padded([clip])[0, :, : alone.shape[1]], atol=1e-6)


def test_unpadded_clips_of_30_s_and_more_are_heard_to_their_end():
    whole, longer = mel.unpadded([voice(480_000), voice(480_100)])
    assert np.array_equal(whole, mel.padded([voice(480_000)])[0])
    assert longer.shape == (80, 3001)


def test_padding_writes_into_an_array_that_is_there():
    out = np.empty((2, 80, SHORT), dtype=np.float32)
    assert mel.padded([voice(500), voice(900)], frames=SHORT, out=out) is out
    assert np.array_equal(out[1], mel.padded([voice(900)], frames=SHORT)[0])


@pytest.mark.parametrize(
    ("seconds", "frames"), [(0, 400), (3.7, 400), (3.71, 600), (12, 2000), (29.9, 3000), (30, 3000)]
)
def test_a_bucket_holds_the_clip_and_some_slack(seconds, frames):
    assert mel.bucket(seconds) == frames


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: mel.padded([voice(9)] * 2 + [voice(16_001)], frames=SHORT), "clip 2 lasts 1.00 s"),
        (lambda: mel.padded([np.zeros((2, 9))]), "one channel"),
        (lambda: mel.unpadded([np.array([0, np.nan])]), "no finite numbers"),
        (lambda: mel.unpadded([voice(9)], bands=64), "80 or 128"),
        (lambda: mel.bucket(30.01), "longer than Whisper's 30 s"),
    ],
    ids=["too long", "stereo", "not finite", "bands", "bucket"],
)
def test_what_cannot_be_a_clip_is_refused_in_one_sentence(call, said):
    with pytest.raises(UserError, match=said):
        call()
