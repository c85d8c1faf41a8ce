"""A server of its own for the measurements, and a client that costs little."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.port import free_port

IDLE = 3  # seconds, less than a server keeps an idle connection
START = "import sys; from app.cli import main; sys.exit(main(sys.argv[1:]))"


class Client:
    """One connection that is kept open; blocking, without a library between the clock and the socket."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        self._used = time.monotonic()

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """The body of the answer.

        Raises:
            RuntimeError: the answer is an error; the message holds it.
        """
        if time.monotonic() - self._used > IDLE:
            self.connection.close()  # as the server will have; the next request opens it again
        kind = {} if body is None else {"Content-Type": "application/octet-stream"}
        self.connection.request(method, path, body, {**kind, **(headers or {})})
        answer = self.connection.getresponse()
        data = answer.read()
        self._used = time.monotonic()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:300]!r}")
        return data

    def json(self, method: str, path: str, body: bytes | None = None) -> Any:
        """The answer, parsed."""
        return json.loads(self.ask(method, path, body))


class Place:
    """A running server."""

    def __init__(self, port: int, process: int) -> None:
        self.port, self.process = port, process

    def client(self) -> Client:
        """A new connection."""
        return Client(self.port)

    def resident_bytes(self) -> int:
        """The server's resident set, memory-mapped weights included."""
        for line in Path(f"/proc/{self.process}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("This system does not tell a process's resident set (/proc/PID/status).")


@contextmanager
def serving(threads: int, **settings: str) -> Iterator[Place]:
    """A server of this checkout on a free port, ready, with so many threads an inference; stopped at the end.

    Raises:
        RuntimeError: it did not become ready; the message ends with its log.
    """
    port = free_port()
    environment = {
        **os.environ,
        "CONVSCOPE_THREADS": str(threads),
        "CONVSCOPE_PROVIDER": "cpu",
        "CONVSCOPE_LOG_LEVEL": "warning",
        **{f"CONVSCOPE_{name.upper()}": value for name, value in settings.items()},
    }
    with tempfile.TemporaryFile() as log:
        command = [sys.executable, "-c", START, "serve", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            wait_ready(port, process)
            yield Place(port, process.pid)
        except RuntimeError as error:
            log.seek(0)
            raise RuntimeError(f"{error}\n{log.read()[-2000:].decode(errors='replace')}") from error
        finally:
            process.terminate()
            process.wait(30)


def wait_ready(port: int, process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    """Return when /readyz answers 200."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"The server ended with status {process.returncode} before it was ready.")
        try:
            Client(port).ask("GET", "/readyz")
            return
        except (OSError, RuntimeError, http.client.HTTPException):
            time.sleep(0.2)
    raise RuntimeError(f"The server was not ready after {seconds:.0f} seconds.")
