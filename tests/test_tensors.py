"""Array files, read back by the libraries whose formats they are."""

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.tensors import CHUNK, ArrayFile, block_of, is_mapped, npy
from app.tensors import safetensors as write_safetensors

SHAPES = arrays.array_shapes(min_dims=1, max_dims=4, max_side=5)
ARRAYS: st.SearchStrategy[npt.NDArray[Any]] = st.one_of(
    arrays.arrays(np.float32, SHAPES), arrays.arrays(np.uint8, SHAPES)
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda name: name != "__metadata__")


def joined(file: ArrayFile) -> bytes:
    data = b"".join(file.chunks())
    assert len(data) == file.nbytes
    return data


@given(ARRAYS)
def test_npy_is_read_by_numpy(array: npt.NDArray[Any]) -> None:
    back = np.load(io.BytesIO(joined(npy(array))))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_npy_of_views_and_big_endian_numbers() -> None:
    array = np.arange(24, dtype=">f4").reshape(2, 3, 4).transpose(2, 0, 1)
    np.testing.assert_array_equal(np.load(io.BytesIO(joined(npy(array)))), array)


@given(st.dictionaries(NAMES, ARRAYS, max_size=5))
def test_safetensors_is_read_by_its_library(tensors: dict[str, npt.NDArray[Any]]) -> None:
    back = safetensors.numpy.load(joined(write_safetensors(tensors)))
    assert set(back) == set(tensors)
    for name, array in tensors.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


def test_safetensors_keeps_the_order_and_aligns_every_array() -> None:
    tensors: dict[str, npt.NDArray[Any]] = {
        "z": np.zeros((3, 1), np.uint8),
        "z.min": np.zeros(3, np.float32),
        "a": np.zeros((1, 5), np.uint8),
        "a.min": np.zeros(1, np.float32),
    }
    data = joined(write_safetensors(tensors))
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    assert list(header) == list(tensors)
    assert length % 8 == 0
    assert all(entry["data_offsets"][0] % 4 == 0 for entry in header.values() if entry["dtype"] == "F32")


def test_large_arrays_are_sent_in_pieces_without_a_copy() -> None:
    array = np.zeros(CHUNK, np.float32)
    _head, *pieces = npy(array).chunks()
    assert [len(piece) for piece in pieces] == [CHUNK] * 4
    array[-1] = 1
    assert bytes(pieces[-1][-4:]) == np.float32(1).tobytes()


def test_other_types_are_refused() -> None:
    with pytest.raises(KeyError):
        write_safetensors({"a": np.zeros(2)})


def test_a_small_part_of_a_block_does_not_keep_it_alive() -> None:
    block = np.arange(1000, dtype=np.float32)
    parts = {"a": block[:100].reshape(4, 25), "b": block[100:300]}
    few, most = write_safetensors(parts), write_safetensors(parts | {"c": block[300:]})
    assert all(block_of(array) is block for array in few.arrays)
    assert not any(block_of(array) is block for array in few.apart().arrays)
    assert joined(few.apart()) == joined(few)
    assert all(block_of(array) is block for array in most.apart().arrays), "they hold what they are sent from"
    alone = np.zeros(10, np.float32)
    assert block_of(npy(alone).apart().arrays[0]) is alone


def test_a_long_head_is_sent_in_pieces_too() -> None:
    file = ArrayFile(bytes(3 * CHUNK + 5), (np.ones(7, np.uint8),))
    assert [len(piece) for piece in file.chunks()] == [CHUNK, CHUNK, CHUNK, 5, 7]


def test_numbers_that_lie_in_a_file_are_known(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "numbers", np.float32, "w+", shape=(8, 4))
    assert is_mapped(np.ascontiguousarray(mapped)) and is_mapped(mapped[2:5])
    assert not is_mapped(np.ascontiguousarray(mapped.T)) and not is_mapped(np.ones(3))
