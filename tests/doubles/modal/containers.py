"""A container: a process of Modal's own program that sees only the mounted files."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from modal_proto import api_pb2 as pb

from tests.doubles.modal.apps import ENVIRONMENT, Apps, Function
from tests.doubles.modal.objects import Objects

TICK = 0.02  # seconds between two looks at a process
GRACE = 30.0  # seconds that a container has from an interruption to its end


@dataclass(frozen=True)
class Disturbance:
    """A signal that the next container of a function gets as soon as `when` says so.

    `when` is given the container's folder again and again. SIGINT is a preemption, as Modal does
    it; SIGKILL a machine that died.
    """

    signal: signal.Signals
    when: Callable[[Path], bool]


@dataclass(frozen=True)
class Ended:
    """How a container's process ended."""

    code: int
    timed_out: bool = False
    preempted: bool = False


class Container:
    """One container of a function; it takes the inputs that it asks for under its own alias."""

    def __init__(self, function: Function, apps: Apps, objects: Objects, url: str):
        self.function, self.apps, self.objects, self.url = function, apps, objects, url
        self.id, self.alias = objects.names.new("ta"), objects.names.new("fu")
        self.folder = objects.root / self.id
        self.home = self.folder / "root"
        self.output = self.folder / "output.txt"

    async def run(self, disturbance: Disturbance | None, echo: bool) -> Ended:
        """Start the process and wait for its end; with `echo` its lines go to our stderr."""
        self._unpack()
        with self.output.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "modal._container_entrypoint"],
                cwd=self.home,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr if echo else output,
                stderr=sys.stderr if echo else subprocess.STDOUT,
            )
            try:
                return await self._watch(process, disturbance)
            finally:
                process.kill()
                process.wait()

    async def _watch(self, process, disturbance):
        limit = time.monotonic() + self.function.definition.timeout_secs
        while process.poll() is None:
            await asyncio.sleep(TICK)
            if time.monotonic() > limit:
                process.kill()
                return Ended(process.wait(), timed_out=True)
            if disturbance and disturbance.when(self.folder):
                process.send_signal(disturbance.signal)
                await _end(process, GRACE)
                return Ended(process.poll(), preempted=disturbance.signal == signal.SIGINT)
        return Ended(process.returncode)

    def _unpack(self) -> None:
        self.objects.unpack(list(self.function.definition.mount_ids), self.folder)
        self.home.mkdir(parents=True, exist_ok=True)
        (self.folder / "tmp").mkdir()
        arguments = pb.ContainerArguments(
            task_id=self.id,
            function_id=self.alias,
            app_id=self.function.app_id,
            function_def=self.function.definition,
            app_layout=self.apps.layout(self.function.app_id),
            environment_name=ENVIRONMENT,
        )
        (self.folder / "arguments").write_bytes(arguments.SerializeToString())

    def environment(self) -> dict[str, str]:
        """Give the variables: Modal's own, the image's, the secrets'; none of this process."""
        made = self.function.definition
        values = self._machine() | self.objects.image_environment(made.image_id)
        for identity in made.secret_ids:
            values |= self.objects.environments[identity]
        return self._with_volumes(values) | {
            "MODAL_IS_REMOTE": "1",
            "MODAL_SERVER_URL": self.url,
            "MODAL_DISABLE_API_PROXY": "1",
            "MODAL_CONFIG_PATH": os.devnull,
            "MODAL_CONTAINER_ARGUMENTS_PATH": str(self.folder / "arguments"),
            "MODAL_TASK_ID": self.id,
            "MODAL_TASK_SECRET": "dummy",
            "MODAL_IMAGE_ID": made.image_id,
            "MODAL_ENVIRONMENT": ENVIRONMENT,
        }

    def _machine(self):
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.folder / "tmp"),
            "PYTHONPATH": str(self.home),
            "PYTHONNOUSERSITE": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "1",
        }

    def _with_volumes(self, values):
        """Let values that name a mount path name the folder of the volume instead."""
        for mount in self.function.definition.volume_mounts:
            folder = str(self.objects.volume(self.objects.volume_name(mount.volume_id)))
            path = mount.mount_path
            values = {
                name: folder + value.removeprefix(path)
                if value == path or value.startswith(f"{path}/")
                else value
                for name, value in values.items()
            }
        return values


async def _end(process: subprocess.Popen, grace: float) -> None:
    """Wait for the end of a process, and bring it about when that takes too long."""
    limit = time.monotonic() + grace
    while process.poll() is None and time.monotonic() < limit:
        await asyncio.sleep(TICK)
    process.kill()
    process.wait()
