"""The Open Inference Protocol's bodies (version 2, REST, with the binary tensor data extension): read and written.

Source: KServe, "Open Inference Protocol (V2)" and "Binary Tensor Data Extension". A body is a JSON object; where the
header Inference-Header-Content-Length says how long that is, the tensors' raw little-endian numbers follow it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import InvalidValue
from app.tensors import ArrayFile

Array = npt.NDArray[np.float32]

DATATYPE = "FP32"
MOST_AXES = 8
MOST_NUMBERS = 1 << 31
LARGE_JSON_BYTES = 1024 * 1024  # as Python's objects it takes up to 27 times that, so larger ones take turns
JSON_BYTES = 16 * 1024 * 1024  # of numbers: written in one go, in which nobody else is answered, 0.1 s of it
TEXT = 3  # times as many bytes as text


class Part(BaseModel):
    """Base of the request's parts; parameters of other extensions are passed over, as the protocol allows."""

    model_config = ConfigDict(extra="forbid", strict=True)

    parameters: dict[str, Any] | None = Field(None, examples=[{"binary_data": True}])

    def parameter(self, name: str) -> Any:
        """A parameter's value; None where it is not given."""
        return (self.parameters or {}).get(name)


class InputTensor(Part):
    """One input; `data` is flat or nested, and absent where the numbers follow the JSON."""

    name: str = Field(examples=["input"])
    shape: list[int] = Field(examples=[[1, 1, 32, 32]])
    datatype: str = Field(examples=[DATATYPE])
    data: list[Any] | None = Field(None, examples=[[0.5]])


class WantedOutput(Part):
    """An output that is asked for by name."""

    name: str = Field(examples=["conv1_1"])


class InferRequest(Part):
    """What a client asks."""

    id: str | None = Field(None, examples=["42"])
    inputs: list[InputTensor] = Field(min_length=1, max_length=1)
    outputs: list[WantedOutput] | None = Field(None, description="Layers by name; the probabilities when left out.")


@dataclass(frozen=True)
class Asked:
    """A request with its numbers."""

    request: InferRequest
    tensor: Array  # of the shape that the request gives

    def wants_binary(self, name: str) -> bool:
        """Whether an output is to follow the JSON as raw numbers."""
        for one in self.request.outputs or ():
            if one.name == name and (wanted := one.parameter("binary_data")) is not None:
                return bool(wanted)
        return bool(self.request.parameter("binary_data_output"))


def json_length(body: bytes, header_length: str | None) -> int:
    """How many of a body's bytes are JSON; `header_length` is what Inference-Header-Content-Length says.

    Raises:
        InvalidValue: the header has no number, or the body is shorter.
    """
    if header_length is None:
        return len(body)
    digits = header_length.isascii() and header_length.isdigit() and len(header_length) <= 20
    if not digits or int(header_length) > len(body):
        raise InvalidValue(
            f"Inference-Header-Content-Length is {header_length[:40]!r}; the body has {len(body)} bytes.",
            header_length[:40],
            field="Inference-Header-Content-Length",
        )
    return int(header_length)


def read_request(body: bytes, length: int) -> Asked:
    """The request in a body, of which so many bytes are JSON.

    Raises:
        InvalidValue: no such request, or sizes that do not agree.
    """
    try:
        request = InferRequest.model_validate(orjson.loads(body[:length]))
        tensor = _numbers(request.inputs[0], body[length:])
        request.inputs[0].data = None  # the numbers as Python's objects go before the next one's turn
    except orjson.JSONDecodeError as error:
        raise InvalidValue(f"The request is not JSON: {error}.", None, field="body") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidValue(f"The request is wrong at '{where}': {first['msg']}.", None, field=where) from error
    return Asked(request, tensor)


def _numbers(given: InputTensor, raw: bytes) -> Array:
    """The input's numbers, from the JSON or from what follows it."""
    if given.datatype != DATATYPE:
        raise InvalidValue(f"The input's datatype is {given.datatype}; it must be {DATATYPE}.", given.datatype)
    if any(size < 0 for size in given.shape):
        raise InvalidValue(f"The input's shape {given.shape} has a negative size.", given.shape, field="shape")
    if len(given.shape) > MOST_AXES or math.prod(max(axis, 1) for axis in given.shape) > MOST_NUMBERS:
        raise InvalidValue(
            f"The input's shape {str(given.shape)[:80]} has {len(given.shape)} axes; up to {MOST_AXES}, and "
            f"{MOST_NUMBERS} numbers, are read.",
            given.shape[: MOST_AXES + 1],
            field="shape",
        )
    count, size = math.prod(given.shape), given.parameter("binary_data_size")
    if size is not None:
        if given.data is not None or size != len(raw) or size != 4 * count:
            raise InvalidValue(
                f"binary_data_size is {size}; {len(raw)} bytes follow the JSON, the shape {given.shape} takes "
                f"{4 * count}, and `data` must be left out.",
                size,
                field="binary_data_size",
            )
        return np.frombuffer(raw, "<f4").astype(np.float32, copy=False).reshape(given.shape)
    if raw:
        raise InvalidValue(f"{len(raw)} bytes follow the JSON, and no input has binary_data_size.", len(raw))
    numbers = _parsed(given.data if given.data is not None else [])
    if numbers.size != count:
        raise InvalidValue(
            f"The input's data hold {numbers.size} numbers; the shape {given.shape} takes {count}.", numbers.size
        )
    return numbers.reshape(given.shape)


def _parsed(data: list[Any]) -> Array:
    """JSON's numbers, flat or nested evenly, as (N,); InvalidValue for anything else."""
    try:
        numbers = np.asarray(data, dtype=np.float32)
        flat: Iterable[Any] = data
        for _ in range(numbers.ndim - 1):
            flat = chain.from_iterable(flat)
        if not set(map(type, flat)) <= {int, float}:  # NumPy reads "1.5", too, and null as NaN
            raise TypeError
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidValue("The input's data are not numbers, flat or nested evenly.", None, field="data") from error
    return numbers.reshape(-1)


def write_answer(
    asked: Asked, outputs: Mapping[str, Array], about: Mapping[str, Any]
) -> tuple[ArrayFile, int | None]:
    """The answer's body, and the length of its JSON where raw numbers follow.

    Raises:
        InvalidValue: more numbers as JSON than an answer may hold.
    """
    binary = {name for name in outputs if asked.wants_binary(name)}
    as_text = sum(array.nbytes for name, array in outputs.items() if name not in binary)
    if as_text > JSON_BYTES:
        raise InvalidValue(
            f"The outputs hold {as_text} bytes, and an answer in JSON at most {JSON_BYTES}. Ask for binary_data.",
            as_text,
            field="outputs",
        )
    told: list[dict[str, Any]] = []
    raw: list[Array] = []
    for name, array in outputs.items():
        one: dict[str, Any] = {"name": name, "datatype": DATATYPE, "shape": list(array.shape)}
        if name in binary:
            numbers = np.ascontiguousarray(array, dtype="<f4")
            one["parameters"] = {"binary_data_size": numbers.nbytes}
            raw.append(numbers)
        else:
            one["data"] = np.ascontiguousarray(array).reshape(-1)
        told.append(one)
    document = {**about, **({"id": asked.request.id} if asked.request.id is not None else {}), "outputs": told}
    head = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return ArrayFile(head, tuple(raw)), len(head) if binary else None
