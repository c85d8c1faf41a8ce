"""The PNG writer, read back by Pillow."""

import io
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image as Pillow

from app import png

SIDES = st.integers(1, 40)


def read_back(data: bytes) -> npt.NDArray[np.uint8]:
    with Pillow.open(io.BytesIO(data), formats=["PNG"]) as picture:
        return np.asarray(picture)


@given(SIDES.flatmap(lambda h: SIDES.flatmap(lambda w: arrays.arrays(np.uint8, (h, w)))))
def test_grey_comes_back(pixels: npt.NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(read_back(png.encode(pixels)), pixels)


@given(SIDES.flatmap(lambda h: SIDES.flatmap(lambda w: arrays.arrays(np.uint8, (h, w, 3)))))
def test_colour_comes_back(pixels: npt.NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(read_back(png.encode(pixels)), pixels)


def test_views_and_repeats_give_the_same_bytes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (31, 47), dtype=np.uint8)
    assert png.encode(pixels) == png.encode(np.asfortranarray(pixels)) == png.encode(pixels[::-1][::-1])


def test_what_was_encoded_before_and_by_whom_does_not_show() -> None:
    rng = np.random.default_rng(1)
    pictures = []
    for _ in range(12):
        height, width = rng.integers(20, 200, 2)
        maps = np.maximum(rng.normal(0, 60, (height // 4 + 1, width // 4 + 1)), 0).repeat(4, 0).repeat(4, 1)
        pictures.append(maps[:height, :width].clip(0, 255).astype(np.uint8))
    alone = [png.encode(picture) for picture in pictures]
    order = rng.integers(0, len(pictures), 600).tolist()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda index: png.encode(pictures[index]), order))
    assert all(answer == alone[index] for index, answer in zip(order, answers, strict=True))


def test_each_row_takes_the_filter_that_suits_it() -> None:
    steps = np.arange(64, dtype=np.uint8)
    rows = np.stack([steps * 3, steps * 3, np.where(steps % 2, 1, 255).astype(np.uint8)])
    assert png.filter_lines(rows, 1)[:, 0].tolist() == [png.SUB, png.UP, png.NONE]


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (4, 4, 4), (4,), (2, 2, 1)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="A picture is uint8"):
        png.encode(np.zeros(shape, np.uint8))


def test_other_types_are_refused() -> None:
    with pytest.raises(ValueError, match="float64"):
        png.encode(np.zeros((2, 2)))  # type: ignore[arg-type]  # the point of the test


def test_faster_than_pillow_and_hardly_larger() -> None:
    y, x = np.mgrid[:512, :512]
    noise = np.random.default_rng(0).normal(0, 6, (512, 512))
    pixels = (128 + 90 * np.sin(x / 9) * np.cos(y / 13) + noise).clip(0, 255).astype(np.uint8)

    def pillow() -> bytes:
        file = io.BytesIO()
        Pillow.fromarray(pixels).save(file, "PNG")
        return file.getvalue()

    def cost(encode: Callable[[], bytes]) -> int:
        start = time.thread_time_ns()  # the processor's time: other tests run beside this one
        encode()
        return time.thread_time_ns() - start

    def ours() -> bytes:
        return png.encode(pixels)

    assert len(ours()) <= 1.2 * len(pillow())
    costs = [(cost(ours), cost(pillow)) for _ in range(9)]
    ratio = np.median([theirs / own for own, theirs in costs])
    assert ratio >= 5, f"Pillow takes {ratio:.1f} times as long"
