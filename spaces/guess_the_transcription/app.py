"""A game for two in the browser: `PYTHONPATH=. python spaces/guess_the_transcription/app.py`.

The rules are in `whisper.game`. Clips are this project's own (`whisper.stories`), uploads, or what
an address leads to; guesses come from the microphone through the model `whisper`. The second half
of a clip does not reach the browser before it is revealed. Each browser tab is a game of its own,
and nothing of it is kept: see `whisper.visits`.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from fti import report, ui
from fti.errors import UserError
from whisper import game, media, service, stories, web, youtube
from whisper.game import EVEN, GUESS, HALF, LOAD, OVER, REVEAL, Game
from whisper.languages import NAMES
from whisper.service import OURS, PUBLIC, Asked, Models
from whisper.visits import Visit, Visits

USE_CASE = "whisper"
MAX_UPLOAD = "100mb"
WAITING = 20
QUIET = {"show_progress": "hidden", "api_visibility": "private"}  # of what happens on the page
AT_WORK = {  # of what takes a while; models take turns, so a slow download stops nobody else's
    "concurrency_limit": 4,
    "concurrency_id": "guess",
    "show_progress": "minimal",
    "api_visibility": "private",
}
STORIES = {  # languages that there are clips of our own in
    NAMES[code]: code for code in dict.fromkeys(story.language for story in stories.STORIES)
}
DETECT = ("Find out", "")
INTRODUCTION = (
    "Watch and read the first five seconds of a clip. Then each of you says what comes in the next "
    "five. Whoever gets closer to what is really said wins the round."
)
RULES = (
    "Score: the share of what is really said that a guess hits, in the right order (by words, in "
    "Chinese and Japanese by characters), less what it says too much; case and punctuation do not "
    "count. From 0 to 100 %, and a point for each percent. A tie is won by both."
)
HEARD = "The model that listens may mishear you: put right what it writes before you lock it in."
PRIVACY = (
    "Clips and guesses are worked on in this app alone and deleted when you close the page, after "
    "an hour or two in any case. Nothing is kept."
)
NO_VOICE = (
    "This machine has no espeak-ng to speak clips of our own (apt-get install espeak-ng): send a "
    "video instead."
)
UNHEARD = "Nothing was understood: say it again, a little louder, or type it."


@dataclass(frozen=True)
class Table:
    """What two players have in front of them; `second` is the clip that they may not see yet."""

    game: Game = field(default_factory=Game)
    first: str = ""
    second: str = ""
    told: tuple[int, ...] = ()  # stories that were played


def build(
    project: Any | None = None,
    *,
    api_prefix: str = "",
    guard: web.Guard = web.PUBLIC,
    site: youtube.Site = youtube.YOUTUBE,
    warm: bool = False,
) -> gr.Blocks:
    """Give the app; `project` None is the one that `fti.login()` gives when it is first needed.

    In: where addresses may lead (`guard`, `site`: others are for tests); whether to open the model
    at once, in the background.
    """
    reader = ui.Reader(project)
    models, visits = Models(reader.model), Visits()
    with ui.blocks("Guess the transcription") as demo:
        ui.html(ui.panel(f"<h1>Guess the transcription</h1>{report.paragraph(INTRODUCTION)}"))
        table = gr.State(Table())
        points = ui.html(elem_id="guess_points")
        with gr.Column() as choosing:
            with gr.Tabs():
                with gr.Tab("A clip of ours"):
                    language = gr.Radio(
                        list(STORIES.items()), value=next(iter(STORIES.values())), label="Language"
                    )
                    own = gr.Button("Show a clip", variant="primary", elem_id="guess_own")
                with gr.Tab("Your video"):
                    video = gr.Video(
                        sources=["upload"], label="Its first ten seconds are played",
                        elem_id="guess_video", height=240,
                    )  # fmt: skip
                    send = gr.Button("Play it", variant="primary", elem_id="guess_send")
                with gr.Tab("Web address"):
                    address = gr.Textbox(
                        label="Address of a video, or of one on YouTube", placeholder="https://",
                        max_lines=1, max_length=web.LONGEST_ADDRESS, elem_id="guess_address",
                    )  # fmt: skip
                    follow = gr.Button("Play it", variant="primary", elem_id="guess_follow")
            with gr.Accordion("Which model listens", open=False), gr.Row():
                model = gr.Dropdown(list((OURS, *PUBLIC)), value=OURS, label="Model")
                spoken = gr.Dropdown(
                    [DETECT, *((NAMES[code], code) for code in sorted(NAMES, key=NAMES.get))],
                    value="", label="Language of your video",
                )  # fmt: skip
        said = ui.html(elem_id="guess_said")
        with gr.Column(visible=False) as playing:
            first = gr.Video(
                interactive=False,
                label="The first five seconds",
                height=300,
                buttons=[],
                elem_id="guess_first",
            )
            step = ui.html(elem_id="guess_step")
            with gr.Column(visible=False) as guessing:
                microphone = gr.Audio(
                    sources=["microphone"], type="filepath", label="Say what comes next",
                    buttons=[], elem_id="guess_microphone",
                )  # fmt: skip
                guess = gr.Textbox(
                    label="What was heard (put it right, or type)", max_length=500,
                    elem_id="guess_text",
                )  # fmt: skip
                lock = gr.Button("That is my guess", variant="primary", elem_id="guess_lock")
            reveal = gr.Button(
                "Reveal what is really said", variant="primary", visible=False,
                elem_id="guess_reveal",
            )  # fmt: skip
            second = gr.Video(
                interactive=False, label="The next five seconds", height=300, visible=False,
                buttons=[], elem_id="guess_second",
            )  # fmt: skip
            again = gr.Button("Next round", variant="primary", visible=False, elem_id="guess_again")
        ui.html(
            ui.panel(*(f'<p class="soft">{escape(text)}</p>' for text in (RULES, HEARD, PRIVACY)))
        )

        outputs = [table, points, choosing, playing, first, step, guessing, microphone, guess]
        outputs += [reveal, second, again, video, said]

        def with_own(table: Table, language: str, request: gr.Request) -> list[Any]:
            visit = visits.of(str(request.session_hash))
            return attempt(table, lambda: own_clip(visit, table, language))

        def with_upload(
            table: Table, path: str | None, model: str, language: str, request: gr.Request
        ) -> list[Any]:
            visit = visits.of(str(request.session_hash))
            return attempt(table, lambda: upload(models, visit, table, path, model, language))

        def with_address(
            table: Table, url: str, model: str, language: str, request: gr.Request
        ) -> list[Any]:
            visit = visits.of(str(request.session_hash))
            got = partial(service.fetched, url, guard=guard, site=site, pictures=True)
            return attempt(table, lambda: foreign_clip(models, visit, table, got, model, language))

        def listen(table: Table, path: str | None, model: str, request: gr.Request) -> list[Any]:
            visit = visits.of(str(request.session_hash))
            return heard(models, visit, table, path, model)

        def take(table: Table, text: str) -> list[Any]:
            return attempt(table, lambda: replace(table, game=table.game.guessed(text or "")))

        def show(table: Table, request: gr.Request) -> list[Any]:
            visit = visits.of(str(request.session_hash))
            return attempt(table, lambda: revealed(visit, table))

        own.click(with_own, [table, language], outputs, **AT_WORK)
        send.click(with_upload, [table, video, model, spoken], outputs, **AT_WORK)
        follow.click(with_address, [table, address, model, spoken], outputs, **AT_WORK)
        microphone.stop_recording(listen, [table, microphone, model], [guess, said], **AT_WORK)
        lock.click(take, [table, guess], outputs, **QUIET)
        reveal.click(show, table, outputs, **QUIET)
        again.click(lambda table: draw(table, is_choosing=True), table, outputs, **QUIET)
        demo.load(lambda table: points_of(table.game), table, points, **QUIET)
        ui.health(reader, "guess_the_transcription", [USE_CASE], api_prefix)

        def leave(request: gr.Request) -> None:
            visits.end(str(request.session_hash))

        demo.unload(leave)
    demo.queue(max_size=WAITING)
    if warm:
        threading.Thread(target=models.warm, daemon=True).start()
    return demo


# Moves


def attempt(table: Table, move: Callable[[], Table]) -> list[Any]:
    """Draw the table after a move, or as it was, with the sentence that says why."""
    try:
        return draw(move())
    except UserError as error:
        return [*draw(table, is_choosing=table.game.step in (LOAD, OVER))[:-1], problem(error)]


def own_clip(visit: Visit, table: Table, language: str) -> Table:
    """Begin a round with a story that was not played yet. Raises UserError."""
    if shutil.which("espeak-ng") is None:
        raise UserError(NO_VOICE)
    number = random.choice(untold(table, language))
    story = stories.STORIES[number]
    begun = table.game.loaded(story.clue, story.answer, story.language)
    with visit.scratch() as folder:
        stories.film(story, folder / "story.mp4", number)
        first, second = halves(visit, folder / "story.mp4", "the clip")
    return Table(begun, first, second, (*table.told, number))


def untold(table: Table, language: str) -> list[int]:
    """Give the stories in a language that were not played yet; all of them when all were."""
    there = [n for n, story in enumerate(stories.STORIES) if story.language == language]
    return [number for number in there if number not in table.told] or there


def upload(
    models: Models, visit: Visit, table: Table, path: str | None, model: str, language: str
) -> Table:
    """Begin a round with a video that a player sent. Raises UserError."""
    if not path:
        raise UserError("Choose a video first.")
    kept = visit.adopt(path)
    return foreign_clip(models, visit, table, lambda _: kept, model, language, kept.name)


def foreign_clip(
    models: Models,
    visit: Visit,
    table: Table,
    got: Callable[[Path], Path],
    model: str,
    language: str,
    name: str = "this address",
) -> Table:
    """Begin a round with a video, what is said in which a model writes down. Raises UserError."""
    with visit.scratch() as folder:
        first, second = halves(visit, got(folder), name)
        asked = Asked(model, language)
        clue = written(models, asked, Path(first), folder)
        asked = replace(asked, language=language or clue.language)
        answer = written(models, asked, Path(second), folder)
    begun = table.game.loaded(clue.text, answer.text, answer.language or clue.language or "en")
    return replace(table, game=begun, first=first, second=second)


def halves(visit: Visit, path: Path, name: str) -> tuple[str, str]:
    """Cut both halves out of a video: the first where the page may read it, the second not."""
    first = shareable(visit)
    second = Path(tempfile.mkdtemp(dir=visit.folder), "second.mp4")
    media.cut(path, first, start=0, end=HALF, name=name)
    media.cut(path, second, start=HALF, end=2 * HALF, name=name)
    return str(first), str(second)


def shareable(visit: Visit) -> Path:
    """Give a new path that the page may read, if it is told of it; gone when the visit ends."""
    folder = Path(gr.utils.get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    return visit.adopt(Path(tempfile.mkdtemp(dir=folder), "clip.mp4"))


def written(models: Models, asked: Asked, path: Path, folder: Path) -> Any:
    """Give what is said in a file as a transcript. Raises UserError."""
    *_, last = service.transcribed(models, asked, path, folder, name=path.name)
    return last.transcript


def heard(models: Models, visit: Visit, table: Table, path: str | None, model: str) -> list[Any]:
    """Give what a player said as text, and delete the recording."""
    if not path:
        return [gr.skip(), gr.skip()]
    recording = visit.adopt(path, GUESS)
    try:
        if table.game.step != GUESS:
            return [gr.skip(), gr.skip()]
        asked = Asked(model, table.game.round.language)
        with visit.scratch() as folder:
            text = written(models, asked, recording, folder).text
    except UserError as error:
        return [gr.skip(), problem(error)]
    finally:
        visit.drop(GUESS)
    return [text, "" if text else ui.panel(ui.notice(UNHEARD, "info"))]


def revealed(visit: Visit, table: Table) -> Table:
    """End the round: the second half may be seen. Raises UserError."""
    over = table.game.revealed()
    path = shareable(visit)
    shutil.move(table.second, path)
    return replace(table, game=over, second=str(path))


# What the page shows


def draw(table: Table, is_choosing: bool = False) -> list[Any]:
    """Give what all parts of the page show, in the order of `outputs`."""
    step = table.game.step
    is_choosing = is_choosing or step == LOAD
    is_guessing = step == GUESS
    player = table.game.player + 1 if is_guessing else 0
    return [
        table,
        points_of(table.game),
        gr.update(visible=is_choosing),
        gr.update(visible=not is_choosing),
        table.first if is_guessing and player == 1 else gr.skip(),
        "" if is_choosing else step_of(table.game),
        gr.update(visible=is_guessing),
        gr.update(value=None, label=f"Player {player}: say what comes next"),
        "",
        gr.update(visible=step == REVEAL),
        gr.update(value=table.second if step == OVER else None, visible=step == OVER),
        gr.update(visible=step == OVER),
        gr.skip() if is_choosing else None,
        "",
    ]


def problem(error: UserError) -> str:
    """Say what was wrong."""
    return ui.panel(ui.notice(error))


def points_of(played: Game) -> str:
    """Draw the running score."""
    rounds = sum(one.is_revealed for one in played.rounds)
    if not rounds:
        return ""
    tiles = {
        f"Player {player + 1}": (f"{points}", "points")
        for player, points in enumerate(played.totals)
    }
    return ui.panel(report.tiles(tiles | {"Rounds": (f"{rounds}", "played")}))


def step_of(played: Game) -> str:
    """Say what was said in the clue, and what is to be done; at the end, who won."""
    clue = played.round.clue or "(nothing was understood)"
    said = f'<p style="font-size: 1.25rem">“{escape(clue)} …”</p>'
    if played.step == GUESS:
        player = played.player
        other = "" if player else " The other one looks away."
        return ui.panel(said, f"<h2>Player {player + 1}: what comes next?</h2>", f"<p>{other}</p>")
    if played.step == REVEAL:
        return ui.panel(said, "<h2>Both have guessed.</h2>")
    return ui.panel(said, *result(played.round))


def result(ended: game.Round) -> list[str]:
    """Draw what was really said, both guesses with their scores, and who won."""
    if ended.winner == EVEN:
        title = "The game is even, everybody wins!"
    else:
        title = f"Player {ended.winner + 1} wins!"
    rows = [
        f"<p><b>Player {player}: {points} % match</b> {escape(f'“{guess}”' if guess else '…')}</p>"
        for player, guess, points in zip((1, 2), ended.guesses, ended.scores, strict=True)
    ]
    answer = f'<p style="font-size: 1.25rem">“… {escape(ended.answer)}”</p>'
    return [f"<h2>{title}</h2>", answer, *rows]


if __name__ == "__main__":
    ui.launch(partial(build, warm=True), max_file_size=MAX_UPLOAD)
