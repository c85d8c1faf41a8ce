"""The arithmetic against the course's figures and against counting by brute force."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.arithmetic import (
    Slide,
    Span,
    Window,
    auto_padding,
    convolution_multiply_adds,
    convolution_parameters,
    convolution_weights,
    same_padding,
    union,
)
from app.errors import InvalidValue

slides = st.builds(
    Slide,
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    before=st.integers(0, 3),
    after=st.integers(0, 3),
    dilation=st.integers(1, 3),
    ceil=st.booleans(),
)


@pytest.mark.parametrize(("stride", "size"), [(1, Fraction(5)), (2, Fraction(3)), (3, Fraction(7, 3))])
def test_seven_wide_input_and_three_wide_filter(stride: int, size: Fraction) -> None:
    slide = Slide(3, stride)
    assert slide.exact(7) == size
    assert slide.fits(7) == (stride != 3)


def test_same_padding_keeps_the_size() -> None:
    assert Slide(3, 1, 1, 1).output(7) == 7
    assert [same_padding(kernel) for kernel in (3, 5, 7)] == [1, 2, 3]
    with pytest.raises(InvalidValue, match="kernel of 4"):
        same_padding(4)


def test_filters_over_a_32x32x3_image() -> None:
    assert Window.of((5, 5)).output((32, 32)) == (28, 28)
    assert Window.of((5, 5), padding=(2, 2, 2, 2)).output((32, 32)) == (32, 32)
    assert convolution_parameters((5, 5), 3, 10) == 760


@pytest.mark.parametrize(
    ("slide", "size", "text"),
    [
        (Slide(11, 4), 227, "(227 - 11 + 2*0)/4 + 1 = 55"),
        (Slide(7, 2, 3, 3), 224, "floor((224 - 7 + 2*3)/2) + 1 = 112"),
        (Slide(3, 2, ceil=True), 112, "ceil((112 - 3 + 2*0)/2) + 1 = 56"),
        (Slide(3, 2, ceil=True), 55, "(55 - 3 + 2*0)/2 + 1 = 27"),
        (Slide(3, 2, 0, 1), 224, "(224 - 3 + 0 + 1)/2 + 1 = 112"),
        (Slide(3, 1, 2, 2, dilation=2), 32, "(32 - (2*(3 - 1) + 1) + 2*2)/1 + 1 = 32"),
        # The window that rounding up adds would start behind the input: it is dropped.
        (Slide(2, 3, 1, 1, ceil=True), 5, "floor((5 - 2 + 2*1)/3) + 1 = 2"),
    ],
)
def test_formula(slide: Slide, size: int, text: str) -> None:
    assert slide.formula(size) == text


def test_formula_of_two_axes() -> None:
    assert Window.of((3, 3)).formula((7, 7)) == "(7 - 3 + 2*0)/1 + 1 = 5"
    assert Window.of((3, 1)).formula((7, 7)) == ("height (7 - 3 + 2*0)/1 + 1 = 5, width (7 - 1 + 2*0)/1 + 1 = 7")


def test_a_window_larger_than_its_input_is_refused() -> None:
    with pytest.raises(InvalidValue, match="window of 9"):
        Slide(9).output(7)
    with pytest.raises(InvalidValue, match="stride of a window is 0"):
        Slide(3, 0)


def test_stacked_small_kernels_against_one_large() -> None:
    span = Span().through(Slide(3)).through(Slide(3))
    assert span.size == 5
    assert span.through(Slide(3)).size == 7 == Span().through(Slide(7)).size
    channels, size = 16, (10, 12)
    three, seven = (convolution_weights(kernel, channels, channels) for kernel in ((3, 3), (7, 7)))
    assert (3 * three, seven) == (27 * channels**2, 49 * channels**2)
    cost = [convolution_multiply_adds(kernel, channels, channels, size) for kernel in ((3, 3), (7, 7))]
    assert (3 * cost[0], cost[1]) == (27 * 10 * 12 * channels**2, 49 * 10 * 12 * channels**2)


def test_bottleneck_and_factorised_kernels() -> None:
    channels, half = 64, 32
    bottleneck = (
        convolution_weights((1, 1), channels, half)
        + convolution_weights((3, 3), half, half)
        + convolution_weights((1, 1), half, channels)
    )
    assert bottleneck == 3.25 * channels**2
    factorised = convolution_weights((1, 3), channels, channels) + convolution_weights((3, 1), channels, channels)
    assert factorised == 6 * channels**2
    assert convolution_weights((3, 3), channels, channels) == 9 * channels**2


def test_alexnets_first_layer_counts() -> None:
    assert convolution_weights((11, 11), 3, 96) == 34_848
    assert convolution_parameters((11, 11), 3, 96) == 34_944


@given(slides, st.integers(1, 20))
def test_output_is_the_number_of_windows(slide: Slide, size: int) -> None:
    assume(slide.extent <= size + slide.before + slide.after)
    assume(slide.after < slide.extent)  # a graph pads by less than its window
    end = size + slide.after
    starts = range(-slide.before, end, slide.stride)
    whole = [start for start in starts if start + slide.extent <= end]
    count = len(whole)
    if slide.ceil and whole[-1] + slide.extent < end and whole[-1] + slide.stride < size:
        count += 1  # the window that rounding up adds starts inside
    assert slide.output(size) == count
    assert slide.formula(size).endswith(f" + 1 = {count}")
    assert ("floor" in slide.formula(size) or "ceil" in slide.formula(size)) != slide.fits(size)


@given(st.integers(1, 30), st.integers(1, 7), st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_auto_padding_gives_the_size_over_the_stride(
    size: int, kernel: int, stride: int, dilation: int, upper: bool
) -> None:
    before, after = auto_padding(size, kernel, stride, dilation, upper)
    assert abs(before - after) <= 1
    assert (before <= after) if upper else (before >= after)
    assert Slide(kernel, stride, before, after, dilation).output(size) == -(-size // stride)


def seen(layers: Callable[[npt.NDArray[np.bool_]], npt.NDArray[np.bool_]], size: int, unit: int) -> set[int]:
    """The input cells that change a unit, found by disturbing every cell in turn."""
    return {cell for cell in range(size) if layers(np.arange(size) == cell)[unit]}


def slid(signal: npt.NDArray[np.bool_], slide: Slide) -> npt.NDArray[np.bool_]:
    """Which windows touch a marked cell."""
    count = slide.output(len(signal))
    reach = slide.extent + count * slide.stride
    padded = np.concatenate([np.zeros(slide.before, bool), signal, np.zeros(reach, bool)])
    taps = np.arange(slide.kernel) * slide.dilation
    return np.array([padded[unit * slide.stride + taps].any() for unit in range(count)])


@given(st.lists(slides, min_size=1, max_size=3), st.data())
def test_receptive_field_is_what_disturbing_the_input_shows(stack: list[Slide], data: st.DataObject) -> None:
    size, span, sizes = 40, Span(), [40]
    for slide in stack:
        assume(slide.extent <= sizes[-1])
        span = span.through(slide)
        sizes.append(slide.output(sizes[-1]))
    unit = data.draw(st.integers(0, sizes[-1] - 1))

    def layers(signal: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        for slide in stack:
            signal = slid(signal, slide)
        return signal

    cells = seen(layers, size, unit)
    first = span.start + unit * span.jump
    assert all(first <= cell < first + span.size for cell in cells)
    inside = first >= 0 and first + span.size <= size
    if inside and not any(slide.before or slide.after or slide.ceil for slide in stack):
        assert (min(cells), max(cells)) == (first, first + span.size - 1)


def test_union_of_branches() -> None:
    branches = [Span().through(Slide(1)), Span().through(Slide(3, 1, 1, 1)), Span().through(Slide(5, 1, 2, 2))]
    assert union(branches, 8) == Span(5, 1, -2)
    # A branch that sees everything and does not move: all units are covered at once.
    assert union([Span(3, 1, -1), Span(8, 0, 0)], 8) == Span(10, 0, -1)
