"""Models as files, without pickle, and their way in and out of the model registry.

A model folder holds one model file, whatever files travel with it, and `model.json`, which names
the format, the class, the library versions, the feature columns in order and the SHA-256 of every
file:

- `model.skops`: scikit-learn estimators and pipelines, XGBoost inside them included
- `model.ubj`: a plain XGBoost booster or estimator, in XGBoost's own format
- `model.safetensors`: the weights of a torch module
- a folder somebody else wrote, such as transformers' `save_pretrained`, subfolders included

Reading one runs no code from the file. The hashes find damage, not forgery: whoever may write to
the registry is trusted, because crafted numbers in a tree can still crash the process that
predicts with it.
"""

import hashlib
import json
import logging
import math
import platform
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as distribution_version
from pathlib import Path, PurePosixPath
from typing import Any

from fti.errors import UserError

log = logging.getLogger(__name__)

MANIFEST = "model.json"
FILES = {"skops": "model.skops", "ubj": "model.ubj", "safetensors": "model.safetensors"}
LIBRARIES = {
    "skops": ["scikit-learn", "skops", "numpy"],
    "ubj": ["xgboost"],
    "safetensors": ["torch", "safetensors"],
    "folder": [],
}
REGISTRY_KINDS = {"skops": "sklearn", "ubj": "python", "safetensors": "torch", "folder": "python"}
PICKLES = {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin"}
# How CTranslate2 begins its `model.bin`: version 6, the length of a name, the name. No pickle does.
NO_PICKLE = b"\x06\0\0\0\x0c\0WhisperSpec\0"

XGBOOST_CLASSES = {
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRanker",
    "xgboost.sklearn.XGBRegressor",
}
# Types in fitted models that skops leaves to the reader's judgement. None of them runs code from
# the file. Trees and boosters hold indices that their libraries follow unchecked, so a crafted
# file could crash a prediction: the module docstring says whom that leaves to trust.
TRUSTED = XGBOOST_CLASSES | {
    "functools.partial",  # of functions that are trusted themselves
    "numpy.dtype",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",  # in SplineTransformer
    "scipy.interpolate._bsplines.BSpline",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils.validation.check_array",  # in HistGradientBoosting with categories
}

SAVE_ATTEMPTS = 3
SAVE_PAUSE = 5  # seconds; the Hopsworks client polls a new model at the same pace


class ModelError(UserError, ValueError):
    """A model cannot be written, found or read as asked."""


class IncompatibleModelError(ModelError):
    """A model is intact, but was made by library versions that this one cannot stand in for."""


# Models as files


def write_model(
    model: Any, folder: Path, files: Mapping[str, bytes | Path] | None = None
) -> dict[str, Any]:
    """Write a model, the files that travel with it and `model.json` into `folder`.

    In: a fitted scikit-learn estimator or pipeline, an XGBoost model, a torch module, or the path
    of a folder that holds a model already; `files` maps names to contents or to files to copy.
    Out: the manifest, as `model.json` has it.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    form = _format_of(model)
    details = WRITERS[form](model, folder)
    for name, content in (files or {}).items():
        _write_file(folder, name, content)
    _refuse_pickles(folder)
    libraries = LIBRARIES[form] + (["xgboost"] if _has_xgboost(details) else [])
    versions = {"python": platform.python_version()}
    manifest = {
        "format": form,
        "class": None if form == "folder" else _qualified_name(type(model)),
        "features": _feature_names(model, form),
        "versions": versions | {library: _installed(library) for library in libraries},
        **details,
        "files": {name: _sha256(folder / name) for name in _file_names(folder)},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    return manifest


def read_model(folder: Path, trusted: Iterable[str] = (), module: Any = None) -> Any:
    """Read the model that `write_model` wrote into `folder`.

    `trusted` adds names such as "titanic.model.SurvivalModel" to the types a skops file may hold.
    Out: the model; for torch, `module` with the weights loaded, or the bare weights by name; for
    a folder somebody else wrote, its path.

    Refuses pickles, files that differ from their recorded hash, and skops files from another
    major.minor version of scikit-learn or XGBoost: neither library promises that a model read
    across those predicts the same, and a wrong number is worse than none. Training again mends
    that.
    """
    folder = Path(folder)
    return _read(folder, read_manifest(folder), trusted, module)


def _read(folder: Path, manifest: Mapping[str, Any], trusted: Iterable[str], module: Any) -> Any:
    if manifest["format"] == "skops":
        _require_same_versions(manifest["versions"])
        return _read_skops(folder / FILES["skops"], trusted)
    if manifest["format"] == "ubj":
        return _read_xgboost(folder / FILES["ubj"], manifest)
    if manifest["format"] == "safetensors":
        return _read_torch(folder / FILES["safetensors"], module)
    return folder


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return `model.json` of a model folder after checking every file against it."""
    if not folder.is_dir():
        raise ModelError(f"there is no model folder {folder}")
    _refuse_pickles(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise ModelError(f"{folder} has no {MANIFEST}, so fti did not write it")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        form, files, versions = (manifest[key] for key in ("format", "files", "versions"))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is damaged ({error!r})") from None
    if not (isinstance(form, str) and isinstance(files, dict) and isinstance(versions, dict)):
        raise ModelError(f"{path} is damaged (format, files or versions)")
    if form not in REGISTRY_KINDS or (form in FILES and FILES[form] not in files):
        raise ModelError(f"{path} is damaged (a {form} model in {', '.join(files) or 'no file'})")
    for name, expected in files.items():
        _verify(folder, name, expected)
    return manifest


def _format_of(model: Any) -> str:
    ancestors = [_qualified_name(cls) for cls in type(model).__mro__]
    if isinstance(model, Path):
        return "folder"
    if ancestors[0] in XGBOOST_CLASSES:
        return "ubj"
    if "torch.nn.modules.module.Module" in ancestors:
        return "safetensors"
    if hasattr(model, "predict"):
        return "skops"
    raise ModelError(
        f"a {ancestors[0]} is not a model: save an object with a predict method, a torch module "
        "or the Path of a folder that holds a model"
    )


def _write_skops(model: Any, folder: Path) -> dict[str, Any]:
    from zipfile import ZIP_DEFLATED

    from skops import io

    path = folder / FILES["skops"]
    try:
        io.dump(model, path, compression=ZIP_DEFLATED)  # a third of the size or less
    except TypeError as error:
        raise ModelError(f"skops cannot write this model: {error}") from error
    types = io.get_untrusted_types(file=path)
    unreadable = [name for name in types if name.startswith("__main__.") or "<" in name]
    if unreadable:
        raise ModelError(
            f"the model holds {', '.join(unreadable)}, which no other process can import: "
            "define it at the top of a module, not in the script being run"
        )
    return {"types": types}


def _read_skops(path: Path, trusted: Iterable[str]) -> Any:
    from skops import io
    from skops.io.exceptions import UntrustedTypesFoundException

    allowed = TRUSTED | set(trusted)
    try:
        return io.load(path, trusted=sorted(allowed))
    except UntrustedTypesFoundException:
        refused = sorted(set(io.get_untrusted_types(file=path)) - allowed)
        raise ModelError(
            f"{path} holds types nobody vouched for: {', '.join(refused)} (if they are yours, "
            "name them in `trusted`)"
        ) from None


def _write_xgboost(model: Any, folder: Path) -> dict[str, Any]:
    model.save_model(folder / FILES["ubj"])
    # the file keeps what was learned; `missing` and its like are the estimator's and would be lost
    given = model.get_params() if hasattr(model, "get_params") else {}
    return {"parameters": {name: value for name, value in given.items() if _is_plain(value)}}


def _read_xgboost(path: Path, manifest: dict[str, Any]) -> Any:
    import xgboost

    if manifest.get("class") not in XGBOOST_CLASSES:
        raise ModelError(f"{path} is said to be a {manifest.get('class')}, not an XGBoost model")
    model = getattr(xgboost, manifest["class"].rpartition(".")[2])(**manifest.get("parameters", {}))
    model.load_model(path)
    return model


def _write_torch(model: Any, folder: Path) -> dict[str, Any]:
    from safetensors.torch import save_model

    save_model(model, str(folder / FILES["safetensors"]))  # unlike save_file, takes tied weights
    return {}


def _read_torch(path: Path, module: Any) -> Any:
    from safetensors.torch import load_file, load_model

    if module is None:
        return load_file(path)
    load_model(module, path)
    return module


def _copy_folder(model: Path, folder: Path) -> dict[str, Any]:
    if not model.is_dir():
        raise ModelError(f"there is no model folder {model}")
    if (model / MANIFEST).exists():
        raise ModelError(f"{model} has a {MANIFEST} already: read the model and save that")
    shutil.copytree(model, folder, dirs_exist_ok=True)
    return {}


WRITERS = {
    "skops": _write_skops,
    "ubj": _write_xgboost,
    "safetensors": _write_torch,
    "folder": _copy_folder,
}


def _write_file(folder: Path, name: str, content: bytes | Path) -> None:
    path = _inside(folder, name)
    if path.exists() or name == MANIFEST:
        raise ModelError(f"a file {name} cannot travel with the model, which has one by that name")
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        shutil.copyfile(content, path)
    else:
        path.write_bytes(content)


def _inside(folder: Path, name: str) -> Path:
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute() or "\\" in name:
        raise ModelError(f"{name!r} is not a file name inside a model folder")
    return folder.joinpath(*parts)


def _file_names(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(
        name for path in files if (name := path.relative_to(folder).as_posix()) != MANIFEST
    )


def _refuse_pickles(folder: Path) -> None:
    for name in _file_names(folder):
        if PurePosixPath(name).suffix.lower() in PICKLES and not _is_ctranslate2(folder / name):
            raise ModelError(
                f"{folder / name} looks like a pickle, and opening one runs whatever code is in "
                "it: save the model as skops, UBJ or safetensors (fti.save_model does)"
            )


def _is_ctranslate2(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(NO_PICKLE)) == NO_PICKLE


def _verify(folder: Path, name: str, expected: str) -> None:
    path = _inside(folder, name)
    if not path.is_file():
        raise ModelError(f"{path} is missing: the model was not copied whole")
    if _sha256(path) != expected:
        raise ModelError(f"{path} is not the file that was saved (its SHA-256 differs)")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_same_versions(made_with: Mapping[str, str]) -> None:
    for library in ("scikit-learn", "xgboost"):
        if library not in made_with:
            continue
        made, here = str(made_with[library]), _installed(library)
        if made.split(".")[:2] != here.split(".")[:2]:
            raise IncompatibleModelError(
                f"the model was made with {library} {made} and here is {here}: run its training "
                f"pipeline again, or install {library} {made}"
            )


def _installed(library: str) -> str:
    for distribution in (library, f"{library}-cpu"):  # xgboost is often installed as xgboost-cpu
        try:
            return distribution_version(distribution)
        except PackageNotFoundError:
            continue
    raise IncompatibleModelError(f"the model needs {library}, which is not installed")


def _feature_names(model: Any, form: str) -> list[str] | None:
    """The columns the model was fitted on, in order, where it knows them."""
    names = getattr(model, "feature_names_in_", None)
    if names is None and form == "ubj":
        names = getattr(model, "feature_names", None)  # a Booster's
    return None if names is None else [str(name) for name in names]


def _has_xgboost(details: Mapping[str, Any]) -> bool:
    return any(name.startswith("xgboost.") for name in details.get("types", ()))


def _qualified_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _is_plain(value: Any) -> bool:
    try:
        return value is not None and bool(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return False


# Models in the registry


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """A version from the registry: `folder` holds the files that travelled with it."""

    name: str
    version: int
    metrics: dict[str, float]
    folder: Path
    manifest: dict[str, Any]
    created: datetime | None


@dataclass(frozen=True, kw_only=True)
class LoadedModel(ModelFiles):
    """A model from the registry, ready to use."""

    model: Any


class Schema(dict):
    """What a model takes and gives, as the registries want it: Hopsworks asks for its `json()`."""

    def json(self) -> str:
        """Give it as JSON."""
        return json.dumps(self)


def save_model(
    project: Any,
    name: str,
    model: Any,
    metrics: Mapping[str, float],
    *,
    feature_view: Any = None,
    training_dataset_version: int | None = None,
    input_example: Any = None,
    model_schema: Mapping[str, Any] | None = None,
    description: str | None = None,
    tags: Any = None,
    files: Mapping[str, bytes | Path] | None = None,
) -> int:
    """Register a new version of a model, with the files that travel with it; return the version.

    Everything but `model` and `files` goes to Hopsworks' `create_model` as it is. A short hash of
    the files ends the description, so that a save that failed after its work was done is found
    again rather than done twice.
    """
    registry = project.get_model_registry()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        manifest = write_model(model, folder, files)
        details = {
            "metrics": _finite(metrics),
            "feature_view": feature_view,
            "training_dataset_version": training_dataset_version,
            "input_example": input_example,
            "model_schema": None if model_schema is None else Schema(model_schema),
            "description": f"{description or name} ({_signature(manifest)})",
            "tags": tags,
        }
        kind = getattr(registry, REGISTRY_KINDS[manifest["format"]])
        return _register(registry, kind, name, folder, manifest, details)


def fetch_model(project: Any, name: str, version: int | None = None) -> ModelFiles:
    """Download a model version without reading it; None is the latest, not Hopsworks' version 1.

    Raises ModelError when there is none.
    """
    registry = project.get_model_registry()
    found = latest_model(project, name) if version is None else registry.get_model(name, version)
    if found is None:
        which = "" if version is None else f" version {version} of"
        raise ModelError(f"there is no{which} model {name} yet: run its training pipeline first")
    folder = Path(found.download())
    return ModelFiles(
        name=name,
        version=int(found.version),
        metrics={key: float(value) for key, value in (found.training_metrics or {}).items()},
        folder=folder,
        manifest=read_manifest(folder),
        created=moment(found.created),
    )


def load_model(
    project: Any, name: str, version: int | None = None, *, trusted: Iterable[str] = ()
) -> LoadedModel:
    """Download and read a model version, by default the latest."""
    files = fetch_model(project, name, version)
    model = _read(files.folder, files.manifest, trusted, module=None)
    return LoadedModel(**vars(files), model=model)


def current_model(project: Any, name: str, *, trusted: Iterable[str] = ()) -> LoadedModel | None:
    """Return the version that a candidate has to beat, or None where there is none to compare.

    None is also the answer, with a line in the log, for a version made by libraries that this
    environment no longer has: it can serve nobody here, and a training pipeline replaces it.
    """
    if latest_model(project, name) is None:
        return None
    try:
        return load_model(project, name, trusted=trusted)
    except IncompatibleModelError as error:
        log.warning("%s: %s; a new version has nothing to beat", name, error)
        return None


def latest_model(project: Any, name: str) -> Any:
    """Return the registry's entry of the highest version of a model, or None."""
    models = project.get_model_registry().get_models(name) or []
    return max(models, key=lambda model: int(model.version), default=None)


def _register(registry, kind, name, folder, manifest, details) -> int:
    """Save the folder as a new version, again if the server stumbles.

    A loaded Hopsworks cluster may answer 504 to a save that it completes (mlfs-book issue 20), so
    each attempt, and the last failure, first looks for what the one before left behind.
    """
    from tenacity import (
        Retrying,
        before_sleep_log,
        retry_if_exception,
        stop_after_attempt,
        wait_fixed,
    )

    retrying = Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(SAVE_ATTEMPTS),
        wait=wait_fixed(SAVE_PAUSE),
        before_sleep=before_sleep_log(log, logging.WARNING),
        reraise=True,
    )
    before = retrying(_versions, registry, name)

    def save() -> int:
        done = _completed_save(registry, name, before, manifest)
        if done is not None:
            return done
        saved = kind.create_model(name, **details).save(str(folder), keep_original_files=True)
        return int(saved.version)

    try:
        return retrying(save)
    except Exception:
        done = retrying(_completed_save, registry, name, before, manifest)
        if done is None:
            raise
        return done


def _versions(registry, name: str) -> set[int]:
    return {int(model.version) for model in registry.get_models(name) or []}


def _may_pass(error: BaseException) -> bool:
    """Whether to try again: network trouble, an overloaded server, a version half made."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return status in {408, 425, 429} or status >= 500
    network = isinstance(error, ConnectionError | TimeoutError)
    return (
        network or type(error).__module__.startswith("requests.") or "already exists" in str(error)
    )


def _completed_save(registry, name: str, before: set, manifest: dict) -> int | None:
    """Find the version that a failed save left behind, if whole; remove it if it has lost files.

    The Hopsworks client deletes the files of a save that fails, but not its registry entry, which
    would then pass for the latest version.
    """
    for model in registry.get_models(name) or []:
        if int(model.version) in before or _signature(manifest) not in (model.description or ""):
            continue
        if _is_whole(model, manifest):
            return int(model.version)
        model.delete()
    return None


def _is_whole(model: Any, manifest: dict) -> bool:
    with tempfile.TemporaryDirectory() as temporary:
        try:
            return read_manifest(Path(model.download(local_path=temporary))) == manifest
        except Exception:  # the client has no one error for files that are not there
            log.warning("%s version %s is not whole", model.name, model.version, exc_info=True)
            return False


def _signature(manifest: Mapping[str, Any]) -> str:
    listed = json.dumps(manifest["files"], sort_keys=True).encode()
    return f"files {hashlib.sha256(listed).hexdigest()[:12]}"


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    scores = {name: float(value) for name, value in metrics.items()}
    unusable = [f"{name} is {value}" for name, value in scores.items() if not math.isfinite(value)]
    if unusable:
        raise ModelError(f"a model is registered with finite scores only: {', '.join(unusable)}")
    return scores


def moment(created: Any) -> datetime | None:
    """Hopsworks gives milliseconds since 1970; a folder may give ISO text. Out: UTC."""
    if created is None:
        return None
    if isinstance(created, int | float):
        return datetime.fromtimestamp(created / 1000, UTC)
    moment = created if isinstance(created, datetime) else datetime.fromisoformat(str(created))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
