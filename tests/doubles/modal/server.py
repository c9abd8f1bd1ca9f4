"""The server itself, on a loopback port, and the commands that are told to talk to it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from grpclib.const import Status
from grpclib.server import Server, Stream
from modal_proto import api_grpc

from tests.doubles.modal.apps import Apps, Described
from tests.doubles.modal.calls import Attempt, Calls, Result
from tests.doubles.modal.containers import Disturbance
from tests.doubles.modal.downloads import Downloads
from tests.doubles.modal.messages import HOST, refuse
from tests.doubles.modal.objects import Objects

PROGRAM = (sys.executable, "-m", "modal")
PATIENCE = 240.0  # seconds for a command or a call


class Modal:
    """A Modal workspace on loopback, with a context's lifetime; see the package's description.

    `secrets` are those that exist, by name. With `echo` what containers write goes to stderr,
    otherwise it is kept with each attempt.
    """

    def __init__(self, secrets: dict[str, dict[str, str]] | None = None, echo: bool = False):
        self.root = Path(tempfile.mkdtemp(prefix="modal-double-"))
        self.objects = Objects(self.root, dict(secrets or {}))
        self.apps = Apps(self.objects)
        self.calls = Calls(self.apps, self.objects, echo)
        self.downloads = Downloads(self.objects)
        self.requests: Counter[str] = Counter()  # how often each was made
        self.unknown: set[str] = set()  # requests that it has no answer to
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> Modal:
        self.thread.start()
        self.downloads.start()
        self.wait(self._start())
        return self

    def __exit__(self, *error: Any) -> None:
        self.wait(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        self.downloads.close()
        self.objects.close()

    # What users do

    def command(self, *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None):
        """Run `modal` with these arguments; give the completed process with its output as text."""
        return subprocess.run(
            [*PROGRAM, *arguments],
            env=self.environment(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE,
        )

    def environment(self, more: dict[str, str] | None = None) -> dict[str, str]:
        """Give the variables with which a client finds this server, and no one's real account."""
        mine = {
            "MODAL_SERVER_URL": self.calls.url,
            "MODAL_TOKEN_ID": "ak-dummy",
            "MODAL_TOKEN_SECRET": "as-dummy",
            "MODAL_CONFIG_PATH": os.devnull,
            "MODAL_DISABLE_API_PROXY": "1",
            "NO_PROXY": HOST,
            "PYTHONUTF8": "1",
        }
        kept = {name: value for name, value in os.environ.items() if name[:6] != "MODAL_"}
        return kept | mine | (more or {})

    def deployed(self, app: str) -> dict[str, Described]:
        """Give the functions of a deployed app by name; none when there is no such app."""
        found = self.apps.named(app)
        functions = self.apps.of(found.id) if found else []
        return {function.name: self.apps.describe(function) for function in functions}

    def copied(self, app: str, function: str) -> dict[str, bytes]:
        """Give the files that are copied into the image of a deployed function."""
        made = next(f for f in self.apps.of(self.apps.named(app).id) if f.name == function)
        return self.objects.image_files(made.definition.image_id)

    def scheduled(self) -> list[tuple[str, str]]:
        """Give app and function of everything that has a clock."""
        return [(self.apps.apps[f.app_id].name, f.name) for f in self.apps.scheduled()]

    def call(self, app: str, function: str, **options: Any) -> Result:
        """Call a deployed function, without options as its schedule does; give how it ended."""
        functions = {f.name: f for f in self.apps.of(self.apps.named(app).id)}
        return self.wait(self.calls.call(functions[function], **options))

    def disturb(self, function: str, disturbance: Disturbance) -> None:
        """Interrupt or kill the next container of a function."""
        self.calls.disturbances[function] = disturbance

    @property
    def attempts(self) -> list[Attempt]:
        """The containers so far, in the order of their start."""
        return self.calls.attempts

    def volume(self, name: str) -> Path:
        """Give the folder with a volume's files."""
        return self.objects.volume(name)

    # How it is served

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something in the server's thread and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    async def _start(self) -> None:
        self.server = Server([_handlers(self)])
        await self.server.start(HOST, 0)
        port = self.server._server.sockets[0].getsockname()[1]
        self.calls.url = f"http://{HOST}:{port}"

    async def _stop(self) -> None:
        await self.calls.stop()
        self.server.close()
        await self.server.wait_closed()

    async def answer(self, name: str, stream: Stream) -> None:
        """Answer one request by the method of its name."""
        request = await stream.recv_message()
        self.requests[name] += 1
        parts = (self.objects, self.apps, self.calls, self.downloads)
        method = next((getattr(part, name) for part in parts if hasattr(part, name)), None)
        if method is None:
            self.unknown.add(name)
            refuse(f"the double has no {name}", Status.UNIMPLEMENTED)
        answer = method(request)
        if hasattr(answer, "__aiter__"):
            async for piece in answer:
                await stream.send_message(piece)
        else:
            await stream.send_message(await answer if asyncio.iscoroutine(answer) else answer)


def _handlers(modal: Modal) -> Any:
    """Give an object with a handler for every request that the installed client may make."""

    def handler(name):
        async def handle(self, stream):
            await modal.answer(name, stream)

        return handle

    base = api_grpc.ModalClientBase
    names = base.__abstractmethods__
    return type("Handlers", (base,), {name: handler(name) for name in names})()
