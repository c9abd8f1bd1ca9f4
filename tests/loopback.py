"""A web service on this machine that answers what a test says and remembers who asked."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Service:
    """Answers GET and POST by address; a path without an answer gets 404 and a page that is HTML.

    `asked` holds the handlers of all requests; `handler.sent` is what a POST brought.
    """

    def __init__(self):
        self.answers, self.asked = {}, []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path, body=b"", status=200, **headers):
        """Set what a path answers, with its query or for all queries; give its address."""
        self.answers[path] = (status, body, headers)
        return self.address + path


@contextlib.contextmanager
def serving():
    """Give a Service that runs until the block ends."""
    service = Service()
    thread = threading.Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        service.server.shutdown()
        service.server.server_close()
        thread.join()


def _handler(service):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            service.asked.append(self)
            found = service.answers.get(self.path)
            found = found or service.answers.get(self.path.partition("?")[0])
            status, body, headers = found or (404, b"<html>no</html>", {})
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # a client may have had enough
                self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *args):
            pass

    return Handler
