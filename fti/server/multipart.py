"""The body of an upload: multipart/form-data (https://www.rfc-editor.org/rfc/rfc7578)."""

from __future__ import annotations

import re

from fti.embedded.exceptions import RestAPIError
from fti.server.routes import ILLEGAL_ARGUMENT

BOUNDARY = re.compile(r'multipart/form-data;.*\bboundary="?([^";]+)"?')
NAME = re.compile(rb'content-disposition:[^\r\n]*;\s*name="([^"]*)"', re.IGNORECASE)


def parse_form(content_type: str, body: bytes) -> dict[str, bytes]:
    """Give the fields of a form by name; RestAPIError for what is not a form."""
    boundary = BOUNDARY.match(content_type)
    if boundary is None:
        raise RestAPIError(f"'{content_type}' is not a form", ILLEGAL_ARGUMENT, 415)
    mark = b"--" + boundary[1].encode()
    parts = (b"\r\n" + body).split(b"\r\n" + mark)[1:]
    if not parts or not parts[-1].startswith(b"--"):
        raise RestAPIError("The form ends in the middle", ILLEGAL_ARGUMENT)
    return dict(map(_field, parts[:-1]))


def _field(part: bytes) -> tuple[str, bytes]:
    head, _, content = part.partition(b"\r\n\r\n")
    name = NAME.search(head)
    if name is None:
        raise RestAPIError("A part of the form has no name", ILLEGAL_ARGUMENT)
    return name[1].decode(), content
