"""Servers on this machine that answer as the services that speech is fetched from."""

import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Service:
    """A server; a test changes what it knows. `requests` are method and path, in one."""

    def __init__(self):
        self.requests, self.ranges, self.breaks, self.ranged = [], [], [], True
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method, path, headers, body):
        """Give status, headers, and bytes or what becomes JSON."""
        raise NotImplementedError

    def asked(self, text):
        """Give the requests that a text is in."""
        return [request for request in self.requests if text in request]


def handler_for(service):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            service.requests.append(f"{self.command} {self.path}")
            status, headers, data = service.answer(self.command, self.path, self.headers, body)
            data = data if isinstance(data, bytes) else json.dumps(data).encode()
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
            if asked and service.ranged and status == 200:
                first, last = int(asked[1]), int(asked[2] or len(data) - 1)
                headers = headers | {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
                data, status = data[first : last + 1], 206
                service.ranges.append((first, last))
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(data))}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(self.cut(data))

        do_HEAD = do_POST = do_GET

        def cut(self, data):
            """Give as much of a file as comes before the connection is lost."""
            if len(data) < 10_000 or not service.breaks:
                return data
            self.close_connection = True
            return data[: service.breaks.pop(0)]

        def log_message(self, *args):
            pass

    return Handler


@contextmanager
def running(service):
    """Let a service answer."""
    thread = threading.Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        service.server.shutdown()
        service.server.server_close()
        thread.join()
