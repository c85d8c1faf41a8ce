"""The reasons for one unit's number, operation by operation, where they follow from what the unit reads.

Those of operations with trained numbers are the explainer's (app.explain).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app import expression
from app.errors import UnitNotFound
from app.graph import Layer
from app.operations import LocalResponseNorm, Pool, Rearrangement, Softmax
from app.sources import Array, Patches, Source, existing_patch, single


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


def pool(operation: Pool, unit: Unit) -> Reasons:
    """The patch, and its largest value or its mean."""
    name, maps = unit.inputs[0]
    values, top, left = existing_patch(
        maps[unit.channel], operation.window, unit.y, unit.x, margin=operation.counts_padding
    )
    total = None if operation.largest else float(values.sum(dtype=np.float64))
    made = _made(unit, float(values.max()) if total is None else total / values.size)
    text = (expression.largest if operation.largest else expression.mean)(values, made)
    sources = [Source(name, unit.channel, top, left, values, None)]
    return Reasons(sources, told(unit, text, made), sum=total, activation=unit.layer.activation)


def local_response_norm(norm: LocalResponseNorm, unit: Unit) -> Reasons:
    """The neighbours' values at the place (AlexNet, section 3.3)."""
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
        told(unit, expression.normalised(own, squares, constants, made), made),
        bias=norm.bias,
        sum=squares,
        activation=unit.layer.activation,
        alpha=norm.alpha,
        beta=norm.beta,
        size=norm.size,
    )


def activation(function: str, unit: Unit) -> Reasons:
    """What the function is applied to."""
    source, x = _same_place(unit, 0)
    return Reasons([source], expression.activated(function, x, unit.value), sum=x, activation=function)


def add(unit: Unit) -> Reasons:
    """The numbers at the place."""
    found = [_same_place(unit, index) for index in range(len(unit.inputs))]
    values = [value for _, value in found]
    total = math.fsum(values)
    text = told(unit, f"{expression.terms(values)} = {expression.number(total)}", total)
    return Reasons([source for source, _ in found], text, sum=total, activation=unit.layer.activation)


def concat(unit: Unit) -> Reasons:
    """The one value that is taken over."""
    channel = unit.channel
    for name, maps in unit.inputs:
        if channel < len(maps):
            return _one(unit, name, maps, (channel, unit.y, unit.x))
        channel -= len(maps)
    raise UnitNotFound(f"No source of '{unit.layer.name}' has its map {unit.channel}.", unit.channel)


def softmax(operation: Softmax, unit: Unit) -> Reasons:
    """All logits that the probability is a share of."""
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
        told(unit, expression.share(float(own), total, highest, logits.size, made), made),
        activation=unit.layer.activation,
    )


def linear(factor: float, shift: float, unit: Unit) -> Reasons:
    """The number at the place, times a factor, plus a shift."""
    source, x = _same_place(unit, 0, factor)
    total = x * factor + shift
    text = told(unit, expression.linear(x, factor, shift, total), total)
    return Reasons([source], text, bias=shift, sum=total, activation=unit.layer.activation)


def rearrangement(operation: Rearrangement, unit: Unit) -> Reasons:
    """The one value that is taken over from another place."""
    name, maps = unit.inputs[0]
    flat = int(np.ravel_multi_index((unit.channel, unit.y, unit.x), as_map_shape(unit.layer.shape)))
    flat = flat if operation.order is None else int(operation.order[flat])
    channel, y, x = (int(index) for index in np.unravel_index(flat, maps.shape))
    return _one(unit, name, maps, (channel, y, x))


def _one(unit: Unit, name: str, maps: Array, place: tuple[int, int, int]) -> Reasons:
    """The one value that is taken over."""
    value = float(maps[place])
    text = f"{name}[{', '.join(map(str, place))}] = {expression.number(value)}"
    return Reasons([single(name, place, value)], told(unit, text, value), activation=unit.layer.activation)


def _made(unit: Unit, computed: float) -> float:
    """What an operation makes: the unit's value, or before an activation, which hides it, what is computed."""
    return unit.value if unit.layer.activation is None else computed


def told(unit: Unit, text: str, made: float) -> str:
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


def as_map_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a layer with a vector as N x 1 x 1."""
    return shape if len(shape) == 3 else (shape[0], 1, 1)
