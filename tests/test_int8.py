"""8 bits: near the float32 numbers, made once, found damaged and made anew, told apart by whoever asks."""

import hashlib
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from app.catalog import Catalog
from app.constants import Index
from app.engine import Engine
from app.errors import NotSupported
from app.explain import Explainer
from app.graph import read_graph
from app.imaging import decode
from app.int8 import Int8Network, as_shown
from app.network import Network
from app.quantise import Dequantised, quantise, shown
from app.rectifiers import rectified
from app.settings import Settings
from tests.conftest import MakeSettings, problem_of
from tests.small_onnx import classifier

CALIBRATED = [
    network
    for network in Catalog.open(Settings()).everything
    if network.weights.ranges and network.weights_id == network.manifest.default_weights
]
each_calibrated = pytest.mark.parametrize("model", [network.id for network in CALIBRATED])


def numbers_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.mark.parametrize("narrow", [False, True])
def test_a_small_network_computes_nearly_the_same_on_8_bits(narrow: bool) -> None:
    model = classifier(softmax=False)
    graph, numbers = read_graph(model), numbers_of(model)
    images = np.random.default_rng(1).normal(size=(40, 3, 8, 8)).astype(np.float32)
    whole = Engine(model, None, graph, threads=1, provider="cpu")
    activations = [whole.run(image) for image in images]
    tensors = {layer.tensor: layer.name for layer in graph.layers} | {"flat": "pool"}
    ranges = {
        tensor: (
            min(0.0, *(float(one[layer].min()) for one in activations)),
            max(0.0, *(float(one[layer].max()) for one in activations)),
        )
        for tensor, layer in tensors.items()
    }
    quantised = quantise(model, numbers, ranges, narrow)
    onnx.checker.check_model(quantised)
    tensors_shown = shown(quantised)
    assert "a/conv" not in tensors_shown  # before its ReLU it is shown as computed
    session = Engine(quantised, None, as_shown(graph, tensors_shown), threads=1, provider="cpu")
    rows = session.probabilities(images)
    assert np.abs(rows - whole.probabilities(images)).mean() < 0.05

    bits = 7 if narrow else 8
    for name, array in Dequantised(quantised).items():
        if name in numbers and array.ndim > 1:
            largest = np.abs(numbers[name]).max(axis=tuple(range(1, array.ndim)), keepdims=True)
            assert (np.abs(array - numbers[name]) <= 0.51 * largest / (2 ** (bits - 1) - 1) + 1e-6).all()


def test_a_unit_makes_float32_of_its_own_row_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model, made = classifier(softmax=False), []
    ranges = {name: (-4.0, 4.0) for node in model.graph.node for name in (*node.input, *node.output)}
    numbers, part = Dequantised(quantise(model, numbers_of(model), ranges, narrow=False)), Dequantised.part
    wholes = {name: numbers[name] for name in ("kernel", "matrix", "bias")}
    assert all(array.dtype == np.float32 for array in wholes.values())
    assert np.array_equal(numbers.part("matrix", (slice(None), 3)), wholes["matrix"][:, 3])

    def counted(self: Dequantised, name: str, index: Index) -> np.ndarray:
        found = part(self, name, index)
        made.append(found.size)
        return found

    monkeypatch.setattr(Dequantised, "part", counted)
    graph = read_graph(model)
    activations = {layer.name: np.ones(layer.shape, np.float32) for layer in graph.layers}
    explainer = Explainer(graph, numbers)
    for layer, unit, weights in (("a.conv", (2, 3, 3), wholes["kernel"][2]), ("scores", (4,), wholes["matrix"][4])):
        sources = explainer.explain(layer, unit, activations).sources
        used = np.concatenate([source.weights for source in sources if source.weights is not None], axis=None)
        assert np.array_equal(used, weights.reshape(-1))
    assert max(made) == wholes["matrix"][4].size


def test_what_only_a_relu_reads_has_the_range_that_the_relu_lets_through() -> None:
    model = classifier()
    ranges = {"a/conv": (-4.0, 3.0), "a/relu": (0.0, 2.5), "image": (-1.0, 1.0)}
    assert rectified(model, ranges) == ranges | {"a/conv": (0.0, 2.5)}


def test_kernels_of_which_7_bits_would_keep_little_stay_in_float() -> None:
    model = classifier(channels=64)
    kernel = numbers_of(model)["kernel"] / 50  # (4, 64, 3, 3)
    kernel[range(4), range(4), 1, 1] = 1  # as in a layer that began as the identity
    steps = np.round(kernel * 127).astype(np.float32) / 127
    ranges = {name: (-4.0, 4.0) for node in model.graph.node for name in (*node.input, *node.output)}
    for numbers, narrow, in_float in ((kernel, True, True), (steps, False, False), (steps, True, True)):
        quantised = quantise(model, numbers_of(model) | {"kernel": numbers}, ranges, narrow)
        (conv,) = (node for node in quantised.graph.node if node.op_type == "Conv")
        assert (conv.input[1] == "kernel") == in_float


def test_a_relu_of_a_sum_that_two_layers_read_is_left_out_and_its_sum_rounded_once() -> None:
    model = classifier(softmax=False)
    graph = model.graph
    graph.node[0].input[0] = "sum/relu"
    graph.node.insert(0, onnx.helper.make_node("Add", ["image", "image"], ["sum"], name="sum"))
    graph.node.insert(1, onnx.helper.make_node("Relu", ["sum"], ["sum/relu"], name="sum/relu"))
    graph.node.insert(2, onnx.helper.make_node("MaxPool", ["sum/relu"], ["aside"], name="aside", kernel_shape=[3, 3]))
    images = np.random.default_rng(1).normal(size=(8, 3, 8, 8)).astype(np.float32)
    ranges = {name: (-128.0, 128.0) for node in graph.node for name in (*node.input, *node.output)} | {
        "image": (-4.0, 4.0),
        "sum/relu": (0.0, 8.0),
        "a/relu": (0.0, 64.0),
    }
    quantised = quantise(model, numbers_of(model), ranges, narrow=False)
    onnx.checker.check_model(quantised)
    assert "Relu" not in {node.op_type for node in quantised.graph.node}
    (adding,) = (node for node in quantised.graph.node if node.op_type == "Add")
    (rounding,) = (node for node in quantised.graph.node if node.input[0] == adding.output[0])
    readers = [node for node in quantised.graph.node if rounding.output[0] in node.input]
    assert [node.op_type for node in readers] == ["DequantizeLinear"]
    assert shown(quantised)["sum/relu"] == readers[0].output[0]
    whole = Engine(model, None, read_graph(model), threads=1, provider="cpu").session
    narrow = Engine(quantised, None, as_shown(read_graph(model), shown(quantised)), threads=1, provider="cpu").session
    exact, near = (session.run(["scores"], {"image": images})[0] for session in (whole, narrow))
    assert np.abs(exact - near).mean() < 0.1 * np.abs(exact).mean()


def test_one_kernel_in_float_leaves_layers_without_names_on_8_bits() -> None:
    model = classifier(channels=64, named=False)
    kernel = numbers_of(model)["kernel"] / 50
    kernel[range(4), range(4), 1, 1] = 1
    ranges = {name: (-4.0, 4.0) for node in model.graph.node for name in (*node.input, *node.output)}
    quantised = quantise(model, numbers_of(model) | {"kernel": kernel}, ranges, narrow=True)
    read = {node.op_type: node.input[1] for node in quantised.graph.node if node.op_type in ("Conv", "Gemm")}
    assert read["Conv"] == "kernel" and read["Gemm"] != "matrix"


def test_a_kernel_that_a_node_makes_is_left_to_the_quantiser() -> None:
    model = classifier()
    kernel = next(tensor for tensor in model.graph.initializer if tensor.name == "kernel")
    model.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["kernel"], value=kernel))
    model.graph.initializer.remove(kernel)
    ranges = {name: (-4.0, 4.0) for node in model.graph.node for name in (*node.input, *node.output)}
    onnx.checker.check_model(quantise(model, numbers_of(model), ranges, narrow=True))


@pytest.mark.parametrize("between", ["", "Flatten", "output"])
def test_softmax_reads_logits_that_nothing_rounded(between: str) -> None:
    model = classifier()
    if between == "Flatten":
        model.graph.node.insert(5, onnx.helper.make_node("Flatten", ["scores"], ["flat scores"], name="flat scores"))
        model.graph.node[6].input[0] = "flat scores"
    if between == "output":
        model.graph.output.append(onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["N", 5]))
    ranges = {name: (-4.0, 4.0) for node in model.graph.node for name in (*node.input, *node.output)}
    quantised = quantise(model, numbers_of(model), ranges, narrow=False)
    onnx.checker.check_model(quantised)
    made = {node.output[0]: node for node in quantised.graph.node}
    read = made[next(node.input[0] for node in quantised.graph.node if node.op_type == "Softmax")]
    read = made[read.input[0]] if read.op_type == "Flatten" else read
    assert (read.op_type == "Gemm") == (between != "output")


def test_logits_are_as_large_as_they_come() -> None:
    model = classifier()
    images = np.random.default_rng(1).normal(size=(8, 3, 8, 8)).astype(np.float32)
    ranges = {name: (-100.0, 100.0) for node in model.graph.node for name in (*node.input, *node.output)}
    ranges |= {"image": (-4.0, 4.0), "a/relu": (0.0, 60.0), "scores": (-1.0, 1.0)}
    quantised = quantise(model, numbers_of(model), ranges, narrow=False)
    onnx.checker.check_model(quantised)
    assert "scores" not in shown(quantised)
    graph = read_graph(model)
    session = Engine(quantised, None, as_shown(graph, shown(quantised)), threads=1, provider="cpu").session
    exact = Engine(model, None, graph, threads=1, provider="cpu").session.run(["scores"], {"image": images})[0]
    (near,) = session.run(["scores"], {"image": images})
    assert np.abs(exact).max() > 10
    assert np.abs(exact - near).mean() < 0.1 * np.abs(exact).mean()


@each_calibrated
def test_activations_on_8_bits_are_near_those_in_float(catalog: Catalog, model: str, photo: bytes) -> None:
    whole, narrow = catalog.network(model), catalog.network(model, precision="int8")
    assert (whole.precision, narrow.precision) == ("fp32", "int8")
    assert catalog.network(model, precision="int8") is narrow
    runs = whole.run(photo), narrow.run(photo)
    assert list(runs[0].activations) == list(runs[1].activations)
    for layer in whole.graph.layers:
        exact, rounded = runs[0][layer.name], runs[1][layer.name]
        assert exact.shape == rounded.shape
        if layer.op == "softmax":
            continue  # its exponential makes much of a small difference of the logits
        assert np.abs(exact - rounded).mean() <= 0.25 * np.abs(exact).mean() + 1e-6, layer.name
    shares = narrow.predict(decode(photo, 10**6, narrow.enough), 3)
    assert shares[0].index == runs[1].predictions[0].index
    assert shares[0].probability == pytest.approx(runs[1].predictions[0].probability, abs=0.05)


@each_calibrated
def test_an_explanation_on_8_bits_adds_up_to_its_value(catalog: Catalog, model: str, photo: bytes) -> None:
    network = catalog.network(model, precision="int8")
    run = network.run(photo)
    for layer in network.graph.layers:
        if layer.op not in ("conv", "full"):
            continue
        unit = tuple(size // 2 for size in layer.shape)
        explanation = run.explain(layer.name, *unit)
        products = 0.0
        for source in explanation.sources:
            assert source.weights is not None
            products += float((source.values * source.weights).sum(dtype=np.float64))
        assert explanation.bias is not None
        spread = float(np.abs(run[layer.name]).max())
        assert explanation.sum == pytest.approx(products + explanation.bias, abs=1e-3 * spread + 1e-6)
        if explanation.activation is None:  # what is shown may be rounded to a step of its range
            assert explanation.sum == pytest.approx(explanation.value, abs=0.02 * spread), layer.name


@each_calibrated
def test_the_api_keeps_the_two_apart(api: httpx.Client, model: str, photo: bytes) -> None:
    answers = {}
    for precision in ("fp32", "int8"):
        answer = api.post(f"/api/v1/models/{model}/predictions?precision={precision}", content=photo)
        assert answer.json()["precision"] == precision
        run = api.post(f"/api/v1/models/{model}/runs?precision={precision}", content=photo).json()
        assert run["precision"] == precision
        assert api.get(f"/api/v1/runs/{run['id']}").json()["precision"] == precision
        answers[precision] = run["id"], api.get(f"/api/v1/runs/{run['id']}/activations.safetensors").content
    assert answers["fp32"][0] != answers["int8"][0]
    assert answers["fp32"][1] != answers["int8"][1]


def test_a_network_that_nobody_calibrated_says_so(api: httpx.Client, catalog: Catalog, photo: bytes) -> None:
    for network in catalog.networks:
        if network.ready and not network.weights.ranges:
            path = f"/api/v1/models/{network.id}/predictions?precision=int8&weights={network.weights_id}"
            problem = problem_of(api.post(path, content=photo), 409, "not-supported")
            assert "no calibrated activation ranges" in problem["detail"]
    path = f"/api/v1/models/{CALIBRATED[0].id}/predictions?precision=int8&weights=structure"
    problem = problem_of(api.post(path, content=photo), 409, "weights-not-ready")  # numbers come first
    assert problem["command"] in problem["detail"]
    known = CALIBRATED[0]
    bare = known.weights.model_copy(update={"ranges": {}})
    with pytest.raises(NotSupported, match="no calibrated activation ranges"):
        Int8Network(Network(known.manifest, bare, known.known, known.cache_dir, provider="cpu"))
    with pytest.raises(ValueError, match="image"):
        quantise(classifier(), numbers_of(classifier()), {}, narrow=True)


def test_a_damaged_file_is_made_anew_and_what_a_killed_process_left_goes(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    smallest = min(CALIBRATED, key=lambda network: network.graph.parameters).id
    settings = make_settings(cache_dir=tmp_path)

    def fresh() -> Int8Network:
        catalog = Catalog.open(settings)
        catalog.network(smallest).prepare()
        network = catalog.network(smallest, precision="int8")
        assert isinstance(network, Int8Network)
        return network

    first = fresh()
    _ = first.engine
    path = first.path_of_graph
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(path.read_bytes()[:-100])
    left = path.with_name(f".{path.name}.killed.part")
    left.write_bytes(b"half")
    again = fresh()
    _ = again.engine
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert not left.exists()
    written = path.stat().st_mtime_ns
    _ = fresh().engine
    assert path.stat().st_mtime_ns == written  # a good one is not made again
