"""Runs: an image through a network, every layer kept.

A run is its input. Its id is a digest of what it is computed from, its record is a few hundred kB, and everything
else is derived: cached under a byte budget, computed again when it fell out.
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

from app.activations import Activations
from app.catalog import Catalog
from app.clock import steady_time
from app.crops import Crops
from app.errors import ModelNotFound, NotSupported, RunNotFound, WeightsNotFound, WeightsNotReady
from app.network import Network
from app.outcomes import Encoded, compute
from app.redis_records import RedisRecords
from app.run import Prediction
from app.salt import read_salt
from app.settings import Settings
from app.stores import DerivedCache, Record, RecordStore


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

    def create(self, network: Network, encoded: Encoded, top: int, crops: Crops = Crops.ONE) -> tuple[Record, bool]:
        """The run of an image, and whether it is new.

        Nothing is kept when anything fails.

        Raises:
            as `compute` does.
        """
        network.require_numbers()
        run = make_id(network, encoded.sha256, crops, self.salt)
        known = self.records.find(run)
        if known is not None:
            return self._renewed(known), False
        outcome = compute(network, encoded, crops)
        now = self.records.clock()
        record = Record(
            id=run,
            model=network.id,
            weights=network.weights_id,
            precision=network.precision,
            crops=int(crops),
            image=encoded.data,
            sha256=outcome.sha256,
            width=outcome.width,
            height=outcome.height,
            probabilities=outcome.probabilities,
            top=top,
            elapsed=outcome.elapsed,
            created=now,
            expires=now + self.records.ttl,
            digest=network.digest,
        )
        self.records.put(record)
        self.derived.put(run, outcome.activations)
        network.engine.make_ready()
        return record, True

    def record(self, run: str) -> Record:
        """The record of a run.

        Raises:
            RunNotFound: unknown, deleted or expired; or what it was made with is not here, or not any more.
        """
        record = self.records.find(run)
        if record is None:
            raise self._unknown(run)
        if self.records.remote and not self._is_of_here(record):  # else this process made it
            raise self._foreign(record)
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
            raise self._foreign(record)
        outcome = compute(network, Encoded(record.image, self.max_pixels))
        if self.records.find(record.id) is not None:  # deleted meanwhile: leave nothing behind
            self.derived.put(record.id, outcome.activations)
        return outcome.activations

    def predictions(self, record: Record, top: int) -> tuple[Prediction, ...]:
        """The `top` most probable classes of a run, as first answered."""
        return self.network(record).rank(record.probabilities, top)

    def remove(self, run: str) -> None:
        """Forget a run and all that was derived from it; RunNotFound when there is none."""
        if self.records.find(run) is None:
            raise self._unknown(run)
        self.records.remove(run)

    def _is_of_here(self, record: Record) -> bool:
        """Whether its network is here, by its files' digest: to load them and compare more would take seconds."""
        try:
            return record.digest in ("", self.network(record).digest)
        except (ModelNotFound, WeightsNotFound, WeightsNotReady, NotSupported):
            return False

    @staticmethod
    def _unknown(run: str) -> RunNotFound:
        return RunNotFound(
            f"There is no run '{run}': it was never made, was deleted, or has expired. Post the image again.", run
        )

    @staticmethod
    def _foreign(record: Record) -> RunNotFound:
        return RunNotFound(
            f"The run '{record.id}' was made with another file or salt of {record.model}, or another version of "
            "Convscope or onnxruntime, than there is here. Post the image again.",
            record.id,
        )

    def _renewed(self, record: Record) -> Record:
        """A run posted again in the second half of its life gets a whole life from now."""
        now = self.records.clock()
        if record.expires - now >= self.records.ttl / 2:
            return record
        renewed = replace(record, expires=now + self.records.ttl)
        self.records.put(renewed)
        return renewed
