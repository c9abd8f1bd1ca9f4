"""Audio that varies from epoch to epoch, so that the model hears more than was recorded.

Speed, pitch, tone, noise and gain change the waveform of a clip, the tract and masks its log-mel,
each with its own probability. `nothing_said` makes clips to which the right answer is no text, and
`pack` puts clips into one window and says when each is heard.

All of it happens while training, in numpy. What a clip becomes depends only on the seed, the
epoch and the clip (`generator`): not on the worker, nor on whether the run was interrupted.
Audio is float32, mono, 16 kHz, from -1 to 1.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from scipy import fft, signal

from fti.errors import UserError
from whisper.mel import SAMPLE_RATE

TICK = 320  # samples between two of Whisper's timestamps, 20 ms
COLOURS = {"white": 0.0, "pink": 1.0, "brown": 2.0}  # power falls with this power of frequency

TONES = 8  # places of the spectrum that a tone lifts or lowers
_LOWEST = 60.0  # Hz

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
    tone: float = 0.0  # what another microphone, another room would make of it
    tone_db: tuple[float, float] = (-12.0, 12.0)
    gain: float = 0.3
    gain_db: tuple[float, float] = (-12.0, 6.0)
    tract: float = 0.0  # what a longer or a shorter vocal tract would make of it
    tract_factor: tuple[float, float] = (0.85, 1.15)
    masks: float = 0.5
    time_masks: int = 2
    time_share: float = 0.05  # of the frames of a clip, at most, under one mask
    band_masks: int = 2
    band_share: float = 0.15  # of the bands, at most, under one mask

    def __post_init__(self) -> None:
        for name in ("noise", "speed", "pitch", "tone", "gain", "tract", "masks"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"the probability of {name} is {getattr(self, name)}, not 0 to 1")
        for name in ("factor", "tract_factor"):
            if not 0.1 <= min(getattr(self, name)) <= max(getattr(self, name)) <= 10:
                raise UserError(f"{name} is {getattr(self, name)}, but factors are 0.1 to 10")


def generator(seed: int, epoch: int, clip_id: str) -> np.random.Generator:
    """Give the random numbers of one clip in one epoch, the same wherever they are drawn."""
    digest = hashlib.sha256(clip_id.encode()).digest()
    return np.random.default_rng([seed, epoch, int.from_bytes(digest[:8], "big")])


def augment(
    audio: np.ndarray, recipe: Recipe, rng: np.random.Generator, longest: int | None = None
) -> np.ndarray:
    """Change a clip as the recipe draws it: speed, pitch, tone, noise, then gain.

    Only speed changes how long it is, and never to more than `longest` samples, if it was shorter.
    """
    if rng.random() < recipe.speed:
        slower = change_speed(audio, rng.uniform(*recipe.factor))
        audio = slower if longest is None or slower.size <= longest else audio
    if rng.random() < recipe.pitch:
        audio = shift_pitch(audio, rng.uniform(*recipe.semitones))
    if recipe.tone and rng.random() < recipe.tone:
        audio = change_tone(audio, rng.uniform(*recipe.tone_db, TONES))
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
    """Play a clip `factor` times as fast, in steps of 1 %; its pitch changes with it."""
    ratio = Fraction(round(100 * factor), 100)
    return _resampled(audio, ratio.denominator, ratio.numerator)


def shift_pitch(audio: np.ndarray, semitones: float) -> np.ndarray:
    """Raise the pitch of a clip; it lasts as long and is as loud as before.

    It is stretched by a phase vocoder and then played as much faster.
    """
    ratio = Fraction(2 ** (semitones / 12)).limit_denominator(100)
    if ratio == 1 or audio.size < _FRAME:
        return audio
    stretched = _stretch(audio, float(ratio))
    shifted = _resampled(stretched, ratio.denominator, ratio.numerator)
    out = np.zeros(audio.size, dtype=np.float32)
    kept = min(audio.size, shifted.size)
    out[:kept] = shifted[:kept]
    power = _power(out)  # less than before: partial tones that were in phase no longer are
    return out * np.float32(np.sqrt(_power(audio) / power)) if power else out


def change_tone(audio: np.ndarray, decibels: np.ndarray) -> np.ndarray:
    """Lift or lower parts of the spectrum: so much at as many pitches, and evenly between them.

    The pitches are as many octaves apart, the first at 60 Hz and the last at 8 kHz. The clip is as
    loud as before, as far as that does not cut it off at 1.
    """
    length = fft.next_fast_len(audio.size + _FRAME, real=True)
    frequencies = np.fft.rfftfreq(length, 1 / SAMPLE_RATE).clip(_LOWEST)
    places = np.linspace(np.log(_LOWEST), np.log(SAMPLE_RATE / 2), len(decibels))
    levels = np.interp(np.log(frequencies), places, decibels).astype(np.float32)
    spectrum = fft.rfft(audio.astype(np.float32, copy=False), length) * 10 ** (levels / 20)
    changed = fft.irfft(spectrum, length)[: audio.size]
    power = _power(changed)
    if not power:
        return audio
    loudest = float(np.abs(changed).max())
    return changed * np.float32(min(np.sqrt(_power(audio) / power), 1 / loudest))


def change_gain(audio: np.ndarray, decibels: float) -> np.ndarray:
    """Make a clip louder or softer; never so loud that it would be cut off at 1."""
    loudest = float(np.abs(audio).max(initial=0))
    if not loudest:
        return audio
    scale = 10 ** (decibels / 20)
    if scale > 1:
        scale = max(1.0, min(scale, 1 / loudest))
    return (audio * np.float32(scale)).astype(np.float32)


def masks(recipe: Recipe, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw what is hidden of a log-mel (SpecAugment): stretches of time, and of bands.

    Out: float32 of `time_masks` x 2 and of `band_masks` x 2, in shares of what there is: how wide
    a stretch is, and where it begins in the rest. `torch_mel.hide` applies them, where the log-mel
    is made; a stretch without width hides nothing.
    """
    drawn = rng.random() < recipe.masks
    times, bands = (
        rng.random((count, 2), dtype=np.float32) * np.float32([share * drawn, 1])
        for count, share in (
            (recipe.time_masks, recipe.time_share),
            (recipe.band_masks, recipe.band_share),
        )
    )
    return times, bands


def tract(recipe: Recipe, rng: np.random.Generator) -> float:
    """Draw the factor by which a clip's frequencies are to be multiplied, 1 where they stay.

    `torch_mel.stretch` does it, where the log-mel is made.
    """
    if recipe.tract and rng.random() < recipe.tract:
        return rng.uniform(*recipe.tract_factor)
    return 1.0


def nothing_said(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Make a clip whose text is empty: as often silence as noise, of -70 to -20 dB."""
    if rng.random() < 0.5:
        return np.zeros(samples, dtype=np.float32)
    noise = coloured_noise(samples, rng.choice(list(COLOURS)), rng)
    quiet = noise * np.float32(10 ** (rng.uniform(-70, -20) / 20))
    return np.clip(quiet, -1, 1)


def pack(
    clips: Iterable[np.ndarray], rng: np.random.Generator, longest: int
) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Put clips into one window of up to `longest` samples, as many of the first ones as fit.

    Between them are pauses of 0.1 to 1 s. Out: the audio, and from when to when each clip is
    heard, in seconds that Whisper has timestamps for: each clip starts at one, and its end is the
    next one. Raises UserError if the first clip alone is longer than the window.
    """
    parts, times, size = [], [], 0
    for audio in clips:
        start = size and -(-size // TICK) * TICK + TICK * int(rng.integers(5, 51))
        if start + audio.size > longest:
            if not parts:
                raise UserError(
                    f"a clip of {audio.size / SAMPLE_RATE:.2f} s does not fit into a window of"
                    f" {longest / SAMPLE_RATE:g} s: drop it before packing"
                )
            break
        parts += [np.zeros(start - size, dtype=np.float32), audio]
        size = start + audio.size
        times.append((start / SAMPLE_RATE, -(-size // TICK) * TICK / SAMPLE_RATE))
    return np.concatenate(parts or [np.zeros(0, np.float32)]), times


def _resampled(audio: np.ndarray, up: int, down: int) -> np.ndarray:
    if up == down:
        return audio
    filtered = signal.resample_poly(audio, up, down, window=_low_pass(max(up, down)))
    return filtered.astype(np.float32, copy=False)


@lru_cache(maxsize=256)
def _low_pass(times: int) -> np.ndarray:
    """Design the filter of `resample_poly`: that takes longer than to apply it to a word."""
    return signal.firwin(20 * times + 1, 1 / times, window=("kaiser", 5.0)).astype(np.float32)


def _power(audio: np.ndarray) -> float:
    return float(np.mean(np.square(audio, dtype=np.float64))) if audio.size else 0.0


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
