"""Layers of a foreign graph by the course's names: the same network from other tools, and what is another network."""

from collections.abc import Callable

import onnx
import pytest
from onnx import helper

from app.catalog import Catalog
from app.graph import Graph, read_graph
from app.matching import match, rename
from app.network import load_graph
from app.places import CHECKOUT
from tests.small_onnx import classifier

BVLC = CHECKOUT.parent / "shared" / "data" / "onnx" / "googlenet-bvlc.onnx"


def graph_of(model: onnx.ModelProto) -> Graph:
    return read_graph(model, title="test")


def with_new_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network as another tool would write it: every node, tensor and number has another name."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for number, node in enumerate(copy.graph.node):
        node.name = f"node{number}"
        for names in (node.input, node.output):
            names[:] = [f"t_{name}" if name else name for name in names]
    for one in (*copy.graph.input, *copy.graph.output, *copy.graph.initializer):
        one.name = f"t_{one.name}"
    return copy


def insert_after(model: onnx.ModelProto, op: str, added: Callable[[str, str], onnx.NodeProto]) -> onnx.ModelProto:
    """The network with another node behind every node of that operator."""
    nodes: list[onnx.NodeProto] = []
    for number, node in enumerate(model.graph.node):
        nodes.append(node)
        if node.op_type == op:
            old, new = node.output[0], f"{node.output[0]}_{number}"
            node.output[0] = new
            nodes.append(added(new, old))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def test_every_structure_is_known_again_whatever_its_names(catalog: Catalog) -> None:
    structures = catalog.pullable
    assert structures
    for network in structures:
        known = graph_of(load_graph(network.known))
        foreign = graph_of(with_new_names(load_graph(network.known)))
        assert not {layer.name for layer in foreign.layers} & {layer.name for layer in known.layers}
        named = rename(foreign, match(foreign, known))
        assert [layer.name for layer in named.layers] == [layer.name for layer in known.layers], network.id
        assert [layer.inputs for layer in named.layers] == [layer.inputs for layer in known.layers]
        assert named.output.name == known.output.name
        assert named.edges == known.edges


def test_other_networks_are_not_taken_for_each_other(catalog: Catalog) -> None:
    graphs = {network.id: graph_of(load_graph(network.known)) for network in catalog.pullable}
    for name, graph in graphs.items():
        for other, known in graphs.items():
            assert bool(match(graph, known)) is (name == other), (name, other)


def test_the_size_of_the_input_does_not_matter(catalog: Catalog) -> None:
    """The structure that is bundled may take another size than the published weights."""
    for network in catalog.pullable:
        sets = {one.id for one in network.manifest.weights}
        if "structure" in sets:
            bundled = catalog.network(network.id, "structure").graph
            assert set(match(graph_of(load_graph(network.known)), bundled).values()) == set(bundled.by_name)


def test_what_only_one_of_them_has_is_passed_over() -> None:
    known = graph_of(classifier())
    foreign = with_new_names(classifier(softmax=False))
    noisy = insert_after(foreign, "Relu", lambda new, old: helper.make_node("Dropout", [new], [old], name="drop"))
    noisy = insert_after(noisy, "Conv", lambda new, old: helper.make_node("Elu", [new], [old], name="elu"))
    graph = graph_of(noisy)
    names = match(graph, known)
    assert set(names.values()) == set(known.by_name) - {"shares"}
    named = rename(graph, names)
    assert "a.conv.Elu" in named.by_name
    assert named.layer("a.conv.Elu").inputs == ("a.conv",)
    assert named.layer("a.relu").inputs == ("a.conv.Elu",)
    assert len(named.layers) == len(graph.layers)


def test_another_number_of_maps_is_another_network() -> None:
    other = classifier(channels=1)
    assert match(graph_of(classifier()), graph_of(other)) == {}
    wider = classifier(size=10)
    assert match(graph_of(classifier()), graph_of(wider))  # the size alone changes nothing


@pytest.mark.skipif(not BVLC.exists(), reason=f"{BVLC} is not on this machine")
def test_the_bvlc_googlenet_gets_the_names_of_the_course(catalog: Catalog) -> None:
    known = catalog.network("googlenet", "structure").graph
    graph = graph_of(load_graph(BVLC))
    named = rename(graph, match(graph, known))
    assert [layer.name for layer in named.layers] == [layer.name for layer in known.layers]
    assert [layer.shape for layer in named.layers] == [layer.shape for layer in known.layers]
    assert [layer.parameters for layer in named.layers] == [layer.parameters for layer in known.layers]
