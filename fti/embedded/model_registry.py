"""The model registry of an embedded project: versions of models as folders of files.

A version is written to a temporary folder, renamed in one step and then listed in the catalog
with a SHA-256 of each file. A version whose save was cut short is not listed; the next save
removes what is left of it.
"""

from __future__ import annotations

import json
import re
import shutil
import warnings
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fti.embedded.catalog import AlreadyExists, Entry
from fti.embedded.exceptions import ModelRegistryException, VersionWarning
from fti.embedded.files import LOCK, checksums, copy_whole, remove, sha256, sweep, temporary_beside
from fti.embedded.tags import Tagged
from fti.embedded.unsupported import Unsupported, not_embedded

if TYPE_CHECKING:
    from fti.embedded.feature_view import FeatureView
    from fti.embedded.project import Project

DEFAULT_VERSION = 1
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
LOCK_TIMEOUT = 600  # seconds another process may take to save a version


class ModelRegistry(Unsupported):
    """Models of one project."""

    def __init__(self, project: Project):
        self.project = project
        self.catalog = project.catalog
        self.python = Framework(self, "PYTHON")
        self.sklearn = Framework(self, "SKLEARN")
        self.torch = Framework(self, "TORCH")
        self.tensorflow = Framework(self, "TENSORFLOW")
        self.llm = Framework(self, "LLM")

    def __repr__(self) -> str:
        return f"ModelRegistry({self.project_name!r})"

    @property
    def project_name(self) -> str:
        """Name of the project."""
        return self.project.name

    @property
    def project_id(self) -> int:
        """Number of the project."""
        return self.project.id

    @property
    def project_path(self) -> str:
        """Path of the project."""
        return f"/Projects/{self.project.name}"

    @property
    def model_registry_id(self) -> int:
        """Number of the registry: a project has one."""
        return 1

    @property
    def shared_registry_project_name(self) -> None:
        """Always None: a project has only its own registry."""
        return None

    def get_model(self, name: str, version: int | None = None) -> Model | None:
        """Give a model, or None; without a version it is version 1 (not the newest), warned of."""
        if version is None:
            warnings.warn(
                f"No version provided for getting model `{name}`, defaulting to "
                f"`{DEFAULT_VERSION}`.",
                VersionWarning,
                stacklevel=2,
            )
            version = DEFAULT_VERSION
        entry = self.catalog.get("model", name, version)
        return Model(self, entry) if entry else None

    def get_models(self, name: str) -> list[Model]:
        """Give all versions of a model, oldest first."""
        return [Model(self, entry) for entry in self.catalog.find("model", name)]

    def get_best_model(self, name: str, metric: str, direction: str) -> Model | None:
        """Give the version with the highest ('max') or lowest ('min') metric, or None."""
        if direction not in ("max", "min"):
            raise ModelRegistryException(f"direction {direction!r} is not known: use max or min")
        scored = [model for model in self.get_models(name) if metric in model.training_metrics]
        sign = 1 if direction == "max" else -1
        return max(
            scored,
            key=lambda model: (sign * model.training_metrics[metric], model.version),
            default=None,
        )

    def all_models(self) -> list[Model]:
        """Give all versions of all models (not Hopsworks' API)."""
        return [Model(self, entry) for entry in self.catalog.find("model")]


class Framework:
    """Creates models of one framework, such as `registry.sklearn`."""

    def __init__(self, registry: ModelRegistry, name: str):
        self._registry = registry
        self._name = name

    def create_model(
        self,
        name: str,
        version: int | None = None,
        metrics: dict[str, float] | None = None,
        description: str | None = None,
        input_example: Any = None,
        model_schema: Any = None,
        feature_view: FeatureView | None = None,
        training_dataset_version: int | None = None,
        tags: dict[str, Any] | None = None,
    ) -> Model:
        """Describe a new model version, without a version the next one; `save` stores it.

        Raises ModelRegistryException for a name that could not name a folder.
        """
        if not NAME.fullmatch(name):
            raise ModelRegistryException(
                f"The model name {name!r} is not allowed: use letters, digits, `_`, `-` and `.`."
            )
        if model_schema is not None and not hasattr(model_schema, "json"):
            raise AttributeError(
                f"model_schema is a {type(model_schema).__name__} without json(), which Hopsworks "
                "asks it for: give an hsml ModelSchema or a fti.models.Schema"
            )
        if feature_view is not None and training_dataset_version is None:
            training_dataset_version = feature_view.get_last_accessed_training_dataset()
        document = {
            "framework": self._name,
            "metrics": _metrics(metrics or {}),
            "description": description,
            "input_example": _jsonable(input_example),
            "model_schema": _jsonable(model_schema),
            "feature_view": [feature_view.name, feature_view.version] if feature_view else None,
            "training_dataset_version": training_dataset_version,
            "tags": dict(tags or {}),
            "files": {},
        }
        return Model(self._registry, Entry(0, "model", name, version or 0, "", document))


class Model(Tagged):
    """One version of a model."""

    def __init__(self, registry: ModelRegistry, entry: Entry):
        self._store = registry  # what `Tagged` finds the catalog on
        self._entry = entry

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            not_embedded("Model", name)
        raise AttributeError(f"'Model' object has no attribute '{name}'.")

    def __repr__(self) -> str:
        return f"Model(name: {self.name!r}, version: {self.version})"

    @property
    def id(self) -> str:
        """Name and version."""
        return f"{self.name}_{self.version}"

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._entry.name

    @property
    def version(self) -> int | None:
        """Version; None until it is saved, unless it was given."""
        return self._entry.version or None

    @property
    def created(self) -> datetime | None:
        """When it was saved (UTC)."""
        return datetime.fromisoformat(self._entry.created) if self._entry.created else None

    @property
    def description(self) -> str | None:
        """What the model does."""
        return self._entry.document["description"]

    @property
    def framework(self) -> str:
        """PYTHON, SKLEARN, TORCH, TENSORFLOW or LLM."""
        return self._entry.document["framework"]

    @property
    def training_metrics(self) -> dict[str, float]:
        """Scores given when it was created."""
        return self._entry.document["metrics"]

    @property
    def input_example(self) -> Any:
        """Rows the model takes."""
        return self._entry.document["input_example"]

    @property
    def model_schema(self) -> Any:
        """Columns the model takes and gives."""
        return self._entry.document["model_schema"]

    @property
    def training_dataset_version(self) -> int | None:
        """Version of the training dataset it was trained on."""
        return self._entry.document["training_dataset_version"]

    @property
    def project_name(self) -> str:
        """Name of the project."""
        return self._store.project_name

    @property
    def model_registry_id(self) -> int:
        """Number of the registry."""
        return self._store.model_registry_id

    @property
    def shared_registry_project_name(self) -> None:
        """Always None: a project has only its own registry."""
        return None

    @property
    def model_path(self) -> str:
        """Path of all versions in the project."""
        return f"/Projects/{self.project_name}/Models/{self.name}"

    @property
    def version_path(self) -> str:
        """Path of this version in the project."""
        return f"{self.model_path}/{self.version}"

    @property
    def model_files_path(self) -> str:
        """Path of this version's files in the project."""
        return f"{self.version_path}/Files"

    def save(
        self,
        model_path: str,
        await_registration: int = 480,
        keep_original_files: bool = False,
        upload_configuration: dict[str, Any] | None = None,
    ) -> Model:
        """Store a file or the files of a folder as this version; the originals stay.

        Raises ModelRegistryException when the version exists already.
        """
        source = Path(model_path)
        if not source.exists():
            raise OSError(f"Could not find path {model_path}: there is nothing to save")
        with self._lock():
            version = self._free_version()
            target = self._folder(version)
            remove(target)  # a save that was cut short left it; the catalog does not know it
            sweep(target.parent)
            self._write(source, target)
            self._entry.document["files"] = checksums(target / "Files")
            try:
                catalog = self._store.catalog
                self._entry = catalog.add("model", self.name, version, self._entry.document)
            except AlreadyExists as error:
                raise self._exists(version) from error
        return self

    def download(self, local_path: str | None = None) -> str:
        """Give a folder with the model's files: the stored ones, or a copy at `local_path`.

        Raises ModelRegistryException when a file is not what was saved.
        """
        stored = self._folder(self._saved()) / "Files"
        for name, digest in self._entry.document["files"].items():
            file = stored / name
            if not file.is_file() or sha256(file) != digest:
                raise ModelRegistryException(
                    f"{name} of model {self.name} version {self.version} is not the file that was "
                    "saved: train the model again, or delete this version."
                )
        if local_path is None:
            return str(stored)
        shutil.copytree(stored, local_path, dirs_exist_ok=True)
        return str(local_path)

    def delete(self) -> None:
        """Remove this version and its files."""
        folder = self._folder(self._saved())
        self._store.catalog.remove(self._entry)
        remove(folder)

    def get_feature_view(self, init: bool = True, online: bool = False) -> FeatureView | None:
        """Give the feature view it was trained on, ready for batch scoring, or None."""
        named = self._entry.document["feature_view"]
        if named is None:
            return None
        view = self._store.project.get_feature_store().get_feature_view(*named)
        if view is not None and init and self.training_dataset_version:
            view.init_batch_scoring(self.training_dataset_version)
        return view

    def trained_on(self, view: str, version: int, training_dataset_version: int | None) -> bool:
        """Tell whether it was trained on a feature view (not Hopsworks' API)."""
        return self._entry.document["feature_view"] == [view, version] and (
            training_dataset_version in (None, self.training_dataset_version)
        )

    set_tag = Tagged.add_tag

    def get_url(self) -> str:
        """Give the folder of this version as a URL."""
        return self._folder(self._saved()).as_uri()

    def to_dict(self) -> dict[str, Any]:
        """Give all metadata."""
        return {"name": self.name, "version": self.version, **self._entry.document}

    def json(self) -> str:
        """Give all metadata as JSON."""
        return json.dumps(self.to_dict())

    # --- inside ----------------------------------------------------------------------------

    def _lock(self) -> Any:
        from filelock import FileLock

        folder = self._folder(0).parent
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / LOCK, timeout=LOCK_TIMEOUT)

    def _folder(self, version: int) -> Path:
        return self._store.project.home / "Models" / self.name / str(version)

    def _free_version(self) -> int:
        taken = [model.version for model in self._store.get_models(self.name)]
        if self.version is None:
            return max(taken, default=0) + 1
        if self.version in taken:
            raise self._exists(self.version)
        return self.version

    def _exists(self, version: int) -> ModelRegistryException:
        return ModelRegistryException(
            f"Model with name {self.name} and version {version} already exists, create a new "
            "version without giving one."
        )

    def _write(self, source: Path, target: Path) -> None:
        partial = temporary_beside(target)
        try:
            files = partial / "Files"
            copy_whole(source, files if source.is_dir() else files / source.name)
            for name in ("input_example", "model_schema"):
                value = self._entry.document[name]
                if value is not None:
                    (partial / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
            partial.rename(target)
        finally:
            remove(partial)

    def _saved(self) -> int:
        if not self._entry.id:
            raise ModelRegistryException(f"Model {self.name} is not saved yet: call save() first.")
        return self._entry.version

    def _tagged_entry(self) -> Entry:
        self._saved()
        return self._entry


def _metrics(metrics: dict[str, Any]) -> dict[str, float]:
    numbers = {}
    for name, value in metrics.items():
        try:
            numbers[name] = float(value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"The metric {name} is {value!r}: metrics are numbers") from error
    return numbers


def _jsonable(value: Any) -> Any:
    """Give rows, arrays and schemas as plain JSON values."""
    if isinstance(value, pd.DataFrame | pd.Series):
        return json.loads(value.to_json(orient="split", date_format="iso", index=False))
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if hasattr(value, "tolist"):
        return value.tolist()
    return value
