"""Fixtures of tests that run the real Hopsworks client."""

import os
import uuid

import pytest

from fti.embedded.project import Project
from tests.hopsworks.environment import MISSING, Client, client_python, real_settings, serving


@pytest.fixture(scope="session")
def client_env():
    """The Python of the client's environment; CI has it."""
    python = client_python()
    if python is None and not os.environ.get("CI"):
        pytest.skip(MISSING)
    assert python, f"{MISSING}, because CI runs every test"
    return python


@pytest.fixture
def served(home):
    """A server of a new project, which no other test shares."""
    with serving(Project(home, f"p{uuid.uuid4().hex[:12]}")) as server:
        yield server


@pytest.fixture
def client(client_env, served, tmp_path):
    """Runs the client on that project."""
    runner = Client(client_env, served.settings, tmp_path)
    yield runner
    runner.forget_models()


@pytest.fixture
def cloud(client_env, tmp_path):
    """Runs the client on the real project that the environment names."""
    settings = real_settings()
    if "HOPSWORKS_API_KEY" not in settings:
        pytest.skip("needs a Hopsworks project: set HOPSWORKS_API_KEY and HOPSWORKS_PROJECT")
    runner = Client(client_env, settings, tmp_path)
    yield runner
    runner.forget_models()
