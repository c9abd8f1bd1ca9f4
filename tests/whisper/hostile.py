"""What a process of `whisper.bounded` may be made to do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from fti.errors import SourceError
from whisper import media
from whisper.audio import AudioError


def answers(value):
    """Give a value back, with what is known of the environment, while a library prints."""
    print("a library says something")  # noqa: T201
    return {"value": value, "environment": sorted(os.environ)}


def refuses():
    """Say what is wrong in one sentence."""
    raise SourceError("This file is no sound.")


def fails():
    """Have a bug."""
    raise KeyError("a bug")


def eats(size):
    """Ask for so many bytes."""
    return len(bytes(size))


def spins():
    """Compute without end."""
    while True:
        pass


def waits(path):
    """Start a process, write its number down, and wait for ever with it."""
    wait = "import signal; signal.pause()"
    child = subprocess.Popen([sys.executable, "-c", wait])
    with open(path, "w") as file:  # noqa: PTH123
        file.write(str(child.pid))
    signal.pause()


def writes(path, size):
    """Write a file of so many bytes."""
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(bytes(size))


def dies():
    """End as a library that reads behind its memory does."""
    os.kill(os.getpid(), signal.SIGSEGV)


def reads(files, out, count):
    """Read damaged copies of files; give how many were read and how many were refused."""
    rng, found = np.random.default_rng(0), {"read": 0, "refused": 0}
    damaged, sound = Path(out, "damaged"), Path(out, "sound.flac")
    for number in range(count):
        data = bytearray(Path(files[number % len(files)]).read_bytes())
        for at in rng.integers(0, min(len(data), 2000), 1 + number % 10):
            data[at] = rng.integers(0, 256)
        damaged.write_bytes(data)
        try:
            media._probe(str(damaged), "a")
            media._sound(str(damaged), str(sound), 60.0, "a")
            found["read"] += 1
        except AudioError:
            found["refused"] += 1
    return found
