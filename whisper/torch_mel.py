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
_FORMANTS = 4800.0  # Hz, up to which they are
# Samples at a time, of at least one clip: a core's cache is small, and memory is finite.
_BLOCK = {"cpu": 4 * mel.SAMPLE_RATE, "cuda": 64 * mel.WINDOW * mel.HOP}


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
    window = frames * mel.HOP
    block = max(1, _BLOCK.get(waveforms.device.type, _BLOCK["cuda"] // 4) // max(1, window))
    with torch.autocast(waveforms.device.type, enabled=False):
        for clips, target in zip(waveforms.split(block), out.split(block), strict=True):
            target.copy_(_log_mel(_padded(clips, window), bands))
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


def stretch(mels: Tensor, factors: Tensor) -> Tensor:
    """Multiply the frequencies of each clip, as a shorter or longer vocal tract would.

    In: clips x bands x frames; a factor each. Vocal tract length perturbation (Jaitly and Hinton,
    2013): frequencies up to 4.8 kHz, or as far as they stay below that, are multiplied, and those
    above squeezed in or pulled apart, so that the highest stays where it is. Bands are moved and
    not frequencies of the spectrum, between two by their distance.
    """
    centres = _centres(mels.shape[1], mels.device)
    factors = factors[:, None].to(centres.dtype)
    highest = mel.SAMPLE_RATE / 2
    knee = _FORMANTS * factors.clamp(max=1) / factors  # of the clip as it was
    slope = (highest - knee * factors) / (highest - knee)
    above = highest - (highest - centres) / slope
    wanted = torch.where(centres <= knee * factors, centres / factors, above)
    upper = torch.searchsorted(centres, wanted).clamp(1, len(centres) - 1)
    share = (wanted - centres[upper - 1]) / (centres[upper] - centres[upper - 1])
    share = share.clamp(0, 1)[..., None].to(mels.dtype)
    row = torch.arange(len(mels), device=mels.device)[:, None]
    return torch.lerp(mels[row, upper - 1], mels[row, upper], share)


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
def _centres(bands: int, device: torch.device) -> Tensor:
    return torch.from_numpy(mel.centres(bands)).float().to(device)


@cache
def _constants(bands: int, device: torch.device) -> tuple[Tensor, Tensor]:
    filters = torch.from_numpy(mel.filters(bands).T.copy()).to(device)
    return filters, torch.hann_window(mel.FFT, device=device)
