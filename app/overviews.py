"""Every map of every layer in one go: shrunk by area mean, and scaled to 8 bits by its own range.

What `maps.draw_overview` draws layer by layer; but deep networks have a hundred layers of a few thousand numbers
each, and what costs there is memory and the interpreter. So a few hundred thousand numbers at a time go through every
step while the processor's cache holds them, and a ReLU is drawn together with what it is made from.

Other cores draw large layers meanwhile. numpy lets go of the interpreter at each step; of two threads whose steps
take some microseconds each mostly waits to have it back, so small layers stay on one core.
"""

import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.activations import Activations, relu
from app.cores import available_cores
from app.maps import Array, Pixels, Ranges, as_maps, draw_overview, extremes, fit, shrink

BLOCK = 1 << 19  # numbers in work at once: 2 MB, and as much for their ReLU; the processor's cache holds both

LARGE = 1 << 17  # numbers of a layer that is worth another core


@dataclass(frozen=True, eq=False)
class Overview:
    """A layer as it is drawn: its maps, uint8 (C, h, w), and the ranges that they are scaled by."""

    pixels: Pixels
    ranges: Ranges

    @classmethod
    def empty(cls, channels: int, height: int, width: int) -> "Overview":
        """Nothing drawn yet."""
        ranges = Ranges(np.empty(channels, np.float32), np.empty(channels, np.float32))
        return cls(np.empty((channels, height, width), np.uint8), ranges)

    def draw(self, start: int, small: Array, ranges: Ranges) -> bool:
        """Draw maps (c, h, w), shrunk already, as the channels from `start`, by the `ranges` of the full maps.

        False: there is a NaN, an infinity, or a range at the end of what a float holds, and nothing was drawn.
        """
        low = ranges.low[:, None, None]
        span = ranges.high.astype(np.float64) - ranges.low
        if not 1e-30 < span.min() <= span.max() < 1e30:  # nor does a NaN compare so
            if not ((span == 0) | (span > 1e-30) & (span < 1e30)).all():
                return False
            span[span == 0] = np.inf  # a map without a range is 0
        factor = (255 / span).astype(np.float32)[:, None, None]
        if low.any():
            values = np.subtract(small, low)
            values *= factor
        else:  # of ReLUs, and what pools them, most maps begin at 0
            values = small * factor
        part = slice(start, start + len(small))
        self.pixels[part] = np.rint(values, out=values)
        self.ranges.low[part], self.ranges.high[part] = ranges.low, ranges.high
        return True


def draw_overviews(activations: Activations, tile: int) -> dict[str, npt.NDArray[Any]]:
    """Every map of several layers, as `draw_overview` draws them one by one.

    Returns:
        `{layer}` uint8 (C, h, w), and `{layer}.min` and `{layer}.max` float32 (C,), in the layers' order.
    """
    drawn: dict[str, Overview] = {}
    small, large = deque[list[str]](), deque[list[str]]()
    for names in groups(activations):
        (small if math.prod(activations.shape(names[0])) < LARGE else large).append(names)

    def draw(waiting: deque[list[str]]) -> None:
        """Draw until none waits; others may draw from the same."""
        with np.errstate(over="ignore", invalid="ignore"):
            while True:
                try:
                    names = waiting.popleft()
                except IndexError:
                    return
                try:
                    drawn.update(draw_together(activations, names, tile))
                except BaseException:  # nobody will see the rest: the others stop, too
                    small.clear()
                    large.clear()
                    raise

    helpers = min(available_cores() - 1, len(large))
    with ThreadPoolExecutor(max(1, helpers)) as pool:  # starts no thread before it has something to do
        helping = [pool.submit(draw, large) for _ in range(helpers)]
        draw(small)
        draw(large)
        for one in helping:
            one.result()
    tensors: dict[str, npt.NDArray[Any]] = {}
    for name in activations:
        layer = drawn[name]
        tensors |= {name: layer.pixels, f"{name}.min": layer.ranges.low, f"{name}.max": layer.ranges.high}
    return tensors


def groups(activations: Activations) -> list[list[str]]:
    """The layers, every ReLU behind the layer that it is made from."""
    found: dict[str, list[str]] = {}
    for name in activations:
        source = activations.source(name)
        together = found.setdefault(source, [])
        together.insert(0 if name == source else len(together), name)
    return list(found.values())


def draw_together(activations: Activations, names: list[str], tile: int) -> dict[str, Overview]:
    """A layer, and behind it those that are its ReLU: the ranges of these follow from its own."""
    channels, *size = activations.shape(names[0])
    height, width = size or (1, 1)
    drawn = {name: Overview.empty(channels, *fit(height, width, tile)) for name in names}
    step = max(1, BLOCK // (height * width))
    for start in range(0, channels, step):
        block = as_maps(activations.part(names[0], slice(start, start + step)))  # (c, H, W)
        ranges = extremes(block)
        usual = drawn[names[0]].draw(start, shrink_within(block, tile, ranges), ranges)
        if relus := names[1:]:
            ranges = Ranges(np.maximum(ranges.low, 0), np.maximum(ranges.high, 0))
            small = shrink_within(relu(block), tile, ranges)
            usual &= all(drawn[name].draw(start, small, ranges) for name in relus)
        if not usual:
            return {name: Overview(*draw_overview(activations.part(name), tile)) for name in names}
    return drawn


def shrink_within(maps: Array, tile: int, ranges: Ranges) -> Array:
    """`shrink`, where no mean is carried past its map's range by rounding: it would be drawn as the other end."""
    small = shrink(maps, tile)
    if small is not maps:
        np.clip(small, ranges.low[:, None, None], ranges.high[:, None, None], out=small)
    return small
