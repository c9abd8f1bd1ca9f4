"""Files of a volume for `modal volume get`: the list by gRPC, the contents in blocks over HTTP."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from grpclib.const import Status
from modal_proto import api_pb2 as pb

from tests.doubles.modal.messages import HOST, refuse
from tests.doubles.modal.objects import Objects

BLOCK = 8 * 2**20  # bytes, as the client counts


class Downloads:
    """Answers for the files of volumes; each method is named after its request."""

    def __init__(self, objects: Objects):
        self.objects = objects
        self.server = ThreadingHTTPServer((HOST, 0), _handler(objects.root / "volumes"))
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)

    def start(self) -> None:
        """Serve blocks."""
        self.thread.start()

    def close(self) -> None:
        """Serve no more."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    async def VolumeListFiles(
        self, request: pb.VolumeListFilesRequest
    ) -> AsyncIterator[pb.VolumeListFilesResponse]:
        path = self._path(request)
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        root = self.objects.volume(self.objects.volume_name(request.volume_id))
        entries = [
            pb.FileEntry(
                path=file.relative_to(root).as_posix(),
                type=pb.FileEntry.FILE if file.is_file() else pb.FileEntry.DIRECTORY,
                size=file.stat().st_size,
            )
            for file in files
        ]
        yield pb.VolumeListFilesResponse(entries=entries)

    def VolumeGetFile2(self, request: pb.VolumeGetFile2Request):
        size = self._path(request).stat().st_size
        name = self.objects.volume_name(request.volume_id)
        address = f"http://{HOST}:{self.server.server_port}/{name}/{request.path.lstrip('/')}"
        blocks = range(-(-size // BLOCK))
        return pb.VolumeGetFile2Response(
            size=size, start=0, len=size, get_urls=[f"{address}?block={k}" for k in blocks]
        )

    def _path(self, request) -> Path:
        root = self.objects.volume(self.objects.volume_name(request.volume_id))
        path = root / request.path.lstrip("/")
        if not path.exists():
            refuse(f"No such file: {request.path}", Status.NOT_FOUND)
        return path


def _handler(folder: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = urlsplit(self.path)
            with (folder / unquote(asked.path).lstrip("/")).open("rb") as file:
                file.seek(int(parse_qs(asked.query)["block"][0]) * BLOCK)
                block = file.read(BLOCK)
            self.send_response(200)
            self.send_header("Content-Length", str(len(block)))
            self.end_headers()
            self.wfile.write(block)

        def log_message(self, *args):
            pass

    return Handler
