"""The service behind the routes: what there is, what is kept, and who works."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import numpy as np
import numpy.typing as npt
from fastapi import Depends, Request

from app.activations import NOTHING, Activations
from app.batches import Answer, Batcher
from app.catalog import Catalog
from app.course import Course
from app.crops import Crops
from app.engine import require_finite, to_probabilities
from app.errors import RunsUnavailable
from app.graph import Layer
from app.metrics import Metrics
from app.network import Network
from app.outcomes import Encoded, Outcome, compute, compute_ensemble, prepare
from app.pulls import Pulls
from app.runs import Runs
from app.saliency import Method, saliency
from app.settings import Settings
from app.stores import Elapsed, Record
from app.workers import Workers

Array = npt.NDArray[np.float32]
T = TypeVar("T")

LARGE = 1024 * 1024  # bytes whose digest takes 0.7 ms; a smaller one is there before a thread has woken up


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

    def chosen(self, names: str | None) -> Activations:
        """The activations of some layers (comma separated; all when None), in the table's order."""
        wanted = None if names is None else {self.layer(name).name for name in names.split(",")}
        return self.activations.among(name for name in self.activations if wanted is None or name in wanted)


class Service:
    """Holds the parts together; one an app."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self.settings, self.catalog, self.course = settings, catalog, Course.open()
        self.runs = Runs(catalog, settings)
        self.workers = Workers(settings.concurrency, settings.queue)
        self.pulls = Pulls(settings)
        self._attending: dict[str, tuple[object, int, int]] = {}  # whose, passes that are done, and how many
        self._batchers: dict[tuple[str, str, str], tuple[Network, Batcher]] = {}
        self.metrics = Metrics(self.runs, self.workers, [manifest.id for manifest in catalog.models])

    async def predict(self, network: Network, data: bytes, crops: Crops) -> Outcome:
        """One image through a network, nothing kept; together with those that come at the same time.

        Raises:
            ImageUndecodable, ImageTooLarge, MediaTypeUnsupported: the bytes.
            NotSupported: a network that is not shown crops, or gives something else than numbers for this image.
            Overloaded: more work than the server holds.
        """
        encoded = Encoded(data, self.settings.max_pixels)
        if crops is not Crops.ONE:  # many inputs are a batch by themselves
            outcome = await self.workers.infer(lambda: compute(network, encoded, crops, keep=False), [network.id])
        else:
            prepared = await self.workers.infer(lambda: prepare(network, encoded), [network.id])
            with self.workers.admitted(network.id):
                probabilities, inference = await self.classify(network, prepared.tensor)
            outcome = Outcome(
                prepared.sha256,
                prepared.width,
                prepared.height,
                NOTHING,
                require_finite(probabilities, network.graph),  # of this image alone: others came with it
                Elapsed(
                    prepared.decode, prepared.preprocess, inference, 1000 * (time.perf_counter() - encoded.started)
                ),
            )
        self.metrics.inference.labels(network.id).observe(outcome.elapsed.inference / 1000)
        return outcome

    async def classify(self, network: Network, tensor: Array) -> Answer:
        """The probabilities of (C, H, W), and the milliseconds of the forward pass that they came from.

        What comes at the same time goes through together. Where replicas compute, they gather it, a batch each; here
        it would wait for one of them while the others had nothing to do.
        """

        def timed(tensors: list[Array]) -> Answer:
            begun = time.perf_counter()
            rows = network.engine.probabilities(np.stack(tensors))  # (B, classes)
            return rows, 1000 * (time.perf_counter() - begun)

        async def forward(tensors: list[Array]) -> Answer:
            return await self.workers.run(lambda: timed(tensors))

        if network.engine.elsewhere:
            rows, inference = await forward([tensor])
            return rows[0], inference
        key = (network.id, network.weights_id, network.precision)
        known, batcher = self._batchers.get(key, (None, None))
        if batcher is None or known is not network:  # its file was pulled anew
            batcher = Batcher(forward, network.engine.batch)
            self._batchers[key] = network, batcher
        return await batcher.classify(tensor)

    async def predict_together(self, networks: Sequence[Network], data: bytes, crops: Crops) -> list[Outcome]:
        """One image through several networks, nothing kept.

        Raises:
            as `predict` does.
        """
        encoded = Encoded(data, self.settings.max_pixels)
        outcomes = await self.workers.infer(
            lambda: compute_ensemble(networks, encoded, crops), [network.id for network in networks]
        )
        for network, outcome in zip(networks, outcomes, strict=True):
            self.metrics.inference.labels(network.id).observe(outcome.elapsed.inference / 1000)
        return outcomes

    async def create(self, network: Network, data: bytes, top: int, crops: Crops) -> tuple[Record, bool]:
        """The run of an image, and whether it is new; the same image posted twice at once is computed once.

        Raises:
            as `predict` does.
        """
        encoded = Encoded(data, self.settings.max_pixels)
        if len(data) > LARGE:
            await self.look(lambda: encoded.sha256)  # kept with it
        key = f"create {network.id} {network.weights_id} {network.precision} {crops} {encoded.sha256}"
        joining = self.workers.is_running(key)
        record, created = await self.workers.infer(
            lambda: self.runs.create(network, encoded, top, crops), [network.id], key
        )
        created = created and not joining
        if created:
            self.metrics.inference.labels(network.id).observe(record.elapsed.inference / 1000)
        return record, created

    async def record(self, run: str) -> Record:
        """The record of a run, off the event loop where it lies elsewhere.

        Raises:
            RunNotFound: unknown, deleted or expired.
            RunsUnavailable: the store of runs cannot be reached.
        """
        if self.runs.records.remote:
            return await self.look(lambda: self.runs.record(run))
        return self.runs.record(run)

    async def open(self, record: Record) -> OpenRun:
        """A run with its activations, computed again (once for all who ask) when they fell out of the cache.

        Raises:
            RunNotFound: what it was made with is no longer here.
            Overloaded: more work than the server holds.
        """
        activations = self.runs.cached(record)
        if activations is None:
            activations = await self.workers.infer(
                lambda: self.runs.recompute(record), [record.model], f"open {record.id}"
            )
        return OpenRun(record, self.runs.network(record), activations)

    async def attend(self, opened: OpenRun, method: Method, index: int) -> Array:
        """Where the network looked for one class, (H, W) at input size; computed once while it is kept.

        Raises:
            NotSupported: a method that this network cannot do.
            Overloaded: more work than the server holds.
        """
        run, network = opened.record.id, opened.network
        key = _attention(run, method, index)
        kept = self.runs.derived.find(key)
        if kept is not None:
            return kept[method]

        def look() -> Array:
            job = object()  # one that nobody waits for any more may still run beside this one
            self._attending[key] = job, 0, 0

            def tell(done: int, of: int) -> None:
                if self._attending[key][0] is job:
                    self._attending[key] = job, done, of

            try:
                heat = saliency(network, opened.activations, method, index, tell)
            finally:
                if self._attending[key][0] is job:
                    del self._attending[key]
            if self.runs.records.find(run) is not None:  # deleted meanwhile: leave nothing behind
                self.runs.derived.put(key, Activations.of({method: heat}))
            return heat

        return await self.workers.infer(look, [network.id], key)

    def attending(self, run: str, method: Method, index: int) -> tuple[int, int]:
        """How many passes through the network `attend` has done for that map, and how many it takes.

        0 of 0 where it has not begun here, is done, or takes none.
        """
        _, done, of = self._attending.get(_attention(run, method, index), (None, 0, 0))
        return done, of

    async def infer(self, network: Network, tensors: Array, names: Sequence[str]) -> dict[str, Array]:
        """Preprocessed inputs (B, C, H, W) through a network: output name -> (B, C, H, W) or (B, N).

        A name that is no layer's stands for the probabilities. One input's, alone, are computed together with those
        of others that come at the same time, as predictions are.

        Raises:
            Overloaded: more work than the server holds.
        """
        graph = network.graph
        likely = {graph.output.name} if graph.output_is_probability else set[str]()
        engine = network.loaded  # else it is loaded in a thread, below; and replicas gather batches themselves
        alone = len(tensors) == 1 and all(name in likely or name not in graph.by_name for name in names)
        if alone and engine is not None and not engine.elsewhere:
            self.workers.require_room([network.id])
            with self.workers.admitted(network.id):
                row, _ = await self.classify(network, tensors[0])  # (classes,)
            return {name: row.reshape(1, *(graph.output.shape if name in likely else row.shape)) for name in names}
        layers = [name if name in graph.by_name else graph.output.name for name in names]

        def work() -> dict[str, Array]:
            found = network.engine.layers(tensors, list(dict.fromkeys(layers)))
            answer: dict[str, Array] = {}
            for name, layer in zip(names, layers, strict=True):
                if name == layer:
                    answer[name] = found[layer]
                else:
                    rows = found[layer].reshape(len(tensors), -1)  # (B, classes)
                    answer[name] = to_probabilities(rows, graph.output_is_softmaxed)
            return answer

        return await self.workers.infer(work, [network.id])

    def problems(self) -> list[str]:
        """What does not work though the service does, for /readyz."""
        found = [error.detail for error in self.catalog.flaws]
        try:
            self.runs.records.check()
        except RunsUnavailable as error:
            found.append(error.detail)
        return found

    def without_places(self, text: str) -> str:
        """What to do, without where this machine's folders lie: the log says that."""
        text = text.replace(str(self.settings.cache_dir), "the cache folder")
        for folder in self.catalog.folders:
            text = text.replace(f"{folder}/", "")
        return text

    async def look(self, work: Callable[[], T]) -> T:
        """Something short, off the event loop.

        Raises:
            Overloaded: more work than the server holds.
        """
        return await self.workers.draw(work)


def _attention(run: str, method: Method, index: int) -> str:
    """What a map of where the network looked is kept under; the run's id comes first."""
    return f"{run}/saliency {method} {index}"


async def get_service(request: Request) -> Service:
    """The service of the app that got the request; a coroutine, as FastAPI takes plain functions to a thread."""
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


Desk = Annotated[Service, Depends(get_service)]
