"""Outcomes: what is computed of an image, how its time is told, and what stays in memory meanwhile."""

import math
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from app import imaging
from app.catalog import Catalog
from app.crops import Crops
from app.engine import Engine
from app.imaging import Image
from app.manifest import PhotoPreprocessing
from app.network import Network
from app.outcomes import Array, Encoded, compute, compute_ensemble
from app.wanted import ABANDONED, Abandoned
from tests.conftest import draw_scene, encode


@pytest.fixture
def network(catalog: Catalog) -> Network:
    """The smallest network."""
    return catalog.network(catalog.models[0].id)


def smallest_of_photos(catalog: Catalog) -> Network:
    """The network for photos that computes least."""
    return min(
        (one for one in catalog.networks if one.ready and isinstance(one.weights.preprocessing, PhotoPreprocessing)),
        key=lambda one: one.graph.multiply_adds,
    )


@pytest.mark.parametrize("keep", [True, False])
def test_preprocessing_is_timed_apart_from_inference(
    network: Network, monkeypatch: pytest.MonkeyPatch, keep: bool
) -> None:
    slowly = network.tensor

    def tensor(self: Network, image: Image) -> np.typing.NDArray[np.float32]:
        time.sleep(0.05)
        return slowly(image)

    monkeypatch.setattr(Network, "tensor", tensor)
    outcome = compute(network, Encoded(encode(draw_scene(1)), 10**6), keep=keep)
    assert outcome.elapsed.preprocess >= 50


@pytest.mark.parametrize("crops", [Crops.ONE, Crops.TEN])
def test_a_large_picture_is_gone_when_the_next_one_s_turn_comes(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, crops: Crops
) -> None:
    pictures: list[weakref.ref[Image]] = []
    left: list[int] = []  # pictures in memory, whenever a turn ended

    class Turn:
        def acquire(self, timeout: float) -> bool:
            return timeout > 0

        def release(self) -> None:
            left.append(sum(picture() is not None for picture in pictures))

    def noted(*arguments: Any) -> Image:
        image = imaging.decode(*arguments)
        pictures.append(weakref.ref(image))
        return image

    monkeypatch.setattr(imaging, "LARGE", Turn())
    monkeypatch.setattr("app.network.decode", noted)
    network = smallest_of_photos(catalog)
    side = math.isqrt(imaging.LARGE_PIXELS) + 1
    body = encode(Pillow.new("RGB", (side, side)))
    compute(network, Encoded(body, side**2), crops, keep=False)
    compute_ensemble([network], Encoded(body, side**2), crops)
    assert len(pictures) == 2
    assert left == [0, 0]


def test_a_large_picture_s_turn_ends_before_its_crops_go_through(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    free: list[bool] = []
    classify = Engine.classify

    def asked(engine: Engine, tensors: Iterable[Array]) -> Iterator[Array]:
        with ThreadPoolExecutor(1) as other:  # the lock lets its own thread in at any time
            free.append(other.submit(imaging.LARGE.acquire, timeout=0).result())
            if free[-1]:
                other.submit(imaging.LARGE.release).result()
        return classify(engine, tensors)

    monkeypatch.setattr(Engine, "classify", asked)
    network = smallest_of_photos(catalog)
    side = math.isqrt(imaging.LARGE_PIXELS) + 1
    compute(network, Encoded(encode(Pillow.new("RGB", (side, side))), side**2), Crops.TEN, keep=False)
    assert free == [True]


def test_who_leaves_does_not_wait_for_a_turn(catalog: Catalog) -> None:
    gone = threading.Event()

    def work() -> None:
        ABANDONED.set(gone)
        side = math.isqrt(imaging.LARGE_PIXELS) + 1
        compute(smallest_of_photos(catalog), Encoded(encode(Pillow.new("RGB", (side, side))), side**2))

    with imaging.LARGE, ThreadPoolExecutor(1) as other:
        waiting = other.submit(work)
        gone.set()
        with pytest.raises(Abandoned):
            waiting.result(60)
