"""The activations of one run: what the session computed, and its ReLUs, which are made when they are read."""

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

ALL = slice(None)


# numpy compares two rows of numbers three times as fast as a row with one number
ZEROS = np.zeros(1 << 16, np.float32)


def relu(array: Array) -> Array:
    """max(0, x) of every number, as ONNX's Relu has it; NaN stays NaN, and -0 may become 0."""
    numbers = array.reshape(-1)
    rectified = np.empty(numbers.shape, np.float32)
    for start in range(0, numbers.size, ZEROS.size):
        some = numbers[start : start + ZEROS.size]
        np.maximum(some, ZEROS[: some.size], out=rectified[start : start + ZEROS.size])
    return rectified.reshape(array.shape)


class Activations(Mapping[str, Array]):
    """Layer name -> activation, float32 (C, H, W) or (N,), in the order of the layer table.

    A third of what a run holds are outputs of ReLUs, which follow from what lies before them for next to nothing. A
    session that need not hand them out is faster by up to a fifth: they stay in the processor's cache, and no new
    memory is touched for them. So they are made here, and kept from when one is read as a whole.
    """

    def __init__(self, names: Iterable[str], computed: Mapping[str, Array], relus: Mapping[str, str]) -> None:
        """Layers in that order, each of them computed or one of the `relus`: ReLU -> the computed layer."""
        self._names, self._relus = dict.fromkeys(names), relus
        self._arrays = dict(computed)  # and the ReLUs that have been made

    @classmethod
    def of(cls, computed: Mapping[str, Array]) -> "Activations":
        """All of them computed."""
        return cls(computed, computed, {})

    def __getitem__(self, name: str) -> Array:
        """A layer's activation; that of a ReLU is kept from now on."""
        if name not in self._names:
            raise KeyError(name)
        array = self._arrays.get(name)
        return array if array is not None else self._arrays.setdefault(name, self.part(name))

    def __contains__(self, name: object) -> bool:
        return name in self._names  # without making it

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def part(self, name: str, channels: slice = ALL) -> Array:
        """Some channels of a layer, (c, H, W) or (n,); those of a ReLU are made for this once."""
        array = self._arrays.get(name)
        return array[channels] if array is not None else relu(self._arrays[self._relus[name]][channels])

    def source(self, name: str) -> str:
        """The computed layer that a ReLU is made from; any other layer itself."""
        return self._relus.get(name, name)

    def shape(self, name: str) -> tuple[int, ...]:
        """(C, H, W) or (N,); a ReLU has the shape of what it is made from."""
        return self._arrays[self.source(name)].shape

    def among(self, names: Iterable[str]) -> "Activations":
        """Some of the layers, in the order given; what is made for them is kept here, too."""
        some = Activations(names, {}, self._relus)
        some._arrays = self._arrays
        return some

    @property
    def nbytes(self) -> int:
        """Bytes of all layers, as if every ReLU had been made: what the run may come to take."""
        return sum(4 * math.prod(self.shape(name)) for name in self._names)


NOTHING = Activations.of({})
