"""Audio that varies from epoch to epoch, so that the model hears more than was recorded.

Speed, pitch, noise and gain change the waveform of a clip, `mask` its log-mel, each with its own
probability. `nothing_said` makes clips to which the right answer is no text, and `pack` puts
clips into windows of 30 s with the times at which each is said.

All of it happens while training, in numpy. What a clip becomes depends only on the seed, the
epoch and the clip (`generator`): not on the worker, nor on whether the run was interrupted.
Audio is float32, mono, 16 kHz, from -1 to 1.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from scipy import fft, signal

from fti.errors import UserError
from whisper.mel import SAMPLE_RATE
from whisper.normalise import by_character

TICK = 320  # samples between two of Whisper's timestamps, 20 ms
LONGEST = 30 * SAMPLE_RATE  # samples in a window
COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}  # power falls with this power of frequency

_FRAME, _STEP = 1024, 256  # samples, of the phase vocoder


@dataclass(frozen=True)
class Recipe:
    """How likely each change is, and the range that its strength is drawn from evenly."""

    noise: float = 0.3
    snr_db: tuple[float, float] = (5.0, 30.0)
    speed: float = 0.3
    factor: tuple[float, float] = (0.9, 1.1)
    pitch: float = 0.2
    semitones: tuple[float, float] = (-2.0, 2.0)
    gain: float = 0.3
    gain_db: tuple[float, float] = (-12.0, 6.0)
    masks: float = 0.5
    time_masks: int = 2
    time_share: float = 0.05  # of the frames of a clip, at most, under one mask
    band_masks: int = 2
    band_share: float = 0.15  # of the bands, at most, under one mask

    def __post_init__(self) -> None:
        for name in ("noise", "speed", "pitch", "gain", "masks"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"the probability of {name} is {getattr(self, name)}, not 0 to 1")


def generator(seed: int, epoch: int, clip_id: str) -> np.random.Generator:
    """Give the random numbers of one clip in one epoch, the same wherever they are drawn."""
    digest = hashlib.sha256(clip_id.encode()).digest()
    return np.random.default_rng([seed, epoch, int.from_bytes(digest[:8], "big")])


def augment(audio: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> np.ndarray:
    """Change a clip as the recipe draws it: speed, pitch, noise, then gain.

    Only speed changes how long it is.
    """
    if rng.random() < recipe.speed:
        audio = change_speed(audio, rng.uniform(*recipe.factor))
    if rng.random() < recipe.pitch:
        audio = shift_pitch(audio, rng.uniform(*recipe.semitones))
    if rng.random() < recipe.noise:
        colour = rng.choice(list(COLOURS))
        noise = coloured_noise(audio.size, colour, rng)
        audio = add_noise(audio, noise, rng.uniform(*recipe.snr_db))
    if rng.random() < recipe.gain:
        audio = change_gain(audio, rng.uniform(*recipe.gain_db))
    return audio


def add_noise(audio: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Add noise (as many samples) whose mean power is `snr_db` below that of the clip.

    Silence has no signal to compare with and stays silent.
    """
    said, heard = _power(audio), _power(noise)
    if not said or not heard:
        return audio
    scale = np.sqrt(said / heard / 10 ** (snr_db / 10))
    return (audio + scale * noise).astype(np.float32)


def coloured_noise(samples: int, colour: str, rng: np.random.Generator) -> np.ndarray:
    """Draw noise of mean power 1: white, or pink or brown with ever less of high frequencies."""
    if not samples:
        return np.zeros(0, dtype=np.float32)
    length = fft.next_fast_len(samples, real=True)
    spectrum = fft.rfft(rng.standard_normal(length, dtype=np.float32))
    falling = np.arange(spectrum.size, dtype=np.float32).clip(1) ** (-COLOURS[colour] / 2)
    falling[0] = 0  # no constant offset
    noise = fft.irfft(spectrum * falling, length)[:samples]
    power = _power(noise)
    return noise / np.float32(np.sqrt(power)) if power else noise


def change_speed(audio: np.ndarray, factor: float) -> np.ndarray:
    """Play a clip `factor` times as fast, in steps of about 1 %; its pitch changes with it."""
    ratio = Fraction(factor).limit_denominator(100)
    return signal.resample_poly(audio, ratio.denominator, ratio.numerator).astype(np.float32)


def shift_pitch(audio: np.ndarray, semitones: float) -> np.ndarray:
    """Raise the pitch of a clip; it lasts as long and is as loud as before.

    It is stretched by a phase vocoder and then played as much faster.
    """
    ratio = Fraction(2 ** (semitones / 12)).limit_denominator(100)
    if ratio == 1 or audio.size < _FRAME:
        return audio
    stretched = _stretch(audio, float(ratio))
    shifted = signal.resample_poly(stretched, ratio.denominator, ratio.numerator)
    out = np.zeros(audio.size, dtype=np.float32)
    kept = min(audio.size, shifted.size)
    out[:kept] = shifted[:kept]
    power = _power(out)  # less than before: partial tones that were in phase no longer are
    return out * np.float32(np.sqrt(_power(audio) / power)) if power else out


def change_gain(audio: np.ndarray, decibels: float) -> np.ndarray:
    """Make a clip louder or softer; never so loud that it would be cut off at 1."""
    loudest = float(np.abs(audio).max(initial=0))
    if not loudest:
        return audio
    scale = 10 ** (decibels / 20)
    if scale > 1:
        scale = max(1.0, min(scale, 1 / loudest))
    return (audio * np.float32(scale)).astype(np.float32)


def mask(
    mel: np.ndarray, recipe: Recipe, rng: np.random.Generator, frames: int | None = None
) -> np.ndarray:
    """Hide stretches of time and bands of a log-mel behind its mean (SpecAugment).

    Only the first `frames` frames are masked and averaged: what pads a clip hides nothing.
    """
    if rng.random() >= recipe.masks:
        return mel
    masked = mel.copy()
    clip = masked[:, :frames]
    mean = clip.mean() if clip.size else 0.0
    for _ in range(recipe.time_masks):
        clip[:, _stretch_of(clip.shape[1], recipe.time_share, rng)] = mean
    for _ in range(recipe.band_masks):
        clip[_stretch_of(clip.shape[0], recipe.band_share, rng)] = mean
    return masked


def nothing_said(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Make a clip whose text is empty: as often silence as noise, of -70 to -20 dB."""
    if rng.random() < 0.5:
        return np.zeros(samples, dtype=np.float32)
    noise = coloured_noise(samples, rng.choice(list(COLOURS)), rng)
    quiet = noise * np.float32(10 ** (rng.uniform(-70, -20) / 20))
    return np.clip(quiet, -1, 1)


@dataclass(frozen=True)
class Segment:
    """What is said from `start` to `end`, in s from the start of the window."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Window:
    """Up to 30 s of audio and what is said in it, in order."""

    audio: np.ndarray
    segments: tuple[Segment, ...]


def pack(
    clips: Iterable[tuple[np.ndarray, str]],
    rng: np.random.Generator,
    most: int = 6,
    longest: int = LONGEST,
) -> Iterator[Window]:
    """Put clips of one language, in order, into windows of up to `longest` samples.

    A window takes 2 to `most` clips as far as they fit, with pauses of 0.1 to 1 s of silence
    between. Clips without a text are heard but make no segment. Each clip starts at a timestamp
    that Whisper can write, and its end is the next one that it can. Raises UserError for a clip
    that is longer than a window.
    """
    window, clips_in, allowed = Window(np.zeros(0, np.float32), ()), 0, _drawn(most, rng)
    for audio, text in clips:
        if audio.size > longest:
            raise UserError(
                f"a clip of {audio.size / SAMPLE_RATE:.2f} s does not fit into a window of"
                f" {longest / SAMPLE_RATE:g} s: drop it before packing"
            )
        pause = TICK * int(rng.integers(5, 51)) if clips_in else 0
        start = -(-window.audio.size // TICK) * TICK + pause
        if clips_in == allowed or start + audio.size > longest:
            yield window
            window, clips_in, allowed = Window(np.zeros(0, np.float32), ()), 0, _drawn(most, rng)
            start = 0
        window, clips_in = _with_clip(window, audio, text, start), clips_in + 1
    if clips_in:
        yield window


def timestamped(segments: Iterable[Segment], language: str) -> str:
    """Write segments as Whisper does: `<|0.00|> Hej.<|1.20|><|1.60|> Hur är det?<|2.84|>`.

    Languages without blanks have none in front of a segment either.
    """
    blank = "" if by_character(language) else " "
    return "".join(
        f"<|{segment.start:.2f}|>{blank}{segment.text}<|{segment.end:.2f}|>" for segment in segments
    )


def text_of(segments: Iterable[Segment], language: str) -> str:
    """Give what is said in a window, without times."""
    return ("" if by_character(language) else " ").join(segment.text for segment in segments)


def _drawn(most: int, rng: np.random.Generator) -> int:
    return int(rng.integers(2, most + 1)) if most > 2 else most


def _with_clip(window: Window, audio: np.ndarray, text: str, start: int) -> Window:
    joined = np.zeros(start + audio.size, dtype=np.float32)
    joined[: window.audio.size] = window.audio
    joined[start:] = audio
    if not text:
        return replace(window, audio=joined)
    ends = -(-joined.size // TICK) * TICK
    segment = Segment(start / SAMPLE_RATE, ends / SAMPLE_RATE, text)
    return Window(joined, (*window.segments, segment))


def _power(audio: np.ndarray) -> float:
    return float(np.mean(np.square(audio, dtype=np.float64))) if audio.size else 0.0


def _stretch_of(size: int, share: float, rng: np.random.Generator) -> slice:
    """Draw neighbouring places: 0 to `share` of all."""
    width = int(rng.integers(0, int(size * share) + 1))
    first = int(rng.integers(0, size - width + 1))
    return slice(first, first + width)


def _stretch(audio: np.ndarray, factor: float) -> np.ndarray:
    """Make a clip `factor` times as long at the same pitch, by a phase vocoder.

    Frames are read at `_STEP / factor` samples apart and written `_STEP` apart. In each bin the
    phase goes on as fast as it turns in the clip around the place read.
    """
    window = signal.windows.hann(_FRAME, sym=False).astype(np.float32)
    length = round(audio.size * factor)
    edged = np.pad(audio.astype(np.float32, copy=False), (_FRAME // 2, 2 * _FRAME))
    places = (np.arange(0, length, _STEP) / factor).astype(int)
    frames = np.lib.stride_tricks.sliding_window_view(edged, _FRAME)
    here = fft.rfft(frames[places] * window)
    later = fft.rfft(frames[places + _STEP] * window)  # how far phases turn in one written step
    turns = np.concatenate([here[:1], later[:-1] * np.conj(here[:-1])])
    size = np.abs(turns)
    turns = np.divide(turns, size, out=np.ones_like(turns), where=size > 0)
    written = fft.irfft(np.abs(here) * np.cumprod(turns, axis=0)) * window
    return _overlapped(written, window, length)


def _overlapped(frames: np.ndarray, window: np.ndarray, length: int) -> np.ndarray:
    """Add frames `_STEP` apart, and divide by the squared windows that they were under."""
    total = np.zeros((len(frames) - 1) * _STEP + _FRAME, dtype=np.float32)
    weight = np.zeros_like(total)
    for number, frame in enumerate(frames):
        part = slice(number * _STEP, number * _STEP + _FRAME)
        total[part] += frame
        weight[part] += window**2
    middle = slice(_FRAME // 2, _FRAME // 2 + length)
    return total[middle] / np.maximum(weight[middle], 1e-3)
