"""Patches: which numbers of which maps a unit reads, and with which weights."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import numpy.typing as npt

from app.arithmetic import Window

Array = npt.NDArray[np.float32]


@dataclass(slots=True)
class Source:
    """A patch of one map: `values` and `weights` are float32 (h, w), its first cell at (top, left).

    Cells in the padding are 0; `top` and `left` are negative where the patch begins there. A vector is N x 1 x 1.
    """

    layer: str
    channel: int
    top: int
    left: int
    values: Array
    weights: Array | None


def as_maps(activation: Array) -> Array:
    """A layer's activation as (C, H, W); a vector is N x 1 x 1."""
    return activation[:, None, None] if activation.ndim == 1 else activation


def corner(window: Window, y: int, x: int) -> tuple[int, int]:
    """(top, left) of the window of output pixel (y, x), in cells of the source map."""
    return y * window.y.stride - window.y.before, x * window.x.stride - window.x.before


def padded_patch(maps: Array, window: Window, y: int, x: int) -> Array:
    """The window's taps of every map, (C, kh, kw); taps in the padding are 0."""
    top, left = corner(window, y, x)
    rows = top + np.arange(window.y.kernel) * window.y.dilation
    columns = left + np.arange(window.x.kernel) * window.x.dilation
    there_y = (rows >= 0) & (rows < maps.shape[1])
    there_x = (columns >= 0) & (columns < maps.shape[2])
    if there_y.all() and there_x.all():
        return maps[:, rows[0] : rows[-1] + 1 : window.y.dilation, columns[0] : columns[-1] + 1 : window.x.dilation]
    patch = np.zeros((len(maps), len(rows), len(columns)), np.float32)
    patch[:, there_y[:, None] & there_x] = maps[:, rows[there_y]][:, :, columns[there_x]].reshape(len(maps), -1)
    return patch


def existing_patch(map_: Array, window: Window, y: int, x: int, margin: bool = False) -> tuple[Array, int, int]:
    """The window's cells that exist in one map (H, W), with the patch's top and left.

    With `margin`, cells in the declared padding exist too and are 0; cells behind it (rounding up) do not.
    """
    rows = _taps(window.y.kernel, window.y.dilation, y * window.y.stride - window.y.before)
    columns = _taps(window.x.kernel, window.x.dilation, x * window.x.stride - window.x.before)
    top, left, bottom, right = window.padding if margin else (0, 0, 0, 0)
    height, width = map_.shape
    rows = rows[(rows >= -top) & (rows < height + bottom)]
    columns = columns[(columns >= -left) & (columns < width + right)]
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    cells = map_[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)]
    return np.where(inside, cells, np.float32(0)), int(rows[0]), int(columns[0])


def patches(
    layer: str, channels: Iterable[int], top: int, left: int, values: Array, weights: Array | None
) -> list[Source]:
    """One source a channel; `values` and `weights` are (channels, h, w)."""
    kernels = repeat(None) if weights is None else iter(weights)
    return list(map(Source, repeat(layer), channels, repeat(top), repeat(left), values, kernels))


def single(layer: str, unit: tuple[int, int, int], value: float, weight: float | None = None) -> Source:
    """One number of one map, at (channel, y, x)."""
    weights = None if weight is None else np.array([[weight]], np.float32)
    return Source(layer, *unit, np.array([[value]], np.float32), weights)


def _taps(kernel: int, dilation: int, first: int) -> npt.NDArray[np.intp]:
    return first + np.arange(kernel) * dilation
