"""Where somebody speaks: cuts sound of any length into utterances, and holds one at a time.

    for utterance in speech.utterances(audio.stream(path), longest=30):
        utterance.start, utterance.samples

Silero's voice activity detection, which faster-whisper brings with it, hears 32 ms at a time and
carries its state from one to the next, so pieces of any size give the same utterances. Sound in
which nobody speaks gives none. Speech that goes on for longer than `longest` is cut where it is
quietest; each sample of it is in exactly one utterance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from whisper.mel import SAMPLE_RATE

FRAME = 512  # samples that the detector hears at a time
CONTEXT = 64  # samples of the frame before that it hears again
STATE = (1, 1, 128)
SECOND = 32  # frames, about
NOTHING = 0.15  # the probability of speech below which there certainly is none
AT_ONCE = 1024  # frames judged at a time, 33 s
HUSH = SAMPLE_RATE // 10  # samples: a pause where speech that is too long may be cut

BETWEEN = 0.5  # seconds of silence between utterances in a stretch


@dataclass(frozen=True)
class Rules:
    """When speech begins and ends: probabilities, and seconds for the rest."""

    begins: float = 0.5
    goes_on: float = 0.35
    silence: float = 0.4  # that ends an utterance
    padding: float = 0.2  # kept before and behind, at most half of `silence`
    shortest: float = 0.06  # of speech; clicks are shorter


RULES = Rules()


@dataclass(frozen=True)
class Utterance:
    """Some speech and where it begins, in seconds from the start of the sound."""

    start: float
    samples: np.ndarray

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / SAMPLE_RATE

    @property
    def end(self) -> float:
        """Where it ends, in seconds from the start of the sound."""
        return self.start + self.seconds


@dataclass(frozen=True)
class Stretch:
    """What is put into a window: an utterance, or several with some silence between them."""

    samples: np.ndarray
    places: tuple[tuple[float, float], ...]  # where utterances begin: in here and in the sound

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / SAMPLE_RATE

    def time(self, seconds: float, *, end: bool = False) -> float:
        """Turn a time in here into one of the sound; the `end` of words lies behind their begin."""
        upto = float("inf")  # silence in here may be longer than it was
        here, there = self.places[0]
        for place in self.places[1:]:
            if place[0] > seconds or (place[0] == seconds and end):
                upto = place[1]
                break
            here, there = place
        return round(min(there + seconds - here, upto), 3)


def utterances(
    pieces: Iterable[np.ndarray], longest: float = 30.0, rules: Rules = RULES
) -> Iterator[Utterance]:
    """Give the speech of a sound, in order, each part as soon as it has ended.

    In: pieces of one channel at 16 kHz, of any length; the seconds that an utterance has at most.
    """
    cutter = Cutter(longest, rules)
    for piece in pieces:
        yield from cutter.feed(piece)
    yield from cutter.finish()


def joined(several: Iterable[Utterance], longest: float = 0.0) -> Iterator[Stretch]:
    """Put utterances into stretches of at most `longest` seconds, and longer ones on their own."""
    silence = np.zeros(round(BETWEEN * SAMPLE_RATE), dtype=np.float32)
    parts: list[np.ndarray] = []
    places: list[tuple[float, float]] = []
    for utterance in several:
        seconds = sum(map(len, parts)) / SAMPLE_RATE
        if parts and seconds + BETWEEN + utterance.seconds > longest:
            yield Stretch(np.concatenate(parts), tuple(places))
            parts, places, seconds = [], [], 0.0
        if parts:
            parts.append(silence)
            seconds += BETWEEN
        parts.append(utterance.samples)
        places.append((seconds, utterance.start))
    if parts:
        yield Stretch(np.concatenate(parts), tuple(places))


class Cutter:
    """Takes sound as it comes and gives utterances when they have ended."""

    def __init__(self, longest: float = 30.0, rules: Rules = RULES):
        self.heard = 0  # samples that were fed
        self._longest = int(longest * SAMPLE_RATE)
        self._rules = rules
        self._silence, self._padding, self._shortest = (
            int(seconds * SAMPLE_RATE) for seconds in (rules.silence, rules.padding, rules.shortest)
        )
        self._detector = _Detector()
        self._kept = np.empty(0, np.float32)  # from sample `_first` on
        self._first = 0
        self._judged = 0  # samples up to here have been heard by the detector
        self._start: int | None = None  # of the utterance that goes on
        self._spoken = 0  # where speech in it was heard first
        self._quiet: int | None = None  # since when it has been quiet
        self._free = 0  # up to here, samples belong to utterances that were given

    def feed(self, piece: np.ndarray) -> list[Utterance]:
        """Hear more sound; give what has ended in it."""
        step = AT_ONCE * FRAME
        given = []
        for first in range(0, len(piece), step):
            part = np.asarray(piece[first : first + step], dtype=np.float32)
            self._kept = np.concatenate([self._kept, part])
            self.heard += len(part)
            given += self._judge((self.heard - self._judged) // FRAME * FRAME)
        return given

    def finish(self) -> list[Utterance]:
        """Say that the sound is over; give what has not ended before."""
        lacking = -(self.heard - self._judged) % FRAME
        self._kept = np.concatenate([self._kept, np.zeros(lacking, np.float32)])
        given = self._judge(self.heard + lacking - self._judged)
        if self._start is not None:
            end = self.heard if self._quiet is None else self._quiet + self._padding
            given += self._closed(min(end, self.heard), self._quiet or self.heard)
        return given

    @property
    def open(self) -> Utterance | None:
        """The utterance that goes on, as far as it was heard; None while nobody speaks."""
        return None if self._start is None else self._between(self._start, self.heard)

    def _judge(self, samples: int) -> list[Utterance]:
        given = []
        offset = self._judged - self._first
        new = self._kept[offset : offset + samples]
        for chance in self._detector(new):
            given += self._next(self._judged, float(chance))
            self._judged += FRAME
        self._forget()
        return given

    def _next(self, at: int, chance: float) -> list[Utterance]:
        """Take note of the frame at a sample; give the utterance that ends with it."""
        if self._start is None:
            if chance >= self._rules.begins:
                self._start = max(self._free, at - self._padding)
                self._spoken, self._quiet = at, None
            return []
        if chance >= self._rules.begins:
            self._quiet = None
        elif chance < self._rules.goes_on and self._quiet is None:
            self._quiet = at
        if self._quiet is not None and at + FRAME - self._quiet >= self._silence:
            return self._closed(self._quiet + self._padding, self._quiet)
        if at + FRAME - self._start > self._longest:
            if self._quiet is not None and at + FRAME - self._quiet >= HUSH:
                return self._closed(min(at, self._quiet + self._padding), self._quiet)
            return [self._cut()]
        return []

    def _closed(self, end: int, spoken_until: int) -> list[Utterance]:
        start, self._start, self._quiet = self._start, None, None
        if spoken_until - self._spoken < self._shortest or spoken_until <= start:
            return []  # a click, or the silence behind a cut
        self._free = end
        return [self._between(start, end)]

    def _cut(self) -> Utterance:
        """End the utterance where the second half of what it may have is quietest."""
        last = self._start + self._longest
        middle = self._start + self._longest // 2
        power = np.square(self._kept[middle - self._first : last - self._first], dtype=np.float64)
        sums = np.concatenate([[0.0], np.cumsum(power)])
        width = min(HUSH, len(power))
        loudness = sums[width:] - sums[:-width]
        at = middle + int(np.argmin(loudness)) + width // 2
        utterance = self._between(self._start, at)
        self._start = self._free = at
        return utterance

    def _between(self, start: int, end: int) -> Utterance:
        samples = self._kept[start - self._first : end - self._first].copy()
        return Utterance(start / SAMPLE_RATE, samples)

    def _forget(self) -> None:
        """Drop samples that no utterance can need any more."""
        needed = self._judged - self._padding if self._start is None else self._start
        needed = max(needed, self._first)
        self._kept = self._kept[needed - self._first :]
        self._first = needed


class _Detector:
    """Silero's network with its state: frames in, the probability of speech in each out.

    A minute of silence or noise leaves the network in a state in which it misses words that follow,
    up to all of them. So after each second of it the state becomes that of the beginning.
    """

    def __init__(self):
        self._state, self._before = _rested(), np.zeros(CONTEXT, np.float32)
        self._heard, self._silent = 0, True  # frames in this second, and what was in them

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        frames = samples.reshape(-1, FRAME)
        chances = [np.empty(0, np.float32)]
        while len(frames):
            some, frames = np.split(frames, [SECOND - self._heard])
            found, *self._state = _network(some, self._before, *self._state)
            self._before = some[-1, -CONTEXT:].copy()
            self._heard += len(some)
            self._silent &= bool(found.max() < NOTHING)
            if self._heard == SECOND:
                self._state = _rested() if self._silent else self._state
                self._heard, self._silent = 0, True
            chances.append(found)
        return np.concatenate(chances)


def _network(frames: np.ndarray, before: np.ndarray, h: np.ndarray, c: np.ndarray):
    """Give the probability of each frame, and the state behind them."""
    from faster_whisper.vad import get_vad_model

    contexts = np.concatenate([before[None], frames[:-1, -CONTEXT:]])
    heard = {"input": np.concatenate([contexts, frames], axis=1), "h": h, "c": c}
    chances, h, c = get_vad_model().session.run(None, heard)
    return chances.reshape(-1), h, c


@cache
def _rested() -> list[np.ndarray]:
    """The state after half a second of silence, in which the network hears words that begin."""
    nothing = np.zeros((SECOND // 2, FRAME), np.float32)
    h = c = np.zeros(STATE, np.float32)
    return list(_network(nothing, nothing[0, -CONTEXT:], h, c)[1:])
