"""Common Voice comes from the Mozilla Data Collective by its own client, whole or not at all."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

pytest.importorskip("datacollective")

from fti.errors import SourceError, SourceUnreachable, UserError
from tests.whisper import corpora
from tests.whisper.loopback import Service, running
from whisper import sources
from whisper.feeds import data_collective, downloads

ROOT = Path(__file__).parents[2]
ID, SLUG = "cmd4nx3vb01ovmf07cmaakuz4", "common-voice-25-swedish"
KEY = "a-key-that-nobody-may-see"


class Collective(Service):
    """It has one dataset, whose archive lies at an address of its own."""

    def __init__(self, archive):
        super().__init__()
        self.archive = archive
        self.details = {"id": ID, "filename": "cv-sv.tar.gz", "sizeBytes": len(archive)}
        self.refusal = None  # (status, document), to who wants to download

    def answer(self, method, path, headers, body):
        if path == "/file":
            assert "Authorization" not in headers
            return 200, {}, self.archive
        if path in (f"/api/datasets/{ID}", f"/api/datasets/{SLUG}"):
            assert "Authorization" not in headers
            return 200, {}, self.details
        if (method, path) != ("POST", f"/api/datasets/{ID}/download"):
            return 404, {}, {"error": "Not found"}
        if headers["Authorization"] != f"Bearer {KEY}":
            return 401, {}, {"error": "Unauthorized"}
        if self.refusal:
            return (self.refusal[0], {}, self.refusal[1])
        address = f"{self.address}/file"
        size = str(len(self.archive))
        return 200, {}, {"downloadUrl": address, "sizeBytes": size, "checksum": "abc"}


@pytest.fixture
def archive(tmp_path):
    """A release of 2 MB; the client loses up to 64 KB where a connection breaks."""
    release = corpora.common_voice(tmp_path / "cv", clip=random.Random(0).randbytes(200_000))
    return corpora.packed(release, tmp_path / "a.tar.gz")


@pytest.fixture
def collective(archive, tmp_path, monkeypatch):
    with running(Collective(archive.read_bytes())) as service:
        monkeypatch.setenv("MDC_API_URL", f"{service.address}/api")
        monkeypatch.setenv(data_collective.KEY, KEY)
        monkeypatch.setenv(downloads.SETTING, str(tmp_path / "downloads"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(data_collective, "PAUSE", 0)
        yield service


def read(source):
    return [(one.split, one.file, one.text, one.audio) for one in sources.read(str(source))]


def test_a_dataset_is_downloaded_once_and_read_as_common_voice(collective, archive):
    assert read(f"datacollective:{SLUG}") == read(archive)
    assert read(f"datacollective:{ID}") == read(archive)
    assert len(collective.asked("/file")) == 1


def test_downloads_are_kept_beside_the_embedded_projects_unless_said(monkeypatch, tmp_path):
    monkeypatch.delenv(downloads.SETTING, raising=False)
    monkeypatch.setenv("FTI_HOME", str(tmp_path))
    assert downloads.folder() == tmp_path / "cache" / "whisper"


def test_a_download_that_breaks_off_goes_on(collective, archive):
    collective.breaks = [500_000, 0, 1_000_000]
    path = data_collective.fetch(ID)
    assert path.read_bytes() == archive.read_bytes()
    first, again, last = [first for first, _ in collective.ranges]
    assert 400_000 < first == again < last < archive.stat().st_size
    assert sorted(one.name for one in path.parent.iterdir()) == ["cv-sv.tar.gz", "lock"]


def test_the_next_run_goes_on_where_the_last_one_broke_off(collective, archive, monkeypatch):
    monkeypatch.setattr(data_collective, "RETRIES", 0)
    collective.breaks = [500_000, 0]
    with pytest.raises(SourceUnreachable, match=r"the download broke off.*try again, and it goes"):
        data_collective.fetch(ID)
    assert data_collective.fetch(ID).read_bytes() == archive.read_bytes()
    assert all(first > 400_000 for first, _ in collective.ranges)


def test_an_archive_that_is_not_what_was_announced_is_thrown_away(collective, archive):
    collective.ranged, collective.breaks = False, [500_000]  # it sends all again, from the start
    with pytest.raises(SourceError, match=r"came with [\d,]+ bytes instead of"):
        data_collective.fetch(ID)
    assert data_collective.fetch(ID).read_bytes() == archive.read_bytes()


def test_an_archive_that_changed_is_downloaded_from_its_start(collective, archive, tmp_path):
    part = tmp_path / "downloads/datacollective" / ID / "cv-sv.tar.gz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"of an older release")
    part.with_name("cv-sv.tar.gz.checksum").write_text("another", encoding="utf-8")
    assert data_collective.fetch(ID).read_bytes() == archive.read_bytes()


def test_without_a_key_it_is_said_how_to_get_one(collective, monkeypatch):
    monkeypatch.delenv(data_collective.KEY)
    with pytest.raises(SourceError, match=r"make one at https.*accept.*set MDC_API_KEY"):
        data_collective.fetch(ID)
    assert not collective.requests


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        ((403, {"message": "Agree to the terms first"}), r"not given to you \(Agree to the terms"),
        ((410, {}), "no such dataset"),
        ((402, {"message": "Costs money"}), "does not give it .Costs money"),
        ((429, {}), "no more requests for now"),
        ((500, {}), "does not give it"),
        ((200, {"downloadUrl": None}), "answer of the Data Collective is not understood"),
        ((200, b"<html>"), "does not give it"),
    ],
)
def test_what_the_service_refuses_is_one_sentence(collective, refusal, says):
    collective.refusal = refusal
    with pytest.raises(SourceError, match=says) as caught:
        data_collective.fetch(ID)
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_that_is_not_accepted_is_one_sentence_without_the_key(collective, monkeypatch):
    monkeypatch.setenv(data_collective.KEY, "old-key")
    with pytest.raises(SourceError, match=r"MDC_API_KEY is not accepted: make") as caught:
        data_collective.fetch(ID)
    assert "old-key" not in str(caught.value)


def test_a_service_that_is_away_is_one_sentence(collective, monkeypatch):
    monkeypatch.setenv("MDC_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(SourceUnreachable, match=r"no connection.*--source PATH"):
        data_collective.fetch(ID)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "?x=1", "-x"])
def test_what_is_no_name_of_a_dataset_is_not_asked_for(collective, name):
    with pytest.raises(SourceError, match="is no dataset: write datacollective:ID"):
        next(sources.read(f"datacollective:{name}"))
    assert not collective.requests


@pytest.mark.parametrize("name", [None, "../../cv.tar.gz", "/tmp/cv.tar.gz", "a\\cv.tar.gz", ".."])
def test_an_archive_is_never_written_elsewhere(collective, name):
    collective.details["filename"] = name
    with pytest.raises(SourceError, match="no archive of a usable name"):
        data_collective.fetch(ID)
    assert not collective.asked("/file")


def test_a_disk_that_is_too_small_is_told_before(collective):
    collective.details["sizeBytes"] = 10**18
    with pytest.raises(UserError, match=r"takes 1,000,000,000.0 GB.*WHISPER_DOWNLOADS"):
        data_collective.fetch(ID)
    assert not collective.asked("/file")


def test_the_client_loads_no_file_of_settings_that_lies_around(tmp_path):
    (tmp_path / ".env").write_text("MDC_API_KEY=from-a-file\n", encoding="utf-8")
    load = "from whisper.feeds import data_collective\ndata_collective._client()\n"
    show = "import json, os\nprint(json.dumps(os.environ.get('MDC_API_KEY')))"
    environment = {name: value for name, value in os.environ.items() if "MDC_" not in name}
    environment["PYTHONPATH"] = str(ROOT)
    found = []
    for code in ("import datacollective\n", load):
        command = [sys.executable, "-c", code + show]
        done = subprocess.run(command, env=environment, cwd=tmp_path, stdout=PIPE, check=True)
        found.append(json.loads(done.stdout))
    assert found == ["from-a-file", None]  # left to itself it does
