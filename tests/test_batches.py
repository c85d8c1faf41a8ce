"""Batches: what gathers while one runs goes together, and nobody loses an answer."""

import asyncio
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest

from app.batches import Answer, Array, Batcher
from app.catalog import Catalog
from app.crops import Crops
from app.engine import Engine
from app.service import Service
from tests.conftest import MakeSettings, draw_scene, encode


class Forward:
    """A pass that waits to be let through, and doubles its inputs."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.gate = asyncio.Event()

    async def __call__(self, tensors: list[Array]) -> Answer:
        self.sizes.append(len(tensors))
        await self.gate.wait()
        batch = np.stack(tensors)
        if (batch < 0).any():
            raise ValueError("negative")
        return 2 * batch, 1.0


def one(number: float) -> Array:
    return np.full(1, number, np.float32)


def test_what_gathers_goes_together_up_to_the_most_and_everybody_gets_their_own() -> None:
    async def scenario() -> None:
        forward = Forward()
        batcher = Batcher(forward, most=3)
        tasks = [asyncio.create_task(batcher.classify(one(0)))]
        await asyncio.sleep(0.01)  # it runs, alone: it waited for nobody
        assert forward.sizes == [1]
        tasks += [asyncio.create_task(batcher.classify(one(number))) for number in range(1, 6)]
        await asyncio.sleep(0.01)
        forward.gate.set()
        rows = [row.item() for row, _ in await asyncio.gather(*tasks)]
        assert rows == [0, 2, 4, 6, 8, 10]
        assert forward.sizes == [1, 3, 2]

    asyncio.run(scenario())


def test_who_goes_away_leaves_the_queue_and_an_error_ends_only_its_own_batch() -> None:
    async def scenario() -> None:
        forward = Forward()
        batcher = Batcher(forward, most=2)
        first = asyncio.create_task(batcher.classify(one(-1)))
        await asyncio.sleep(0.01)
        gone, second = (asyncio.create_task(batcher.classify(one(number))) for number in (1, 2))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0.01)
        forward.gate.set()
        with pytest.raises(ValueError, match="negative"):
            await first
        row, _ = await second
        assert row.item() == 4
        assert forward.sizes == [1, 1]
        assert (await batcher.classify(one(3)))[0].item() == 6  # it starts again after it had nothing to do

    asyncio.run(scenario())


def test_predictions_that_come_together_are_those_of_each_alone(api: httpx.Client, catalog: Catalog) -> None:
    networks = [network for network in catalog.networks if network.ready]
    network = min(networks, key=lambda one: one.graph.multiply_adds)
    path = f"/api/v1/models/{network.id}/predictions"
    photos = [encode(draw_scene(seed), "PNG") for seed in range(12)]
    alone = [api.post(path, content=photo).json()["predictions"] for photo in photos]
    with ThreadPoolExecutor(len(photos)) as pool:
        together = list(pool.map(lambda photo: api.post(path, content=photo).json()["predictions"], photos))
    assert together == alone


class Replicas:
    """A session elsewhere; a pass ends when another is under way."""

    def __init__(self, classes: int) -> None:
        self.classes, self.meeting = classes, threading.Barrier(2)

    def run(self, names: list[str], feeds: dict[str, Array]) -> list[Array]:
        self.meeting.wait(20)
        (batch,) = feeds.values()
        return [np.full((len(batch), self.classes), 1 / self.classes, np.float32) for _ in names]

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def test_replicas_compute_at_the_same_time(catalog: Catalog, make_settings: MakeSettings) -> None:
    local = min((one for one in catalog.networks if one.ready), key=lambda one: one.graph.multiply_adds)
    replicas = Replicas(local.graph.output.shape[0])
    settings = make_settings(concurrency=2)
    service = Service(settings, Catalog.open(settings, open_session=lambda _, __: replicas))
    network = service.catalog.network(local.id)
    network.prepare()
    photos = [encode(draw_scene(seed), "PNG") for seed in range(2)]

    async def both() -> None:
        outcomes = await asyncio.gather(*(service.predict(network, photo, Crops.ONE) for photo in photos))
        assert [len(one.probabilities) for one in outcomes] == [replicas.classes] * 2

    asyncio.run(both())


def test_tensors_that_come_together_go_together_where_probabilities_alone_are_wanted(
    catalog: Catalog, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = min((one for one in catalog.networks if one.ready), key=lambda one: one.graph.multiply_adds)
    service, sizes, probabilities = Service(make_settings(), catalog), list[int](), Engine.probabilities
    _ = network.engine
    tensors = np.random.default_rng(5).normal(size=(6, *network.graph.input_shape)).astype(np.float32)
    expected = probabilities(network.engine, tensors)
    last = network.graph.output

    def noted(engine: Engine, batch: Array) -> Array:
        sizes.append(len(batch))
        return probabilities(engine, batch)

    monkeypatch.setattr(Engine, "probabilities", noted)

    async def scenario(names: list[str]) -> list[dict[str, Array]]:
        return await asyncio.gather(*(service.infer(network, tensor[None], names) for tensor in tensors))

    for answer, row in zip(asyncio.run(scenario(["probabilities"])), expected, strict=True):
        np.testing.assert_allclose(answer["probabilities"], row[None], atol=1e-5)
    assert sum(sizes) == len(tensors) > len(sizes)
    sizes.clear()
    first = network.graph.layers[1]
    for answer in asyncio.run(scenario([last.name, first.name])):
        assert {name: one.shape for name, one in answer.items()} == {
            layer.name: (1, *layer.shape) for layer in (last, first)
        }
    assert not sizes, "a layer was asked for, too"


def test_the_digest_of_a_large_upload_is_taken_in_a_thread(
    catalog: Catalog, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = min((one for one in catalog.networks if one.ready), key=lambda one: one.graph.multiply_adds)
    service, on_the_loop, digest = Service(make_settings(), catalog), list[bool](), hashlib.sha256

    def noted(data: bytes) -> Any:
        on_the_loop.append(threading.current_thread() is threading.main_thread())
        return digest(data)

    monkeypatch.setattr("app.outcomes.hashlib", SimpleNamespace(sha256=noted))
    small, large = (encode(draw_scene(width=side, height=side), "BMP") for side in (100, 700))
    for photo in (small, large):
        record, created = asyncio.run(service.create(network, photo, 5, Crops.ONE))
        assert created and record.sha256 == digest(photo).hexdigest()
    assert on_the_loop == [True, False]


def test_a_network_is_loaded_by_a_tensor_in_a_thread(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(make_settings(), Catalog.open(make_settings()))
    networks = [one for one in service.catalog.networks if one.weights.origin.kind != "pulled"]
    network = min(networks, key=lambda one: one.graph.multiply_adds)
    network.prepare()
    threads, load = list[threading.Thread](), Engine.__init__

    def noted(engine: Engine, *arguments: Any) -> None:
        threads.append(threading.current_thread())
        load(engine, *arguments)

    monkeypatch.setattr(Engine, "__init__", noted)
    tensor = np.zeros((1, *network.graph.input_shape), np.float32)
    for _ in range(2):
        asyncio.run(service.infer(network, tensor, ["probabilities"]))
    assert len(threads) == 1 and threads[0] is not threading.main_thread()


def test_a_network_whose_file_came_anew_computes_with_it(
    catalog: Catalog, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = min((one for one in catalog.networks if one.ready), key=lambda one: one.graph.multiply_adds)
    again = Catalog.open(make_settings())
    new = again.network(old.id, old.weights_id)
    new.prepare()
    service, asked, probabilities = Service(make_settings(), catalog), list[Engine](), Engine.probabilities

    def noted(engine: Engine, tensors: Array) -> Array:
        asked.append(engine)
        return probabilities(engine, tensors)

    monkeypatch.setattr(Engine, "probabilities", noted)

    async def scenario() -> None:
        for network in (old, new, new):
            await service.predict(network, encode(draw_scene(), "PNG"), Crops.ONE)

    asyncio.run(scenario())
    assert asked == [old.engine, new.engine, new.engine]
