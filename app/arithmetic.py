"""The arithmetic of convolutional layers: output sizes, padding, counts and receptive fields.

Pure functions of numbers. N is the input's size along one axis in cells, F the kernel's (filter's) size, P the
padding, S the stride, as in (N - F + 2P)/S + 1.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from app.errors import InvalidValue

Pair = tuple[int, int]  # (height, width)
Sides = tuple[int, int, int, int]  # (top, left, bottom, right)


@dataclass(frozen=True)
class Slide:
    """A window sliding along one axis: `kernel` taps, `dilation` cells apart, moved by `stride`.

    Raises:
        InvalidValue: a kernel, stride or dilation below 1, or a negative padding.
    """

    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1
    ceil: bool = False

    def __post_init__(self) -> None:
        for name, least in (("kernel", 1), ("stride", 1), ("dilation", 1), ("before", 0), ("after", 0)):
            value = getattr(self, name)
            if value < least:
                raise InvalidValue(f"The {name} of a window is {value}; it must be {least} or more.", value)

    @property
    def extent(self) -> int:
        """Cells from the first tap to the last, both counted."""
        return (self.kernel - 1) * self.dilation + 1

    def exact(self, size: int) -> Fraction:
        """(N - F + P + P')/S + 1 as a fraction: a whole number only where the window fits.

        Raises:
            InvalidValue: the window is larger than the padded input.
        """
        free = size - self.extent + self.before + self.after
        if free < 0:
            padded = size + self.before + self.after
            raise InvalidValue(
                f"A window of {self.extent} is larger than the padded input of {padded}; "
                f"use a kernel of at most {padded} or more padding.",
                self.extent,
            )
        return Fraction(free, self.stride) + 1

    def fits(self, size: int) -> bool:
        """Whether the last window ends exactly at the padded input's end."""
        return self.exact(size).denominator == 1

    def output(self, size: int) -> int:
        """How many windows there are, with the graph's rounding.

        Rounding up may add a window, but only one that starts inside the input or its leading padding; a window
        that would lie in the trailing padding alone is dropped (as PyTorch and ONNX have it).
        """
        exact = self.exact(size)
        if not self.ceil:
            return math.floor(exact)
        count = math.ceil(exact)
        return count - 1 if (count - 1) * self.stride >= size + self.before else count

    def formula(self, size: int) -> str:
        """The output size in numbers, rounding shown only where a remainder is left."""
        kernel = f"{self.kernel}" if self.dilation == 1 else f"({self.dilation}*({self.kernel} - 1) + 1)"
        padding = f"2*{self.before}" if self.before == self.after else f"{self.before} + {self.after}"
        count = self.output(size)
        text = f"({size} - {kernel} + {padding})/{self.stride}"
        if not self.fits(size):
            # A dropped last window leaves one fewer than rounding up, which is rounding down.
            text = f"{'floor' if count < self.exact(size) else 'ceil'}({text})"
        return f"{text} + 1 = {count}"


@dataclass(frozen=True)
class Window:
    """A window sliding over a map, one `Slide` an axis; pairs are (height, width)."""

    y: Slide
    x: Slide

    @classmethod
    def of(
        cls,
        kernel: Pair,
        stride: Pair = (1, 1),
        padding: Sides = (0, 0, 0, 0),
        dilation: Pair = (1, 1),
        ceil: bool = False,
    ) -> "Window":
        """A window from ONNX-like attributes: padding is (top, left, bottom, right)."""
        top, left, bottom, right = padding
        return cls(
            Slide(kernel[0], stride[0], top, bottom, dilation[0], ceil),
            Slide(kernel[1], stride[1], left, right, dilation[1], ceil),
        )

    @property
    def kernel(self) -> Pair:
        """Kernel (height, width), in taps."""
        return self.y.kernel, self.x.kernel

    @property
    def stride(self) -> Pair:
        """Stride (height, width), in cells of the input map."""
        return self.y.stride, self.x.stride

    @property
    def dilation(self) -> Pair:
        """Distance between taps (height, width), in cells of the input map."""
        return self.y.dilation, self.x.dilation

    @property
    def padding(self) -> Sides:
        """(top, left, bottom, right), in cells of the input map."""
        return self.y.before, self.x.before, self.y.after, self.x.after

    def output(self, size: Pair) -> Pair:
        """Output (height, width) for an input (height, width)."""
        return self.y.output(size[0]), self.x.output(size[1])

    def formula(self, size: Pair) -> str:
        """The output size in numbers: one formula where both axes agree, else one an axis."""
        height, width = self.y.formula(size[0]), self.x.formula(size[1])
        return height if height == width else f"height {height}, width {width}"


def same_padding(kernel: int) -> int:
    """The padding that keeps a map's size at stride 1: (F - 1)/2.

    Raises:
        InvalidValue: an even kernel, for which no equal padding on both sides keeps the size.
    """
    if kernel < 1 or kernel % 2 == 0:
        raise InvalidValue(f"No equal padding keeps the size for a kernel of {kernel}; use an odd one.", kernel)
    return (kernel - 1) // 2


def auto_padding(size: int, kernel: int, stride: int, dilation: int = 1, upper: bool = True) -> Pair:
    """ONNX's SAME_UPPER and SAME_LOWER: padding (before, after) such that the output is ceil(N/S).

    An odd cell of padding goes after the input for SAME_UPPER, before it for SAME_LOWER.
    """
    extent = (kernel - 1) * dilation + 1
    total = max((math.ceil(size / stride) - 1) * stride + extent - size, 0)
    small, large = total // 2, total - total // 2
    return (small, large) if upper else (large, small)


def convolution_weights(kernel: Pair, inputs: int, outputs: int, groups: int = 1) -> int:
    """Weights of a convolution from `inputs` to `outputs` maps, without biases."""
    return kernel[0] * kernel[1] * (inputs // groups) * outputs


def convolution_parameters(kernel: Pair, inputs: int, outputs: int, groups: int = 1) -> int:
    """Weights of a convolution and one bias a map."""
    return convolution_weights(kernel, inputs, outputs, groups) + outputs


def convolution_multiply_adds(kernel: Pair, inputs: int, outputs: int, size: Pair, groups: int = 1) -> int:
    """Multiply-adds of a convolution with an output of `size` (height, width); padding counts as input."""
    return convolution_weights(kernel, inputs, outputs, groups) * size[0] * size[1]


@dataclass(frozen=True)
class Span:
    """The input pixels one axis of a map sees: unit i sees [start + i*jump, start + i*jump + size).

    Sizes in input pixels. The span counts padding, so it may reach outside the input.
    """

    size: int = 1
    jump: int = 1
    start: int = 0

    def through(self, slide: Slide) -> "Span":
        """The span of a unit behind a sliding window: r' = r + (F - 1) j, j' = j S."""
        return Span(
            self.size + (slide.extent - 1) * self.jump,
            self.jump * slide.stride,
            self.start - slide.before * self.jump,
        )

    def moved(self, cells: int) -> "Span":
        """The span of a unit that reads what is so many cells further on than its own place."""
        return Span(self.size, self.jump, self.start + cells * self.jump)

    def whole(self, count: int) -> "Span":
        """The span of a unit that sees all `count` units of the axis; it is alone, so it does not move."""
        return Span(self.size + (count - 1) * self.jump, 0, self.start)


def union(spans: Iterable[Span], count: int) -> Span:
    """The smallest span that covers all of them, for a map of `count` units along the axis.

    Branches that move differently (one of them global, say) are covered for all units at once.
    """
    spans = tuple(spans)
    if len({span.jump for span in spans}) > 1:
        spans = tuple(span.whole(count) for span in spans)
    start = min(span.start for span in spans)
    end = max(span.start + span.size for span in spans)
    return Span(end - start, spans[0].jump, start)
