"""A microphone: sound goes in as it comes, and the text so far comes out.

    live = Live(transcriber, language="sv")
    for chunk in chunks:                     one channel at 16 kHz
        print(live.feed(chunk))
    print(live.finish())

What has been said to its end is written once; what goes on is written again as it grows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whisper import speech
from whisper.mel import SAMPLE_RATE
from whisper.speech import Utterance
from whisper.transcriber import Transcriber
from whisper.transcripts import Segment

AGAIN = 0.5  # seconds of new sound after which what goes on is written again


class Live:
    """What one person says into a microphone; see the module."""

    def __init__(
        self, transcriber: Transcriber, language: str | None = None, task: str = "transcribe"
    ):
        transcriber.model.refuse_task(task)
        self.segments: list[Segment] = []  # that do not change any more
        self.partial = ""  # of what is being said
        self.language = language or ""
        self._transcriber, self._task = transcriber, task
        self._cutter = speech.Cutter(transcriber.model.windows[-1])
        self._written = 0  # samples that had been heard when the end was written

    @property
    def text(self) -> str:
        """All that was said so far."""
        parts = [*(segment.text for segment in self.segments), self.partial]
        return " ".join(part for part in parts if part)

    def feed(self, samples: np.ndarray) -> str:
        """Hear more, of one channel at 16 kHz, and give the text so far."""
        self._close(self._cutter.feed(samples))
        opened = self._cutter.open
        if opened is None:
            self.partial = ""
        elif self._cutter.heard - self._written >= AGAIN * SAMPLE_RATE:
            self._written = self._cutter.heard
            self.partial = " ".join(segment.text for segment in self._write(opened)[1])
        return self.text

    def finish(self) -> str:
        """Say that the sound is over, and give all of the text."""
        self._close(self._cutter.finish())
        self.partial = ""
        return self.text

    def _close(self, ended: Sequence[Utterance]) -> None:
        for utterance in ended:
            language, segments = self._write(utterance)
            self.segments += segments
            self.language = language if segments else self.language

    def _write(self, utterance: Utterance) -> tuple[str, list[Segment]]:
        (stretch,) = speech.joined([utterance])
        language = self.language or self._transcriber.language(stretch)[0]
        return language, self._transcriber.write([stretch], language, self._task)[0]
