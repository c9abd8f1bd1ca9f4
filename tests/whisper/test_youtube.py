"""Videos of YouTube, and of nobody else; what yt-dlp says becomes one sentence.

YouTube itself is not asked: the real yt-dlp runs against a server on this machine.
"""

import socket

import pytest

from tests import loopback
from tests.whisper import corpora
from whisper import media, youtube
from whisper.youtube import Site, YouTubeError

yt_dlp = pytest.importorskip("yt_dlp")

VIDEO = "dQw4w9WgXcQ"
GENERIC = Site("generic", lambda url: url)
# As people have met them (issues of yt-dlp), and what a visitor is told.
SAID = {
    "ERROR: [youtube] abc: Sign in to confirm you’re not a bot. Use --cookies-from-browser or "
    "--cookies for the authentication.": "YouTube does not serve this machine",
    "ERROR: [youtube] abc: Sign in to confirm you're not a bot": (
        "YouTube does not serve this machine"
    ),
    "ERROR: unable to download video data: HTTP Error 403: Forbidden": (
        "YouTube does not serve this machine"
    ),
    "ERROR: [youtube] abc: Unable to download API page: HTTP Error 429: Too Many Requests": (
        "YouTube does not serve this machine"
    ),
    "ERROR: [youtube] abc: Requested format is not available. Use --list-formats": (
        "YouTube gives this machine no file of this video"
    ),
    "[youtube] No supported JavaScript runtime could be found. Only deno is enabled by default": (
        "YouTube gives this machine no file of this video"
    ),
    "ERROR: [youtube] abc: Private video. Sign in if you've been granted access to this video": (
        "This video is not public"
    ),
    "ERROR: [youtube] abc: Video unavailable. This video has been removed by the uploader": (
        "This video is not available any more"
    ),
    "ERROR: [youtube] abc: Video unavailable. The uploader has not made this video available in "
    "your country": "This video is not shown in the country of this machine",
    "ERROR: [youtube] abc: Sign in to confirm your age. This video may be inappropriate": (
        "YouTube shows this video to adults only"
    ),
    "ERROR: [youtube] abc: This live event will begin in 3 hours.": "This is a live stream",
    "ERROR: [youtube] abc: Unable to download webpage: [Errno -2] Failed to resolve "
    "'www.youtube.com'": "YouTube does not answer",
    "ERROR: [youtube] abc: something new": "YouTube did not give this video",
}


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with loopback.serving() as service:
        yield service


@pytest.mark.parametrize(
    "url",
    [
        f"https://www.youtube.com/watch?v={VIDEO}",
        f"https://youtube.com/watch?list=PL1&v={VIDEO}&t=9s",
        f"https://m.youtube.com/watch?v={VIDEO}#a",
        f" https://youtu.be/{VIDEO}?si=x ",
        f"https://www.youtube.com/shorts/{VIDEO}",
        f"https://www.youtube.com/live/{VIDEO}?feature=share",
        f"https://music.youtube.com/watch?v={VIDEO}",
    ],
)
def test_only_the_letters_of_the_video_are_taken_from_an_address(url):
    assert youtube.is_video(url)
    assert youtube.watch_address(url) == f"https://www.youtube.com/watch?v={VIDEO}"


@pytest.mark.parametrize(
    "url",
    [
        f"http://youtube.com/watch?v={VIDEO}",
        f"https://youtube.com.example.org/watch?v={VIDEO}",
        f"https://example.org/youtube.com/watch?v={VIDEO}",
        f"https://youtube.com@example.org/watch?v={VIDEO}",
        f"https://user@youtube.com/watch?v={VIDEO}",
        f"https://youtube.com:8443/watch?v={VIDEO}",
        f"https://notyoutube.com/watch?v={VIDEO}",
        "https://www.youtube.com/playlist?list=PL1234567890",
        "https://www.youtube.com/@somebody",
        "https://www.youtube.com/watch?v=--exec=rm",
        "https://www.youtube.com/watch?v=;touch+a+b",
        "https://youtu.be/",
        "file:///etc/passwd",
        f"ytsearch:{VIDEO}",
        VIDEO,
    ],
)
def test_another_address_is_none_of_a_video(url):
    assert not youtube.is_video(url)
    with pytest.raises(YouTubeError, match=r"upload the file instead\.$"):
        youtube.info(url)


@pytest.mark.parametrize("said", SAID, ids=lambda said: said[20:50])
def test_what_goes_wrong_is_one_sentence_that_leads_to_the_upload(said):
    assert youtube.meaning(said) == f"{SAID[said]}: upload the file instead."


def test_a_video_comes_with_title_length_and_file(service, tmp_path):
    film = corpora.as_video(2.0, picture=True)
    url = service.answer("/My_film.mp4", film, Content_Type="video/mp4")
    assert youtube.info(url, site=GENERIC).title == "My_film"
    path = youtube.video(url, tmp_path, site=GENERIC)
    assert path == tmp_path / "video.mp4"
    assert media.probe(path).has_video
    assert [one.name for one in tmp_path.iterdir()] == ["video.mp4"]


def test_a_video_that_is_too_large_is_refused(service, tmp_path):
    url = service.answer("/film.mp4", corpora.as_video(2.0), Content_Type="video/mp4")
    with pytest.raises(YouTubeError, match=r"^This video is too long or too large: upload"):
        youtube.sound(url, tmp_path, max_bytes=5_000, site=GENERIC)
    assert not list(tmp_path.iterdir())


def test_a_page_without_a_video_is_refused(service, tmp_path):
    url = service.answer("/page", b"<html><title>Hello</title></html>", Content_Type="text/html")
    with pytest.raises(YouTubeError, match=r"upload the file instead\.$"):
        youtube.sound(url, tmp_path, site=GENERIC)


def test_only_the_part_of_yt_dlp_for_youtube_is_there(service):
    with pytest.raises(YouTubeError):
        youtube.info(f"{service.address}/film.mp4", site=Site("youtube", lambda url: url))
    assert service.asked == []


def test_local_files_are_not_read(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(corpora.as_video())
    with pytest.raises(YouTubeError):
        youtube.sound(path.as_uri(), tmp_path, site=GENERIC)


def test_a_site_that_does_not_answer_is_left_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/film.mp4"
        with pytest.raises(YouTubeError, match="YouTube takes too long"):
            youtube.info(url, seconds=3, site=GENERIC)
