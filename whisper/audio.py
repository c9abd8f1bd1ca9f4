"""Audio as Whisper hears it: one channel, 16,000 samples a second, float32 from -1 to 1.

    decode(data_or_path)    any bytes or file, also the sound of a video, within stated bounds
    stream(data_or_path)    the same sound piece by piece, for what does not fit into memory
    encode(samples)         FLAC of 16 bits, which loses nothing that had 16 bits
    samples(flac)           what `encode` wrote, for loaders

libsndfile reads WAV, FLAC, OGG, Opus and MP3; what it does not know goes to PyAV, which brings its
own ffmpeg: mp4, m4a, webm, aac. Both are read piece by piece, so that what a header claims costs
neither memory nor time.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fti.errors import SourceError
from whisper.mel import SAMPLE_RATE

WINDOW = 30.0  # seconds, of Whisper
RATES = (4_000, 192_000)  # Hz, from telephones to studios; what claims others is damaged
PIECE = 2**18  # samples read at a time, all channels together
MISSING = (0.25, 0.02)  # seconds and share that may lack of what the header says
MAX_BYTES = 200_000_000  # of audio in memory: a window of eight channels at 192 kHz and 32 bits
# What PyAV may take bytes for. Playlists are not among it: they name other files and addresses.
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac,mp3,ogg,wav,flac,avi,mpegts,mpeg,asf,caf"


class AudioError(SourceError):
    """These bytes are no audio that can be read."""


class TooLongError(AudioError):
    """It is audio, but goes on for longer than was asked for."""


class MissingError(AudioError):
    """There is no such file."""


def decode(source: bytes | Path, name: str = "", *, longest: float = WINDOW) -> np.ndarray:
    """Give the sound of a file as Whisper hears it.

    In: bytes of any format, or a path; `name` for error messages; `longest`, in seconds, above
    which TooLongError is raised. Channels are averaged, and resampling is by a polyphase filter.
    Raises AudioError, one sentence, for what cannot be read whole.
    """
    name = name or (str(source) if isinstance(source, Path) else "the audio")
    with _opened(source, name) as file:
        pieces = _known_to_libsndfile(file, name)
        if pieces is None:
            file.seek(0)
            pieces = _known_to_ffmpeg(file, name)
        sound, rate = _together(pieces, name, longest)
    return resample(sound, rate)


def stream(source: bytes | Path, name: str = "") -> Iterator[np.ndarray]:
    """Give the sound of a file as `decode` does, but in pieces of some seconds, of any length.

    The pieces together are what `decode` gives, to the last bits of float32. Raises AudioError
    where `decode` does, which may be after some pieces.
    """
    name = name or (str(source) if isinstance(source, Path) else "the audio")
    with _opened(source, name) as file:
        pieces = _known_to_libsndfile(file, name)
        if pieces is None:
            file.seek(0)
            pieces = _known_to_ffmpeg(file, name)
        resampler = None
        for piece, rate in pieces:
            resampler = resampler or _Resampler(rate)
            if rate != resampler.rate:
                raise AudioError(f"{name}: it goes from {resampler.rate} to {rate} Hz; convert it.")
            yield from resampler.feed(_mono(piece, name))
        if resampler is None:
            raise AudioError(f"{name}: there is no sound in it.")
        yield from resampler.finish()


def resample(sound: np.ndarray, rate: int) -> np.ndarray:
    """Bring one channel from `rate` to 16 kHz; ceil(n * 16000 / rate) samples come out."""
    if rate != SAMPLE_RATE:
        from scipy.signal import resample_poly

        ratio = Fraction(SAMPLE_RATE, rate)
        sound = resample_poly(sound, ratio.numerator, ratio.denominator)
    return np.clip(sound, -1.0, 1.0).astype(np.float32, copy=False)


def encode(samples: np.ndarray) -> bytes:
    """Write samples at 16 kHz as FLAC of 16 bits."""
    import soundfile

    if not len(samples):
        raise AudioError("There are no samples to write as FLAC; leave the clip out.")
    whole = np.clip(np.rint(np.asarray(samples) * 32768.0), -32768, 32767).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, whole, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def samples(flac: bytes) -> np.ndarray:
    """Give the samples that `encode` wrote; raises AudioError for other bytes."""
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(flac)) as file:
            if file.samplerate != SAMPLE_RATE or file.channels != 1:
                raise AudioError(
                    f"The audio of a shard has {file.samplerate} Hz, not {SAMPLE_RATE}, or "
                    f"{file.channels} channels; write it again."
                )
            whole = np.empty(file.frames, np.int16)
            # Faster by a quarter than `read`, which looks for the end of the file first.
            count = file.buffer_read_into(whole, dtype="int16")
    except soundfile.SoundFileError as error:
        raise AudioError(f"The audio of a shard is damaged ({error}); write it again.") from error
    if count < len(whole):
        raise AudioError("The audio of a shard is cut off; write it again.")
    return whole.astype(np.float32) / np.float32(32768)


def _opened(source: bytes | Path, name: str) -> BinaryIO:
    if isinstance(source, bytes):
        if len(source) > MAX_BYTES:
            reason = f"it has {len(source):,} bytes, more than {MAX_BYTES:,}"
            raise TooLongError(f"{name}: {reason}; cut it into pieces.")
        return io.BytesIO(source)
    try:
        return source.open("rb")
    except FileNotFoundError as error:
        raise MissingError(f"{name}: there is no such file.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{name}: it cannot be opened ({reason}).") from error


def _together(pieces, name, longest):
    """Put the pieces into one channel and give its rate, too."""
    mono, count, rate = [], 0, SAMPLE_RATE
    for piece, rate in pieces:
        mono.append(_mono(piece, name))
        count += len(piece)
        if count > longest * rate:
            raise TooLongError(f"{name}: it is longer than {longest:g} s; cut it into pieces.")
    if not count:
        raise AudioError(f"{name}: there is no sound in it.")
    return np.concatenate(mono), rate


def _mono(piece, name):
    if not np.isfinite(piece).all():
        raise AudioError(f"{name}: it holds values that are no numbers, so it is damaged.")
    # A mean of float32 over two channels is exact but for its last bit; over many it is not.
    return np.clip(piece.mean(axis=1, dtype=np.float64), -1, 1).astype(np.float32)


class _Resampler:
    """`resample` for a sound that comes in pieces: each is resampled with what is around it."""

    def __init__(self, rate: int):
        self.rate = rate
        # Whole numbers of samples at both rates; to one side the filter hears 120 of ours at most.
        ratio = Fraction(SAMPLE_RATE, rate)
        times = -(-256 // ratio.denominator)
        self._step, self._out = times * ratio.denominator, times * ratio.numerator
        self._waiting = np.zeros(0, dtype=np.float32)
        self._before = 0  # samples at the front of those waiting that were given already

    def feed(self, piece: np.ndarray) -> Iterator[np.ndarray]:
        """Take samples and give what is certain by now, which may be nothing."""
        if self.rate == SAMPLE_RATE:
            yield piece
            return
        self._waiting = np.concatenate([self._waiting, piece])
        steps = (len(self._waiting) - self._before) // self._step - 1  # the last one hears more
        # Making the filter costs time, the more the odder the rate is.
        if steps > 0 and len(self._waiting) > max(PIECE // 4, 8 * self._step):
            upto = self._before + steps * self._step
            first = self._before // self._step * self._out
            sound = resample(self._waiting[: upto + self._step], self.rate)
            yield sound[first : first + steps * self._out]
            self._waiting = self._waiting[upto - self._step :]
            self._before = self._step

    def finish(self) -> Iterator[np.ndarray]:
        """Give what is left."""
        if len(self._waiting) > self._before:
            yield resample(self._waiting, self.rate)[self._before // self._step * self._out :]


def _known_to_libsndfile(file: BinaryIO, name: str) -> Iterator[tuple[np.ndarray, int]] | None:
    """Give the pieces of a file, (samples, channels) each, and its rate; None if it is unknown."""
    import soundfile

    try:
        sound = soundfile.SoundFile(file)
    except (soundfile.SoundFileError, TypeError):
        return None
    if sound.frames >= 2**62:  # a FLAC that was streamed says no length, on which libsndfile fails
        sound.close()
        return None
    return _libsndfile_pieces(sound, name)


def _libsndfile_pieces(sound, name):
    import soundfile

    with sound:
        rate, read = _possible(sound.samplerate, name), 0
        frames = max(1, PIECE // sound.channels)
        try:
            while len(piece := sound.read(frames, dtype="float32", always_2d=True)):
                read += len(piece)
                yield piece, rate
        except soundfile.SoundFileError as error:
            reason = str(error).removeprefix("Error : ").rstrip(".")
            raise AudioError(f"{name}: it is damaged or cut off ({reason}).") from error
        _whole(read / rate, sound.frames / rate, name)


def _known_to_ffmpeg(file: BinaryIO, name: str) -> Iterator[tuple[np.ndarray, int]]:
    """Give the pieces of the first sound of a file or video, and its rate."""
    import av

    options = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
    try:
        with av.open(file, options=options, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise AudioError(f"{name}: there is no sound in it.")
            yield from _ffmpeg_pieces(container, container.streams.audio[0], name)
    except av.FFmpegError as error:
        reason = f"neither libsndfile nor ffmpeg can read it ({error.strerror})"
        raise AudioError(f"{name}: {reason}; send WAV, FLAC, OGG, MP3, mp4 or webm.") from error


def _ffmpeg_pieces(container, stream, name):
    from av import AudioResampler

    as_floats, seconds = AudioResampler(format="fltp"), 0.0
    for frame in container.decode(stream):
        rate = _possible(frame.sample_rate, name)
        for piece in as_floats.resample(frame):
            seconds += piece.samples / rate
            yield piece.to_ndarray().T, rate
    # Of raw streams, the length is a guess from their first bytes.
    if stream.duration and stream.time_base and "mp4" in container.format.name:
        _whole(seconds, float(stream.duration * stream.time_base), name)


def _possible(rate, name):
    low, high = RATES
    if not low <= rate <= high:
        raise AudioError(f"{name}: it claims {rate:,} Hz, not {low:,} to {high:,}; it is damaged.")
    return rate


def _whole(read, claimed, name):
    """Refuse what has less than its header says."""
    if math.isfinite(claimed) and claimed - read > max(MISSING[0], MISSING[1] * claimed):
        raise AudioError(f"{name}: it is cut off after {read:.1f} of {claimed:.1f} s.")
