"""Run records in Redis, so that replicas share them: made on one, read on all, gone after their time to live."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from urllib.parse import urlsplit

import numpy as np

from app.clock import steady_time
from app.errors import InvalidValue, RunsUnavailable
from app.stores import Elapsed, Record

log = logging.getLogger(__name__)

PREFIX = "convscope:"
TIMEOUT = 2.0  # seconds for one command: an answer should not wait longer for a store that is gone
SILENT = 2.0  # seconds after one that was not answered, in which nobody else waits so long, a thread and a place held


class RedisRecords:
    """The same as RecordStore, in Redis; how much is kept is for Redis's own maxmemory to say.

    Every method raises RunsUnavailable while Redis cannot be reached. It is asked anew each time; if it is there but
    does not answer, every SILENT seconds.
    """

    remote = True

    def __init__(
        self,
        url: str,
        ttl: float,
        clock: Callable[[], float] = steady_time,
        forget: Callable[[str], None] = lambda run: None,
    ) -> None:
        """`forget` is told the runs that this replica has seen and that are gone.

        Raises:
            InvalidValue: the package redis is not installed, or the address is none.
        """
        try:
            import redis  # noqa: PLC0415  # optional: one replica needs none
            from redis.backoff import NoBackoff  # noqa: PLC0415
            from redis.retry import Retry  # noqa: PLC0415
        except ImportError as error:
            raise InvalidValue(
                "CONVSCOPE_RUNS names Redis, and the package for it is missing: pip install 'convscope[redis]'.",
                url,
            ) from error
        self.ttl, self.clock, self.forget = ttl, clock, forget
        self.place = urlsplit(url).hostname or "?"  # without user and password
        self.available = True
        self._failure, self._timeout = redis.RedisError, redis.TimeoutError
        self._silent_until = 0.0  # time.monotonic(); 0 while it answers
        try:
            # over a connection that was closed while it was idle; not after a silence, which would be as long again
            once = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
            self._redis = redis.Redis.from_url(
                url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=once
            )
        except ValueError as error:
            raise InvalidValue(f"CONVSCOPE_RUNS is no address of Redis: {error}.", url) from error
        self._seen: dict[str, tuple[float, int]] = {}  # run -> when it expires, and its bytes
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def nbytes(self) -> int:
        """Bytes of the records that this replica has seen."""
        with self._lock:
            return sum(size for _, size in self._seen.values())

    def find(self, run: str) -> Record | None:
        """The record, or None when it is unknown or expired."""
        with self._asking():
            data = self._redis.get(f"{PREFIX}run:{run}")
        if data is None:
            self._lose(run)
            return None
        assert isinstance(data, bytes)
        record = unpack(data)
        self._see(record)
        return record

    def put(self, record: Record) -> None:
        """Keep a record until it expires."""
        left = max(1, round(1000 * (record.expires - self.clock())))
        with self._asking():
            self._redis.set(f"{PREFIX}run:{record.id}", pack(record), px=left)
        self._see(record)

    def remove(self, run: str) -> bool:
        """Forget a record; whether there was one."""
        with self._asking():
            removed = self._redis.delete(f"{PREFIX}run:{run}")
        self._lose(run)
        return bool(removed)

    def sweep(self) -> None:
        """Forget what was derived here from runs that have expired or were removed by another replica."""
        with self._lock:
            seen = list(self._seen)
        try:
            for run in seen:
                with self._asking():
                    there = self._redis.exists(f"{PREFIX}run:{run}")
                if not there:
                    self._lose(run)
        except RunsUnavailable:
            now = self.clock()
            for run in [run for run in seen if self._seen.get(run, (now, 0))[0] <= now]:
                self._lose(run)

    def share(self, name: str, value: str) -> str:
        """A value that all replicas agree on: that of the first who asked."""
        with self._asking():
            self._redis.set(f"{PREFIX}{name}", value, nx=True)
            kept = self._redis.get(f"{PREFIX}{name}")
        return kept.decode() if isinstance(kept, bytes) else value

    def check(self) -> None:
        """Raises RunsUnavailable while Redis cannot be reached."""
        with self._asking():
            self._redis.ping()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        with self._lock:
            if time.monotonic() < self._silent_until:
                raise self._unavailable()
            if self._silent_until:  # whoever comes first after a silence asks for all
                self._silent_until = time.monotonic() + TIMEOUT + SILENT
        try:
            yield
        except self._failure as error:
            self._silent_until = time.monotonic() + SILENT if isinstance(error, self._timeout) else 0.0
            if self.available:
                log.error("Redis at %s is gone (%s): no runs until it is back.", self.place, type(error).__name__)
            self.available = False
            raise self._unavailable() from error
        self._silent_until = 0.0
        if not self.available:
            log.warning("Redis at %s is back.", self.place)
        self.available = True

    @staticmethod
    def _unavailable() -> RunsUnavailable:
        return RunsUnavailable(
            "The store of runs cannot be reached, so none can be made or read; predictions work. Ask again in a few "
            "seconds."
        )

    def _see(self, record: Record) -> None:
        with self._lock:
            self._seen[record.id] = record.expires, record.nbytes

    def _lose(self, run: str) -> None:
        with self._lock:
            self._seen.pop(run, None)
        self.forget(run)


def pack(record: Record) -> bytes:
    """A record as bytes: length of the head (4 bytes), head (JSON), probabilities (float32), image."""
    fields = asdict(record)
    image, probabilities = fields.pop("image"), record.probabilities.astype("<f4")
    fields["probabilities"] = len(probabilities)
    head = json.dumps(fields).encode()
    return b"".join((len(head).to_bytes(4, "little"), head, probabilities.tobytes(), image))


def unpack(data: bytes) -> Record:
    """The record in those bytes."""
    end = 4 + int.from_bytes(data[:4], "little")
    fields = json.loads(data[4:end])
    middle = end + 4 * fields["probabilities"]
    fields["probabilities"] = np.frombuffer(data[end:middle], "<f4").astype(np.float32)
    fields["elapsed"] = Elapsed(**fields["elapsed"])
    return Record(**fields, image=data[middle:])
