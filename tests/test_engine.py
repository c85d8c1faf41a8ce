"""The engine: every layer's activation, whatever the batch size or layout of the graph."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from app.catalog import Catalog
from app.engine import Engine, choose_providers, class_probabilities, to_probabilities, useful_threads
from app.errors import NetworkUnusable, NotSupported
from app.graph import read_graph
from tests.small_onnx import classifier, rooted


def engine(model: onnx.ModelProto, **options: Any) -> Engine:
    return Engine(model, None, read_graph(model), provider="cpu", **options)


@pytest.mark.parametrize(
    "variant",
    [{}, {"batch": 1}, {"batch": 3}, {"layout": "NHWC"}, {"layout": "NHWC", "batch": 2}, {"named": False}],
    ids=str,
)
def test_every_variant_of_a_network_gives_the_same_activations(variant: dict[str, Any]) -> None:
    x = np.random.default_rng(1).normal(size=(3, 8, 8)).astype(np.float32)
    expected = engine(classifier()).run(x)
    found = engine(classifier(**variant)).run(x)
    assert [array.shape for array in found.values()] == [(3, 8, 8), (4, 8, 8), (4, 8, 8), (4, 4, 4), (5,), (5,)]
    for a, b in zip(found.values(), expected.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_two_nodes_may_have_one_name() -> None:
    model = classifier()
    for node in model.graph.node:
        node.name = "twin"
    twins = engine(model)
    assert [layer.name for layer in twins.graph.layers][1:4] == ["twin", "twin_2", "twin_3"]
    expected, tensor = engine(classifier()), np.ones((3, 8, 8), np.float32)
    for one, other in zip(twins.run(tensor).values(), expected.run(tensor).values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_activations_are_what_the_operators_say() -> None:
    model = classifier()
    x = np.random.default_rng(1).normal(size=(3, 8, 8)).astype(np.float32)
    _, conv, relu, pool, scores, shares = engine(model).run(x).values()
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    patch = padded[:, 2:5, 4:7]  # under unit (y=2, x=4)
    assert conv[1, 2, 4] == pytest.approx((patch * weights["kernel"][1]).sum() + weights["bias"][1], rel=1e-4)
    assert np.array_equal(relu, np.maximum(conv, 0))
    assert np.array_equal(pool, relu.reshape(4, 4, 2, 4, 2).max(axis=(2, 4)))
    np.testing.assert_allclose(scores, weights["matrix"] @ pool.ravel() + weights["offset"], rtol=1e-4)
    np.testing.assert_allclose(shares, np.exp(scores) / np.exp(scores).sum(), rtol=1e-4)


@pytest.mark.parametrize("batch", ["N", 1, 2])
@pytest.mark.parametrize("softmax", [True, False])
def test_probabilities_of_a_batch(batch: int | str, softmax: bool) -> None:
    loaded = engine(classifier(batch=batch, softmax=softmax))
    x = np.random.default_rng(2).normal(size=(3, 3, 8, 8)).astype(np.float32)
    rows = loaded.probabilities(x)
    assert rows.shape == (3, 5)
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-6)
    for row, one in zip(rows, x, strict=True):
        np.testing.assert_allclose(row, class_probabilities(loaded.graph, loaded.run(one)), rtol=1e-4)


def free_batch(nodes: list[onnx.NodeProto], **shapes: tuple[int, ...] | list[int]) -> onnx.ModelProto:
    """A network of 4 x 4 pixels, batch free; a list is a constant itself, a tuple the shape of random numbers."""
    rng = np.random.default_rng(3)
    constants = {
        name: np.array(shape) if isinstance(shape, list) else rng.normal(size=shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    graph = helper.make_graph(
        nodes,
        "free",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 4, 4])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def traced_view() -> onnx.ModelProto:
    """The batch is free, and a Reshape has one image's shape in it."""
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["conv"]),
        helper.make_node("Reshape", ["conv", "one"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["shares"]),
    ]
    return free_batch(nodes, kernel=(4, 3, 3, 3), one=[1, 16], matrix=(16, 5))


def time_first() -> onnx.ModelProto:
    """The rows of an image one after the other, through a recurrence that has the batch on its second axis."""
    nodes = [
        helper.make_node("Transpose", ["image"], ["rows"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["rows", "joined"], ["sequences"]),  # (N, 4, 12)
        helper.make_node("Transpose", ["sequences"], ["steps"], perm=[1, 0, 2]),  # (4, N, 12)
        helper.make_node("LSTM", ["steps", "w", "r"], ["hidden", "last"], hidden_size=6),  # (4, 1, N, 6), (1, N, 6)
        helper.make_node("Squeeze", ["last", "axis"], ["state"]),
        helper.make_node("Gemm", ["state", "matrix"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["shares"]),
    ]
    return free_batch(nodes, joined=[0, 4, 12], w=(1, 24, 12), r=(1, 24, 6), axis=[0], matrix=(6, 5))


@pytest.mark.parametrize("make", [traced_view, time_first])
def test_images_that_cannot_go_in_together_go_one_by_one(make: Callable[[], onnx.ModelProto]) -> None:
    loaded = engine(make())
    assert loaded.graph.batch == 1
    x = np.random.default_rng(2).normal(size=(3, 3, 4, 4)).astype(np.float32)
    alone = [loaded.run(one) for one in x]
    shares = np.concatenate(list(loaded.classify(x)))
    np.testing.assert_allclose(shares, [one["shares"] for one in alone], rtol=1e-5)
    together = loaded.layers(x, [layer.name for layer in loaded.graph.layers])
    for name, rows in together.items():
        np.testing.assert_allclose(rows, [one[name] for one in alone], rtol=1e-5, err_msg=name)


def test_images_that_can_go_in_together_do() -> None:
    assert engine(classifier()).graph.batch is None


def test_softmax_of_large_scores_does_not_overflow() -> None:
    assert to_probabilities(np.array([1e4, 0.0, -1e4], np.float32), already=False).tolist() == [1, 0, 0]


def test_what_is_no_number_is_no_probability() -> None:
    loaded = engine(rooted())
    bright, dark = (np.full((3, 8, 8), value, np.float32) for value in (4, -1))
    np.testing.assert_allclose(next(loaded.classify([bright])).sum(), 1, rtol=1e-6)
    with pytest.raises(NotSupported, match=r"for class 0, 'scores' comes to nan.*Check .* scale, mean and std"):
        list(loaded.classify([bright, dark]))
    assert np.isnan(to_probabilities(np.array([np.inf, 0], np.float32), already=False)).any()
    assert np.isnan(loaded.run(dark)["root"]).all()  # to be looked at


def test_an_unknown_operator_is_refused_with_its_name() -> None:
    model = classifier()
    model.graph.node[1].op_type = "Frobnicate"
    model.graph.node[1].domain = "org.example"
    model.opset_import.append(helper.make_opsetid("org.example", 1))
    with pytest.raises(NetworkUnusable, match="Frobnicate"):
        engine(model)


def test_a_network_has_no_more_threads_than_it_is_worth(catalog: Catalog) -> None:
    largest = max((network.graph for network in catalog.networks), key=lambda graph: graph.multiply_adds)
    assert [useful_threads(largest, threads) for threads in (1, 4)] == [1, 4]
    model = classifier()
    small = Engine(model, None, read_graph(model), threads=4, provider="cpu").session
    assert isinstance(small, ort.InferenceSession)
    assert small.get_session_options().intra_op_num_threads == 1


def test_provider_choice() -> None:
    assert choose_providers("cpu") == ["CPUExecutionProvider"]
    assert choose_providers("cuda")[0] == "CUDAExecutionProvider"
    assert choose_providers("tensorrt")[0] == "TensorrtExecutionProvider"
    assert choose_providers("auto")[-1] == "CPUExecutionProvider"


def test_a_gpu_multiplies_in_whole_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    session = ort.InferenceSession

    def opened(model: bytes, options: ort.SessionOptions, providers: list[Any]) -> ort.InferenceSession:
        given.extend(providers)
        return session(model, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(ort, "InferenceSession", opened)
    monkeypatch.setattr("app.engine.choose_providers", lambda _: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr("app.engine._tell_once", lambda _: None)
    model = classifier()
    Engine(model, None, read_graph(model), provider="auto")
    assert given == [("CUDAExecutionProvider", {"use_tf32": "0"}), ("CPUExecutionProvider", {})]


def test_a_gpu_whose_libraries_are_missing_is_told_once_and_the_processor_computes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    if "CUDAExecutionProvider" in ort.get_available_providers():
        # this onnxruntime knows of CUDA; without a driver the provider cannot be loaded
        monkeypatch.setattr("app.engine.NVIDIA_DEVICE", Path("/"))
        assert choose_providers("auto") == broken
    else:
        monkeypatch.setattr("app.engine.choose_providers", lambda _: broken)
    model = classifier()
    with caplog.at_level("WARNING", logger="app.engine"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnxruntime's own, of a provider that it was built without
        engines = [Engine(model, None, read_graph(model), provider="auto") for _ in range(2)]
    if engines[0].provider == "CPUExecutionProvider":
        assert [record.message for record in caplog.records] == [
            "There is a GPU, but CUDAExecutionProvider cannot be loaded: CPUExecutionProvider computes."
        ]


@pytest.mark.parametrize("wanted", ["cuda", "tensorrt"])
def test_a_provider_asked_for_by_name_must_come_up(wanted: str) -> None:
    model = classifier()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            engine = Engine(model, None, read_graph(model), provider=wanted)
        except NetworkUnusable as error:
            assert "CONVSCOPE_PROVIDER=cpu" in error.detail
        else:
            assert engine.provider == choose_providers(wanted)[0]
