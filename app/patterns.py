"""Which operation a few ONNX nodes are: a Conv and a constant Add are a convolution, Mul-Tanh-Mul a scaled tanh."""

import math
from collections.abc import Callable, Sequence

from app.arithmetic import Window
from app.errors import NetworkUnusable
from app.nodes import Node, Nodes, read_window
from app.opaque import is_float
from app.operations import (
    Activation,
    Add,
    Affine,
    BatchNorm,
    Concat,
    Convolution,
    Full,
    LocalResponseNorm,
    Operation,
    Pool,
    RadialBasis,
    Softmax,
    Subsampling,
)

ACTIVATIONS = {"Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid"}
AMPLITUDE, SLOPE = 1.7159, 2 / 3  # LeCun et al. 1998, appendix A: f(a) = A tanh(S a)
SOFTMAX_PER_AXIS = 13  # the opset from which Softmax works along one axis; before, over all from `axis` on
AXES_AS_INPUT = {"ReduceMean": 18, "ReduceSum": 13, "ReduceSumSquare": 18}


def recognise(chain: Sequence[Node], nodes: Nodes) -> tuple[Operation, str | None] | None:
    """The operation of a chain of nodes, and the activation that ends it; None where there is no rule.

    `chain` holds no node that only reshapes.
    """
    body, activation = _split_activation(chain, nodes)
    if not body:
        return (Activation(activation), activation) if activation else None
    rule = RULES.get(body[0].op)
    operation = rule(body, nodes) if rule else None
    return None if operation is None else (operation, activation)


def _split_activation(chain: Sequence[Node], nodes: Nodes) -> tuple[Sequence[Node], str | None]:
    if [node.op for node in chain[-3:]] == ["Mul", "Tanh", "Mul"]:
        slope, amplitude = (_scalar(node, nodes) for node in (chain[-3], chain[-1]))
        if _near(slope, SLOPE) and _near(amplitude, AMPLITUDE):
            return chain[:-3], "scaled_tanh"
    if chain[-1].op in ACTIVATIONS:
        return chain[:-1], ACTIVATIONS[chain[-1].op]
    return chain, None


def _near(value: float | None, wanted: float) -> bool:
    """Whether a scalar is what is wanted, or cannot be told (a structure without numbers)."""
    return value is not None and (math.isnan(value) or math.isclose(value, wanted, rel_tol=1e-4))


def _scalar(node: Node, nodes: Nodes) -> float | None:
    """The one-element constant of a node: nan where its number is not there, None where there is no such."""
    constant = _constant(node, nodes)
    if constant is None or math.prod(nodes.constant_shape(constant)) != 1:
        return None
    value = nodes.constants.get(constant)
    return math.nan if value is None else float(value.reshape(-1)[0])


def _constant(node: Node, nodes: Nodes) -> str | None:
    """The constant of a node that joins one constant to one number of the image."""
    constants = [name for name in node.inputs if name not in nodes.dynamic]
    return constants[0] if len(node.inputs) == 2 and len(constants) == 1 else None


def _is_per_map(constant: str, maps: int, rank: int, nodes: Nodes) -> bool:
    """Whether a constant broadcasts to one number a map, or one for all, of a tensor of `rank` axes with batch."""
    shape = (1,) * (rank - len(nodes.constant_shape(constant))) + nodes.constant_shape(constant)
    return len(shape) == rank and all(cells == 1 or (axis == 1 and cells == maps) for axis, cells in enumerate(shape))


def _map_size(tensor: str, nodes: Nodes) -> tuple[int, int] | None:
    """Height and width of a tensor of maps (N, C, H, W); None of any other, such as a sequence (N, C, L)."""
    shape = nodes.inner_shape(tensor)
    return (shape[1], shape[2]) if len(shape) == 3 and nodes.has_batch(tensor) else None


def _convolution(chain: Sequence[Node], nodes: Nodes) -> Operation | None:
    """Conv, or Conv and one Add of a constant a map."""
    head, size = chain[0], _map_size(chain[0].inputs[0], nodes)
    if size is None or not nodes.dynamic.isdisjoint(head.inputs[1:]) or len(chain) > 2:
        return None
    kernel = nodes.constant_shape(head.inputs[1])  # (out, in / groups, kh, kw)
    biases = [name for name in head.inputs[2:] if name]
    if len(chain) == 2:
        bias = _constant(chain[1], nodes) if chain[1].op == "Add" else None
        if bias is None or not _is_per_map(bias, kernel[0], 4, nodes):
            return None
        biases.append(bias)
    window = read_window(head.attributes, size, (kernel[2], kernel[3]))
    return Convolution(window, head.attributes.get("group", 1), head.inputs[1], tuple(biases))


def _gemm(chain: Sequence[Node], nodes: Nodes) -> Operation | None:
    """Gemm of a vector with constants; of the rows of a matrix (tokens, say) it is no full layer."""
    head = chain[0]
    if len(chain) > 1 or head.attributes.get("transA") or not nodes.dynamic.isdisjoint(head.inputs[1:]):
        return None
    biases = tuple(name for name in head.inputs[2:] if name)
    made = nodes.inner_shape(head.output)
    if len(nodes.inner_shape(head.inputs[0])) != 1 or not all(_is_per_unit(name, made[-1], nodes) for name in biases):
        return None
    return Full(
        weights=head.inputs[1],
        outputs_first=bool(head.attributes.get("transB")),
        biases=biases,
        alpha=head.attributes.get("alpha", 1.0),
        beta=head.attributes.get("beta", 1.0),
    )


def _is_per_unit(constant: str, units: int, nodes: Nodes) -> bool:
    """Whether a constant is one number a unit of a full layer, or one for all."""
    shape = nodes.constant_shape(constant)
    return math.prod(shape) == 1 or (shape[-1] == units and math.prod(shape) == units)


def _matmul(chain: Sequence[Node], nodes: Nodes) -> Operation | None:
    """MatMul of a vector with constant (in, out), or that and one Add of a constant."""
    head = chain[0]
    if len(head.inputs) != 2 or head.inputs[1] in nodes.dynamic or len(chain) > 2:
        return None
    if len(nodes.inner_shape(head.inputs[0])) != 1 or len(nodes.constant_shape(head.inputs[1])) != 2:
        return None
    biases: tuple[str, ...] = ()
    if len(chain) == 2:
        bias = _constant(chain[1], nodes) if chain[1].op == "Add" else None
        if bias is None:
            return None
        biases = (bias,)
    return Full(head.inputs[1], outputs_first=False, biases=biases)


def _pool(chain: Sequence[Node], nodes: Nodes) -> Operation | None:
    """MaxPool and AveragePool; AveragePool, Mul by a coefficient a map, Add of a bias a map are subsampling."""
    head, size = chain[0], _map_size(chain[0].inputs[0], nodes)
    if size is None:
        return None
    window = read_window(head.attributes, size)
    if len(chain) == 1:
        whole = window.kernel == size and window.output(size) == (1, 1) and not any(window.padding)
        return Pool(head.op == "MaxPool", window, whole, bool(head.attributes.get("count_include_pad", 0)))
    maps = nodes.inner_shape(head.output)[0]
    constants = [(node.op, _constant(node, nodes)) for node in chain[1:]]
    factors = tuple(name for op, name in constants if op == "Mul" and name)
    biases = tuple(name for op, name in constants if op == "Add" and name)
    in_order = [op for op, name in constants if name] == ["Mul"] * len(factors) + ["Add"] * len(biases)
    per_map = all(_is_per_map(name, maps, 4, nodes) for name in (*factors, *biases))
    if head.op != "AveragePool" or any(window.padding) or len(factors) + len(biases) != len(chain) - 1:
        return None
    if not (in_order and per_map and factors):
        return None
    trained = tuple(name for name in (*factors, *biases) if math.prod(nodes.constant_shape(name)) == maps)
    return Subsampling(window, factors, biases, trained)


def _global_pool(chain: Sequence[Node], nodes: Nodes) -> Operation | None:
    """GlobalAveragePool, GlobalMaxPool, or ReduceMean over height and width."""
    head, size = chain[0], _map_size(chain[0].inputs[0], nodes)
    if size is None or len(chain) > 1:
        return None
    if head.op == "ReduceMean" and _axes(head, 4, nodes) != {2, 3}:
        return None
    return Pool(head.op == "GlobalMaxPool", Window.of(size), whole=True)


def _axes(node: Node, rank: int, nodes: Nodes) -> set[int] | None:
    """The axes of a reduction, counted from 0 with the batch; None where they cannot be told."""
    if nodes.opset >= AXES_AS_INPUT[node.op] and len(node.inputs) > 1:
        value = nodes.constants.get(node.inputs[1])
        axes = None if value is None else value.reshape(-1).tolist()
    else:
        axes = node.attributes.get("axes", range(rank))
    return None if axes is None else {axis % rank for axis in axes}


def _lrn(chain: Sequence[Node], nodes: Nodes) -> Operation | None:
    """LRN of maps.

    Raises:
        NetworkUnusable: of a tensor that does not have four axes, which onnxruntime loads but fails to compute.
    """
    head, attributes = chain[0], chain[0].attributes
    size, shape = _map_size(head.inputs[0], nodes), nodes.shapes[head.inputs[0]]
    if len(shape) != 4:
        raise NetworkUnusable(
            f"{nodes.title}: the LRN '{head.name or head.output}' reads a tensor of the shape {list(shape)}; "
            "onnxruntime computes it of N x C x H x W only. Reshape its input to four axes.",
            list(shape),
        )
    if len(chain) > 1 or size is None:
        return None
    return LocalResponseNorm(
        alpha=attributes.get("alpha", 1e-4),
        beta=attributes.get("beta", 0.75),
        size=attributes["size"],
        bias=attributes.get("bias", 1.0),
    )


def _radial_basis(chain: Sequence[Node], nodes: Nodes) -> Operation | None:
    """Sub of codes, then the sum of squares: ReduceSumSquare, or (Mul by itself or Pow 2) and ReduceSum."""
    head, *rest = chain
    codes = _constant(head, nodes)
    if codes is None or not rest or rest[-1].op not in AXES_AS_INPUT:
        return None
    squared = rest[-1].op == "ReduceSumSquare" and len(rest) == 1
    if not squared and not (rest[-1].op == "ReduceSum" and len(rest) == 2 and _is_square(rest[0], nodes)):
        return None
    between = (1, *nodes.inner_shape(head.output))  # (1, units, in) or (1, in, units)
    axes, shape = _axes(rest[-1], len(between), nodes), nodes.constant_shape(codes)
    if len(between) != 3 or axes not in ({1}, {2}) or shape[-2:] != between[1:]:
        return None
    inputs = between[2] if axes == {2} else between[1]
    if not nodes.has_batch(head.output) or math.prod(nodes.inner_shape(nodes.operands(head)[0])) != inputs:
        return None
    return RadialBasis(codes, units_first=axes == {2})


def _is_square(node: Node, nodes: Nodes) -> bool:
    return (node.op == "Mul" and len(set(node.inputs)) == 1) or (node.op == "Pow" and _scalar(node, nodes) == 2)


def _sum(chain: Sequence[Node], nodes: Nodes) -> Operation | None:
    """Add or Sum of several layers; Add of a constant is plain arithmetic."""
    head = chain[0]
    if len(chain) == 1 and len(head.inputs) > 1 and set(head.inputs) <= nodes.dynamic:
        made = nodes.inner_shape(head.output)
        return Add() if all(_repeats_as_maps(nodes.inner_shape(name), made) for name in head.inputs) else None
    return _affine(chain, nodes) if head.op == "Add" else None


def _repeats_as_maps(shape: tuple[int, ...], made: tuple[int, ...]) -> bool:
    """Whether a tensor broadcasts to `made` just as their layers' (C, H, W) do (both shapes without batch).

    (C) is shown as C maps, but to (T, C) it is a row; axes before the last two are one axis of the layer.
    """
    return len(shape) == len(made) and (shape[:-2] == made[:-2] or math.prod(shape[:-2]) == 1)


def _affine(chain: Sequence[Node], nodes: Nodes) -> Operation | None:
    """Mul, Add, Sub or Div (the constant below) with a constant that leaves the shape as it is, or Neg."""
    head = chain[0]
    if head.op in ("Neg", "Mul") and [node.op for node in chain[1:]] == ["Softmax"]:
        return _softmax(chain, nodes)
    if head.op == "Sub" and len(chain) > 1:
        return _radial_basis(chain, nodes)
    constant = _constant(head, nodes)
    if len(chain) > 1 or (constant is None and head.op != "Neg"):
        return None
    if head.op == "Div" and head.inputs[0] == constant:  # 1/x is no factor and shift of x
        return None
    operand = nodes.operands(head)[0]
    shape = nodes.inner_shape(head.output)
    if shape != nodes.inner_shape(operand) or (constant is not None and not is_float(constant, nodes)):
        return None
    trained = () if constant is None or math.prod(nodes.constant_shape(constant)) <= 1 else (constant,)
    return Affine(head.op, constant, head.inputs[0] == constant, shape, trained)


def _concat(chain: Sequence[Node], nodes: Nodes) -> Operation | None:
    """Concat of layers along the channels; a matrix has none, it is shown as one map."""
    head = chain[0]
    shape = nodes.inner_shape(head.output)
    along_channels = nodes.has_batch(head.output) and head.attributes.get("axis", 1) % (1 + len(shape)) == 1
    if len(chain) > 1 or len(shape) == 2 or not along_channels:
        return None
    return Concat() if set(head.inputs) <= nodes.dynamic else None


def _softmax(chain: Sequence[Node], nodes: Nodes) -> Operation | None:
    """Softmax along the channels, perhaps of the input negated or times one number (an inverse temperature).

    Before opset 13 it goes over everything from an axis on.
    """
    *before, head = chain
    if head.op != "Softmax" or len(before) > 1:
        return None
    factor = _logit_factor(before[0], nodes) if before else 1.0
    if factor is None:
        return None
    shape = nodes.inner_shape(head.output)
    per_axis = nodes.opset >= SOFTMAX_PER_AXIS
    first = 1 if nodes.has_batch(head.output) else 0
    axis = head.attributes.get("axis", -1 if per_axis else 1) % (first + len(shape)) - first  # without the batch
    others = (cells for one, cells in enumerate(shape) if one != axis)
    everything = axis >= 0 and all(cells == 1 for cells in others) if per_axis else axis == 0
    if not everything and not (per_axis and axis == 0 and len(shape) == 3):  # of a matrix, axis 0 is no channel
        return None
    return Softmax(everything, factor)


def _logit_factor(node: Node, nodes: Nodes) -> float | None:
    """What a Neg, or a Mul with one constant number, multiplies by; None for anything else."""
    if node.op == "Neg":
        return -1.0
    return _scalar(node, nodes) if node.op == "Mul" else None


def _batch_norm(chain: Sequence[Node], nodes: Nodes) -> Operation | None:
    """BatchNormalization of maps or of a vector; the channels of a sequence (N, C, L) are rows of one map."""
    head = chain[0]
    if len(chain) > 1 or any(name in nodes.dynamic for name in head.inputs[1:5]):
        return None
    if not nodes.has_batch(head.inputs[0]) or len(nodes.inner_shape(head.inputs[0])) not in (1, 3):
        return None
    scale, bias, mean, variance = head.inputs[1:5]
    return BatchNorm(scale, bias, mean, variance, head.attributes.get("epsilon", 1e-5))


RULES: dict[str, Callable[[Sequence[Node], Nodes], Operation | None]] = {
    "Conv": _convolution,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "ReduceMean": _global_pool,
    "LRN": _lrn,
    "Add": _sum,
    "Sum": _sum,
    "Mul": _affine,
    "Div": _affine,
    "Sub": _affine,
    "Neg": _affine,
    "Concat": _concat,
    "Softmax": _softmax,
    "BatchNormalization": _batch_norm,
}
