"""Transformation functions: the client sends their source code, and runs them itself."""

from __future__ import annotations

import inspect
from typing import Any

from fti.embedded.transformations import BUILT_IN, HopsworksUdf, find
from fti.server.routes import (
    STORE,
    TRANSFORMATION_FUNCTION_NOT_FOUND,
    Context,
    Request,
    Routes,
    items,
    not_found,
)

FUNCTIONS = STORE + "/transformationfunctions"
KIND = "transformation_function"
# Where the embedded project looks for a function of which it has only the source: nowhere. It
# says then that the function cannot be found, because it runs no code out of a catalog.
SOURCE_ONLY = "source-only"
IMPORTS = "import pandas as pd\n"
TYPES = {str: "string", int: "bigint", float: "double", bool: "boolean"}

routes = Routes()


@routes.add("POST", FUNCTIONS)
def create(context: Context, request: Request) -> dict[str, Any]:
    """Store a function under its name."""
    given = request.json()
    document = function_from_json(given)
    name = given["hopsworksUdf"]["name"]
    entry = context.store.catalog.add(KIND, name, given.get("version"), document)
    return function_to_json(document, entry.id, context.store.id) | {"version": entry.version}


@routes.add("GET", FUNCTIONS)
def get(context: Context, request: Request) -> dict[str, Any]:
    """Give stored and built-in functions, or those of a name."""
    name, version, store = request.first("name"), request.number("version"), context.store
    stored = [
        function_to_json(entry.document, entry.id, store.id) | {"version": entry.version}
        for entry in store.catalog.find(KIND, name, version)
    ]
    built_in = [
        function_to_json({"udf": udf.reference}, 0, store.id) | {"version": 1}
        for udf in BUILT_IN.values()
        if name in (None, udf.function_name)
    ]
    if not stored + built_in:
        raise not_found(f"Transformation function {name}", TRANSFORMATION_FUNCTION_NOT_FOUND)
    return items(stored or built_in if name else stored + built_in)


def function_from_json(given: dict[str, Any]) -> dict[str, Any]:
    """Give what the catalog keeps of a function: as the embedded project does, and as it came."""
    udf = given["hopsworksUdf"]
    own = BUILT_IN.get(udf["name"])
    return {
        "udf": own.reference if own else f"{SOURCE_ONLY}:{udf['name']}",
        "features": [_feature_name(feature) for feature in udf["transformationFeatures"]],
        "output_names": udf.get("outputColumnNames") or None,
        "hopsworks": given,
    }


def function_to_json(document: dict[str, Any], number: int, store: int) -> dict[str, Any]:
    """Give a function as the client reads it."""
    given = document.get("hopsworks") or {"hopsworksUdf": _udf_to_json(document)}
    return {
        "id": number,
        "version": given.get("version") or 1,
        "featurestoreId": store,
        "hopsworksUdf": given["hopsworksUdf"],
        "transformationType": given.get("transformationType"),
    }


def _feature_name(given: str | dict[str, Any]) -> str:
    return given if isinstance(given, str) else given["feature_name"]


def _udf_to_json(document: dict[str, Any]) -> dict[str, Any]:
    """Describe a function of the embedded project by its source."""
    udf: HopsworksUdf = find(document["udf"])
    return {
        "name": udf.function_name,
        "sourceCode": IMPORTS + inspect.getsource(udf.func),
        "outputTypes": [TYPES.get(kind, "string") for kind in udf.return_types],
        "transformationFeatures": document.get("features") or udf.arguments,
        "transformationFunctionArgumentNames": udf.arguments,
        "droppedArgumentNames": udf.dropped,
        "statisticsArgumentNames": udf.arguments if udf.uses_statistics else None,
        "executionMode": udf.execution_mode.upper(),
        "outputColumnNames": document.get("output_names") or [],
    }
