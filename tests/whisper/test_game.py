"""The game for two keeps its rules: turns, secrets, and scores that can be checked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper.game import EVEN, GUESS, LOAD, OVER, REVEAL, Game, SilentError, TurnError, score

ANSWER = "and lights the lamp before the storm comes"
WORDS = st.lists(st.sampled_from(["sun", "moon", "river", "horse", "ö", "7", "don't"]), max_size=8)


def played(*guesses, answer=ANSWER, language="en"):
    """Give a game of one round that was played to its end."""
    game = Game().loaded("The keeper climbs the stairs", answer, language)
    for guess in guesses:
        game = game.guessed(guess)
    return game.revealed()


def test_a_round_goes_from_the_clip_over_both_guesses_to_the_reveal():
    steps = [Game()]
    steps.append(steps[-1].loaded("The keeper", ANSWER, "en"))
    steps.append(steps[-1].guessed("one"))
    steps.append(steps[-1].guessed("two"))
    steps.append(steps[-1].revealed())
    assert [game.step for game in steps] == [LOAD, GUESS, GUESS, REVEAL, OVER]
    assert [game.player for game in steps[1:3]] == [0, 1]
    assert steps[-1].round.guesses == ("one", "two")


def test_a_move_that_is_not_due_is_refused():
    begun = Game().loaded("The keeper", ANSWER, "en")
    full = begun.guessed("one").guessed("two")
    for move in (
        lambda: Game().guessed("one"),
        lambda: Game().revealed(),
        lambda: begun.revealed(),
        lambda: begun.guessed("one").revealed(),
        lambda: full.guessed("three"),
        lambda: full.revealed().revealed(),
    ):
        with pytest.raises(TurnError):
            move()


@pytest.mark.parametrize(
    ("guess", "points"),
    [
        (ANSWER, 100),
        ("And lights the lamp, before the storm comes!", 100),
        ("", 0),
        ("and lights the lamp", 50),  # 4 of 8 words are missing
        ("and lights the lamp before a storm comes", 88),  # 1 of 8 is wrong: 87.5
        ("the the the the the the the the", 25),  # 6 of 8 are wrong, though each occurs
        ("comes storm the before lamp the lights and", 25),  # of the words, two are in order
        (f"{ANSWER} and the keeper goes to bed", 25),  # 6 words too many
        ("and " * 30, 0),  # more errors than words
    ],
)
def test_scores_are_as_computed_by_hand(guess, points):
    assert score(ANSWER, guess, "en") == points


def test_chinese_is_scored_by_its_characters():
    assert score("河边没有风。", "河边没有雨", "zh") == 80
    assert score("河边没有风", "河 边 没 有 风", "zh") == 100


def test_who_hits_more_wins_and_a_tie_is_won_by_both():
    assert played("and lights the lamp", "rain").round.winner == 0
    assert played("rain", "and lights the lamp").round.winner == 1
    assert played("rain", "").round.winner == EVEN
    assert played(ANSWER, ANSWER.upper()).round.winner == EVEN


@pytest.mark.parametrize("answer", ["", " … ", "[Music]"])
def test_a_silent_second_half_asks_for_another_clip(answer):
    with pytest.raises(SilentError, match="take another one"):
        Game().loaded("The keeper", answer, "en")


def test_points_add_up_over_rounds_that_were_played_to_their_end():
    game = played(ANSWER, "and lights the lamp")
    game = game.loaded("Again", "one two three four", "en").guessed("one two three four")
    assert game.totals == (100, 50)
    game = game.loaded("Again", "one two three four", "en")  # in place of the one left
    assert len(game.rounds) == 2
    game = game.guessed("four").guessed("one two three").revealed()
    assert game.totals == (100 + 25, 50 + 75)


def test_games_of_several_pairs_do_not_mix():
    common = Game().loaded("The keeper", ANSWER, "en")
    one, other = common.guessed("rain").guessed("snow"), common.guessed(ANSWER).guessed("")
    assert one.revealed().totals == (0, 0)
    assert other.revealed().totals == (100, 0)
    assert common.round.guesses == ()


@given(answer=WORDS.filter(bool), guess=WORDS)
def test_a_score_is_a_whole_percent_and_full_only_for_the_same_words(answer, guess):
    said, guessed = " ".join(answer), " ".join(guess)
    points = score(said, guessed, "en")
    assert isinstance(points, int) and 0 <= points <= 100
    assert (points == 100) == (answer == guess)
    assert score(said, said, "en") == 100 and score(said, "", "en") == 0


@given(answer=WORDS.filter(bool), guess=WORDS, more=st.integers(1, 5))
def test_to_say_more_of_what_is_wrong_or_said_already_never_pays(answer, guess, more):
    said = " ".join(answer)
    complete = " ".join(answer + answer[:1] * more)
    assert score(said, complete, "en") < 100
    wrong = " ".join([*guess, *["zebra"] * more])
    assert score(said, wrong, "en") <= score(said, " ".join(guess), "en")
