"""Fixtures of the apps' tests: a filled project, apps served from here, a browser to look with."""

import importlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]
SPACES = ROOT / "spaces"
WITH_TORCH = ROOT / ".venv-whisper" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
BEFORE, FIRST = "2026-01-29", "2026-01-30"
SINCE = "2025-10-22"  # 100 days of the sample make a model of aurora
HOUSING_SINCE, HOUSING_FIRST = "2023-12-01", "2026-01-05"  # a sale a day: enough for a model
HERE = "127.0.0.1"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 20_000  # ms; a machine that runs other tests is slow
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SPEAKING = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")


def load_hub():
    """Give the module of the hub, which no package holds."""
    spec = importlib.util.spec_from_file_location("app_hub", SPACES / "hub" / "app.py")
    if spec.name not in sys.modules:
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[spec.name])
    return sys.modules[spec.name]


@contextmanager
def serving(app):
    """Serve an app from this process; give its address."""
    from fti import ui

    with socket.create_server((HERE, 0)) as server:
        port = server.getsockname()[1]
    _, address, _ = app.launch(
        **ui.launch_kwargs(prevent_thread_lock=True, server_name=HERE, server_port=port)
    )
    try:
        yield address
    finally:
        app.close(verbose=False)


def quick(recipe):
    """Give a recipe that makes the same kind of model from one candidate, beside few baselines."""

    def member(seed):
        name, estimator = next(iter(recipe.members(seed).items()))
        return {name: estimator}

    def baselines():
        cheap = ("majority", "nearest_neighbours")
        return {name: one for name, one in recipe.baselines().items() if name.endswith(cheap)}

    return replace(recipe, members=member, candidates=None, baselines=baselines)


def pipelines(use_case):
    """Give the modules of the feature, training and batch inference pipeline of a use case."""
    names = ("feature", "training", "batch_inference")
    return [importlib.import_module(f"{use_case}.{name}_pipeline") for name in names]


def fill_aurora():
    """Run two days of aurora on its sample: on the second one a night is over and scored."""
    feature, training, batch_inference = pipelines("aurora")
    feature.main("sample", BEFORE, since=SINCE)
    training.main(date=BEFORE)
    batch_inference.main("sample", BEFORE)
    feature.main("sample", FIRST)
    batch_inference.main("sample", FIRST)


def fill_housing(folder):
    """Run two days of housing on few sales: on the second one some that were for sale are sold."""
    from fti.training import Train
    from housing import model, sample, table

    feature, training, batch_inference = pipelines("housing")
    folder.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as fewer:
        for shape in (model.NEAR_TREES, model.FLAT_TREES, model.SPREAD_TREES):
            fewer.setitem(shape, "n_estimators", shape["n_estimators"] // 10)
        for day in (HOUSING_FIRST, FIRST):
            path = folder / f"{day}.parquet"
            sold = sample.sales(HOUSING_SINCE, day, per_day=1)
            table.together([sold, sample.listings(day, per_day=1)]).to_parquet(path)
            feature.main(str(path), day)
            training.main(date=day, train=Train.due)
            batch_inference.main(day)


def fill(home):
    """Run the day of each use case on FIRST, titanic, iris and housing with a quick training."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("FTI_PROJECT", "HOUSING_ADDRESSES", "HOUSING_MACRO", "GEOCODER_URL"):
            environment.delenv(name, raising=False)
        environment.setenv("FTI_BACKEND", "embedded")
        environment.setenv("FTI_HOME", str(home))
        for use_case in ("titanic", "iris"):
            feature, training, batch_inference = pipelines(use_case)
            recipe = quick(training.recipe())
            environment.setattr(training, "recipe", lambda recipe=recipe: recipe)
            feature.main("sample", FIRST)
            training.main(date=FIRST, repeats=1)
            batch_inference.main(FIRST)
        fill_aurora()
        fill_housing(home / "cache" / "housing")


@pytest.fixture(scope="session")
def filled(tmp_path_factory, worker_id):
    """A folder of projects in which the first day has run: for reading, and the same for all."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "filled"
    folder.mkdir(exist_ok=True)
    home = folder / "fti"
    with FileLock(folder / "lock"):
        if not home.exists():
            fill(folder / "being_filled")
            (folder / "being_filled").rename(home)
    return home


@pytest.fixture(scope="session")
def app():
    """A function that gives the module of an app."""
    hub = load_hub()
    return lambda name: hub if name == "hub" else hub.load(name)


@pytest.fixture(scope="session")
def serve():
    """A context manager that serves an app and gives its address."""
    return serving


@pytest.fixture(scope="session")
def hub(filled):
    """The address of the hub, serving the filled project."""
    from fti.embedded.project import Project

    with serving(load_hub().build(Project(filled))) as address:
        yield address


@pytest.fixture(scope="session")
def speech_model(tmp_path_factory, worker_id):
    """The folder of a model that knows the words of `speaking`; trained where torch is."""
    missing = not WITH_TORCH.exists() or shutil.which("espeak-ng") is None
    if missing and not os.environ.get("CI"):
        pytest.skip("needs espeak-ng, and .venv-whisper, which `make test-whisper` makes")
    assert not missing, "install espeak-ng and make .venv-whisper: CI runs every test it can"
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "speech"
    folder.mkdir(exist_ok=True)
    quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with FileLock(folder / "lock"):
        if not (folder / "model").exists():
            made = folder / "being_trained" / "model"
            subprocess.run(
                [WITH_TORCH, "-m", "tests.spaces.speaking", str(made)],
                cwd=ROOT, env={**os.environ, **quiet, "FTI_HOME": str(folder / "fti")},
                check=True, capture_output=True,
            )  # fmt: skip
            made.rename(folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def speaking_project(speech_model, tmp_path_factory):
    """A project whose newest model is `speech_model`."""
    from fti.embedded.project import Project
    from whisper import registry

    project = Project(tmp_path_factory.mktemp("speaking"))
    registry.register(project, speech_model)
    return project


def find_chromium():
    """Give the path of a Chromium; where there is none, CI fails and others skip."""
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None and not os.environ.get("CI"):
        pytest.skip("needs Chromium: install it, or set CHROMIUM to its path")
    assert found, "install Chromium: CI runs every test it can"
    return found


# Not of the session: while it runs, this thread has an event loop, and others may want theirs.
@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    path = find_chromium()
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def speaker(tmp_path):
    """A function that gives a headless Chromium whose microphone hears words again and again."""
    path = find_chromium()
    from playwright.sync_api import expect, sync_playwright

    from tests.spaces import speaking

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:

        def speaker(*words):
            wav = tmp_path / f"{'-'.join(words)}.wav"
            wav.write_bytes(speaking.as_wav(speaking.spoken(words)))
            flags = [*FLAGS, *SPEAKING, f"--use-file-for-fake-audio-capture={wav}"]
            return playwright.chromium.launch(executable_path=path, args=flags)

        yield speaker


@pytest.fixture
def open_page(browser):
    """A function that opens a page as a new visitor; no page may err or ask another host."""
    contexts, problems = [], []

    def note_request(request):
        if urlsplit(request.url).hostname not in (HERE, None):
            problems.append(f"asked {request.url}")

    def note_console(message):
        if message.type == "error":
            problems.append(message.text)

    def open_page(address, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("request", note_request)
        page.on("console", note_console)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems
