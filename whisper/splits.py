"""Who trains and who is held out, the same each time a corpus is read.

    splits = Splits.of(feed.lines())
    recording = splits.place(recording)      with a split, or the problem why it has none

A corpus that has splits keeps them, but for speakers that are in several: they stay in test, or
else in validation. Of one that has only speakers, a tenth of them each is held out for test and for
validation, and then a tenth of the recordings of everybody else for test, too: a model is tested on
new voices and on voices it knows. Where no speaker can be spared, or none is named, recordings are
held out for validation.

Which ones is decided by hashes of names. A corpus of many recordings may therefore grow, and none
that was there changes its split.
"""

from __future__ import annotations

import hashlib
import heapq
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from fti.errors import SourceError
from whisper.clips import (
    HELD_OUT,
    SPLITS,
    TEST,
    TESTED_ELSEWHERE,
    TRAIN,
    VALIDATION,
    Recording,
)

log = logging.getLogger(__name__)

SHARE = 0.1  # of the speakers, or of recordings, for validation and for test each
KEYS = 2**64  # how many keys there are
FEW_SPEAKERS = round(1 / SHARE)  # of fewer, none is spared for validation
FEW_RECORDINGS = 2_000  # of fewer, a tenth is counted out, and not taken by hashes alone
NOBODY = -1  # the voice of recordings without a speaker


@dataclass(frozen=True)
class Splits:
    """Keys of the speakers in test and in validation, and below which key recordings are.

    All others train. In a corpus with splits a recording without a speaker counts as one of its
    own.
    """

    test: frozenset[int] = frozenset()
    validation: frozenset[int] = frozenset()
    told: frozenset[str] = frozenset()  # the splits that the corpus has
    validation_below: int = 0  # of recordings whose speakers train
    test_below: int = 0
    elsewhere: bool = False  # whether the test is of another corpus

    @classmethod
    def of(cls, lines: Iterable[Recording], elsewhere: bool = False) -> Splits:
        """Read off, or make, the splits of a corpus from its lines; raises SourceError.

        With `elsewhere`, no split is made for test, and the clips of one that there is are not
        used: they are neither trained on nor what the model is tested on.
        """
        said: dict[str, set[int]] = {name: set() for name in ("", *SPLITS)}
        lowest: list[tuple[int, int]] = []  # a heap of keys, negative, and voices
        for line in lines:
            if not line.problem:
                said[line.split].add(voice(line))
                if not line.split:
                    add = heapq.heappush if len(lowest) < FEW_RECORDINGS else heapq.heappushpop
                    add(lowest, (-key(line.file), voice(line) if line.speaker else NOBODY))
        if not any(said.values()):
            raise SourceError("The source lists no recordings in this language.")
        untold = said.pop("")
        if untold and any(said.values()):
            raise SourceError("Some recordings of the source have a split and others none.")
        if not untold:
            return cls._read(said, elsewhere)
        named = any(who != NOBODY for _, who in lowest)
        return cls._made(sorted(untold) if named else [], lowest, elsewhere)

    @classmethod
    def _read(cls, said: dict[str, set[int]], elsewhere: bool) -> Splits:
        """Take the splits of the corpus; where it has none for validation, of those who train."""
        _tell_overlap(said)
        validation, training = said[VALIDATION], sorted(said[TRAIN] - said[TEST])
        if not validation and len(training) > 1:
            validation = set(training[: _tenth(training)])
            log.info("the source has no validation split: a tenth of who trains is held out")
        told = frozenset(name for name in SPLITS if said[name])
        return cls(frozenset(said[TEST]), frozenset(validation), told, elsewhere=elsewhere)

    @classmethod
    def _made(cls, voices: list[int], lowest: list[tuple[int, int]], elsewhere: bool) -> Splits:
        """Hold out speakers, and recordings of those who train: the ones of the lowest keys."""
        voices = voices if len(voices) > 1 else []  # the only one cannot be held out
        held = _tenth(voices)
        validating = voices[:held] if len(voices) >= FEW_SPEAKERS else []
        testing = [] if elsewhere else voices[len(validating) :][:held]
        numbers = sorted({-one for one, who in lowest if who not in {*validating, *testing}})

        share = _tenth(numbers)
        for_validation = 0 if validating else share
        for_test = 0 if elsewhere else share
        if testing:  # which recordings of known voices are only an addition to
            for_test = min(for_test, len(numbers) - for_validation - 1)
        if for_test < 0 or len(numbers) <= for_validation + for_test:
            raise SourceError(
                "The source has too few recordings to hold some out for validation and test: add "
                "more, or a column split."
            )
        bounds = [numbers[for_validation], numbers[for_validation + for_test]]
        if len(lowest) == FEW_RECORDINGS:
            tenths = [bool(for_validation), bool(for_validation) + bool(for_test)]
            bounds = [int(SHARE * KEYS) * count for count in tenths]
        _tell_held_out(voices, validating, testing)
        return cls(frozenset(testing), frozenset(validating), frozenset(), *bounds, elsewhere)

    def place(self, recording: Recording) -> Recording:
        """Give a recording its split, or the problem that it is none to train or test on."""
        home = self._home(recording)
        if not self.told or recording.problem:
            return replace(recording, split=home) if not self.told else recording
        if self.elsewhere and recording.split == TEST:
            return replace(recording, problem=TESTED_ELSEWHERE)
        if recording.split == home:
            return recording
        if home == VALIDATION and VALIDATION not in self.told:
            return replace(recording, split=home)
        return replace(recording, problem=HELD_OUT)

    def _home(self, recording):
        who, number = voice(recording), key(recording.file)
        if who in self.test:
            return TEST
        if who in self.validation or number < self.validation_below:
            return VALIDATION
        return TEST if number < self.test_below else TRAIN


def voice(recording: Recording) -> int:
    """Give the key of a speaker, or of the recording where none is known."""
    said = f"speaker {recording.speaker}" if recording.speaker else f"file {recording.file}"
    return key(said)


def key(text: str) -> int:
    """Give a number below KEYS that is as good as random but the same each time."""
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def _tenth(those):
    return max(1, round(SHARE * len(those))) if those else 0


def _tell_held_out(speakers, validating, testing):
    if speakers:
        log.info(
            "the source has no splits: of %s speakers, %s are held out for validation and %s for "
            "test, and of the others' recordings a tenth each that is needed",
            *(f"{len(one):,}" for one in (speakers, validating, testing)),
        )
    else:
        log.warning("the source does not say who speaks: scores may be of voices trained on")


def _tell_overlap(said):
    """Say how many speakers are in more than one split."""
    times = Counter(one for voices in said.values() for one in voices)
    several = sum(count > 1 for count in times.values())
    if several:
        log.warning("%s speakers are in more than one split: they stay in test first", several)
