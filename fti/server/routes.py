"""What every area of the server builds on: requests, routes, errors and the context they run in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fti.embedded.catalog import AlreadyExists
from fti.embedded.exceptions import (
    DatasetException,
    FeatureStoreException,
    ModelRegistryException,
    RestAPIError,
)
from fti.server.uploads import Uploads

if TYPE_CHECKING:
    from fti.embedded.feature_store import FeatureStore
    from fti.embedded.project import Project
    from fti.server.tls import Certificates

# Hopsworks' codes are 10,000 per area: 110000 datasets, 120000 general, 150000 projects, 270000
# feature store, 320000 API keys, 360000 model registry, 370000 tags. The client tells by them what
# is merely not there (`NOT_FOUND_ERROR_CODE` of its classes).
UNKNOWN_ERROR = 120000
ILLEGAL_ARGUMENT = 120001
PROJECT_NOT_FOUND = 150004
FEATURE_GROUP_NOT_FOUND = 270009
TRAINING_DATASET_NOT_FOUND = 270012
TRANSFORMATION_FUNCTION_NOT_FOUND = 270160
NO_EVENT_TIME = 270172
FEATURE_VIEW_NOT_FOUND = 270181
STATISTICS_NOT_FOUND = 270228
KEY_NOT_VALID = 320004
MODEL_NOT_FOUND = 360000
TAG_NOT_FOUND = 370002
REFUSALS = (
    AlreadyExists, DatasetException, FeatureStoreException, ModelRegistryException, ValueError,
)  # fmt: skip
USER = {
    "uid": 1, "username": "local001", "email": "me@localhost",
    "firstname": "Local", "lastname": "User", "fname": "Local", "lname": "User",
}  # fmt: skip


@dataclass
class Context:
    """What the areas of one server share."""

    project: Project
    host: str
    key: str = field(repr=False)
    certificates: Certificates = field(repr=False)
    uploads: Uploads = field(default_factory=Uploads)

    @property
    def store(self) -> FeatureStore:
        """The feature store."""
        return self.project.get_feature_store()


@dataclass
class Request:
    """One request: `path` is below /hopsworks-api/api, `query` has all values of each name."""

    method: str
    path: str
    query: dict[str, list[str]]
    content_type: str = ""
    body: bytes = field(default=b"", repr=False)

    def first(self, name: str, default: str | None = None) -> str | None:
        """Give the first value of a query parameter."""
        return self.query.get(name, [default])[0]

    def flag(self, name: str) -> bool:
        """Tell whether a query parameter is true, as Python or Java writes it."""
        return (self.first(name) or "").lower() == "true"

    def number(self, name: str, default: int | None = None) -> int | None:
        """Give a query parameter as an int."""
        text = self.first(name)
        return default if text is None else int(text)

    def json(self) -> Any:
        """Give the body as JSON has it; RestAPIError when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise RestAPIError(f"The body is not JSON: {error}", ILLEGAL_ARGUMENT) from error


Handler = Callable[..., Any]


class Routes:
    """Which function answers which method and path; the first match wins."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, pattern: str) -> Callable[[Handler], Handler]:
        """Register `handler(context, request, *groups of the pattern)`.

        It gives what becomes JSON, None for nothing, or a Path whose bytes are sent.
        """

        def register(handler: Handler) -> Handler:
            self._routes.append((method, re.compile(pattern), handler))
            return handler

        return register

    def include(self, other: Routes) -> None:
        """Add the routes of an area."""
        self._routes += other._routes

    def find(self, request: Request) -> tuple[Handler, Sequence[str]] | None:
        """Give the handler of a request and the decoded groups of its path, or None."""
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(request.path)
            if match and re.fullmatch(method, request.method):
                return handler, [unquote(group or "") for group in match.groups()]
        return None


PROJECT = r"/project/\d+"
STORE = PROJECT + r"/featurestores/\d+"


def answer(routes: Routes, context: Context, request: Request) -> tuple[int, Any]:
    """Give status and content of the answer to a request; errors become Hopsworks' JSON."""
    found = routes.find(request)
    if found is None:
        return problem(501, UNKNOWN_ERROR, f"{request.method} {request.path} is not in this server")
    handler, groups = found
    try:
        content = handler(context, request, *groups)
    except RestAPIError as error:
        return problem(error.status_code, error.error_code, str(error))
    except NotImplementedError as error:
        return problem(501, UNKNOWN_ERROR, str(error))
    except REFUSALS as error:
        return problem(400, ILLEGAL_ARGUMENT, str(error))
    return (204 if content is None else 200), content


def problem(status: int, code: int, message: str) -> tuple[int, dict[str, Any]]:
    """Give a refusal as Hopsworks words it."""
    return status, {"errorCode": code, "errorMsg": message, "usrMsg": message}


def not_found(what: str, code: int) -> RestAPIError:
    """Give the error for something that is not there."""
    return RestAPIError(f"{what} not found.", code, 404)


def items(entries: Sequence[Any]) -> dict[str, Any]:
    """Give a list as Hopsworks wraps it."""
    return {"count": len(entries), "items": list(entries)}


def tags_from_json(given: dict[str, Any]) -> dict[str, Any]:
    """Give the tags that come with something new; their values are text, which may be JSON."""
    tags = (given.get("tags") or {}).get("items", [])
    return {tag["name"]: _parsed(tag["value"]) for tag in tags}


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
