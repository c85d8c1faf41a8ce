"""Median and largest of neighbours, against Pillow's filters."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFilter

from app.neighbours import largest, median

Picture = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
pictures = arrays(np.uint8, st.tuples(st.integers(3, 12), st.integers(3, 12)))


@given(pictures)
@settings(max_examples=60, deadline=None)
def test_the_median_is_pillows(grey: Picture) -> None:
    assert np.array_equal(median(grey), np.asarray(Image.fromarray(grey).filter(ImageFilter.MedianFilter(3))))


@given(pictures, st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_the_largest_is_pillows_maximum_step_by_step(grey: Picture, radius: int) -> None:
    stepwise = Image.fromarray(grey)
    for _ in range(radius):
        stepwise = stepwise.filter(ImageFilter.MaxFilter(3))
    assert np.array_equal(largest(grey, radius), np.asarray(stepwise))
