"""float32 graph -> 8-bit graph: the arithmetic of `precision=int8`.

Static quantisation in onnxruntime's QDQ form: activations are unsigned 8-bit with one scale a tensor, from ranges
calibrated when the network was made; kernels are signed 8-bit with one scale an output channel (Jacob et al. 2017,
"Quantization and training of neural networks for efficient integer-arithmetic-only inference", sections 2 and 3;
per channel: Krishnamoorthi 2018, "Quantizing deep convolutional networks for efficient inference", section 3). The
quantiser is onnxruntime's own; what is decided here is which tensors it gets, and with which ranges.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from app.constants import Array, Index, Made
from app.rectifiers import Ranges, leave_out_relus, rectified

FORM = 2  # of the graph that this makes; an older one in a cache folder is made anew

# What runs on 8 bits, or hands its result on in 8: a softmax or a squashing function has too fine a result for 256
# steps. A response norm computes in float32, but behind it are layers that read 8 bits, and pooling need not wait.
OPERATORS = (
    *("Conv", "Gemm", "MatMul", "Relu", "Add", "Concat", "LRN"),
    *("MaxPool", "AveragePool", "GlobalAveragePool", "Flatten", "Reshape"),
)

MADE = "_DequantizeLinear_Output"  # ends the name of what the quantiser makes of a tensor

SAME_NUMBERS = ("Flatten", "Reshape", "Squeeze")

# How much rounding may change kernels, root mean square. 8-bit codes lose nothing; 7 bits lose 0.01 to 0.02 mostly.
COARSE = 0.05


def quantise(
    model: onnx.ModelProto, initializers: Mapping[str, npt.NDArray[Any]], ranges: Ranges, narrow: bool
) -> onnx.ModelProto:
    """The graph on 8 bits.

    Args:
        model: the float32 graph; its numbers may lie outside it.
        initializers: its numbers by name.
        ranges: of every activation, the input among them.
        narrow: kernels on 7 bits, for processors that add two 8-bit products in 16 bits and would overflow.

    Raises:
        ValueError: a tensor that is to be quantised has no range.
    """
    # only where something is quantised: it takes a quarter of a second, which every start would wait for
    from onnxruntime.quantization import (  # noqa: PLC0415
        CalibrationMethod,
        QDQQuantizer,
        QuantType,
        TensorData,
        TensorsData,
    )

    whole = with_numbers(model, initializers)
    wanted = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in rectified(model, ranges).items()
    }
    for index, node in enumerate(whole.graph.node):
        node.name = f"{node.name} {index}"  # what is kept in float goes by names, which need not be there, nor differ
    constants = {tensor.name for tensor in whole.graph.initializer}
    kept = [
        node.name
        for node in whole.graph.node
        # a shift by learned numbers is no sum of two layers
        if (node.op_type == "Add" and constants & set(node.input))
        or (node.op_type == "Conv" and node.input[1] in constants and _is_coarse(initializers[node.input[1]], narrow))
    ]
    quantiser = QDQQuantizer(
        whole,
        True,  # a scale for every output channel
        narrow,
        QuantType.QInt8,
        QuantType.QUInt8,
        TensorsData(CalibrationMethod.MinMax, wanted),
        [],  # all nodes
        kept,
        list(OPERATORS),
        {"QDQKeepRemovableActivations": True, "ActivationSymmetric": False, "WeightSymmetric": True},
    )
    quantiser.quantize_model()
    quantiser.model.topological_sort()
    quantised: onnx.ModelProto = quantiser.model.model
    leave_out_relus(quantised)
    _leave_logits(quantised)
    return quantised


def _leave_logits(quantised: onnx.ModelProto) -> None:
    """Have Softmax read logits as they were computed: at the end of their range lies the likeliest class."""
    graph = quantised.graph
    makers = {name: node for node in graph.node for name in node.output}
    readers = Counter(name for node in graph.node for name in node.input)
    given = {output.name for output in graph.output}
    for softmax in [node for node in graph.node if node.op_type == "Softmax"]:
        reader = softmax
        while (read := makers.get(reader.input[0])) is not None and readers[read.output[0]] == 1:
            if read.op_type in SAME_NUMBERS:
                reader = read
                continue
            rounding = makers.get(read.input[0]) if read.op_type == "DequantizeLinear" else None
            if rounding is None or read.output[0] in given:
                break
            reader.input[0] = rounding.input[0]
            graph.node.remove(read)
            if readers[rounding.output[0]] == 1:
                graph.node.remove(rounding)


def rounded_from_zero(quantised: onnx.ModelProto) -> dict[str, float]:
    """Tensor -> the largest value it may have, of every tensor rounded to unsigned 8 bits that begin at zero."""
    numbers = {tensor.name: tensor for tensor in quantised.graph.initializer}
    found = {}
    for node in quantised.graph.node:
        if node.op_type == "DequantizeLinear" and len(node.input) == 3 and node.input[0] not in numbers:
            scale, zero = (numpy_helper.to_array(numbers[name]) for name in node.input[1:])
            if zero.dtype == np.uint8 and not zero.any():
                found[node.output[0]] = 255 * float(scale)
    return found


def _is_coarse(kernels: npt.NDArray[Any], narrow: bool) -> bool:
    """Whether rounding would change kernels (out, in, kh, kw) by more than COARSE of what they are.

    Such are kernels that each have one weight far above all others, as in a layer that began as the identity.
    """
    channels = kernels.reshape(len(kernels), -1).astype(np.float32)
    step = np.abs(channels).max(axis=1, keepdims=True) / (64 if narrow else 127)
    step[step == 0] = 1  # a channel of zeros
    change = np.round(channels / step) * step - channels
    return bool(np.linalg.norm(change) > COARSE * np.linalg.norm(channels))


def with_numbers(model: onnx.ModelProto, initializers: Mapping[str, npt.NDArray[Any]]) -> onnx.ModelProto:
    """A copy of the graph with its numbers inside."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    for tensor in whole.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(np.asarray(initializers[tensor.name]), tensor.name))
    return whole


def shown(quantised: onnx.ModelProto) -> dict[str, str]:
    """Tensor -> the tensor that holds the same layer's activation, as the layers behind it read it.

    That is the one behind its rounding to 8 bits; before a ReLU, which is part of the rounding, the one before it.
    """
    names: dict[str, str] = {}
    readers = defaultdict(set)
    for node in quantised.graph.node:
        for name in node.input:
            readers[name].add(node.op_type)
    for node in quantised.graph.node:
        if node.op_type == "DequantizeLinear" and readers[node.output[0]] != {"Relu"}:
            origin = node.output[0].removesuffix(MADE)
            names[origin] = node.output[0]
    return names


class Dequantised(Made):
    """The numbers that an 8-bit graph computes with, as float32 by their names in the float32 graph.

    All of them in float32 are four times what the graph takes, and whoever asks about one unit needs a row.
    """

    def __init__(self, quantised: onnx.ModelProto) -> None:
        self._tensors = {tensor.name: tensor for tensor in quantised.graph.initializer}
        self._read: dict[str, Array] = {}  # a tensor hands its bytes out as a copy
        self._makers = {
            node.output[0].removesuffix(MADE): node
            for node in quantised.graph.node
            if node.op_type == "DequantizeLinear" and node.input[0] in self._tensors
        }

    def __getitem__(self, name: str) -> Array:
        return self.part(name, ...)

    def __contains__(self, name: object) -> bool:
        return name in self._makers or name in self._tensors  # without making it

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors | self._makers)

    def __len__(self) -> int:
        return len(self._tensors | self._makers)

    def part(self, name: str, index: Index) -> Array:
        """Some of a tensor's numbers: (codes - zero) * scale, with a scale for all or one a channel."""
        node = self._makers.get(name)
        if node is None:
            return self._numbers(name)[index]
        codes, scale = self._numbers(node.input[0]), self._numbers(node.input[1])
        zero = self._numbers(node.input[2]) if len(node.input) > 2 else np.zeros_like(scale, codes.dtype)
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
        along = [-1 if dimension == axis % codes.ndim else 1 for dimension in range(codes.ndim)]
        scales, zeros = (
            np.broadcast_to(one.reshape(along) if one.ndim else one, codes.shape)[index] for one in (scale, zero)
        )
        made: Array = (codes[index].astype(np.float32) - zeros.astype(np.float32)) * scales
        return made.astype(np.float32, copy=False)

    def _numbers(self, name: str) -> Array:
        if name not in self._read:
            self._read[name] = numpy_helper.to_array(self._tensors[name])
        return self._read[name]
