"""`python -m fti serve`: a server in the foreground, until it is told to end."""

from __future__ import annotations

import contextlib
import json
import signal
import threading

from fti import console
from fti.embedded.project import Project
from fti.server.server import Server

LOGIN = """
    import hopsworks

    project = hopsworks.login(
        host="{HOPSWORKS_HOST}", port={HOPSWORKS_PORT}, project="{HOPSWORKS_PROJECT}",
        api_key_value="{HOPSWORKS_API_KEY}", engine="python",
        hostname_verification=True, trust_store_path="{HOPSWORKS_TRUST_STORE_PATH}",
    )
"""


def serve(project: Project, host: str, port: int, key: str | None, as_json: bool) -> None:
    """Serve a project until Ctrl-C or SIGTERM; say how to reach it, and what it could not answer.

    With `as_json` the first line of stdout is the environment that clients need.
    """
    ended = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda number, frame: ended.set())
    try:
        with Server(project, host, port, key) as server:
            _say_where(server, as_json)
            with contextlib.suppress(KeyboardInterrupt):
                ended.wait()
            unknown = server.unknown
    finally:
        signal.signal(signal.SIGTERM, before)
    for request, times in unknown.items():
        console.note(f"not answered, {times} times: {request}")


def _say_where(server: Server, as_json: bool) -> None:
    if as_json:
        console.say(json.dumps(server.settings))
        return
    console.say(f"The project in {server.project.home} is served until Ctrl-C. Log in with")
    console.say(LOGIN.format(**server.settings))
    console.say("or run pipelines, where the client is installed, with FTI_BACKEND=hopsworks and\n")
    for name, value in server.settings.items():
        console.say(f"    {name}={value}")
