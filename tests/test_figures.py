"""What a unit sees of the input is told as it is: units change where pixels inside change, and nowhere else."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from app.engine import Engine
from app.graph import Graph, read_graph
from tests.test_explain import network, node, numbers
from tests.test_patterns import check_all_but, explained

SIZE = (7, 9)  # of the images here


def seen(model: onnx.ModelProto, graph: Graph, layer: str) -> npt.NDArray[np.bool_]:
    """(H, W, h, w): whether pixel (y, x) has a part in unit (0, i, j) of the layer."""
    engine = Engine(model, None, graph, threads=1, provider="cpu")
    image = numbers(1, *SIZE)
    found = np.zeros((*SIZE, *graph.layer(layer).shape[1:]), bool)
    before = engine.run(image)[layer][0].copy()
    for place in np.ndindex(SIZE):
        nudged = image.copy()
        nudged[(0, *place)] += 3
        found[place] = engine.run(nudged)[layer][0] != before
    return found


def told(graph: Graph, layer: str) -> npt.NDArray[np.bool_]:
    """The same as the layer table has it."""
    down, across = graph.layer(layer).reach
    _, height, width = graph.layer(layer).shape
    y, x, i, j = np.ogrid[: SIZE[0], : SIZE[1], :height, :width]
    top, left = down.start + i * down.jump, across.start + j * across.jump
    inside: npt.NDArray[np.bool_] = (y >= top) & (y < top + down.size) & (x >= left) & (x < left + across.size)
    return inside


def ending(nodes: list[onnx.NodeProto], constants: dict[str, Any], opset: int = 18) -> onnx.ModelProto:
    """A classifier of an image (N, 1, H, W) by those nodes, the last of which makes "last"."""
    end = node("GlobalMaxPool", ["last"], ["end"], name="end")
    return network([*nodes, end], constants, ["N", 1, *SIZE], "end", opset=opset)


def pad(*inputs: str, **attributes: Any) -> onnx.NodeProto:
    return node("Pad", ["image", *inputs], ["padded"], name="padded", **attributes)


@pytest.mark.parametrize(
    ("padding", "pads", "axes", "opset", "start"),
    [
        (pad("pads"), [0, 0, 1, 1, 0, 0, 1, 1], [], 18, (-1, -1)),
        (pad("pads"), [0, 0, 2, 0, 0, 0, 1, 3], [], 13, (-2, 0)),
        (pad("pads", "zero"), [0, 2, 0, -1, 0, 0, 0, -2], [], 18, (0, 1)),
        (pad("pads", "", "axes"), [2, 1, 0, 0], [-1, 2], 18, (-1, -2)),
        (pad(pads=[0, 0, 1, 2, 0, 0, 0, 0]), [], [], 10, (-1, -2)),
    ],
)
@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_behind_a_pad_sees_its_window(
    padding: onnx.NodeProto, pads: list[int], axes: list[int], opset: int, start: tuple[int, int], stride: int
) -> None:
    maps = 3 if pads[1:2] == [2] else 1  # two of zeros before the image's
    nodes = [padding, node("Conv", ["padded", "w"], ["last"], name="last", strides=[stride, stride])]
    constants = {"pads": np.array(pads), "axes": np.array(axes), "zero": numbers(1), "w": numbers(1, maps, 3, 3)}
    model = ending(nodes, constants, opset)
    graph = read_graph(model)
    assert graph.layer("padded").receptive_field == (1, 1)
    assert graph.layer("last").receptive_field == (3, 3)
    assert tuple(span.start for span in graph.layer("last").reach) == start
    assert all(span.jump == stride for span in graph.layer("last").reach)
    for layer in ("padded", "last") if maps == 1 else ("last",):
        assert np.array_equal(seen(model, graph, layer), told(graph, layer)), layer


@pytest.mark.parametrize("mode", ["reflect", "edge"])
def test_behind_mirrored_cells_a_unit_may_see_anything(mode: str) -> None:
    nodes = [pad("pads", mode=mode), node("Conv", ["padded", "w"], ["last"], name="last")]
    model = ending(nodes, {"pads": np.array([0, 0, 2, 2, 0, 0, 2, 2]), "w": numbers(1, 1, 3, 3)})
    graph = read_graph(model)
    assert not (seen(model, graph, "last") & ~told(graph, "last")).any()
    assert told(graph, "last").all()


def test_a_pad_by_numbers_of_the_image_may_be_any() -> None:
    nodes = [
        node("GlobalAveragePool", ["image"], ["mean"], name="mean"),
        node("Squeeze", ["mean"], ["number"]),
        pad("pads", "number"),
        node("Identity", ["padded"], ["last"]),
    ]
    graph = read_graph(ending(nodes, {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1])}))
    assert told(graph, "padded").all()


def test_rounding_to_8_bits_and_back_sees_its_own_place() -> None:
    nodes = [
        node("QuantizeLinear", ["image", "step", "zero"], ["codes"], name="codes"),
        node("DequantizeLinear", ["codes", "step", "zero"], ["rounded"], name="rounded"),
        node("DequantizeLinear", ["w", "step", "nought"], ["kernel"], name="kernel"),
        node("Conv", ["rounded", "kernel"], ["conv"], name="conv", pads=[1, 1, 1, 1]),
        node("Relu", ["conv"], ["last"], name="last"),
    ]
    constants = {
        "step": np.array(0.02, np.float32),
        "zero": np.array(128, np.uint8),
        "nought": np.array(0, np.int8),
        "w": np.arange(-13, 14, 3).astype(np.int8).reshape(1, 1, 3, 3),
    }
    model = ending(nodes, constants)
    graph, explainer, activations = explained(model)
    fields = {layer.name: layer.receptive_field for layer in graph.layers[:-1]}
    assert fields == {"image": (1, 1), "codes": (1, 1), "rounded": (1, 1), "conv": (3, 3), "last": (3, 3)}
    assert np.array_equal(seen(model, graph, "conv"), told(graph, "conv"))
    assert graph.layer("codes").parameters == graph.layer("rounded").parameters == 0
    check_all_but({"codes", "rounded"}, graph, explainer, activations)


def test_a_bias_behind_what_has_no_rule_does_not_make_it_see_less() -> None:
    nodes = [
        node("Reshape", ["image", "shape"], ["rows"]),
        node("MatMul", ["rows", "w"], ["product"], name="product"),
        node("Add", ["product", "b"], ["sum"], name="sum"),
        node("Reshape", ["sum", "back"], ["last"]),
    ]
    constants = {"shape": np.array([7, 9]), "back": np.array([1, 1, 7, 9]), "w": numbers(9, 9), "b": numbers(9)}
    model = ending(nodes, constants)
    graph = read_graph(model)
    assert graph.layer("product").op == "Add"  # named after the last node
    assert not (seen(model, graph, "product") & ~told(graph, "product")).any()


def test_a_factor_from_the_whole_map_sees_the_whole_map_from_every_unit() -> None:
    nodes = [
        node("GlobalAveragePool", ["image"], ["mean"], name="mean"),
        node("Sigmoid", ["mean"], ["share"], name="share"),
        node("Mul", ["image", "share"], ["last"], name="last"),
    ]
    model = ending(nodes, {})
    graph = read_graph(model)
    assert graph.layer("last").receptive_field == SIZE
    assert seen(model, graph, "last").all() and told(graph, "last").all()
