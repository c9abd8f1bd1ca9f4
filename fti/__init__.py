"""What two or more use cases share: one login, model files, run records, published results."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fti.models import load_model, save_model
    from fti.projects import login
    from fti.published import publish, read_published
    from fti.runs import run

__all__ = ["load_model", "login", "publish", "read_published", "run", "save_model"]

_MODULES = {
    "load_model": "fti.models",
    "login": "fti.projects",
    "publish": "fti.published",
    "read_published": "fti.published",
    "run": "fti.runs",
    "save_model": "fti.models",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that `import fti` costs nothing."""
    if name not in _MODULES:
        raise AttributeError(f"module 'fti' has no attribute '{name}'")
    return getattr(import_module(_MODULES[name]), name)
