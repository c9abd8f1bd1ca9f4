"""Guess the transcription: two players hear five seconds of a video and say what comes next.

    game = Game().loaded(clue, answer, "en")          what is said in the first half and the second
    game = game.guessed("the lights go out")          player 1, then player 2
    game = game.guessed("")                           silence is a guess that hits nothing
    game = game.revealed()                            who hit more of what is really said
    game.totals                                       over all rounds

A state is never changed, only followed by another one, so games of several pairs cannot mix.

A guess is compared with what is really said word by word (character by character in languages that
are written without blanks), after `whisper.normalise`: the score is the share of it that the guess
hits, in the right order, less what the guess says too much, from 0 to 100 %.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fti.errors import UserError
from whisper import scores
from whisper.normalise import by_character, normalise

PLAYERS = 2
HALF = 5.0  # seconds: the clue is from 0 to 5 s of a video, the answer from 5 to 10 s
LOAD, GUESS, REVEAL, OVER = "load", "guess", "reveal", "over"  # what is to be done next
EVEN = -1  # in place of a player's number: both have won


class SilentError(UserError):
    """Nothing is said in the half of a video that is to be guessed, so nobody can."""


class TurnError(UserError):
    """A move that is not due."""


@dataclass(frozen=True)
class Round:
    """A video of which the first half is known; its answer stays secret until it is revealed."""

    clue: str
    answer: str
    language: str
    guesses: tuple[str, ...] = ()
    is_revealed: bool = False

    @property
    def scores(self) -> tuple[int, ...]:
        """What each guess is worth, in percent."""
        return tuple(score(self.answer, guess, self.language) for guess in self.guesses)

    @property
    def winner(self) -> int:
        """The number of the player who hit more, or EVEN."""
        first, second = self.scores
        return EVEN if first == second else int(second > first)


@dataclass(frozen=True)
class Game:
    """The rounds that two players have played, the last one perhaps not to its end."""

    rounds: tuple[Round, ...] = ()

    @property
    def step(self) -> str:
        """What is to be done next: LOAD, GUESS, REVEAL, or OVER, after which comes LOAD again."""
        if not self.rounds:
            return LOAD
        if self.round.is_revealed:
            return OVER
        return REVEAL if len(self.round.guesses) == PLAYERS else GUESS

    @property
    def round(self) -> Round:
        """The round that is played."""
        return self.rounds[-1]

    @property
    def player(self) -> int:
        """The number of the player whose guess is due, from 0."""
        return len(self.round.guesses)

    @property
    def totals(self) -> tuple[int, ...]:
        """The points of each player in all rounds that are revealed: a point for a percent."""
        known = [one.scores for one in self.rounds if one.is_revealed]
        return tuple(sum(points[player] for points in known) for player in range(PLAYERS))

    def loaded(self, clue: str, answer: str, language: str) -> Game:
        """Begin a round, in place of one that was not played to its end.

        In: what is said in each half. Raises SilentError where nothing is to be guessed.
        """
        if not normalise(answer, language):
            raise SilentError(
                "Nobody speaks from second 5 to 10 of this clip, so there is nothing to guess: "
                "take another one."
            )
        played = tuple(one for one in self.rounds if one.is_revealed)
        return Game((*played, Round(clue, answer, language)))

    def guessed(self, text: str) -> Game:
        """Take the guess of the player whose turn it is."""
        if self.step != GUESS:
            raise TurnError("No guess is due: load a clip first, or reveal what was said.")
        return self._with(guesses=(*self.round.guesses, text))

    def revealed(self) -> Game:
        """End the round: the answer is no secret any more."""
        if self.step != REVEAL:
            raise TurnError("Both players have to guess first.")
        return self._with(is_revealed=True)

    def _with(self, **changes: object) -> Game:
        return Game((*self.rounds[:-1], replace(self.round, **changes)))


def score(answer: str, guess: str, language: str) -> int:
    """Give how much of an answer a guess hits, from 0 to 100.

    100 * (1 - errors / units), where units are the words of the answer, or its characters, and
    errors those that are missing, wrong or too many in the guess; 0 where there are more errors.
    """
    said, heard = normalise(answer, language), normalise(guess, language)
    count = scores.character_counts if by_character(language) else scores.word_counts
    counts = count([said], [heard])
    units, errors = int(counts.units[0]), int(counts.errors[0])
    return round(100 * max(0, units - errors) / units) if units else 0
