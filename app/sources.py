"""Patches: which numbers of which maps a unit reads, and with which weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import overload

import numpy as np
import numpy.typing as npt
import orjson

from app.arithmetic import Window

Array = npt.NDArray[np.float32]

KEPT_BYTES = 2**20  # the most values whose JSON is kept for the next unit that reads them


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


class Patches(Sequence[Source]):
    """The same patch of many maps of one layer: a source a channel.

    A unit of a full layer may have thousands of sources, so they lie in two arrays until somebody wants one.
    `values` and `weights` are (channels, h, w); `shared` are values that the layer's other units read, too.
    """

    def __init__(
        self,
        layer: str,
        channels: Sequence[int],
        top: int,
        left: int,
        values: Array,
        weights: Array | None,
        *,
        shared: bool = False,
    ) -> None:
        self.layer, self.channels, self.top, self.left = layer, channels, top, left
        self.values, self.weights, self.shared = values, weights, shared

    def __len__(self) -> int:
        return len(self.channels)

    @overload
    def __getitem__(self, index: int) -> Source: ...

    @overload
    def __getitem__(self, index: slice) -> list[Source]: ...

    def __getitem__(self, index: int | slice) -> Source | list[Source]:
        if isinstance(index, slice):
            return [self[one] for one in range(len(self))[index]]
        channel = self.channels[index]
        weights = None if self.weights is None else self.weights[index]
        return Source(self.layer, channel, self.top, self.left, self.values[index], weights)

    def json(self) -> bytes:
        """The sources as JSON, the same as one by one: written as two arrays, which are then cut up."""
        if not self.channels:
            return b"[]"
        head = orjson.dumps({"layer": self.layer})[:-1] + b',"channel":'
        end = b"}" if self.weights is None else b"]]}"
        pieces = [b""] * (6 * len(self))
        pieces[0::6] = [end + b"," + head] * len(self)  # ends the source before, and begins the next
        pieces[1::6] = _numerals(self.channels)
        pieces[2::6] = [b',"top":%d,"left":%d,"values":[[' % (self.top, self.left)] * len(self)
        if self.shared and self.values.nbytes <= KEPT_BYTES:
            pieces[3::6] = _kept_pieces(np.ascontiguousarray(self.values).tobytes(), self.values.shape)
        else:
            pieces[3::6] = _pieces(self.values)
        pieces[4::6] = [b']],"weights":' + (b"null" if self.weights is None else b"[[")] * len(self)
        if self.weights is not None:
            pieces[5::6] = _pieces(self.weights)
        return b"[" + b"".join(pieces).removeprefix(end + b",") + end + b"]"


@lru_cache(maxsize=4)
def _kept_pieces(numbers: bytes, shape: tuple[int, int, int]) -> list[bytes]:
    """`_pieces` of the values that all units of a full layer read: writing them takes longer than all else of it."""
    return _pieces(np.frombuffer(numbers, np.float32).reshape(shape))


def _pieces(array: Array) -> list[bytes]:
    """The JSON of every map of (C, h, w), without its two outer brackets at either end."""
    if array.size == len(array):  # a full layer's: without brackets to write, in a fifth of the time
        flat = orjson.dumps(np.ascontiguousarray(array).ravel(), option=orjson.OPT_SERIALIZE_NUMPY)
        return flat[1:-1].split(b",")
    text = orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[3:-3].split(b"]],[[")


@cache
def _numerals_below(limit: int) -> list[bytes]:
    return [b"%d" % number for number in range(limit)]


def _numerals(channels: Sequence[int]) -> list[bytes]:
    """Every channel's number as JSON; kept, as writing 4,096 of them takes most of a millisecond."""
    known = _numerals_below(1 << max(channels).bit_length())
    if isinstance(channels, range):
        return known[channels.start : channels.stop : channels.step]
    return [known[channel] for channel in channels]


def to_json(explanation: object) -> bytes:
    """An explanation as JSON."""

    def write(part: object) -> orjson.Fragment:
        if not isinstance(part, Patches):
            raise TypeError(f"{type(part).__name__} cannot be written as JSON.")
        return orjson.Fragment(part.json())

    return orjson.dumps(explanation, default=write, option=orjson.OPT_SERIALIZE_NUMPY)


def single(layer: str, unit: tuple[int, int, int], value: float, weight: float | None = None) -> Source:
    """One number of one map, at (channel, y, x)."""
    weights = None if weight is None else np.array([[weight]], np.float32)
    return Source(layer, *unit, np.array([[value]], np.float32), weights)


def _taps(kernel: int, dilation: int, first: int) -> npt.NDArray[np.intp]:
    return first + np.arange(kernel) * dilation
