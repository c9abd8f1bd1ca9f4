"""Transcribe or translate sound of any length on a CPU, segment by segment.

    transcriber = Transcriber("./model")            a folder, or the name of a model on the hub
    heard = transcriber.transcribe(Path("talk.mp3"), language="sv", deadline_s=60)
    for segment in heard:                           as they come
        print(segment.start, segment.text)
    heard.transcript()                              all of it, and what it took

What is heard is cut into utterances (`whisper.speech`), so silence gives no text and costs nothing.
A model that was trained on short windows hears each in the shortest that holds it; others hear full
windows of several utterances. No more than a few windows of sound are in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from fti.errors import UserError
from whisper import audio, engines, labels, loops, mel, model_files, speech
from whisper.feeds.names import LANGUAGES
from whisper.speech import Stretch
from whisper.transcripts import REPEATED, UNSURE, Segment, Transcript

Source = Path | bytes | np.ndarray | Iterable[np.ndarray]

TASKS = labels.TASKS
BATCH_SECONDS = 120.0  # of windows decoded together; it is little faster, but later
BATCH = 8
USUAL = 5.0  # seconds of an utterance, about
PIECE = 2**18  # samples heard at a time, 16 s
# Nobody says more tokens than this: it bounds what a model that goes round in circles costs.
TOKENS, TOKENS_A_SECOND = 16, 25
NOBODY, IMPROBABLE = 0.6, -1.0  # of no speech, of a token: both together are no speech
DEADLINE, LENGTH, CANCELLED = "deadline", "length", "cancelled"


class Transcriber:
    """A model ready to listen; it may be used again and again, by one thread at a time."""

    def __init__(
        self,
        model: str | Path,
        *,
        engine: str = "auto",
        threads: int = 0,
        cache: Path | None = None,
    ):
        """Load a model.

        In: a folder of the model registry, of transformers or of CTranslate2, or a name on the hub;
        the engine ("auto" takes the faster one here, see `whisper.engines`); threads, 0 for all
        cores; the folder for what is found and converted. Raises UserError where it cannot be.
        """
        kept = cache or model_files.cache()
        self.model = model_files.opened(model, kept)
        weights, specials = self.model.weights, self.model.specials
        if engine == "auto":
            frames = round(self.window(USUAL) * mel.FRAMES_PER_SECOND)
            self.engine = engines.fastest(
                weights, specials, frames=frames, threads=threads, cache=kept
            )
        else:
            self.engine = engines.engine(engine, weights, specials, threads=threads)

    def transcribe(
        self,
        sound: Source,
        *,
        language: str | None = None,
        task: str = "transcribe",
        deadline_s: float | None = None,
        longest_s: float | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Heard:
        """Listen to a sound.

        In: a path, the bytes of a file, or samples of one channel at 16 kHz, whole or in pieces;
        the language as "sv", None to find out; "transcribe", or "translate" into English; when to
        stop, in seconds from the first segment that is asked for; how many seconds of sound to hear
        at most; and what is asked between windows whether to stop. Nothing is done before the
        result is iterated.
        Raises UserError for what the model cannot do, AudioError for what is no sound.
        """
        self.model.refuse_task(task)
        if language:
            self.model.tokenizer.language(language)
        return Heard(self, _pieces(sound), language, task, deadline_s, longest_s, cancelled)

    @property
    def joins(self) -> bool:
        """Whether windows hold several utterances: a full one costs the same whatever is in it."""
        return len(self.model.windows) == 1 and self.model.windows[0] >= model_files.WINDOW

    def window(self, seconds: float) -> float:
        """Give the shortest window, in seconds, that holds speech of a length."""
        fitting = (w for w in self.model.windows if seconds + self.model.slack <= w)
        return next(fitting, self.model.windows[-1])

    def language(self, stretch: Stretch) -> tuple[str, float]:
        """Tell which language is spoken, and how probable that is."""
        known = self.model.languages or tuple(_languages(self.model.tokenizer))
        if len(known) == 1:
            return known[0], 1.0
        tokens = {code: self.model.tokenizer.language(code) for code in known}
        features = self._features([stretch], self.window(stretch.seconds))
        chances = self.engine.languages(features, tokens)[0]
        return max(chances.items(), key=lambda pair: pair[1])

    def write(self, several: Sequence[Stretch], language: str, task: str) -> list[list[Segment]]:
        """Write down what fits into windows: the segments of each, none where nobody speaks."""
        written: list[list[Segment]] = [[] for _ in several]
        by_window: dict[float, list[int]] = {}
        for number, stretch in enumerate(several):
            by_window.setdefault(self.window(stretch.seconds), []).append(number)
        timed = self.joins and self.model.timed
        prompt = self.model.tokenizer.prompt(language, task, timestamps=timed)
        for window, numbers in by_window.items():
            some = [several[number] for number in numbers]
            room = TOKENS + round(TOKENS_A_SECOND * max(one.seconds for one in some))
            features = self._features(some, window)
            results = self.engine.decode(features, [prompt] * len(some), room)
            for number, result in zip(numbers, results, strict=True):
                written[number] = self._segments(several[number], result)
        return written

    def _features(self, several: Sequence[Stretch], window: float) -> np.ndarray:
        frames = round(window * mel.FRAMES_PER_SECOND)
        sounds = [one.samples[: frames * mel.HOP] for one in several]
        return mel.padded(sounds, self.engine.bands, frames)

    def _segments(self, stretch: Stretch, result: engines.Decoded) -> list[Segment]:
        unsure = result.logprob < IMPROBABLE
        if unsure and result.no_speech > NOBODY:
            return []
        marks = (UNSURE,) if unsure else ()
        segments = []
        for first, last, ids in self._parts(result.ids, stretch.seconds):
            told = loops.cut(ids)
            words = self.model.tokenizer.decode(told).split()
            said = loops.cut(words)
            if said:
                circled = len(told) < len(ids) or len(said) < len(words)
                segment = Segment(
                    stretch.time(first),
                    stretch.time(last, end=True),
                    " ".join(said),
                    (*marks, REPEATED) if circled else marks,
                )
                segments.append(segment)
        kept = loops.cut(segments, key=lambda segment: segment.text)
        if len(kept) < len(segments):
            kept[-1] = replace(kept[-1], marks=(*marks, REPEATED))
        return kept

    def _parts(
        self, ids: Sequence[int], seconds: float
    ) -> Iterator[tuple[float, float, list[int]]]:
        """Give text tokens between timestamps, with these; without any, from begin to end."""
        begin = self.model.specials.timestamps
        start, text = 0.0, []
        for token in ids:
            if token < begin:
                text.append(token)
                continue
            at = max(start, min((token - begin) * labels.STEP, seconds))
            if text:
                yield start, at, text
            start, text = at, []
        if text:
            yield start, seconds, text


class Heard:
    """What a sound is found to say: iterate to hear it; what is known of it stands here then."""

    def __init__(
        self,
        transcriber: Transcriber,
        pieces: Iterable[np.ndarray],
        language: str | None,
        task: str,
        deadline_s: float | None,
        longest_s: float | None,
        cancelled: Callable[[], bool],
    ):
        self.language = language or ""
        self.task = task
        self.segments: list[Segment] = []
        self.audio_seconds = 0.0  # that were listened to
        self.compute_seconds = 0.0  # of this, not of who takes the segments
        self.stopped = ""
        self._transcriber, self._pieces = transcriber, pieces
        self._deadline_s, self._longest_s, self._cancelled = deadline_s, longest_s, cancelled
        self._pace = 0.0  # seconds for a second of window, the slowest so far
        self._iterator = self._worked()

    def __iter__(self) -> Iterator[Segment]:
        return self._iterator

    def transcript(self) -> Transcript:
        """Hear what has not been heard yet, and give all of it."""
        for _ in self:
            pass
        return Transcript(
            tuple(self.segments),
            self.language,
            self.task,
            self._transcriber.model.name,
            round(self.audio_seconds, 3),
            round(self.compute_seconds, 3),
            self.stopped,
        )

    def _worked(self) -> Iterator[Segment]:
        """Give the segments; the clock stands still while somebody else works."""
        batches = self._batches()
        while True:
            began = time.perf_counter()
            batch = next(batches, None)
            self.compute_seconds += time.perf_counter() - began
            if batch is None:
                return
            for segment in batch:
                self.segments.append(segment)
                yield segment

    def _batches(self) -> Iterator[list[Segment]]:
        transcriber, began = self._transcriber, time.perf_counter()
        self._due = None if self._deadline_s is None else began + self._deadline_s
        utterances = speech.utterances(self._heard(), transcriber.model.windows[-1])
        waiting = speech.joined(
            utterances, transcriber.model.windows[-1] if transcriber.joins else 0.0
        )
        size = 1  # the first words soon, then several windows at a time
        while several := list(islice(waiting, size)):
            if self._ended():
                return
            started = time.perf_counter()
            self.language = self.language or transcriber.language(several[0])[0]
            written = transcriber.write(several, self.language, self.task)
            windows = sum(transcriber.window(one.seconds) for one in several)
            self._pace = max(self._pace, (time.perf_counter() - started) / windows)
            yield list(chain.from_iterable(written))
            size = self._next_size(size)

    def _next_size(self, size: int) -> int:
        """Twice as many windows as before, but no more than fit before the deadline."""
        window = self._transcriber.model.windows[-1]
        most = min(BATCH, int(BATCH_SECONDS / window))
        if self._due is not None:
            left = self._due - time.perf_counter()
            most = min(most, int(left / (self._pace * window)))
        return max(1, min(2 * size, most))

    def _heard(self) -> Iterator[np.ndarray]:
        """Give the sound up to the length that is to be heard, as long as there is time."""
        left = None if self._longest_s is None else round(self._longest_s * mel.SAMPLE_RATE)
        for piece in self._pieces:
            if left is not None and len(piece) > left:
                self.stopped = LENGTH
                piece = piece[:left]
            self.audio_seconds += len(piece) / mel.SAMPLE_RATE
            yield piece
            left = None if left is None else left - len(piece)
            if self.stopped or self._ended():
                return

    def _ended(self) -> bool:
        """Whether to stop here; the length that was to be heard is no reason."""
        if self._cancelled():
            self.stopped = CANCELLED
        elif self._due is not None and time.perf_counter() >= self._due:
            self.stopped = DEADLINE
        return self.stopped in (CANCELLED, DEADLINE)


def _pieces(sound: Source) -> Iterable[np.ndarray]:
    if isinstance(sound, str | Path):
        return audio.stream(Path(sound))
    if isinstance(sound, bytes):
        return audio.stream(sound)
    if isinstance(sound, np.ndarray):
        return (sound[first : first + PIECE] for first in range(0, len(sound), PIECE))
    return sound


def _languages(tokenizer: labels.Tokenizer) -> Iterator[str]:
    for code in LANGUAGES:
        try:
            tokenizer.language(code)
        except UserError:
            continue
        yield code
