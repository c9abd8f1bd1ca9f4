"""Speech that never was: sounds like a voice, means nothing, needs no network and no synthesiser.

    Sample("sv").recordings()     240 sentences of 12 speakers, always the same

Each character has its own sound, voiced with three formants or a hiss, and each speaker a pitch, a
pace and a size of the mouth. So a small model can learn to write down what it hears. For trying
out and for tests; of no use to train a model for people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fti.errors import SourceError
from whisper import audio
from whisper.clips import Recording
from whisper.mel import SAMPLE_RATE

CORPUS = "sample"
SEED = 1791  # the year in which Kempelen described his machine that speaks
SPEAKERS = 12
WORDS = {
    "sv": "och björken stod still vid ån medan vinden drog över åkern där en räv sov",
    "en": "the grey heron waits by our old mill until evening rain fills its stream",
    "it": "la barca torna piano verso il porto quando cala la sera e il vento tace",
    "zh": "山 上 有 雨 河边 没 风 老人 坐 在 树 下 看 鸟 飞过 红色 的 云",
}
LETTER = 0.075  # seconds, at a pace of 1
PAUSE = 0.06  # seconds, between words
EDGE = 0.15  # seconds of silence at the beginning and the end
HIGHEST = 5_000.0  # Hz, of a harmonic
VOICED = 0.7  # the share of characters that are
NOISE = 10 ** (-50 / 20)  # of the room, pink, against the loudest


@dataclass(frozen=True)
class Voice:
    """How one speaker sounds."""

    pitch: float  # Hz
    pace: float
    mouth: float  # what formants are multiplied by


@dataclass(frozen=True)
class Sample:
    """A corpus in one of the languages of WORDS; it has speakers and no splits."""

    language: str
    size: int = 240

    def __post_init__(self):
        if self.language not in WORDS:
            known = ", ".join(WORDS)
            raise SourceError(f"The sample speaks {known}, not '{self.language}'.")

    def lines(self) -> Iterator[Recording]:
        """Give what is said, by whom."""
        blank = "" if self.language == "zh" else " "
        for number in range(self.size):
            rng = np.random.default_rng([SEED, number])
            words = rng.choice(WORDS[self.language].split(), rng.integers(3, 9))
            yield Recording(
                corpus=CORPUS,
                language=self.language,
                file=f"{self.language}/{number:04}.flac",
                text=blank.join(words).capitalize() + ("。" if not blank else "."),
                speaker=f"voice {number % SPEAKERS}",
            )

    def recordings(self) -> Iterator[Recording]:
        """Give the lines with FLAC that sounds so."""
        for number, line in enumerate(self.lines()):
            sound = speak(line.text, number % SPEAKERS, seed=number)
            yield replace(line, audio=audio.encode(sound))


def speak(text: str, speaker: int = 0, seed: int = 0) -> np.ndarray:
    """Give the sound of a text: float32 at 16 kHz, with the noise of a room."""
    rng = np.random.default_rng([SEED, 1, seed])
    voice = _voice(speaker)
    edge = np.zeros(int(EDGE * SAMPLE_RATE))
    sounds = [_letter(c, voice, rng) for c in text.lower() if c.isalnum() or c == " "]
    sound = np.concatenate([edge, *sounds, edge])
    loudest = np.abs(sound).max() or 1.0
    noisy = 0.5 * sound / loudest + NOISE * 0.5 * _pink(len(sound), rng)
    return noisy.astype(np.float32)


def _voice(speaker):
    rng = np.random.default_rng([SEED, 2, speaker])
    return Voice(rng.uniform(90, 230), rng.uniform(0.85, 1.2), rng.uniform(0.9, 1.12))


def _letter(character, voice, rng):
    """Give one sound, swelling and fading; a blank is a pause."""
    if character == " ":
        return np.zeros(int(PAUSE / voice.pace * SAMPLE_RATE))
    of = np.random.default_rng(list(hashlib.sha256(character.encode()).digest()[:8]))
    formants = voice.mouth * of.uniform([250, 900, 2500], [850, 2300, 3600])
    voiced, length = of.random() < VOICED, LETTER * of.uniform(0.8, 1.3) / voice.pace
    count = int(length * rng.uniform(0.95, 1.05) * SAMPLE_RATE)
    if not voiced:
        sound = 0.3 * _shaped(rng.standard_normal(count), formants)
    else:
        pitch = voice.pitch * rng.uniform(0.96, 1.04) * np.linspace(1.03, 0.97, count)
        sound = _harmonics(pitch, formants)
    return sound * np.hanning(count) ** 0.5


def _harmonics(pitch, formants):
    """Give a voiced sound: each harmonic as loud as the formants let it through."""
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    order = np.arange(1, int(HIGHEST / pitch.mean()) + 1)
    loud = _response(order * pitch.mean(), formants) / order**0.5
    return loud @ np.sin(order[:, None] * phase)


def _shaped(noise, formants):
    """Give noise as the formants let it through, an octave higher than those of a voice."""
    frequencies = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
    return np.fft.irfft(np.fft.rfft(noise) * _response(frequencies, 2 * formants), len(noise))


def _response(frequencies, formants):
    """Give how much of each frequency three resonances, each 120 Hz wide, let through."""
    away = (frequencies[:, None] - formants) / 120.0
    return (1 / (1 + away**2) ** 0.5 * [1.0, 0.6, 0.3]).sum(axis=1)


def _pink(count, rng):
    """Give noise whose power falls with frequency, at a mean square of 1."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    noise = np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** 0.5, count)
    return noise / (noise.std() or 1.0)
