"""Run Whisper on Modal: `modal deploy -m whisper.modal_app`.

By the clock, every Monday at 06:33 UTC and without a GPU, new recordings are written down and the
registered model is scored anew. Features and training run when they are asked for:

    modal run --detach -m whisper.modal_app::features --source fleurs:sv_se
    modal run --detach -m whisper.modal_app::learn --recipe fast
    modal run --detach -m whisper.modal_app::compare --grid whisper/grid.toml
    modal run -m whisper.modal_app::predict --recordings https://example.org/podcast.xml

Shards, checkpoints and what came from the hub lie on the volume `whisper-work`, which all
containers share. Training that is interrupted, or takes longer than the 24 hours that a container
has, goes on from its last checkpoint there. Keys such as HF_TOKEN or MDC_API_KEY come from the
secret that WHISPER_SECRET names when deploying.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import modal

from fti.modal import MINUTES, RETRIES, Outcome, Place

WORK = "/work"
KEPT = {
    "WHISPER_SHARDS": f"{WORK}/shards",
    "WHISPER_CHECKPOINTS": f"{WORK}/checkpoints",
    "WHISPER_DOWNLOADS": f"{WORK}/downloads",
    "WHISPER_MODELS": f"{WORK}/models",  # those that many containers hear with
    "HF_HOME": f"{WORK}/huggingface",
}
CARDS = ["H100", "A100", "L40S", "A10"]  # the first that is free
DAY = 24 * 60 * MINUTES

place = Place("whisper", KEPT, passed=["WHISPER_RECORDINGS"])
work = modal.Volume.from_name("whisper-work", create_if_missing=True)
volumes = {**place.volumes, WORK: work}
app = modal.App("whisper", image=place.image, secrets=place.secrets, volumes=volumes)
with_torch = place.image_of("whisper-training")

CPU: dict[str, Any] = {"cpu": 2.0, "memory": 4096, "retries": RETRIES}  # MiB
GPU: dict[str, Any] = {
    "image": with_torch,
    "gpu": CARDS,
    "cpu": 8.0,  # which read and change the audio
    "memory": 32 * 1024,
    "timeout": DAY,
    "startup_timeout": 10 * MINUTES,
    "retries": modal.Retries(max_retries=10, initial_delay=0.0),
    "single_use_containers": True,
}


@app.function(schedule=modal.Cron("33 6 * * 1", timezone="UTC"), timeout=180 * MINUTES, **CPU)
def weekly(date: str | None = None) -> Outcome:
    """Write down what is new in WHISPER_RECORDINGS; score the registered model once more."""
    from whisper.batch_inference_pipeline import write_down

    return place.run(write_down, date=date, mapper=listening)


@app.function(timeout=180 * MINUTES, **CPU)
def predict(
    recordings: str | None = None,
    language: str | None = None,
    task: str = "transcribe",
    date: str | None = None,
) -> Outcome:
    """Write down recordings now: a folder on the volume, a list of addresses, or a feed."""
    from whisper.batch_inference_pipeline import write_down

    options = {"where": recordings, "language": language, "task": task}
    return place.run(write_down, date=date, mapper=listening, **options)


@app.function(timeout=DAY, **CPU)
def features(
    source: str | None = None,
    date: str | None = None,
    language: str | None = None,
    tokenizer: str | None = None,
    test_source: str | None = None,
) -> Outcome:
    """Store the clips of a source; the parts of its shards are made side by side."""
    from whisper.feature_pipeline import store

    options = {"language": language, "tokenizer": tokenizer, "test_source": test_source}
    return place.run(store, source=source, date=date, mapper=converting, **options)


@app.function(**GPU)
def train(
    recipe: str = "fast",
    settings: str = "",
    task: str | None = None,
    date: str | None = None,
    push_to_hub: str | None = None,
) -> Outcome:
    """Train now, test, and register what is not worse; `settings` as "learning_rate=2e-5 ...".

    The hours of training come before the project is opened, which thus waits for nobody.
    """
    from whisper import learning, processes, training_pipeline

    chosen = training_pipeline.choose(recipe, settings.split(), task)
    with shared(), starting_again():
        processes.fit(chosen, Path(os.environ["WHISPER_SHARDS"]), learning.checkpoints())
        return place.run(training_pipeline.run, recipe=chosen, date=date, push=push_to_hub)


@app.function(image=with_torch, cpu=1.0, memory=4096, timeout=DAY, retries=RETRIES)
def sweep(text: str) -> str:
    """Train the recipes of a grid side by side; give the table as text."""
    from whisper import grid, learning

    folders = Path(os.environ["WHISPER_SHARDS"]), learning.checkpoints()
    with shared():
        return grid.markdown(grid.run(grid.read(text), *folders, mapper=attempting))


# Who does parts of it


@app.function(timeout=60 * MINUTES, **CPU)
def convert(part: Any) -> Any:
    """Make one part of shards."""
    from whisper import shards

    with shared():
        return shards.convert(part)


@app.function(timeout=60 * MINUTES, **CPU)
def listen(job: Any) -> Any:
    """Write down one recording."""
    from whisper.transcribing import transcribe

    with shared():
        return transcribe(job)


@app.function(**GPU)
def attempt(variant: Any) -> str:
    """Train one recipe of a grid, and keep what it hears in the validation split."""
    from whisper import grid

    with shared(), starting_again():
        return grid.measure(variant)


def converting(_: Callable, parts: Iterable[Any]) -> Iterator[Any]:
    """Have parts of shards made on other machines, which find the tokenizer on the volume."""
    work.commit()
    yield from convert.map(parts)
    work.reload()


def listening(_: Callable, jobs: Iterable[Any]) -> Iterator[Any]:
    """Have recordings written down on other machines, which find the model on the volume."""
    jobs = list(jobs)
    if not jobs:
        return
    model = Path(jobs[0].model)
    name = hashlib.sha256((model / "model.json").read_bytes()).hexdigest()[:12]
    there = Path(os.environ["WHISPER_MODELS"], name)
    shutil.copytree(model, there, dirs_exist_ok=True)
    work.commit()
    yield from listen.map(replace(job, model=str(there)) for job in jobs)


def attempting(_: Callable, variants: Iterable[Any]) -> Iterator[str]:
    """Have recipes tried on other machines."""
    yield from attempt.map(variants)
    work.reload()


@contextmanager
def shared() -> Iterator[None]:
    """Have what other containers put on the volume, and give them what this one does."""
    work.reload()
    try:
        yield
    finally:
        work.commit()


@contextmanager
def starting_again() -> Iterator[None]:
    """Let Modal take a preempted training for what it is: no result, to be run again."""
    from whisper.preemption import Preempted

    try:
        yield
    except Preempted as stopped:
        raise KeyboardInterrupt from stopped


# From a shell


@app.local_entrypoint()
def learn(recipe: str = "fast", settings: str = "", task: str = "", push_to_hub: str = "") -> None:
    """Start training; with `modal run --detach` it goes on when this command is stopped."""
    options = {"task": task or None, "push_to_hub": push_to_hub or None}
    sys.stdout.write(f"{train.spawn(recipe, settings, **options).get()}\n")


@app.local_entrypoint()
def compare(grid: str) -> None:
    """Train the recipes of a grid on machines of their own, and print the table."""
    sys.stdout.write(sweep.spawn(Path(grid).read_text(encoding="utf-8")).get() + "\n")
