"""Trained numbers made small enough to ship: 8 bits a weight, then an entropy code.

Quantisation: symmetric, one scale an output channel, q = round(w / s) with s = max|w| / 127; vectors (biases) stay
float32. The idea of quantising and then coding is Han, Mao and Dally 2015, "Deep compression" (sections 3 and 4);
unlike there, the grid is linear, not learned by clustering, so that unpacking is one multiplication. Container and
code are standard: safetensors, xz.

Rounding is stochastic: up or down with chances such that the mean is w / s (Gupta et al. 2015, "Deep learning with
limited numerical precision", section 3). A network that learns on from shipped weights begins on their grid, and most
of what it learns is less than half a step: the nearest step would take all of that back, and leave the biases alone
with what they learned. VGG-16 lost 0.7 points of top-1 so.
"""

import hashlib
import lzma
import tempfile
from pathlib import Path

import numpy as np
import onnx
import safetensors.numpy
from numpy.typing import NDArray
from onnx import numpy_helper

from app.manifest import Packed
from app.numbers import external_location, packed_chunks, place_externally
from app.weights import replacing, write_numbers

PARTS = 1 << 16  # of a step, that rounding tells apart

# quantised weights have no structure across bytes: no literal context, no position bits
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 0, "pb": 0}]


def quantise(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """8 bits a number: float32 (out, ...) to int8 (out, ...) and the scales float32 (out,).

    A channel of zeros (or of numbers too small for a scale) gets the scale 1. Zero stays zero.
    """
    wide = step_sizes(weights)
    scales = np.where(wide > 0, wide, np.float32(1))
    steps = weights / scales.reshape(-1, *[1] * (weights.ndim - 1))
    return np.clip(round_by_chance(steps.astype(np.float64)), -127, 127).astype(np.int8), scales


def step_sizes(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far one step of 8 bits goes in each output channel of weights (out, ...), (out,)."""
    wide: NDArray[np.float32] = np.abs(weights.reshape(len(weights), -1)).max(axis=1) / np.float32(127)
    return wide


def round_by_chance(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whole numbers, up or down by chance, with `steps` as their mean.

    Chance is a hash of the number (its 65,536ths, mixed as in Steele et al. 2014, "Fast splittable pseudorandom
    number generators"): the same for all copies of a weight, of which a network that has grown has several.
    """
    parts = np.rint(steps * PARTS).astype(np.int64)
    mixed = parts.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # wraps around
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    chance = ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(40)).astype(np.float64) / (1 << 24)  # 0 to 1
    whole: NDArray[np.float64] = np.floor(parts / PARTS + chance)
    return whole


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
    with tempfile.TemporaryDirectory() as scratch:  # what a user's machine will make of it, to know its digest
        archive, unpacked = Path(scratch) / f"{name}.xz", Path(scratch) / f"{name}.bin"
        archive.write_bytes(packed)
        size, sha256 = write_numbers(packed_chunks(blank, archive, digest), unpacked)
    for suffix, data in (("xz", packed), ("onnx", blank.SerializeToString(deterministic=True))):
        with replacing(folder / f"{name}.{suffix}") as file:
            file.write(data)
    return Packed(archive=f"{name}.xz", archive_sha256=digest, file=f"{name}.bin", bytes=size, sha256=sha256)
