"""Speech to text in the browser: `PYTHONPATH=. python spaces/whisper/app.py`.

A microphone, files, videos and addresses; transcribed, or translated into English, by the model
`whisper` of the project or by a public one of the hub. Searches `transcripts.json`, which batch
inference published. Nothing that a visitor says or sends is kept: see `whisper.visits`.
"""

from __future__ import annotations

import base64
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from fti import report, ui
from fti.errors import UserError
from fti.http import MEGABYTE
from whisper import service, transcripts, web, youtube
from whisper.languages import NAMES
from whisper.service import OURS, PUBLIC, Asked, Microphone, Models, Progress
from whisper.transcripts import REPEATED, UNSURE, Segment, Transcript
from whisper.visits import Visit, Visits

USE_CASE, PUBLISHED = "whisper", "transcripts.json"
MAX_UPLOAD = "100mb"
WAITING = 20  # pieces of work in the queue; who comes then is told to come later
MICROPHONES = 4  # at a time
EVERY = 0.5  # seconds of sound that a microphone sends at a time
CHUNK = "chunk"  # of a visitor's files: what a microphone sent
STEADY = 0.4  # seconds between two pictures of the same work
HITS, LINES = 20, 4  # recordings that a search shows, and lines of each
QUIET = {"show_progress": "hidden", "api_visibility": "private"}  # of what happens on the page
AT_WORK = {  # of what needs a model; the page shows the place in the queue
    "concurrency_limit": 2,  # a model has one turn at a time: the other one downloads meanwhile
    "concurrency_id": "whisper",
    "show_progress": "minimal",
    "api_visibility": "private",
}
TASKS = [("Write down", "transcribe"), ("Translate into English", "translate")]
DETECT = ("Find out", "")
INTRODUCTION = (
    "Speech becomes text, or English text, with times and subtitles. Speak, send a file or paste "
    "an address."
)
PRIVACY = (
    "What you say or send is worked on in this app's own memory and disk, shown to you alone, and "
    "deleted when you close the page, after an hour or two in any case. Nothing is kept."
)
LIMITS = (
    f"At most {service.LONGEST / 3600:.0f} hour of sound and {service.DEADLINE / 60:.0f} minutes "
    "of work; what is longer is cut, and the page says so. The model may mishear words, names in "
    "particular."
)
STOPPED = {
    "length": "It goes on for longer than this app listens: this is its beginning.",
    "deadline": "The time for one piece of work was over: this is its beginning.",
    "cancelled": "You cancelled it: this is what was heard until then.",
}
MARKS = {
    REPEATED: ("repeated", "The model went round in circles here, and was cut."),
    UNSURE: ("unsure", "The model itself is not sure of this."),
}
FILES: dict[str, tuple[str, Callable[[Transcript], str]]] = {
    "srt": ("application/x-subrip", lambda told: transcripts.to_srt(told.segments)),
    "vtt": ("text/vtt", lambda told: transcripts.to_vtt(told.segments)),
    "txt": ("text/plain", lambda told: transcripts.to_txt(told.segments)),
    "json": ("application/json", transcripts.to_json),
}
PICTURES = {b"\xff\xd8\xff": "jpeg", b"\x89PNG": "png", b"RIFF": "webp"}
LARGEST_PICTURE = 2 * MEGABYTE
Got = Callable[[Path], Path]  # gives a file to listen to, fetched into a folder if need be


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
    with ui.blocks("Whisper") as demo:
        ui.html(ui.panel(f"<h1>Whisper</h1>{report.paragraph(INTRODUCTION)}"))
        asked = _settings(demo, models)
        with gr.Tabs():
            with gr.Tab("Microphone"):
                _microphone(models, visits, asked)
            with gr.Tab("Audio file"):
                sound = gr.Audio(
                    sources=["upload"], type="filepath", label="WAV, MP3, M4A, OGG, FLAC, WebM",
                    elem_id="whisper_audio",
                )  # fmt: skip
                _work(models, visits, asked, "audio", sound)
            with gr.Tab("Video"):
                video = gr.Video(
                    sources=["upload"], label="MP4, WebM, MOV, MKV; subtitles appear on it",
                    elem_id="whisper_video", height=360,
                )  # fmt: skip
                # Subtitles are of one video only.
                gr.on(
                    [video.upload, video.clear],
                    lambda: gr.Video(subtitles=None),
                    None,
                    video,
                    **QUIET,
                )
                _work(models, visits, asked, "video", video, subtitled=True)
            with gr.Tab("Web address"):
                address = gr.Textbox(
                    label="Address of a sound, a video or a YouTube video",
                    placeholder="https://", max_lines=1, max_length=web.LONGEST_ADDRESS,
                    elem_id="whisper_address",
                )  # fmt: skip
                about = ui.html(elem_id="whisper_about")
                address.change(
                    partial(show_video, guard, site), address, about, trigger_mode="always_last",
                    show_progress="minimal", api_visibility="private",
                    concurrency_limit=ui.CONCURRENT,
                )  # fmt: skip
                _work(models, visits, asked, "web", address, guard=guard, site=site)
            with gr.Tab("Transcripts"):
                _search(demo, reader)
        notes = "".join(f'<p class="soft">{escape(text)}</p>' for text in (PRIVACY, LIMITS))
        ui.html(ui.panel(notes))
        _endpoint(models, visits, api_prefix)
        ui.health(reader, USE_CASE, [USE_CASE], api_prefix)

        def leave(request: gr.Request) -> None:
            visits.end(str(request.session_hash))

        demo.unload(leave)
    demo.queue(max_size=WAITING)
    if warm:
        threading.Thread(target=models.warm, daemon=True).start()
    return demo


# Parts of the page


def _settings(demo: gr.Blocks, models: Models) -> list[gr.components.Component]:
    """Give the components that ask for model, language and task, in the order of Asked."""
    model = gr.Dropdown(
        [(name, name) for name in (OURS, *PUBLIC)], value=OURS, elem_id="whisper_model",
        label="Model, with its measured errors, and how fast it was here",
    )  # fmt: skip
    problem = ui.html(visible=False)
    with gr.Row():
        language = gr.Dropdown(
            [DETECT, *((NAMES[code], code) for code in sorted(NAMES, key=NAMES.get))],
            value="", label="Spoken language", min_width=160, elem_id="whisper_language",
        )  # fmt: skip
        task = gr.Radio(TASKS, value="transcribe", label="Task", scale=2, min_width=280)
    shown = {"outputs": [model, problem], **QUIET, "concurrency_limit": ui.CONCURRENT}
    gr.on([demo.load, gr.Timer(ui.TTL).tick], partial(show_models, models), **shown)
    return [model, language, task]


def _microphone(models: Models, visits: Visits, asked: Sequence[Any]) -> None:
    microphone = gr.Audio(
        sources=["microphone"], type="filepath", streaming=True, label="Record, and watch the text",
        buttons=[], elem_id="whisper_microphone",
    )  # fmt: skip
    said = ui.html(elem_id="whisper_said", container=False)

    def start(request: gr.Request) -> str:
        visits.of(str(request.session_hash)).live = None
        return ui.panel(ui.notice("Listening.", "loading"))

    def hear(chunk: str, model: str, language: str, task: str, request: gr.Request) -> Any:
        visit = visits.of(str(request.session_hash))
        return _heard_live(models, visit, visit.adopt(chunk, CHUNK), Asked(model, language, task))

    def stop(request: gr.Request) -> str:
        return _finished(visits.of(str(request.session_hash)))

    microphone.start_recording(start, None, said, queue=False, **QUIET)
    microphone.stream(
        hear, [microphone, *asked], said, stream_every=EVERY, time_limit=service.TALK,
        concurrency_limit=MICROPHONES, **QUIET,
    )  # fmt: skip
    microphone.stop_recording(stop, None, said, concurrency_limit=MICROPHONES, **QUIET)


def _heard_live(models: Models, visit: Visit, chunk: Path, asked: Asked) -> Any:
    """Show the text so far of what comes into a visitor's microphone."""
    visit.live = visit.live or Microphone(models, asked)
    if visit.live.is_over or not chunk.exists():
        return gr.skip()
    try:
        text = visit.live.feed(chunk)
    except UserError as error:
        return ui.panel(ui.notice(error))
    if not text:
        return ui.panel(ui.notice("Listening.", "loading"))
    return ui.panel(f'<p aria-live="polite" style="font-size: 1.25rem">{escape(text)}</p>')


def _finished(visit: Visit) -> str:
    """Show all that was said into a microphone, and delete its pieces."""
    try:
        if visit.live is None:
            return ui.panel(ui.notice("Nothing was recorded: is the microphone allowed?", "info"))
        return ui.panel(*result(visit.live.finish(), "microphone"))
    except UserError as error:
        return ui.panel(ui.notice(error))
    finally:
        visit.drop(CHUNK)


def _work(
    models: Models,
    visits: Visits,
    asked: Sequence[Any],
    name: str,
    given: gr.components.Component,
    *,
    subtitled: bool = False,
    guard: web.Guard = web.PUBLIC,
    site: youtube.Site = youtube.YOUTUBE,
) -> None:
    """Add what transcribes a file or an address: buttons, and the transcript as it comes."""
    with gr.Row():
        go = gr.Button("Transcribe", variant="primary", elem_id=f"whisper_{name}_go")
        cancel = gr.Button("Cancel", interactive=False, elem_id=f"whisper_{name}_cancel")
    shown = ui.html(elem_id=f"whisper_{name}_text")
    is_address = isinstance(given, gr.Textbox)

    def begin(request: gr.Request) -> list[Any]:
        visits.of(str(request.session_hash)).stop.clear()
        waiting = ui.panel(ui.notice("Your turn comes as soon as the model is free.", "loading"))
        return [gr.update(interactive=False), gr.update(interactive=True), waiting]

    def run(
        value: str | None, model: str, language: str, task: str, request: gr.Request
    ) -> Iterator[Any]:
        visit, wanted = visits.of(str(request.session_hash)), Asked(model, language, task)
        if not value:
            sentence = "Paste an address first." if is_address else "Choose a file first."
            pictures: Iterator[Any] = iter([(ui.panel(ui.notice(sentence, "info")), None)])
        elif is_address:
            got = partial(service.fetched, value, guard=guard, site=site)
            pictures = worked(models, visit, wanted, got, "this address")
        else:
            path = visit.adopt(value)
            pictures = worked(models, visit, wanted, lambda _: path, path.name)
        for picture, told in pictures:
            if subtitled:
                yield picture, gr.Video(subtitles=subtitles(visit, told)) if told else gr.skip()
            else:
                yield picture

    def cancelled(request: gr.Request) -> None:
        visits.of(str(request.session_hash)).stop.set()

    outputs = [shown, given] if subtitled else [shown]
    begun = go.click(begin, None, [go, cancel, shown], queue=False, **QUIET)
    done = begun.then(run, [given, *asked], outputs, **AT_WORK)
    done.then(
        lambda: [gr.update(interactive=True), gr.update(interactive=False)],
        None, [go, cancel], queue=False, **QUIET,
    )  # fmt: skip
    cancel.click(cancelled, None, None, queue=False, **QUIET)


def worked(
    models: Models, visit: Visit, asked: Asked, got: Got, name: str
) -> Iterator[tuple[str, Transcript | None]]:
    """Give the transcript of a file as HTML, again and again as it grows, and itself at the end."""
    last = 0.0
    try:
        with visit.scratch() as folder:
            path = got(folder)
            stop = visit.stop.is_set
            for progress in service.transcribed(models, asked, path, folder, stop, name):
                if progress.transcript is not None:
                    yield (
                        ui.panel(*result(progress.transcript, Path(name).stem)),
                        progress.transcript,
                    )
                elif time.monotonic() - last >= STEADY:
                    last = time.monotonic()
                    yield ui.panel(*so_far(progress)), None
    except UserError as error:
        yield ui.panel(ui.notice(error)), None


def subtitles(visit: Visit, told: Transcript) -> str:
    """Write subtitles where the page may read them, until the visit ends; give their path."""
    folder = Path(gr.utils.get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(dir=folder), "subtitles.vtt")
    path.write_text(transcripts.to_vtt(told.segments), encoding="utf-8")
    return str(visit.adopt(path))


def _search(demo: gr.Blocks, reader: ui.Reader) -> None:
    wanted = gr.Textbox(
        label="Search in all that was written down", max_lines=1, max_length=200,
        elem_id="whisper_search",
    )  # fmt: skip
    found = ui.html(elem_id="whisper_found")
    gr.on(
        [demo.load, wanted.change], partial(show_found, reader), wanted, found,
        trigger_mode="always_last", concurrency_limit=ui.CONCURRENT, **QUIET,
    )  # fmt: skip


def _endpoint(models: Models, visits: Visits, api_prefix: str) -> None:
    """Add the endpoint `transcribe`, of files that came through gradio's upload and no others."""

    def transcribe(
        file: str, language: str = "", task: str = "transcribe", model: str = OURS
    ) -> dict:
        with visits.passing() as visit:
            path = visit.adopt(file) if file else None
            return ui.answered(
                USE_CASE, lambda: _answer(models, path, visit, Asked(model, language, task))
            )

    transcribe.__name__ = f"{api_prefix}transcribe"
    with gr.Row(visible=False):
        inputs = [
            gr.File(type="filepath", label="file"),
            gr.Textbox("", label="language"),
            gr.Textbox("transcribe", label="task"),
            gr.Textbox(OURS, label="model"),
        ]
        answer, ask = gr.JSON(label="transcript"), gr.Button()
    ask.click(
        transcribe, inputs, answer, api_name=transcribe.__name__, concurrency_limit=2,
        concurrency_id="whisper",
        api_description="Write down a file, or translate it into English: text, segments with "
        "times in seconds, language, SRT and VTT, and whether it was heard to its end (truncated).",
    )  # fmt: skip


def _answer(models: Models, path: Path | None, visit: Visit, asked: Asked) -> dict[str, Any]:
    """Give what the endpoint `transcribe` gives. Raises UserError."""
    if path is None:
        raise UserError("file must be an upload of this app: send one.")
    if asked.language not in ("", *NAMES):
        raise UserError(
            f"There is no language '{asked.language[:20]}': give a code as sv, or none."
        )
    if asked.task not in dict(map(reversed, TASKS)):
        raise UserError("task must be transcribe or translate.")
    with visit.scratch() as folder:
        *_, last = service.transcribed(models, asked, path, folder, name=path.name)
    told = last.transcript
    return asdict(told) | {
        "text": told.text,
        "truncated": told.truncated,
        "srt": transcripts.to_srt(told.segments),
        "vtt": transcripts.to_vtt(told.segments),
    }


# What the page shows


def show_models(models: Models) -> list[Any]:
    """Name the models with their errors and speeds; say why the project's cannot be used."""
    names, problem = [], gr.update(visible=False)
    for name in (OURS, *PUBLIC):
        try:
            names.append((models.about(name), name))
        except UserError as error:
            names.append(("This project's (not there)", name))
            problem = gr.update(value=ui.panel(ui.notice(error)), visible=True)
    return [gr.update(choices=names), problem]


def show_video(guard: web.Guard, site: youtube.Site, url: str) -> Iterator[str]:
    """Show title and picture of a video on YouTube; of other addresses, nothing."""
    yield ""
    if not service.is_of(site, url):
        return
    try:
        video = youtube.info(url, site=site)
    except UserError as error:
        yield ui.panel(ui.notice(error))
        return
    length = "" if video.seconds is None else clock(video.seconds)
    yield ui.panel(
        f'<div class="columns"><div>{picture(video.thumbnail, guard)}</div>'
        f'<div><h3>{escape(video.title)}</h3><p class="soft">{length}</p></div></div>'
    )


def picture(address: str, guard: web.Guard) -> str:
    """Draw a picture that is fetched here, so that a visitor's browser asks nobody else for it."""
    try:
        content = web.read(
            address, kinds=web.PICTURE, max_bytes=LARGEST_PICTURE, seconds=10, guard=guard
        )
    except UserError:
        return ""
    kind = next((kind for begin, kind in PICTURES.items() if content.startswith(begin)), None)
    if kind is None:
        return ""
    data = base64.b64encode(content).decode()
    return f'<img alt="" src="data:image/{kind};base64,{data}" style="max-width: 100%">'


def so_far(progress: Progress) -> list[str]:
    """Draw a transcript that grows, and how long it takes."""
    left = progress.seconds_left
    said = report.percent(progress.share) if progress.segments else "Listening"
    if left is not None and progress.segments:
        said += f", about {max(1, round(left))} s left"
    bar = f'<progress max="1" value="{progress.share:.3f}" style="width: 100%"></progress>'
    return [f'{bar}<p class="soft" role="status">{escape(said)}</p>', lines(progress.segments)]


def result(told: Transcript, name: str) -> list[str]:
    """Draw a transcript, with what to know of it and files to take away."""
    stopped = [ui.notice(STOPPED[told.stopped], "info")] if told.stopped else []
    if not told.segments:
        return [*stopped, ui.notice("No speech was heard.", "empty")]
    what = "in English, from" if told.task == "translate" else "in"
    speed = told.audio_seconds / max(told.compute_seconds, 1e-3)
    facts = (
        f"{clock(told.audio_seconds)} of sound, {what} {NAMES.get(told.language, told.language)}, "
        f"in {told.compute_seconds:.1f} s: {speed:.0f} × faster than speech."
    )
    links = " ".join(
        f'<a class="badge" download="{escape(name[:60] or "transcript")}.{ending}" '
        f'href="data:{kind};charset=utf-8;base64,{_base64(write(told))}" '
        f'style="color: var(--accent)">{ending.upper()}</a>'
        for ending, (kind, write) in FILES.items()
    )
    taken = f'<p>Take it with you: {links}</p><p class="soft">{escape(facts)}</p>'
    return [*stopped, lines(told.segments), taken]


def lines(segments: Sequence[Segment]) -> str:
    """Draw segments, each with its time and its marks."""
    drawn = []
    for one in segments:
        marks = "".join(
            f' <span class="badge warn" title="{escape(MARKS[mark][1])}">{MARKS[mark][0]}</span>'
            for mark in one.marks
        )
        drawn.append(
            f'<p><span class="soft number">{clock(one.start)}</span> {escape(one.text)}{marks}</p>'
        )
    return f'<div class="said" style="max-height: 28rem; overflow-y: auto">{"".join(drawn)}</div>'


def show_found(reader: ui.Reader, wanted: str) -> str:
    """Show the published recordings in which all wanted words are said, the newest first."""
    try:
        published = reader.published(USE_CASE, PUBLISHED)
        with ui.understood(USE_CASE):
            return ui.panel(*found(published["transcripts"], wanted))
    except UserError as error:
        return ui.panel(ui.notice(error))


def found(recordings: Sequence[Mapping[str, Any]], wanted: str) -> list[str]:
    """Draw the recordings in which all wanted words are said, and the lines that say them."""
    words = wanted.casefold().split()
    hits = [
        one
        for one in recordings
        if all(word in f"{one['title']} {one['text']}".casefold() for word in words)
    ]
    parts = [f'<p class="soft" role="status">{len(hits)} of {len(recordings)} recordings</p>']
    for one in hits[:HITS]:
        saying = [line for line in one["segments"] if any(w in line[2].casefold() for w in words)]
        told = "".join(
            f'<p><span class="soft number">{clock(start)}</span> {escape(text)}</p>'
            for start, _, text in (saying or one["segments"])[:LINES]
        )
        about = f"{str(one['published'])[:10]} {one['language']} {clock(one['seconds'])}"
        parts.append(f'<h3>{escape(one["title"])}</h3><p class="soft">{escape(about)}</p>{told}')
    return parts


def clock(seconds: float) -> str:
    """Give a time as 1:02:03 or 2:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


if __name__ == "__main__":
    ui.launch(partial(build, warm=True), max_file_size=MAX_UPLOAD)
