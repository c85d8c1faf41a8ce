"""The course's figures, computed from the graphs: every row here is one that a reader of the course may check."""

from functools import cache
from pathlib import Path

import onnx
import pytest

from app.graph import Graph, read_graph
from app.manifest import Manifest, read_manifest
from app.places import BUNDLED


@cache
def manifest(model: str) -> Manifest:
    return read_manifest(BUNDLED / model / "manifest.json")


@cache
def bundled(model: str, weights: str = "structure") -> Graph:
    entry = manifest(model).get_weights(weights)
    path: Path = BUNDLED / model / entry.graph
    return read_graph(onnx.load(path, load_external_data=False), manifest(model), model)


@cache
def architecture(name: str, classes: int = 1000) -> Graph:
    export = pytest.importorskip("models.export", reason="the workshop's torch is not installed")
    return read_graph(export.structure(name, classes), None, name)


@pytest.mark.parametrize(
    ("layer", "op", "shape", "parameters", "connections"),
    [
        ("C1", "conv", (6, 28, 28), 156, 122_304),
        ("S2", "subsampling", (6, 14, 14), 12, 5_880),
        ("C3", "conv", (16, 10, 10), 1_516, 151_600),
        ("S4", "subsampling", (16, 5, 5), 32, 2_000),
        ("C5", "conv", (120, 1, 1), 48_120, 48_120),
        ("F6", "full", (84,), 10_164, 10_164),
        ("OUTPUT", "rbf", (10,), 0, 840),
    ],
)
@pytest.mark.parametrize("weights", ["mnist", "structure"])
def test_lenet5(weights: str, layer: str, op: str, shape: tuple[int, ...], parameters: int, connections: int) -> None:
    found = bundled("lenet5", weights).layer(layer)
    assert (found.op, found.shape) == (op, shape)
    assert (found.parameters, found.connections) == (parameters, connections)


# LeCun et al. 1998, table I, written down once more: map of S2 -> maps of C3 that it is joined to.
C3 = """
0: 0 4 5 6 9 10 11 12 14 15
1: 0 1 5 6 7 10 11 12 13 15
2: 0 1 2 6 7 8 11 13 14 15
3: 1 2 3 6 7 8 9 12 14 15
4: 2 3 4 7 8 9 10 12 13 15
5: 3 4 5 8 9 10 11 13 14 15
"""


@pytest.mark.parametrize("weights", ["mnist", "structure"])
def test_c3_is_joined_as_the_paper_has_it(weights: str) -> None:
    rows = [line.split(": ") for line in C3.strip().splitlines()]
    assert [number for number, _ in rows] == list("012345")
    assert bundled("lenet5", weights).layer("C3").table == tuple(
        tuple(int(column) for column in columns.split()) for _, columns in rows
    )


def test_lenet5_as_a_whole() -> None:
    graph = bundled("lenet5")
    assert graph.input_shape == (1, 32, 32)
    assert graph.layer("OUTPUT").fixed == 840
    assert {graph.layer(name).activation for name in ("C1", "S2", "C3", "S4", "C5", "F6")} == {"scaled_tanh"}
    assert graph.layer("OUTPUT").activation is None
    joined = {
        tuple(row for row, to in enumerate(graph.layer("C3").table or ()) if column in to) for column in range(16)
    }
    assert sorted(map(len, joined)) == [3] * 6 + [4] * 9 + [6]
    # A dense kernel holds 2,416 numbers with its biases; 900 are structural zeros.
    assert graph.layer("C3").parameters == 16 * 6 * 25 + 16 - 900
    assert [graph.layer(name).receptive_field for name in ("C1", "S2", "C3", "S4", "C5")] == [
        (5, 5),
        (6, 6),
        (14, 14),
        (16, 16),
        (32, 32),
    ]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ("CONV1", (96, 55, 55)),
        ("POOL1", (96, 27, 27)),
        ("NORM1", (96, 27, 27)),
        ("CONV2", (256, 27, 27)),
        ("POOL2", (256, 13, 13)),
        ("NORM2", (256, 13, 13)),
        ("CONV3", (384, 13, 13)),
        ("CONV4", (384, 13, 13)),
        ("CONV5", (256, 13, 13)),
        ("POOL3", (256, 6, 6)),
        ("FC6", (4096,)),
        ("FC7", (4096,)),
        ("FC8", (1000,)),
    ],
)
def test_alexnets_shapes(layer: str, shape: tuple[int, ...]) -> None:
    assert bundled("alexnet").layer(layer).shape == shape


def test_alexnets_counts() -> None:
    graph = bundled("alexnet")
    first, pool = graph.layer("CONV1"), graph.layer("POOL1")
    assert graph.input_shape == (3, 227, 227)
    assert (first.kernel, first.stride, first.padding) == ((11, 11), (4, 4), (0, 0, 0, 0))
    assert first.formula == "(227 - 11 + 2*0)/4 + 1 = 55"
    assert first.parameters == 34_944 == 34_848 + 96
    assert (pool.kernel, pool.stride, pool.parameters) == ((3, 3), (2, 2), 0)
    assert {name: graph.layer(name).groups for name in ("CONV1", "CONV2", "CONV3", "CONV4", "CONV5")} == {
        "CONV1": 1,
        "CONV2": 2,
        "CONV3": 1,
        "CONV4": 2,
        "CONV5": 2,
    }
    order = [layer.name for layer in graph.layers]
    assert order.index("POOL1") < order.index("NORM1") < order.index("CONV2")
    assert (graph.parameters, graph.units) == (60_965_224, 659_272)
    assert bundled("alexnet", "imagenette").parameters == 56_909_194


def test_alexnet_has_as_many_times_googlenets_parameters() -> None:
    assert bundled("googlenet").parameters == 6_998_552
    assert round(bundled("alexnet").parameters / bundled("googlenet").parameters, 1) == 8.7


def test_vgg16() -> None:
    graph = bundled("vgg16")
    assert graph.parameters == 138_357_544
    assert bundled("vgg16", "imagenette").parameters == 134_301_514
    assert graph.input_shape == (3, 224, 224)
    kernels = {(layer.kernel, layer.stride, layer.padding) for layer in graph.layers if layer.op == "conv"}
    assert kernels == {((3, 3), (1, 1), (1, 1, 1, 1))}
    pools = [layer for layer in graph.layers if layer.op == "max_pool"]
    assert {(layer.kernel, layer.stride) for layer in pools} == {((2, 2), (2, 2))}
    # The number of maps doubles after each pool but the fourth: 512 stays 512.
    assert [layer.shape[0] for layer in pools] == [64, 128, 256, 512, 512]


@pytest.mark.parametrize(
    ("name", "millions", "weight_layers"),
    [
        ("vgg11", 133, 11),
        ("vgg11_lrn", 133, 11),
        ("vgg13", 133, 13),
        ("vgg16_1x1", 134, 16),
        ("vgg16", 138, 16),
        ("vgg19", 144, 19),
    ],
)
def test_vgg_family(name: str, millions: int, weight_layers: int) -> None:
    graph = architecture(name)
    assert round(graph.parameters / 1e6) == millions
    assert sum(layer.op in ("conv", "full") for layer in graph.layers) == weight_layers
    ones = [layer for layer in graph.layers if layer.op == "conv" and layer.kernel == (1, 1)]
    assert len(ones) == (3 if name == "vgg16_1x1" else 0)


def test_googlenet() -> None:
    graph = bundled("googlenet")
    concats = [layer for layer in graph.layers if layer.op == "concat"]
    assert len(concats) == 9
    assert [layer.shape[0] for layer in concats] == [256, 480, 512, 512, 512, 528, 832, 832, 1024]
    assert concats[0].formula == "64 + 128 + 32 + 32 = 256"
    convolutions = [layer for layer in graph.layers if layer.op == "conv"]
    assert convolutions[0].formula == "floor((224 - 7 + 2*3)/2) + 1 = 112"
    pools = [layer for layer in graph.layers if layer.op == "max_pool"]
    assert pools[0].formula == "ceil((112 - 3 + 2*0)/2) + 1 = 56"
    assert sum(layer.op == "full" for layer in graph.layers) == 1
    assert sum(layer.op == "global_average_pool" for layer in graph.layers) == 1


@pytest.mark.parametrize(
    ("name", "weight_layers", "parameters"),
    # Parameters with batch normalisation folded into biases: one bias a map where torchvision has scale and shift.
    [
        ("resnet18", 18, 11.7),
        ("resnet34", 34, 21.8),
        ("resnet50", 50, 25.5),
        ("resnet101", 101, 44.5),
        ("resnet152", 152, 60.1),
    ],
)
def test_resnet_family(name: str, weight_layers: int, parameters: float) -> None:
    graph = architecture(name)
    assert round(graph.parameters / 1e6, 1) == parameters
    adds = [layer for layer in graph.layers if layer.op == "add"]
    projections = sum(
        1 for layer in graph.layers if layer.op == "conv" and any(layer.name in add.inputs for add in adds)
    ) - len(adds)
    assert sum(layer.op in ("conv", "full") for layer in graph.layers) == weight_layers + projections
    assert projections == 4 if name not in ("resnet18", "resnet34") else projections == 3


@pytest.mark.parametrize("depth", [18, 34])
def test_plain_networks_are_residual_ones_without_shortcuts(depth: int) -> None:
    plain = architecture(f"plain{depth}")
    assert not any(layer.op == "add" for layer in plain.layers)
    assert sum(layer.op in ("conv", "full") for layer in plain.layers) == depth


def test_shortcut_options() -> None:
    a, b, c = (architecture(name) for name in ("resnet34_a", "resnet34", "resnet34_c"))
    convolutions = [sum(layer.op == "conv" for layer in graph.layers) for graph in (a, b, c)]
    assert convolutions == [33, 36, 49]  # A: no projection; B: where dimensions grow; C: at every block
    assert a.parameters < b.parameters < c.parameters


def test_resnet34() -> None:
    graph = bundled("resnet34")
    assert graph.input_shape == (3, 224, 224)
    adds = [layer for layer in graph.layers if layer.op == "add"]
    assert len(adds) == 16
    assert graph.output_is_probability and graph.logits is not None
    assert graph.logits.shape == (1000,)
