"""The query service: runs the payloads that the REST side made, and streams Arrow."""

from __future__ import annotations

import json
import threading
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from fti.embedded.exceptions import FeatureStoreException, RestAPIError
from fti.server.faults import Faults, Kind
from fti.server.login import BACKEND_VERSION
from fti.server.queries import read_from_json
from fti.server.routes import Context

PORT = 5005  # fixed in the client (hsfs/core/arrow_flight_client.py)


class QueryService(flight.FlightServerBase):
    """Answers whoever has a certificate of this run's authority."""

    def __init__(self, context: Context, faults: Faults):
        self._context = context
        self._faults = faults
        self._closing = threading.Event()
        certificates = context.certificates
        pair = (certificates.server.certificate, certificates.server.key)
        super().__init__(
            f"grpc+tls://{context.host}:{PORT}",
            tls_certificates=[pair],
            verify_client=True,
            root_certificates=certificates.authority,
        )

    def list_actions(self, context: Any) -> list[tuple[str, str]]:
        """Give what can be asked besides queries."""
        return [("healthcheck", "Answers when the service is up"), ("get-version", "The version")]

    def do_action(self, context: Any, action: flight.Action) -> list[bytes]:
        """Give the version, whichever action was asked."""
        self._fail("/do_action")
        return [BACKEND_VERSION.encode()]

    def get_flight_info(
        self, context: Any, descriptor: flight.FlightDescriptor
    ) -> flight.FlightInfo:
        """Give the ticket of a query: its payload."""
        self._fail("/get_flight_info")
        endpoint = flight.FlightEndpoint(descriptor.command, [])
        return flight.FlightInfo(pa.schema([]), descriptor, [endpoint], -1, -1)

    def do_get(self, context: Any, ticket: flight.Ticket) -> flight.RecordBatchStream:
        """Run a query; FlightServerError says what is wrong with it."""
        self._fail("/do_get")
        try:
            read = read_from_json(self._context.store, json.loads(ticket.ticket))
            return flight.RecordBatchStream(read.run())
        except (FeatureStoreException, RestAPIError, ValueError) as error:
            raise flight.FlightServerError(str(error)) from error

    def close(self) -> None:
        """Let go of those that stall, and end."""
        self._closing.set()
        self.shutdown()

    def _fail(self, path: str) -> None:
        fault = self._faults.next("FLIGHT", path)
        if fault is Kind.stall:
            self._closing.wait()
        if fault is not None:
            raise flight.FlightUnavailableError("The query service is overloaded")
