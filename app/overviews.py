"""Every map of every layer in one go: shrunk by area mean, and scaled to 8 bits by its own range.

What `maps.draw_overview` draws layer by layer; but deep networks have a hundred layers of a few thousand numbers
each, and what costs there is memory and the interpreter. So a few hundred thousand numbers at a time go through every
step while the processor's cache holds them: parts of large layers, and small layers together that lie side by side. A
ReLU is drawn with what it is made from.

Other cores draw meanwhile. numpy lets go of the interpreter at each step; of two threads whose steps take some
microseconds each mostly waits to have it back, so what is small stays on one core.
"""

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.activations import Activations, relu
from app.cores import available_cores
from app.maps import Array, Pixels, Ranges, as_maps, draw_overview, extremes, fit, shrink

BLOCK = 1 << 19  # numbers in work at once: 2 MB, and as much for their ReLU; the processor's cache holds both

LARGE = 1 << 17  # numbers that are worth another core, and of a layer that is worth a block of its own


@dataclass(frozen=True, eq=False)
class Overview:
    """Maps as they are drawn, uint8 (C, h, w), and the ranges that they are scaled by."""

    pixels: Pixels
    ranges: Ranges

    @classmethod
    def empty(cls, channels: int, height: int, width: int) -> "Overview":
        """Nothing drawn yet."""
        ranges = Ranges(np.empty(channels, np.float32), np.empty(channels, np.float32))
        return cls(np.empty((channels, height, width), np.uint8), ranges)

    def part(self, channels: slice) -> "Overview":
        """Some of the maps."""
        return Overview(self.pixels[channels], Ranges(self.ranges.low[channels], self.ranges.high[channels]))

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


class Sheet:
    """Layers that are drawn together: one, or several whose maps have one size and lie side by side in memory."""

    def __init__(self, activations: Activations, layers: list[list[str]], tile: int) -> None:
        """`layers`: each of them, and behind it those that are its ReLU."""
        self._activations, self._layers, self._tile = activations, layers, tile
        self._counts = [activations.shape(names[0])[0] for names in layers]
        _, self._height, self._width = (*activations.shape(layers[0][0]), 1, 1)[:3]
        self._maps = _joined(activations, layers, sum(self._counts)) if len(layers) > 1 else None
        self._own, self._rectified = self._empty(), self._empty() if any(names[1:] for names in layers) else None
        self._usual = True

    def _empty(self) -> Overview:
        return Overview.empty(sum(self._counts), *fit(self._height, self._width, self._tile))

    def blocks(self) -> Iterator[tuple[int, int]]:
        """First channel and end of each part that is drawn at once."""
        step, end = max(1, BLOCK // self.numbers(1)), sum(self._counts)
        yield from ((start, min(start + step, end)) for start in range(0, end, step))

    def numbers(self, channels: int) -> int:
        """Numbers of so many maps."""
        return channels * self._height * self._width

    def draw(self, start: int, stop: int) -> None:
        """Draw the maps from one channel to another, and what their ReLU makes of them; in vain once one was not."""
        if not self._usual:
            return
        part = slice(start, stop)
        one = self._layers[0][0]
        maps = as_maps(self._activations.part(one, part)) if self._maps is None else self._maps[part]  # (c, H, W)
        ranges = extremes(maps)
        usual = self._own.draw(start, shrink_within(maps, self._tile, ranges), ranges)
        if self._rectified is not None:  # of layers side by side some may have no ReLU, whose drawing is not used
            ranges = Ranges(np.maximum(ranges.low, 0), np.maximum(ranges.high, 0))
            usual &= self._rectified.draw(start, shrink_within(relu(maps), self._tile, ranges), ranges)
        if not usual:
            self._usual = False  # and never True again: another block may be drawn at the same time

    def overviews(self) -> Iterator[tuple[str, Overview]]:
        """Each layer as it was drawn, or drawn now and by itself where there are numbers that no byte tells."""
        end = 0
        for names, count in zip(self._layers, self._counts, strict=True):
            start, end = end, end + count
            for name in names:
                whole = self._own if name == names[0] else self._rectified
                if whole is None or not self._usual:
                    yield name, Overview(*draw_overview(self._activations.part(name), self._tile))
                else:
                    yield name, whole.part(slice(start, end))


def draw_overviews(activations: Activations, tile: int) -> dict[str, npt.NDArray[Any]]:
    """Every map of several layers, as `draw_overview` draws them one by one.

    Returns:
        `{layer}` uint8 (C, h, w), and `{layer}.min` and `{layer}.max` float32 (C,), in the layers' order.
    """
    sheets = [Sheet(activations, layers, tile) for layers in side_by_side(activations)]
    small, large = deque[tuple[Sheet, int, int]](), deque[tuple[Sheet, int, int]]()
    for sheet in sheets:
        for start, stop in sheet.blocks():
            (small if sheet.numbers(stop - start) < LARGE else large).append((sheet, start, stop))

    def draw(waiting: deque[tuple[Sheet, int, int]]) -> None:
        """Draw until none waits; others may draw from the same."""
        with np.errstate(over="ignore", invalid="ignore"):
            while True:
                try:
                    sheet, start, stop = waiting.popleft()
                except IndexError:
                    return
                try:
                    sheet.draw(start, stop)
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
    with np.errstate(over="ignore", invalid="ignore"):
        drawn = {name: overview for sheet in sheets for name, overview in sheet.overviews()}
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


def side_by_side(activations: Activations) -> list[list[list[str]]]:
    """The groups, small ones together where the maps of one begin where those of another, of the same size, end.

    As they do in the block that a run's activations are written into.
    """
    together: list[list[list[str]]] = []
    before: Array | None = None
    for names in groups(activations):
        small = math.prod(activations.shape(names[0])) < LARGE and activations.source(names[0]) == names[0]
        maps = as_maps(activations.part(names[0])) if small else None
        if maps is not None and before is not None and _follows(maps, before):
            together[-1].append(names)
        else:
            together.append([names])
        before = maps
    return together


def _follows(maps: Array, before: Array) -> bool:
    alike = maps.shape[1:] == before.shape[1:] and maps.base is not None and maps.base is before.base
    return alike and maps.ctypes.data == before.ctypes.data + before.nbytes


def _joined(activations: Activations, layers: list[list[str]], channels: int) -> Array:
    """The maps (C, H, W) of layers that lie side by side, where they lie."""
    first = as_maps(activations.part(layers[0][0]))
    shape = (channels, *first.shape[1:])
    return np.lib.stride_tricks.as_strided(first, shape, first.strides, writeable=False)


def shrink_within(maps: Array, tile: int, ranges: Ranges) -> Array:
    """`shrink`, where no mean is carried past its map's range by rounding: it would be drawn as the other end."""
    small = shrink(maps, tile)
    if small is not maps:
        # four times as fast as np.clip with a range a map
        np.maximum(small, ranges.low[:, None, None], out=small)
        np.minimum(small, ranges.high[:, None, None], out=small)
    return small
