"""A web server for tests of pulls: serves one file in pieces, breaks off, lies, dawdles, as it is told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Mirror:
    """What a server does. `asked` are the Range headers of the requests so far, "" for the whole file."""

    content: bytes
    url: str = ""
    piece: int = 1000  # bytes sent at a time
    status: int = 200
    ranges: bool = True  # whether it can continue
    chunked: bool = False  # whether it leaves the length out
    length: int | None = None  # the length it tells, when that is a lie
    breaks_after: Callable[[int], int | None] = lambda _request: None  # bytes it sends of its nth answer (from 0)
    gate: threading.Event | None = None  # after the first piece it waits for this
    silent: bool = False  # it waits before the first piece already
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """Answers GET as the server's `mirror` says."""

    protocol_version = "HTTP/1.1"
    mirror: Mirror

    def do_GET(self) -> None:
        mirror, number = self.mirror, len(self.mirror.asked)
        asked = self.headers.get("Range", "")
        mirror.asked.append(asked)
        mirror.paths.append(self.path)
        self.close_connection = True
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and mirror.ranges else 0
        if mirror.status != 200:
            self.send_response(mirror.status)
            for name, value in mirror.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end()
            return
        total = len(mirror.content) if mirror.length is None else mirror.length
        if start and start >= total:
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if mirror.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(total - start))
        self.end()
        body = mirror.content[start:]
        limit = mirror.breaks_after(number)
        body = body if limit is None else body[:limit]
        if mirror.silent and mirror.gate is not None:
            mirror.gate.wait(30)
        for at in range(0, len(body), mirror.piece):
            piece = body[at : at + mirror.piece]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if mirror.chunked else piece)
            self.wfile.flush()
            if mirror.gate is not None:
                mirror.gate.wait(30)
        if mirror.chunked and limit is None:
            self.wfile.write(b"0\r\n\r\n")

    def end(self) -> None:
        """The head ends, and tells that the connection does: a client that learns it too late asks on it again."""
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving_mirror(mirror: Mirror) -> Iterator[Mirror]:
    """The mirror on a free port, for as long as the block runs."""

    class Own(Handler):
        pass

    Own.mirror = mirror
    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that has enough hangs up
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    mirror.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield mirror
    finally:
        if mirror.gate is not None:
            mirror.gate.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
