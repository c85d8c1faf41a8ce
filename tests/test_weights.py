"""Weight files: the same bytes everywhere, whole or not there, verified by digest."""

import errno
import hashlib
import lzma
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.numpy
from onnx import TensorProto, helper

from app import numbers, weights
from app.errors import NetworkUnusable, WeightsUnwritable
from app.manifest import Packed, Seeded


def graph(shapes: dict[str, tuple[int, ...]], file: str = "numbers.bin") -> onnx.ModelProto:
    """A graph file without numbers: external initializers of these shapes, placed in `file`."""
    tensors = []
    for name, dims in shapes.items():
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", file
        tensors.append(tensor)
    model = helper.make_model(helper.make_graph([], "g", [], [], tensors))
    numbers.place_externally(model, file)
    return model


SHAPES = {"kernel": (4, 3, 5, 5), "bias": (4,), "full": (1200, 1000)}  # the last one spans two chunks


def seeded(tmp_path: Path) -> tuple[onnx.ModelProto, Seeded]:
    model = graph(SHAPES)
    size, digest = weights.write_seeded(model, 7, tmp_path / "first" / "numbers.bin")
    return model, Seeded(seed=7, file="numbers.bin", bytes=size, sha256=digest)


def test_numbers_are_he_uniform_from_one_stream(tmp_path: Path) -> None:
    model, origin = seeded(tmp_path)
    arrays = weights.open_initializers(model, tmp_path / "first")
    rng = np.random.Generator(np.random.SFC64(7))
    for name, shape in SHAPES.items():
        if len(shape) == 1:
            assert not arrays[name].any()
            continue
        bound = np.float32(np.sqrt(6 / np.prod(shape[1:])))
        whole = (rng.random(int(np.prod(shape)), dtype=np.float32) * np.float32(2) - np.float32(1)) * bound
        assert np.array_equal(arrays[name].ravel(), whole)
        assert abs(arrays[name].std() / (bound / np.sqrt(3)) - 1) < 0.1
    assert (tmp_path / "first" / "numbers.bin").stat().st_size == origin.bytes
    offsets = [int(numbers.external_location(t)["offset"]) for t in model.graph.initializer]
    assert all(offset % numbers.PAGE == 0 for offset in offsets)


def test_made_once_then_trusted_until_it_changes(tmp_path: Path) -> None:
    model, origin = seeded(tmp_path)
    told: list[int] = []
    folder = weights.ensure(model, origin, tmp_path, tmp_path, told.append)
    path = folder / origin.file
    assert hashlib.sha256(path.read_bytes()).hexdigest() == origin.sha256
    assert sum(told) == origin.bytes
    made = path.stat().st_ino
    assert weights.ensure(model, origin, tmp_path, tmp_path) == folder
    assert path.stat().st_ino == made  # the second start made nothing
    os.utime(path)  # touched: the digest is computed again, and is right
    assert weights.ensure(model, origin, tmp_path, tmp_path) == folder
    assert path.stat().st_ino == made


def test_damage_is_found_and_mended(tmp_path: Path) -> None:
    model, origin = seeded(tmp_path)
    path = weights.ensure(model, origin, tmp_path, tmp_path) / origin.file
    whole = path.read_bytes()
    path.write_bytes(whole[:1000] + b"?" + whole[1001:])
    weights.ensure(model, origin, tmp_path, tmp_path)
    assert path.read_bytes() == whole


def test_a_wrong_digest_leaves_nothing(tmp_path: Path) -> None:
    model, origin = seeded(tmp_path)
    wrong = origin.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(WeightsUnwritable, match="0000"):
        weights.ensure(model, wrong, tmp_path, tmp_path)
    assert list((tmp_path / "weights" / ("0" * 32)).iterdir()) == []


def test_a_full_disk_says_so_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = seeded(tmp_path)

    def full(_model: onnx.ModelProto, _seed: int) -> Iterator[bytes]:
        yield bytes(5000)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(weights, "seeded_chunks", full)
    with pytest.raises(WeightsUnwritable, match=r"disk is full.*CONVSCOPE_CACHE_DIR"):
        weights.write_seeded(model, 7, tmp_path / "second" / "numbers.bin")
    assert list((tmp_path / "second").iterdir()) == []


@pytest.mark.parametrize(
    ("location", "message"),
    [("../outside.bin", "outside its own folder"), ("missing.bin", "not there"), ("short.bin", "too short")],
)
def test_external_data_of_a_foreign_file_is_checked(tmp_path: Path, location: str, message: str) -> None:
    (tmp_path / "short.bin").write_bytes(b"1234")
    (tmp_path.parent / "outside.bin").write_bytes(bytes(4 * 4 * 75 + 16))
    with pytest.raises(NetworkUnusable, match=message) as caught:
        weights.check_external(graph({"kernel": (4, 3, 5, 5)}, location), tmp_path / "own.onnx")
    assert caught.value.value == location


def pack(path: Path, arrays: dict[str, np.ndarray[Any, Any]]) -> str:
    path.write_bytes(lzma.compress(safetensors.numpy.save(arrays)))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def packed(tmp_path: Path) -> tuple[onnx.ModelProto, Packed, dict[str, np.ndarray[Any, Any]]]:
    """An archive with int8 kernels and float32 vectors, and what should come out of it."""
    rng = np.random.default_rng(3)
    model, arrays, expected = graph(SHAPES), {}, {}
    for name, shape in SHAPES.items():
        if len(shape) == 1:
            expected[name] = arrays[name] = rng.normal(size=shape).astype(np.float32)
            continue
        arrays[name] = rng.integers(-127, 128, size=shape).astype(np.int8)
        arrays[f"{name}.scale"] = scale = rng.uniform(1e-3, 1e-2, size=shape[0]).astype(np.float32)
        expected[name] = arrays[name].astype(np.float32) * scale.reshape(-1, *[1] * (len(shape) - 1))
    archive = pack(tmp_path / "numbers.xz", arrays)
    chunks = numbers.packed_chunks(model, tmp_path / "numbers.xz", archive)
    size, digest = weights.write_numbers(chunks, tmp_path / "expected.bin")
    origin = Packed(archive="numbers.xz", archive_sha256=archive, file="numbers.bin", bytes=size, sha256=digest)
    return model, origin, expected


def test_an_archive_is_unpacked_exactly(tmp_path: Path) -> None:
    model, origin, expected = packed(tmp_path)
    folder = weights.ensure(model, origin, tmp_path, tmp_path / "cache")
    arrays = weights.open_initializers(model, folder)
    assert {name: array.tolist() for name, array in arrays.items()} == {
        name: array.tolist() for name, array in expected.items()
    }


def test_a_damaged_or_missing_archive_is_named(tmp_path: Path) -> None:
    model, origin, _ = packed(tmp_path)
    (tmp_path / "numbers.xz").write_bytes(b"damaged")
    with pytest.raises(WeightsUnwritable, match=r"numbers\.xz is damaged"):
        weights.ensure(model, origin, tmp_path, tmp_path / "cache")
    (tmp_path / "numbers.xz").unlink()
    with pytest.raises(WeightsUnwritable, match=r"numbers\.xz cannot be read"):
        weights.ensure(model, origin, tmp_path, tmp_path / "cache")
