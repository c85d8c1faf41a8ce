"""Runs: an image through a network, every layer kept.

A run is its input. Its id is a digest of what it is computed from, its record is a few hundred kB, and everything
else is derived: cached under a byte budget, computed again when it fell out.
"""

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from app.catalog import Catalog
from app.engine import class_probabilities
from app.errors import RunNotFound
from app.imaging import decode
from app.network import Network, Prediction
from app.settings import Settings

Array = npt.NDArray[np.float32]
Activations = Mapping[str, Array]  # layer name -> (C, H, W) or (N,)

PRECISION = "fp32"  # the only one there is; part of the id, so that another will be another run


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
    image: bytes  # as uploaded
    sha256: str  # of `image`
    width: int  # pixels, after orientation
    height: int
    probabilities: Array  # (classes,)
    top: int  # how many predictions were asked for
    elapsed: Elapsed
    created: float  # seconds since the epoch
    expires: float

    @property
    def nbytes(self) -> int:
        """Bytes that count against the budget of records."""
        return len(self.image) + self.probabilities.nbytes


@dataclass(frozen=True)
class Outcome:
    """One image through one network, before anything is kept of it."""

    sha256: str
    width: int
    height: int
    activations: Activations
    probabilities: Array  # (classes,)
    elapsed: Elapsed


def make_id(network: Network, image_sha256: str) -> str:
    """The id of a run: 40 hexadecimal digits of a digest over everything its numbers depend on."""
    parts = [image_sha256, network.id, network.weights_id, network.digest, PRECISION, network.engine_version]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def compute(
    network: Network, data: bytes, max_pixels: int, started: float | None = None, *, keep: bool = True
) -> Outcome:
    """Decode, preprocess, run: bytes -> image -> tensor -> activations.

    Args:
        network: ready to run.
        data: an encoded image.
        max_pixels: limit on its pixels.
        started: `time.perf_counter()` when the work was asked for; now, when None.
        keep: whether to give every layer's activation, or the probabilities alone, which takes less memory.

    Raises:
        ImageUndecodable, ImageTooLarge, MediaTypeUnsupported: the bytes.
        WeightsNotReady: the network has no numbers here.
    """
    started = time.perf_counter() if started is None else started
    engine = network.engine
    begun = time.perf_counter()
    image = decode(data, max_pixels)
    decoded = time.perf_counter()
    tensor = network.tensor(image)  # (C, H, W)
    preprocessed = time.perf_counter()
    if keep:
        activations = engine.run(tensor)
        probabilities = class_probabilities(network.graph, activations)
    else:
        activations, probabilities = {}, engine.probabilities(tensor[None])[0]
    done = time.perf_counter()
    elapsed = Elapsed(
        decode=1000 * (decoded - begun),
        preprocess=1000 * (preprocessed - decoded),
        inference=1000 * (done - preprocessed),
        total=1000 * (done - started),
    )
    return Outcome(image.sha256, image.width, image.height, activations, probabilities, elapsed)


class RecordStore:
    """Records by id, for a time to live and under a byte budget; the least recently used goes first."""

    def __init__(
        self,
        budget: int,
        ttl: float,
        clock: Callable[[], float] = time.time,
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
    """Activations by run, under a byte budget counted in real bytes; the least recently used goes first."""

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
        size = sum(array.nbytes for array in activations.values())
        with self._lock:
            self._drop(run)
            if size > self.budget:
                return
            self._entries[run] = (activations, size)
            self.nbytes += size
            while self.nbytes > self.budget:
                self._drop(next(iter(self._entries)))

    def remove(self, run: str) -> None:
        """Forget a run's activations."""
        with self._lock:
            self._drop(run)

    def _drop(self, run: str) -> None:
        entry = self._entries.pop(run, None)
        if entry is not None:
            self.nbytes -= entry[1]


class Runs:
    """Makes runs, finds them again, and computes again what is no longer in memory."""

    def __init__(self, catalog: Catalog, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self.catalog, self.max_pixels = catalog, settings.max_pixels
        self.derived = DerivedCache(settings.cache_bytes)
        self.records = RecordStore(settings.runs_bytes, settings.run_ttl_seconds, clock, self.derived.remove)

    def create(self, network: Network, data: bytes, top: int, started: float | None = None) -> tuple[Record, bool]:
        """The run of an image, and whether it is new. Nothing is kept when anything fails.

        Raises:
            as `compute` does.
        """
        network.require_numbers()
        run = make_id(network, hashlib.sha256(data).hexdigest())
        known = self.records.find(run)
        if known is not None:
            return self._renewed(known), False
        outcome = compute(network, data, self.max_pixels, started)
        now = self.records.clock()
        record = Record(
            id=run,
            model=network.id,
            weights=network.weights_id,
            precision=PRECISION,
            image=data,
            sha256=outcome.sha256,
            width=outcome.width,
            height=outcome.height,
            probabilities=outcome.probabilities,
            top=top,
            elapsed=outcome.elapsed,
            created=now,
            expires=now + self.records.ttl,
        )
        self.records.put(record)
        self.derived.put(run, outcome.activations)
        return record, True

    def record(self, run: str) -> Record:
        """The record of a run; RunNotFound when it is unknown, deleted or expired."""
        record = self.records.find(run)
        if record is None:
            raise RunNotFound(
                f"There is no run '{run}': it was never made, was deleted, or has expired. Post the image again.",
                run,
            )
        return record

    def network(self, record: Record) -> Network:
        """The network of a run."""
        return self.catalog.network(record.model, record.weights)

    def cached(self, record: Record) -> Activations | None:
        """Every layer's activation of a run, if they are in memory."""
        return self.derived.find(record.id)

    def recompute(self, record: Record) -> Activations:
        """Every layer's activation of a run, computed from its image: the same numbers as at first."""
        outcome = compute(self.network(record), record.image, self.max_pixels)
        if self.records.find(record.id) is not None:  # deleted meanwhile: leave nothing behind
            self.derived.put(record.id, outcome.activations)
        return outcome.activations

    def predictions(self, record: Record, top: int) -> tuple[Prediction, ...]:
        """The `top` most probable classes of a run, as first answered."""
        return self.network(record).rank(record.probabilities, top)

    def remove(self, run: str) -> None:
        """Forget a run and all that was derived from it; RunNotFound when there is none."""
        self.record(run)
        self.records.remove(run)

    def _renewed(self, record: Record) -> Record:
        """A run posted again in the second half of its life gets a whole life from now."""
        now = self.records.clock()
        if record.expires - now >= self.records.ttl / 2:
            return record
        renewed = replace(record, expires=now + self.records.ttl)
        self.records.put(renewed)
        return renewed
