"""The service behind the routes: what there is, what is kept, and who works."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import numpy as np
import numpy.typing as npt
from fastapi import Depends, Request

from app.catalog import Catalog
from app.graph import Layer
from app.metrics import Metrics
from app.network import Network
from app.pulls import Pulls
from app.runs import Outcome, Runs, compute
from app.settings import Settings
from app.stores import Activations, Record
from app.workers import Workers

Array = npt.NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True)
class OpenRun:
    """A run with its activations at hand."""

    record: Record
    network: Network
    activations: Activations

    def layer(self, name: str) -> Layer:
        """A layer of the run; LayerNotFound names what there is."""
        return self.network.graph.layer(name)

    def activation(self, name: str) -> Array:
        """A layer's activation, (C, H, W) or (N,); LayerNotFound names what there is."""
        return self.activations[self.layer(name).name]

    def chosen(self, names: str | None) -> dict[str, Array]:
        """The activations of some layers (comma separated; all when None), in the table's order."""
        wanted = None if names is None else {self.layer(name).name for name in names.split(",")}
        return {name: array for name, array in self.activations.items() if wanted is None or name in wanted}


class Service:
    """Holds the parts together; one an app."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self.settings, self.catalog = settings, catalog
        self.runs = Runs(catalog, settings)
        self.workers = Workers(settings.concurrency, settings.queue)
        self.pulls = Pulls(settings)
        self.metrics = Metrics(self.runs, self.workers)

    async def predict(self, network: Network, data: bytes) -> Outcome:
        """One image through a network, nothing kept.

        Raises:
            ImageUndecodable, ImageTooLarge, MediaTypeUnsupported: the bytes.
            Overloaded: more work than the server holds.
        """
        started = time.perf_counter()
        outcome = await self.workers.infer(
            lambda: compute(network, data, self.settings.max_pixels, started, keep=False)
        )
        self.metrics.inference.labels(network.id).observe(outcome.elapsed.inference / 1000)
        return outcome

    async def create(self, network: Network, data: bytes, top: int) -> tuple[Record, bool]:
        """The run of an image, and whether it is new; the same image posted twice at once is computed once.

        Raises:
            as `predict` does.
        """
        started = time.perf_counter()
        key = f"create {network.id} {network.weights_id} {hashlib.sha256(data).hexdigest()}"
        joining = self.workers.is_running(key)
        record, created = await self.workers.infer(lambda: self.runs.create(network, data, top, started), key=key)
        created = created and not joining
        if created:
            self.metrics.inference.labels(network.id).observe(record.elapsed.inference / 1000)
        return record, created

    async def open(self, run: str) -> OpenRun:
        """A run with its activations, computed again (once for all who ask) when they fell out of the cache.

        Raises:
            RunNotFound: unknown, deleted or expired.
            Overloaded: more work than the server holds.
        """
        record = self.runs.record(run)
        activations = self.runs.cached(record)
        if activations is None:
            activations = await self.workers.infer(lambda: self.runs.recompute(record), key=f"open {run}")
        return OpenRun(record, self.runs.network(record), activations)

    async def look(self, work: Callable[[], T]) -> T:
        """Something short, off the event loop."""
        return await self.workers.draw(work)


def get_service(request: Request) -> Service:
    """The service of the app that got the request."""
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


Desk = Annotated[Service, Depends(get_service)]
