"""Local response normalisation by operators for which onnxruntime has fast kernels.

Its own LRN raises every number to a power by itself, and took 16 of GoogLeNet's 37 ms and 6 of AlexNet's 20. The same
function in other operators: y = x / (k + alpha / n * sum of x^2 over n neighbouring channels)^beta, Krizhevsky et al.
2012, "ImageNet classification with deep convolutional neural networks", section 3.3. The sum is a matrix product of
the squares with a band of ones, and a power of 3/4 is two square roots, which a processor has. The largest relative
difference from LRN is 7e-7. Channels lie last meanwhile, as they do around it where layers compute on 8 bits: so
onnxruntime can leave the turning out. A GPU has a fast LRN of its own.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from app.graph import Graph
from app.nodes import STANDARD, opset_of
from app.operations import LocalResponseNorm

NORM = "LRN"
BROADCASTING = 7  # the opset from which on shapes of operands may differ
OTHER_FLOATS = {TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}
MOST_CHANNELS = 1024  # the band is channels x channels: beyond, the operator itself is the shorter way
NEGLIGIBLE = 1e-3  # share of k by which rounding the squares to 8 bits may move the sum


def quicken_norms(model: onnx.ModelProto, graph: Graph, largest: Mapping[str, float] | None = None) -> None:
    """Replace each LRN of a float32 map in `model`, in place, by other nodes; tensors keep their names.

    Where a square overflows float32 (from 1.8e19), all channels of that place are NaN, not only its neighbours.

    Args:
        model: to be run on the processor.
        graph: its layer table, which knows shapes; the tensors of its norms are the LRNs' outputs. An LRN for
            which it has no rule stays: its first axis is not the batch, so its channels are not the layer's.
        largest: tensor -> the largest value it may have, of tensors rounded to 8 bits from zero on. Where it changes
            next to nothing, their squares are rounded, too, and the sum is one of whole numbers.
    """
    if opset_of(model) < BROADCASTING or _has_other_floats(model):
        return
    channels = {
        layer.tensor: layer.shape[0]
        for layer in graph.layers
        if isinstance(layer.operation, LocalResponseNorm) and layer.shape[0] <= MOST_CHANNELS
    }
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        if node.op_type == NORM and node.domain in STANDARD and node.output[0] in channels:
            nodes.extend(_Norm(node, channels[node.output[0]], (largest or {}).get(node.input[0])).nodes())
        else:
            nodes.append(node)
    if len(nodes) > len(model.graph.node):
        kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]  # they go with the list below
        del model.graph.node[:]
        model.graph.node.extend(kept)


def _has_other_floats(model: onnx.ModelProto) -> bool:
    """Whether some numbers are not float32, which the nodes below would not go with."""
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    kinds |= {value.type.tensor_type.elem_type for value in model.graph.input}
    for node in model.graph.node:
        if node.op_type == "Cast":
            kinds |= {attribute.i for attribute in node.attribute if attribute.name == "to"}
    return bool(kinds & OTHER_FLOATS)


class _Norm:
    """The nodes that do what one LRN does."""

    def __init__(self, node: NodeProto, channels: int, largest: float | None) -> None:
        """An LRN of so many channels; `largest`: of its input, where that has 8 bits from zero on."""
        self.x, self.y, self.channels = node.input[0], node.output[0], channels
        given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        self.size, self.alpha, self.beta, self.k = (
            given["size"],
            *(given.get(name, default) for name, default in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0))),
        )
        # half a step of each of n squares, each alpha / n of the sum
        fine = largest is not None and self.alpha * largest**2 / 510 <= NEGLIGIBLE * self.k
        self.largest = largest if fine else None

    def nodes(self) -> Iterator[NodeProto]:
        """In their order, from the LRN's input to its output."""
        yield helper.make_node("Transpose", [self.x], [self._own("x")], perm=[0, 2, 3, 1])  # (B, H, W, C)
        yield self._node("Mul", "x", "x", to="squares")
        yield from self._sum()
        yield self._number("k", np.float32(self.k))
        yield self._node("Add", "sum", "k", to="scale")
        if self.beta == 0.75:
            yield self._node("Sqrt", "scale", to="root")
            yield self._node("Sqrt", "root", to="fourth")
            yield self._node("Mul", "root", "fourth", to="power")
        else:
            yield self._number("beta", np.float32(self.beta))
            yield self._node("Pow", "scale", "beta", to="power")
        yield self._node("Div", "x", "power", to="y")
        yield helper.make_node("Transpose", [self._own("y")], [self.y], perm=[0, 3, 1, 2])  # (B, C, H, W)

    def _sum(self) -> Iterator[NodeProto]:
        """alpha / n times the sum of the squares of each channel and its neighbours."""
        index = np.arange(self.channels)
        distance = index[:, None] - index[None, :]
        # ONNX: from floor((size - 1) / 2) channels before to ceil((size - 1) / 2) after
        near = (distance >= -((self.size - 1) // 2)) & (distance <= self.size // 2)  # (C, C): which is in which sum
        factor = np.float32(self.alpha / self.size)
        if self.largest is None:
            yield self._number("band", near.astype(np.float32) * factor)
            yield self._node("MatMul", "squares", "band", to="sum")
            return
        yield self._number("step", np.float32(self.largest**2 / 255))
        yield self._number("zero", np.uint8(0))
        yield self._node("QuantizeLinear", "squares", "step", "zero", to="steps")
        yield self._node("DequantizeLinear", "steps", "step", "zero", to="rounded")
        yield self._number("ones", near.astype(np.int8))
        yield self._number("factor", factor)
        yield self._node("DequantizeLinear", "ones", "factor", to="band")
        yield self._node("MatMul", "rounded", "band", to="sum")

    def _own(self, name: str) -> str:
        """A tensor that only this norm knows."""
        return f"{self.y}:lrn:{name}"

    def _node(self, operator: str, *inputs: str, to: str) -> NodeProto:
        return helper.make_node(operator, [self._own(name) for name in inputs], [self._own(to)])

    def _number(self, name: str, value: npt.NDArray[Any] | np.generic) -> NodeProto:
        return helper.make_node("Constant", [], [self._own(name)], value=numpy_helper.from_array(np.asarray(value)))
