"""Every number can be explained: recomputing random units of every layer from their answers gives the tensor."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import orjson
import pytest
from onnx import TensorProto, helper, numpy_helper

from app.activations import Activations
from app.catalog import Catalog
from app.engine import Engine
from app.errors import LayerNotFound, NotExplainable, UnitNotFound
from app.explain import Explainer, Explanation
from app.graph import Graph, count_nonzero, read_graph
from app.manifest import Manifest, PhotoPreprocessing, Weights
from app.places import BUNDLED
from app.sources import Patches, to_json
from tests.recompute import recompute

Array = npt.NDArray[np.float32]
UNITS = 200
THROUGH_JSON = 5  # of them
FEW = 16  # sources that are told one by one in any case
SOURCE_FIELDS = ("layer", "channel", "top", "left", "values", "weights")
FOREIGN = Path(__file__).parent.parent.parent / "shared" / "data" / "onnx"
BUNDLED_IDS = sorted(path.parent.name for path in BUNDLED.glob("*/manifest.json"))


def as_client_gets_it(explanation: Explanation) -> dict[str, Any]:
    answer: dict[str, Any] = orjson.loads(to_json(explanation))
    return answer


def as_fields(explanation: Explanation) -> dict[str, Any]:
    """The same without text in between: writing and reading 50,000 numbers takes longer than checking them.

    Of many sources that lie in two arrays, those arrays are told, and the first and the last source.
    """
    sources, joined = explanation.sources, {}
    if isinstance(sources, Patches) and len(sources) > FEW:
        joined = {"values": sources.values, "weights": sources.weights}
        assert len(sources.values) == len(sources)
        sources = [sources[0], sources[-1]]
    told = [{name: getattr(source, name) for name in SOURCE_FIELDS} for source in sources]
    return {**vars(explanation), **joined, "sources": told}


def check_units(graph: Graph, explainer: Explainer, activations: Mapping[str, Array], units: int = UNITS) -> None:
    """Recompute random units of every layer; the tolerance is the API's "Equal"."""
    rng = np.random.default_rng(2024)
    for layer in graph.layers:
        tensor = activations[layer.name]
        assert tensor.shape == layer.shape
        spread = float(tensor.std(dtype=np.float64))
        for count, flat in enumerate(rng.integers(tensor.size, size=units)):
            unit = tuple(int(at) for at in np.unravel_index(flat, tensor.shape))
            explanation = explainer.explain(layer.name, unit, activations)
            answer = as_client_gets_it(explanation) if count < THROUGH_JSON else as_fields(explanation)
            expected = float(tensor[unit])
            allowed = 1e-4 * max(abs(expected), spread)
            where = f"{layer.name} ({layer.op}) {unit}"
            assert abs(answer["value"] - expected) <= allowed, where
            assert answer["expression"], where
            if layer.op == "input":
                assert answer["sources"] == []
                continue
            assert abs(recompute(answer) - expected) <= allowed, where
            check_sources(answer, activations, layer.dilation or (1, 1), where)


def check_sources(
    answer: dict[str, Any], activations: Mapping[str, Array], dilation: tuple[int, int], where: str
) -> None:
    """The first and last source hold what their layer has at that place; cells outside of the map are 0."""
    assert answer["sources"], where
    factors = set()
    for source in (answer["sources"][0], answer["sources"][-1]):
        values = np.array(source["values"])
        maps = activations[source["layer"]]
        maps = maps[:, None, None] if maps.ndim == 1 else maps
        map_ = maps[source["channel"]]
        rows = source["top"] + np.arange(values.shape[0]) * dilation[0]
        columns = source["left"] + np.arange(values.shape[1]) * dilation[1]
        inside = np.outer((rows >= 0) & (rows < len(map_)), (columns >= 0) & (columns < len(map_[0])))
        found = np.where(inside, map_[np.ix_(rows % len(map_), columns % len(map_[0]))], 0)
        if answer["op"] == "softmax":  # of the logits, which a layer may hold negated or times a temperature
            factors.add(float(f"{values.sum() / found.sum():.4g}"))
        else:
            assert np.array_equal(values.astype(np.float32), found), where
    assert len(factors) <= 1, where


@pytest.mark.parametrize("model", BUNDLED_IDS)
def test_200_units_of_every_layer(model: str, catalog: Catalog) -> None:
    network = catalog.network(model, None)
    rng = np.random.default_rng(7)
    activations = network.engine.run(rng.normal(size=network.graph.input_shape).astype(np.float32))
    check_units(network.graph, network.explainer, activations)


@pytest.mark.parametrize("name", ["mnist-12", "googlenet-bvlc"])
def test_units_of_networks_nobody_here_wrote(name: str) -> None:
    path = FOREIGN / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"{path.name} is not there: the shared data folder is missing")
    run_and_check(onnx.load(path), units=50, scale=60.0)


def run_and_check(
    model: onnx.ModelProto, units: int = UNITS, scale: float = 1.0, manifest: Manifest | None = None
) -> Graph:
    graph = read_graph(model, manifest)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    rng = np.random.default_rng(11)
    image = (rng.normal(size=graph.input_shape) * scale).astype(np.float32)
    activations = Engine(model, None, graph, threads=1, provider="cpu").run(image)
    check_units(graph, Explainer(graph, arrays), activations, units)
    return graph


def network(
    nodes: list[onnx.NodeProto],
    constants: dict[str, npt.NDArray[Any]],
    shape: list[int | str],
    output: str,
    opset: int = 17,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def manifest_of(layers: dict[str, tuple[str, ...]]) -> Manifest:
    weights = Weights(id="w", title="w", graph="w.onnx", sha256="", preprocessing=PhotoPreprocessing())
    return Manifest(id="small", title="small", default_weights="w", weights=(weights,), layers=layers)


def numbers(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


node = helper.make_node


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"])
def test_convolutions(groups: int, auto_pad: str) -> None:
    pads: dict[str, Any] = (
        {"pads": [1, 0, 2, 3], "dilations": [2, 1]} if auto_pad == "NOTSET" else {"auto_pad": auto_pad}
    )
    graph = run_and_check(
        network(
            [
                node("Conv", ["image", "first"], ["wide"], name="wide"),
                node("Conv", ["wide", "w", "b"], ["conv"], name="conv", group=groups, strides=[2, 1], **pads),
                node("GlobalAveragePool", ["conv"], ["gap"], name="gap"),
                node("Flatten", ["gap"], ["flat"]),
            ],
            {"first": numbers(4, 3, 1, 1), "w": numbers(8, 4 // groups, 3, 2), "b": numbers(8)},
            ["N", 3, 11, 9],
            "flat",
        ),
        units=60,
    )
    assert [layer.op for layer in graph.layers] == ["input", "conv", "conv", "global_average_pool"]


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("size", [(7, 9), (5, 5)])
@pytest.mark.parametrize("attributes", [{}, {"ceil_mode": 1}, {"count_include_pad": 1}])
def test_pools(op: str, size: tuple[int, int], attributes: dict[str, Any]) -> None:
    if op == "MaxPool" and "count_include_pad" in attributes:
        attributes = {"ceil_mode": 1, "storage_order": 0}
    model = network(
        [
            node(
                op,
                ["image"],
                ["pool"],
                name="pool",
                kernel_shape=[2, 2],
                strides=[3, 3],
                pads=[1, 1, 1, 1],
                **attributes,
            ),
            node("ReduceMean", ["pool"], ["mean"], name="mean", axes=[2, 3], keepdims=0),
        ],
        {},
        [2, 3, *size],
        "mean",
    )
    graph = run_and_check(model, units=40)
    assert graph.batch == 2
    assert graph.output.op == "global_average_pool"


def test_channels_last_in_and_flattened() -> None:
    graph = run_and_check(
        network(
            [
                node("Mul", ["image", "scale"], ["scaled"], name="scaled"),
                node("Sub", ["scaled", "mean"], ["shifted"], name="shifted"),
                node("Transpose", ["shifted"], ["nchw"], perm=[0, 3, 1, 2]),
                node("Conv", ["nchw", "w"], ["conv"], name="conv"),
                node("Relu", ["conv"], ["relu"], name="relu"),
                node("Transpose", ["relu"], ["nhwc"], perm=[0, 2, 3, 1]),
                node("Reshape", ["nhwc", "shape"], ["flat"]),
                node("MatMul", ["flat", "fw"], ["product"], name="fc"),
                node("Add", ["product", "fb"], ["logits"], name="bias"),
                node("Softmax", ["logits"], ["prob"], name="prob"),
            ],
            {
                "scale": np.array(0.5, np.float32),
                "mean": numbers(3),
                "w": numbers(4, 3, 3, 3),
                "shape": np.array([-1, 4 * 4 * 3], np.int64),
                "fw": numbers(48, 5),
                "fb": numbers(5),
            },
            ["N", 6, 5, 3],
            "prob",
        )
    )
    assert graph.input_layout == "NHWC"
    assert [(layer.name, layer.shape) for layer in graph.layers] == [
        ("image", (3, 6, 5)),
        ("scaled", (3, 6, 5)),
        ("shifted", (3, 6, 5)),
        ("conv", (4, 4, 3)),
        ("relu", (4, 4, 3)),
        ("fc", (5,)),
        ("prob", (5,)),
    ]
    assert graph.layer("fc").parameters == 48 * 5 + 5


def test_other_operations() -> None:
    graph = run_and_check(
        network(
            [
                node("Conv", ["image", "w"], ["conv"], name="conv"),
                node("BatchNormalization", ["conv", "s", "b", "m", "v"], ["bn"], name="bn", epsilon=1e-3),
                node("Sigmoid", ["bn"], ["sigmoid"], name="sigmoid"),
                node("LRN", ["conv"], ["lrn"], name="lrn", size=3, alpha=0.2, beta=0.6, bias=1.5),
                node("Sum", ["sigmoid", "lrn", "conv"], ["sum"], name="sum"),
                node("GlobalAveragePool", ["sum"], ["gap"], name="gap"),
                node("Add", ["sum", "gap"], ["wide"], name="wide"),
                node("Concat", ["wide", "conv"], ["concat"], name="concat", axis=1),
                node("Neg", ["concat"], ["neg"], name="neg"),
                node("Div", ["neg", "four"], ["quarter"], name="quarter"),
                node("Softmax", ["quarter"], ["shares"], name="shares", axis=1),
                node("Sub", ["one", "shares"], ["rest"], name="rest"),
                node("Tanh", ["rest"], ["tanh"], name="tanh"),
                node("MaxPool", ["tanh"], ["pool"], name="pool", kernel_shape=[2, 2]),
                node("Flatten", ["pool"], ["flat"], name="flat"),
                node("Softmax", ["flat"], ["of_all"], name="of_all"),
                node("Gemm", ["of_all", "g", "c"], ["logits"], name="logits", alpha=0.5, beta=2.0),
            ],
            {
                "one": np.array([1], np.float32),
                "four": np.array(4, np.float32),
                "w": numbers(4, 1, 3, 3),
                "s": numbers(4),
                "b": numbers(4),
                "m": numbers(4),
                "v": np.abs(numbers(4)) + 1,
                "g": numbers(8 * 5 * 4, 3),
                "c": numbers(3),
            },
            ["N", 1, 8, 7],
            "logits",
        )
    )
    ops = [layer.op for layer in graph.layers]
    assert ops[:7] == ["input", "conv", "batch_norm", "sigmoid", "lrn", "add", "global_average_pool"]
    assert ops[7:] == [
        "add",
        "concat",
        "Neg",
        "Div",
        "softmax",
        "Sub",
        "tanh",
        "max_pool",
        "flatten",
        "softmax",
        "full",
    ]


@pytest.mark.parametrize("opset", [10, 13, 18, 19, 21])
def test_weights_of_8_bits(opset: int) -> None:
    along: dict[str, Any] = {"axis": 0} if opset > 10 else {}
    nodes = [
        node("DequantizeLinear", ["codes", "steps", "zeros"], ["w"], **along),
        node("Conv", ["image", "w"], ["conv"], name="conv"),
        node("GlobalAveragePool", ["conv"], ["gap"], name="gap"),
    ]
    channels = () if opset == 10 else (4,)  # then one step for all
    constants: dict[str, npt.NDArray[Any]] = {
        "codes": np.random.default_rng(0).integers(-9, 10, (4, 3, 3, 3), np.int8),
        "steps": np.asarray(np.abs(numbers(*channels)) + 0.1, np.float32),
        "zeros": np.zeros(channels, np.int8),
    }
    model = network(nodes, constants, ["N", 3, 6, 5], "gap", opset=opset)
    graph = run_and_check(model, units=30)
    assert [layer.op for layer in graph.layers] == ["input", "conv", "global_average_pool"]
    assert count_nonzero(graph, constants) == {"conv": np.count_nonzero(constants["codes"])}


def test_softmax_of_old_opsets_goes_over_everything() -> None:
    nodes = [
        node("Conv", ["image", "w"], ["conv"], name="conv"),
        node("Softmax", ["conv"], ["shares"], name="shares"),
        node("GlobalMaxPool", ["shares"], ["most"], name="most"),
    ]
    graph = run_and_check(network(nodes, {"w": numbers(4, 1, 3, 3)}, [1, 1, 6, 5], "most", opset=11))
    assert [layer.op for layer in graph.layers] == ["input", "conv", "softmax", "max_pool"]


@pytest.mark.parametrize("activation", ["Relu", "Tanh", "Sigmoid", None])
def test_a_subsampling_layer_with_its_activation_inside(activation: str | None) -> None:
    nodes = [
        node("AveragePool", ["image"], ["mean"], name="S.mean", kernel_shape=[2, 2], strides=[2, 2]),
        node("Mul", ["mean", "factor"], ["times"], name="S.times"),
        node("Add", ["times", "bias"], ["plus"], name="S.plus"),
    ]
    if activation:
        nodes.append(node(activation, ["plus"], ["active"], name="S.active"))
    last = nodes[-1].output[0]
    manifest = manifest_of({"S": tuple(one.name for one in nodes)})
    nodes.append(node("GlobalAveragePool", [last], ["gap"], name="gap"))
    constants: dict[str, npt.NDArray[Any]] = {"factor": numbers(3, 1, 1), "bias": numbers(1, 3, 1, 1)}
    graph = run_and_check(network(nodes, constants, ["N", 3, 6, 6], "gap"), manifest=manifest)
    layer = graph.layer("S")
    assert (layer.op, layer.parameters, layer.connections) == ("subsampling", 6, 5 * 27)
    assert layer.activation == (activation.lower() if activation else None)


def small() -> tuple[Graph, Explainer, Activations]:
    model = network(
        [
            node("LeakyRelu", ["image"], ["leaky"], name="leaky"),
            node("GlobalAveragePool", ["leaky"], ["gap"], name="gap"),
        ],
        {},
        ["N", 3, 4, 5],
        "gap",
    )
    graph = read_graph(model)
    rng = np.random.default_rng(0)
    activations = Engine(model, None, graph, threads=1, provider="cpu").run(
        rng.normal(size=(3, 4, 5)).astype(np.float32)
    )
    return graph, Explainer(graph, {}), activations


def test_what_cannot_be_explained_says_why() -> None:
    _, explainer, activations = small()
    with pytest.raises(NotExplainable, match="LeakyRelu"):
        explainer.explain("leaky", (0, 0, 0), activations)
    with pytest.raises(LayerNotFound, match="'gone'; there are image, leaky, gap"):
        explainer.explain("gone", (0, 0, 0), activations)
    for unit in [(3, 0, 0), (0, 4, 0), (0, 0, 5), (0, 0, -1), (0,), (0, 0, 0, 0)]:
        with pytest.raises(UnitNotFound, match=r"c/y/x in 0\.\.2 x 0\.\.3 x 0\.\.4"):
            explainer.explain("leaky", unit, activations)
    with pytest.raises(LayerNotFound, match=r"'gap' .* has no filters"):
        explainer.filters("gap")


@pytest.mark.parametrize("model", BUNDLED_IDS)
def test_filters_are_the_weights_that_explanations_use(model: str, catalog: Catalog) -> None:
    network = catalog.network(model, None)
    rng = np.random.default_rng(3)
    activations = {layer.name: rng.normal(size=layer.shape).astype(np.float32) for layer in network.graph.layers}
    layers = [layer for layer in network.graph.layers if layer.op in ("conv", "full") and layer.table is None]
    for layer in layers:
        last = layer.shape[0] - 1
        unit = (last, 0, 0) if len(layer.shape) == 3 else (last,)
        sources = network.explainer.explain(layer.name, unit, activations).sources
        used = np.stack([source.weights for source in sources if source.weights is not None])
        assert np.array_equal(network.filters(layer.name)[last].reshape(used.shape), used)


def test_the_widest_layers_are_explained_in_milliseconds(catalog: Catalog) -> None:
    for model in BUNDLED_IDS:
        network = catalog.network(model, None)
        activations = {layer.name: np.zeros(layer.shape, np.float32) for layer in network.graph.layers}
        widest = max(
            (layer for layer in network.graph.layers if layer.op == "full"), key=lambda layer: layer.parameters
        )
        times = []
        for _ in range(9):  # the first reads the weights from the disk
            start = time.perf_counter()
            network.explainer.explain(widest.name, (0,), activations)
            times.append(time.perf_counter() - start)
        assert min(times) < 0.02, f"{model} {widest.name}: {min(times) * 1000:.1f} ms"
