"""One rule a torch module: which ONNX operators compute it."""

from collections import defaultdict
from functools import singledispatchmethod
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from models import layers

Nodes = list[onnx.NodeProto]


class GraphBuilder:
    """Collects nodes layer by layer.

    A layer of one node gives it its name; the nodes of a joined layer are called `LAYER.part`. Either way the tensor
    that the layer ends in bears the layer's name.
    """

    def __init__(self) -> None:
        self.layers: defaultdict[str, Nodes] = defaultdict(list)
        self.initializers: dict[str, TensorProto] = {}
        self.constants: dict[str, None] = {}  # names, in order

    # --- pieces ---------------------------------------------------------------------------------------

    def node(self, layer: str, part: str, operator: str, inputs: list[str], **attributes: Any) -> str:
        """Append one node to a layer and return the name of its output."""
        name = f"{layer}.{part}"
        self.layers[layer].append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """A number that belongs to the architecture: always inside the file, and there once."""
        self.constants[name] = None
        self.initializers[name] = numpy_helper.from_array(array, name)
        return name

    def weight(self, name: str, tensor: Tensor) -> str:
        """A trained number; a tensor on torch's meta device has no data, and gets its shape only."""
        if not tensor.is_meta:
            array = tensor.detach().cpu().numpy().astype(np.float32)
            self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
            return name
        proto = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=tensor.shape)
        proto.data_location = TensorProto.EXTERNAL
        proto.external_data.add(key="location", value="structure")
        self.initializers[name] = proto
        return name

    def finish(self) -> Nodes:
        """All nodes with their final names, in order of computation."""
        final = {nodes[-1].output[0]: layer for layer, nodes in self.layers.items()}
        for nodes in self.layers.values():
            for node in nodes:
                node.input[:] = [final.get(name, name) for name in node.input]
                node.output[:] = [final.get(name, name) for name in node.output]
            if len(nodes) == 1:
                nodes[0].name = nodes[0].output[0]
        return [node for nodes in self.layers.values() for node in nodes]

    def joined(self) -> dict[str, tuple[str, ...]]:
        """Layers of several nodes and the names of those, after `finish`."""
        return {layer: tuple(node.name for node in nodes) for layer, nodes in self.layers.items() if len(nodes) > 1}

    # --- rules ----------------------------------------------------------------------------------------

    @singledispatchmethod
    def emit(self, module: nn.Module, layer: str, inputs: list[str]) -> str:
        """The module as nodes of `layer`; returns the name of the output tensor."""
        raise TypeError(f"{layer}: there is no ONNX rule for {type(module).__name__}; add one to GraphBuilder.")

    def convolution(
        self, module: nn.Conv2d, weight: Tensor, bias: Tensor | None, layer: str, inputs: list[str]
    ) -> str:
        """A Conv node with the module's geometry and the numbers given (its own, or folded ones)."""
        if isinstance(module.padding, str):
            raise TypeError(f"{layer}: padding '{module.padding}' has no rule; give it as numbers.")
        operands = [*inputs, self.weight(f"{layer}.weight", weight)]
        if bias is not None:
            operands.append(self.weight(f"{layer}.bias", bias))
        return self.node(
            layer,
            "conv",
            "Conv",
            operands,
            kernel_shape=list(module.kernel_size),
            strides=list(module.stride),
            pads=[*module.padding, *module.padding],
            dilations=list(module.dilation),
            group=module.groups,
        )

    @emit.register
    def _(self, module: nn.Conv2d, layer: str, inputs: list[str]) -> str:
        return self.convolution(module, module.weight, module.bias, layer, inputs)

    @emit.register
    def _(self, module: layers.TableConv2d, layer: str, inputs: list[str]) -> str:
        return self.convolution(module, module.masked_weight(), module.bias, layer, inputs)

    @emit.register
    def _(self, module: nn.Linear, layer: str, inputs: list[str]) -> str:
        operands = [*inputs, self.weight(f"{layer}.weight", module.weight)]
        if module.bias is not None:
            operands.append(self.weight(f"{layer}.bias", module.bias))
        return self.node(layer, "full", "Gemm", operands, transB=1)

    @emit.register
    def _(self, module: nn.MaxPool2d, layer: str, inputs: list[str]) -> str:
        return self.node(
            layer,
            "pool",
            "MaxPool",
            inputs,
            kernel_shape=pair(module.kernel_size),
            strides=pair(module.stride),
            pads=pair(module.padding) * 2,
            ceil_mode=int(module.ceil_mode),
        )

    @emit.register
    def _(self, module: nn.AdaptiveAvgPool2d, layer: str, inputs: list[str]) -> str:
        if module.output_size not in (1, (1, 1)):
            raise TypeError(f"{layer}: adaptive pooling to {module.output_size} has no ONNX operator; only to 1 has.")
        return self.node(layer, "pool", "GlobalAveragePool", inputs)

    @emit.register
    def _(self, module: nn.LocalResponseNorm, layer: str, inputs: list[str]) -> str:
        return self.node(
            layer, "lrn", "LRN", inputs, size=module.size, alpha=module.alpha, beta=module.beta, bias=module.k
        )

    @emit.register
    def _(self, _module: nn.ReLU, layer: str, inputs: list[str]) -> str:
        return self.node(layer, "relu", "Relu", inputs)

    @emit.register
    def _(self, _module: nn.Softmax, layer: str, inputs: list[str]) -> str:
        return self.node(layer, "softmax", "Softmax", inputs, axis=1)

    @emit.register
    def _(self, _module: nn.Flatten, layer: str, inputs: list[str]) -> str:
        return self.node(layer, "flatten", "Flatten", inputs, axis=1)

    @emit.register
    def _(self, _module: nn.Dropout, _layer: str, inputs: list[str]) -> str:
        return inputs[0]  # dropout changes nothing after training

    @emit.register
    def _(self, _module: layers.Add, layer: str, inputs: list[str]) -> str:
        return self.node(layer, "add", "Add", inputs)

    @emit.register
    def _(self, _module: layers.Concat, layer: str, inputs: list[str]) -> str:
        return self.node(layer, "concat", "Concat", inputs, axis=1)

    @emit.register
    def _(self, module: layers.Subsample, layer: str, inputs: list[str]) -> str:
        # A pool over one pixel is the plain way to say "every second pixel" to a reader of the graph.
        return self.node(
            layer, "pool", "MaxPool", inputs, kernel_shape=[1, 1], strides=[module.stride, module.stride]
        )

    @emit.register
    def _(self, module: layers.ZeroChannels, layer: str, inputs: list[str]) -> str:
        pads = self.constant(f"{layer}.pads", np.array([0, 0, 0, 0, 0, module.extra, 0, 0], dtype=np.int64))
        return self.node(layer, "pad", "Pad", [*inputs, pads])

    @emit.register
    def _(self, _module: layers.ScaledTanh, layer: str, inputs: list[str]) -> str:
        slope = self.constant("scaled_tanh.slope", np.array(layers.ScaledTanh.slope, dtype=np.float32))
        amplitude = self.constant("scaled_tanh.amplitude", np.array(layers.ScaledTanh.amplitude, dtype=np.float32))
        scaled = self.node(layer, "scale", "Mul", [*inputs, slope])
        squashed = self.node(layer, "tanh", "Tanh", [scaled])
        return self.node(layer, "gain", "Mul", [squashed, amplitude])

    @emit.register
    def _(self, module: layers.Subsampling, layer: str, inputs: list[str]) -> str:
        # sum * coefficient = mean * (4 * coefficient): a reader of the graph finds coefficient = factor / 4.
        window = module.window
        factor = self.weight(f"{layer}.factor", (module.coefficient * window**2)[:, None, None])
        bias = self.weight(f"{layer}.bias", module.bias[:, None, None])
        mean = self.node(
            layer, "mean", "AveragePool", inputs, kernel_shape=[window, window], strides=[window, window]
        )
        scaled = self.node(layer, "multiply", "Mul", [mean, factor])
        return self.node(layer, "shift", "Add", [scaled, bias])

    @emit.register
    def _(self, module: layers.RadialBasis, layer: str, inputs: list[str]) -> str:
        codes = self.constant(f"{layer}.codes", module.codes.cpu().numpy())  # (classes, C)
        axis = self.constant(f"{layer}.axis", np.array([1], dtype=np.int64))
        row = self.node(layer, "unsqueeze", "Unsqueeze", [*inputs, axis])  # (N, 1, C)
        difference = self.node(layer, "difference", "Sub", [row, codes])  # (N, classes, C)
        return self.node(layer, "square", "ReduceSumSquare", [difference], axes=[2], keepdims=0)

    @emit.register
    def _(self, module: layers.DistancePosterior, layer: str, inputs: list[str]) -> str:
        inverse = self.constant(f"{layer}.inverse_temperature", np.array(-1 / module.temperature, dtype=np.float32))
        scaled = self.node(layer, "scale", "Mul", [*inputs, inverse])
        return self.node(layer, "softmax", "Softmax", [scaled], axis=1)


def pair(size: Any) -> list[int]:
    """Torch's "one number or one for height and one for width" as two numbers."""
    return [int(size), int(size)] if isinstance(size, int) else [int(size[0]), int(size[1])]


def fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Kernel and bias of the convolution that equals `norm(convolution(x))` after training.

    y = gamma (w*x + b - mean) / sqrt(var + eps) + beta, so w' = w s and b' = (b - mean) s + beta, where
    s = gamma / sqrt(var + eps) (Ioffe, Szegedy 2015, section 3.1). Computed in double precision.
    """
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise TypeError("Batch normalisation without running statistics cannot be folded.")
    scale = norm.weight.double() / torch.sqrt(variance.double() + norm.eps)
    bias = torch.zeros_like(mean) if convolution.bias is None else convolution.bias
    weight = convolution.weight.double() * scale[:, None, None, None]
    return weight.float(), ((bias.double() - mean.double()) * scale + norm.bias.double()).float()
