"""The catalog: what is bundled, what the operator adds, what is refused."""

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from app.catalog import Catalog
from app.errors import InvalidValue, ModelNotFound, NetworkUnusable, WeightsNotFound, WeightsNotReady
from app.manifest import Structure
from app.network import Network
from app.places import BUNDLED
from app.settings import Settings
from tests.small_onnx import classifier, save


def settings(tmp_path: Path, **values: Any) -> Settings:
    return Settings(cache_dir=tmp_path / "cache", provider="cpu", **values)


def test_the_five_networks_of_the_course_come_in_its_order(tmp_path: Path) -> None:
    catalog = Catalog.open(settings(tmp_path))
    assert [manifest.id for manifest in catalog.models] == ["lenet5", "alexnet", "vgg16", "googlenet", "resnet34"]
    years = [manifest.year for manifest in catalog.models]
    assert years == sorted(years, key=lambda year: year or 0)
    for manifest in catalog.models:
        assert manifest.get_weights("structure").origin == Structure()


def test_unknown_names_are_answered_with_what_there_is(tmp_path: Path) -> None:
    catalog = Catalog.open(settings(tmp_path))
    first = catalog.models[0]
    with pytest.raises(ModelNotFound, match=f"'nothing'.*{first.id}"):
        catalog.network("nothing")
    with pytest.raises(WeightsNotFound, match=f"'nothing'.*{first.default_weights}"):
        catalog.network(first.id, "nothing")
    with pytest.raises(InvalidValue, match=r"no precision 'FP32'\. There are fp32 and int8\."):
        catalog.network(first.id, precision="FP32")


def test_what_ends_while_weights_are_made_leaves_nothing_half_done(tmp_path: Path) -> None:
    catalog, ending = Catalog.open(settings(tmp_path)), threading.Event()
    seen: list[int] = []

    def stop(done: int) -> None:
        seen.append(done)
        ending.set()

    catalog.prepare(stop, ending)
    assert not catalog.ready and 1 <= len(seen) <= 2, "each of two threads may have been told once"
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert files == []


def test_an_end_between_two_networks_leaves_the_service_unready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quick(network: Network, progress: Callable[[int], None]) -> None:
        progress(1)  # as for a file that is verified already
        ending.set()

    catalog, ending = Catalog.open(settings(tmp_path)), threading.Event()
    monkeypatch.setattr(Network, "prepare", quick)
    catalog.prepare(None, ending)
    assert not catalog.ready


def test_a_structure_has_a_table_but_does_not_run(tmp_path: Path) -> None:
    catalog = Catalog.open(settings(tmp_path))
    for manifest in catalog.models:
        network = catalog.network(manifest.id, "structure")
        assert network.graph.parameters > 0
        assert not network.ready
        with pytest.raises(WeightsNotReady, match=manifest.default_weights):
            _ = network.engine


def test_before_preparation_a_network_says_what_to_do(tmp_path: Path) -> None:
    catalog = Catalog.open(settings(tmp_path))
    waiting = [network for network in catalog.networks if network.weights.origin.kind == "seeded"]
    for network in waiting:
        with pytest.raises(WeightsNotReady, match="readyz"):
            _ = network.engine


def test_an_own_file_is_served_beside_the_others(tmp_path: Path) -> None:
    path = save(classifier(), tmp_path / "My Net.onnx")
    catalog = Catalog.open(settings(tmp_path, onnx=path))
    network = catalog.network("my-net")
    assert network.ready
    assert network.labels == ("0", "1", "2", "3", "4")
    run = network.run(np.full((20, 30, 3), 200, np.uint8))
    assert sum(p.probability for p in run.predictions) == pytest.approx(1)
    assert set(run.activations) == {layer.name for layer in network.graph.layers}


def test_an_own_file_may_not_take_a_bundled_name(tmp_path: Path) -> None:
    taken = Catalog.open(settings(tmp_path)).models[0].id
    with pytest.raises(NetworkUnusable, match=taken):
        Catalog.open(settings(tmp_path, onnx=save(classifier(), tmp_path / f"{taken}.onnx")))


@pytest.mark.parametrize(
    ("file", "name"),
    [("_mine.onnx", "mine"), ("-_.Mine_2.onnx", "mine_2"), ("__.onnx", "own"), ("\u732b.onnx", "own")],
)
def test_an_own_file_of_any_name_has_an_id(tmp_path: Path, file: str, name: str) -> None:
    assert Catalog.open(settings(tmp_path, onnx=save(classifier(), tmp_path / file))).network(name).ready


PHOTO = {"kind": "photo", "resize": 9, "crop": [8, 8]}


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"preprocessing": {**PHOTO, "mean": [0.5, 0.5]}}, "2 numbers for mean.* 3 channels: give one number"),
        ({"preprocessing": {**PHOTO, "crop": [8, 9]}}, r"\(3, 8, 9\) but own takes \(3, 8, 8\).* Correct crop"),
        ({"preprocessing": {**PHOTO, "crop": [9**9, 9**9]}}, "Correct crop"),  # which is not tried out
        ({"preprocessing": {"kind": "digit", "size": [28, 28]}}, r"\(3, 28, 28\) but .* Correct crop or size"),
        (
            {"preprocessing": {**PHOTO, "std": [1, 1, 0]}},
            "'second' of own .* not finite.* Correct scale, mean and std",
        ),
        ({"preprocessing": PHOTO, "labels": ["a", "b"]}, "2 labels for 5 classes"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_at_start(
    tmp_path: Path, second: dict[str, Any], message: str
) -> None:
    path, weights = save(classifier(), tmp_path / "own.onnx"), {"title": "w", "graph": "own.onnx", "sha256": ""}
    manifest = {
        "id": "own",
        "title": "Own",
        "default_weights": "first",
        "weights": [{**weights, "id": "first", "preprocessing": PHOTO}, {**weights, "id": "second", **second}],
    }
    (tmp_path / "own.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(NetworkUnusable, match=message):
        Catalog.open(settings(tmp_path, onnx=path, manifest=tmp_path / "own.json"))


def not_onnx(path: Path) -> None:
    path.write_bytes(b"\x89PNG this is no network")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def two_channels(path: Path) -> None:
    save(classifier(channels=2), path)


def unknown_operator(path: Path) -> None:
    model = classifier()
    model.graph.node[1].op_type, model.graph.node[1].domain = "Frobnicate", "org.example"
    model.opset_import.append(helper.make_opsetid("org.example", 1))
    save(model, path)


def without_window(path: Path) -> None:
    model = classifier()
    pool = next(node for node in model.graph.node if node.op_type == "MaxPool")
    del pool.attribute[:]
    save(model, path)


def data_outside(path: Path) -> None:
    model = classifier()
    onnx.save(model, path, save_as_external_data=True, location="numbers.bin", size_threshold=0)
    moved = onnx.load(path, load_external_data=False)
    for tensor in moved.graph.initializer:
        tensor.external_data[0].value = "../numbers.bin"
    shutil.move(path.parent / "numbers.bin", path.parent.parent / "numbers.bin")
    path.write_bytes(moved.SerializeToString())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (not_onnx, "not an ONNX file"),
        (empty, "not an ONNX file"),
        (two_channels, "no image"),
        (unknown_operator, "Frobnicate"),
        (without_window, "MaxPool 'pool'"),
        (data_outside, "outside its own folder"),
    ],
)
def test_a_file_that_cannot_be_served_is_refused_at_start(tmp_path: Path, make: Any, message: str) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    make(folder / "own.onnx")
    with pytest.raises(NetworkUnusable, match=message):
        Catalog.open(settings(tmp_path, onnx=folder / "own.onnx"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NetworkUnusable, match=r"no file .*absent\.onnx"):
        Catalog.open(settings(tmp_path, onnx=tmp_path / "absent.onnx"))


def test_a_damaged_graph_is_found_by_its_digest(tmp_path: Path) -> None:
    copy = tmp_path / "bundled"
    source = next(iter(sorted(BUNDLED.glob("*/manifest.json")))).parent
    shutil.copytree(source, copy / source.name)
    graph = Catalog.open(settings(tmp_path), bundled=copy).network(source.name).path
    graph.write_bytes(graph.read_bytes() + b"\0")
    catalog = Catalog.open(settings(tmp_path), bundled=copy, pullable=tmp_path / "nothing")
    assert catalog.models == []
    catalog.prepare()
    assert not catalog.ready
    assert catalog.problem is not None
    assert "digest" in catalog.problem.detail and graph.name in catalog.problem.detail
