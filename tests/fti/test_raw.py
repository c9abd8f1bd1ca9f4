"""Raw bytes come from where a user says, and bad sources are one sentence."""

from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from fti import raw
from fti.errors import SourceError, SourceUnreachable


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The address of a server that gives the files of `tmp_path`."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=tmp_path)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_argument_counts_before_the_environment_and_that_before_the_default(monkeypatch):
    monkeypatch.delenv("ZOO_SOURCE", raising=False)
    assert raw.chosen(None, "zoo") == "web"
    assert raw.chosen(None, "zoo", "built in") == "built in"
    monkeypatch.setenv("ZOO_SOURCE", "animals.csv")
    assert raw.chosen(None, "zoo") == "animals.csv"
    assert raw.chosen("mine.csv", "zoo") == "mine.csv"


def test_a_path_gives_its_bytes_and_its_name(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a,b")
    assert raw.fetch(str(path)) == (b"a,b", str(path))


def test_the_first_address_that_answers_counts_and_its_query_stays_secret(site, tmp_path):
    (tmp_path / "rows.csv").write_bytes(b"a,b")
    urls = (f"{site}/gone.csv", f"{site}/rows.csv?key=s3cret")
    assert raw.fetch("web", urls) == (b"a,b", f"{site}/rows.csv?...")


def test_a_file_too_large_is_refused(tmp_path):
    (tmp_path / "rows.csv").write_bytes(bytes(21))
    with pytest.raises(SourceError, match="larger than 20 bytes"):
        raw.fetch(str(tmp_path / "rows.csv"), max_bytes=20)


@pytest.mark.parametrize(
    ("source", "fault"),
    [("none.csv", "there is no such file"), (".", "this is a folder"), ("a\0b", "cannot be read")],
)
def test_a_file_that_cannot_be_read_is_named_with_the_way_out(source, fault):
    with pytest.raises(SourceError, match=f"^{source}: .*{fault}.*--source sample"):
        raw.fetch(source)


def test_without_network_the_sample_is_the_way_out(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(SourceUnreachable, match="--source sample"):
        raw.fetch("http://127.0.0.1:9/x.csv", retries=0)


def test_an_address_is_shown_without_its_query():
    assert raw.shown("https://example.org/x.csv?key=s3cret") == "https://example.org/x.csv?..."
    assert raw.shown("folder/x.csv") == "folder/x.csv"
