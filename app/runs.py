"""Runs: an image through a network, every layer kept.

A run is its input. Its id is a digest of what it is computed from, its record is a few hundred kB, and everything
else is derived: cached under a byte budget, computed again when it fell out.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from app.activations import NOTHING, Activations
from app.catalog import Catalog
from app.clock import steady_time
from app.crops import Crops
from app.engine import class_probabilities
from app.errors import RunNotFound
from app.imaging import Enough, Image
from app.network import Network, Prediction
from app.redis_records import RedisRecords
from app.salt import read_salt
from app.settings import Settings
from app.stores import DerivedCache, Elapsed, Record, RecordStore

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Outcome:
    """One image through one network, before anything is kept of it."""

    sha256: str
    width: int
    height: int
    activations: Activations
    probabilities: Array  # (classes,)
    elapsed: Elapsed


def make_id(network: Network, image_sha256: str, crops: Crops = Crops.ONE, salt: bytes = b"") -> str:
    """The id of a run: 40 hexadecimal digits of a digest over everything its numbers depend on, and the salt."""
    parts = [
        image_sha256,
        network.id,
        network.weights_id,
        network.digest,
        network.precision,
        network.engine_version,
        crops,
    ]
    return hmac.new(salt, json.dumps(parts).encode(), hashlib.sha256).hexdigest()[:40]


@dataclass(frozen=True)
class Prepared:
    """An image as one network sees it, before it has gone through; the picture itself, which is large, is let go."""

    sha256: str
    width: int
    height: int
    tensor: Array  # (C, H, W)
    decode: float  # milliseconds
    preprocess: float


def prepare(network: Network, data: bytes, max_pixels: int, sha256: str | None = None) -> Prepared:
    """Decode and preprocess: bytes -> image -> tensor. The digest of the bytes may be known already.

    Raises:
        ImageUndecodable, ImageTooLarge, MediaTypeUnsupported: the bytes.
        WeightsNotReady: the network has no numbers here.
    """
    _ = network.engine  # loading it is no part of the decoding
    with ExitStack() as turn:  # the picture goes with the call, before the next one's turn
        return _prepare(network, data, max_pixels, sha256, turn)


def _prepare(network: Network, data: bytes, max_pixels: int, sha256: str | None, turn: ExitStack) -> Prepared:
    begun = time.perf_counter()
    image = network.decode(data, max_pixels, sha256, turn)
    decoded = time.perf_counter()
    tensor = network.tensor(image)
    preprocess = 1000 * (time.perf_counter() - decoded)
    return Prepared(image.sha256, image.width, image.height, tensor, 1000 * (decoded - begun), preprocess)


def compute(
    network: Network,
    data: bytes,
    max_pixels: int,
    started: float | None = None,
    crops: Crops = Crops.ONE,
    *,
    keep: bool = True,
    sha256: str | None = None,
) -> Outcome:
    """Decode, preprocess, run: bytes -> image -> tensor -> activations.

    Args:
        network: ready to run.
        data: an encoded image.
        max_pixels: limit on its pixels.
        started: `time.perf_counter()` when the work was asked for; now, when None.
        crops: how many crops' probabilities are averaged; the activations are those of the centre crop.
        keep: whether to give every layer's activation, or the probabilities alone, which takes less memory.
        sha256: the digest of `data`, where it is known already.

    Raises:
        ImageUndecodable, ImageTooLarge, MediaTypeUnsupported: the bytes.
        NotSupported: a network that is not shown crops.
        WeightsNotReady: the network has no numbers here.
        Abandoned: nobody waits for it any more.
    """
    started = time.perf_counter() if started is None else started
    if crops is not Crops.ONE:
        _ = network.engine
        with ExitStack() as turn:  # as in `prepare`
            return _decode_and_classify([network], data, max_pixels, sha256, started, crops, keep, turn)[0]
    prepared = prepare(network, data, max_pixels, sha256)
    begun = time.perf_counter()
    activations = NOTHING
    if keep:
        activations = network.engine.run(prepared.tensor)
        probabilities = class_probabilities(network.graph, activations)
    else:
        (row,) = network.engine.classify([prepared.tensor])  # (1, classes)
        probabilities = row[0]
    done = time.perf_counter()
    elapsed = Elapsed(
        decode=prepared.decode,
        preprocess=prepared.preprocess,
        inference=1000 * (done - begun),
        total=1000 * (done - started),
    )
    return Outcome(prepared.sha256, prepared.width, prepared.height, activations, probabilities, elapsed)


def _classify(network: Network, image: Image, crops: Crops, keep: bool, started: float, decoding: float) -> Outcome:
    """The crops of an image, whose decoding took `decoding` seconds, are averaged, while it is held."""
    preprocessing = 0.0

    def timed(tensors: Iterator[Array]) -> Iterator[Array]:
        nonlocal preprocessing
        while True:
            begun = time.perf_counter()
            tensor = next(tensors, None)
            preprocessing += time.perf_counter() - begun
            if tensor is None:
                return
            yield tensor

    begun = time.perf_counter()
    rows = np.concatenate(list(network.engine.classify(timed(network.tensors(image, crops)))))  # (crops, classes)
    activations = network.engine.run(network.tensor(image)) if keep else NOTHING
    done = time.perf_counter()
    elapsed = Elapsed(
        decode=1000 * decoding,
        preprocess=1000 * preprocessing,
        inference=1000 * (done - begun - preprocessing),
        total=1000 * (done - started),
    )
    return Outcome(image.sha256, image.width, image.height, activations, rows.mean(axis=0), elapsed)


def compute_ensemble(
    networks: Sequence[Network], data: bytes, max_pixels: int, started: float, crops: Crops
) -> list[Outcome]:
    """One image, decoded once for all that look at the same of it, through several networks one after the other.

    Raises:
        as `compute` does.
    """
    for network in networks:
        _ = network.engine
    with ExitStack() as turn:  # as in `prepare`
        return _decode_and_classify(networks, data, max_pixels, None, started, crops, False, turn)


def _decode_and_classify(
    networks: Sequence[Network],
    data: bytes,
    max_pixels: int,
    sha256: str | None,
    started: float,
    crops: Crops,
    keep: bool,
    turn: ExitStack,
) -> list[Outcome]:
    decoded: dict[Enough | None, tuple[Image, float]] = {}
    for network in networks:
        if network.enough not in decoded:
            begun = time.perf_counter()
            decoded[network.enough] = network.decode(data, max_pixels, sha256, turn), time.perf_counter() - begun
    return [
        _classify(network, image, crops, keep, started, decoding)
        for network in networks
        for image, decoding in (decoded[network.enough],)
    ]


class Runs:
    """Makes runs, finds them again, and computes again what is no longer in memory."""

    def __init__(self, catalog: Catalog, settings: Settings, clock: Callable[[], float] = steady_time) -> None:
        self.catalog, self.max_pixels = catalog, settings.max_pixels
        self.settings = settings
        self.derived = DerivedCache(settings.cache_bytes)
        self.records: RecordStore | RedisRecords = (
            RedisRecords(settings.runs, settings.run_ttl_seconds, clock, self.derived.remove)
            if settings.runs
            else RecordStore(settings.runs_bytes, settings.run_ttl_seconds, clock, self.derived.remove)
        )

    @property
    def salt(self) -> bytes:
        """The deployment's salt: as set, else kept where the records are.

        Redis is asked each time: it may have come back empty, and another replica may have been first since.

        Raises:
            RunsUnavailable: the records are in Redis, and that cannot be reached.
        """
        if isinstance(self.records, RedisRecords) and not self.settings.salt:
            return self.records.share("salt", self._salt.decode()).encode()
        return self._salt

    @cached_property
    def _salt(self) -> bytes:
        return read_salt(self.settings.salt, self.settings.cache_dir)

    def create(
        self,
        network: Network,
        data: bytes,
        top: int,
        started: float | None = None,
        crops: Crops = Crops.ONE,
        sha256: str | None = None,
    ) -> tuple[Record, bool]:
        """The run of an image (whose digest may be known already), and whether it is new.

        Nothing is kept when anything fails.

        Raises:
            as `compute` does.
        """
        network.require_numbers()
        sha256 = sha256 or hashlib.sha256(data).hexdigest()
        run = make_id(network, sha256, crops, self.salt)
        known = self.records.find(run)
        if known is not None:
            return self._renewed(known), False
        outcome = compute(network, data, self.max_pixels, started, crops, sha256=sha256)
        now = self.records.clock()
        record = Record(
            id=run,
            model=network.id,
            weights=network.weights_id,
            precision=network.precision,
            crops=int(crops),
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
        network.engine.make_ready()
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
        return self.catalog.network(record.model, record.weights, record.precision)

    def cached(self, record: Record) -> Activations | None:
        """Every layer's activation of a run, if they are in memory."""
        return self.derived.find(record.id)

    def recompute(self, record: Record) -> Activations:
        """Every layer's activation of a run, computed from its image: the same numbers as at first.

        Raises:
            RunNotFound: what it was made with is no longer here, or not on this replica.
        """
        network = self.network(record)
        if make_id(network, record.sha256, Crops(record.crops), self.salt) != record.id:
            raise RunNotFound(
                f"The run '{record.id}' was made with another file, version or salt of {record.model} than there is "
                "here. Post the image again.",
                record.id,
            )
        outcome = compute(network, record.image, self.max_pixels)
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
