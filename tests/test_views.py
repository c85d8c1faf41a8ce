"""Tensors as nodes see them: which are their layer as it is, and which are layers of their own."""

import numpy as np
import onnx
import pytest

from app.graph import read_graph
from app.views import View
from tests.test_explain import network, node, numbers, run_and_check
from tests.test_graph import table
from tests.test_patterns import check_all_but, explained


@pytest.mark.parametrize(
    ("tensor", "layer", "shown"),
    [
        ((7,), (7,), True),
        ((7,), (7, 1, 1), True),  # a vector and N x 1 x 1 maps are the same
        ((7, 1, 1), (7,), True),
        ((7, 1), (7,), False),  # a matrix is one map, so of 7 x 1
        ((7, 1), (1, 7, 1), True),
        ((5, 7), (1, 5, 7), True),
        ((5, 7), (5, 7, 1), False),
        ((2, 3, 5, 7), (6, 5, 7), True),
        ((6, 5, 7), (6, 5, 7), True),
        ((6, 35), (6, 5, 7), False),
    ],
)
def test_which_tensors_are_their_layer_as_it_is(tensor: tuple[int, ...], layer: tuple[int, ...], shown: bool) -> None:
    assert View("layer", "tensor", tensor).shows(layer) == shown


def matrices() -> onnx.ModelProto:
    """Of an image (N, 3, 4, 6): 8 tokens of 9 numbers, read by several nodes, and vectors added to them."""
    nodes = [
        node("Reshape", ["image", "tokens_shape"], ["turned"]),
        node("Transpose", ["turned"], ["tokens"], name="tokens", perm=[0, 2, 1]),
        node("Mul", ["tokens", "factors"], ["times"], name="times"),
        node("Flatten", ["image"], ["flat"]),
        node("Gemm", ["flat", "w728"], ["column"], name="column"),
        node("Unsqueeze", ["column", "last"], ["upright"], name="upright"),
        node("Gemm", ["flat", "w729"], ["row"], name="row"),
        node("Unsqueeze", ["row", "second"], ["lying"], name="lying"),
        node("Sum", ["times", "upright", "lying"], ["sum"], name="sum"),
        node("Add", ["sum", "tokens"], ["more"], name="more"),
        node("Tanh", ["more"], ["tanh"], name="tanh"),
        node("Reshape", ["tanh", "row_shape"], ["end"], name="end"),
        node("Softmax", ["end"], ["shares"], name="shares"),
    ]
    constants = {
        "tokens_shape": np.array([1, 9, 8]),
        "row_shape": np.array([1, 72]),
        "last": np.array([2]),
        "second": np.array([1]),
        "factors": numbers(8, 9),
        "w728": numbers(72, 8),
        "w729": numbers(72, 9),
    }
    return network(nodes, constants, ["N", 3, 4, 6], "shares")


def test_a_matrix_is_one_layer_however_many_read_it_and_its_units_explain_themselves() -> None:
    graph = run_and_check(matrices(), units=72)
    assert table(graph)[1:] == [
        ("tokens", "Transpose", (1, 8, 9)),
        ("times", "Mul", (1, 8, 9)),
        ("column", "full", (8,)),
        ("row", "full", (9,)),
        ("upright", "Unsqueeze", (1, 8, 1)),
        ("lying", "Unsqueeze", (1, 1, 9)),
        ("sum", "add", (1, 8, 9)),
        ("more", "add", (1, 8, 9)),
        ("tanh", "tanh", (1, 8, 9)),
        ("end", "Reshape", (72,)),
        ("shares", "softmax", (72,)),
    ]


def test_what_has_no_rule_reads_the_layer_itself() -> None:
    nodes = [
        node("Reshape", ["image", "shape"], ["sequence"], name="sequence"),
        node("Conv", ["sequence", "w"], ["conv"], name="conv"),
        node("MatMul", ["conv", "matrix"], ["query"], name="query"),
        node("MatMul", ["conv", "matrix"], ["key"], name="key"),
        node("Add", ["query", "key"], ["sum"], name="sum"),
        node("ReduceMax", ["sum"], ["end"], name="end", axes=[1], keepdims=0),
    ]
    constants = {"shape": np.array([0, 3, 24]), "w": numbers(4, 3, 5), "matrix": numbers(20, 6)}
    graph = read_graph(network(nodes, constants, ["N", 3, 4, 6], "end"))
    assert table(graph)[1:] == [
        ("sequence", "Reshape", (1, 3, 24)),
        ("conv", "Conv", (1, 4, 20)),
        ("query", "MatMul", (1, 4, 6)),
        ("key", "MatMul", (1, 4, 6)),
        ("sum", "add", (1, 4, 6)),
        ("end", "ReduceMax", (6,)),
    ]
    assert graph.layer("key").inputs == ("conv",)


def test_a_flatten_before_a_tanh_is_shown_behind_it_where_its_result_is_used() -> None:
    nodes = [
        node("Flatten", ["image"], ["flat"], name="flat"),
        node("Tanh", ["flat"], ["tanh"], name="tanh"),
        node("Softmax", ["tanh"], ["shares"], name="shares"),
    ]
    graph = run_and_check(network(nodes, {}, ["N", 3, 4, 6], "shares"), units=30)
    assert table(graph)[1:] == [
        ("tanh", "tanh", (3, 4, 6)),
        ("flat", "flatten", (72,)),
        ("shares", "softmax", (72,)),
    ]
    assert graph.layer("flat").inputs == ("tanh",)


def test_rows_of_several_images_are_no_view_of_one() -> None:
    nodes = [
        node("Reshape", ["image", "rows_shape"], ["rows"], name="rows"),
        node("Tanh", ["rows"], ["tanh"], name="tanh"),
        node("Mul", ["tanh", "factors"], ["times"], name="times"),
        node("Reshape", ["times", "apart_shape"], ["apart"], name="apart"),
        node("Softmax", ["apart"], ["shares"], name="shares"),
    ]
    constants = {"rows_shape": np.array([-1, 6]), "apart_shape": np.array([2, 36]), "factors": numbers(12, 6)}
    graph, explainer, activations = explained(network(nodes, constants, [2, 3, 2, 6], "shares"))
    assert table(graph)[1:] == [
        ("rows", "Reshape", (1, 12, 6)),
        ("tanh", "tanh", (1, 12, 6)),
        ("times", "Mul", (1, 12, 6)),
        ("apart", "Reshape", (36,)),
        ("shares", "softmax", (36,)),
    ]
    check_all_but({"rows", "apart"}, graph, explainer, activations)


def test_a_transpose_of_steps_is_read() -> None:
    nodes = [
        node("Reshape", ["image", "steps"], ["rows"]),
        node("LSTM", ["rows", "w", "r"], ["states"], name="lstm", hidden_size=4),
        node("Transpose", ["states"], ["turned"], name="turned", perm=[0, 2, 1, 3]),  # (4, 1, 1, 4): steps first
        node("Reshape", ["turned", "row"], ["end"], name="end"),
        node("Softmax", ["end"], ["shares"], name="shares"),
    ]
    constants = {
        "steps": np.array([4, 1, 6]),
        "row": np.array([1, -1]),
        "w": numbers(1, 16, 6),
        "r": numbers(1, 16, 4),
    }
    graph, explainer, activations = explained(network(nodes, constants, ["N", 1, 4, 6], "shares"))
    assert graph.layer("turned").shape == (4, 1, 4)
    check_all_but({"lstm", "turned"}, graph, explainer, activations)
