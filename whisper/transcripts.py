"""Transcripts: what was said and when, and their ways into files.

    to_srt(segments), to_vtt(segments)    subtitles, in pieces that can be read in their time
    to_txt(segments)                      the text, a line for each segment
    to_json(transcript)                   all that is known

Times are seconds from the start of the sound. Subtitles follow one another without overlap.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from html import escape

REPEATED = "repetition"  # a mark: the model went round in circles, and was cut
UNSURE = "unsure"  # a mark: the model itself thinks this improbable

LINE = 42  # characters that a line of subtitles has, about
LINES = 2  # of a subtitle
LONGEST = 7.0  # seconds that one is shown at most, where it has several words
BLINK = 0.001  # s, the step of both formats


@dataclass(frozen=True)
class Segment:
    """Some words, from when to when, and the marks that a reader should know of."""

    start: float
    end: float
    text: str
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Transcript:
    """All that was heard in a sound, and what it took."""

    segments: tuple[Segment, ...]
    language: str  # ISO 639-1, "" when nobody spoke
    task: str
    model: str
    audio_seconds: float  # that were listened to
    compute_seconds: float
    stopped: str = ""  # why there may be more than this: "deadline", "length" or "cancelled"

    @property
    def text(self) -> str:
        """All that was said."""
        return " ".join(segment.text for segment in self.segments)

    @property
    def truncated(self) -> bool:
        """Whether the sound was not heard to its end."""
        return bool(self.stopped)


def to_txt(segments: Iterable[Segment]) -> str:
    """Give the text, a line for each segment."""
    return "".join(f"{_one_line(segment.text)}\n" for segment in segments)


def to_json(transcript: Transcript) -> str:
    """Give all that is known, as one JSON object."""
    told = asdict(transcript) | {"text": transcript.text, "truncated": transcript.truncated}
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def to_srt(segments: Iterable[Segment]) -> str:
    """Give SubRip subtitles, numbered from 1."""
    # Players take <i> and the like for markup, and there is no way to escape them.
    plain = str.maketrans({"<": "‹", ">": "›"})
    return "\n".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n"
        f"{_folded(cue.text).translate(plain)}\n"
        for number, cue in enumerate(cues(segments), 1)
    )


def to_vtt(segments: Iterable[Segment]) -> str:
    """Give WebVTT subtitles, as browsers show them."""
    return "WEBVTT\n" + "".join(
        f"\n{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n"
        f"{escape(_folded(cue.text), quote=False)}\n"
        for cue in cues(segments)
    )


def cues(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Give what is shown at a time: long segments in parts, in order, each for a while.

    A part gets of its segment's time what it has of its characters. Segments without text are left
    out; one that begins before the last has ended begins there, for a millisecond at least.
    """
    reached = 0.0
    for segment in segments:
        text = _one_line(segment.text)
        if not text:
            continue
        start = max(segment.start, reached, 0.0)
        end = max(segment.end, start + BLINK)
        several = _parts(text, end - start)
        total, before = sum(map(len, several)), 0
        for part in several:
            upto = before + len(part)
            first, last = (round(start + (end - start) * n / total, 3) for n in (before, upto))
            first = max(first, reached)
            reached = max(last, first + BLINK)
            yield Segment(first, reached, part, segment.marks)
            before = upto


def _parts(text: str, seconds: float) -> list[str]:
    """Cut a text into parts of about the same length that fit on a screen and into their time."""
    count = max(-(-len(text) // (LINE * LINES)), -(-int(seconds * 1000) // int(LONGEST * 1000)))
    units, glue = text.split(" "), " "
    if len(units[0]) > LINE * LINES:  # no blanks between words
        units, glue = list(text), ""
    if count <= 1 or len(units) == 1:
        return [text]
    parts, part = [], units[0]
    for unit in units[1:]:
        longer = part + glue + unit
        if len(longer) > len(text) / count + len(unit) / 2 and len(parts) < count - 1:
            parts.append(part)
            part = unit
        else:
            part = longer
    return [*parts, part]


def _folded(text: str) -> str:
    """Break a text in two lines of about the same length when one is too long."""
    if len(text) <= LINE:
        return text
    middle = len(text) // 2
    blanks = [n for n, letter in enumerate(text) if letter == " "]
    if not blanks:
        return text
    at = min(blanks, key=lambda n: abs(n - middle))
    return f"{text[:at]}\n{text[at + 1 :]}"


def _one_line(text: str) -> str:
    # An arrow would end a subtitle, as a blank line would.
    return " ".join(text.replace("-->", "→").split())


def _clock(seconds: float, point: str) -> str:
    thousandths = round(seconds * 1000)
    minutes, thousandths = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{thousandths // 1000:02}{point}{thousandths % 1000:03}"
