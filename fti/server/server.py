"""One server: REST and query service over one embedded project, from start to end."""

from __future__ import annotations

import importlib.util
import ipaddress
import secrets
import ssl
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from fti.embedded.project import Project
from fti.errors import UserError
from fti.server import (
    feature_groups,
    feature_views,
    files,
    lineage,
    login,
    models,
    queries,
    tags,
    training_datasets,
    transformations,
)
from fti.server.faults import Faults
from fti.server.http import RestServer
from fti.server.routes import Context, Routes
from fti.server.tls import make_certificates

if TYPE_CHECKING:
    from fti.server.flight import QueryService

AREAS = (
    login, queries, tags, feature_groups, training_datasets, lineage, feature_views,
    transformations, models, files,
)  # fmt: skip
POLL = 0.05  # seconds until the listening thread sees that it should end


class Server:
    """Serves a project while it is entered (`with Server(project) as server:`).

    `host`, `port`, `key` and `authority` (a file that clients verify the server by) are what a
    client needs to be told. A second server at the same time needs another loopback address,
    because the port of the query service is fixed in the client.
    """

    def __init__(
        self, project: Project, host: str = "127.0.0.1", port: int = 0, key: str | None = None
    ):
        _check_loopback(host)
        _check_installed()
        self.project = project
        self.host = host
        self.key = key or secrets.token_urlsafe(24)
        self.faults = Faults()
        self._certificates = make_certificates(host)
        self._context = Context(project, host, self.key, self._certificates)
        self._wanted_port = port

    def __enter__(self) -> Server:
        self._folder = tempfile.TemporaryDirectory(prefix="fti-server-")
        try:
            self._query_service = self._start_query_service()
            self._rest = self._start_rest()
        except BaseException:
            self._folder.cleanup()
            raise
        options = {"poll_interval": POLL}
        self._thread = threading.Thread(target=self._rest.serve_forever, kwargs=options)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._rest.shutdown()
        self._thread.join()
        self._rest.server_close()
        self._query_service.close()
        self._folder.cleanup()

    @property
    def port(self) -> int:
        """Port of the REST side."""
        return self._rest.server_address[1]

    @property
    def authority(self) -> Path:
        """File with the certificate that clients verify the server by."""
        return Path(self._folder.name) / "authority.pem"

    @property
    def unknown(self) -> dict[str, int]:
        """How often each request was made that no route answers."""
        return dict(sorted(self._rest.unknown.items()))

    @property
    def settings(self) -> dict[str, str]:
        """The environment in which pipelines use this server."""
        return {
            "HOPSWORKS_HOST": self.host,
            "HOPSWORKS_PORT": str(self.port),
            "HOPSWORKS_PROJECT": self.project.name,
            "HOPSWORKS_API_KEY": self.key,
            "HOPSWORKS_TRUST_STORE_PATH": str(self.authority),
        }

    def _start_query_service(self) -> QueryService:
        from pyarrow import ArrowException

        from fti.server.flight import PORT, QueryService

        try:
            return QueryService(self._context, self.faults)
        except ArrowException as error:
            raise UserError(
                f"The query service cannot listen at {self.host}:{PORT} ({error}): another server "
                "may run there, so end it or give another loopback address with --host 127.0.0.2."
            ) from error

    def _start_rest(self) -> RestServer:
        routes = Routes()
        for area in AREAS:
            routes.include(area.routes)
        address = (self.host, self._wanted_port)
        try:
            return RestServer(self._context, routes, self.faults, self._tls(), address)
        except OSError as error:
            self._query_service.close()
            raise UserError(
                f"The server cannot listen at {self.host}:{self._wanted_port} ({error.strerror}): "
                "give another port with --port."
            ) from error

    def _tls(self) -> ssl.SSLContext:
        """Write the certificates to where only this user reads, and load them."""
        folder, pair = Path(self._folder.name), self._certificates.server
        self.authority.write_text(self._certificates.authority)
        (folder / "server.pem").write_text(pair.certificate + pair.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        return context


def _check_installed() -> None:
    if importlib.util.find_spec("cryptography") is None:
        raise UserError("The server needs one more package: pip install cryptography.")


def _check_loopback(host: str) -> None:
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise UserError(
            f"The server cannot be at '{host}': it lets in whoever has the key and is made for one "
            "machine, so give a loopback address such as 127.0.0.1."
        )
