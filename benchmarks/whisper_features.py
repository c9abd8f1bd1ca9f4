"""What Whisper's features cost to store, to load and to compute, beside the seeds' recipe.

    python benchmarks/whisper_features.py [--source espeak:sv] [--seconds 4.4] [--peer-python P]

The same clips go both ways in one run, each in a process on one core. The seeds stored log-mels
padded to 30 s, as nested lists of float32 in Arrow by `datasets`, and made batches of 16 of them by
transformers' feature extractor. Ours are shards of FLAC with labels, of which batches of log-mels
are computed; where there is a GPU that does this, which is a line of its own. Clips are as long as
those of the seeds' Swedish corpus (12,360 in 15 hours). What espeak-ng says is too clean, which
flatters FLAC, so that pink noise 50 dB below the loudest is put into it. P has transformers 5,
torch and datasets. Exits with 1 when a target is missed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Annotated

import children
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from whisper import audio, labels, mel, shard_files, shards, sources
from whisper.clips import Recording

RATE = mel.SAMPLE_RATE
NEEDED = ("audio", "label_ids")  # of a row, to train
SECONDS = 4.4  # of a clip
CLIPS, REPEATS, BATCH, FEW = 128, 15, 16, 16
FLOOR = 10 ** (-50 / 20)  # of the noise, against the loudest
SMALLER, FASTER, MEL_FASTER, CLOSE = 10.0, 10.0, 8.0, 1e-4  # the targets
PEER_PYTHON = children.ROOT / ".venv-whisper" / "bin" / "python"
ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
ONE_CORE |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}

# What the other interpreter runs: the seeds' recipe, which needs nothing of this repository.
PEER = """
import json, pathlib, sys, time
import numpy as np
import datasets, torch, transformers
from transformers.models.whisper import feature_extraction_whisper as module

folder, repeats = pathlib.Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
clips = list(np.load(folder / "clips.npy"))
extractor = transformers.WhisperFeatureExtractor()

def extract(clip):
    return extractor(clip, sampling_rate=16000, return_tensors="np").input_features[0]

def ms(work, count):
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return 1000 * min(times) / count

few, batch = clips[:16], 16
with_torch = ms(lambda: [extract(clip) for clip in few], len(few))
module.is_torch_available = lambda: False
with_numpy = ms(lambda: [extract(clip) for clip in few], len(few))
np.save(folder / "padded.npy", np.stack([extract(clip) for clip in few]))

def prepared(row):
    return {"input_features": extract(clips[row["clip"]]), "labels": [50258, 50327, 50359, 1, 2]}

rows = datasets.Dataset.from_dict({"clip": range(len(clips))})
rows.map(prepared, remove_columns=["clip"]).save_to_disk(folder / "arrow")
size = sum(path.stat().st_size for path in (folder / "arrow").rglob("*") if path.is_file())
stored = datasets.load_from_disk(folder / "arrow")

def collated():
    rows = stored.__getitems__(list(range(batch)))
    features = [{"input_features": row["input_features"]} for row in rows]
    made = extractor.pad(features, return_tensors="pt")
    made["labels"] = torch.tensor([row["labels"] for row in rows])
    return made

print(json.dumps({
    "bytes": size, "row": ms(collated, batch), "numpy": with_numpy, "torch": with_torch,
    "name": f"transformers {transformers.__version__}, datasets {datasets.__version__}",
}))
"""

screen = Console(width=None if sys.stdout.isatty() else 120)

SourceOption = Annotated[
    str | None,
    typer.Option(show_default="espeak:sv, or sample:sv without espeak-ng", help="Whose speech."),
]


def main(
    source: SourceOption = None,
    language: Annotated[str | None, typer.Option(help="Of a source that does not say.")] = None,
    seconds: Annotated[float, typer.Option(min=0.5, max=29, help="Of a clip.")] = SECONDS,
    peer_python: Annotated[Path, typer.Option(help="Has transformers.")] = PEER_PYTHON,
    folder: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Measure both, print them and compare with the targets."""
    if folder:  # a process of its own, on one core
        print(json.dumps(measured(np.load(folder / "clips.npy"), folder)))
        return
    source = source or ("espeak:sv" if shutil.which("espeak-ng") else "sample:sv")
    with tempfile.TemporaryDirectory() as shared:
        np.save(Path(shared) / "clips.npy", cut(source, language, seconds))
        ours, _ = children.run([sys.executable, __file__, "--folder", shared], **ONE_CORE)
        peer, _ = children.run([str(peer_python), "-c", PEER, shared, str(REPEATS)], **ONE_CORE)
        far = {way: difference(Path(shared), way) for way in ("padded", "unpadded")}
    screen.print(f"{CLIPS} clips of {seconds:g} s from {source}, one core; peer: {peer['name']}")
    if not shown(ours, peer, far, seconds):
        raise typer.Exit(1)


def cut(source: str, language: str | None, seconds: float) -> np.ndarray:
    """Join what a source has, as far as it is needed, and cut clips from it."""
    size = round(seconds * RATE)
    need, have, joined, made = CLIPS * size, 0, [], False
    for recording in sources.read(source, language):
        joined.append(audio.decode(recording.audio, recording.file))
        have, made = have + len(joined[-1]), recording.corpus == "espeak"
        if have >= need:
            break
    sound = np.resize(np.concatenate(joined), need)
    sound = sound + FLOOR * np.abs(sound).max() * pink(need) if made else sound
    return np.clip(sound, -1, 1).reshape(CLIPS, size).astype(np.float32)


def pink(count: int) -> np.ndarray:
    """Give noise whose power falls with frequency, at a mean square of 1."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(count))
    noise = np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** 0.5, count)
    return noise / noise.std()


def measured(sounds: np.ndarray, folder: Path) -> dict[str, float]:
    """Give bytes in shards and ms a clip: of a row to a tensor, and of log-mels."""
    text = "Vinden drog över åkern medan kvällen kom."
    recordings = [
        Recording("made", "sv", str(n), text, "train", "ada", audio=audio.encode(sound))
        for n, sound in enumerate(sounds)
    ]
    shards.write(recordings, folder / "shards", labels.train([text]))
    paths = shards.files(folder / "shards")
    some, frames = sounds[:FEW], mel.bucket(len(sounds[0]) / RATE)
    ways = {
        "padded": lambda: mel.padded(some),
        "bucket": lambda: mel.padded(some, frames=frames),
        "unpadded": lambda: mel.unpadded(some),
    }
    for name in ("padded", "unpadded"):
        np.save(folder / f"ours_{name}.npy", np.array(ways[name]()))
    return {
        "bytes": sum(path.stat().st_size for path in paths),
        "sound": ms(lambda: loaded(paths, 0), CLIPS),
        "row": ms(lambda: loaded(paths, frames), CLIPS),
        **{name: ms(way, len(some)) for name, way in ways.items()},
    }


def loaded(paths: list[Path], frames: int) -> None:
    """Make batches of all that is stored: sound and labels, and log-mels in a window, if any."""
    rows = []
    for batch in chain.from_iterable(shard_files.batches(path, NEEDED) for path in paths):
        rows += batch.to_pylist()
        while len(rows) >= BATCH:
            now, rows = rows[:BATCH], rows[BATCH:]
            sounds = [audio.samples(row["audio"]) for row in now]
            mel.padded(sounds, frames=frames) if frames else np.stack(sounds)
            np.array([row["label_ids"] for row in now])


def ms(work: Callable[[], object], count: int) -> float:
    """Give the milliseconds that a core works on each of `count`: the best of some runs."""
    times = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return 1000 * min(times) / count


def difference(folder: Path, way: str) -> float:
    """Give the largest absolute difference to the peer; unpadded ones are its first frames."""
    ours, peers = np.load(folder / f"ours_{way}.npy"), np.load(folder / "padded.npy")
    return float(np.abs(ours - peers[:, :, : ours.shape[2]]).max())


def shown(ours: dict[str, float], peer: dict, far: dict[str, float], seconds: float) -> bool:
    """Print the table; give whether all targets are reached."""
    megabytes = 3600 / (CLIPS * seconds) / 1e6  # an hour, for each byte of the clips
    lines = [
        ("stored, MB an audio-hour", megabytes, "bytes", "bytes", SMALLER),
        ("row to tensor, log-mel left to the GPU, ms a clip", 1, "sound", "row", FASTER),
        ("row to tensor, log-mel on this core, ms a clip", 1, "row", "row", FASTER),
        ("log-mel padded to 30 s, ms a clip", 1, "padded", "numpy", MEL_FASTER),
        ("log-mel in its bucket, ms a clip", 1, "bucket", "numpy", MEL_FASTER),
        ("log-mel unpadded, ms a clip", 1, "unpadded", "numpy", MEL_FASTER),
        ("log-mel padded, peer by torch, ms a clip", 1, "padded", "torch", None),
    ]
    table = Table("what", "ours", "peer", "ratio", "target", "")
    reached = all(one <= CLOSE for one in far.values())
    for what, unit, mine, its, target in lines:
        ratio = peer[its] / ours[mine]
        passed = target is None or ratio >= target
        reached &= passed
        said = ["", ""] if target is None else [f">= {target:g}x", "PASS" if passed else "FAIL"]
        table.add_row(
            what, f"{unit * ours[mine]:.2f}", f"{unit * peer[its]:.2f}", f"{ratio:.1f}x", *said
        )
    for way, one in far.items():
        verdict = "PASS" if one <= CLOSE else "FAIL"
        table.add_row(f"largest difference, {way}", f"{one:.1e}", "", "", f"<= {CLOSE:g}", verdict)
    screen.print(table)
    return reached


if __name__ == "__main__":
    os.environ.update(ONE_CORE)
    typer.run(main)
