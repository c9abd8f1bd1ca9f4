"""Messages of Modal's protocol, which is internal and differs between releases of the client."""

from __future__ import annotations

from typing import Any, NoReturn

from grpclib.const import Status
from grpclib.exceptions import GRPCError
from modal_proto import api_pb2 as pb

HOST = "127.0.0.1"
FORMATS = [pb.DATA_FORMAT_PICKLE, pb.DATA_FORMAT_CBOR]
LARGEST = 2 * 2**20  # bytes of an argument or result; larger ones would go through a blob store


def message(kind: type, **fields: Any) -> Any:
    """Give a message with those of the fields that the installed client knows."""
    known = kind.DESCRIPTOR.fields_by_name
    return kind(**{name: value for name, value in fields.items() if name in known})


def refuse(reason: str, status: Status = Status.INVALID_ARGUMENT) -> NoReturn:
    """Answer with an error, which the client shows."""
    raise GRPCError(status, reason)


class Names:
    """Gives ids as Modal's: a prefix that says of what, and 22 characters."""

    def __init__(self):
        self.count = 0

    def new(self, prefix: str) -> str:
        """Give the next id."""
        self.count += 1
        return f"{prefix}-{self.count:022d}"
