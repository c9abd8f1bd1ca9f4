"""What runs a model: CTranslate2, or torch where that is installed and faster on this CPU.

    engine = engines.fastest(weights, specials, threads=2, cache=folder)
    engine.decode(log_mels, prompts, max_tokens)      the likeliest tokens of each window
    engine.languages(log_mels, {"sv": 50327, ...})     how probable each language is

Both compute in int8 and choose greedily. Which one is faster depends on the CPU, so they are timed
once, for some ten seconds, and what was found is kept in a file.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import logging
import os
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from fti.errors import UserError

log = logging.getLogger(__name__)

NAMES = ("ctranslate2", "torch")
FOUND = "engines.json"  # in the cache: which engine was faster, by machine and shape of model
PROBE_SECONDS = 10.0
PROBE_TOKENS = 24
ENOUGH = 5  # times that each engine is timed at most
POSITIONS = 448  # of all models of OpenAI


@dataclass(frozen=True)
class Specials:
    """The numbers of the marks that decoding has to know."""

    start: int
    end: int
    no_speech: int
    no_timestamps: int
    timestamps: int  # the first of them, 0 s


@dataclass(frozen=True)
class Decoded:
    """What was heard in a window."""

    ids: list[int]  # text and timestamps, without prompt and end
    logprob: float  # of a token, the mean; near 0 is sure
    no_speech: float  # how probable it is that nobody speaks


@dataclass(frozen=True)
class Weights:
    """Where a model lies, for each engine that can read it."""

    ctranslate2: Path
    torch: Path | None = None  # as transformers writes it
    positions: int = POSITIONS  # tokens that fit, the prompt included


class Engine(Protocol):
    """Runs a model; windows are float32 of windows x bands x frames."""

    name: str
    bands: int

    def decode(
        self,
        features: np.ndarray,
        prompts: Sequence[Sequence[int]],
        max_tokens: int,
        never: Sequence[int] = (),
    ) -> list[Decoded]:
        """Say what is heard in each window, in `max_tokens` at most.

        Prompts have one length. Without the mark for no timestamps in them, segments begin and
        end with timestamps. `never` are tokens that are not said.
        """

    def languages(self, features: np.ndarray, tokens: Mapping[str, int]) -> list[dict[str, float]]:
        """Tell for each window how probable each language is of those whose tokens are given.

        Raises UserError for a model that does not tell languages apart.
        """


class CTranslate2:
    """A model that CTranslate2 has converted; see `Engine`."""

    name = "ctranslate2"

    def __init__(
        self, weights: Weights, specials: Specials, threads: int = 0, compute_type: str = "int8"
    ):
        from ctranslate2.models import Whisper

        self.specials, self.positions, folder = specials, weights.positions, weights.ctranslate2
        try:
            self._model = Whisper(
                str(folder), device="cpu", intra_threads=threads, compute_type=compute_type
            )
        except (RuntimeError, ValueError) as error:
            raise UserError(f"{folder}: CTranslate2 cannot load this model ({error}).") from error
        self.bands = self._model.n_mels

    def decode(
        self,
        features: np.ndarray,
        prompts: Sequence[Sequence[int]],
        max_tokens: int,
        never: Sequence[int] = (),
    ) -> list[Decoded]:
        """Say the likeliest token, again and again, for each window."""
        room = min(max_tokens, self.positions - len(prompts[0]))
        results = self._model.generate(
            _view(features),
            [list(prompt) for prompt in prompts],
            beam_size=1,
            # Half of it is for the prompt, whatever that has.
            max_length=2 * max(room, len(prompts[0])),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=[-1, *never],
        )
        return [
            Decoded(ids[:room], score * len(ids) / (len(ids) + 1), result.no_speech_prob)
            for result in results
            for ids, score in [(result.sequences_ids[0], result.scores[0])]
        ]

    def languages(self, features: np.ndarray, tokens: Mapping[str, int]) -> list[dict[str, float]]:
        """Tell for each window how probable each language is; see `Engine`."""
        try:
            found = self._model.detect_language(_view(features))
        except RuntimeError:  # its vocabulary is not that of a multilingual model
            found = []
        told = [{name.strip("<|>"): chance for name, chance in one} for one in found]
        if not told or any(set(tokens) - set(one) for one in told):
            raise UserError("This model cannot tell languages apart: say which one is spoken.")
        return [shares({code: one[code] for code in tokens}) for one in told]


def engine(
    name: str, weights: Weights, specials: Specials, *, threads: int = 0, compute_type: str = "int8"
) -> Engine:
    """Give the engine of a name; raises UserError where it cannot be had."""
    if name == "ctranslate2":
        return CTranslate2(weights, specials, threads, compute_type)
    if name != "torch":
        raise UserError(f"There is no engine '{name}': choose auto, {' or '.join(NAMES)}.")
    if importlib.util.find_spec("torch") is None:
        raise UserError(
            "The engine torch needs torch, which is not installed: install"
            " requirements/whisper-training.txt, or choose the engine ctranslate2."
        )
    if weights.torch is None:
        raise UserError(
            f"The engine torch needs model.safetensors, and {weights.ctranslate2} has none: choose"
            " the engine ctranslate2."
        )
    from whisper.torch_engine import TorchEngine

    return TorchEngine(weights.torch, specials, threads)


def fastest(
    weights: Weights,
    specials: Specials,
    *,
    frames: int = 3000,
    threads: int = 0,
    cache: Path | None = None,
) -> Engine:
    """Give the engine that is faster here, timed with windows of `frames` unless that is known.

    Without torch, or without its files, that is CTranslate2 and nothing is timed. `cache` is the
    folder in which findings are kept; without one there is a probe each time.
    """
    if weights.torch is None or importlib.util.find_spec("torch") is None:
        return engine("ctranslate2", weights, specials, threads=threads)
    key = _machine_and_model(weights.torch, frames, threads)
    known = _known(cache)
    if key in known:
        return engine(known[key]["engine"], weights, specials, threads=threads)
    made = {name: engine(name, weights, specials, threads=threads) for name in NAMES}
    seconds = probe(made.values(), specials, frames)
    winner = min(seconds, key=seconds.get)
    log.info(
        "%s is the faster engine here: %s for %g s of sound",
        winner,
        ", ".join(f"{name} {taken:.2f} s" for name, taken in seconds.items()),
        frames / 100,
    )
    _keep(cache, key, {"engine": winner, "seconds": seconds})
    return made[winner]


def probe(
    several: Iterable[Engine], specials: Specials, frames: int, longest: float = PROBE_SECONDS
) -> dict[str, float]:
    """Time engines in turn for `longest` seconds: the best wall time of each for a window, by name.

    What is heard is noise; as many tokens are said by each. Each has two goes at least, five at
    most.
    """
    several = list(several)
    sound = np.random.default_rng(0).standard_normal((1, several[0].bands, frames))
    sound = sound.astype(np.float32)
    prompts = [[specials.start, specials.start + 1, specials.no_timestamps]]
    best = {one.name: float("inf") for one in several}
    began, turns = time.perf_counter(), 0
    while turns < 2 or (
        turns < ENOUGH and time.perf_counter() - began < longest * turns / (turns + 1)
    ):
        for one in several:
            before = time.perf_counter()
            one.decode(sound, prompts, PROBE_TOKENS, never=[specials.end])
            best[one.name] = min(best[one.name], time.perf_counter() - before)
        turns += 1
    return best


def shares(chances: Mapping[str, float]) -> dict[str, float]:
    """Give probabilities that sum up to 1, the highest first."""
    total = sum(chances.values()) or 1.0
    ordered = sorted(chances.items(), key=lambda pair: -pair[1])
    return {name: chance / total for name, chance in ordered}


def _view(features: np.ndarray):
    from ctranslate2 import StorageView

    return StorageView.from_array(np.ascontiguousarray(features, dtype=np.float32))


def _machine_and_model(folder: Path, frames: int, threads: int) -> str:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    shape = [config[k] for k in ("d_model", "encoder_layers", "decoder_layers", "vocab_size")]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in NAMES]
    cores = threads or os.cpu_count()
    return ", ".join(map(str, [_cpu(), *versions, f"{cores} threads", *shape, f"{frames} frames"]))


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        told = dict(
            line.split(":", 1) for line in info.read_text("utf-8").splitlines() if ":" in line
        )
        told = {key.strip(): value.strip() for key, value in told.items()}
        parts = (told.get(key) for key in ("model name", "cpu family", "model", "stepping"))
        return " ".join(part for part in parts if part)
    return platform.processor() or platform.machine()


def _known(cache: Path | None) -> dict[str, dict]:
    if cache is None or not (cache / FOUND).exists():
        return {}
    try:
        found = json.loads((cache / FOUND).read_text("utf-8"))
    except ValueError:
        return {}  # a damaged file costs a probe and nothing else
    right = isinstance(found, dict)
    return {k: v for k, v in found.items() if v.get("engine") in NAMES} if right else {}


def _keep(cache: Path | None, key: str, found: dict) -> None:
    if cache is None:
        return
    cache.mkdir(parents=True, exist_ok=True)
    aside = cache / f"{FOUND}.{os.getpid()}"
    aside.write_text(json.dumps(_known(cache) | {key: found}, indent=1), encoding="utf-8")
    aside.replace(cache / FOUND)
