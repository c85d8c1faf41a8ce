"""The shipped files: manifests match graphs, untrained ones say so, a measured figure is that of the file."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from app.manifest import Inline, Seeded, read_manifest
from models.accuracy import measure
from models.architectures.codes import output_codes
from models.architectures.lenet5 import C3_TABLE
from models.bundle import BUNDLED, keep_trained, write_bundle
from models.mnist import DEFAULT_FOLDER

NAMES = sorted(path.parent.name for path in BUNDLED.glob("*/manifest.json"))


def test_the_five_are_there() -> None:
    assert NAMES == ["alexnet", "googlenet", "lenet5", "resnet34", "vgg16"]


@pytest.mark.parametrize("name", NAMES)
def test_digests_and_honesty(name: str) -> None:
    manifest = read_manifest(BUNDLED / name / "manifest.json")
    assert {"structure", manifest.default_weights} == {weights.id for weights in manifest.weights}
    for weights in manifest.weights:
        data = (BUNDLED / name / weights.graph).read_bytes()
        assert hashlib.sha256(data).hexdigest() == weights.sha256
        names = {node.name for node in onnx.load_from_string(data).graph.node}
        assert {node for nodes in manifest.layers.values() for node in nodes} <= names
        if isinstance(weights.origin, Seeded):
            assert not weights.trained and weights.accuracy is None and "untrained" in weights.title


@pytest.mark.parametrize("name", ["lenet5", "googlenet"])
def test_bundling_again_writes_the_same_files(name: str, tmp_path: Path) -> None:
    for file in (BUNDLED / name).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    write_bundle(name, keep_trained, tmp_path)
    for file in (BUNDLED / name).iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), file.name


def test_lenet5s_numbers_keep_the_connection_table_and_the_codes() -> None:
    manifest = read_manifest(BUNDLED / "lenet5" / "manifest.json")
    weights = manifest.get_weights("mnist")
    assert isinstance(weights.origin, Inline) and weights.trained
    graph = onnx.load(BUNDLED / "lenet5" / weights.graph).graph
    numbers = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    joined = np.zeros((16, 6), dtype=bool)
    for source, targets in enumerate(C3_TABLE):
        joined[list(targets), source] = True
    assert manifest.connections["C3"] == C3_TABLE
    assert (numbers["C3.weight"].any(axis=(2, 3)) == joined).all()
    assert (numbers["OUTPUT.codes"] == output_codes()).all() and "OUTPUT.codes" in manifest.fixed


@pytest.mark.skipif(not DEFAULT_FOLDER.exists(), reason=f"MNIST is not in {DEFAULT_FOLDER}")
def test_the_manifests_accuracy_is_what_the_shipped_file_reaches(tmp_path: Path) -> None:
    for file in (BUNDLED / "lenet5").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    stated = read_manifest(tmp_path / "manifest.json").get_weights("mnist").accuracy
    measured = measure("lenet5", None, tmp_path)
    assert stated is not None and stated.images == 10_000
    assert measured.top1 == pytest.approx(stated.top1, abs=5e-4)  # another processor may round a digit over
    assert measured.top1 >= 0.99
