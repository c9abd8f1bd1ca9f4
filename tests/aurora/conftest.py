"""Fixtures of the aurora tests: no settings from outside, and a service on this machine."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SETTINGS = ("AURORA_SOURCE", "MET_NORWAY_CONTACT", "VISUALCROSSING_API_KEY")
SHARED = Path(__file__).parents[3] / "shared" / "data" / "aurora"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path_factory):
    """Take away all settings, and keep what is downloaded in a folder of the test."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FTI_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def shared():
    """The folder with Kiruna 2021, which is not ours to publish."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared/data/aurora")
    return SHARED


class Service:
    """A loopback web service: answers by path, and remembers who asked for what."""

    def __init__(self):
        self.answers, self.asked = {}, []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path, body=b"", status=200, **headers):
        """Queue what a path answers; give its address."""
        self.answers[path] = (status, body, headers)
        return self.address + path


def _handler(service):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            service.asked.append(self)
            path = self.path.partition("?")[0]
            status, body, headers = service.answers.get(path, (404, b"<html>no</html>", {}))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # a client may have had enough
                self.wfile.write(body)

        def log_message(self, *args):
            pass

    return Handler


@pytest.fixture
def service(monkeypatch):
    """A Service that runs while the test does."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    service = Service()
    thread = threading.Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield service
    service.server.shutdown()
    service.server.server_close()
    thread.join()
