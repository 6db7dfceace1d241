"""A stand-in for the SuiteSparse collection on 127.0.0.1, with the faults that a network can have."""

from __future__ import annotations

import hashlib
import http.server
import io
import tarfile
import threading
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Collection:
    """What the server holds and how it behaves; `requests` records (method, path, range)."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)
    ranges: bool = True
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""

    def transfers(self) -> list[str | None]:
        """Range headers of the GET requests for more than the first byte."""
        return [span for method, _, span in self.requests if method == "GET" and span != "bytes=0-0"]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    collection: Collection

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        span = self.headers.get("Range")
        self.collection.requests.append((self.command, self.path, span))
        data = self.collection.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        start, stop = 0, len(data)
        if span and self.collection.ranges:
            first, last = span.removeprefix("bytes=").split("-")
            start, stop = int(first), min(int(last) + 1, len(data)) if last else len(data)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        else:
            self.send_response(200)
        if self.collection.ranges:
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()[:16]}"')
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        if body:
            self._send(data[start:stop])

    def _send(self, piece: bytes) -> None:
        if len(piece) > 1 and self.collection.cut_after:
            self.wfile.write(piece[: self.collection.cut_after.pop(0)])
            self.wfile.flush()
            time.sleep(0.3)  # so that what was sent is seen to arrive before the end
            self.close_connection = True
            return
        self.wfile.write(piece)


class RunningCollection:
    """The server in a thread, as a context manager that gives its `Collection`."""

    def __enter__(self) -> Collection:
        collection = Collection()
        handler = type("Handler", (_Handler,), {"collection": collection})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        collection.url = f"http://127.0.0.1:{self._server.server_port}/MM"
        return collection

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def archive(members: dict[str, bytes]) -> bytes:
    """A tar.gz of `members`; a name that ends in ``->`` becomes a symbolic link to its content."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as bundle:
        for name, content in members.items():
            info = tarfile.TarInfo(name.removesuffix("->"))
            if name.endswith("->"):
                info.type, info.linkname = tarfile.SYMTYPE, content.decode()
            else:
                info.size = len(content)
            bundle.addfile(info, io.BytesIO(content))
    return stream.getvalue()
