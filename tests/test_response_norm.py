"""Local response normalisation in other operators: the numbers of the one operator, in float and on 8 bits."""

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
from app.int8 import Int8Network
from app.response_norm import NORM, with_quick_norms

Array = npt.NDArray[np.float32]


def norm(channels: int | None, opset: int = 17, kind: int = TensorProto.FLOAT, **attributes: Any) -> onnx.ModelProto:
    """A graph of one LRN of maps (N, channels, H, W)."""
    shape = ["N", channels if channels is not None else "C", "H", "W"]
    graph = helper.make_graph(
        [helper.make_node(NORM, ["x"], ["y"], **attributes)],
        "norm",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, shape)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def compute(model: onnx.ModelProto, x: Array) -> Array:
    onnx.checker.check_model(model)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["y"], {"x": x})[0])


def formula(x: Array, size: int, alpha: float, beta: float, bias: float) -> npt.NDArray[np.float64]:
    """As ONNX's document of the operator has it, which onnxruntime has for odd sizes only."""
    exact, channels = x.astype(np.float64), x.shape[1]
    sums = np.stack(
        [
            (exact[:, max(0, c - (size - 1) // 2) : min(channels - 1, c + size // 2) + 1] ** 2).sum(axis=1)
            for c in range(channels)
        ],
        axis=1,
    )
    return np.asarray(exact / (bias + alpha / size * sums) ** beta)


def rounded(x: Array, scale: float) -> onnx.ModelProto:
    """The graph of an LRN whose input was rounded to 8 bits from zero on."""
    model = norm(x.shape[1], size=5, alpha=0.3, beta=0.75, bias=2.0)
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(scale, np.float32), "scale"),
            numpy_helper.from_array(np.array(0, np.uint8), "zero"),
        ]
    )
    model.graph.node[0].input[0] = "shown"
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", ["steps", "scale", "zero"], ["shown"]))
    model.graph.node.insert(0, helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["steps"]))
    return model


def test_it_computes_the_formula() -> None:
    @given(
        channels=st.integers(1, 40),
        size=st.integers(1, 12),
        alpha=st.floats(1e-5, 2),
        beta=st.sampled_from([0.25, 0.5, 0.6, 0.75, 1.0]),
        bias=st.floats(0.1, 3),
        seed=st.integers(0, 2**32 - 1),
    )
    def check(channels: int, size: int, alpha: float, beta: float, bias: float, seed: int) -> None:
        model = norm(channels, size=size, alpha=alpha, beta=beta, bias=bias)
        x = np.random.default_rng(seed).normal(scale=10, size=(2, channels, 3, 4)).astype(np.float32)
        quick = with_quick_norms(model)
        assert NORM not in {node.op_type for node in quick.graph.node}
        np.testing.assert_allclose(compute(quick, x), formula(x, size, alpha, beta, bias), rtol=1e-5, atol=1e-7)

    check()


def test_it_computes_what_the_operator_does_with_what_the_graph_does_not_say() -> None:
    x = np.random.default_rng(0).normal(scale=100, size=(1, 9, 4, 4)).astype(np.float32)
    model = norm(9, size=3)
    np.testing.assert_allclose(compute(with_quick_norms(model), x), compute(model, x), rtol=1e-5)


@pytest.mark.parametrize(
    "model", [norm(None, size=3), norm(4, opset=6, size=3), norm(4, kind=TensorProto.DOUBLE, size=3)]
)
def test_a_graph_that_does_not_say_enough_stays_as_it_is(model: onnx.ModelProto) -> None:
    assert [node.op_type for node in with_quick_norms(model).graph.node] == [NORM]


def test_squares_of_8_bits_move_a_norm_by_less_than_a_step() -> None:
    scale = 8 / 255
    x = np.random.default_rng(0).gamma(1.0, 1.0, size=(4, 24, 9, 9)).astype(np.float32).clip(0, 8)
    model = rounded(x, scale)
    quick = with_quick_norms(model)
    assert {"MatMul", "QuantizeLinear"} <= {node.op_type for node in quick.graph.node}
    ours, theirs = compute(quick, x), compute(model, x)
    assert 0 < np.abs(ours - theirs).max() < scale


def test_no_session_of_the_catalog_computes_a_norm_by_the_slow_operator(catalog: Catalog) -> None:
    with_norms = [
        network
        for network in catalog.networks
        if network.ready and any(node.op_type == NORM for node in network.model.graph.node)
    ]
    assert with_norms
    for network in with_norms:
        graph = network.quantised if isinstance(network, Int8Network) else network.model
        assert NORM not in {node.op_type for node in with_quick_norms(graph).graph.node}, network.id
