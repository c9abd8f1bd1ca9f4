"""Write down the public API of the real Hopsworks client, for test_signatures.py to compare with.

Run it where `hopsworks` is installed: `python tests/fti/embedded/freeze_signatures.py [FILE]`.
tests/hopsworks/test_signatures.py says when the file is stale.
"""

from __future__ import annotations

import inspect
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

VERSION = "5.2.1"
FROZEN = Path(__file__).with_name(f"hopsworks_{VERSION.replace('.', '_')}_signatures.json")
OPERATORS = ("Feature", "Filter", "Logic")  # made by their users, so their __init__ counts as well


def real_classes() -> dict[str, Any]:
    """Give the classes (and modules of creators) of the installed client by their names."""
    from hopsworks_common.core.dataset_api import DatasetApi
    from hopsworks_common.project import Project
    from hsfs.constructor.filter import Filter, Logic
    from hsfs.constructor.query import Query
    from hsfs.feature import Feature
    from hsfs.feature_group import FeatureGroup
    from hsfs.feature_store import FeatureStore
    from hsfs.feature_view import FeatureView
    from hsml.llm import signature as llm
    from hsml.model import Model
    from hsml.model_registry import ModelRegistry
    from hsml.python import signature as python
    from hsml.sklearn import signature as sklearn
    from hsml.tensorflow import signature as tensorflow
    from hsml.torch import signature as torch

    classes = (
        Project, FeatureStore, FeatureGroup, Query, Filter, Logic, Feature, FeatureView,
        ModelRegistry, Model, DatasetApi,
    )  # fmt: skip
    creators = {"python": python, "sklearn": sklearn, "torch": torch, "llm": llm}
    creators["tensorflow"] = tensorflow
    return {kind.__name__: kind for kind in classes} | creators


def parameters(function: Any) -> list[list[Any]]:
    """Give name, kind and default (as written in Python, None without one) of each parameter."""
    return [
        [p.name, p.kind.name, None if p.default is p.empty else repr(p.default)]
        for p in inspect.signature(function).parameters.values()
        if p.name != "self"
    ]


def describe(kind: Any) -> dict[str, Any]:
    """Give the public methods of a class with their parameters, and its public properties."""
    methods, properties = {}, []
    for name in dir(kind):
        member = inspect.getattr_static(kind, name)
        if name.startswith("_") and not (name == "__init__" and kind.__name__ in OPERATORS):
            continue
        if isinstance(member, property):
            properties.append(name)
        elif callable(getattr(kind, name)):
            methods[name] = parameters(getattr(kind, name))
    return {"methods": methods, "properties": properties}


def main(target: Path = FROZEN) -> None:
    """Write the file."""
    from hopsworks import udf

    if version("hopsworks") != VERSION:
        raise SystemExit(f"hopsworks is {version('hopsworks')}: change VERSION here and in pins")
    frozen = {}
    for name, kind in real_classes().items():
        if inspect.ismodule(kind):
            create_model = parameters(kind.create_model)
            frozen[name] = {"methods": {"create_model": create_model}, "properties": []}
        else:
            frozen[name] = describe(kind)
    frozen["udf"] = {"methods": {"udf": parameters(udf)}, "properties": []}
    lines = []
    for name, found in frozen.items():
        methods = (f"      {json.dumps(m)}: {json.dumps(p)}" for m, p in found["methods"].items())
        lines.append(
            f'  "{name}": {{\n    "properties": {json.dumps(found["properties"])},\n'
            '    "methods": {\n' + ",\n".join(methods) + "\n    }\n  }"
        )
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
