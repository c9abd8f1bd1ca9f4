"""Clips: the rows that speech becomes, and the rules for what is good enough to train on.

    Recording    what a source has: audio in any format, and what is said in it
    Clip         what a shard holds: 16 kHz FLAC, and the same text raw and normalised

`make` turns the one into the other, or raises `Unusable` with one of `REASONS`.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, field, fields
from pathlib import Path

from whisper import audio
from whisper.mel import SAMPLE_RATE
from whisper.normalise import normalise

TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")

UNDECODABLE = "undecodable"
NO_AUDIO = "no audio"
EMPTY_TEXT = "empty text"
TOO_LONG = "too long"
TOO_SHORT = "too short"
TOO_MUCH_TEXT = "text longer than audio allows"
SILENT = "silent"
HELD_OUT = "speaker of a held-out split"
TESTED_ELSEWHERE = "tested elsewhere"
LISTED_TWICE = "listed twice"
DAMAGED_LINE = "damaged line"
REASONS = {
    UNDECODABLE: "its bytes are no audio, or are damaged",
    NO_AUDIO: "the table names a file that is not there",
    EMPTY_TEXT: "nothing is said in it, as far as the table knows",
    TOO_LONG: "it is longer than one window of Whisper",
    TOO_SHORT: "no word is as short",
    TOO_MUCH_TEXT: "nobody speaks so fast: it is cut off, or has the text of another",
    SILENT: "its text is of something else",
    HELD_OUT: "its speaker is also in test or validation, which keep what they have",
    TESTED_ELSEWHERE: "it is of the corpus's own test, and another source was given for that",
    LISTED_TWICE: "the table has its file already",
    DAMAGED_LINE: "its line of the table has more or fewer values than the header",
}


class Unusable(Exception):
    """A recording that no clip can be made of; `reason` is one of REASONS."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(detail or REASONS[reason])
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording of a corpus as its publisher has it.

    `file` names it in the corpus and is all that tells it from the others. `audio` is the bytes of
    a file of any format, or its path; None as long as only tables were read. `problem` is one of
    REASONS where it is known from the tables that it cannot be used.
    """

    corpus: str
    language: str  # ISO 639-1
    file: str
    text: str
    split: str = ""  # one of SPLITS, "" where the corpus has none
    speaker: str = ""  # "" where the corpus does not say
    translation: str = ""  # into English
    audio: bytes | Path | None = field(default=None, repr=False)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Clip:
    """One row of a shard."""

    clip_id: str  # of corpus, split and file
    corpus: str
    split: str
    language: str
    text_raw: str
    text_norm: str
    translation: str  # "" when there is none
    speaker: str
    seconds: float
    sample_rate: int
    sha1: str  # of the audio, hexadecimal
    audio: bytes = field(repr=False)  # FLAC, 16 bit, mono


COLUMNS = tuple(column.name for column in fields(Clip))


@dataclass(frozen=True, slots=True)
class Rules:
    """What is good enough to train on.

    Fast readers reach 20 to 25 letters a second; words cut out of speech, as the shortest of the
    spoken digits, 27. An ideograph is a whole syllable and counts as three letters.
    """

    shortest: float = 0.1  # seconds
    longest: float = 30.0  # seconds, the window of Whisper
    letters_per_second: float = 30.0
    grace: float = 0.25  # seconds, for words whose ends are cut
    quietest: float = 1e-3  # peak, of 1: -60 dB


RULES = Rules()


def make(recording: Recording, rules: Rules = RULES) -> Clip:
    """Turn a recording into a clip; raises Unusable."""
    text = _said(recording)
    samples = _heard(recording, rules)
    seconds = len(samples) / SAMPLE_RATE
    if _letters(text) > rules.letters_per_second * (seconds + rules.grace):
        raise Unusable(TOO_MUCH_TEXT, f"{_letters(text)} letters in {seconds:.2f} s")
    data = audio.encode(samples)
    return Clip(
        clip_id=clip_id(recording),
        corpus=recording.corpus,
        split=recording.split,
        language=recording.language,
        text_raw=recording.text.strip(),
        text_norm=text,
        translation=recording.translation.strip(),
        speaker=recording.speaker,
        seconds=seconds,
        sample_rate=SAMPLE_RATE,
        sha1=hashlib.sha1(data, usedforsecurity=False).hexdigest(),
        audio=data,
    )


def clip_id(recording: Recording) -> str:
    """Give what names a clip for good, however often and wherever its corpus is read."""
    key = "\0".join((recording.corpus, recording.split, recording.file))
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def share(clip_id: str) -> float:
    """Give a number in [0, 1) that is as good as random but the same each time."""
    return int(clip_id[:12], 16) / 16**12


def schema():
    """Give the pandera schema of the feature group: clips without their audio, and `added_at`."""
    from pandera.pandas import Check, Column, DataFrameSchema

    text, written = Column(str), Column(str, Check.str_length(min_value=1))
    return DataFrameSchema(
        {
            "clip_id": Column(str, Check.str_matches(r"^[0-9a-f]{20}$"), unique=True),
            "corpus": written,
            "split": Column(str, Check.isin(SPLITS)),
            "language": Column(str, Check.str_matches(r"^[a-z]{2,3}$")),
            "text_raw": written,
            "text_norm": written,
            "translation": text,
            "speaker": text,
            "seconds": Column("float64", Check.gt(0)),
            "sample_rate": Column("int64", Check.eq(SAMPLE_RATE)),
            "sha1": Column(str, Check.str_matches(r"^[0-9a-f]{40}$")),
            "added_at": Column("datetime64[us, UTC]"),
        },
        strict=True,
        ordered=True,
        name="whisper_clips",
    )


def _said(recording):
    """Give the normalised text, once nothing that the tables say speaks against the recording."""
    if recording.problem:
        raise Unusable(recording.problem)
    if recording.audio is None:
        raise Unusable(NO_AUDIO)
    text = normalise(recording.text, recording.language) if recording.text.strip() else ""
    if not text.strip():
        raise Unusable(EMPTY_TEXT, f"its text is {recording.text[:40]!r}")
    return text


def _heard(recording, rules):
    """Give the samples, once they are speech as far as length and loudness tell."""
    try:
        samples = audio.decode(recording.audio, recording.file, longest=rules.longest)
    except audio.TooLongError as error:
        raise Unusable(TOO_LONG, str(error)) from error
    except audio.MissingError as error:
        raise Unusable(NO_AUDIO, str(error)) from error
    except audio.AudioError as error:
        raise Unusable(UNDECODABLE, str(error)) from error
    seconds = len(samples) / SAMPLE_RATE
    if seconds < rules.shortest:
        raise Unusable(TOO_SHORT, f"{seconds:.3f} s")
    if abs(samples).max() < rules.quietest:
        raise Unusable(SILENT)
    return samples


def _letters(text):
    """Count letters and digits, an ideograph as three."""
    wide = (3 if "CJK" in unicodedata.name(c, "") else 1 for c in text if c.isalnum())
    return sum(wide)
