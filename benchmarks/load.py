"""A server under twice the load it can take: python -m benchmarks.load [--seconds 60] [--connections 256].

Starts a server of its own on loopback, measures its capacity and its calm answers, then offers twice that capacity
over many connections, some of which vanish in the middle. Fails unless what was accepted was right and in time, what
was refused was refused with 503 and Retry-After, and the server's memory stayed flat.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from app import png
from benchmarks.port import free_port

IMAGES = 16
CALM_SECONDS = 3.0
SLACK_BYTES = 64 * 1024 * 1024  # of resident memory, on top of a tenth


@dataclass
class Answer:
    """What came back: the status, whether Retry-After was there, the predictions, and how long it took."""

    status: int
    retry_after: bool
    predictions: bytes
    seconds: float


@dataclass
class Report:
    """What happened under load."""

    capacity: float = 0.0  # answers a second
    median: float = 0.0  # seconds of one request alone
    depth: int = 0  # inferences that run or wait at most
    statuses: Counter[int] = field(default_factory=Counter)
    without_retry_after: int = 0
    wrong: int = 0
    broken: int = 0  # connections that the server closed without an answer
    vanished: int = 0  # clients that went away on purpose
    accepted: list[float] = field(default_factory=list)  # seconds
    refused: list[float] = field(default_factory=list)  # seconds
    resident: list[int] = field(default_factory=list)  # bytes, one a sample

    def failures(self, factor: float) -> list[str]:
        """What is not as it should be; an accepted answer may take `factor` times the median times the depth."""
        p99, bound = quantile(self.accepted, 0.99), factor * self.median * self.depth
        quarter = max(1, len(self.resident) // 4)
        before, after = max(self.resident[:quarter]), max(self.resident[-quarter:])
        found = {
            f"statuses {dict(self.statuses)}": bool(set(self.statuses) - {200, 503}),
            f"{self.broken} connections were closed without an answer": self.broken > 0,
            f"{self.without_retry_after} refusals without Retry-After": self.without_retry_after > 0,
            f"{self.wrong} of {len(self.accepted)} answers differ from the calm server's": self.wrong > 0,
            "nothing was accepted": not self.accepted,
            "nothing was refused: the load was too small": not self.refused,
            f"p99 of accepted answers {p99:.3f} s is above {bound:.3f} s": p99 > bound,
            f"resident memory grew from {before} to {after} bytes": after > 1.1 * before + SLACK_BYTES,
        }
        return [text for text, failed in found.items() if failed]

    def text(self) -> str:
        """The measurements, a line each."""
        return "\n".join(
            (
                f"capacity          {self.capacity:.1f} answers/s; one alone takes {1000 * self.median:.1f} ms",
                f"answers           {dict(self.statuses)}, {self.vanished} clients vanished",
                f"accepted          p50 {1000 * quantile(self.accepted, 0.5):.0f} ms, p99 "
                f"{1000 * quantile(self.accepted, 0.99):.0f} ms; median alone x depth "
                f"{1000 * self.median * self.depth:.0f} ms",
                f"refused           p50 {1000 * quantile(self.refused, 0.5):.0f} ms, p99 "
                f"{1000 * quantile(self.refused, 0.99):.0f} ms",
                f"wrong             {self.wrong} of {len(self.accepted)}",
                f"resident memory   {min(self.resident) >> 20} to {max(self.resident) >> 20} MiB",
            )
        )


def quantile(values: Sequence[float], share: float) -> float:
    """The value that a share of all is not above; 0 of none."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0


class Client:
    """One connection of HTTP/1.1, opened again when it is closed."""

    def __init__(self, port: int, path: str) -> None:
        self.port, self.path = port, path
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, image: bytes) -> asyncio.StreamReader:
        """Send a request; what comes back is read from the stream."""
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(image)}\r\n\r\n"
        )
        writer.write(head.encode() + image)
        await writer.drain()
        return reader

    async def ask(self, image: bytes) -> Answer:
        """One request and its answer."""
        begun, kept = time.perf_counter(), self.streams is not None
        try:
            reader = await self.send(image)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            if not kept:
                raise
            return await self.ask(image)  # it had been idle, and the server closed it meanwhile
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        body = await reader.readexactly(length)
        taken = time.perf_counter() - begun
        status = int(head.split()[1])
        predictions = json.dumps(json.loads(body)["predictions"]).encode() if status == 200 else b""
        if "connection: close" in head:
            self.close()
        return Answer(status, "retry-after:" in head, predictions, taken)

    def close(self) -> asyncio.StreamWriter | None:
        """Close the connection, whatever is under way; what has not been sent yet is sent before."""
        if self.streams is None:
            return None
        _, writer = self.streams
        writer.close()
        self.streams = None
        return writer


def make_images() -> list[bytes]:
    """Noise at several sizes, as PNG."""
    rng = np.random.default_rng(0)
    return [png.encode(rng.integers(0, 256, (64 + 8 * i, 64 + 4 * i, 3), dtype=np.uint8)) for i in range(IMAGES)]


async def measure(port: int, pid: int, path: str, options: argparse.Namespace) -> Report:
    """Calm first, then the load."""
    report, images, client = Report(depth=options.concurrency + options.queue), make_images(), Client(port, path)
    calm = [(await client.ask(image)).predictions for image in images]
    report.median = statistics.median([(await client.ask(image)).seconds for image in images * 2])
    client.close()

    report.capacity = await measure_capacity(port, path, images, options)
    await overload(report, port, pid, path, images, calm, options)

    again = Client(port, path)  # whatever was held is free again
    for image, expected in zip(images, calm, strict=True):
        answer = await again.ask(image)
        report.wrong += answer.predictions != expected
    again.close()
    return report


async def measure_capacity(port: int, path: str, images: list[bytes], options: argparse.Namespace) -> float:
    """Answers a second to as many clients as can run or wait, each asking again and again."""
    done = 0
    until = time.perf_counter() + min(CALM_SECONDS, options.seconds)

    async def busy(number: int) -> None:
        nonlocal done
        one = Client(port, path)
        while time.perf_counter() < until:
            answer = await one.ask(images[number % IMAGES])  # apart: `done +=` reads `done` before it awaits
            done += answer.status == 200
        one.close()

    begun = time.perf_counter()
    await asyncio.gather(*(busy(number) for number in range(options.concurrency + options.queue)))
    return done / (time.perf_counter() - begun)


async def overload(
    report: Report,
    port: int,
    pid: int,
    path: str,
    images: list[bytes],
    calm: list[bytes],
    options: argparse.Namespace,
) -> None:
    """Twice the capacity, at regular times, by whichever connection is free."""
    begun, sent, interval = time.perf_counter(), 0, 1 / (2 * report.capacity)
    last = int(options.seconds / interval)
    gone: list[asyncio.StreamWriter | None] = []

    async def load() -> None:
        nonlocal sent
        one = Client(port, path)
        while sent < last:
            number, sent = sent, sent + 1
            await asyncio.sleep(begun + number * interval - time.perf_counter())
            try:
                if number % 50 == 49:  # goes away without waiting
                    await one.send(images[number % IMAGES])
                    gone.append(one.close())
                    report.vanished += 1
                    continue
                answer = await one.ask(images[number % IMAGES])
            except (OSError, asyncio.IncompleteReadError):
                report.broken += 1
                one.close()
                continue
            report.statuses[answer.status] += 1
            if answer.status == 200:
                report.accepted.append(answer.seconds)
                report.wrong += answer.predictions != calm[number % IMAGES]
            elif answer.status == 503:
                report.refused.append(answer.seconds)
                report.without_retry_after += not answer.retry_after
        one.close()

    async def watch() -> None:
        while True:
            await asyncio.sleep(min(1.0, options.seconds / 20))
            report.resident.append(resident(pid))

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(load() for _ in range(options.connections)))
    report.resident.append(resident(pid))
    watching.cancel()
    for writer in gone:  # a server with all hands full may not have taken all of it
        if writer is not None:
            writer.transport.abort()


def resident(pid: int) -> int:
    """Resident memory of a process, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def until_ready(port: int, server: "subprocess.Popen[bytes]") -> None:
    """Wait for /readyz; weights may have to be made."""
    for _ in range(6000):
        if server.poll() is not None:
            raise SystemExit(f"the server ended with {server.returncode}")
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            ready = b" 200 " in await reader.readline()
            writer.close()
            if ready:
                return
        await asyncio.sleep(0.1)
    raise SystemExit("the server did not become ready")


def main(arguments: Sequence[str] | None = None) -> int:
    """Start a server, load it, and report; 1 where something is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--queue", type=int, default=32)
    parser.add_argument("--model", default="lenet5")
    parser.add_argument("--factor", type=float, default=4.0, help="of the median x depth that the p99 may take")
    parser.add_argument("--cache-dir", default="")
    options = parser.parse_args(arguments)
    port = free_port()
    start = "import sys; from app.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "serve", "--port", str(port), "--log-level", "error"]
    command += ["--provider", "cpu", "--concurrency", str(options.concurrency), "--queue", str(options.queue)]
    command += ["--cache-dir", options.cache_dir] if options.cache_dir else []
    server = subprocess.Popen(command)
    try:
        asyncio.run(until_ready(port, server))
        path = f"/api/v1/models/{options.model}/predictions"
        report = asyncio.run(measure(port, server.pid, path, options))
    finally:
        server.terminate()
        server.wait(30)
    print(report.text())
    failures = report.failures(options.factor)
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
