"""Log-mel spectrograms, the input of Whisper: 16 kHz audio in, 80 or 128 bands at 100 frames/s out.

Frame t is centred on sample 160 t and sees 200 samples to each side. Before the first sample the
audio is mirrored; behind the last one it is silent up to the end of the window (30 s, or a
shorter bucket), where it is mirrored again. Only frames that hear some of the clip are computed:
the others are equal to the quietest value that the clip allows, so a padded clip costs no more
than its own length.

Values are log10 of the power in a band, at most 8 below the loudest one of the clip, as
(x + 4) / 4. They are those of transformers' feature extractor to about 1e-5, as the transforms
here are in single precision.
"""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from scipy import fft

from fti.errors import UserError

SAMPLE_RATE = 16_000  # Hz
HOP = 160  # samples, 10 ms
FFT = 400  # samples, 25 ms
FRAMES_PER_SECOND = SAMPLE_RATE // HOP
WINDOW = 30 * FRAMES_PER_SECOND  # frames of Whisper's own window
BUCKETS = (4, 6, 8, 12, 20, 30)  # s: few shapes, so that compiled models stay few
SLACK = 0.3  # s that a bucket is longer than its clip, at least
BANDS = (80, 128)  # 128 in large-v3 and turbo

_EDGE = FFT // 2
_QUIETEST = 1e-10  # power, before the logarithm
_RANGE = 8.0  # powers of ten below the loudest value
_BLOCK = 512  # frames at a time: what they need stays in a core's cache
_GROUP = 16  # neighbouring bands that are computed by one product


def padded(
    clips: Sequence[np.ndarray],
    bands: int = 80,
    frames: int = WINDOW,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Give the log-mels of clips in windows of `frames`: float32 of clips x bands x frames.

    Clips are mono at 16 kHz, from -1 to 1. `out` is written and given when there is one. Raises
    UserError for a clip that is longer than the window or not one channel of finite numbers.
    """
    if out is None:
        out = np.empty((len(clips), bands, frames), dtype=np.float32)
    for index, (clip, target) in enumerate(zip(clips, out, strict=True)):
        audio = _checked(clip, index)
        if audio.size > frames * HOP:
            raise UserError(
                f"clip {index} lasts {audio.size / SAMPLE_RATE:.2f} s and the window"
                f" {frames / FRAMES_PER_SECOND:g} s: choose a longer window or drop the clip"
            )
        heard = min(frames, _frames_that_hear(audio.size))
        _write(audio, target, heard, frames)
    return out


def unpadded(clips: Sequence[np.ndarray], bands: int = 80) -> list[np.ndarray]:
    """Give the log-mel of each clip without padding: float32 of bands x `frames_of(samples)`.

    They are the first frames of those padded to 30 s, also at the right edge. Raises UserError
    for a clip that is not one channel of finite numbers.
    """
    mels = []
    for index, clip in enumerate(clips):
        audio = _checked(clip, index)
        heard = _frames_that_hear(audio.size)
        # Behind a clip over 30 s there is silence, and no end of a window near enough to mirror it.
        window = WINDOW if audio.size <= WINDOW * HOP else heard + FFT // HOP
        mel = np.empty((bands, min(heard, window)), dtype=np.float32)
        _write(audio, mel, mel.shape[1], window)
        mels.append(mel[:, : frames_of(audio.size)])
    return mels


def frames_of(samples: int) -> int:
    """The frames whose centres lie in that many samples."""
    return -(-samples // HOP)


def bucket(seconds: float, slack: float = SLACK) -> int:
    """Give the frames of the shortest bucket that holds a clip and some slack.

    The longest bucket needs no slack. Raises UserError for clips over 30 s.
    """
    if seconds > BUCKETS[-1]:
        raise UserError(f"a clip of {seconds:.2f} s is longer than Whisper's {BUCKETS[-1]} s")
    fitting = (b for b in BUCKETS if seconds + slack <= b)
    return FRAMES_PER_SECOND * next(fitting, BUCKETS[-1])


@cache
def filters(bands: int = 80) -> np.ndarray:
    """The triangular filters of the bands: float32 of 201 frequencies x bands, from 0 to 8 kHz.

    Their corners are even steps on Slaney's mel scale, linear below 1 kHz and logarithmic above;
    each triangle has the same area.
    """
    if bands not in BANDS:
        raise UserError(f"Whisper has {BANDS[0]} or {BANDS[1]} mel bands, not {bands}")
    corners = _corners(bands)
    frequencies = np.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1)[:, None]
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    rising = (frequencies - left) / (centre - left)
    falling = (right - frequencies) / (right - centre)
    triangles = np.maximum(0, np.minimum(rising, falling)) * 2 / (right - left)
    triangles = triangles.astype(np.float32)
    triangles.flags.writeable = False
    return triangles


def centres(bands: int = 80) -> np.ndarray:
    """Give the frequency in Hz that each band hears best."""
    return _corners(bands)[1:-1]


def _corners(bands: int) -> np.ndarray:
    return _hertz(np.linspace(0, _mel(SAMPLE_RATE / 2), bands + 2))


_LINEAR = 200 / 3  # Hz per mel below the knee
_KNEE = 1000.0  # Hz
_STEP = np.log(6.4) / 27  # above it, each mel multiplies the frequency by exp of this


def _mel(hertz: float) -> float:
    return _KNEE / _LINEAR + np.log(hertz / _KNEE) / _STEP if hertz > _KNEE else hertz / _LINEAR


def _hertz(mel: np.ndarray) -> np.ndarray:
    above = _KNEE * np.exp(_STEP * (mel - _KNEE / _LINEAR))
    return np.where(mel > _KNEE / _LINEAR, above, mel * _LINEAR)


@cache
def _hann() -> np.ndarray:
    turn = 2 * np.pi * np.arange(FFT) / FFT
    return (0.5 - 0.5 * np.cos(turn)).astype(np.float32)


def _checked(clip: np.ndarray, index: int) -> np.ndarray:
    audio = np.asarray(clip, dtype=np.float32)
    if audio.ndim != 1:
        raise UserError(f"clip {index} has the shape {audio.shape}: mix it down to one channel")
    if not np.isfinite(audio).all():
        raise UserError(f"clip {index} holds samples that are no finite numbers: drop the clip")
    return audio


def _frames_that_hear(samples: int) -> int:
    return -(-(samples + _EDGE) // HOP)


def _write(audio: np.ndarray, target: np.ndarray, heard: int, frames: int) -> None:
    """Fill `target` (bands x frames): the first `heard` frames computed, silence behind them."""
    edged = _with_edges(audio, heard, frames * HOP)
    loudest = -np.inf
    for first, power in _band_powers(edged, heard, target.shape[0]):
        np.log10(np.maximum(power, _QUIETEST, out=power), out=power)
        loudest = max(loudest, power.max())
        target[:, first : first + len(power)] = power.T
    computed = target[:, :heard]
    floor = max(loudest - _RANGE, np.log10(_QUIETEST))
    np.maximum(computed, np.float32(floor), out=computed)
    computed += 4
    computed /= 4
    target[:, heard:] = (floor + 4) / 4


def _with_edges(audio: np.ndarray, heard: int, window: int) -> np.ndarray:
    """The samples that the first `heard` frames see: mirrored at both ends of the window."""
    edged = np.zeros(max(heard * HOP + FFT, 2 * FFT), dtype=np.float32)
    length = min(audio.size, edged.size - _EDGE)
    edged[_EDGE : _EDGE + length] = audio[:length]
    edged[:_EDGE] = edged[2 * _EDGE : _EDGE : -1]
    beyond = edged.size - (_EDGE + window)
    if beyond > 0:
        last = _EDGE + window - 1
        edged[last + 1 :] = edged[last - 1 : last - 1 - beyond : -1]
    return edged


def _band_powers(edged: np.ndarray, heard: int, bands: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first frame and the powers (frames x bands) of one block after the other."""
    seen = np.lib.stride_tricks.sliding_window_view(edged, FFT)[::HOP][:heard]
    windowed = np.empty((_BLOCK, FFT), dtype=np.float32)
    for first in range(0, heard, _BLOCK):
        block = seen[first : first + _BLOCK]
        spectrum = fft.rfft(np.multiply(block, _hann(), out=windowed[: len(block)]))
        power = np.square(spectrum.real)
        power += np.square(spectrum.imag)
        summed = np.empty((len(block), bands), dtype=np.float32)
        for rows, columns, triangles in _groups(bands):
            np.matmul(power[:, rows], triangles, out=summed[:, columns])
        yield first, summed


@cache
def _groups(bands: int) -> list[tuple[slice, slice, np.ndarray]]:
    """The filters of neighbouring bands, without the frequencies that none of them hears.

    Nearly all of the 201 frequencies are outside a band; leaving most of them out makes the
    product four times as fast.
    """
    groups = []
    for first in range(0, bands, _GROUP):
        columns = slice(first, first + _GROUP)
        inside = np.flatnonzero(filters(bands)[:, columns].any(axis=1))
        rows = slice(inside[0], inside[-1] + 1)
        groups.append((rows, columns, np.ascontiguousarray(filters(bands)[rows, columns])))
    return groups
