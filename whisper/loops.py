"""Repetition: models that have lost the thread say the same over and over; this cuts it.

Speech repeats itself, too ("no, no, no"), so only what nobody would say counts: a phrase that comes
five times in a row, or three times when it is long.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

SHORT_TIMES, LONG_TIMES = 5, 3
LONG = 12  # words or tokens

T = TypeVar("T")


def cut(units: Sequence[T], key: Callable[[T], Hashable] = lambda unit: unit) -> list[T]:
    """Give units (words, tokens, segments) with each phrase that goes round in circles said once.

    Units with the same `key` are the same.
    """
    kept, keys, at = [], [key(unit) for unit in units], 0
    while at < len(units):
        length, times = _circle(keys[at:])
        kept += units[at : at + length]
        at += length * times
    return kept


def _circle(keys: list[Hashable]) -> tuple[int, int]:
    """Give the length of the phrase that goes round from the beginning, and how often; (1, 1)."""
    for length in range(1, len(keys) // LONG_TIMES + 1):
        phrase, times = keys[:length], 1
        while keys[length * times : length * (times + 1)] == phrase:
            times += 1
        if times >= (LONG_TIMES if length >= LONG else SHORT_TIMES):
            return length, times
    return 1, 1
