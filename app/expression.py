"""How one number came about, as a line of text; short even for thousands of terms."""

from collections.abc import Sequence

import numpy as np

from app.sources import Array

MANY = 9  # more terms than a 3x3 window are summed up in words


def number(value: float) -> str:
    """Four significant digits; a zero that was negated keeps no sign."""
    return f"{value + 0.0:.4g}"  # -0.0 + 0.0 = 0.0


def plus(value: float) -> str:
    """A further term of a sum, with its sign."""
    return f"- {number(-value)}" if value < 0 else f"+ {number(value)}"


def terms(values: Sequence[float] | Array) -> str:
    """A sum written out."""
    first, *rest = (float(value) for value in values)
    return " ".join([number(first), *map(plus, rest)])


def activated(function: str | None, sum_: float, value: float) -> str:
    """The activation of a sum, with its result."""
    match function:
        case "relu":
            return f"max(0, {number(sum_)}) = {number(value)}"
        case "scaled_tanh":
            return f"1.7159 tanh(2/3 * {_operand(sum_)}) = {number(value)}"
        case "tanh":
            return f"tanh({number(sum_)}) = {number(value)}"
        case "sigmoid":
            return f"1/(1 + exp({number(-sum_)})) = {number(value)}"
        case _:
            return number(value)


def then(text: str, function: str | None, sum_: float, value: float) -> str:
    """An expression, and the activation of what it comes to, if there is one."""
    return text if function is None else f"{text}; {activated(function, sum_, value)}"


def weighted(products: float, count: int, bias: float, function: str | None, sum_: float, value: float) -> str:
    """A sum of products plus a bias, and its activation."""
    text = f"{number(products)} (sum of {count} products) {plus(bias)} = {number(sum_)}"
    return then(text, function, sum_, value)


def subsampled(
    coefficient: float, values: Array, bias: float, function: str | None, sum_: float, value: float
) -> str:
    """A coefficient times the sum of a window, plus a bias, and its activation."""
    inside = terms(values.ravel()) if values.size <= MANY else f"sum of {values.size} values"
    text = f"{number(coefficient)} * ({inside}) {plus(bias)} = {number(sum_)}"
    return then(text, function, sum_, value)


def largest(values: Array, value: float) -> str:
    """The largest of a window."""
    inside = ", ".join(map(number, values.ravel().tolist())) if values.size <= MANY else f"{values.size} values"
    return f"max({inside}) = {number(value)}"


def mean(values: Array, value: float) -> str:
    """The mean of a window."""
    total = float(values.sum(dtype=np.float64))
    inside = f"({terms(values.ravel())})" if values.size <= MANY else number(total)
    return f"{inside}/{values.size} = {number(value)}"


def normalised(x: float, squares: float, norm: tuple[float, float, int, float], value: float) -> str:
    """A local response norm in ONNX's form, alpha divided by the size; `norm` is (alpha, beta, size, bias)."""
    alpha, beta, size, bias = norm
    return (
        f"{number(x)} / ({number(bias)} + {number(alpha)}/{size} * {number(squares)})^{number(beta)} = "
        f"{number(value)} (alpha is divided by the size, as in ONNX)"
    )


def linear(x: float, factor: float, shift: float, value: float) -> str:
    """A factor times one number, plus a shift."""
    return f"{number(factor)} * {_operand(x)} {plus(shift)} = {number(value)}"


def distance(squared: float, count: int) -> str:
    """A squared distance."""
    return f"sum of {count} squares (value - code)^2 = {number(squared)}"


def share(logit: float, total: float, largest_logit: float, count: int, value: float) -> str:
    """A softmax; the largest of the `count` logits is taken off so that nothing overflows."""
    difference = f"{number(logit)} {plus(-largest_logit)}"
    return f"exp({difference}) / {number(total)} = {number(value)} (over {count} classes)"


def _operand(value: float) -> str:
    return f"({number(value)})" if value < 0 else number(value)
