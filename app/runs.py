"""Runs: an image through a network, every layer kept.

A run is its input. Its id is a digest of what it is computed from, its record is a few hundred kB, and everything
else is derived: cached under a byte budget, computed again when it fell out.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from app.catalog import Catalog
from app.engine import class_probabilities
from app.errors import RunNotFound
from app.imaging import decode
from app.network import Network, Prediction
from app.settings import Settings
from app.stores import Activations, DerivedCache, Elapsed, Record, RecordStore

Array = npt.NDArray[np.float32]

PRECISION = "fp32"  # the only one there is; part of the id, so that another will be another run


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
