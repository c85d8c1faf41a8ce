"""Trained numbers made small enough to ship: 8 bits a weight, then an entropy code.

Quantisation: symmetric, one scale an output channel, q = round(w / s) with s = max|w| / 127; vectors (biases) stay
float32. The idea of quantising and then coding is Han, Mao and Dally 2015, "Deep compression" (sections 3 and 4);
unlike there, the grid is linear, not learned by clustering, so that unpacking is one multiplication. Container and
code are standard: safetensors, xz.
"""

import hashlib
import lzma
from pathlib import Path

import numpy as np
import onnx
import safetensors.numpy
from numpy.typing import NDArray
from onnx import numpy_helper

from app.manifest import Packed
from app.numbers import external_location, packed_chunks, place_externally
from app.weights import replacing, write_numbers

# quantised weights have no structure across bytes: no literal context, no position bits
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 0, "pb": 0}]


def quantise(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """8 bits a number: float32 (out, ...) to int8 (out, ...) and the scales float32 (out,).

    A channel of zeros (or of numbers too small for a scale) gets the scale 1.
    """
    steps_wide = np.abs(weights.reshape(len(weights), -1)).max(axis=1) / np.float32(127)
    scales = np.where(steps_wide > 0, steps_wide, np.float32(1))
    steps = weights / scales.reshape(-1, *[1] * (weights.ndim - 1))
    return np.clip(np.rint(steps), -127, 127).astype(np.int8), scales


def pack(trained: onnx.ModelProto, blank: onnx.ModelProto, folder: Path, name: str) -> Packed:
    """Write `NAME.onnx` (the graph) and `NAME.xz` (its numbers) to `folder`; returns the manifest's `origin`.

    Args:
        trained: the exported network, numbers inside.
        blank: the same graph with external initializers, changed in place.
        folder: the network's folder in `models/bundled`.
        name: the weights' id.
    """
    numbers = {tensor.name: numpy_helper.to_array(tensor) for tensor in trained.graph.initializer}
    arrays: dict[str, NDArray[np.int8] | NDArray[np.float32]] = {}
    for tensor in blank.graph.initializer:
        if not external_location(tensor):
            continue
        array = np.asarray(numbers[tensor.name], dtype=np.float32)
        if array.ndim < 2:
            arrays[tensor.name] = array
        else:
            arrays[tensor.name], arrays[f"{tensor.name}.scale"] = quantise(array)
    place_externally(blank, f"{name}.bin")
    packed = lzma.compress(safetensors.numpy.save(arrays), format=lzma.FORMAT_XZ, filters=FILTERS)
    digest = hashlib.sha256(packed).hexdigest()
    with replacing(folder / f"{name}.xz") as file:
        file.write(packed)
    unpacked = folder / f"{name}.bin"
    try:  # what a user's machine will make of it, to know its digest
        size, sha256 = write_numbers(packed_chunks(blank, folder / f"{name}.xz", digest), unpacked)
    finally:
        unpacked.unlink(missing_ok=True)
    with replacing(folder / f"{name}.onnx") as file:
        file.write(blank.SerializeToString(deterministic=True))
    return Packed(archive=f"{name}.xz", archive_sha256=digest, file=f"{name}.bin", bytes=size, sha256=sha256)
