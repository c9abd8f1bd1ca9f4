"""A Space brings all that it needs, runs from its folder alone, and gets to Hugging Face."""

import base64
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path

import httpx
import pytest
from huggingface_hub.repocard import metadata_load
from packaging.requirements import Requirement
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from fti import runs

ROOT = Path(__file__).parents[2]
APPS = sorted(path.parent.name for path in ROOT.glob("spaces/*/app.py"))
PINS, SPEECH_PINS = (
    (ROOT / "requirements" / f"{name}-hopsworks.txt").read_text(encoding="utf-8").splitlines()
    for name in ("apps", "whisper-apps")
)
SPEECH = ("guess_the_transcription", "whisper")  # no model of theirs is in the filled project
CODE = "the-code-of-this-test"
KEY = "a-key-that-nobody-may-see"
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
# What Hugging Face installs beside a Space's requirements, in the same step (build logs of 2026).
BESIDE = ("gradio[oauth,mcp]", "uvicorn>=0.14.0", "websockets>=10.4")


def files(folder):
    """Give the content of every file under a folder, by its path there."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def blob(content):
    """Give the name that git has for a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class HuggingFace:
    """A loopback Hub with one Space in it; a test changes what it knows.

    `stages` are answered one after the other, the last one for ever; `refusal` is a status and
    what to say instead of making a Space.
    """

    def __init__(self, host):
        self.files = {".gitattributes": b"*.bin filter=lfs", "old.py": b"stale", "app.py": b"old"}
        self.stages, self.host, self.refusal = ["BUILDING", "RUNNING"], host, None
        self.secrets, self.variables, self.requests, self.commits = {}, {}, [], []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, request, body):
        """Give status and JSON for a request, a method and a path in one."""
        self.requests.append(request)
        method, path = request.split(" ")
        _, _, what = path.partition("/api/spaces/me/hub")
        if path == "/api/whoami-v2":
            return 200, {"name": "me", "type": "user"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if self.refusal and (path == "/api/repos/create" or not what):
            return self.refusal
        if path == "/api/repos/create":
            return 200, {"url": f"{self.address}/spaces/me/hub"}
        if what == "/runtime":
            return 200, {"stage": self.stages.pop(0) if self.stages[1:] else self.stages[0]}
        if what in ("/secrets", "/variables"):
            kept = getattr(self, what[1:])
            kept[body["key"]] = {"key": body["key"], "value": body["value"]}
            return 200, kept
        if what.startswith("/tree/main"):
            return 200, [
                {"type": "file", "path": name, "size": len(content), "oid": blob(content)}
                for name, content in self.files.items()
            ]
        if what == "/preupload/main":
            return 200, {"files": [self.upload_mode(file["path"]) for file in body["files"]]}
        if what == "/commit/main":
            return 200, self.commit(body)
        assert (method, what) == ("GET", "")
        return 200, {"id": "me/hub", "host": self.host, "private": False}

    def upload_mode(self, name):
        """Say how a file is to be sent."""
        oid = blob(self.files[name]) if name in self.files else None
        return {"path": name, "uploadMode": "regular", "shouldIgnore": False, "oid": oid}

    def commit(self, lines):
        """Do what the lines of a commit say."""
        for line in lines:
            value = line["value"]
            if line["key"] == "deletedFile":
                del self.files[value["path"]]
            elif line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            else:
                self.commits.append(value["summary"])
        address = f"{self.address}/spaces/me/hub/commit/{len(self.commits)}"
        return {"success": True, "commitOid": str(len(self.commits)), "commitUrl": address}


def handler_for(hub):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            if self.headers.get("Content-Type") == "application/x-ndjson":
                body = [json.loads(line) for line in body.splitlines()]
            else:
                body = json.loads(body or "null")
            path = self.path.partition("?")[0]
            status, answer = hub.answer(f"{self.command} {path}", body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *args):
            pass

    return Handler


@pytest.fixture
def hugging_face():
    """A Hugging Face whose Space nobody serves."""
    hub = HuggingFace("http://127.0.0.1:9")
    thread = threading.Thread(target=hub.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield hub
    hub.server.shutdown()
    hub.server.server_close()
    thread.join()


@pytest.fixture
def clone(tmp_path):
    """A copy of all that deploying reads, to change and to assemble in."""
    folder = tmp_path / "clone"
    packages = [path.parent.name for path in ROOT.glob("*/__init__.py")]
    for name in ("spaces", "requirements", *packages):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


def deploy(clone, *arguments, **settings):
    """Run the command in a clone, without the settings of whoever runs the tests."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    home = {"HF_HOME": str(clone / "hf"), "FTI_CODE_VERSION": CODE, "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, str(clone / "spaces" / "deploy.py"), *arguments],
        env={**kept, **home, **settings}, cwd=clone.parent, capture_output=True, text=True,
        encoding="utf-8", timeout=120,
    )  # fmt: skip


def assembled(clone, name):
    """Give the folder of a Space, just assembled."""
    done = deploy(clone, name, "--dry-run")
    assert done.returncode == 0, done.stderr
    return clone / "build" / "spaces" / name


# Assembling


def test_a_space_gets_its_app_and_the_packages_it_imports(clone):
    (clone / "spaces" / "titanic" / "__pycache__").mkdir()
    (clone / "spaces" / "titanic" / "__pycache__" / "app.pyc").write_bytes(b"")
    (clone / "spaces" / "titanic" / ".env").write_text(f"HOPSWORKS_API_KEY={KEY}")
    found = files(assembled(clone, "titanic"))
    top = {name.split("/")[0] for name in found}
    assert top == {"app.py", "README.md", "requirements.txt", "VERSION", "fti", "titanic"}
    assert found["requirements.txt"].decode().splitlines() == PINS
    assert found["VERSION"].decode() == f"{CODE}\n"
    assert not [name for name in found if "__pycache__" in name or ".env" in name]


def test_the_hub_shows_and_brings_every_other_app(clone, app):
    others = {name for name in APPS if name != "hub"}
    assert {page.name for page in app("hub").PAGES} == others
    found = files(assembled(clone, "hub"))
    assert {f"apps/{name}/app.py" for name in others} <= found.keys()
    assert {"titanic/features.py", "iris/features.py"} <= found.keys()
    assert {"aurora/scoring.py", "housing/scoring.py"} <= found.keys()


def test_apps_that_listen_get_what_that_takes(clone):
    for name in (*SPEECH, "hub"):
        found = files(assembled(clone, name))
        assert found["requirements.txt"].decode().splitlines() == SPEECH_PINS
        assert {"whisper/transcriber.py", "fti/ui.py"} <= found.keys()
        if name != "whisper":
            assert found["packages.txt"] == b"espeak-ng\n"


def test_assembling_again_replaces_what_was_there(clone):
    folder = assembled(clone, "iris")
    first = files(folder)
    (folder / "left_over.py").write_text("")
    assert files(assembled(clone, "iris")) == first


def test_a_dry_run_says_names_and_asks_nobody(clone, hugging_face):
    settings = {"HOPSWORKS_API_KEY": KEY, "HOPSWORKS_PROJECT": "flowers", "HF_TOKEN": "hf_x"}
    done = deploy(clone, "iris", "--dry-run", HF_ENDPOINT=hugging_face.address, **settings)
    assert "secrets: HOPSWORKS_API_KEY\nvariables: HOPSWORKS_PROJECT\n" in done.stdout
    assert re.search(r"app\.py, fti \(\d+ files\), iris \(\d+ files\)", done.stdout)
    assert KEY not in done.stdout + done.stderr and "flowers" not in done.stdout
    assert hugging_face.requests == []


def test_another_gradio_than_the_pinned_one_is_refused(clone):
    readme = clone / "spaces" / "iris" / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(re.sub("sdk_version: .*", "sdk_version: 6.30.0", text), encoding="utf-8")
    done = deploy(clone, "iris", "--dry-run")
    assert done.returncode == 1 and not (clone / "build").exists()
    assert done.stderr.count("\n") == 1 and "sdk_version 6.30.0" in done.stderr


def test_an_unknown_app_is_one_sentence(clone):
    done = deploy(clone, "nowhere", "--dry-run")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"There is no app 'nowhere': choose one of {', '.join(APPS)}.\n"


@pytest.mark.parametrize("name", APPS)
def test_hugging_face_takes_the_front_matter(name):
    front = metadata_load(ROOT / "spaces" / name / "README.md")
    assert {"title", "emoji", "license"} <= front.keys()
    assert (front["sdk"], front["app_file"]) == ("gradio", "app.py")
    assert front["python_version"] == "3.12"
    assert {front["colorFrom"], front["colorTo"]} <= COLOURS
    assert len(front["short_description"]) <= 60


@pytest.mark.parametrize("pins", [PINS, SPEECH_PINS], ids=["apps", "speech"])
def test_the_pins_agree_with_what_hugging_face_installs_beside_them(pins):
    pinned = dict(line.partition(";")[0].strip().split("==") for line in pins)
    for text in (*BESIDE, *metadata.requires("gradio")):
        wanted = Requirement(text)
        extras = [{"extra": name} for name in ("", "oauth", "mcp")]
        if wanted.marker is None or any(map(wanted.marker.evaluate, extras)):
            version = pinned.get(wanted.name)
            assert version is None or wanted.specifier.contains(version), f"{text} != {version}"


# Running


@contextmanager
def running(folder, home):
    """Run a Space as Hugging Face does, from its folder alone; give its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder.parent),
        "SYSTEM": "spaces",  # on which gradio imports a package called spaces
        "SPACE_ID": f"me/{folder.name}",
        "FTI_BACKEND": "embedded",
        "FTI_HOME": str(home),
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
    }
    log = folder.parent / f"{folder.name}.log"
    with log.open("w") as output:
        app = subprocess.Popen(
            [sys.executable, "app.py"], cwd=folder, env=environment, stdout=output, stderr=output
        )
        try:
            yield lambda: ready(app, f"http://127.0.0.1:{port}/", log)
        finally:
            app.kill()
            app.wait()


@retry(
    wait=wait_fixed(0.2),
    stop=stop_after_delay(120),
    retry=retry_if_exception_type(httpx.TransportError),
    reraise=True,
)
def ready(app, address, log):
    """Wait until an app answers; give its address, or fail when it ended."""
    assert app.poll() is None, log.read_text()
    httpx.get(f"{address}config", timeout=60).raise_for_status()
    return address


@pytest.fixture
def connect(monkeypatch):
    """A function that gives gradio's own client of a served app, without its telemetry."""
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    from gradio_client import Client

    return lambda address: closing(Client(address, verbose=False, download_files=False))


LADY = {"sex": "female", "pclass": 1}
SETOSA = {"sepal_length": 5.0, "sepal_width": 3.4, "petal_length": 1.5, "petal_width": 0.2}
QUESTIONS = {
    "titanic": ("/predict", LADY, "survives", True),
    "titanic_monitor": ("/metrics", {"kind": "real"}, "use_case", "titanic"),
    "iris": ("/predict", SETOSA, "variety", "setosa"),
    "iris_monitor": ("/metrics", {"kind": "real"}, "use_case", "iris"),
    "aurora": ("/alert", {"threshold": 40}, "site", "kiruna"),
    "housing": ("/value", {"latitude": 59.33, "longitude": 18.04}, "currency", "SEK"),
    "hub": ("/iris_predict", SETOSA, "variety", "setosa"),
    **{name: ("/health", {}, "models", {"whisper": None}) for name in SPEECH},
}


def test_every_space_runs_from_its_own_folder_alone(clone, filled, connect):
    for name in APPS:
        assembled(clone, name)
    alone = clone.with_name("alone")
    (clone / "build" / "spaces").rename(alone)
    shutil.rmtree(clone)
    with ExitStack() as stack:
        ready = {name: stack.enter_context(running(alone / name, filled)) for name in APPS}
        for name, wait in ready.items():
            endpoint, values, key, expected = QUESTIONS[name]
            with connect(wait()) as client:
                health = client.predict(api_name="/health")
                status = "empty" if name in SPEECH else "ok"
                assert (health["app"], health["code"], health["status"]) == (name, CODE, status)
                assert client.predict(api_name=endpoint, **values)[key] == expected


# Uploading


def test_deploying_replaces_the_files_sets_what_is_set_and_waits_for_the_new_code(
    clone, hugging_face, hub
):
    stages = ["BUILD_ERROR", "BUILDING", "APP_STARTING", "RUNNING"]
    hugging_face.host, hugging_face.stages = hub, stages.copy()
    done = deploy(
        clone, "hub", HF_ENDPOINT=hugging_face.address, HF_TOKEN="hf_x", HOPSWORKS_API_KEY=KEY,
        HOPSWORKS_PROJECT="flowers", FTI_CODE_VERSION=runs.code_version(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = files(clone / "build" / "spaces" / "hub")
    assert hugging_face.files == {".gitattributes": b"*.bin filter=lfs"} | expected
    assert hugging_face.secrets["HOPSWORKS_API_KEY"]["value"] == KEY
    assert list(hugging_face.variables) == ["HOPSWORKS_PROJECT"]
    assert done.stderr.splitlines() == [f"me/hub: {stage}" for stage in stages]
    assert '"status": "ok"' in done.stdout.splitlines()[-1]
    assert KEY not in done.stdout + done.stderr
    assert len({commit.partition(" (part")[0] for commit in hugging_face.commits}) == 1


def test_a_build_that_fails_is_one_sentence_with_the_address_of_its_logs(clone, hugging_face):
    hugging_face.stages = ["BUILDING", "BUILD_ERROR"]
    done = deploy(clone, "hub", HF_ENDPOINT=hugging_face.address, HF_TOKEN="hf_x")
    assert done.returncode == 1
    logs = f"{hugging_face.address}/spaces/me/hub?logs=build"
    assert done.stderr.splitlines()[-1] == f"me/hub ended as BUILD_ERROR: see {logs}."
    assert "Traceback" not in done.stderr


def test_what_hugging_face_refuses_is_one_sentence_with_its_reason(clone, hugging_face):
    hugging_face.refusal = 402, {"error": "Gradio Spaces need a subscription"}
    done = deploy(clone, "hub", "--to", "me", HF_ENDPOINT=hugging_face.address, HF_TOKEN="hf_x")
    assert done.returncode == 1 and hugging_face.commits == []
    assert "(402): Gradio Spaces need a subscription" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "There is no Hugging Face token: set HF_TOKEN"),
        ({"HF_TOKEN": "hf_x", "HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot be reached"),
    ],
)
def test_without_a_token_or_a_network_it_is_one_sentence(clone, settings, said):
    done = deploy(clone, "iris", **settings)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert said in done.stderr.splitlines()[-1]
