"""The game is played by the rules: secrets are kept, scores are right, games do not mix."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import av
import httpx
import numpy as np
import pytest

from fti import ui
from fti.errors import UserError
from tests.loopback import serving
from tests.spaces import speaking
from whisper import stories, web, youtube
from whisper.game import GUESS, OVER, REVEAL, Game, TurnError
from whisper.mel import SAMPLE_RATE
from whisper.service import OURS, Models
from whisper.visits import Visits
from whisper.web import Guard

CLUE, ANSWER = ["moon", "river"], ["horse", "garden", "window"]


def film(path, first=CLUE, second=ANSWER):
    """Write a video of ten seconds in whose halves words are said."""
    samples = np.concatenate(
        [np.pad(half, (0, 5 * SAMPLE_RATE - len(half))) for half in map(quiet, (first, second))]
    )
    with av.open(str(path), "w") as made:
        video = made.add_stream("libx264", rate=5, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = made.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for grey in np.linspace(0, 255, 50).astype(np.uint8):
            picture = np.full((48, 64, 3), grey)
            made.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        made.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(samples[None], "fltp", "mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, 0
        made.mux([*sound.encode(frame), *sound.encode(None)])
    return path


def quiet(words):
    """Give words, or a silence where there are none."""
    return speaking.spoken(words) if words else np.zeros(0, np.float32)


def said(folder, *words):
    """Give a recording of a guess."""
    path = folder / f"{'-'.join(words)}.wav"
    path.write_bytes(speaking.as_wav(speaking.spoken(words)))
    return str(path)


def text_of(html):
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def seconds(path):
    with av.open(str(path)) as container:
        return container.duration / 1e6


@pytest.fixture(scope="module")
def guess(app):
    """The module of the app."""
    return app("guess_the_transcription")


@pytest.fixture(scope="module")
def models(speaking_project):
    """The models of a project that has one."""
    return Models(ui.Reader(speaking_project).model, threads=1)


@pytest.fixture
def visit():
    """A pair of players."""
    with Visits().passing() as visit:
        yield visit


@pytest.fixture
def table(guess, visit):
    """A round that has begun."""
    second = visit.folder / "second.mp4"
    second.write_bytes(b"a film")
    game = Game().loaded("moon river", "horse garden window", "en")
    return guess.Table(game, "first.mp4", str(second))


def guessed(table, *texts):
    for text in texts:
        table = replace(table, game=table.game.guessed(text))
    return table


def test_two_players_play_to_the_end_and_score_as_computed_by_hand(guess, models, visit, tmp_path):
    path = str(film(tmp_path / "film.mp4"))
    table = guess.upload(models, visit, guess.Table(), path, OURS, "")
    for words in (["horse", "garden"], ["window", "garden", "horse", "moon"]):
        text, problem = guess.heard(models, visit, table, said(tmp_path, *words), OURS)
        assert not problem
        table = guessed(table, text)
    table = guess.revealed(visit, table)
    ended = table.game.round
    assert (ended.clue, ended.answer) == ("moon river", "horse garden window")
    assert ended.guesses == ("horse garden", "window garden horse moon")
    assert ended.scores == (67, 0)  # of 3 words 1 is missing; 2 are wrong and 1 is too many
    shown = text_of(guess.step_of(table.game))
    assert "Player 1 wins!" in shown and "Player 1: 67 % match “horse garden”" in shown
    assert "Player 2: 0 % match" in shown and "“… horse garden window”" in shown
    assert text_of(guess.points_of(table.game)).startswith("Player 1 67 points Player 2 0")


def test_a_tie_is_won_by_both(guess, visit, table):
    table = guess.revealed(visit, guessed(table, "Horse, garden, window!", "horse garden window"))
    assert "The game is even, everybody wins!" in guess.step_of(table.game)


def test_both_halves_are_cut_exactly_and_the_second_is_kept_back(guess, models, visit, tmp_path):
    path = film(tmp_path / "film.mp4")
    table = guess.upload(models, visit, guess.Table(), str(path), OURS, "")
    assert seconds(table.first) == pytest.approx(5, abs=0.1)
    assert seconds(table.second) == pytest.approx(5, abs=0.1)
    assert visit.folder in Path(table.second).parents  # which the page may not read
    shown = guess.draw(table)
    told = text_of("".join(part for part in shown[1:] if isinstance(part, str)))
    assert "moon river" in told and "horse" not in told
    assert not any(table.second in str(part) for part in shown[1:])
    visit.end()
    assert not Path(table.first).exists() and not Path(table.second).exists()


def test_nobody_can_fetch_the_second_half_before_it_is_revealed(guess, serve, project, tmp_path):
    visits = Visits()
    with serve(guess.build(project)) as address:
        visit = visits.of("a")
        table = guess.own_clip(visit, guess.Table(), "en")
        ask = f"{address}gradio_api/file="
        assert httpx.get(ask + table.first).status_code == 200
        assert httpx.get(ask + table.second).status_code == 403
        revealed = guess.revealed(visit, guessed(table, "", ""))
        assert httpx.get(ask + revealed.second).status_code == 200
        visits.end("a")


def test_a_clip_of_ours_is_not_told_twice(guess):
    table = guess.Table()
    swedish = guess.untold(table, "sv")
    assert {stories.STORIES[number].language for number in swedish} == {"sv"}
    assert guess.untold(replace(table, told=tuple(swedish[1:])), "sv") == swedish[:1]
    assert guess.untold(replace(table, told=tuple(swedish)), "sv") == swedish  # all again


def test_without_a_voice_the_upload_is_the_way(guess, visit, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="send a video instead"):
        guess.own_clip(visit, guess.Table(), "en")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: film(path, second=[]), "nothing to guess"),
        (lambda path: path.write_bytes(b"MZ" * 999) and path, "no audio or video"),
        (lambda path: path.write_bytes(film(path).read_bytes()[:3000]) and path, "film.mp4: "),
        (lambda path: None, "Choose a video first"),
    ],
    ids=["silent second half", "no video", "cut off", "nothing"],
)
def test_a_video_that_cannot_be_played_is_one_sentence(
    guess, models, visit, tmp_path, make, sentence
):
    path = make(tmp_path / "film.mp4")
    given = path and str(path)
    table = guess.Table()
    *_, shown = guess.attempt(table, lambda: guess.upload(models, visit, table, given, OURS, ""))
    assert sentence in text_of(shown) and shown.count('class="notice') == 1


def test_a_video_behind_an_address_is_played(guess, models, visit, tmp_path):
    with serving() as service:
        service.answer("/a.mp4", film(tmp_path / "a.mp4").read_bytes(), Content_Type="video/mp4")
        port = service.server.server_port
        guard = Guard(frozenset({f"films.example:{port}"}), lambda host, port: ["127.0.0.1"])

        def got(folder):
            url = f"http://films.example:{port}/a.mp4"
            return guess.service.fetched(
                url, folder, guard=guard, site=youtube.YOUTUBE, pictures=True
            )

        table = guess.foreign_clip(models, visit, guess.Table(), got, OURS, "en")
    assert table.game.round.answer == " ".join(ANSWER)


def test_an_address_into_this_machine_is_refused(guess, models, visit):
    table = guess.Table()

    def got(folder):
        url = "https://127.0.0.1/film.mp4"
        return guess.service.fetched(url, folder, guard=web.PUBLIC, site=youtube.YOUTUBE)

    *_, shown = guess.attempt(
        table, lambda: guess.foreign_clip(models, visit, table, got, OURS, "")
    )
    assert "names a number in place of a host" in shown


def test_a_recorded_guess_is_deleted_and_silence_may_be_said_again(
    guess, models, visit, table, tmp_path
):
    path = said(tmp_path, "moon")
    assert guess.heard(models, visit, table, path, OURS) == ["moon", ""]
    assert not Path(path).exists()
    hiss = visit.folder / "hiss.wav"
    hiss.write_bytes(speaking.as_wav(speaking.hiss(SAMPLE_RATE)))
    text, problem = guess.heard(models, visit, table, str(hiss), OURS)
    assert text == "" and "say it again" in problem


def test_games_that_are_played_at_the_same_time_do_not_mix(guess, visit, table):
    other = guess.Table(Game().loaded("horse", "moon", "en"), "other.mp4", "hidden.mp4")
    shown = guess.draw(guessed(table, "horse", ""))
    assert shown[0].game.step == REVEAL
    assert (other.game.step, other.game.round.guesses) == (GUESS, ())
    assert "horse" in guess.draw(other)[5] and "moon" not in guess.draw(other)[5]


def test_moves_out_of_turn_leave_the_table_as_it_was(guess, visit, table):
    with pytest.raises(TurnError):
        guess.revealed(visit, table)
    shown = guess.attempt(table, lambda: guess.revealed(visit, table))
    assert shown[0] == table and "Both players have to guess first" in shown[-1]


def test_what_is_shown_follows_the_step(guess, visit, table):
    def visible(table):
        shown = guess.draw(table)
        return [shown[place]["visible"] for place in (2, 3, 6, 9, 10, 11)]

    # choosing, playing, guessing, reveal, second clip, next round
    assert visible(guess.Table()) == [True, False, False, False, False, False]
    assert visible(table) == [False, True, True, False, False, False]
    table = guessed(table, "a", "b")
    assert visible(table) == [False, True, False, True, False, False]
    table = guess.revealed(visit, table)
    assert (table.game.step, visible(table)) == (OVER, [False, True, False, False, True, True])


def test_what_players_say_stays_text(guess, visit, table):
    ended = guess.revealed(visit, guessed(table, "<img src=x onerror=window.broken=1>", ""))
    assert "<img" not in guess.step_of(ended.game)
