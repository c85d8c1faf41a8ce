"""One unit -> how its number came about: the patches it reads, their weights, and the expression.

`value` is the tensor's own number; the other fields are such that recomputing it from them gives the same.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from app import expression
from app.errors import NotExplainable, UnitNotFound
from app.graph import Graph, Layer
from app.operations import (
    Activation,
    Add,
    Affine,
    BatchNorm,
    Concat,
    Convolution,
    Full,
    Input,
    LocalResponseNorm,
    Opaque,
    Pool,
    RadialBasis,
    Rearrangement,
    Softmax,
    Subsampling,
)
from app.parameters import Parameters
from app.sources import Array, Patches, Source, as_maps, corner, existing_patch, padded_patch, single


@dataclass
class Reasons:
    """What an operation says of one unit. `sum` is before the activation."""

    sources: Sequence[Source]
    expression: str
    bias: float | None = None
    sum: float | None = None
    activation: str | None = None
    alpha: float | None = None
    beta: float | None = None
    size: int | None = None


@dataclass
class Explanation:
    """How one number came about. `unit` is (c, y, x), or (i,) of a vector; `receptive_field` is in input pixels.

    `alpha`, `beta` and `size` are those of a local response norm, else None.
    """

    layer: str
    op: str
    unit: list[int]
    value: float
    receptive_field: dict[str, int]  # top, left, height, width; may reach outside the input
    sources: Sequence[Source]
    bias: float | None
    sum: float | None
    activation: str | None
    expression: str
    alpha: float | None = field(default=None)
    beta: float | None = field(default=None)
    size: int | None = field(default=None)


@dataclass(frozen=True)
class Unit:
    """A unit in question: its layer, its place (c, y, x) with a vector as N x 1 x 1, its value, and its sources.

    `inputs` are (layer name, activation (C, H, W)) in the operation's order.
    """

    layer: Layer
    channel: int
    y: int
    x: int
    value: float
    inputs: tuple[tuple[str, Array], ...]


class Explainer:
    """Explains the units of one network."""

    def __init__(self, graph: Graph, initializers: Mapping[str, npt.NDArray[Any]]) -> None:
        self.graph = graph
        self.parameters = Parameters(graph, initializers)

    def filters(self, layer: str) -> Array:
        """A layer's own weights: float32 (out, in / groups, kh, kw), or (out, in) of a full layer.

        Raises:
            LayerNotFound: no such layer, or one without filters.
        """
        return self.parameters.filters(self.graph.layer(layer))

    def explain(self, layer: str, unit: tuple[int, ...], activations: Mapping[str, Array]) -> Explanation:
        """Where one number comes from.

        Args:
            layer: the layer's name.
            unit: (c, y, x), or (i,) of a vector.
            activations: layer name -> float32 (C, H, W) or (N,), of one run.

        Raises:
            LayerNotFound: no such layer.
            UnitNotFound: the layer has no such unit.
            NotExplainable: there is no rule for the layer's operator.
        """
        asked = self.graph.layer(layer)
        if len(unit) != len(asked.shape) or any(not 0 <= i < n for i, n in zip(unit, asked.shape, strict=False)):
            ranges = " x ".join(f"0..{cells - 1}" for cells in asked.shape)
            kind = "c/y/x" if len(asked.shape) == 3 else "i"
            raise UnitNotFound(
                f"'{layer}' has no unit {'/'.join(map(str, unit))}; its units are {kind} in {ranges}.", list(unit)
            )
        channel, y, x = unit if len(unit) == 3 else (unit[0], 0, 0)
        value = float(activations[layer][unit])
        inputs = tuple((source, as_maps(activations[source])) for source in asked.inputs)
        found = self._reasons(Unit(asked, channel, y, x, value, inputs))
        down, across = asked.reach
        return Explanation(
            layer=layer,
            op=asked.op,
            unit=list(unit),
            value=value,
            receptive_field={
                "top": down.start + y * down.jump,
                "left": across.start + x * across.jump,
                "height": down.size,
                "width": across.size,
            },
            sources=found.sources,
            bias=found.bias,
            sum=found.sum,
            activation=found.activation,
            expression=found.expression,
            alpha=found.alpha,
            beta=found.beta,
            size=found.size,
        )

    def _reasons(self, unit: Unit) -> Reasons:
        match unit.layer.operation:
            case Convolution() as operation:
                return self._convolution(operation, unit)
            case Full() as operation:
                return self._full(operation, unit)
            case Subsampling() as operation:
                return self._subsampling(operation, unit)
            case Pool() as operation:
                return _pool(operation, unit)
            case LocalResponseNorm() as operation:
                return _local_response_norm(operation, unit)
            case Activation(function=function):
                return _activation(function, unit)
            case RadialBasis() as operation:
                return self._radial_basis(operation, unit)
            case Add():
                return _add(unit)
            case Concat():
                return _concat(unit)
            case Softmax() as operation:
                return _softmax(operation, unit)
            case BatchNorm():
                factors, shifts = self.parameters.affine(unit.layer)
                return _linear(float(factors[unit.channel]), float(shifts[unit.channel]), unit)
            case Affine() as operation:
                return _linear(*self._factor_and_shift(operation, unit), unit)
            case Rearrangement() as operation:
                return _rearrangement(operation, unit)
            case Input():
                place = f"{unit.layer.name}[{unit.channel}, {unit.y}, {unit.x}]"
                return Reasons([], f"{place} = {expression.number(unit.value)}")
            case Opaque(op=op):
                raise NotExplainable(
                    f"'{unit.layer.name}' is the ONNX operator {op}, for which there is no unit explanation. Its "
                    "maps can be seen all the same.",
                    op,
                )

    def _convolution(self, operation: Convolution, unit: Unit) -> Reasons:
        name, maps = unit.inputs[0]
        kernel = self.parameters.kernel(operation, unit.channel)
        first = unit.channel // (unit.layer.shape[0] // operation.groups) * len(kernel)
        channels: range | list[int] = range(first, first + len(kernel))
        values = padded_patch(maps[first : first + len(kernel)], operation.window, unit.y, unit.x)
        if unit.layer.table is not None:
            # Maps that the table leaves out have no weights; one that has some all the same is read, so it is told.
            weighs = [bool(one.any()) for one in kernel]
            channels = [i for i, to in enumerate(unit.layer.table) if unit.channel in to or weighs[i]]
            values, kernel = values[channels], kernel[channels]
        return self._weighted(name, channels, unit, values, kernel, corner(operation.window, unit.y, unit.x))

    def _full(self, operation: Full, unit: Unit) -> Reasons:
        name, maps = unit.inputs[0]
        weights = self.parameters.row(operation, unit.channel).reshape(maps.shape)
        return self._weighted(name, range(len(maps)), unit, maps, weights, (0, 0), shared=True)

    def _weighted(
        self,
        name: str,
        channels: range | list[int],
        unit: Unit,
        values: Array,
        weights: Array,
        place: tuple[int, int],
        *,
        shared: bool = False,
    ) -> Reasons:
        """Values times weights, (channels, h, w) each, plus the bias, and the activation."""
        values, weights = np.ascontiguousarray(values), np.ascontiguousarray(weights)
        products = float(np.multiply(values, weights, dtype=np.float64).sum())
        bias = float(self.parameters.biases(unit.layer)[unit.channel])
        function, total = unit.layer.activation, products + bias
        return Reasons(
            Patches(name, channels, *place, values, weights, shared=shared),
            expression.weighted(products, values.size, bias, function, total, unit.value),
            bias=bias,
            sum=total,
            activation=function,
        )

    def _subsampling(self, operation: Subsampling, unit: Unit) -> Reasons:
        name, maps = unit.inputs[0]
        factors, _ = self.parameters.affine(unit.layer)
        coefficient = np.float32(factors[unit.channel])
        values, top, left = existing_patch(maps[unit.channel], operation.window, unit.y, unit.x)
        bias = float(self.parameters.biases(unit.layer)[unit.channel])
        total = float(coefficient) * float(values.sum(dtype=np.float64)) + bias
        function = unit.layer.activation
        return Reasons(
            [Source(name, unit.channel, top, left, values, np.full_like(values, coefficient))],
            expression.subsampled(float(coefficient), values, bias, function, total, unit.value),
            bias=bias,
            sum=total,
            activation=function,
        )

    def _radial_basis(self, operation: RadialBasis, unit: Unit) -> Reasons:
        name, maps = unit.inputs[0]
        code = np.ascontiguousarray(self.parameters.codes(operation)[unit.channel]).reshape(maps.shape)
        squared = float(((maps.astype(np.float64) - code) ** 2).sum())
        return Reasons(
            Patches(name, range(len(maps)), 0, 0, maps, code),
            _told(unit, expression.distance(squared, code.size), squared),
            sum=squared,
            activation=unit.layer.activation,
        )

    def _factor_and_shift(self, operation: Affine, unit: Unit) -> tuple[float, float]:
        """An arithmetic node as factor and shift of its one number."""
        if operation.constant is None:
            return -1.0, 0.0
        constants = np.broadcast_to(self._without_batch(operation), operation.shape)
        place: tuple[Any, ...] = (unit.y, unit.x, unit.channel)
        if not unit.layer.channels_last:
            flat = np.ravel_multi_index((unit.channel, unit.y, unit.x), _as_map_shape(unit.layer.shape))
            place = np.unravel_index(flat, operation.shape)
        constant = float(constants[place])
        match operation.op:
            case "Mul":
                return constant, 0.0
            case "Div":
                return (1 / constant if constant else math.copysign(math.inf, constant)), 0.0
            case "Sub":
                return (-1.0, constant) if operation.constant_first else (1.0, -constant)
            case _:
                return 1.0, constant

    def _without_batch(self, operation: Affine) -> npt.NDArray[Any]:
        constants = self.parameters.constant(operation.constant or "")
        return constants[0] if constants.ndim > len(operation.shape) else constants


def _as_map_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape if len(shape) == 3 else (shape[0], 1, 1)


def _pool(operation: Pool, unit: Unit) -> Reasons:
    name, maps = unit.inputs[0]
    values, top, left = existing_patch(
        maps[unit.channel], operation.window, unit.y, unit.x, margin=operation.counts_padding
    )
    total = None if operation.largest else float(values.sum(dtype=np.float64))
    made = _made(unit, float(values.max()) if total is None else total / values.size)
    text = (expression.largest if operation.largest else expression.mean)(values, made)
    sources = [Source(name, unit.channel, top, left, values, None)]
    return Reasons(sources, _told(unit, text, made), sum=total, activation=unit.layer.activation)


def _local_response_norm(norm: LocalResponseNorm, unit: Unit) -> Reasons:
    name, maps = unit.inputs[0]
    low = max(0, unit.channel - (norm.size - 1) // 2)
    high = min(len(maps), unit.channel + norm.size // 2 + 1)
    values = np.ascontiguousarray(maps[low:high, unit.y : unit.y + 1, unit.x : unit.x + 1])
    squares = float((values.astype(np.float64) ** 2).sum())
    own = float(maps[unit.channel, unit.y, unit.x])
    constants = (norm.alpha, norm.beta, norm.size, norm.bias)
    with np.errstate(all="ignore"):  # without a bias, of zeros alone: 0/0, as the network has it
        base = np.float64(norm.bias + norm.alpha / norm.size * squares)
        made = _made(unit, float(own / base**norm.beta))
    return Reasons(
        Patches(name, range(low, high), unit.y, unit.x, values, None),
        _told(unit, expression.normalised(own, squares, constants, made), made),
        bias=norm.bias,
        sum=squares,
        activation=unit.layer.activation,
        alpha=norm.alpha,
        beta=norm.beta,
        size=norm.size,
    )


def _activation(function: str, unit: Unit) -> Reasons:
    source, x = _same_place(unit, 0)
    return Reasons([source], expression.activated(function, x, unit.value), sum=x, activation=function)


def _add(unit: Unit) -> Reasons:
    found = [_same_place(unit, index) for index in range(len(unit.inputs))]
    values = [value for _, value in found]
    total = math.fsum(values)
    text = _told(unit, f"{expression.terms(values)} = {expression.number(total)}", total)
    return Reasons([source for source, _ in found], text, sum=total, activation=unit.layer.activation)


def _concat(unit: Unit) -> Reasons:
    channel = unit.channel
    for name, maps in unit.inputs:
        if channel < len(maps):
            return _one(unit, name, maps, (channel, unit.y, unit.x))
        channel -= len(maps)
    raise UnitNotFound(f"No source of '{unit.layer.name}' has its map {unit.channel}.", unit.channel)


def _softmax(operation: Softmax, unit: Unit) -> Reasons:
    name, maps = unit.inputs[0]
    logits = maps if operation.everything else maps[:, unit.y : unit.y + 1, unit.x : unit.x + 1]
    logits = np.ascontiguousarray(logits * np.float32(operation.factor))
    own = logits[unit.channel].reshape(-1)[unit.y * maps.shape[2] + unit.x if operation.everything else 0]
    highest = float(logits.max())
    total = float(np.exp(logits.astype(np.float64) - highest).sum())
    made = _made(unit, math.exp(float(own) - highest) / total)
    place = (0, 0) if operation.everything else (unit.y, unit.x)
    return Reasons(
        Patches(name, range(len(logits)), *place, logits, None),
        _told(unit, expression.share(float(own), total, highest, logits.size, made), made),
        activation=unit.layer.activation,
    )


def _linear(factor: float, shift: float, unit: Unit) -> Reasons:
    source, x = _same_place(unit, 0, factor)
    total = x * factor + shift
    text = _told(unit, expression.linear(x, factor, shift, total), total)
    return Reasons([source], text, bias=shift, sum=total, activation=unit.layer.activation)


def _rearrangement(operation: Rearrangement, unit: Unit) -> Reasons:
    name, maps = unit.inputs[0]
    flat = int(np.ravel_multi_index((unit.channel, unit.y, unit.x), _as_map_shape(unit.layer.shape)))
    flat = flat if operation.order is None else int(operation.order[flat])
    channel, y, x = (int(index) for index in np.unravel_index(flat, maps.shape))
    return _one(unit, name, maps, (channel, y, x))


def _one(unit: Unit, name: str, maps: Array, place: tuple[int, int, int]) -> Reasons:
    """The one value that is taken over."""
    value = float(maps[place])
    text = f"{name}[{', '.join(map(str, place))}] = {expression.number(value)}"
    return Reasons([single(name, place, value)], _told(unit, text, value), activation=unit.layer.activation)


def _made(unit: Unit, computed: float) -> float:
    """What an operation makes: the unit's value, or before an activation, which hides it, what is computed."""
    return unit.value if unit.layer.activation is None else computed


def _told(unit: Unit, text: str, made: float) -> str:
    """An operation's expression, and behind it the activation of what it makes that the layer ends with."""
    return expression.then(text, unit.layer.activation, made, unit.value)


def _same_place(unit: Unit, index: int, weight: float | None = None) -> tuple[Source, float]:
    """The number of a source at the unit's place; an axis of one cell is the same everywhere."""
    name, maps = unit.inputs[index]
    channel, y, x = (
        at if cells > 1 else 0 for at, cells in zip((unit.channel, unit.y, unit.x), maps.shape, strict=True)
    )
    value = float(maps[channel, y, x])
    return single(name, (channel, y, x), value, weight), value
