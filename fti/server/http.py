"""The REST side: HTTPS on a loopback address, one thread per connection."""

from __future__ import annotations

import contextlib
import hmac
import json
import logging
import shutil
import socket
import ssl
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fti.server.faults import Faults, Kind
from fti.server.routes import (
    KEY_NOT_VALID,
    UNKNOWN_ERROR,
    Context,
    Request,
    Routes,
    answer,
    problem,
)

log = logging.getLogger(__name__)

API = "/hopsworks-api/api"
LARGEST_BODY = 64 * 2**20  # bytes; the client sends files in chunks of 10 MiB


class RestServer(ThreadingHTTPServer):
    """Answers requests until it is closed; `unknown` counts those that no route answers."""

    daemon_threads = False
    block_on_close = True

    def __init__(
        self,
        context: Context,
        routes: Routes,
        faults: Faults,
        tls: ssl.SSLContext,
        address: tuple[str, int],
    ):
        self.context = context
        self.routes = routes
        self.faults = faults
        self.unknown: Counter[str] = Counter()
        self.closing = threading.Event()
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; its handshake waits for its own thread."""
        connection, address = super().get_request()
        wrapped = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.add(wrapped)
        return wrapped, address

    def shutdown_request(self, request: socket.socket) -> None:
        """Close a connection."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note what went wrong with a connection, which usually is that the client left."""
        log.debug("connection from %s ended", client_address, exc_info=True)

    def server_close(self) -> None:
        """Close everything: connections that clients keep open, and those that stall."""
        self.closing.set()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: RestServer

    def log_message(self, format: str, *args: Any) -> None:
        """Log requests like everything else."""
        log.debug(format, *args)

    def do_GET(self) -> None:
        """Answer one request, or go wrong with it."""
        url = urlsplit(self.path)
        path = url.path.removeprefix(API).rstrip("/")
        fault = self.server.faults.next(self.command, path)
        if fault in (Kind.drop, Kind.cut, Kind.stall):
            self._fail(fault)
        else:
            self._send(*self._outcome(path, url.query, fault))

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_GET

    def _outcome(self, path: str, query: str, fault: Kind | None) -> tuple[int, Any]:
        """Give status and content of the answer."""
        body = self._body()
        if body is None:
            return problem(413, UNKNOWN_ERROR, "The body is too large")
        if not self._is_let_in():
            return problem(401, KEY_NOT_VALID, "The API key is not valid")
        if fault is Kind.unavailable:
            return problem(503, UNKNOWN_ERROR, "The server is overloaded")
        asked = parse_qs(query, keep_blank_values=True)
        kind = self.headers.get("Content-Type", "")
        outcome = self._answer(Request(self.command, path, asked, kind, body))
        if fault is Kind.late:
            return problem(504, UNKNOWN_ERROR, "The gateway gave up waiting")
        return outcome

    def _is_let_in(self) -> bool:
        given = self.headers.get("Authorization", "").encode()
        return hmac.compare_digest(given, f"ApiKey {self.server.context.key}".encode())

    def _body(self) -> bytes | None:
        """Read the body; None when it is larger than any that the client sends.

        Raises ConnectionError when the client left in the middle of it.
        """
        size = int(self.headers.get("Content-Length") or 0)
        if size > LARGEST_BODY:
            self.close_connection = True
            return None
        body = self.rfile.read(size)
        if len(body) < size:
            raise ConnectionError(f"{len(body)} of {size} bytes arrived")
        return body

    def _answer(self, request: Request) -> tuple[int, Any]:
        if self.server.routes.find(request) is None:
            self.server.unknown[f"{request.method} {request.path}"] += 1
        try:
            return answer(self.server.routes, self.server.context, request)
        except Exception as error:  # whatever it is, the client gets an answer
            log.exception("%s %s", request.method, request.path)
            return problem(500, UNKNOWN_ERROR, f"{type(error).__name__}: {error}")

    def _fail(self, fault: Kind) -> None:
        """Go wrong instead of answering."""
        if fault is Kind.cut:
            self.rfile.read(int(self.headers.get("Content-Length") or 0) // 2)
        if fault is Kind.stall:
            self.server.closing.wait()
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, content: Any) -> None:
        if isinstance(content, Path):
            self._send_file(content)
            return
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_file(self, path: Path) -> None:
        with path.open("rb") as file:
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            shutil.copyfileobj(file, self.wfile)
