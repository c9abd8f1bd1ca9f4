"""What a log-mel of Whisper costs, beside transformers' feature extractor.

    python benchmarks/whisper_mel.py --peer-python PYTHON [--audio FILE_OR_FOLDER] [--bands 80]

Cuts clips of 5 s from sound files (FLAC, WAV; 16 kHz after resampling) or draws them, and makes
their log-mels on one core: ours padded to 30 s, to a bucket of 6 s, and unpadded; the peer's
padded to 30 s, as the seeds stored them. PYTHON is an interpreter that has transformers 5; without
torch it takes the numpy path. Without one, only ours is timed. Target: 8 times faster than the
peer by each of the three, and values within 1e-4 of the peer's; exits with 1 when one is missed.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import children
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

TARGET = 8.0  # times
CLOSE = 1e-4
SECONDS = 5
BUCKET = 6  # s
CLIPS = 32
REPEATS = 7
ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

# What the other interpreter runs: it needs nothing of this repository.
PEER = """
import json, pathlib, sys, time
import numpy as np
import transformers
from transformers.utils import is_torch_available

folder, bands, bucket, repeats = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:])
clips = list(np.load(folder / "clips.npy"))
extract = transformers.WhisperFeatureExtractor(feature_size=bands)
settings = {"sampling_rate": 16000, "return_tensors": "np"}
times = []
for _ in range(repeats):
    began = time.process_time()
    for clip in clips:
        extract([clip], **settings)
    times.append(time.process_time() - began)
np.save(folder / "padded.npy", extract(clips, **settings)["input_features"])
short = extract(clips, max_length=bucket * 16000, **settings)["input_features"]
np.save(folder / "bucket.npy", short)
path = "torch" if is_torch_available() else "numpy"
name = f"transformers {transformers.__version__}, {path}, padded to 30 s"
print(json.dumps({"name": name, "ms": 1000 * min(times) / len(clips)}))
"""

screen = Console(width=None if sys.stdout.isatty() else 120)


def main(
    peer_python: Annotated[Path | None, typer.Option(help="Has transformers 5.")] = None,
    audio: Annotated[Path | None, typer.Option(help="Sound files, otherwise drawn.")] = None,
    bands: Annotated[int, typer.Option(help="80, or 128 of large-v3 and turbo.")] = 80,
    folder: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Measure, print and compare with the target."""
    if folder:  # a process of its own, on one core
        print(json.dumps(measured(np.load(folder / "clips.npy"), bands, folder)))
        return
    with tempfile.TemporaryDirectory() as shared:
        np.save(Path(shared) / "clips.npy", recorded(audio) if audio else drawn())
        this = [sys.executable, __file__, "--folder", shared, "--bands", str(bands)]
        ours, _ = children.run(this, **ONE_CORE)
        peer = None
        if peer_python:
            numbers = (bands, BUCKET, REPEATS)
            command = [str(peer_python), "-c", PEER, shared, *map(str, numbers)]
            peer, _ = children.run(command, **ONE_CORE)
        missed = shown(ours, peer, Path(shared), bands)
    if missed:
        raise typer.Exit(1)


def drawn() -> np.ndarray:
    """Draw clips that are loud and soft in turn, with harmonics and noise, as speech has."""
    rng = np.random.default_rng(0)
    t = np.arange(SECONDS * 16_000) / 16_000
    clips = []
    for pitch in rng.uniform(80, 300, CLIPS):
        tones = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 20))
        loudness = np.sin(2 * np.pi * 2 * t) ** 2
        clips.append(0.1 * tones * loudness + 0.01 * rng.standard_normal(t.size))
    return np.array(clips, dtype=np.float32)


def recorded(source: Path) -> np.ndarray:
    """Read sound files one after the other and cut clips from what they hold."""
    import soundfile
    from scipy import signal

    files = sorted(p for p in source.rglob("*") if p.suffix in {".wav", ".flac"})
    joined = []
    for path in files or [source]:
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
        ratio = Fraction(16_000, rate)
        mono = sound.mean(axis=1)
        joined.append(signal.resample_poly(mono, ratio.numerator, ratio.denominator))
    size = SECONDS * 16_000
    whole = np.resize(np.concatenate(joined), max(CLIPS * size, sum(map(len, joined))))
    return whole[: CLIPS * size].reshape(CLIPS, size).astype(np.float32)


def measured(clips: np.ndarray, bands: int, folder: Path) -> dict[str, float]:
    """Give ms a clip of each way to pad, and save the values beside the clips."""
    from whisper import mel

    ways = {
        "padded": lambda: mel.padded(clips, bands),
        "bucket": lambda: mel.padded(clips, bands, BUCKET * mel.FRAMES_PER_SECOND),
        "unpadded": lambda: mel.unpadded(clips, bands),
    }
    times = {}
    for name, way in ways.items():
        np.save(folder / f"ours_{name}.npy", np.array(way()))
        times[name] = 1000 * min(cpu_seconds(way) for _ in range(REPEATS)) / len(clips)
    return times


def cpu_seconds(way) -> float:
    """Give the time that a core works on a call."""
    began = time.process_time()
    way()
    return time.process_time() - began


def shown(ours: dict[str, float], peer: dict | None, folder: Path, bands: int) -> bool:
    """Print the table; give whether a target is missed."""
    table = Table(title=f"log-mel of {bands} bands: {CLIPS} clips of {SECONDS} s, one core")
    for name in ("way", "ms a clip", "times faster", "largest difference"):
        table.add_column(name, justify="left" if name == "way" else "right")
    missed = False
    if peer:
        table.add_row(peer["name"], f"{peer['ms']:.2f}", "1", "")
    said = {
        "padded": "padded to 30 s",
        "bucket": f"in a bucket of {BUCKET} s",
        "unpadded": "unpadded",
    }
    for way, ms in ours.items():
        cells = ["", ""]
        if peer:
            ratio, far = peer["ms"] / ms, difference(folder, way)
            cells = [f"{ratio:.1f}", f"{far:.1e}"]
            missed |= ratio < TARGET or far > CLOSE
        table.add_row(f"ours, {said[way]}", f"{ms:.2f}", *cells)
    screen.print(table)
    if peer:
        screen.print(f"target: >= {TARGET:g} times faster, within {CLOSE:g}")
    else:
        screen.print("no peer: give an interpreter that has transformers with --peer-python")
    return missed


def difference(folder: Path, way: str) -> float:
    """Give the largest absolute difference to the peer; unpadded ones are its first frames."""
    ours = np.load(folder / f"ours_{way}.npy")
    peers = np.load(folder / ("bucket.npy" if way == "bucket" else "padded.npy"))
    return float(np.abs(ours - peers[:, :, : ours.shape[2]]).max())


if __name__ == "__main__":
    os.environ.update(ONE_CORE)
    typer.run(main)
