"""activations -> pictures: maps shrunk by exact area mean, scaled to 8 bits, laid out as an atlas.

A layer's activation is float32 (C, H, W); a vector (N,) is drawn as N maps of 1 x 1.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.errors import InvalidValue, UnitNotFound

Array = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
Scale = Literal["map", "layer", "signed"]

# what `parse_channels` reads: single numbers and ranges, comma separated
CHANNELS_PATTERN = r"^[0-9]{1,6}(-[0-9]{1,6})?(,[0-9]{1,6}(-[0-9]{1,6})?)*$"
CHANNELS_LENGTH = 8192  # no longer URL passes a usual proxy

LEAST_CELLS = 4  # of a stretch of columns: matrix products with fewer are slower
REMEMBERED = 1 << 20  # shares of pixels in cells that are kept once computed: 4 MB
MATRIX_SIDE = 1024  # a full layer may have 100 million weights: more pixels than a picture is good for


def as_maps(activation: Array) -> Array:
    """(C, H, W) as it is, a vector (N,) as (N, 1, 1)."""
    maps: Array = activation if activation.ndim == 3 else activation.reshape(-1, 1, 1)
    return maps


# --- shrinking ----------------------------------------------------------------------------------------


def fit(height: int, width: int, tile: int) -> tuple[int, int]:
    """The size (h, w) of a map as drawn: its own if it fits `tile`, else its longer side becomes `tile`."""
    longer = max(height, width)
    if longer <= tile:
        return height, width
    return max(1, round(height * tile / longer)), max(1, round(width * tile / longer))


def overlaps(size: int, cells: int) -> Array:
    """Share of each of `size` pixels in each of `cells` equal cells, float32 (cells, size); rows sum to 1.

    Cell j covers the interval [j, j + 1) * size / cells of the row of pixels; a pixel counts by how much of it lies
    inside.
    """
    edges = np.arange(cells + 1, dtype=np.float64) * size / cells  # (cells + 1,)
    first = np.minimum(edges[:-1].astype(np.int64), size - 1)  # the pixel in which each cell begins
    pixels = np.minimum(first[:, None] + np.arange(size // cells + 2), size)  # (cells, few); size: outside
    left = np.maximum(edges[:-1, None], pixels)
    right = np.minimum(edges[1:, None], pixels + 1)
    share = np.zeros((cells, size + 1), np.float32)
    np.put_along_axis(share, pixels, (np.maximum(right - left, 0) * cells / size).astype(np.float32), axis=1)
    inside: Array = np.ascontiguousarray(share[:, :size])
    return inside


remembered_overlaps = lru_cache(maxsize=64)(overlaps)


def repeating(size: int, cells: int, least: int) -> Array:
    """`overlaps` of the shortest stretch of pixels after which they repeat, of at least so many cells.

    56 pixels in 32 cells are eight times 7 in 4, and a product with these shares is as many times smaller.
    """
    times = math.gcd(size, cells)
    times = next(part for part in range(times, 0, -1) if times % part == 0 and (cells // part >= least or part == 1))
    size, cells = size // times, cells // times
    # a full layer's shares would take 100 MB for good
    return (remembered_overlaps if size * cells <= REMEMBERED else overlaps)(size, cells)


def shrink(maps: Array, tile: int) -> Array:
    """Shrink (C, H, W) to at most `tile` x `tile` by exact area mean; maps that fit are returned as they are.

    One product for the rows and one for the columns, of which that comes first which leaves less to do for both: the
    matrix of a full layer, 4,096 x 25,088, takes a quarter of the time so.
    """
    count, height, width = maps.shape
    rows, columns = fit(height, width, tile)
    if (rows, columns) == (height, width):
        return maps
    down, across = repeating(height, rows, 1), repeating(width, columns, LEAST_CELLS).T  # (h', H'), (W', w')

    def lower(some: Array) -> Array:
        """(C, H, n) to (C, h, n)."""
        low: Array = np.matmul(down, some.reshape(-1, down.shape[1], some.shape[2])).reshape(count, rows, -1)
        return low

    def narrower(some: Array) -> Array:
        """(C, n, W) to (C, n, w)."""
        narrow: Array = np.matmul(some.reshape(-1, len(across)), across).reshape(count, -1, columns)
        return narrow

    rows_first = rows * (width * down.shape[1] + columns * len(across))  # multiplications a map
    columns_first = columns * (height * len(across) + rows * down.shape[1])
    return narrower(lower(maps)) if rows_first <= columns_first else lower(narrower(maps))


# --- scaling ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ranges:
    """Smallest and largest finite value of every map of a layer: float32 (C,) each."""

    low: Array
    high: Array

    def joined(self) -> "Ranges":
        """The layer's range, for every map of it."""
        return Ranges(np.full_like(self.low, self.low.min()), np.full_like(self.high, self.high.max()))

    def among(self, channels: Sequence[int]) -> "Ranges":
        """The ranges of some channels, in their order."""
        return Ranges(self.low[channels], self.high[channels])


def extremes(maps: Array) -> Ranges:
    """Smallest and largest number of every map of (C, H, W); a NaN or infinity anywhere in it shows.

    For small maps twice as fast as `min` and `max` along an axis.
    """
    numbers = maps.reshape(-1)
    begins = np.arange(len(maps)) * (numbers.size // len(maps))
    return Ranges(np.minimum.reduceat(numbers, begins), np.maximum.reduceat(numbers, begins))


def measure(maps: Array) -> tuple[Array, Ranges]:
    """The ranges of (C, H, W), and the maps fit for arithmetic: what is not finite is 0 and counts in no range.

    A map without any finite value has the range 0 to 0.
    """
    ranges = extremes(maps)
    if np.isfinite(ranges.low).all() and np.isfinite(ranges.high).all():
        return maps, ranges
    flat = maps.reshape(len(maps), -1)  # (C, H*W)
    finite = np.isfinite(flat)
    some = finite.any(axis=1)
    low = np.where(some, np.where(finite, flat, np.inf).min(axis=1), 0).astype(np.float32)
    high = np.where(some, np.where(finite, flat, -np.inf).max(axis=1), 0).astype(np.float32)
    return np.where(finite, flat, np.float32(0)).reshape(maps.shape), Ranges(low, high)


def to_8_bit(maps: Array, ranges: Ranges, scale: Scale) -> Pixels:
    """Scale finite (C, h, w) to uint8 by the `ranges` of the full maps.

    map, layer: the range's minimum becomes 0 and its maximum 255 (for `layer`, give `ranges.joined()`).
    signed: 128 + 127 x / max|x| with the largest magnitude of any range, so that zero is exactly 128.
    A map without a range is 0, or 128 if signed.
    """
    low, high = ranges.low.astype(np.float64), ranges.high.astype(np.float64)  # (C,)
    if scale == "signed":
        span = np.full_like(low, max(-low.min(), high.max()))
        return quantise(maps, np.zeros_like(low), span, 127, zero=128)
    return quantise(maps, low, high - low, 255, zero=0)


def quantise(
    maps: Array, low: npt.NDArray[np.float64], span: npt.NDArray[np.float64], steps: int, zero: int
) -> Pixels:
    """zero + round((x - low) / span * steps), held to 0..255, of (C, h, w) with a `low` and `span` (C,) each."""
    usual = span[span > 0]
    extreme = usual.size > 0 and (usual.max() > 1e30 or usual.min() < 1e-30)  # float32 would over- or underflow
    exact = np.float64 if extreme else np.float32
    factor = np.divide(steps, span, out=np.zeros_like(span), where=span > 0)
    values = np.subtract(maps, low[:, None, None].astype(exact))
    values *= factor[:, None, None].astype(exact)  # in place: a pass over new memory takes several times as long
    np.rint(values, out=values)
    if zero:
        values += zero
    np.clip(values, 0, 255, out=values)
    quantised: Pixels = values.astype(np.uint8)
    return quantised


# --- laying out ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Atlas:
    """Maps side by side without gutters, row by row; cells left over are 0.

    `pixels` is uint8 (rows * tile_height, columns * tile_width).
    """

    pixels: Pixels
    columns: int
    rows: int
    tile_height: int
    tile_width: int
    channels: int


def lay_out(maps: Pixels, columns: int | None = None) -> Atlas:
    """Lay uint8 (C, h, w) out in `columns` (default: as near to a square as the cells allow)."""
    count, height, width = maps.shape
    across = min(columns or near_square(count, height, width), count)
    down = math.ceil(count / across)
    cells = np.zeros((down * across, height, width), np.uint8)
    cells[:count] = maps
    # (rows, columns, h, w) -> (rows, h, columns, w) -> one picture
    pixels = cells.reshape(down, across, height, width).transpose(0, 2, 1, 3).reshape(down * height, across * width)
    return Atlas(np.ascontiguousarray(pixels), across, down, height, width, count)


def near_square(count: int, height: int, width: int) -> int:
    """Columns that make an atlas of `count` cells of (height, width) about as wide as high."""
    return max(1, math.ceil(math.sqrt(count * height / width)))


def among(maps: Array, channels: Sequence[int]) -> Array:
    """Some of (C, H, W), at least one; consecutive ones where they lie: a copy costs as much as shrinking."""
    first, end = channels[0], channels[0] + len(channels)
    return maps[first:end] if [*channels] == [*range(first, end)] else maps[channels]


def draw_atlas(
    activation: Array, channels: Sequence[int], tile: int, scale: Scale, columns: int | None = None
) -> Atlas:
    """The atlas of some channels (which exist) of a layer, (C, H, W) or (N,).

    `layer` and `signed` count every map of the layer, also those that are not drawn.
    """
    maps = as_maps(activation)
    if scale == "map":
        chosen, ranges = measure(among(maps, channels))
    else:
        finite, every = measure(maps)
        chosen, ranges = among(finite, channels), every.joined().among(channels)
    return lay_out(to_8_bit(shrink(chosen, tile), ranges, scale), columns)


def draw_map(activation: Array, channel: int) -> Pixels:
    """One map at its full size, uint8 (H, W), its own minimum and maximum as 0 and 255."""
    maps, ranges = measure(as_maps(activation)[channel : channel + 1])
    picture: Pixels = to_8_bit(maps, ranges, "map")[0]
    return picture


def draw_overview(activation: Array, tile: int) -> tuple[Pixels, Ranges]:
    """Every map of a layer, shrunk and scaled by its own range: uint8 (C, h, w), and the ranges."""
    maps, ranges = measure(as_maps(activation))
    return to_8_bit(shrink(maps, tile), ranges, "map"), ranges


def draw_filters(filters: Array) -> Pixels:
    """A picture of a layer's own weights, zero-centred by their largest magnitude (zero is 128).

    Args:
        filters: float32 (out, in, kh, kw) of a convolution, or (out, in) of a full layer.

    Returns:
        uint8 (H, W, 3), a near-square atlas in colour, where there are 3 input maps. Otherwise grey, one row an
        output and one column an input map: (out * kh, in * kw). A full layer is its matrix (out, in), shrunk by
        area mean where a side is longer than MATRIX_SIDE.
    """
    outputs, inputs = filters.shape[:2]
    if filters.ndim == 2:
        matrix, ranges = measure(filters[None])  # (1, out, in)
        picture: Pixels = to_8_bit(shrink(matrix, MATRIX_SIDE), ranges, "signed")[0]
        return picture
    height, width = filters.shape[2:]
    kernels, ranges = measure(filters.reshape(outputs * inputs, height, width))
    scaled = to_8_bit(kernels, ranges, "signed").reshape(outputs, inputs, height, width)
    if inputs != 3:
        return lay_out(scaled.reshape(-1, height, width), columns=inputs).pixels
    columns = near_square(outputs, height, width)
    return np.stack([lay_out(scaled[:, colour], columns).pixels for colour in range(3)], axis=2)


def parse_channels(text: str | None, count: int) -> list[int]:
    """Channel numbers of `0-15`, `3` or `0-3,7` (None: all), of a layer that has `count`.

    Raises:
        InvalidValue: another form.
        UnitNotFound: a channel the layer does not have.
    """
    if text is None:
        return list(range(count))
    if len(text) > CHANNELS_LENGTH or not re.fullmatch(CHANNELS_PATTERN, text, re.ASCII):
        raise InvalidValue(
            f"channels='{text[:80]}' is no list of channels. Write 3, 0-15 or 0-3,7 (0 to {count - 1}).",
            text[:80],
            field="channels",
            range=f"0-{count - 1}",
        )
    channels: list[int] = []  # ordered, each once: asking twice for a map draws it once
    seen = np.zeros(count, bool)
    for part in text.split(","):
        first, _, last = part.partition("-")
        start, stop = int(first), int(last or first)
        if max(start, stop) >= count:
            raise UnitNotFound(
                f"channels='{part}' asks for channel {max(start, stop)}; the layer has {count}: 0 to {count - 1}.",
                part,
                field="channels",
                range=f"0-{count - 1}",
            )
        step = 1 if stop >= start else -1  # 5-2 is 5, 4, 3, 2
        asked = np.arange(start, stop + step, step)
        channels += asked[~seen[asked]].tolist()
        seen[asked] = True
    return channels
