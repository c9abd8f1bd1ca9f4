"""Run parts of a benchmark as processes of their own, so that each has its own peak of memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MEGABYTE = 2**20 if sys.platform == "darwin" else 2**10  # in the units of ru_maxrss


def run(command: list[str], **settings: str) -> tuple[dict[str, Any], float]:
    """Run a command whose last line is a JSON object; give that, and its peak memory in MB.

    `settings` are environment variables. Raises RuntimeError with what it said when it fails.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as said:
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | settings
        child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=said)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if status:
            said.seek(0)
            raise RuntimeError(f"{command} ended with {child.returncode}: {said.read()[-2000:]}")
        out.seek(0)
        return json.loads(out.read().splitlines()[-1]), used.ru_maxrss / MEGABYTE
