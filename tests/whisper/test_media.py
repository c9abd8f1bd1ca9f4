"""Sound and video of all kinds are read; what is hostile is refused or bounded in one sentence."""

import io
import math
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile

from tests.whisper import corpora, hostile
from whisper import bounded, media
from whisper.audio import AudioError
from whisper.media import Media

FILES = {
    "a.wav": lambda: corpora.written(corpora.sound(2.0, 8_000, channels=2), 8_000),
    "a.mp3": lambda: corpora.written(corpora.sound(2.0, 44_100), 44_100, "MP3"),
    "a.flac": lambda: corpora.written(corpora.sound(2.0, 48_000), 48_000, "FLAC"),
    "a.ogg": lambda: corpora.written(corpora.sound(2.0), kind="OGG"),
    "a.m4a": lambda: corpora.as_video(2.0, "mp4"),
    "a.mp4": lambda: corpora.as_video(2.0, "mp4", picture=True),
    "a.webm": lambda: corpora.as_video(2.0, "webm", "libopus", 48_000),
    "a.aac": lambda: corpora.as_video(2.0, "adts"),
}
STEPS = 6  # seconds of the film, of which each is as bright as none before it


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """A film in which second n is of grey 40 n, and which hums in seconds 1, 3 and 5."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 1280, 720, "yuv420p"
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        for number in range(STEPS * 10):
            grey = np.full((720, 1280, 3), 40 * (number // 10), np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        container.mux(video.encode(None))
        samples = corpora.sound(STEPS, 48_000, level=0.5)
        samples[(np.arange(len(samples)) // 48_000) % 2 == 0] = 0
        frame = av.AudioFrame.from_ndarray(samples[None], "fltp", "mono")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux([*sound.encode(frame), *sound.encode(None)])
    return path


def written(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    return tmp_path / name


def greys(path):
    """Give the times of the pictures of a file, and how bright each is."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [f.time for f in frames], [int(f.to_ndarray(format="gray").mean()) for f in frames]


def refused(tmp_path, name, data):
    path = written(tmp_path, name, data)
    with pytest.raises(AudioError) as error:
        media.sound(path, tmp_path / "out.flac")
    assert not (tmp_path / "out.flac").exists()
    assert str(error.value).startswith(name)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", FILES)
def test_the_sound_of_a_file_comes_out_as_whisper_hears_it(tmp_path, name):
    found = media.sound(written(tmp_path, name, FILES[name]()), tmp_path / "out.flac")
    samples, rate = soundfile.read(tmp_path / "out.flac")
    assert (rate, samples.ndim) == (16_000, 1)
    assert len(samples) / rate == found.seconds == pytest.approx(2.0, abs=0.1)
    assert not found.truncated
    assert 0.1 < np.sqrt(np.mean(samples[8_000:24_000] ** 2)) < 0.2
    loudest = np.fft.rfftfreq(16_000, 1 / 16_000)[
        np.abs(np.fft.rfft(samples[8_000:24_000])).argmax()
    ]
    assert loudest == pytest.approx(220, abs=2)


def test_a_file_says_what_is_in_it(tmp_path, film):
    found = media.probe(film)
    assert found == Media(found.container, 6.0, True, True, 1280, 720)
    assert found.kind == "video"
    sound = media.probe(written(tmp_path, "a.ogg", FILES["a.ogg"]()))
    assert (sound.kind, sound.has_video, sound.seconds) == ("audio", False, pytest.approx(2.0))


def test_a_picture_of_the_cover_makes_no_video(tmp_path):
    plain = av.open(io.BytesIO(FILES["a.m4a"]()))
    path = tmp_path / "cover.m4a"
    with plain, av.open(str(path), "w", format="mp4") as made:
        picture = made.add_stream("mjpeg", rate=1)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuvj420p"
        picture.disposition = av.stream.Disposition.attached_pic
        sound = made.add_stream_from_template(plain.streams.audio[0])
        black = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
        made.mux([*picture.encode(black), *picture.encode(None)])
        for packet in plain.demux(audio=0):
            packet.stream = sound
            if packet.dts is not None:
                made.mux(packet)
    assert media.probe(path).kind == "audio"


def test_a_piece_begins_and_ends_exactly_where_it_should(tmp_path, film):
    assert media.cut(film, tmp_path / "cut.mp4", start=1.4, end=4) == 2.6
    times, shown = greys(tmp_path / "cut.mp4")
    assert times == pytest.approx(np.arange(65) / 25)
    expected = [40 * math.floor(1.4 + time + 1e-6) for time in times]
    assert shown == pytest.approx(expected, abs=3)
    media.sound(tmp_path / "cut.mp4", tmp_path / "cut.flac")
    samples = soundfile.read(tmp_path / "cut.flac")[0]
    loud = [np.abs(samples[n : n + 160]).max() > 0.05 for n in range(0, 40_000 - 160, 160)]
    changes = [n / 100 for n in range(1, len(loud)) if loud[n] != loud[n - 1]]
    assert loud[10]
    assert changes == pytest.approx([0.6, 1.6], abs=0.04)  # a frame of AAC is 0.02 s


def test_a_piece_is_what_browsers_play(tmp_path, film):
    media.cut(film, tmp_path / "cut.mp4", start=0, end=1)
    with av.open(str(tmp_path / "cut.mp4")) as made:
        video, sound = made.streams.video[0], made.streams.audio[0]
        assert (video.codec.name, video.pix_fmt, sound.codec.name) == ("h264", "yuv420p", "aac")
        assert (video.width, video.height) == (854, 480)
    head = (tmp_path / "cut.mp4").read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")  # so it plays before it is all there


def test_a_piece_beyond_the_end_is_shorter_or_refused(tmp_path, film):
    assert media.cut(film, tmp_path / "cut.mp4", start=5, end=8) == 1.0
    with pytest.raises(AudioError, match="it ends before 7 s"):
        media.cut(film, tmp_path / "none.mp4", start=7, end=8)
    assert not (tmp_path / "none.mp4").exists()


@pytest.mark.parametrize(("start", "end"), [(-1, 1), (2, 2), (3, 1), (0, 1e9), (math.nan, 1)])
def test_a_piece_that_is_none_is_refused(tmp_path, film, start, end):
    with pytest.raises(AudioError, match="is no piece of at most 60 s"):
        media.cut(film, tmp_path / "cut.mp4", start=start, end=end)


@pytest.mark.parametrize(("at", "grey"), [(0.0, 0), (3.5, 120), (60.0, 0)])
def test_a_thumbnail_shows_the_moment_or_else_the_beginning(tmp_path, film, at, grey):
    media.thumbnail(film, tmp_path / "small.jpg", at=at)
    with av.open(str(tmp_path / "small.jpg")) as picture:
        shown = next(picture.decode(video=0))
    assert (shown.width, shown.height) == (640, 360)
    assert shown.to_ndarray(format="gray").mean() == pytest.approx(grey, abs=3)


def test_sound_that_begins_late_gets_silence_before_it(tmp_path):
    path = tmp_path / "late.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        container.mux(list(corpora.black(video, 50)))
        frame = av.AudioFrame.from_ndarray(corpora.sound(1.0)[None], "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 16_000, 16_000, Fraction(1, 16_000)
        container.mux([*sound.encode(frame), *sound.encode(None)])
    assert media.sound(path, tmp_path / "out.flac").seconds == pytest.approx(2.0, abs=0.15)
    samples = soundfile.read(tmp_path / "out.flac")[0]
    assert np.abs(samples[:14_000]).max() < 0.01
    assert np.abs(samples[18_000:]).max() > 0.1


# Hostile files


def test_of_three_hours_only_what_is_asked_for_is_heard(tmp_path):
    path = written(tmp_path, "long.wav", corpora.written(np.zeros(1, np.float32)))
    hours = 3 * 3600 * 16_000 * 2
    with path.open("r+b") as file:
        for at, size in ((4, 36 + hours), (40, hours)):
            file.seek(at)
            file.write(size.to_bytes(4, "little"))
        file.truncate(44 + hours)  # nothing of it is on the disk
    found = media.sound(path, tmp_path / "out.flac", longest=60)
    assert (found.seconds, found.truncated) == (60.0, True)
    assert media.probe(path).seconds == 3 * 3600


def test_hours_of_silence_in_a_small_file_are_bounded(tmp_path):
    path = tmp_path / "bomb.flac"
    with soundfile.SoundFile(path, "w", 8_000, 1, "PCM_16", format="FLAC") as file:
        for _ in range(60):
            file.write(np.zeros(8_000 * 60, np.int16))
    assert path.stat().st_size < 200_000
    found = media.sound(path, tmp_path / "out.flac", longest=60)
    assert (found.seconds, found.truncated) == (60.0, True)


@pytest.mark.parametrize("name", ["a.mp4", "a.flac"])
def test_a_file_that_was_cut_off_is_refused(tmp_path, name):
    data = FILES[name]()
    refused(tmp_path, name, data[: len(data) // 2])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<!doctype html><title>not found</title>",
        b"PK\x03\x04" + bytes(1000),
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\xff\xff\xff\xff\xff\xff",
        b"#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
        np.random.default_rng(0).bytes(100_000),
    ],
    ids=["empty", "html", "zip", "header", "playlist", "concat", "sdp", "noise"],
)
def test_what_is_no_sound_is_refused_whatever_it_is_called(tmp_path, data):
    refused(tmp_path, "talk.mp3", data)


def test_a_file_of_pictures_alone_has_no_sound(tmp_path):
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        container.mux(list(corpora.black(container.add_stream("mpeg4", rate=25))))
    assert refused(tmp_path, "silent.mp4", path.read_bytes()).endswith("there is no sound in it.")


def test_pictures_larger_than_any_screen_are_refused(tmp_path):
    path = tmp_path / "large.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 8190, 8190, "yuv420p"
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(corpora.sound(0.1, 48_000)[None], "fltp", "mono")
        frame.sample_rate = 48_000
        container.mux([*sound.encode(frame), *sound.encode(None)])  # no pictures but the claim
    with pytest.raises(AudioError, match="larger than 8K"):
        media.cut(path, tmp_path / "cut.mp4", start=0, end=1)


def test_damaged_files_are_read_or_refused_but_nothing_else(tmp_path):
    files = [str(written(tmp_path, name, make())) for name, make in FILES.items()]
    asked = {"files": files, "out": str(tmp_path), "count": 160}
    found = bounded.call(hostile.reads, asked, media.LIMITS, "damaged", AudioError)
    assert found["read"] + found["refused"] == 160
    assert min(found.values()) > 20


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(AudioError, match=r"none\.mp4: it cannot be read"):
        media.probe(tmp_path / "none.mp4")
