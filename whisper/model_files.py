"""Where the models come from that transcribe: this project's, others' folders, the hub.

opened("./model", cache())                         of `exporting`, transformers or CTranslate2
opened("Systran/faster-whisper-small", cache())    from the hub, kept by its client
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fti import projects
from fti.errors import UserError
from whisper import labels
from whisper.engines import POSITIONS, Specials, Weights

log = logging.getLogger(__name__)

CONVERTED, RECORD = "model.bin", "training.json"
WINDOW = 30.0  # seconds, of models that do not say otherwise
BESIDE = ["*.json", "*.txt"]  # what a model on the hub has beside its weights
COPIED = ("tokenizer.json", "preprocessor_config.json")
INT8 = "int8"


@dataclass(frozen=True)
class Model:
    """A model's files and what is known of it."""

    name: str
    weights: Weights
    tokenizer: labels.Tokenizer
    record: dict[str, Any] = field(default_factory=dict)  # training.json; of others, nothing

    @property
    def windows(self) -> tuple[float, ...]:
        """The lengths, in seconds and ascending, that it was trained on."""
        return tuple(sorted(self.record.get("windows") or [WINDOW]))

    @property
    def longest(self) -> float:
        """Its full window, in seconds."""
        return max(self.record.get("longest") or WINDOW, self.windows[-1])

    @property
    def slack(self) -> float:
        """The silence, in seconds, that a window has behind its speech at least."""
        return self._knob("slack", 0.0)

    @property
    def languages(self) -> tuple[str, ...]:
        """Those it was trained on, as "sv"; nothing where nobody says."""
        return tuple(self.record.get("languages") or ())

    @property
    def timed(self) -> bool:
        """Whether it can say when segments begin and end."""
        return not self.record or self._knob("timestamps_share", 0.0) > 0

    @property
    def specials(self) -> Specials:
        """The marks that engines have to know."""
        one = self.tokenizer
        return Specials(one.start, one.end, one.no_speech, one.no_timestamps, one.timestamp_begin)

    def _knob(self, name: str, otherwise: float) -> float:
        return self.record.get("knobs", {}).get(name, otherwise)

    def refuse_task(self, task: str) -> None:
        """Raise UserError for a task that it was not trained for."""
        known = self.record.get("tasks") or labels.TASKS
        if task not in known:
            raise UserError(
                f"The model {self.name} was not trained to {task}: choose {' or '.join(known)}, or"
                " another model."
            )


def cache() -> Path:
    """Where conversions and findings are kept."""
    return projects.home() / "cache" / "whisper"


def opened(where: str | Path, kept: Path) -> Model:
    """Find a model; raises UserError where there is none that can be run.

    What has to be converted is kept in the folder `kept`.
    """
    folder = Path(where).expanduser()
    if not folder.is_dir():
        folder = _from_hub(str(where))
    weights = _weights(folder, kept)
    tokenizer = labels.load(weights.ctranslate2 if _has_tokenizer(weights) else folder)
    record = folder / RECORD
    told = json.loads(record.read_text("utf-8")) if record.exists() else {}
    return Model(str(where), weights, tokenizer, told)


def _weights(folder: Path, kept: Path) -> Weights:
    config = _config_of_transformers(folder)
    positions = config.get("max_target_positions", POSITIONS)
    there = any((folder / f"model.safetensors{end}").exists() for end in ("", ".index.json"))
    of_transformers = folder if there and config else None
    for place in (folder / "ctranslate2", folder):
        if (place / CONVERTED).exists():
            return Weights(place, of_transformers, positions)
    if of_transformers:
        return Weights(_converted(folder, kept), of_transformers, positions)
    raise UserError(
        f"{folder}: there is no Whisper model in it; give a folder with {CONVERTED} or"
        " model.safetensors, or the name of a model on the hub."
    )


def _has_tokenizer(weights: Weights) -> bool:
    return (weights.ctranslate2 / labels.FILE).exists()


def _config_of_transformers(folder: Path) -> dict[str, Any]:
    """Read config.json; CTranslate2 has another one of this name, of which nothing is given."""
    path = folder / "config.json"
    told = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return told if "d_model" in told else {}


def _converted(folder: Path, kept: Path) -> Path:
    """Convert a folder of transformers to CTranslate2, once for all runs."""
    about = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.glob("*.*"))
    ]
    key = hashlib.sha256(json.dumps([str(folder.resolve()), about]).encode()).hexdigest()[:16]
    target = kept / "converted" / key
    if (target / CONVERTED).exists():
        return target
    if importlib.util.find_spec("transformers") is None:
        raise UserError(
            f"{folder}: this model has to be converted for CTranslate2 once, which needs"
            " transformers: install requirements/whisper-training.txt, or give a converted one."
        )
    from ctranslate2.converters import TransformersConverter

    log.info("%s is converted to int8, once", folder)
    aside = target.with_name(f"{key}.part")
    beside = [name for name in COPIED if (folder / name).exists()]
    converter = TransformersConverter(str(folder), copy_files=beside)
    converter.convert(str(aside), quantization=INT8, force=True)
    aside.replace(target)
    return target


def _from_hub(name: str) -> Path:
    """Download a model: in CTranslate2's form where there is one, otherwise in transformers'."""
    from httpx2 import HTTPError  # which the hub's client speaks through
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, allow_patterns=[*BESIDE, CONVERTED]))
        if not (folder / CONVERTED).exists():
            folder = Path(snapshot_download(name, allow_patterns=[*BESIDE, "model*.safetensors"]))
        return folder
    except HFValidationError as error:
        reason = "there is no such folder, and no such name on the hub"
        raise UserError(f"The model {name} cannot be opened: {reason}.") from error
    except LocalEntryNotFoundError as error:
        reason = "it is not on this machine, and the hub cannot be reached"
        raise UserError(
            f"The model {name} cannot be opened: {reason}; give a folder that holds a model."
        ) from error
    except (HfHubHTTPError, HTTPError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"The model {name} cannot be opened: the hub says {reason}") from error
