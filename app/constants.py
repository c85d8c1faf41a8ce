"""The values of a graph that do not depend on the image: initializers, and what is computed from them alone."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx.reference import ReferenceEvaluator

Array = npt.NDArray[Any]
QUANTISING = ("QuantizeLinear", "DequantizeLinear")  # onnxruntime's own of these names do what ONNX's do
QUANTISING_OPSET = 21  # in which ONNX's reference has them for every type of number; they mean the same as before
Index = int | tuple[slice, int] | EllipsisType  # of a row, a column, everything


class Made(Mapping[str, Array]):
    """Arrays that are made when they are read, or as much of one as is read, and not kept."""

    @abstractmethod
    def part(self, name: str, index: Index) -> Array:
        """`self[name][index]`, without making the rest."""


class Constants:
    """Constants by ONNX name, computed when asked for and kept.

    Exporters reshape, transpose and dequantise weights inside the graph; `nodes` are those nodes.
    """

    def __init__(
        self,
        nodes: Sequence[onnx.NodeProto],
        opsets: Sequence[onnx.OperatorSetIdProto],
        shapes: Mapping[str, tuple[int, ...]],
        arrays: Mapping[str, Array],
    ) -> None:
        self.producers = {output: node for node in nodes for output in node.output}
        self.opsets, self.shapes, self.arrays = opsets, shapes, arrays
        self.computed: dict[str, Array] = {}

    def with_arrays(self, arrays: Mapping[str, Array]) -> "Constants":
        """The same constants with these initializers' numbers."""
        return Constants(list(self.producers.values()), self.opsets, self.shapes, arrays)

    def get(self, name: str) -> Array | None:
        """The constant's value; None where numbers that it needs are not there, or ONNX has no rule for a node."""
        if name in self.arrays:
            return self.arrays[name]
        if name in self.computed:
            return self.computed[name]
        node = self.producers.get(name)
        if node is None:
            return None
        if node.op_type == "Shape" and node.input[0] in self.shapes and not node.attribute:
            value = np.array(self.shapes[node.input[0]], dtype=np.int64)
            self.computed[name] = value
            return value
        feeds = {one: self.get(one) for one in node.input if one}
        known = {one: value for one, value in feeds.items() if value is not None}
        if len(known) < len(feeds):
            return None
        outputs = [one for one in node.output if one]
        values = self._evaluate(node, known, outputs)
        if values is None:
            return None
        self.computed.update(zip(outputs, values, strict=True))
        return self.computed[name]

    def part(self, name: str, index: Index) -> Array | None:
        """Some of the constant's numbers, or None where those that it needs are not there."""
        if isinstance(self.arrays, Made) and name in self.arrays:
            return self.arrays.part(name, index)
        value = self.get(name)
        return None if value is None else value[index]

    def sources(self, name: str) -> frozenset[str]:
        """The initializers (or Constant nodes' outputs) that a constant is computed from, itself if it is one."""
        node = self.producers.get(name)
        if node is None or not any(node.input):
            return frozenset({name})
        return frozenset().union(*(self.sources(one) for one in node.input if one))

    def _evaluate(
        self, node: onnx.NodeProto, feeds: Mapping[str, Array], outputs: list[str]
    ) -> Sequence[Array] | None:
        """Run one node by ONNX's reference implementation; None where that does not have it."""
        opsets = self.opsets
        if node.op_type in QUANTISING:
            standard = onnx.NodeProto()
            standard.CopyFrom(node)
            standard.ClearField("domain")
            node, opsets = standard, [onnx.helper.make_opsetid("", QUANTISING_OPSET)]
        graph = onnx.helper.make_graph(
            [node],
            "constant",
            [
                onnx.helper.make_tensor_value_info(
                    name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
                )
                for name, value in feeds.items()
            ],
            [onnx.helper.make_empty_tensor_value_info(name) for name in outputs],
        )
        model = onnx.helper.make_model(graph, opset_imports=opsets)
        try:
            return list(ReferenceEvaluator(model).run(outputs, dict(feeds)))
        except RuntimeError:  # NotImplementedError among them: an operator, or a version of it, that it does not have
            return None
