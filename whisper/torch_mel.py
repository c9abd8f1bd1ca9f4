"""Log-mel spectrograms of whole batches by torch, on the device that trains.

The values are those of `whisper.mel`, whose filters they use: what a model is trained on is what
it hears later, where there is no torch. They agree to 1e-5, or 1e-4 on a GPU that is told to
multiply in TF32.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from fti.errors import UserError
from whisper import mel

FULL_SCALE = 32768.0  # of int16
_BLOCK = {"cpu": 1, "cuda": 64}  # clips at a time: a core's cache is small, and memory is finite


@torch.no_grad()
def log_mel(waveforms: Tensor, bands: int = 80, frames: int | None = None) -> Tensor:
    """Give the log-mels of clips that silence follows up to the end of a window.

    In: clips x samples at 16 kHz, int16, or floats from -1 to 1, on any device; 80 or 128 bands;
    the frames of the window (default: as long as the clips). Out: clips x bands x frames, float32
    also within autocast. Raises UserError if the clips are longer than the window.
    """
    samples = waveforms.shape[-1]
    frames = samples // mel.HOP if frames is None else frames
    if samples > frames * mel.HOP:
        raise UserError(
            f"clips of {samples / mel.SAMPLE_RATE:.2f} s do not fit into a window of"
            f" {frames / mel.FRAMES_PER_SECOND:g} s: choose a longer one"
        )
    out = waveforms.new_empty((len(waveforms), bands, frames), dtype=torch.float32)
    block = _BLOCK.get(waveforms.device.type, 16)
    with torch.autocast(waveforms.device.type, enabled=False):
        for clips, target in zip(waveforms.split(block), out.split(block), strict=True):
            target.copy_(_log_mel(_padded(clips, frames * mel.HOP), bands))
    return out


def hide(mels: Tensor, heard: Tensor, times: Tensor, bands: Tensor) -> Tensor:
    """Hide stretches of time and of bands behind the mean of each clip (SpecAugment).

    In: clips x bands x frames; how many frames each clip has, which are all that is averaged and
    masked; clips x masks x 2, as `augment.masks` draws them. The shapes decide what is computed,
    not the values, so that graphs can be compiled.
    """
    within = torch.arange(mels.shape[2], device=mels.device) < heard[:, None]
    counted = (within.sum(1) * mels.shape[1]).clamp(min=1)
    mean = (mels * within[:, None]).sum((1, 2)) / counted
    in_time = _hidden(times, heard, mels.shape[2])[:, None]
    in_bands = _hidden(bands, torch.full_like(heard, mels.shape[1]), mels.shape[1])[..., None]
    hidden = (in_time | in_bands) & within[:, None]
    return torch.where(hidden, mean[:, None, None], mels)


def _hidden(masks: Tensor, sizes: Tensor, places: int) -> Tensor:
    """Say which of the places are in a stretch of any mask: clips x places."""
    sizes = sizes[:, None]
    widths = (masks[..., 0] * sizes).floor()
    firsts = (masks[..., 1] * (sizes - widths + 1)).floor()
    place = torch.arange(places, device=masks.device)
    inside = (place >= firsts[..., None]) & (place < (firsts + widths)[..., None])
    return inside.any(1)


def _padded(clips: Tensor, samples: int) -> Tensor:
    floats = clips.float() / FULL_SCALE if clips.dtype == torch.int16 else clips.float()
    return functional.pad(floats, (0, samples - clips.shape[-1]))


def _log_mel(clips: Tensor, bands: int) -> Tensor:
    filters, window = _constants(bands, clips.device)
    spectrum = torch.stft(
        clips, mel.FFT, mel.HOP, window=window, pad_mode="reflect", return_complex=True
    )
    real, imaginary = torch.view_as_real(spectrum[..., :-1]).unbind(-1)
    powers = real.square().addcmul_(imaginary, imaginary)
    logarithms = (filters @ powers).clamp_(min=1e-10).log10_()
    loudest = logarithms.amax((1, 2), keepdim=True)
    return logarithms.maximum(loudest - 8).add_(4).div_(4)


@cache
def _constants(bands: int, device: torch.device) -> tuple[Tensor, Tensor]:
    filters = torch.from_numpy(mel.filters(bands).T.copy()).to(device)
    return filters, torch.hann_window(mel.FFT, device=device)
