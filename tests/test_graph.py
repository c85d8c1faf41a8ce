"""Graphs as they occur in the wild: layouts, names, opsets, constants, and what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from app.engine import Engine
from app.errors import LayerNotFound, NetworkUnusable, NotExplainable
from app.explain import Explainer
from app.graph import Graph, count_nonzero, read_graph
from app.manifest import Manifest, PhotoPreprocessing, Weights

Numbers = npt.NDArray[Any]
node = helper.make_node


def model_of(
    nodes: list[onnx.NodeProto],
    constants: dict[str, Numbers] | None = None,
    shape: tuple[int | str, ...] = ("N", 3, 8, 8),
    opset: int = 17,
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A graph from `image` to the last node's first output."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", kind, list(shape))],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def manifest_of(**parts: Any) -> Manifest:
    weights = Weights(id="w", title="w", graph="w.onnx", sha256="", preprocessing=PhotoPreprocessing())
    return Manifest(id="small", title="small", default_weights="w", weights=(weights,), **parts)


def ones(*shape: int) -> Numbers:
    return np.ones(shape, np.float32)


def table(graph: Graph) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(layer.name, layer.op, layer.shape) for layer in graph.layers]


def classifier(**changes: Any) -> onnx.ModelProto:
    nodes = [
        node("Conv", ["image", "w", "b"], ["conv"], name="conv", pads=[1, 1, 1, 1]),
        node("Relu", ["conv"], ["relu"], name="relu"),
        node("MaxPool", ["relu"], ["pool"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", ["pool"], ["flat"], name="flat"),
        node("Gemm", ["flat", "fw", "fb"], ["fc"], name="fc", transB=1),
        node("Softmax", ["fc"], ["prob"], name="prob"),
    ]
    constants = {"w": ones(4, 3, 3, 3), "b": ones(4), "fw": ones(5, 64), "fb": ones(5)}
    return model_of(nodes, constants, **changes)


def test_table_of_a_small_classifier() -> None:
    graph = read_graph(classifier())
    assert table(graph) == [
        ("image", "input", (3, 8, 8)),
        ("conv", "conv", (4, 8, 8)),
        ("relu", "relu", (4, 8, 8)),
        ("pool", "max_pool", (4, 4, 4)),
        ("fc", "full", (5,)),
        ("prob", "softmax", (5,)),
    ]
    assert graph.edges == (("image", "conv"), ("conv", "relu"), ("relu", "pool"), ("pool", "fc"), ("fc", "prob"))
    assert graph.parameters == 4 * 28 + 5 * 65
    assert graph.multiply_adds == 4 * 27 * 64 + 5 * 64
    assert graph.units == 4 * 64 + 5
    assert (graph.batch, graph.input_layout, graph.classes) == (None, "NCHW", 5)
    assert graph.output_is_probability
    assert graph.logits is graph.layer("fc")
    assert graph.layer("pool").receptive_field == (4, 4)
    with pytest.raises(LayerNotFound, match="'flat'; there are image, conv, relu"):
        graph.layer("flat")


@pytest.mark.parametrize("opset", [7, 9, 11, 12, 13, 17, 18, 21])
def test_opsets(opset: int) -> None:
    assert read_graph(classifier(opset=opset)).parameters == 4 * 28 + 5 * 65


def test_numbers_may_be_absent() -> None:
    model = classifier()
    expected = read_graph(model)
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="nowhere")
    found = read_graph(model)
    assert table(found) == table(expected)
    assert found.parameters == expected.parameters


def test_nonzero_numbers_are_counted() -> None:
    model = classifier()
    arrays = {tensor.name: numpy_helper.to_array(tensor).copy() for tensor in model.graph.initializer}
    arrays["w"][0] = 0
    arrays["fb"][:] = 0
    assert count_nonzero(read_graph(model), arrays) == {"conv": 3 * 27 + 4, "fc": 5 * 64}


def test_fixed_batch_and_initializers_listed_as_inputs() -> None:
    model = classifier(shape=(4, 3, 8, 8))
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    graph = read_graph(model)
    assert graph.batch == 4
    assert graph.layer("conv").shape == (4, 8, 8)


def test_names_are_safe_in_urls_and_unique() -> None:
    nodes = [
        node("Relu", ["image"], ["/block/Relu_output_0"], name="/block/Relu"),
        node("Relu", ["/block/Relu_output_0"], ["b:0"]),
        node("Relu", ["b:0"], ["c"], name="twice"),
        node("Relu", ["c"], ["d"], name="twice"),
        node("Relu", ["d"], ["e"], name="image"),
        node("GlobalAveragePool", ["e"], ["f"], name="twice"),
    ]
    names = [layer.name for layer in read_graph(model_of(nodes)).layers]
    assert names == ["image", ".block.Relu", "b_0", "twice", "twice_2", "image_2", "twice_3"]


def test_weights_reshaped_in_the_graph() -> None:
    nodes = [
        node("Reshape", ["image", "flat_shape"], ["flat"]),
        node("Reshape", ["w", "w_shape"], ["matrix"]),
        node("MatMul", ["flat", "matrix"], ["product"], name="product"),
        node("Add", ["product", "b"], ["sum"], name="sum"),
    ]
    constants = {
        "flat_shape": np.array([1, 192], np.int64),
        "w": ones(3, 8, 8, 7),
        "w_shape": np.array([192, 7], np.int64),
        "b": ones(1, 7),
    }
    graph = read_graph(model_of(nodes, constants, shape=(1, 3, 8, 8)))
    assert table(graph) == [("image", "input", (3, 8, 8)), ("product", "full", (7,))]
    assert graph.parameters == 192 * 7 + 7
    assert graph.layer("product").nodes == ("product", "sum")
    assert not graph.output_is_probability
    assert graph.logits is graph.output


def test_shapes_computed_in_the_graph() -> None:
    nodes = [
        node("Shape", ["image"], ["shape"]),
        node("Gather", ["shape", "zero"], ["batch"]),
        node("Unsqueeze", ["batch", "axes"], ["batch_1"]),
        node("Concat", ["batch_1", "rest"], ["target"], axis=0),
        node("Reshape", ["image", "target"], ["flat"]),
        node("Gemm", ["flat", "w"], ["fc"], name="fc"),
    ]
    constants = {
        "zero": np.array(0, np.int64),
        "axes": np.array([0], np.int64),
        "rest": np.array([-1], np.int64),
        "w": ones(192, 5),
    }
    assert table(read_graph(model_of(nodes, constants)))[1:] == [("fc", "full", (5,))]


def test_dropout_identity_and_cast_are_no_layers() -> None:
    nodes = [
        node("Dropout", ["image"], ["dropped", "mask"], name="drop"),
        node("Identity", ["dropped"], ["same"], name="same"),
        node("Cast", ["same"], ["cast"], name="cast", to=TensorProto.FLOAT),
        node("GlobalAveragePool", ["cast"], ["gap"], name="gap"),
    ]
    assert [layer.name for layer in read_graph(model_of(nodes)).layers] == ["image", "gap"]


def test_operators_without_a_rule_are_layers_all_the_same() -> None:
    nodes = [
        node("Clip", ["image", "low", "high"], ["clip"], name="clip"),
        node("PRelu", ["clip", "slope"], ["prelu"], name="prelu"),
        node("Split", ["prelu"], ["left", "right"], name="split", axis=3),
        node("Concat", ["right", "left"], ["swapped"], name="swapped", axis=3),
        node("GlobalAveragePool", ["swapped"], ["gap"], name="gap"),
    ]
    constants = {
        "low": np.array(0, np.float32),
        "high": np.array(6, np.float32),
        "slope": ones(3, 1, 1),
    }
    graph = read_graph(model_of(nodes, constants))
    assert table(graph) == [
        ("image", "input", (3, 8, 8)),
        ("clip", "Clip", (3, 8, 8)),
        ("prelu", "PRelu", (3, 8, 8)),
        ("split", "Split", (3, 8, 4)),
        ("split_2", "Split", (3, 8, 4)),
        ("swapped", "Concat", (3, 8, 8)),
        ("gap", "global_average_pool", (3, 1, 1)),
    ]
    assert graph.layer("swapped").inputs == ("split_2", "split")
    assert graph.layer("prelu").parameters == 3
    assert graph.layer("prelu").receptive_field == (1, 1)


def lstm(*outputs: str) -> list[onnx.NodeProto]:
    """An image (1, 1, 5, 6) read row by row; the outputs are all states, the last state and the last cell."""
    return [
        node("Reshape", ["image", "steps"], ["rows"]),
        node("LSTM", ["rows", "w", "r", "b"], list(outputs), name="lstm", hidden_size=4),
    ]


LSTM = {"steps": np.array([5, 1, 6]), "w": ones(1, 16, 6), "r": ones(1, 16, 4), "b": ones(1, 32)}


@pytest.mark.parametrize("outputs", [("", "h"), ("", "", "h"), ("", "h", "")])
def test_a_node_may_leave_out_its_first_outputs(outputs: tuple[str, ...]) -> None:
    nodes = [*lstm(*outputs), node("Reshape", ["h", "row"], ["end"], name="end")]
    model = model_of(nodes, {**LSTM, "row": np.array([1, 4])}, shape=(1, 1, 5, 6))
    graph = read_graph(model)
    assert table(graph)[1:] == [("rows", "Reshape", (5, 1, 6)), ("lstm", "LSTM", (1, 1, 4))]
    assert graph.parameters == 16 * 6 + 16 * 4 + 32
    activations = Engine(model, None, graph, threads=1, provider="cpu").run(ones(1, 5, 6))
    assert activations["lstm"].shape == (1, 1, 4) and activations["lstm"].any()


def test_what_a_node_learned_counts_once_however_many_outputs_are_used() -> None:
    nodes = [
        *lstm("states", "h", "c"),
        node("Concat", ["h", "c"], ["both"], name="both", axis=2),
        node("ReduceMax", ["states"], ["most"], name="most", axes=[0, 1], keepdims=0),
        node("Reshape", ["both", "row"], ["end"], name="end"),
    ]
    graph = read_graph(model_of(nodes, {**LSTM, "row": np.array([1, 8])}, shape=(1, 1, 5, 6)))
    found = [graph.layer(name) for name in ("lstm", "lstm_2", "lstm_3")]
    assert [(one.op, one.shape, one.tensor) for one in found] == [
        ("LSTM", (5, 1, 4), "states"),
        ("LSTM", (1, 1, 4), "h"),
        ("LSTM", (1, 1, 4), "c"),
    ]
    assert [one.parameters for one in found] == [16 * 6 + 16 * 4 + 32, 0, 0]
    assert count_nonzero(graph, LSTM) == {"lstm": found[0].parameters}
    assert {one.receptive_field for one in found} == {(5, 6)}


def test_the_places_of_largest_values_are_no_values() -> None:
    nodes = [
        node("MaxPool", ["image"], ["pool", "places"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Cast", ["places"], ["numbers"], name="numbers", to=TensorProto.FLOAT),
        node("Add", ["pool", "numbers"], ["sum"], name="sum"),
        node("GlobalAveragePool", ["sum"], ["gap"], name="gap"),
    ]
    model = model_of(nodes)
    graph = read_graph(model)
    layer = graph.layer("pool_2")
    assert (layer.op, layer.shape, layer.inputs, layer.tensor) == ("MaxPool", (3, 4, 4), ("image",), "places")
    assert (layer.kernel, layer.connections, layer.multiply_adds, layer.formula) == (None, 0, 0, "")
    assert layer.receptive_field == graph.layer("pool").receptive_field == (2, 2)
    assert graph.layer("pool").op == "max_pool"
    activations = Engine(model, None, graph, threads=1, provider="cpu").run(ones(3, 8, 8))
    with pytest.raises(NotExplainable, match="'pool_2' is the ONNX operator MaxPool"):
        Explainer(graph, {}).explain("pool_2", (0, 0, 0), activations)


def test_a_node_that_computes_for_nobody_is_no_layer() -> None:
    model = classifier()
    model.graph.node.append(node("Split", ["fc"], ["", ""], axis=1))
    assert table(read_graph(model)) == table(read_graph(classifier()))


def test_a_shuffle_of_maps_becomes_a_layer_where_its_result_is_used() -> None:
    nodes = [
        node("Conv", ["image", "w"], ["conv"], name="conv"),
        node("Reshape", ["conv", "grouped"], ["groups"], name="groups"),
        node("Transpose", ["groups"], ["turned"], name="turned", perm=[0, 2, 1, 3, 4]),
        node("Reshape", ["turned", "joined"], ["shuffled"], name="shuffled"),
        node("MaxPool", ["shuffled"], ["pool"], name="pool", kernel_shape=[8, 8]),
    ]
    constants = {
        "w": ones(6, 3, 1, 1),
        "grouped": np.array([0, 2, 3, 8, 8], np.int64),
        "joined": np.array([0, 6, 8, 8], np.int64),
    }
    assert table(read_graph(model_of(nodes, constants)))[2:] == [
        ("shuffled", "Reshape", (6, 8, 8)),
        ("pool", "max_pool", (6, 1, 1)),
    ]


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_a_window_that_rounding_up_would_put_into_the_padding_is_dropped(op: str) -> None:
    pool = node(op, ["image"], ["pool"], name="pool", kernel_shape=[2, 2], strides=[3, 3], pads=[1] * 4, ceil_mode=1)
    model = model_of([pool, node("GlobalAveragePool", ["pool"], ["gap"], name="gap")], shape=("N", 3, 5, 6))
    graph = read_graph(model)
    activations = Engine(model, None, graph, threads=1, provider="cpu").run(np.ones((3, 5, 6), np.float32))
    assert activations["pool"].shape == graph.layer("pool").shape == (3, 2, 3)
    assert graph.layer("pool").formula.startswith("height floor((5 - 2 + 2*1)/3) + 1 = 2, width")


def test_receptive_field_of_branches_and_of_what_sees_everything() -> None:
    nodes = [
        node("Conv", ["image", "one"], ["a"], name="a"),
        node("Conv", ["image", "five"], ["b"], name="b", pads=[2, 2, 2, 2]),
        node("Concat", ["a", "b"], ["c"], name="c", axis=1),
        node("MaxPool", ["c"], ["d"], name="d", kernel_shape=[3, 3], strides=[2, 2]),
        node("GlobalAveragePool", ["d"], ["e"], name="e"),
    ]
    graph = read_graph(model_of(nodes, {"one": ones(2, 3, 1, 1), "five": ones(2, 3, 5, 5)}))
    fields = {layer.name: layer.receptive_field for layer in graph.layers}
    assert fields == {"image": (1, 1), "a": (1, 1), "b": (5, 5), "c": (5, 5), "d": (7, 7), "e": (11, 11)}


def radial_basis(squares: list[onnx.NodeProto]) -> onnx.ModelProto:
    nodes = [
        node("GlobalAveragePool", ["image"], ["gap"], name="gap"),
        node("Flatten", ["gap"], ["flat"]),
        node("Unsqueeze", ["flat", "axes"], ["row"], name="OUT.row"),
        node("Sub", ["row", "codes"], ["difference"], name="OUT.sub"),
        *squares,
    ]
    return model_of(nodes, {"axes": np.array([1], np.int64), "codes": ones(5, 3), "two": np.array(2, np.float32)})


@pytest.mark.parametrize(
    "squares",
    [
        [node("ReduceSumSquare", ["difference"], ["out"], name="OUT.sum", axes=[2], keepdims=0)],
        [
            node("Mul", ["difference", "difference"], ["square"], name="OUT.square"),
            node("ReduceSum", ["square", "last"], ["out"], name="OUT.sum", keepdims=0),
        ],
        [
            node("Pow", ["difference", "two"], ["square"], name="OUT.square"),
            node("ReduceSum", ["square", "last"], ["out"], name="OUT.sum", keepdims=0),
        ],
    ],
)
def test_radial_basis_units_in_several_spellings(squares: list[onnx.NodeProto]) -> None:
    model = radial_basis(squares)
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1], np.int64), "last"))
    names = tuple(one.name for one in model.graph.node if one.name.startswith("OUT."))
    graph = read_graph(model, manifest_of(layers={"OUT": names}, fixed=("codes",)))
    layer = graph.layer("OUT")
    assert (layer.op, layer.shape, layer.parameters, layer.fixed, layer.connections) == ("rbf", (5,), 0, 15, 15)


def test_connection_table_takes_structural_zeros_off() -> None:
    joined = ((0, 1), (1, 2), (3,))
    graph = read_graph(classifier(), manifest_of(connections={"conv": joined}))
    layer = graph.layer("conv")
    assert layer.parameters == 5 * 9 + 4
    assert layer.multiply_adds == 5 * 9 * 64
    assert layer.connections == layer.parameters * 64


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"layers": {"C": ("conv", "gone")}}, "names the node 'gone', which is not in the graph"),
        ({"layers": {"C": ("conv",), "D": ("conv", "relu")}}, "names the node 'conv', which is in 'D' too"),
        ({"connections": {"conv": ((0,),)}}, "has 1 rows"),
        ({"connections": {"fc": ((0,),)}}, "it is full"),
    ],
)
def test_manifests_that_do_not_fit(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(NetworkUnusable, match=words):
        read_graph(classifier(), manifest_of(**parts))


def test_a_layer_may_not_hide_what_is_used_outside() -> None:
    nodes = [
        node("Conv", ["image", "w"], ["conv"], name="C.conv"),
        node("Tanh", ["conv"], ["tanh"], name="C.tanh"),
        node("Add", ["conv", "tanh"], ["add"], name="add"),
        node("GlobalAveragePool", ["add"], ["gap"]),
    ]
    with pytest.raises(NetworkUnusable, match="'C' hides the tensor 'conv'"):
        read_graph(model_of(nodes, {"w": ones(4, 3, 1, 1)}), manifest_of(layers={"C": ("C.conv", "C.tanh")}))


def extended(model: onnx.ModelProto, **shapes: list[int | str]) -> onnx.ModelProto:
    """The model with onnxruntime's own operators, and some tensors' shapes in the file."""
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    for name, shape in shapes.items():
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        if name == model.graph.output[0].name:
            model.graph.output[0].CopyFrom(value)
        else:
            model.graph.value_info.append(value)
    return model


def fused(batch: int | str, **shapes: list[int | str]) -> onnx.ModelProto:
    """A graph as onnxruntime's optimiser leaves it, with operators that ONNX does not know."""
    nodes = [
        node("FusedConv", ["image", "w"], ["conv"], name="conv", domain="com.microsoft", activation="Relu"),
        node("MaxPool", ["conv"], ["pool"], name="pool", kernel_shape=[6, 6]),
        node("Gelu", ["pool"], ["out"], name="out", domain="com.microsoft"),
    ]
    return extended(model_of(nodes, {"w": ones(4, 3, 3, 3)}, shape=(batch, 3, 8, 8)), **shapes)


@pytest.mark.parametrize("batch", ["N", 1, 2])
@pytest.mark.parametrize("written", ["N", "as the input"])
def test_shapes_in_the_file_are_taken_where_onnx_cannot_tell_them(batch: int | str, written: str) -> None:
    first = batch if written == "as the input" else written
    model = fused(batch, conv=[first, 4, 6, 6], out=[first, 4, 1, 1])
    graph = read_graph(model)
    assert table(graph)[1:] == [
        ("conv", "FusedConv", (4, 6, 6)),
        ("pool", "max_pool", (4, 1, 1)),
        ("out", "Gelu", (4, 1, 1)),
    ]
    assert graph.batch == (None if batch == "N" else batch)
    assert Engine(model, None, graph, threads=1, provider="cpu").probabilities(ones(3, 3, 8, 8)).shape == (3, 4)


def test_a_shape_that_nobody_tells_is_refused_with_the_operator_that_hides_it() -> None:
    with pytest.raises(NetworkUnusable, match=r"'conv' cannot be told .* FusedConv 'conv' .* standard opset"):
        read_graph(fused("N"))
    with pytest.raises(NetworkUnusable, match=r"'out' cannot be told .* Gelu 'out' .* standard opset"):
        read_graph(fused("N", conv=["N", 4, 6, 6]))


@pytest.mark.parametrize("domain", ["", "com.microsoft"])
@pytest.mark.parametrize("opset", [13, 21])
def test_kernels_on_8_bits(opset: int, domain: str) -> None:
    nodes = [
        node("DequantizeLinear", ["codes", "scale", "zero"], ["kernel"], domain=domain, axis=0),
        node("Conv", ["image", "kernel"], ["conv"], name="conv"),
        node("GlobalAveragePool", ["conv"], ["gap"], name="gap"),
    ]
    constants: dict[str, Numbers] = {
        "codes": np.full((4, 3, 3, 3), 6, np.int8),
        "scale": ones(4) / 2,
        "zero": np.full(4, 2, np.int8),
    }
    model = extended(model_of(nodes, constants, opset=opset))
    graph = read_graph(model)
    assert table(graph)[1] == ("conv", "conv", (4, 6, 6))
    explainer = Explainer(graph, {one.name: numpy_helper.to_array(one) for one in model.graph.initializer})
    np.testing.assert_array_equal(explainer.filters("conv"), 2 * ones(4, 3, 3, 3))


def test_a_constant_that_onnx_has_no_rule_for_leaves_a_layer_without_explanation() -> None:
    nodes = [
        node("Gelu", ["w"], ["kernel"], domain="com.microsoft"),
        node("Conv", ["image", "kernel"], ["conv"], name="conv"),
        node("GlobalAveragePool", ["conv"], ["gap"], name="gap"),
    ]
    model = extended(model_of(nodes, {"w": ones(4, 3, 3, 3)}), kernel=[4, 3, 3, 3])
    graph = read_graph(model)
    assert table(graph)[1] == ("conv", "conv", (4, 6, 6))
    with pytest.raises(NotExplainable, match="'kernel'"):
        Explainer(graph, {"w": ones(4, 3, 3, 3)}).filters("conv")


def test_an_operator_that_is_not_as_onnx_has_it_is_refused_with_its_name() -> None:
    nodes = [
        node("MaxPool", ["image"], ["pool"], name="pool"),
        node("GlobalAveragePool", ["pool"], ["gap"], name="gap"),
    ]
    model = model_of(nodes)
    model.graph.value_info.append(helper.make_tensor_value_info("pool", TensorProto.FLOAT, ["N", 3, 8, 8]))
    with pytest.raises(NetworkUnusable, match=r"MaxPool 'pool' cannot be read .*kernel_shape.* export .* again"):
        read_graph(model)


def with_outputs(model: onnx.ModelProto, **kinds: int) -> onnx.ModelProto:
    """The model with these outputs, by their types."""
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items())
    return model


def test_probabilities_that_are_rounded_at_the_end_are_taken_before_that() -> None:
    nodes = [
        *classifier().graph.node,
        node("QuantizeLinear", ["prob", "step", "zero"], ["codes"], name="codes"),
        node("DequantizeLinear", ["codes", "step", "zero"], ["rounded"], name="rounded"),
    ]
    constants = {one.name: numpy_helper.to_array(one) for one in classifier().graph.initializer}
    constants |= {"step": np.array(1 / 255, np.float32), "zero": np.array(0, np.uint8)}
    constants["fw"] = np.arange(320, dtype=np.float32).reshape(5, 64) % 7 / 1000
    model = model_of(nodes, constants)
    graph = read_graph(model)
    assert graph.output.name == "prob" and graph.output_is_probability
    assert graph.logits is graph.layer("fc")
    found = Engine(model, None, graph, threads=1, provider="cpu")
    x = np.random.default_rng(4).normal(size=(3, 8, 8)).astype(np.float32)
    (shares,) = found.probabilities(x[None])
    assert shares.sum() == pytest.approx(1, abs=1e-6)
    activations = found.run(x)
    np.testing.assert_allclose(shares, activations["rounded"], atol=0.5 / 255 + 1e-6)


def test_a_softmax_on_8_bits_is_none_over_again() -> None:
    nodes = [
        *classifier().graph.node[:-1],
        node("QuantizeLinear", ["fc", "step", "zero"], ["codes"], name="codes"),
        node(
            "QLinearSoftmax",
            ["codes", "step", "zero", "share", "zero"],
            ["shares"],
            name="shares",
            domain="com.microsoft",
            axis=1,
            opset=17,
        ),
        node("DequantizeLinear", ["shares", "share", "zero"], ["prob"], name="prob"),
    ]
    constants: dict[str, Numbers] = {
        **{one.name: numpy_helper.to_array(one) for one in classifier().graph.initializer},
        "b": np.zeros(4, np.float32),
        "fb": np.arange(5, dtype=np.float32),
        "step": np.array(8 / 255, np.float32),
        "share": np.array(1 / 256, np.float32),
        "zero": np.array(0, np.uint8),
    }
    model = extended(model_of(nodes, constants))
    model.graph.value_info.append(helper.make_tensor_value_info("shares", TensorProto.UINT8, ["N", 5]))
    graph = read_graph(model)
    assert graph.output.name == "prob" and graph.output_is_softmaxed and not graph.output_is_probability
    rows = Engine(model, None, graph, threads=1, provider="cpu").probabilities(np.zeros((2, 3, 8, 8), np.float32))
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(rows[1], np.exp(np.arange(5)) / np.exp(np.arange(5)).sum(), atol=0.01)


@pytest.mark.parametrize(
    ("further", "outputs", "expected"),
    [
        ([("ArgMax", "prob", "best")], {"best": TensorProto.INT64, "prob": TensorProto.FLOAT}, "prob"),
        (
            [("ArgMax", "prob", "best"), ("Cast", "best", "number")],
            {"number": TensorProto.FLOAT, "prob": TensorProto.FLOAT},
            "prob",
        ),
        ([], {"fc": TensorProto.FLOAT, "prob": TensorProto.FLOAT}, "prob"),
        ([], {"flat": TensorProto.FLOAT, "prob": TensorProto.FLOAT}, "prob"),
        ([("Softmax", "flat", "attention")], {"fc": TensorProto.FLOAT, "attention": TensorProto.FLOAT}, "fc"),
        ([("ArgMax", "prob", "best")], {"best": TensorProto.INT64}, "best"),
    ],
)
def test_of_several_outputs_the_probabilities_are_taken(
    further: list[tuple[str, str, str]], outputs: dict[str, int], expected: str
) -> None:
    attributes: dict[str, dict[str, Any]] = {"ArgMax": {"axis": 1}, "Cast": {"to": TensorProto.FLOAT}}
    nodes = [*classifier().graph.node]
    nodes += [node(op, [read], [made], name=made, **attributes.get(op, {})) for op, read, made in further]
    model = model_of(nodes, {one.name: numpy_helper.to_array(one) for one in classifier().graph.initializer})
    graph = read_graph(with_outputs(model, **outputs))
    assert graph.output.name == expected
    assert graph.output_is_probability == (expected == "prob")


@pytest.mark.parametrize("axis", [0, -1])
def test_a_softmax_of_classes_without_a_batch_axis(axis: int) -> None:
    nodes = [
        *classifier().graph.node[:-1],
        node("Squeeze", ["fc"], ["vector"]),
        node("Softmax", ["vector"], ["prob"], name="prob", axis=axis),
    ]
    model = model_of(nodes, {one.name: numpy_helper.to_array(one) for one in classifier().graph.initializer})
    graph = read_graph(model)
    assert graph.output_is_probability and graph.layer("prob").op == "softmax"
    rows = Engine(model, None, graph, threads=1, provider="cpu").probabilities(ones(2, 3, 8, 8))
    np.testing.assert_allclose(rows, np.full((2, 5), 0.2), rtol=1e-5)


def test_layers_without_a_cell_are_left_out() -> None:
    nodes = [
        node("Split", ["image", "parts"], ["all", "none"], name="split", axis=1),
        node("Relu", ["none"], ["nothing"], name="nothing"),
        node("Concat", ["nothing", "all"], ["joined"], name="joined", axis=1),
        node("GlobalAveragePool", ["joined"], ["gap"], name="gap"),
    ]
    model = model_of(nodes, {"parts": np.array([3, 0], np.int64)})
    graph = read_graph(model)
    assert table(graph)[1:] == [
        ("split", "Split", (3, 8, 8)),
        ("joined", "concat", (3, 8, 8)),
        ("gap", "global_average_pool", (3, 1, 1)),
    ]
    assert graph.layer("joined").inputs == ("split",)
    found = Engine(model, None, graph, threads=1, provider="cpu")
    image = np.random.default_rng(5).normal(size=(3, 8, 8)).astype(np.float32)
    activations = found.run(image)
    np.testing.assert_array_equal(activations["joined"], image)
    assert found.layers(image[None], ["joined"])["joined"].shape == (1, 3, 8, 8)
    explanation = Explainer(graph, {}).explain("joined", (2, 4, 5), activations)
    assert explanation.value == image[2, 4, 5]


def two_inputs() -> onnx.ModelProto:
    model = model_of([node("Add", ["image", "other"], ["sum"])])
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, ["N", 3, 8, 8]))
    return model


def control_flow() -> onnx.ModelProto:
    branch = helper.make_graph([node("Identity", ["image"], ["x"])], "branch", [], [])
    branch.output.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, None))
    model = model_of([node("If", ["choice"], ["out"], name="if", then_branch=branch, else_branch=branch)])
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "choice"))
    return model


def pooled(shape: tuple[int | str, ...], kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    return model_of([node("GlobalAveragePool", ["image"], ["gap"])], shape=shape, kind=kind)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (two_inputs, "has 2 inputs \\(image, other\\)"),
        (control_flow, "control flow \\(If\\)"),
        (lambda: pooled(("N", 3, "h", "w")), "height and width are not fixed"),
        (lambda: pooled(("N", 7, 8, 8)), "\\['N', 7, 8, 8\\], which is no image"),
        (lambda: pooled(("N", 3)), "which is no image"),
        (lambda: pooled(("N", 3, 8, 8), TensorProto.FLOAT16), "is FLOAT16; it must be FLOAT"),
        (
            lambda: model_of([node("Frobnicate", ["image"], ["out"], name="f")]),
            "'Frobnicate' .* is not an ONNX operator",
        ),
        (  # came with opset 18
            lambda: model_of([node("Mish", ["image"], ["out"], name="m")]),
            "'Mish' \\(node 'm'\\) is not an ONNX operator of opset 17",
        ),
        (
            lambda: model_of([helper.make_node("Mine", ["image"], ["out"], domain="my.own")]),
            "'Mine' \\(node 'out'\\) is an operator of 'my.own', which onnxruntime does not have",
        ),
        (lambda: model_of([node("Relu", ["image"], ["out"])]), "no output is one number a class"),
    ],
)
def test_what_cannot_be_served(make: Callable[[], onnx.ModelProto], words: str) -> None:
    with pytest.raises(NetworkUnusable, match=words):
        read_graph(make())
