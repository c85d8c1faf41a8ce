"""The graph of a large file with its numbers left where they are: the same network, number for number."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from app import outline
from app.engine import Engine
from app.errors import NetworkUnusable
from app.graph import read_graph
from app.outline import read_outline
from app.places import CHECKOUT
from app.weights import open_initializers
from tests.small_onnx import classifier, save

BVLC = CHECKOUT.parent / "shared" / "data" / "onnx" / "googlenet-bvlc.onnx"


def check_same(path: Path) -> None:
    """The outline has every field of the file, every number, and computes every activation the same."""
    whole, light = onnx.load(path), read_outline(path)
    arrays = open_initializers(light, path.parent)
    assert list(arrays) == [tensor.name for tensor in whole.graph.initializer]
    for tensor in whole.graph.initializer:
        np.testing.assert_array_equal(arrays[tensor.name], numpy_helper.to_array(tensor))
    bare = onnx.ModelProto()
    bare.CopyFrom(light)
    for mine, theirs in zip(bare.graph.initializer, whole.graph.initializer, strict=True):
        mine.CopyFrom(theirs)
    assert bare == whole
    graph = read_graph(light, title="light")
    image = np.random.default_rng(0).normal(size=graph.input_shape).astype(np.float32)
    ours = Engine(light, path.parent, graph, 1, "cpu").run(image)
    theirs_too = Engine(whole, None, read_graph(whole, title="whole"), 1, "cpu").run(image)
    assert ours.keys() == theirs_too.keys()
    for name, activation in ours.items():
        np.testing.assert_array_equal(activation, theirs_too[name], err_msg=name)


@pytest.mark.parametrize("large", [1, 100, 1 << 30])
def test_a_small_network_wherever_its_numbers_are(
    tmp_path: Path, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outline, "LARGE", large)
    model = classifier(size=16)
    model.doc_string = "x" * 3  # shifts the numbers to where no float begins
    path = save(model, tmp_path / "small.onnx")
    external = [t.name for t in read_outline(path).graph.initializer if t.external_data]
    assert len(external) == {1: 4, 100: 2, 1 << 30: 0}[large]
    check_same(path)


@pytest.mark.skipif(not BVLC.exists(), reason=f"{BVLC} is not on this machine")
def test_a_genuine_network() -> None:
    light = read_outline(BVLC)
    assert light.ByteSize() < BVLC.stat().st_size / 50
    check_same(BVLC)


@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    whole = classifier().SerializeToString()
    path = tmp_path / "damaged.onnx"
    path.write_bytes({"cut": whole[:-100], "noise": b"\x89PNG" + whole, "empty": b""}[damage])
    with pytest.raises(NetworkUnusable, match=r"damaged\.onnx is not an ONNX file"):
        read_outline(path)
