"""Arrays as files: .npy and safetensors, written without copying the numbers."""

import io
import json
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

CHUNK = 1024 * 1024  # bytes sent at a time: large arrays may be memory-mapped files, small ones are many

SAFETENSORS_TYPES = {np.dtype("<f4"): "F32", np.dtype("u1"): "U8"}


@dataclass(frozen=True)
class ArrayFile:
    """A file of a head and the bytes of arrays, in order."""

    head: bytes
    arrays: tuple[npt.NDArray[Any], ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the whole file."""
        return len(self.head) + sum(array.nbytes for array in self.arrays)

    def apart(self) -> "ArrayFile":
        """The same file, which keeps alive no more than twice what it holds.

        A layer's activation is a part of one block with those of all others, and whoever is slow to read it would
        keep the block, though its run has long been forgotten.
        """
        used: Counter[int] = Counter()
        for array in self.arrays:
            used[id(block_of(array))] += array.nbytes
        small = [2 * used[id(block := block_of(array))] < block.nbytes for array in self.arrays]
        return ArrayFile(
            self.head, tuple(array.copy() if part else array for part, array in zip(small, self.arrays, strict=True))
        )

    def chunks(self) -> Iterator[bytes | memoryview]:
        """The file's bytes, about CHUNK at a time: every piece that is sent costs more than copying small ones."""
        small: list[bytes | memoryview] = []
        waiting = 0  # bytes in `small`
        for view in (memoryview(self.head), *(array.reshape(-1).view(np.uint8).data for array in self.arrays)):
            if small and waiting + len(view) > CHUNK:
                yield b"".join(small)
                small, waiting = [], 0
            if len(view) <= CHUNK:
                small.append(view)
                waiting += len(view)
                continue
            for start in range(0, len(view), CHUNK):
                yield view[start : start + CHUNK]
        if small:
            yield b"".join(small)


def block_of(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array whose memory this one shows: itself, or the whole that it is a part of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def is_mapped(array: npt.NDArray[Any]) -> bool:
    """Whether its numbers lie in a file, from which the system reads them when they are wanted."""
    return isinstance(block_of(array), np.memmap)


def npy(array: npt.NDArray[Any]) -> ArrayFile:
    """An array as NumPy's .npy, version 1.0, little-endian, C order."""
    array = contiguous(array)
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(array))
    return ArrayFile(head.getvalue(), (array,))


def safetensors(tensors: Mapping[str, npt.NDArray[Any]]) -> ArrayFile:
    """Arrays of float32 and uint8 in the safetensors format, in the order given.

    Length of the header (8 bytes), header (JSON, padded with spaces), then the numbers without gaps. The library's
    own writer sorts by name; here the header names the tensors in the order given, so that a reader meets the layers
    in the table's order. The float32 lie before the uint8, so that every array is aligned and can be viewed in place.
    """
    arrays = {name: contiguous(array) for name, array in tensors.items()}
    placed = sorted(arrays, key=lambda name: -arrays[name].itemsize)  # stable
    offsets, end = {}, 0
    for name in placed:
        offsets[name] = [end, end + arrays[name].nbytes]
        end += arrays[name].nbytes
    header = json.dumps(
        {
            name: {
                "dtype": SAFETENSORS_TYPES[array.dtype],
                "shape": list(array.shape),
                "data_offsets": offsets[name],
            }
            for name, array in arrays.items()
        },
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()
    header += b" " * (-len(header) % 8)
    return ArrayFile(struct.pack("<Q", len(header)) + header, tuple(arrays[name] for name in placed))


def contiguous(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array little-endian and in C order; itself where it is already."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
