"""Tags of feature groups, feature views and models."""

from __future__ import annotations

import json
from typing import Any

from fti.embedded.tags import Tagged
from fti.server.feature_groups import GROUP, by_id
from fti.server.feature_views import VIEW, found
from fti.server.models import MODEL, saved
from fti.server.routes import TAG_NOT_FOUND, Context, Request, Routes, items, not_found

# What can be tagged, by the path that leads to it.
TAGGED = {
    GROUP: lambda context, number: by_id(context.store, number),
    VIEW: lambda context, name, version: found(context.store, name, version),
    MODEL: lambda context, name: saved(context, name),
}

routes = Routes()


def _put(context: Context, request: Request, thing: Tagged, name: str) -> dict[str, Any]:
    """Attach a tag, or change it."""
    value = request.json()
    thing.add_tag(name, value)
    return _to_json({name: value})


def _get(context: Context, request: Request, thing: Tagged, name: str) -> dict[str, Any]:
    """Give all tags, or one by its name."""
    tags = thing.get_tags()
    if name and name not in tags:
        raise not_found(f"Tag {name}", TAG_NOT_FOUND)
    return _to_json({name: tags[name]} if name else tags)


def _delete(context: Context, request: Request, thing: Tagged, name: str) -> None:
    """Remove a tag."""
    thing.delete_tag(name)


def _to_json(tags: dict[str, Any]) -> dict[str, Any]:
    return items([{"name": name, "value": json.dumps(value)} for name, value in tags.items()])


def _route(method: str, path: str, find: Any, act: Any) -> None:
    @routes.add(method, path + "/tags/?([^/]*)")
    def handle(context: Context, request: Request, *groups: str) -> Any:
        return act(context, request, find(context, *groups[:-1]), groups[-1])


for tagged, finder in TAGGED.items():
    for verb, action in (("PUT", _put), ("GET", _get), ("DELETE", _delete)):
        _route(verb, tagged, finder, action)
