"""The shipped LeNet-5 reads digits drawn with a mouse: thick or thin, large or small, anywhere, on either paper."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from app.catalog import Catalog
from app.imaging import Image
from tests.models.strokes import draw


def read(catalog: Catalog, pixels: NDArray[np.uint8]) -> int:
    return catalog.network("lenet5").predict(Image.of(pixels), top=1)[0].index


@pytest.mark.parametrize("digit", range(10))
@pytest.mark.parametrize("light_on_dark", [False, True])
def test_plain_centred_drawings_are_all_read(catalog: Catalog, digit: int, light_on_dark: bool) -> None:
    assert read(catalog, draw(digit, light_on_dark=light_on_dark)) == digit


def test_drawings_of_every_kind(catalog: Catalog) -> None:
    sizes, thicknesses = (64, 280, 900), (0.02, 0.05, 0.09, 0.15)
    kinds = ((1.0, (0.0, 0.0)), (0.6, (-0.18, 0.15)), (0.5, (0.2, -0.2)))
    wrong, drawings = [], 0
    for number, (digit, size, thickness, (scale, offset)) in enumerate(product(range(10), sizes, thicknesses, kinds)):
        # A stroke as thick as 15 % of the field on a digit of half its size closes every loop: no one reads that.
        thick = min(thickness, 0.15 * scale)
        slant = (-0.15, 0.0, 0.25)[number % 3]
        pixels = draw(digit, size, thick, scale, offset, slant, light_on_dark=number % 2 == 1)
        answer = read(catalog, pixels)
        drawings += 1
        if answer != digit:
            wrong.append((digit, answer, size, round(thick, 3), scale, slant))
    assert drawings == 360
    assert len(wrong) <= 0.05 * drawings, f"{len(wrong)} of {drawings}: {wrong}"
