"""What a few nodes are together: the activation that a manifest joins to any layer, and what has no rule."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import numpy_helper

from app.activations import Activations
from app.engine import Engine
from app.errors import NotExplainable
from app.explain import Explainer
from app.graph import Graph, read_graph
from tests.test_explain import manifest_of, network, node, numbers, run_and_check

JOINED = {
    "max_pool": [node("MaxPool", ["image"], ["made"], name="made", kernel_shape=[2, 2])],
    "average_pool": [node("AveragePool", ["image"], ["made"], name="made", kernel_shape=[2, 2])],
    "global_average_pool": [node("GlobalAveragePool", ["image"], ["made"], name="made")],
    "lrn": [node("LRN", ["image"], ["made"], name="made", size=3, alpha=0.5, beta=0.6, bias=1.5)],
    "concat": [node("Concat", ["image", "image"], ["made"], name="made", axis=1)],
    "softmax": [node("Softmax", ["image"], ["made"], name="made", axis=1)],
    "batch_norm": [node("BatchNormalization", ["image", "s", "b", "m", "v"], ["made"], name="made")],
    "add": [node("Add", ["image", "image"], ["made"], name="made")],
    "rbf": [
        node("Sub", ["row", "codes"], ["difference"], name="difference"),
        node("ReduceSumSquare", ["difference"], ["made"], name="made", axes=[2], keepdims=0),
    ],
}


def explained(model: onnx.ModelProto) -> tuple[Graph, Explainer, Activations]:
    graph = read_graph(model)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    activations = Engine(model, None, graph, threads=1, provider="cpu").run(numbers(*graph.input_shape))
    return graph, Explainer(graph, arrays), activations


@pytest.mark.parametrize("op", JOINED)
@pytest.mark.parametrize("activation", ["Relu", "Tanh", "Sigmoid", None])
def test_an_activation_joined_to_a_layer_is_told(op: str, activation: str | None) -> None:
    constants: dict[str, npt.NDArray[Any]] = {
        "codes": numbers(5, 27) / 8,
        "shape": np.array([-1, 1, 27], np.int64),
        "s": numbers(3),
        "b": numbers(3),
        "m": numbers(3),
        "v": np.abs(numbers(3)) + 1,
    }
    joined = [*JOINED[op]]
    if activation:
        joined.append(node(activation, ["made"], ["active"], name="active"))
    last = joined[-1].output[0]
    before = [node("Reshape", ["image", "shape"], ["row"])] if op == "rbf" else []  # of maps, as they are
    after = [] if op == "rbf" else [node("GlobalAveragePool", [last], ["end"], name="end")]
    model = network([*before, *joined, *after], constants, ["N", 3, 3, 3], (after or joined)[-1].output[0])
    graph = run_and_check(model, units=30, manifest=manifest_of({"L": tuple(one.name for one in joined)}))
    layer = graph.layer("L")
    assert (layer.op, layer.activation) == (op, activation.lower() if activation else None)


def test_a_constant_over_the_numbers_has_no_rule() -> None:
    nodes = [
        node("Div", ["one", "image"], ["inverse"], name="inverse"),
        node("GlobalAveragePool", ["inverse"], ["end"], name="end"),
    ]
    constants = {"one": np.array([1], np.float32)}
    graph, explainer, activations = explained(network(nodes, constants, ["N", 3, 3, 3], "end"))
    assert graph.layer("inverse").op == "Div" and graph.layer("inverse").receptive_field == (1, 1)
    with pytest.raises(NotExplainable, match="Div"):
        explainer.explain("inverse", (0, 1, 2), activations)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_numbers_over_zero_are_infinite(zero: float) -> None:
    nodes = [
        node("Div", ["image", "zero"], ["over"], name="over"),
        node("GlobalMaxPool", ["over"], ["end"], name="end"),
    ]
    constants = {"zero": np.array([zero], np.float32)}
    _, explainer, activations = explained(network(nodes, constants, ["N", 3, 3, 3], "end"))
    explanation = explainer.explain("over", (0, 1, 2), activations)
    assert np.isinf(explanation.value) and explanation.sum == explanation.value


def test_a_norm_without_a_bias_makes_nothing_of_zeros() -> None:
    nodes = [
        node("LRN", ["image"], ["norm"], name="norm", size=3, bias=0.0),
        node("GlobalAveragePool", ["norm"], ["end"], name="end"),
    ]
    graph = read_graph(network(nodes, {}, ["N", 3, 3, 3], "end"))
    zeros = {layer.name: np.zeros(layer.shape, np.float32) for layer in graph.layers}
    assert Explainer(graph, {}).explain("norm", (0, 1, 2), zeros).sum == 0
