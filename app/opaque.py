"""What there is no rule for: an operator whose maps are shown, while its units are not explained."""

import math
from collections.abc import Sequence

import numpy as np

from app.constants import Array
from app.nodes import Node, Nodes
from app.operations import Opaque

# Operators that work on each number alone, so that a unit sees what its source sees.
POINTWISE = frozenset(
    {
        "Abs",
        "Add",
        "BatchNormalization",
        "Ceil",
        "Celu",
        "Clip",
        "Cos",
        "DequantizeLinear",
        "Div",
        "Elu",
        "Erf",
        "Exp",
        "Floor",
        "Gelu",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "Log",
        "Max",
        "Mean",
        "Min",
        "Mish",
        "Mul",
        "Neg",
        "PRelu",
        "Pow",
        "QuantizeLinear",
        "Reciprocal",
        "Relu",
        "Round",
        "Selu",
        "Sigmoid",
        "Sign",
        "Sin",
        "Softplus",
        "Softsign",
        "Sqrt",
        "Sub",
        "Sum",
        "Swish",
        "Tanh",
        "ThresholdedRelu",
    }
)


def opaque(chain: Sequence[Node], nodes: Nodes) -> Opaque:
    """The operation of nodes without a rule, named after the last of them."""
    names = dict.fromkeys(name for node in chain for name in node.inputs if name and name not in nodes.dynamic)
    measured = {name for node in chain if node.op == "BatchNormalization" for name in node.inputs[3:5]}
    trained = tuple(
        name
        for name in names
        if name not in measured and is_float(name, nodes) and math.prod(nodes.constant_shape(name)) > 1
    )
    pointwise = all(node.op in POINTWISE for node in chain)
    return Opaque(chain[-1].op, trained, pointwise, _shift(chain[0], nodes) if len(chain) == 1 else None)


def _shift(node: Node, nodes: Nodes) -> tuple[int, int] | None:
    """How many cells (down, across) a Pad moves maps (N, C, H, W); None of other nodes, or where it cannot be told.

    Mirrored and repeated cells stand outside of the image but read inside of it: that Pad may read anything.
    """
    if node.op != "Pad" or node.attributes.get("mode", b"constant") != b"constant" or len(nodes.operands(node)) > 1:
        return None
    if any(len(nodes.inner_shape(name)) != 3 or not nodes.has_batch(name) for name in (node.inputs[0], node.output)):
        return None
    axes: Array | None = np.arange(4)
    if len(node.inputs) == 1:  # before opset 11
        pads: Array | None = np.array(node.attributes.get("pads", node.attributes.get("paddings", ())))
    else:
        pads = nodes.constants.get(node.inputs[1])
        if any(node.inputs[3:]):
            axes = nodes.constants.get(node.inputs[3])
    if pads is None or axes is None:
        return None
    begins = {int(axis) % 4: int(cells) for axis, cells in zip(axes, pads, strict=False)}  # the ends are behind them
    return begins.get(2, 0), begins.get(3, 0)


def is_float(constant: str, nodes: Nodes) -> bool:
    """Whether a constant holds floats; also where its numbers are not there."""
    value = nodes.constants.get(constant)
    return value is None or np.issubdtype(value.dtype, np.floating)
