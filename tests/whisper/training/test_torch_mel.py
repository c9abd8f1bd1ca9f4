"""The log-mel of training is the one of inference, whatever the window and the precision around."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import WhisperFeatureExtractor

from fti.errors import UserError
from whisper import augment, mel, torch_mel

CLOSE = 1e-4
SAMPLES = (1, 399, 16_000, 40_001, 64_000)


def voices(sizes=SAMPLES):
    """Give clips of different lengths, and the same ones in one tensor with silence behind."""
    rng = np.random.default_rng(0)
    clips = [(0.1 * rng.standard_normal(size)).clip(-1, 1).astype(np.float32) for size in sizes]
    clips = [np.rint(clip * 32768).astype(np.int16) for clip in clips]
    batch = np.zeros((len(clips), max(sizes)), np.int16)
    for row, clip in zip(batch, clips, strict=True):
        row[: clip.size] = clip
    return [clip / np.float32(32768) for clip in clips], torch.from_numpy(batch)


@pytest.mark.parametrize("bands", mel.BANDS)
@pytest.mark.parametrize("frames", [400, 600, 3000])
def test_it_equals_the_one_of_inference_in_every_window(bands, frames):
    clips, batch = voices()
    found = torch_mel.log_mel(batch, bands, frames)
    assert (found.shape, found.dtype) == ((len(clips), bands, frames), torch.float32)
    assert np.abs(found.numpy() - mel.padded(clips, bands, frames)).max() < CLOSE


@pytest.mark.parametrize(("bands", "seconds"), [(80, 30), (128, 30), (80, 4), (80, 12)])
def test_it_equals_the_one_of_transformers(bands, seconds):
    clips, batch = voices()
    extractor = WhisperFeatureExtractor(feature_size=bands, chunk_length=seconds)
    wanted = extractor(clips, sampling_rate=16_000, return_tensors="np").input_features
    found = torch_mel.log_mel(batch, bands, 100 * seconds)
    assert np.abs(found.numpy() - wanted).max() < 1e-5


def test_whole_numbers_and_floats_give_the_same():
    clips, batch = voices((16_000,))
    assert torch.equal(
        torch_mel.log_mel(batch), torch_mel.log_mel(torch.from_numpy(clips[0])[None])
    )


def test_autocast_around_it_changes_nothing():
    _, batch = voices()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = torch_mel.log_mel(batch)
    assert torch.equal(found, torch_mel.log_mel(batch))


def test_silence_is_as_low_as_it_gets_and_no_clip_is_too_long_for_its_window():
    silence = torch.zeros((1, 16_000), dtype=torch.int16)
    assert torch.equal(torch_mel.log_mel(silence), torch.full((1, 80, 100), -1.5))
    with pytest.raises(UserError, match=r"1\.00 s do not fit into a window of 0\.5 s"):
        torch_mel.log_mel(silence, frames=50)


@settings(max_examples=40)
@given(
    heard=st.lists(st.integers(1, 120), min_size=1, max_size=3),
    bands=st.sampled_from([80, 128]),
    seed=st.integers(0, 2**32 - 1),
)
def test_masks_hide_whole_stretches_of_a_clip_and_nothing_of_its_padding(heard, bands, seed):
    rng = np.random.default_rng(seed)
    recipe = augment.Recipe(masks=1)
    drawn = [augment.masks(recipe, rng) for _ in heard]
    times, rows = (torch.from_numpy(np.stack(kind)) for kind in zip(*drawn, strict=True))
    mels = torch.from_numpy(rng.standard_normal((len(heard), bands, 120), dtype=np.float32))
    masked = torch_mel.hide(mels, torch.tensor(heard), times, rows)
    for before, after, frames, time in zip(mels, masked, heard, times, strict=True):
        assert torch.equal(after[:, frames:], before[:, frames:])
        hidden = (after != before)[:, :frames]
        in_bands, in_time = hidden.all(1), hidden.all(0)
        assert torch.equal(hidden, in_bands[:, None] | in_time)
        assert in_bands.sum() <= 2 * 0.15 * bands or in_time.all()
        assert in_time.sum() == len(stretched(time, frames)) or in_bands.all()
        mean = before[:, :frames].mean()
        assert torch.allclose(after[:, :frames][hidden], mean, atol=1e-5)


def stretched(masks, size):
    """Give the places under masks, one by one."""
    found = set()
    for share, place in masks.numpy():
        width = int(np.float32(share * size))
        first = int(np.float32(place * np.float32(size - width + 1)))
        found |= set(range(first, first + width)) & set(range(size))
    return found


def test_another_tract_multiplies_frequencies():
    t = np.arange(16_000) / 16_000
    mels = torch_mel.log_mel(torch.from_numpy(0.3 * np.sin(2 * np.pi * 2000 * t)).float()[None])
    factors = torch.tensor([0.85, 1.0, 1.15])
    stretched = torch_mel.stretch(mels.repeat(3, 1, 1), factors)
    loudest = mel.centres()[stretched.mean(2).argmax(1)]
    assert loudest == pytest.approx(2000 * factors.numpy(), rel=0.03)  # bands are 6 % apart
    assert torch.allclose(stretched[1], mels[0], atol=1e-5)


@pytest.mark.parametrize("bands", mel.BANDS)
@given(factor=st.floats(0.5, 2))
def test_another_tract_leaves_both_ends_and_the_order_of_frequencies(bands, factor):
    rising = torch.arange(bands, dtype=torch.float32)[None, :, None].repeat(1, 1, 3)
    moved = torch_mel.stretch(rising, torch.tensor([factor]))[0, :, 0]
    assert (moved.diff() > -1e-3).all() and moved.min() >= 0
    assert moved[-1] > bands - 2.5


def test_masks_without_width_hide_nothing():
    mels = torch.rand((2, 80, 50))
    nothing = torch.tensor([[[0.0, 0.5]], [[0.0, 0.9]]])
    assert torch.equal(torch_mel.hide(mels, torch.tensor([50, 20]), nothing, nothing), mels)
