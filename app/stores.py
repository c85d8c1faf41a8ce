"""What is kept of runs: small records for a time to live, and derived activations for as long as there is room."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.activations import Activations
from app.clock import steady_time

Array = npt.NDArray[np.float32]
RECORD_BYTES = 1024  # of Python, about, for what is neither image nor probabilities


@dataclass(frozen=True)
class Elapsed:
    """Milliseconds of one answer; `total` runs from the upload's last byte, waiting for a place included."""

    decode: float
    preprocess: float
    inference: float
    total: float


@dataclass(frozen=True)
class Record:
    """What is kept of a run: its input, and the answer as first given."""

    id: str
    model: str
    weights: str
    precision: str
    crops: int  # whose probabilities were averaged; the activations are the centre crop's
    image: bytes  # as uploaded
    sha256: str  # of `image`
    width: int  # pixels, after orientation
    height: int
    probabilities: Array  # (classes,)
    top: int  # how many predictions were asked for
    elapsed: Elapsed
    created: float  # seconds since the epoch
    expires: float
    digest: str = ""  # of the network's files; an earlier version's records lack it

    @property
    def nbytes(self) -> int:
        """Bytes that count against the budget of records."""
        return len(self.image) + self.probabilities.nbytes + RECORD_BYTES


class RecordStore:
    """Records by id, for a time to live and under a byte budget; the least recently used goes first."""

    remote = False  # asked for on the event loop: it answers at once

    def __init__(
        self,
        budget: int,
        ttl: float,
        clock: Callable[[], float] = steady_time,
        forget: Callable[[str], None] = lambda run: None,
    ) -> None:
        """`forget` is told every run that goes, so that nothing derived from it stays."""
        self.budget, self.ttl, self.clock, self.forget = budget, ttl, clock, forget
        self.nbytes = 0
        self._records: OrderedDict[str, Record] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._records)

    def find(self, run: str) -> Record | None:
        """The record, or None when it is unknown or expired."""
        with self._lock:
            record = self._records.get(run)
            if record is None:
                return None
            if record.expires <= self.clock():
                self._drop(run)
                return None
            self._records.move_to_end(run)
            return record

    def put(self, record: Record) -> None:
        """Keep a record; older ones make room. The newest is kept even if it alone is over the budget."""
        self.sweep()
        with self._lock:
            replaced = self._records.pop(record.id, None)
            self._records[record.id] = record
            self.nbytes += record.nbytes - (replaced.nbytes if replaced else 0)
            while self.nbytes > self.budget and len(self._records) > 1:
                self._drop(next(iter(self._records)))

    def check(self) -> None:
        """It is always there."""

    def sweep(self) -> None:
        """Drop every record that has expired."""
        with self._lock:
            now = self.clock()
            for expired in [one.id for one in self._records.values() if one.expires <= now]:
                self._drop(expired)

    def remove(self, run: str) -> bool:
        """Forget a record; whether there was one."""
        with self._lock:
            return self._drop(run)

    def _drop(self, run: str) -> bool:
        record = self._records.pop(run, None)
        if record is not None:
            self.nbytes -= record.nbytes
            self.forget(run)
        return record is not None


class DerivedCache:
    """Activations by run, under a budget of the bytes they may come to take; the least recently used goes first."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.nbytes = self.hits = self.misses = 0
        self._entries: OrderedDict[str, tuple[Activations, int]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, run: str) -> Activations | None:
        """The activations, or None when they are not in memory."""
        with self._lock:
            entry = self._entries.get(run)
            if entry is None:
                self.misses += 1
                return None
            self.hits += 1
            self._entries.move_to_end(run)
            return entry[0]

    def put(self, run: str, activations: Activations) -> None:
        """Keep activations if they fit the budget at all; older ones make room."""
        size = activations.nbytes
        with self._lock:
            self._drop(run)
            if size > self.budget:
                return
            self._entries[run] = (activations, size)
            self.nbytes += size
            while self.nbytes > self.budget:
                self._drop(next(iter(self._entries)))

    def remove(self, run: str) -> None:
        """Forget a run's activations, and whatever else was kept under its name and a slash."""
        with self._lock:
            for key in [key for key in self._entries if key == run or key.startswith(f"{run}/")]:
                self._drop(key)

    def _drop(self, run: str) -> None:
        entry = self._entries.pop(run, None)
        if entry is not None:
            self.nbytes -= entry[1]
