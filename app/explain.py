"""One unit -> how its number came about: the patches it reads, their weights, and the expression.

`value` is the tensor's own number; the other fields are such that recomputing it from them gives the same.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from app import expression, reasons
from app.errors import NotExplainable, UnitNotFound
from app.graph import Graph
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
from app.reasons import Reasons, Unit
from app.sources import Array, Patches, Source, as_maps, corner, existing_patch, padded_patch


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
                return reasons.pool(operation, unit)
            case LocalResponseNorm() as operation:
                return reasons.local_response_norm(operation, unit)
            case Activation(function=function):
                return reasons.activation(function, unit)
            case RadialBasis() as operation:
                return self._radial_basis(operation, unit)
            case Add():
                return reasons.add(unit)
            case Concat():
                return reasons.concat(unit)
            case Softmax() as operation:
                return reasons.softmax(operation, unit)
            case BatchNorm():
                factors, shifts = self.parameters.affine(unit.layer)
                return reasons.linear(float(factors[unit.channel]), float(shifts[unit.channel]), unit)
            case Affine() as operation:
                return reasons.linear(*self._factor_and_shift(operation, unit), unit)
            case Rearrangement() as operation:
                return reasons.rearrangement(operation, unit)
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
            reasons.told(unit, expression.distance(squared, code.size), squared),
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
            flat = np.ravel_multi_index((unit.channel, unit.y, unit.x), reasons.as_map_shape(unit.layer.shape))
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
