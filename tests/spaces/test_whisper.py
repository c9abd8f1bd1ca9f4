"""The speech app: what its endpoint and its handlers tell, refuse, and leave behind."""

import io
import threading
from contextlib import closing
from fractions import Fraction

import av
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file

from fti import published, ui
from fti.errors import UserError
from tests.loopback import serving
from tests.spaces import speaking
from whisper import registry, service
from whisper.mel import SAMPLE_RATE
from whisper.service import OURS, Asked, Models
from whisper.transcripts import REPEATED, Segment, Transcript
from whisper.visits import Visits
from whisper.web import Guard
from whisper.youtube import Site

SAID = ["garden", "seven", "moon"]
CODECS = {  # what visitors send: container, sound, picture
    "wav": ("wav", "pcm_s16le", None),
    "mp3": ("mp3", "libmp3lame", None),
    "m4a": ("mp4", "aac", None),
    "ogg": ("ogg", "libopus", None),
    "mp4": ("mp4", "aac", "libx264"),
    "webm": ("webm", "libopus", "libvpx"),
}


def recorded(ending, words=SAID):
    """Give words as the bytes of a file of a kind."""
    container, codec, picture = CODECS[ending]
    samples = speaking.spoken(words)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as made:
        video = made.add_stream(picture, rate=5) if picture else None
        sound = made.add_stream(codec, rate=48_000, layout="mono")
        if video:
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            for at in range(len(samples) * 5 // SAMPLE_RATE):
                frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")
                frame.pts, frame.time_base = at, Fraction(1, 5)
                made.mux(video.encode(frame))
            made.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(samples[None], "flt", "mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, 0
        size = sound.codec_context.frame_size or 1024
        resampler = av.AudioResampler(sound.format.name, "mono", 48_000, frame_size=size)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            made.mux(sound.encode(piece))
        made.mux(sound.encode(None))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def whisper(app):
    """The module of the app."""
    return app("whisper")


@pytest.fixture(scope="module")
def models(speaking_project):
    """The models of a project that has one."""
    return Models(ui.Reader(speaking_project).model, threads=1)


@pytest.fixture(scope="module")
def address(whisper, speaking_project, serve):
    """The address of the app."""
    with serve(whisper.build(speaking_project)) as address:
        yield address


@pytest.fixture(scope="module")
def client(address):
    """Gradio's own client of the app."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        with closing(Client(address, verbose=False, download_files=False)) as client:
            yield client


@pytest.fixture
def visit():
    """A visitor."""
    with Visits().passing() as visit:
        yield visit


@pytest.fixture
def pictures(whisper, models, visit):
    """A function that gives what the page shows, one after the other, of a file's bytes."""

    def pictures(data, name="talk.wav", asked=Asked()):  # noqa: B008
        path = visit.folder / name
        path.write_bytes(data)
        return list(whisper.worked(models, visit, asked, lambda _: path, name))

    return pictures


# The endpoint


@pytest.mark.parametrize("ending", CODECS)
def test_an_upload_of_any_kind_comes_back_as_words(client, tmp_path, ending):
    path = tmp_path / f"talk.{ending}"
    path.write_bytes(recorded(ending))
    told = client.predict(file=handle_file(path), api_name="/transcribe")
    assert [segment["text"] for segment in told["segments"]] == SAID
    assert (told["text"], told["language"]) == (" ".join(SAID), "en")
    assert (told["truncated"], told["task"]) == (False, "transcribe")
    starts = [segment["start"] for segment in told["segments"]]
    assert starts == sorted(starts) and 0.4 < starts[0] < 1.1


def test_subtitles_are_valid_and_in_order(client, tmp_path):
    path = tmp_path / "talk.wav"
    path.write_bytes(recorded("wav"))
    told = client.predict(file=handle_file(path), language="en", api_name="/transcribe")
    blocks = [block.split("\n") for block in told["srt"].strip().split("\n\n")]
    assert [block[0] for block in blocks] == ["1", "2", "3"]
    assert [block[2] for block in blocks] == SAID
    times = [time for block in blocks for time in block[1].split(" --> ")]
    assert times == sorted(times) and all(len(time) == len("00:00:00,000") for time in times)
    assert told["vtt"].startswith("WEBVTT\n\n")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"language": "sv"}, "This model was trained on en, not on sv"),
        ({"language": "xx"}, "There is no language 'xx'"),
        ({"task": "sing"}, "task must be transcribe or translate"),
        ({"task": "translate"}, "was not trained to translate"),
        ({"model": "../../etc"}, "model must be one of"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(client, tmp_path, given, sentence):
    path = tmp_path / "talk.wav"
    path.write_bytes(speaking.as_wav(speaking.spoken(["moon"])))
    with pytest.raises(Exception, match=sentence):
        client.predict(file=handle_file(path), api_name="/transcribe", **given)


def test_no_file_is_one_sentence(client):
    with pytest.raises(Exception, match="file must be an upload"):
        client.predict(file=None, api_name="/transcribe")


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", __file__])
def test_only_uploads_are_read(address, path):
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    data = {"data": [file, "", "transcribe", OURS]}
    answer = httpx.post(f"{address}gradio_api/run/transcribe", json=data)
    assert answer.status_code != 200
    assert "not uploaded" in answer.text


def test_an_upload_is_gone_when_it_is_answered(client, address, tmp_path):
    wav = speaking.as_wav(speaking.spoken(["river"]))
    sent = httpx.post(f"{address}gradio_api/upload", files={"files": ("me.wav", wav)}).json()[0]
    file = {"path": sent, "meta": {"_type": "gradio.FileData"}}
    data = {"data": [file, "", "transcribe", OURS]}
    answer = httpx.post(f"{address}gradio_api/run/transcribe", json=data).json()
    assert answer["data"][0]["text"] == "river"
    assert httpx.get(f"{address}gradio_api/file={sent}").status_code in (403, 404)


def test_clients_find_the_endpoints_that_give_data_and_no_other(address):
    described = httpx.get(f"{address}gradio_api/info").json()["named_endpoints"]
    assert set(described) == {"/transcribe", "/health"}
    health = httpx.post(f"{address}gradio_api/run/health", json={"data": []}).json()["data"][0]
    assert (health["app"], health["status"], health["models"]) == ("whisper", "ok", {"whisper": 1})


# Work


def test_segments_come_one_by_one_with_what_is_left(models, tmp_path):
    path = tmp_path / "talk.wav"
    path.write_bytes(recorded("wav"))
    progress = list(service.transcribed(models, Asked(), path, tmp_path))
    texts = [[segment.text for segment in one.segments] for one in progress]
    assert texts[0] == [] and texts[1:4] == [SAID[:1], SAID[:2], SAID]
    assert all(one.seconds_left is not None for one in progress[1:4])
    assert [one.transcript is None for one in progress] == [True] * 4 + [False]
    assert "faster than speech" in models.about(OURS)


def test_a_page_shows_words_marks_and_files_to_take_away(whisper):
    segments = (Segment(0, 1, "<b>moon</b>"), Segment(1, 2, "la la", (REPEATED,)))
    told = Transcript(segments, "en", "translate", "m", 4000.0, 10.0, "length")
    html = "".join(whisper.result(told, '<img src="x">'))
    assert "&lt;b&gt;moon&lt;/b&gt;" in html and "<b>moon" not in html and "<img" not in html
    assert "repeated" in html and "goes on for longer" in html
    assert "1:06:40 of sound, in English, from English" in html and "400 × faster" in html
    for ending in ("srt", "vtt", "txt", "json"):
        assert f'.{ending}"' in html


def test_a_minute_of_noise_gives_no_text(pictures):
    hiss = speaking.as_wav(speaking.hiss(60 * SAMPLE_RATE, loudness=0.05))
    last, told = pictures(hiss)[-1]
    assert "No speech was heard" in last and told.segments == ()


@pytest.mark.parametrize("data", [b"", b"MZ" * 5000, recorded], ids=["empty", "program", "cut off"])
def test_what_is_no_sound_is_one_sentence(pictures, data):
    data = data if isinstance(data, bytes) else data("mp4")[:2000]
    ((html, told),) = pictures(data, "talk.mp4")
    assert told is None and html.count("talk.mp4: ") == 1


def test_who_cancels_gets_what_was_heard_until_then(whisper, models, visit):
    path = visit.folder / "talk.wav"
    path.write_bytes(recorded("wav"))
    going = whisper.worked(models, visit, Asked(), lambda _: path, "talk.wav")
    next(going)
    visit.stop.set()
    *_, (html, told) = going
    assert told.stopped == "cancelled" and len(told.segments) < len(SAID)
    assert "You cancelled it" in html


def test_a_video_that_is_too_long_says_so(whisper, models, visit, monkeypatch):
    monkeypatch.setattr(service, "LONGEST", 2.5)
    path = visit.folder / "talk.wav"
    path.write_bytes(recorded("wav"))
    *_, (html, told) = whisper.worked(models, visit, Asked(), lambda _: path, "talk.wav")
    assert told.truncated and told.audio_seconds == pytest.approx(2.5, abs=0.1)
    assert "goes on for longer" in html


def test_work_of_several_visitors_does_not_mix(models, tmp_path):
    told = {}

    def work(word):
        folder = tmp_path / word
        folder.mkdir()
        (folder / "talk.wav").write_bytes(speaking.as_wav(speaking.spoken([word] * 3)))
        *_, last = service.transcribed(models, Asked(), folder / "talk.wav", folder)
        told[word] = last.transcript.text

    threads = [threading.Thread(target=work, args=[word]) for word in SAID]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == {word: f"{word} {word} {word}" for word in SAID}


# Addresses


def test_a_sound_behind_an_address_is_written_down(whisper, models, visit):
    with serving() as service_:
        service_.answer("/talk.ogg", recorded("ogg"), Content_Type="audio/ogg")
        port = service_.server.server_port
        guard = Guard(frozenset({f"talks.example:{port}"}), lambda host, port: ["127.0.0.1"])

        def got(folder):
            url = f"http://talks.example:{port}/talk.ogg"
            return service.fetched(url, folder, guard=guard, site=whisper.youtube.YOUTUBE)

        *_, (_, told) = whisper.worked(models, visit, Asked(), got, "this address")
    assert told.text == " ".join(SAID)
    assert list(visit.folder.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://example.org/talk.mp3",
        "https://127.0.0.1/talk.mp3",
        "https://2130706433/talk.mp3",
        "https://[::ffff:169.254.169.254]/latest/meta-data/",
        "https://localhost/talk.mp3",
        "https://me:word@example.org/talk.mp3",
        "-o /tmp/x https://example.org",
    ],
)
def test_an_address_that_leads_elsewhere_is_one_sentence(whisper, models, visit, url):
    def got(folder):
        return service.fetched(url, folder, guard=whisper.web.PUBLIC, site=whisper.youtube.YOUTUBE)

    ((html, told),) = whisper.worked(models, visit, Asked(), got, "this address")
    assert told is None and html.count('class="notice') == 1


def test_a_video_of_a_site_is_shown_with_its_title(whisper):
    with serving() as service_:
        film = service_.answer("/My-film.mp4", recorded("mp4"), Content_Type="video/mp4")
        site = Site("generic", lambda url: url)
        *_, html = whisper.show_video(whisper.web.PUBLIC, site, film)
    assert "My-film" in html
    assert list(
        whisper.show_video(whisper.web.PUBLIC, whisper.youtube.YOUTUBE, "https://a.b/c")
    ) == [""]


def test_where_youtube_does_not_answer_the_upload_is_the_way(whisper, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    *_, html = whisper.show_video(
        whisper.web.PUBLIC, whisper.youtube.YOUTUBE, "https://youtu.be/dQw4w9WgXcQ"
    )
    assert html.count('class="notice') == 1 and "upload the file instead" in html


# Models and transcripts


def test_a_project_without_a_model_says_what_to_run(whisper, project):
    update, problem = whisper.show_models(Models(ui.Reader(project).model))
    assert [name for _, name in update["choices"]] == [OURS, *service.PUBLIC]
    assert "python -m whisper" in problem["value"] and problem["visible"]


def test_a_model_is_warmed_up_where_there_is_one(models, project, caplog):
    models.warm()
    assert not caplog.records
    with caplog.at_level("INFO"):
        Models(ui.Reader(project).model).warm()
    assert "No version of the model whisper is registered yet" in caplog.text


def test_models_are_named_with_their_measured_errors(whisper, models):
    update, problem = whisper.show_models(models)
    words = dict((name, text) for text, name in update["choices"])
    assert "version 1 (en), 0.0 % wrong" in words[OURS] and not problem["visible"]
    assert "7.3 % WER" in words["KBLab/kb-whisper-small"]


def test_a_model_of_the_hub_that_cannot_be_reached_is_one_sentence(models, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="the hub cannot be reached"):
        models.opened("Systran/faster-whisper-tiny")


def test_published_transcripts_can_be_searched(whisper, project):
    about = {"published": "2026-01-30", "language": "sv", "seconds": 61.0}
    recordings = [
        {"title": "Om hav", "text": "Havet är stort.", "segments": [[3.0, 5.0, "Havet är stort."]]},
        {"title": "<b>Berg</b>", "text": "Berg", "segments": [[0.0, 1.0, "Berg <i>"]]},
    ]
    told = {"transcripts": [one | about for one in recordings]}
    published.publish(project, "whisper", {whisper.PUBLISHED: told})
    reader = ui.Reader(project)
    found = whisper.show_found(reader, "HAVET stort")
    assert "1 of 2 recordings" in found and "0:03" in found and "Berg" not in found
    everything = whisper.show_found(reader, "")
    assert "2 of 2 recordings" in everything and "&lt;b&gt;Berg" in everything
    assert "<i>" not in everything and "0 of 2" in whisper.show_found(reader, "moln")


def test_without_transcripts_the_search_says_so(whisper, project):
    assert "Nothing here yet" in whisper.show_found(ui.Reader(project), "")


def test_the_app_reads_the_model_that_is_registered():
    assert (service.MODEL, service.METRIC) == (registry.MODEL, registry.METRIC)


def test_building_the_app_reads_nothing(whisper):
    with closing(whisper.build(object())) as demo:  # a project that answers nothing
        assert demo.title == "Whisper"
