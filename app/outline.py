"""A large ONNX file without loading its numbers: the graph alone, whose numbers stay where they lie in the file.

An ONNX file is a protocol buffer: fields one after the other, each a key, a length and that many bytes. Walking over
the lengths finds where the numbers of each tensor are, and ONNX's own way of keeping numbers outside the graph
(`TensorProto.data_location`) can point back into the very file. So onnxruntime memory-maps them instead of holding
three copies. Source: https://protobuf.dev/programming-guides/encoding/.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import onnx

from app.errors import NetworkUnusable

LARGE = 1 << 16  # bytes; smaller tensors (shapes, biases) come with the graph

GRAPH = onnx.ModelProto.DESCRIPTOR.fields_by_name["graph"].number
INITIALIZER = onnx.GraphProto.DESCRIPTOR.fields_by_name["initializer"].number
RAW_DATA = onnx.TensorProto.DESCRIPTOR.fields_by_name["raw_data"].number

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types


@dataclass(frozen=True)
class Part:
    """A field: its number, where its key begins, and where its content begins and ends."""

    number: int
    key: int
    start: int
    end: int


def read_outline(path: Path) -> onnx.ModelProto:
    """The graph of an ONNX file, with its large tensors kept externally, in that same file.

    Raises:
        NetworkUnusable: the file is no protocol buffer, or one that is cut off.
    """
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            return _model(data, path.name)
    except Exception as error:  # protobuf raises its own types; a file that is cut off ends in an IndexError
        raise NetworkUnusable(
            f"{path} is not an ONNX file, or a damaged one. Export the network to ONNX again.", str(path)
        ) from error


def _model(data: Any, file: str) -> onnx.ModelProto:
    model = onnx.ModelProto()
    for part in parts(data, 0, len(data)):
        if part.number != GRAPH:
            model.MergeFromString(data[part.key : part.end])
            continue
        for inner in parts(data, part.start, part.end):
            if inner.number == INITIALIZER:
                model.graph.initializer.append(_tensor(data, inner, file))
            else:
                model.graph.MergeFromString(data[inner.key : inner.end])
    return model


def _tensor(data: Any, initializer: Part, file: str) -> onnx.TensorProto:
    """One initializer; its numbers stay in the file where they are many."""
    tensor = onnx.TensorProto()
    for part in parts(data, initializer.start, initializer.end):
        if part.number == RAW_DATA and part.end - part.start >= LARGE:
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in (("location", file), ("offset", part.start), ("length", part.end - part.start)):
                entry = tensor.external_data.add()
                entry.key, entry.value = key, str(value)
        else:
            tensor.MergeFromString(data[part.key : part.end])
    return tensor


def parts(data: Any, start: int, end: int) -> Iterator[Part]:
    """The fields of the message in data[start:end].

    Raises:
        ValueError: one reaches past the end, or has a wire type that ONNX does not use.
    """
    at = start
    while at < end:
        key = at
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == VARINT:
            content = at
            _, at = varint(data, at)
        elif kind == BYTES:
            length, content = varint(data, at)
            at = content + length
        elif kind in (FIXED32, FIXED64):
            content = at
            at += 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"field {tag >> 3} at byte {key} has the wire type {kind}")
        if at > end:
            raise ValueError(f"field {tag >> 3} at byte {key} ends after its message")
        yield Part(tag >> 3, key, content, at)


def varint(data: Any, at: int) -> tuple[int, int]:
    """An integer of seven bits a byte, lowest first; and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
