"""A session whose outputs are written side by side into one block of memory from the reserve."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from app.reserve import RESERVE, Bytes, Reserve

ALIGNMENT = 64  # bytes; what onnxruntime's own allocator gives
LEAST = 1024 * 1024  # less than this comes from the allocator's stock, which has been touched before

Feeds = dict[str, npt.NDArray[np.float32]]
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Place:
    """Where one output lies in the block."""

    name: str
    start: int  # bytes
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def view(self, block: Bytes) -> npt.NDArray[Any]:
        """The output as the block holds it."""
        stop = self.start + math.prod(self.shape) * self.dtype.itemsize
        return block[self.start : stop].view(self.dtype).reshape(self.shape)


class KeptSession:
    """onnxruntime's session on the CPU, always asked for the same outputs; its first run tells how large they are."""

    def __init__(
        self, session: ort.InferenceSession, names: Sequence[str], reserve: Reserve = RESERVE, least: int = LEAST
    ) -> None:
        self._session, self._reserve, self._least = session, reserve, least
        self._names = list(dict.fromkeys(names))  # what is bound twice would be written once
        self._places: list[Place] | None = None  # none before the first run
        self.nbytes = 0  # of the block that a run takes; 0 where it takes none

    def get_providers(self) -> list[str]:
        """As the session's."""
        providers: list[str] = self._session.get_providers()
        return providers

    def run(self, names: list[str], feeds: Feeds) -> list[npt.NDArray[Any]]:
        """Those tensors of the graph; each is a part of one block, which is free again when all of them are gone."""
        if self.nbytes:
            arrays = self._run_into(self._reserve.take(self.nbytes), feeds)
        else:
            arrays = dict(zip(self._names, self._session.run(self._names, feeds), strict=True))
            if self._places is None:
                self._learn(arrays)
        return [arrays[name] for name in names]

    def prepare(self) -> None:
        """Have memory ready for the next run."""
        if self.nbytes:
            self._reserve.prepare(self.nbytes)

    def _learn(self, arrays: Arrays) -> None:
        places, at = [], 0
        for name, array in arrays.items():
            places.append(Place(name, at, array.dtype, array.shape))
            at += math.ceil(array.nbytes / ALIGNMENT) * ALIGNMENT
        self._places = places
        if at >= self._least and all(array.dtype.kind in "fiub" for array in arrays.values()):
            self.nbytes = at + ALIGNMENT  # wherever the block begins

    def _run_into(self, block: Bytes, feeds: Feeds) -> Arrays:
        block = block[-block.ctypes.data % ALIGNMENT :]
        binding = self._session.io_binding()
        for name, array in feeds.items():
            binding.bind_cpu_input(name, array)
        arrays = {place.name: place.view(block) for place in self._places or ()}
        for name, array in arrays.items():
            binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        self._session.run_with_iobinding(binding)
        return arrays
