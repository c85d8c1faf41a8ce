"""ONNX graph -> layer table: shapes, parameters, formulas, receptive fields and edges. Nothing is run.

nodes (app.nodes) -> groups (app.groups) -> operations (app.patterns) -> figures (app.figures) -> layers (app.reader).
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx

from app.constants import Array, Constants
from app.errors import ConvscopeError, LayerNotFound, NetworkUnusable
from app.groups import group_nodes
from app.layer import Layer
from app.manifest import Manifest
from app.nodes import read_nodes
from app.operations import Softmax
from app.reader import LayerReader, before_rounding

SOFTMAX_ON_8_BITS = "QLinearSoftmax"  # onnxruntime's; its layer holds codes, and what is behind it probabilities

__all__ = ["Graph", "Layer", "count_nonzero", "read_graph"]


@dataclass(frozen=True, eq=False)
class Graph:
    """A network's layers in topological order, the input first."""

    layers: tuple[Layer, ...]
    input_name: str
    input_layout: str  # "NCHW" or "NHWC"
    input_shape: tuple[int, int, int]  # (C, H, W)
    batch: int | None  # None where any number of images may go in together
    output: Layer
    constants: Constants
    fixed: frozenset[str]  # initializers that are constants by design

    @cached_property
    def by_name(self) -> Mapping[str, Layer]:
        """The layers by name."""
        return {layer.name: layer for layer in self.layers}

    def layer(self, name: str) -> Layer:
        """The layer of that name.

        Raises:
            LayerNotFound: there is none; the message names those there are.
        """
        if name not in self.by_name:
            raise LayerNotFound(f"There is no layer '{name}'; there are {', '.join(self.by_name)}.", name)
        return self.by_name[name]

    @cached_property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """(source, target) layer names, each pair once."""
        return tuple(dict.fromkeys((source, layer.name) for layer in self.layers for source in layer.inputs))

    @property
    def output_is_probability(self) -> bool:
        """Whether the output layer is a softmax over the classes."""
        return isinstance(self.output.operation, Softmax) and self.output.operation.everything

    @property
    def output_is_softmaxed(self) -> bool:
        """Whether the output holds probabilities, if only those of a softmax on 8 bits, which may not sum to 1."""
        return self.output_is_probability or before_rounding(self.output, self.by_name).op == SOFTMAX_ON_8_BITS

    @property
    def logits(self) -> Layer | None:
        """The layer before the final softmax, or the output itself where there is none."""
        return self.layer(self.output.inputs[0]) if self.output_is_probability else self.output

    @property
    def classes(self) -> int:
        """How many classes the network tells apart."""
        return math.prod(self.output.shape)

    @property
    def parameters(self) -> int:
        """Trained numbers of all layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of all layers."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def units(self) -> int:
        """Outputs of convolutions and full layers."""
        return sum(math.prod(layer.shape) for layer in self.layers if layer.op in ("conv", "full"))


def read_graph(model: onnx.ModelProto, manifest: Manifest | None = None, title: str = "") -> Graph:
    """The layer table of an ONNX image classifier. The initializers' data may be absent.

    Raises:
        NetworkUnusable: the graph is no classifier of one image, its shapes cannot be told, the manifest does not fit
            it, or an operator is not as ONNX has it.
    """
    title = title or model.graph.name or "The network"
    with _readable(title, "the graph"):
        nodes = read_nodes(model, title)
        groups = group_nodes(nodes, manifest)
    reader = LayerReader(nodes, manifest)
    for group in groups:
        with _readable(title, f"{', '.join(node.op for node in group.nodes)} '{group.name}'"):
            reader.add(group)
    reader.leave_out_empty()
    return Graph(
        layers=tuple(reader.layers.values()),
        input_name=nodes.input_name,
        input_layout=nodes.input_layout,
        input_shape=nodes.input_shape,
        batch=nodes.batch,
        output=reader.output(),
        constants=nodes.constants,
        fixed=reader.fixed,
    )


@contextmanager
def _readable(title: str, what: str) -> Iterator[None]:
    """Raises NetworkUnusable for whatever is raised while that is read: a file may be wrong in any way there is."""
    try:
        yield
    except ConvscopeError:
        raise
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0]
        raise NetworkUnusable(
            f"{title}: {what} cannot be read ({type(error).__name__}: {said}). Check the file with "
            "onnx.checker.check_model, and export the network again with the operators of a standard opset.",
            what,
        ) from error


def count_nonzero(graph: Graph, initializers: Mapping[str, Array]) -> dict[str, int]:
    """Layer name -> how many of its trained numbers are not zero (layers without any are left out)."""
    constants = graph.constants.with_arrays(initializers)
    counts: dict[str, int] = {}
    for layer in graph.layers:
        names = [name for name in layer.operation.trained if not graph.constants.sources(name) <= graph.fixed]
        values = [value for value in map(constants.get, names) if value is not None]
        if values:
            counts[layer.name] = sum(int(np.count_nonzero(value)) for value in values)
    return counts
