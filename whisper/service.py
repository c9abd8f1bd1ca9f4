"""Speech to text for the visitors of an app: which models there are, and their work in turn.

    models = Models(reader.model)                    opens what is asked for, once
    for progress in transcribed(models, asked, path, folder, stop):
        progress.segments, progress.seconds_left     as they come; at the end progress.transcript
    microphone = Microphone(models, asked)           sound goes in as it comes, text comes out

One piece of work has the processor at a time: those of others wait for the end of its window.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fti.errors import UserError
from fti.models import MANIFEST
from whisper import web, youtube
from whisper.audio import AudioError
from whisper.mel import SAMPLE_RATE
from whisper.transcripts import Segment, Transcript

if TYPE_CHECKING:
    from whisper.live import Live
    from whisper.transcriber import Transcriber

log = logging.getLogger(__name__)

OURS = "this project's"
MODEL, METRIC = "whisper", "error_rate"  # of whisper.registry, whose import costs 37 MB
THREADS = 2
LOADED = 2  # models in memory at a time
LONGEST, DEADLINE = 3600.0, 900.0  # seconds: of a file, and that its work may take
TALK = 600.0  # seconds into a microphone
LARGEST_CHUNK = 10.0  # seconds that a microphone sends at once
RECORD = "training.json"


# Of all apps of this process: what is in memory, and whose turn it is to use the processor.
turn, _opening = threading.Lock(), threading.Lock()
_open: dict[tuple[str, int], Transcriber] = {}


@dataclass(frozen=True)
class Public:
    """A model on the hub: how large its download is, and what its publisher measured."""

    megabytes: int
    measured: str


# Of models for CTranslate2. WER on Swedish FLEURS, as KBLab's model cards have it.
PUBLIC = {
    "Systran/faster-whisper-tiny": Public(78, "59.2 % WER"),
    "Systran/faster-whisper-base": Public(148, "39.6 % WER"),
    "Systran/faster-whisper-small": Public(486, "20.6 % WER"),
    "KBLab/kb-whisper-tiny": Public(78, "13.2 % WER"),
    "KBLab/kb-whisper-base": Public(148, "9.1 % WER"),
    "KBLab/kb-whisper-small": Public(486, "7.3 % WER"),
}


@dataclass(frozen=True)
class Asked:
    """What a visitor wants: which model, the language ("" to find out), and the task."""

    model: str = OURS
    language: str = ""
    task: str = "transcribe"


@dataclass(frozen=True)
class Progress:
    """How far a transcript is; at the end, `transcript` is there."""

    segments: tuple[Segment, ...]
    share: float
    seconds_left: float | None = None
    transcript: Transcript | None = None


@dataclass
class _Speed:
    audio: float = 0.0  # seconds
    compute: float = 0.0


@dataclass
class Models:
    """The models that visitors may choose.

    `registered` gives a model of the project by its name, as `fti.ui.Reader.model` does.
    """

    registered: Callable[[str], Any]
    threads: int = THREADS
    _speeds: dict[str, _Speed] = field(default_factory=dict)

    def opened(self, name: str) -> Transcriber:
        """Give a model, ready to listen. Raises UserError where it cannot be."""
        if name not in (OURS, *PUBLIC):
            raise UserError(f"model must be one of {', '.join((OURS, *PUBLIC))}.")
        where: str | Path = name
        if name == OURS:
            where = self.registered(MODEL).folder
        key = _identity(where), self.threads
        with _opening:
            if key not in _open:
                from whisper.transcriber import Transcriber

                while len(_open) >= LOADED:
                    _open.pop(next(iter(_open)))
                _open[key] = Transcriber(where, threads=self.threads)
            _open[key] = _open.pop(key)  # the last one used goes last
            return _open[key]

    def ready(self, asked: Asked) -> Transcriber:
        """Give the model that is asked for; raises UserError for what it was not trained for."""
        transcriber = self.opened(asked.model)
        model = transcriber.model
        model.refuse_task(asked.task)
        if asked.language and model.languages and asked.language not in model.languages:
            known = ", ".join(model.languages)
            raise UserError(
                f"This model was trained on {known}, not on {asked.language}: choose its language, "
                "or another model."
            )
        return transcriber

    def warm(self) -> None:
        """Open the project's model and let it hear something: the first visitor need not wait.

        Where there is none yet, nothing happens.
        """
        from whisper.speech import Stretch

        try:
            transcriber = self.opened(OURS)
            silence = Stretch(np.zeros(SAMPLE_RATE, np.float32), ((0.0, 0.0),))
            language, _ = transcriber.language(silence)
            with turn:
                transcriber.write([silence], language, "transcribe")
        except UserError as error:
            log.info("no model to warm up: %s", error)

    def about(self, name: str) -> str:
        """Say in one line how good and how fast a model is. Raises UserError."""
        if name in PUBLIC:
            public = PUBLIC[name]
            said = [f"{name} (hub, {public.megabytes} MB)", f"{public.measured} on Swedish FLEURS"]
            return ", ".join([*said, *self._speed(name)])
        model = self.registered(MODEL)
        record = described(model.folder)
        trained = " ".join(record.get("languages") or ())
        said = [f"This project's, version {model.version}" + (f" ({trained})" if trained else "")]
        rate = model.metrics.get(METRIC)
        if rate is not None:
            said.append(f"{100 * rate:.1f} % wrong in its test")
        return ", ".join([*said, *self._speed(name)])

    def note(self, name: str, transcript: Transcript) -> None:
        """Remember how fast a model was."""
        speed = self._speeds.setdefault(name, _Speed())
        speed.audio += transcript.audio_seconds
        speed.compute += transcript.compute_seconds

    def _speed(self, name: str) -> list[str]:
        speed = self._speeds.get(name)
        if speed is None or not speed.compute:
            return []
        return [f"{speed.audio / speed.compute:.0f} × faster than speech"]


def _identity(where: str | Path) -> str:
    """Tell models apart: copies of one in several folders are the same."""
    manifest = Path(where, MANIFEST)
    if manifest.is_file():
        return hashlib.sha256(manifest.read_bytes()).hexdigest()
    return str(where)


def described(folder: Path) -> Mapping[str, Any]:
    """Give what a model's folder tells of its training."""
    try:
        return dict(json.loads((folder / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def transcribed(
    models: Models,
    asked: Asked,
    path: Path,
    folder: Path,
    stop: Callable[[], bool] = lambda: False,
    name: str = "",
) -> Iterator[Progress]:
    """Transcribe a file that a stranger sent, and tell how far it is after every segment.

    In: the file, called `name` in sentences; a folder to work in; and what is asked whether to
    stop. The sound is taken out in a process with limits (`whisper.media`). Raises UserError.
    """
    from whisper import media

    transcriber = models.ready(asked)
    sound = folder / "sound.flac"
    taken = media.sound(path, sound, longest=LONGEST, name=name)
    began = time.monotonic()
    heard = transcriber.transcribe(
        sound,
        language=asked.language or None,
        task=asked.task,
        deadline_s=DEADLINE,
        cancelled=stop,
    )
    yield Progress((), 0.0)
    steps = iter(heard)
    while True:
        with turn:
            segment = next(steps, None)
        if segment is None:
            break
        share = min(1.0, heard.audio_seconds / taken.seconds)
        left = (time.monotonic() - began) * (1 - share) / share if share else None
        yield Progress(tuple(heard.segments), share, left)
    transcript = heard.transcript()
    if taken.truncated and not transcript.stopped:
        transcript = replace(transcript, stopped="length")
    models.note(asked.model, transcript)
    yield Progress(transcript.segments, 1.0, 0.0, transcript)


def is_of(site: youtube.Site, url: str) -> bool:
    """Tell whether an address is one of a video site."""
    try:
        site.address(url)
    except youtube.YouTubeError:
        return False
    return True


def fetched(
    url: str, folder: Path, *, guard: web.Guard, site: youtube.Site, pictures: bool = False
) -> Path:
    """Fetch what an address leads to into a folder; of a video site, its `pictures` if wanted.

    Raises UserError.
    """
    if is_of(site, url):
        fetch = youtube.video if pictures else youtube.sound
        return fetch(url, folder, longest=LONGEST, site=site)
    web.fetch(url, folder / "media", guard=guard)
    return folder / "media"


class Microphone:
    """What a visitor says, as it comes in chunks; the model is opened with the first of them."""

    def __init__(self, models: Models, asked: Asked):
        """Begin to listen."""
        self.is_over = False
        self._models, self._asked = models, asked
        self._live: Live | None = None
        self._heard = self._took = 0.0  # seconds
        self._resampler: Any = None

    def feed(self, path: Path) -> str:
        """Hear a chunk, a WAV file, and give the text so far. Raises UserError.

        What comes after the end, or after TALK seconds, is left out.
        """
        live = self._opened()
        if self.is_over or self._heard >= TALK:
            return live.text
        samples = self._samples(path)
        self._heard += len(samples) / SAMPLE_RATE
        with self._turn():
            return live.feed(samples)

    def finish(self) -> Transcript:
        """Give all that was said."""
        live, self.is_over = self._opened(), True
        with self._turn():
            live.finish()
        transcript = Transcript(
            tuple(live.segments),
            live.language,
            self._asked.task,
            self._asked.model,
            round(self._heard, 3),
            round(self._took, 3),
            "length" if self._heard >= TALK else "",
        )
        self._models.note(self._asked.model, transcript)
        return transcript

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with turn:
            began = time.monotonic()
            yield
            self._took += time.monotonic() - began

    def _opened(self) -> Live:
        if self._live is None:
            from av import AudioResampler

            from whisper.live import Live

            transcriber = self._models.ready(self._asked)
            self._live = Live(transcriber, self._asked.language or None, self._asked.task)
            self._resampler = AudioResampler("flt", "mono", SAMPLE_RATE)
        return self._live

    def _samples(self, path: Path) -> np.ndarray:
        import soundfile
        from av import AudioFrame

        try:
            with soundfile.SoundFile(path) as file:
                rate = file.samplerate
                sound = file.read(round(LARGEST_CHUNK * rate), "float32", always_2d=True)
        except (OSError, soundfile.SoundFileError) as error:
            raise AudioError("A piece of the recording cannot be read: record again.") from error
        if not len(sound):
            return np.zeros(0, np.float32)
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(sound.mean(axis=1, dtype=np.float32)[None]), "flt", "mono"
        )
        frame.sample_rate = rate
        parts = [piece.to_ndarray()[0] for piece in self._resampler.resample(frame)]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)
