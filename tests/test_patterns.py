"""What a few nodes are together: the activation that a manifest joins to any layer, and what has no rule."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import numpy_helper

from app.activations import Activations
from app.engine import Engine
from app.errors import NetworkUnusable, NotExplainable
from app.explain import Explainer
from app.graph import Graph, read_graph
from app.manifest import Manifest
from app.operations import Opaque
from tests.test_explain import check_units, manifest_of, network, node, numbers, run_and_check

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


def explained(model: onnx.ModelProto, manifest: Manifest | None = None) -> tuple[Graph, Explainer, Activations]:
    graph = read_graph(model, manifest)
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


# An image (N, 3, 4, 6) in other shapes, and what reads those, a full layer or means as no operation of maps or of one
# vector does.
SHAPES = {
    "tokens": [1, 9, 8],
    "rows": [9, 8],
    "sequence": [1, 3, 24],
    "sequences": [3, 4, 6],  # to a Conv or a BatchNormalization it is a batch of three, though there is one image
    "groups": [1, 2, 3, 2, 6],
}
NUMBERS = {
    **{"w82": (8, 2), "w728": (72, 8), "w8322": (8, 3, 2, 2), "w843": (8, 4, 3), "b2": (2,), "b8": (8,)},
    **{f"{name}{channels}": (channels,) for name in "sbmv" for channels in (3, 4)},
}
WITHOUT_A_RULE: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "Gemm of rows": ("Gemm", ["rows", "w82", "b2"], {}),
    "Gemm plus another layer": ("Gemm", ["flat", "w728", "full"], {}),
    "Conv plus another layer": ("Conv", ["image", "w8322", "shift"], {}),
    "Conv of sequences": ("Conv", ["sequences", "w843", "b8"], {}),
    "BatchNormalization of a sequence": ("BatchNormalization", ["sequence", "s3", "b3", "m3", "v3"], {}),
    "BatchNormalization of sequences": ("BatchNormalization", ["sequences", "s4", "b4", "m4", "v4"], {}),
    "Concat of tokens": ("Concat", ["tokens", "tokens"], {"axis": 1}),
    "Concat along the height": ("Concat", ["sequences", "sequences"], {"axis": 1}),
    "Softmax over tokens": ("Softmax", ["tokens"], {"axis": 1}),
    "Softmax over groups": ("Softmax", ["groups"], {"axis": 1}),
    "Softmax over the height": ("Softmax", ["sequences"], {"axis": 1}),
    "Add of tokens and a vector": ("Add", ["tokens", "full"], {}),
    "Add of groups and one number each": ("Add", ["groups", "means"], {}),
}
PARAMETERS = {"Gemm of rows": 18, "Conv of sequences": 104, "BatchNormalization of a sequence": 6}


def check_all_but(opaque: set[str], graph: Graph, explainer: Explainer, activations: Activations) -> None:
    """Some layers say that they have no rule, and count nothing; the units of all others explain themselves."""
    for name in opaque:
        layer = graph.layer(name)
        assert isinstance(layer.operation, Opaque)
        assert (layer.multiply_adds, layer.connections, layer.formula) == (0, 0, "")
        with pytest.raises(NotExplainable, match=layer.op):
            explainer.explain(name, tuple(cells - 1 for cells in layer.shape), activations)
    others = tuple(layer for layer in graph.layers if layer.name not in opaque)
    check_units(replace(graph, layers=others), explainer, activations, units=40)


@pytest.mark.parametrize("case", WITHOUT_A_RULE)
def test_tensors_that_are_no_maps_are_not_explained_as_if_they_were(case: str) -> None:
    op, inputs, attributes = WITHOUT_A_RULE[case]
    nodes = [
        *(node("Reshape", ["image", f"{name}_shape"], [name]) for name in SHAPES),
        node("Flatten", ["image"], ["flat"]),
        node("Gemm", ["flat", "w728"], ["full"], name="full"),
        node("Squeeze", ["full", "first"], ["shift"]),
        node("GlobalAveragePool", ["image"], ["mean"], name="mean"),
        node("Unsqueeze", ["mean", "second"], ["means"]),
        node(op, inputs, ["odd"], name="odd", **attributes),
        node("Reshape", ["odd", "row_shape"], ["row"]),
        node("Softmax", ["row"], ["end"], name="end"),
    ]
    shapes = {**SHAPES, "row": [1, -1]}
    constants: dict[str, npt.NDArray[Any]] = {f"{name}_shape": np.array(shape) for name, shape in shapes.items()}
    constants |= {name: numbers(*shape) for name, shape in NUMBERS.items()}
    constants |= {name: np.abs(constants[name]) + 1 for name in ("v3", "v4")}
    constants |= {"first": np.array([0]), "second": np.array([1])}
    graph, explainer, activations = explained(network(nodes, constants, ["N", 3, 4, 6], "end"))
    check_all_but({"odd"}, graph, explainer, activations)
    assert graph.layer("odd").parameters == PARAMETERS.get(case, graph.layer("odd").parameters)


def test_a_gemm_that_adds_other_numbers_to_each_image_has_no_rule() -> None:
    nodes = [node("Flatten", ["image"], ["flat"]), node("Gemm", ["flat", "w", "c"], ["end"], name="end")]
    constants: dict[str, npt.NDArray[Any]] = {"w": numbers(27, 4), "c": numbers(2, 4)}
    check_all_but({"end"}, *explained(network(nodes, constants, [2, 3, 3, 3], "end")))


def test_codes_of_one_image_whose_batch_became_the_units_have_no_rule() -> None:
    nodes = [
        node("Reshape", ["image", "shape"], ["row"]),
        node("Sub", ["row", "codes"], ["difference"], name="difference"),
        node("ReduceSumSquare", ["difference"], ["squares"], name="squares", axes=[1], keepdims=0),
    ]
    constants: dict[str, npt.NDArray[Any]] = {"shape": np.array([1, 27]), "codes": numbers(5, 27)}
    model = network(nodes, constants, [1, 3, 3, 3], "squares")
    check_all_but({"L"}, *explained(model, manifest_of({"L": ("difference", "squares")})))


@pytest.mark.parametrize("shape", [[1, 3, 9], [1, 3, 3, 3, 1]])
def test_a_norm_that_onnxruntime_cannot_compute_is_refused(shape: list[int]) -> None:
    nodes = [
        node("Reshape", ["image", "shape"], ["reshaped"]),
        node("LRN", ["reshaped"], ["norm"], name="norm", size=3),
        node("Flatten", ["norm"], ["end"]),
    ]
    model = network(nodes, {"shape": np.array(shape)}, ["N", 3, 3, 3], "end")
    with pytest.raises(NetworkUnusable, match=r"'norm' reads a tensor of the shape \[1, 3, .* N x C x H x W only"):
        read_graph(model)
