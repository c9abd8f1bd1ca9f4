"""A server of an empty project, and a plain HTTP client that trusts it."""

import ssl

import httpx
import pytest

from tests.hopsworks.environment import serving

API = "/hopsworks-api/api"


@pytest.fixture
def server(project):
    """A server of the empty embedded project."""
    with serving(project) as server:
        yield server


@pytest.fixture
def http(server):
    """Sends requests to the server with its key; addresses are below its API."""
    base = f"https://{server.host}:{server.port}{API}/"
    trusted = ssl.create_default_context(cafile=str(server.authority))
    headers = {"Authorization": f"ApiKey {server.key}"}
    with httpx.Client(base_url=base, verify=trusted, headers=headers, trust_env=False) as client:
        yield client
