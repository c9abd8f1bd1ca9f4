"""The real client puts a model on a loopback hub: privately, and only what is new."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PUSH = """
import sys
from pathlib import Path
from whisper import hub
print(hub.push(Path(sys.argv[1]), sys.argv[2]))
"""
LARGE = (".safetensors", ".bin")  # what the hub stores by hash, beside git


def content_id(name, content):
    """Give what the hub calls a content: its SHA-256 if it is large, otherwise git's name."""
    if name.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class Hub:
    """A loopback hub; `files` are those of the one model on it, None as long as there is none."""

    def __init__(self):
        self.files, self.stored, self.created = None, {}, []
        self.commits, self.sent, self.refusal = [], [], None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method, path, body):
        """Give status and JSON for a request."""
        _, _, what = path.partition("/api/models/me/swedish")
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if method == "PUT":
            self.stored[path.rpartition("/")[2]] = body
            return 200, {}
        if path == "/me/swedish.git/info/lfs/objects/batch":
            return 200, {"transfer": "basic", "objects": self.batch(json.loads(body)["objects"])}
        if what == "/preupload/main":
            files = json.loads(body)["files"]
            return 200, {"files": [self.mode(file["path"]) for file in files]}
        if what == "/commit/main":
            return 200, self.commit([json.loads(line) for line in body.splitlines()])
        if (method, what) == ("GET", "/revision/main"):
            return 200, {"id": "me/swedish", "sha": str(len(self.commits)), "private": True}
        return 404, {"error": f"{method} {path}"}

    def create(self, asked):
        if self.refusal:
            return self.refusal
        self.created.append(asked)
        url = {"url": f"{self.address}/me/swedish"}
        if self.files is not None:
            return 409, url | {"error": "You already created this model repo"}
        self.files = {}
        return 200, url

    def mode(self, name):
        oid = content_id(name, self.files[name]) if name in self.files else None
        mode = "lfs" if name.endswith(LARGE) else "regular"
        return {"path": name, "uploadMode": mode, "shouldIgnore": False, "oid": oid}

    def batch(self, objects):
        """Ask for the contents that are not stored yet."""
        for one in objects:
            if one["oid"] not in self.stored:
                one["actions"] = {"upload": {"href": f"{self.address}/store/{one['oid']}"}}
        return objects

    def commit(self, lines):
        summary = ""
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                summary = value["summary"]
                continue
            large = line["key"] == "lfsFile"
            content = self.stored[value["oid"]] if large else base64.b64decode(value["content"])
            self.files[value["path"]] = content
            self.sent.append(value["path"])
        self.commits.append(summary)
        address = f"{self.address}/me/swedish/commit/{len(self.commits)}"
        return {"success": True, "commitOid": str(len(self.commits)), "commitUrl": address}


def handler_for(hub):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, answer = hub.answer(self.command, self.path.partition("?")[0], self.body())
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PUT = do_GET

        def body(self):
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def log_message(self, *args):
            pass

    return Handler


@pytest.fixture
def hub():
    served = Hub()
    thread = threading.Thread(target=served.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.server.shutdown()
    served.server.server_close()
    thread.join()


@pytest.fixture
def folder(tmp_path):
    """A model's folder, its weights random."""
    folder = tmp_path / "model"
    (folder / "ctranslate2").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(os.urandom(50_000))
    (folder / "ctranslate2" / "model.bin").write_bytes(os.urandom(20_000))
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("---\nlanguage: sv\n---\n# swedish\n")
    (folder / "model.json").write_text("{}")
    return folder


def push(hub, folder, name="me/swedish", **settings):
    """Push in a process of its own, as the client reads its settings when it is imported."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    there = {
        "HF_ENDPOINT": hub.address, "HF_TOKEN": "hf_x", "HF_HOME": str(folder.parent / "hf"),
        "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", PUSH, str(folder), name],
        cwd=ROOT, env=kept | there | settings, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def files(folder):
    """Give all files that are to be on the hub."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "model.json"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_a_new_model_is_private_and_whole(hub, folder):
    done = push(hub, folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{hub.address}/me/swedish"
    assert [(one["organization"], one["name"], one["visibility"]) for one in hub.created] == [
        ("me", "swedish", "private")
    ]
    assert hub.files == files(folder) and hub.commits == ["Train the model anew"]


def test_only_what_changed_is_sent_and_nothing_makes_no_commit(hub, folder):
    push(hub, folder)
    hub.sent.clear()
    again = push(hub, folder)
    assert again.returncode == 0, again.stderr
    assert hub.sent == [] and len(hub.commits) == 1
    (folder / "ctranslate2" / "model.bin").write_bytes(os.urandom(20_000))
    (folder / "config.json").write_text('{"d_model": 64}')
    push(hub, folder)
    assert sorted(hub.sent) == ["config.json", "ctranslate2/model.bin"]
    assert hub.files == files(folder) and len(hub.commits) == 2


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("me/swedish", {"HF_TOKEN": ""}, "there is no token: set HF_TOKEN"),
        ("a/b/c", {}, "call it OWNER/NAME"),
        ("me/swedish", {"HF_ENDPOINT": "http://127.0.0.1:9"}, "the hub cannot be reached"),
        ("me/swedish", {}, "the hub refuses (403: You may not)"),
    ],
    ids=["no token", "no name", "no network", "refused"],
)
def test_what_goes_wrong_is_one_sentence(hub, folder, name, settings, said):
    hub.refusal = 403, {"error": "You may not"}
    done = push(hub, folder, name, **settings)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith("fti.errors.UserError: --push-to-hub")
    assert said in last and hub.commits == []
