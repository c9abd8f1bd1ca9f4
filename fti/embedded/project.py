"""One project in a folder: `<home>/projects/<name>/` holds all of it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from fti.embedded.catalog import Catalog
from fti.embedded.dataset_api import DATASETS, DatasetApi
from fti.embedded.feature_group import checked_name
from fti.embedded.feature_store import FeatureStore
from fti.embedded.model_registry import ModelRegistry
from fti.embedded.unsupported import Unsupported

DEFAULT_NAME = "local"


class Project(Unsupported):
    """What `fti.login()` gives without Hopsworks: feature store, model registry and files.

    Opening it makes the folder; every process may open the same one at the same time.
    """

    def __init__(self, home: Path, name: str = DEFAULT_NAME):
        self._name = checked_name(name)
        self.home = Path(home).expanduser().absolute() / "projects" / name
        for dataset in DATASETS[:2]:
            (self.home / dataset).mkdir(parents=True, exist_ok=True)

    def __repr__(self) -> str:
        return f"Project({self.name!r}, {str(self.home)!r})"

    @property
    def id(self) -> int:
        """Number of the project."""
        return 1

    @property
    def name(self) -> str:
        """Name of the project."""
        return self._name

    @property
    def project_namespace(self) -> str:
        """Name of the project as a namespace."""
        return self._name.replace("_", "-")

    @property
    def description(self) -> str:
        """What the project is."""
        return f"Embedded project in {self.home}"

    @cached_property
    def catalog(self) -> Catalog:
        """What exists in the project (not Hopsworks' API)."""
        return Catalog(self.home / "catalog.sqlite")

    def get_url(self) -> str:
        """Give the folder as a URL."""
        return self.home.as_uri()

    def get_feature_store(self, name: str | None = None) -> FeatureStore:
        """Give the project's feature store; it has one."""
        if name not in (None, self.name, f"{self.name}_featurestore"):
            raise NotImplementedError(
                f"get_feature_store({name!r}): an embedded project has no shared feature stores"
            )
        return FeatureStore(self)

    def get_model_registry(self) -> ModelRegistry:
        """Give the project's model registry."""
        return ModelRegistry(self)

    def get_dataset_api(self) -> DatasetApi:
        """Give the project's files."""
        return DatasetApi(self)
