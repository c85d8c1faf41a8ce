"""Recomputes a unit from its explanation alone, as api.md says op by op; knows nothing of the code it checks.

Takes the answer as a client does: parsed from JSON.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Answer = dict[str, Any]
Numbers = npt.NDArray[np.float64]


def activate(function: str | None, x: float) -> float:
    match function:
        case None:
            return x
        case "relu":
            return max(0.0, x)
        case "tanh":
            return math.tanh(x)
        case "scaled_tanh":
            return 1.7159 * math.tanh(2 / 3 * x)
        case "sigmoid":
            return 1 / (1 + math.exp(-x))
    raise AssertionError(f"unknown activation {function}")


def numbers(answer: Answer, name: str) -> Numbers:
    """All sources' cells; a test that has them in one array gives it beside the sources."""
    if name in answer:
        return np.asarray(answer[name], np.float64).ravel()
    return np.concatenate([np.asarray(one[name], np.float64).ravel() for one in answer["sources"]])


def values(answer: Answer) -> Numbers:
    return numbers(answer, "values")


def weights(answer: Answer) -> Numbers:
    return numbers(answer, "weights")


def recompute(answer: Answer) -> float:
    """The unit's number from the answer's other fields."""
    function = answer["activation"]
    match answer["op"]:
        case "conv" | "full" | "subsampling" | "batch_norm" | "Mul" | "Add" | "Sub" | "Div" | "Neg":
            total = float(values(answer) @ weights(answer)) + answer["bias"]
            assert math.isclose(total, answer["sum"], rel_tol=1e-5, abs_tol=1e-5 * (1 + abs(total)))
            return activate(function, total)
        case "max_pool":
            return activate(function, float(values(answer).max()))
        case "average_pool" | "global_average_pool":
            return activate(function, float(values(answer).mean()))
        case "add":
            return activate(function, float(values(answer).sum()))
        case "concat" | "flatten" | "Squeeze" | "Transpose" | "Reshape" | "Unsqueeze":
            (value,) = values(answer)
            return activate(function, float(value))
        case "relu" | "tanh" | "sigmoid":
            (value,) = values(answer)
            assert function is not None
            return activate(function, float(value))
        case "lrn":
            own = next(one for one in answer["sources"] if one["channel"] == answer["unit"][0])
            scale = answer["alpha"] / answer["size"] * float((values(answer) ** 2).sum())
            return activate(function, float(own["values"][0][0] / (answer["bias"] + scale) ** answer["beta"]))
        case "rbf":
            squared = float(((values(answer) - weights(answer)) ** 2).sum())
            assert math.isclose(squared, answer["sum"], rel_tol=1e-5)
            return activate(function, squared)
        case "softmax":
            logits = values(answer)
            shares = np.exp(logits - logits.max())
            unit = answer["unit"]
            spread = len(unit) == 3 and len(answer["sources"][0]["values"]) * len(answer["sources"][0]["values"][0])
            here = unit[0] * int(spread or 1)
            if spread and spread > 1:
                here += unit[1] * len(answer["sources"][0]["values"][0]) + unit[2]
            return activate(function, float(shares[here] / shares.sum()))
    raise AssertionError(f"no rule for {answer['op']}")
