"""A loopback server that answers what a look at Hopsworks asks for, over TLS."""

import json
import os
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

API = "/hopsworks-api/api/"


def handler_for(hopsworks):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.removeprefix(API)
            hopsworks.requests.append(path)
            status, answer = hopsworks.answer(path, self.headers.get("Authorization"))
            body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    return Handler


class Hopsworks:
    """What it knows; a test changes it. Like the real one, `variables/versions` needs no key."""

    def __init__(self, certificate):
        self.key, self.project, self.version = "good-key", "titanic", "5.2.0"
        self.query_host = "nowhere.invalid"
        self.always = None  # (status, body), whatever is asked
        self.requests, self.certificate = [], certificate
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        self.port = self.server.server_port
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_name("key.pem"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)

    def answer(self, path, authorization):
        if self.always:
            return self.always
        if path == "variables/versions":
            return 200, [{"software": "hopsworks", "version": self.version}]
        if authorization != f"ApiKey {self.key}":
            return 401, {"errorCode": 320004, "errorMsg": "bad key"}
        known = {
            "project": [{"project": {"name": name}} for name in ("iris", self.project)],
            f"project/getProjectInfo/{self.project}": {"projectName": self.project},
            "variables/loadbalancer_external_domain_feature_query": {
                "successMessage": self.query_host
            },
        }
        return (200, known[path]) if path in known else (404, {"errorCode": 150004})


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody signed; its key is beside it."""
    openssl = shutil.which("openssl")
    if openssl is None and not os.environ.get("CI"):
        pytest.skip("needs the openssl command")
    assert openssl, "install the openssl command: CI runs every test it can"
    folder = tmp_path_factory.mktemp("tls")
    make = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
    )
    subprocess.run([openssl, *make.split()], cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem"


@pytest.fixture
def hopsworks(home, certificate, monkeypatch):
    """A Hopsworks to look at, and the settings to reach it."""
    server = Hopsworks(certificate)
    for name in ("FTI_BACKEND", "REST_ENDPOINT", "HOPSWORKS_CERT_FOLDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HOPSWORKS_HOST", "127.0.0.1")
    monkeypatch.setenv("HOPSWORKS_PORT", str(server.port))
    monkeypatch.setenv("HOPSWORKS_PROJECT", server.project)
    monkeypatch.setenv("HOPSWORKS_API_KEY", server.key)
    monkeypatch.setenv("HOPSWORKS_TRUST_STORE_PATH", str(certificate))
    thread = threading.Thread(target=server.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.server.shutdown()
    server.server.server_close()
    thread.join()
