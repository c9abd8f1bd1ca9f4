"""Run a function on input that nobody vouches for: in a process of its own, within limits.

    bounded.call(function, {"path": "talk.mp4"}, LIMITS, "talk.mp4", AudioError)

The process has so much memory, processor time and file size and no more, where the system can
enforce it (Windows cannot), knows no keys of its parent, and is killed with all that it started
when its time is over. Arguments and result travel as JSON.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fti.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
# All that the process gets to know of its parent's environment: no keys, no tokens.
KEPT = (
    "PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "PATHEXT",
    "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
EXHAUSTED = 75  # the exit code of a process that has met a limit
GRACE = 5  # seconds after which a process ends by itself if its parent did not end it


@dataclass(frozen=True)
class Limits:
    """What a process may use."""

    seconds: float = 60.0  # by the clock on the wall
    processor: int = 60  # seconds of processor time
    memory: int | None = 2 * 2**30  # bytes of address space; libraries take 0.5 GB of it
    file: int = 2**30  # bytes of the largest file it may write


def call(
    function: Callable[..., Any],
    arguments: Mapping[str, Any],
    limits: Limits,
    name: str,
    error: type[UserError] = UserError,
) -> Any:
    """Give what a function of a module gives for `arguments`, computed in a process of its own.

    `name` is what sentences call the input. Raises `error` with the sentence of a UserError of the
    function, or one that says which limit was met; RuntimeError for a bug in the function.
    """
    asked = {
        "function": f"{function.__module__}:{function.__qualname__}",
        "arguments": dict(arguments),
        "limits": asdict(limits),
    }
    environment = {key: os.environ[key] for key in KEPT if key in os.environ}
    with (
        tempfile.TemporaryDirectory() as home,
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [sys.executable, "-m", "whisper.bounded"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            cwd=ROOT,
            env={**environment, "HOME": home, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"},
            start_new_session=True,
        ) as process,
    ):
        try:
            out, _ = process.communicate(json.dumps(asked).encode(), timeout=limits.seconds)
        except subprocess.TimeoutExpired:
            late = f"{name}: it took longer than {limits.seconds:g} s; take something shorter."
            raise error(late) from None
        finally:
            _end(process)
        said.seek(max(0, said.seek(0, os.SEEK_END) - 2000))
        return _result(process.returncode, out, said.read().decode("utf-8", "replace"), name, error)


def _result(status, out, said, name, error):
    if status == 0:
        answer = json.loads(out)
        if "refused" in answer:
            raise error(answer["refused"])
        return answer["result"]
    if status == 1:  # Python's own, for an exception that nobody expected
        raise RuntimeError(f"{name}: the process that reads it has failed\n{said}")
    what = "it is damaged, or needs more memory or time than it is given"
    raise error(f"{name}: {what}; take another file.")


def _end(process):
    """End a process and all that it started."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


# In the process -----------------------------------------------------------------------------------


def main() -> None:
    """Read what is asked from stdin, compute it within the limits, and write the answer."""
    asked = json.loads(sys.stdin.buffer.read())
    _limit(Limits(**asked["limits"]))
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no part of the answer
    module, _, function = asked["function"].partition(":")
    try:
        found = getattr(importlib.import_module(module), function)(**asked["arguments"])
    except UserError as error:
        json.dump({"refused": str(error)}, answer)
    except (MemoryError, OSError) as error:
        if getattr(error, "errno", errno.ENOMEM) not in (errno.ENOMEM, errno.EFBIG):
            raise
        os._exit(EXHAUSTED)
    else:
        json.dump({"result": found}, answer)
    answer.flush()
    os._exit(0)  # threads of libraries that still work on damaged input have no say


def _limit(limits):
    try:
        import resource
    except ImportError:  # Windows: the parent's clock is the only limit
        return
    signal.alarm(int(limits.seconds) + GRACE)
    bounds = {
        resource.RLIMIT_AS: limits.memory or resource.RLIM_INFINITY,
        resource.RLIMIT_CPU: limits.processor,
        resource.RLIMIT_FSIZE: limits.file,
        resource.RLIMIT_CORE: 0,
    }
    for kind, bound in bounds.items():
        with contextlib.suppress(ValueError, OSError):  # macOS takes no bound on address space
            resource.setrlimit(kind, (bound, bound))


if __name__ == "__main__":
    main()
