"""The bytes of a weight file: laid out as a graph's external data, drawn from a seed or taken from an archive."""

import hashlib
import lzma
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import safetensors.numpy

from app.errors import WeightsUnwritable

PAGE = 4096  # memory-mapped tensors start on a page
CHUNK = 1 << 20  # numbers generated and hashed at a time


def external_location(tensor: onnx.TensorProto) -> dict[str, str]:
    """The external data fields of a tensor (`location`, `offset`, `length`); empty when the data is inside."""
    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return {}
    return {entry.key: entry.value for entry in tensor.external_data}


def place_externally(model: onnx.ModelProto, file: str) -> int:
    """Give every initializer without data a place in the external file, page by page; returns the file's bytes."""
    offset = 0
    for tensor in model.graph.initializer:
        if external_location(tensor):
            length = 4 * math.prod(tensor.dims)
            del tensor.external_data[:]
            for key, value in (("location", file), ("offset", str(offset)), ("length", str(length))):
                entry = tensor.external_data.add()
                entry.key, entry.value = key, value
            offset = -(-(offset + length) // PAGE) * PAGE
    return offset


def laid_out(model: onnx.ModelProto, numbers: Callable[[onnx.TensorProto], Iterator[bytes]]) -> Iterator[bytes]:
    """The external file's bytes in order: every external initializer's numbers, with zeros in the gaps."""
    written = 0
    for tensor in model.graph.initializer:
        place = external_location(tensor)
        if place:
            offset = int(place["offset"])
            yield bytes(offset - written)
            yield from numbers(tensor)
            written = offset + 4 * math.prod(tensor.dims)
    yield bytes(-(-written // PAGE) * PAGE - written)


def seeded_chunks(model: onnx.ModelProto, seed: int) -> Iterator[bytes]:
    """The bytes of an untrained network: He-uniform kernels, zero vectors.

    float32 arithmetic on SFC64's bits only, so the same seed gives the same bytes on every machine. The bound
    is sqrt(6 / fan_in) (He et al. 2015, "Delving deep into rectifiers", section 2.2, for a uniform draw).
    """
    rng = np.random.Generator(np.random.SFC64(seed))

    def numbers(tensor: onnx.TensorProto) -> Iterator[bytes]:
        count = math.prod(tensor.dims)
        bound = np.float32(math.sqrt(6 / math.prod(tensor.dims[1:])))
        for start in range(0, count, CHUNK):
            size = min(CHUNK, count - start)
            if len(tensor.dims) < 2:
                yield bytes(4 * size)
                continue
            drawn = rng.random(size, dtype=np.float32)  # [0, 1)
            drawn *= np.float32(2)
            drawn -= np.float32(1)
            drawn *= bound
            yield drawn.astype("<f4", copy=False).tobytes()

    return laid_out(model, numbers)


def packed_chunks(model: onnx.ModelProto, archive: Path, sha256: str) -> Iterator[bytes]:
    """The bytes of a packed network: int8 kernels times their channel's scale, vectors as they are.

    Raises:
        WeightsUnwritable: the archive is not there, or not the one the manifest was written for.
    """
    try:
        packed = archive.read_bytes()
    except OSError as error:
        raise WeightsUnwritable(
            f"The archive {archive} cannot be read: {error.strerror}. Install it again.", str(archive)
        ) from error
    found = hashlib.sha256(packed).hexdigest()
    if found != sha256:
        raise WeightsUnwritable(
            f"The archive {archive} is damaged: its digest is {found}, not {sha256}. Install it again.", found
        )
    arrays = safetensors.numpy.load(lzma.decompress(packed))

    def numbers(tensor: onnx.TensorProto) -> Iterator[bytes]:
        array = arrays[tensor.name]
        if array.dtype == np.float32:
            yield array.astype("<f4", copy=False).tobytes()
            return
        scales = arrays[f"{tensor.name}.scale"]
        for row, scale in zip(array, scales, strict=True):  # one output channel at a time
            yield (row.astype(np.float32) * scale).astype("<f4", copy=False).tobytes()

    return laid_out(model, numbers)
