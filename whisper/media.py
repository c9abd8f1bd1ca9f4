"""Sound, clips and pictures out of files that strangers send: what each of them holds is hostile.

    media.probe(path)                        what is in it, as its header says
    media.sound(path, out, longest=3600)     its sound as Whisper hears it, into a FLAC file
    media.cut(path, out, start=5, end=10)    an exact piece of a video, as browsers play it
    media.thumbnail(path, out)               a small JPEG

All of it runs in a process of its own within limits of memory and time (`whisper.bounded`), with
formats that name no other files. What cannot be read is an AudioError, one sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from whisper import bounded
from whisper.audio import FORMATS, MISSING, AudioError
from whisper.bounded import Limits
from whisper.mel import SAMPLE_RATE

LIMITS = Limits(seconds=120, processor=120)
LONGEST = 3600.0  # seconds of sound that is taken from a file
LONGEST_CUT = 60.0  # seconds
LARGEST = 8192 * 4320  # pixels of a picture: 8K
RATE, HEIGHT = 25, 480  # pictures a second and lines of what is cut out
PREVIEW = 360  # lines of a thumbnail
BAD_SHARE = 0.1  # of packets: with more of them damaged, a file is refused
SEEK_FROM = 20.0  # seconds; what is earlier is read from the beginning
EXACT = ("wav", "flac", "mov", "matroska")  # formats whose header knows how long the sound is


@dataclass(frozen=True)
class Media:
    """What a file says about itself; `seconds` is None where it does not say how long it is."""

    container: str
    seconds: float | None
    has_audio: bool
    has_video: bool  # a picture of the cover does not count
    width: int = 0
    height: int = 0

    @property
    def kind(self) -> str:
        """`video` or `audio`."""
        return "video" if self.has_video else "audio"


@dataclass(frozen=True)
class Sound:
    """What was written; `truncated` when the file goes on for longer."""

    seconds: float
    truncated: bool


def probe(path: Path, name: str = "", limits: Limits = LIMITS) -> Media:
    """Tell what is in a file; raises AudioError where there is neither sound nor video in it."""
    return Media(**_bounded(_probe, path, name, limits))


def sound(
    path: Path, out: Path, *, longest: float = LONGEST, name: str = "", limits: Limits = LIMITS
) -> Sound:
    """Write the sound of a file to `out`: FLAC, 16 kHz, one channel, at most `longest` seconds.

    Sound that begins later than the video does gets silence before it, so that times agree.
    """
    about = _bounded(_sound, path, name, limits, out=out, longest=longest)
    return Sound(**about)


def cut(
    path: Path,
    out: Path,
    *,
    start: float,
    end: float,
    name: str = "",
    limits: Limits = LIMITS,
) -> float:
    """Write what is seen and heard from `start` to `end` (seconds) to `out`: mp4, H.264 and AAC.

    It is encoded anew, so it begins and ends exactly there (its end to 1/25 s), and is at most 480
    lines high. A file that ends earlier gives a shorter piece. Gives the seconds of it.
    """
    if not 0 <= start < end <= start + LONGEST_CUT:
        raise AudioError(f"From {start:g} to {end:g} s is no piece of at most {LONGEST_CUT:g} s.")
    return float(_bounded(_cut, path, name, limits, out=out, start=start, end=end))


def thumbnail(
    path: Path, out: Path, *, at: float = 1.0, name: str = "", limits: Limits = LIMITS
) -> None:
    """Write the picture at a second, or the last one before, to `out` as a JPEG of 360 lines."""
    _bounded(_thumbnail, path, name, limits, out=out, at=at)


def _bounded(function, path, name, limits, out=None, **arguments):
    """Call a function below on a file; nothing is left at `out` if it fails."""
    arguments |= {"path": str(Path(path).resolve()), "name": name or Path(path).name}
    if out is None:
        return bounded.call(function, arguments, limits, arguments["name"], AudioError)
    out = Path(out).resolve()
    try:
        arguments["out"] = str(out)
        return bounded.call(function, arguments, limits, arguments["name"], AudioError)
    except BaseException:
        out.unlink(missing_ok=True)
        raise


# In the process -----------------------------------------------------------------------------------


def _probe(path: str, name: str) -> dict[str, Any]:
    with _opened(path, name) as container:
        video, heard = _video(container), _audio(container)
        if video is None and heard is None:
            raise AudioError(f"{name}: there is neither sound nor video in it.")
        return {
            "container": container.format.name,
            "seconds": None if container.duration is None else container.duration / 1e6,
            "has_audio": heard is not None,
            "has_video": video is not None,
            "width": video.width if video else 0,
            "height": video.height if video else 0,
        }


def _sound(path: str, out: str, longest: float, name: str) -> dict[str, Any]:
    import soundfile

    wanted = round(longest * SAMPLE_RATE)
    with _opened(path, name) as container:
        claimed = _claimed(container)
        written, more = 0, False
        with soundfile.SoundFile(out, "w", SAMPLE_RATE, 1, "PCM_16", format="FLAC") as file:
            for piece in _heard(container, name):
                left = wanted - written
                more = len(piece) > left
                file.write(piece[:left])
                written += min(len(piece), left)
                if more:
                    break
    seconds = written / SAMPLE_RATE
    if not written:
        raise AudioError(f"{name}: there is no sound in it.")
    if not more and claimed - seconds > max(MISSING[0], MISSING[1] * claimed):
        raise AudioError(f"{name}: it is cut off after {seconds:.1f} of {claimed:.1f} s.")
    return {"seconds": seconds, "truncated": more}


def _cut(path: str, out: str, start: float, end: float, name: str) -> float:
    import av

    with _opened(path, name) as container:
        if _video(container) is None:
            raise AudioError(f"{name}: there is no video in it.")
        shown = _seen(container, start, end, name)
        first = next(shown, None)
        if first is None:
            raise AudioError(f"{name}: it ends before {start:g} s; take an earlier piece.")
        with av.open(out, "w", format="mp4", options={"movflags": "faststart"}) as made:
            video = made.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
            video.width, video.height, video.pix_fmt = first.width, first.height, "yuv420p"
            stream = made.add_stream("aac", rate=48_000, layout="mono")
            count = 0
            for frame in chain([first], shown):
                frame.pts, frame.time_base, count = count, Fraction(1, RATE), count + 1
                made.mux(video.encode(frame))
            made.mux(video.encode(None))
            seconds = count / RATE
            with _opened(path, name) as again:
                samples = _between(again, start, start + seconds, 48_000, name)
            made.mux([*_encoded(stream, samples), *stream.encode(None)])
    return seconds


def _thumbnail(path: str, out: str, at: float, name: str) -> None:
    import av

    with _opened(path, name) as container:
        if _video(container) is None:
            raise AudioError(f"{name}: there is no video in it.")
        picture = next(_seen(container, at, at + 1 / RATE, name, PREVIEW), None)
        if picture is None:
            container.seek(0)
            picture = next(_seen(container, 0.0, 1.0, name, PREVIEW), None)
    if picture is None:
        raise AudioError(f"{name}: no picture of it can be read.")
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "yuvj420p"
    encoder.time_base = Fraction(1, RATE)
    picture = picture.reformat(format="yuvj420p", dst_color_range="JPEG")
    picture.pts = 0
    Path(out).write_bytes(b"".join(map(bytes, [*encoder.encode(picture), *encoder.encode(None)])))


@contextmanager
def _opened(path, name):
    """Open a file as one of the formats that name no other files or addresses."""
    import av

    options = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
    try:
        with (
            Path(path).open("rb") as file,
            av.open(file, options=options, metadata_errors="replace") as container,
        ):
            yield container
    except av.FFmpegError as error:
        reason = f"it is damaged, or no audio or video ({error.strerror})"
        raise AudioError(f"{name}: {reason}; send WAV, FLAC, OGG, MP3, mp4 or webm.") from error
    except OSError as error:
        raise AudioError(f"{name}: it cannot be read or written ({error.strerror}).") from error


def _video(container):
    """Give the stream of moving pictures, or None."""
    import av

    cover = av.stream.Disposition.attached_pic
    streams = (one for one in container.streams.video if one.codec_context is not None)
    return next((one for one in streams if not one.disposition & cover), None)


def _audio(container):
    """Give the first stream of sound whose codec is known, or None."""
    return next((one for one in container.streams.audio if one.codec_context is not None), None)


def _decoded(container, stream, name) -> Iterator[Any]:
    """Give the frames of a stream, leaving out damaged packets as long as they are few."""
    import av

    good = bad = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            bad += 1
        else:
            good += bool(frames)
            yield from frames
    if bad and bad > BAD_SHARE * (good + bad):
        raise AudioError(f"{name}: it is damaged; send another copy of it.")


def _claimed(container):
    """Give how long the sound is in seconds, as far as a header is to be believed, or 0."""
    stream = _audio(container)
    if stream is None or not any(kind in container.format.name for kind in EXACT):
        return 0.0
    return float((stream.duration or 0) * (stream.time_base or 0))


def _heard(container, name, rate: int = SAMPLE_RATE) -> Iterator[np.ndarray]:
    """Give the sound from the container's beginning on: pieces of int16, one channel."""
    from av import AudioResampler

    stream = _audio(container)
    if stream is None:
        raise AudioError(f"{name}: there is no sound in it.")
    origin = (container.start_time or 0) / 1e6
    resampler, kind = None, None
    for frame in chain(_decoded(container, stream, name), [None]):
        of = frame and (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is not None and of != kind:  # the end, or sound of another kind
            yield from _samples(resampler, None)
        if frame is None:
            return
        if resampler is None:
            late = 0.0 if frame.time is None else frame.time - origin
            if 0 < late < LONGEST:
                yield np.zeros(round(late * rate), np.int16)
        if of != kind:
            resampler, kind = AudioResampler("s16", "mono", rate, frame_size=rate), of
        yield from _samples(resampler, frame)


def _samples(resampler, frame) -> Iterator[np.ndarray]:
    yield from (piece.to_ndarray()[0] for piece in resampler.resample(frame))


def _between(container, start, end, rate, name) -> np.ndarray:
    """Give the samples from `start` to `end`, silent where there is no sound."""
    first, last = round(start * rate), round(end * rate)
    kept, at = np.zeros(last - first, np.int16), 0
    if _audio(container) is not None:
        for piece in _heard(container, name, rate):
            begin, stop = max(at, first), min(at + len(piece), last)
            if begin < stop:
                kept[begin - first : stop - first] = piece[begin - at : stop - at]
            at += len(piece)
            if at >= last:
                break
    return kept


def _encoded(stream, samples) -> Iterator[Any]:
    import av

    frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
    frame.sample_rate, frame.pts = stream.rate, 0
    resampler = av.AudioResampler("fltp", "mono", stream.rate, frame_size=1024)
    for piece in (*resampler.resample(frame), *resampler.resample(None)):
        yield from stream.encode(piece)


def _seen(container, start, end, name, height: int = HEIGHT) -> Iterator[Any]:
    """Give the picture that is shown at each tick from `start` to `end`, 25 a second.

    So pictures that come at odd times keep theirs, and thousands a second cost no more.
    """
    stream = _video(container)
    _refuse_large(stream, name)
    origin = (container.start_time or 0) / 1e6
    if start > SEEK_FROM:
        container.seek(round((start + origin) * 1e6))
    length = (container.duration or 0) / 1e6  # how long the last picture stays, if it is true
    ticks, tick, last, shown = round((end - start) * RATE), 0, 0.0, None
    for frame in chain(_decoded(container, stream, name), [None]):
        if frame is None:
            last = length if length > last else last + 1 / RATE
        else:
            _refuse_large(frame, name)
            last = last + 1 / RATE if frame.time is None else frame.time - origin
        picture = None
        while shown and tick < ticks and start + tick / RATE < last - 1e-6:
            picture, tick = picture or _scaled(shown, height), tick + 1
            yield picture
        if tick >= ticks:
            return
        shown = frame


def _refuse_large(picture, name):
    if picture.width * picture.height > LARGEST:
        raise AudioError(f"{name}: its pictures are larger than 8K; send a smaller copy.")


def _scaled(frame, height):
    """Give a picture upright, in even sizes and at most so many lines high."""
    import av

    if frame.rotation % 360:
        turned = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(turned), "rgb24")
    share = min(1.0, height / frame.height)
    size = [max(2, round(length * share / 2) * 2) for length in (frame.width, frame.height)]
    return frame.reformat(*size, format="yuv420p")
