"""The PNG writer, read back by Pillow."""

import io
import time

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

    def best(times: int, mine: bool) -> tuple[float, int]:
        seconds, size = [], 0
        for _ in range(times):
            start, file = time.perf_counter(), io.BytesIO()
            if mine:
                file.write(png.encode(pixels))
            else:
                Pillow.fromarray(pixels).save(file, "PNG")
            seconds.append(time.perf_counter() - start)
            size = file.tell()
        return min(seconds), size

    (ours, size), (pillows, usual) = best(7, True), best(5, False)
    assert size <= 1.5 * usual
    assert pillows / ours >= 5, f"{pillows * 1e3:.1f} ms against {ours * 1e3:.1f} ms"
