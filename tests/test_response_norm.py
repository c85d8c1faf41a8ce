"""Local response normalisation in other operators: the numbers of the one operator, in float and on 8 bits."""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from app.catalog import Catalog
from app.engine import Engine
from app.graph import read_graph
from app.int8 import Int8Network
from app.quantise import quantise, rounded_from_zero
from app.response_norm import MOST_CHANNELS, NORM, quicken_norms

Array = npt.NDArray[np.float32]


def with_norms(channels: int, opset: int = 17, norms: int = 1, **attributes: Any) -> onnx.ModelProto:
    """1x1 convolution of an image (N, 3, 4, 5) to so many maps, LRNs one after the other, the mean of each map."""
    kernel = np.random.default_rng(0).normal(scale=3, size=(channels, 3, 1, 1)).astype(np.float32)
    names = ["conv", *(f"norm{number}" for number in range(norms))]
    nodes = [helper.make_node("Conv", ["image", "kernel"], ["conv"], name="conv")]
    nodes += [helper.make_node(NORM, [x], [y], name=y, **attributes) for x, y in pairwise(names)]
    nodes += [
        helper.make_node("GlobalAveragePool", [names[-1]], ["mean"], name="mean"),
        helper.make_node("Flatten", ["mean"], ["scores"], name="scores"),
    ]
    graph = helper.make_graph(
        nodes,
        "norms",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 4, 5])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", channels])],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def operators(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


def quick(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy as it would be run."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    quicken_norms(copy, read_graph(model), rounded_from_zero(model))
    return copy


def formula(x: Array, size: int, alpha: float, beta: float, bias: float) -> npt.NDArray[np.float64]:
    """(C, H, W) as ONNX's document of the operator has it, which onnxruntime has for odd sizes only."""
    exact, channels = x.astype(np.float64), len(x)
    sums = [
        (exact[max(0, c - (size - 1) // 2) : min(channels - 1, c + size // 2) + 1] ** 2).sum(axis=0)
        for c in range(channels)
    ]
    return np.asarray(exact / (bias + alpha / size * np.stack(sums)) ** beta)


def run(model: onnx.ModelProto, seed: int = 0) -> dict[str, Array]:
    image = np.random.default_rng(seed).normal(size=(3, 4, 5)).astype(np.float32)
    return dict(Engine(model, None, read_graph(model), threads=1, provider="cpu").run(image))


def norm_of(model: onnx.ModelProto, images: Array) -> Array:
    """What onnxruntime makes of the graph as it stands."""
    model.graph.output.append(onnx.ValueInfoProto(name="norm0"))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["norm0"], {"image": images})[0])


@given(
    channels=st.integers(1, 40),
    size=st.integers(1, 12),
    alpha=st.floats(1e-5, 2),
    beta=st.sampled_from([0.25, 0.5, 0.6, 0.75, 1.0]),
    bias=st.floats(0.1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_computes_the_formula(channels: int, size: int, alpha: float, beta: float, bias: float, seed: int) -> None:
    model = with_norms(channels, size=size, alpha=alpha, beta=beta, bias=bias)
    assert NORM not in operators(quick(model))
    seen = run(model, seed)
    np.testing.assert_allclose(seen["norm0"], formula(seen["conv"], size, alpha, beta, bias), rtol=1e-5, atol=1e-7)


def test_norms_behind_one_another_have_the_operators_defaults() -> None:
    seen = run(with_norms(9, norms=2, size=3))
    np.testing.assert_allclose(seen["norm0"], formula(seen["conv"], 3, 1e-4, 0.75, 1.0), rtol=1e-5)
    np.testing.assert_allclose(seen["norm1"], formula(seen["norm0"], 3, 1e-4, 0.75, 1.0), rtol=1e-5)


def test_a_file_of_the_first_format_whose_numbers_are_inputs_too() -> None:
    model = with_norms(4, opset=8, size=3)
    model.ir_version = 3
    model.graph.input.append(helper.make_tensor_value_info("kernel", TensorProto.FLOAT, [4, 3, 1, 1]))
    seen = run(model)
    np.testing.assert_allclose(seen["norm0"], formula(seen["conv"], 3, 1e-4, 0.75, 1.0), rtol=1e-5)


def test_what_the_file_says_wrongly_of_a_shape_does_not_count() -> None:
    model = with_norms(4, size=3)
    model.graph.value_info.append(helper.make_tensor_value_info("norm0", TensorProto.FLOAT, ["N", 8, 4, 5]))
    seen = run(model)
    np.testing.assert_allclose(seen["norm0"], formula(seen["conv"], 3, 1e-4, 0.75, 1.0), rtol=1e-5)


def test_some_norms_stay_as_they_are() -> None:
    halves = with_norms(4, size=3)
    halves.graph.node.insert(0, helper.make_node("Cast", ["image"], ["half"], to=TensorProto.FLOAT16))
    four, wide = read_graph(with_norms(4, size=3)), with_norms(MOST_CHANNELS + 1, size=3)
    for model, graph in ((with_norms(4, opset=6, size=3), four), (wide, read_graph(wide)), (halves, four)):
        before = model.SerializeToString()
        quicken_norms(model, graph)
        assert NORM in operators(model)
        assert model.SerializeToString() == before


def test_a_norm_of_parts_of_the_image_has_the_channels_of_one_part() -> None:
    model = with_norms(4, size=3)  # four maps as two times two: to the norm, two images of two channels
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 2, 4, 5]), "parts"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 4, 4, 5]), "together"))
    model.graph.node.insert(1, helper.make_node("Reshape", ["conv", "parts"], ["split"]))
    model.graph.node.insert(3, helper.make_node("Reshape", ["norm0", "together"], ["joined"]))
    model.graph.node[2].input[0], model.graph.node[4].input[0] = "split", "joined"
    seen = run(model)
    two = [formula(part, 3, 1e-4, 0.75, 1.0) for part in seen["conv"].reshape(2, 2, 4, 5)]
    np.testing.assert_allclose(seen["norm0"], np.concatenate(two), rtol=1e-5)
    assert NORM in operators(quick(model))


@pytest.mark.parametrize(("largest", "whole"), [(8.0, True), (50.0, True), (1000.0, False)])
def test_squares_are_of_8_bits_where_that_moves_a_norm_by_less_than_a_step(largest: float, whole: bool) -> None:
    model = with_norms(24, size=5, alpha=1e-4, beta=0.75, bias=1.0)
    numbers = {"kernel": np.abs(numpy_helper.to_array(model.graph.initializer[0])) * np.float32(largest / 40)}
    ranges = {name: (0.0, largest) for node in model.graph.node for name in (*node.input, *node.output)}
    quantised = quantise(model, numbers, ranges | {"image": (0.0, 4.0)}, narrow=False)
    copy = onnx.ModelProto()
    copy.CopyFrom(quantised)
    quicken_norms(copy, read_graph(model), rounded_from_zero(quantised))
    assert NORM in operators(quantised) and NORM not in operators(copy)
    bands = [
        node for node in copy.graph.node if node.op_type == "DequantizeLinear" and node.output[0].endswith("band")
    ]
    assert bool(bands) == whole
    images = np.abs(np.random.default_rng(0).normal(size=(4, 3, 4, 5))).astype(np.float32)
    theirs, ours = (norm_of(one, images) for one in (quantised, copy))
    assert np.abs(theirs).max() > largest / 20
    assert np.abs(ours - theirs).max() < largest / 255


def test_no_session_of_the_catalog_computes_a_norm_by_the_slow_operator(catalog: Catalog) -> None:
    found = [network for network in catalog.networks if network.ready and NORM in operators(network.model)]
    assert found
    for network in found:
        model = onnx.ModelProto()
        model.CopyFrom(network.model)
        quicken_norms(model, network.graph)
        assert NORM not in operators(model), network.id
        if network.weights.ranges:
            narrow = catalog.network(network.id, network.weights_id, precision="int8")
            assert isinstance(narrow, Int8Network)
            assert NORM in operators(narrow.quantised) and NORM not in operators(narrow.quick)
