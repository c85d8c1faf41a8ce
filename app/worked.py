"""Worked examples for the course's page: the arithmetic of layers on the numbers that the page asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from app.arithmetic import (
    Pair,
    Slide,
    Span,
    convolution_multiply_adds,
    convolution_parameters,
    convolution_weights,
    same_padding,
)

__all__ = ["Slide", "Stack", "convolution_parameters", "convolution_weights", "pooled", "same_padding", "spans"]

Layer = tuple[int, int, float, float]  # kernel height and width, inputs and outputs as shares of C


@dataclass(frozen=True)
class Stack:
    """Convolutions one after the other on maps of C channels: stride 1, size kept, no biases.

    C and H x W are such that all shares of C are whole; the coefficients do not depend on them.
    """

    layers: Sequence[Layer]
    channels: int = 256
    size: Pair = (56, 56)

    def _maps(self, share: float) -> int:
        return int(share * self.channels)

    @property
    def weights(self) -> int:
        """Weights of all layers."""
        return sum(
            convolution_weights((height, width), self._maps(inputs), self._maps(outputs))
            for height, width, inputs, outputs in self.layers
        )

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of all layers, padding counted."""
        return sum(
            convolution_multiply_adds((height, width), self._maps(inputs), self._maps(outputs), self.size)
            for height, width, inputs, outputs in self.layers
        )

    @property
    def coefficient(self) -> Fraction:
        """Weights as a multiple of C^2."""
        return Fraction(self.weights, self.channels**2)

    @property
    def compute(self) -> Fraction:
        """Multiply-adds as a multiple of H W C^2."""
        return Fraction(self.multiply_adds, self.size[0] * self.size[1] * self.channels**2)

    @property
    def reach(self) -> Pair:
        """Height and width of the region of the input that one unit behind the stack sees, in cells."""
        down, across = Span(), Span()
        for height, width, _, _ in self.layers:
            down, across = down.through(Slide(height)), across.through(Slide(width))
        return down.size, across.size


def spans(kernel: int, count: int) -> list[int]:
    """What a unit sees behind 0, 1, ... `count` stacked convolutions of stride 1, in cells along one axis."""
    span, sizes = Span(), [1]
    for _ in range(count):
        span = span.through(Slide(kernel))
        sizes.append(span.size)
    return sizes


def pooled(cells: Sequence[Sequence[int]], slide: Slide) -> list[list[int]]:
    """The largest number of each window, the same slide down and across."""
    height, width = slide.output(len(cells)), slide.output(len(cells[0]))
    return [
        [
            max(
                cells[y * slide.stride + i][x * slide.stride + j]
                for i in range(slide.kernel)
                for j in range(slide.kernel)
            )
            for x in range(width)
        ]
        for y in range(height)
    ]
