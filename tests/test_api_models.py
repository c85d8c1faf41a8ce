"""Networks over HTTP: the list, the layer table, the filters."""

import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from PIL import Image

from app.catalog import Catalog
from app.manifest import Pulled, Structure
from tests.conftest import MakeSettings, every_model, problem_of, serving_own
from tests.small_onnx import classifier

MODEL_KEYS = {
    "id",
    "title",
    "family",
    "year",
    "input",
    "parameters",
    "multiply_adds",
    "units",
    "weights",
    "default_weights",
}
WEIGHTS_KEYS = {"id", "title", "classes", "trained", "ready", "bundled", "bytes", "accuracy"}
TABLE_KEYS = {"name", "op", "inputs", "shape", "formula", "receptive_field"}
WINDOW_KEYS = {"kernel", "stride", "padding", "groups"}
COUNT_KEYS = {"parameters", "nonzero", "multiply_adds", "connections"}
LAYER_KEYS = TABLE_KEYS | WINDOW_KEYS | COUNT_KEYS


def get(api: httpx.Client, path: str) -> Any:
    answer = api.get(f"/api/v1/models{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_list_names_every_network_in_order(api: httpx.Client, catalog: Catalog) -> None:
    models = get(api, "")["models"]
    assert [model["id"] for model in models] == [manifest.id for manifest in catalog.models]
    for model in models:
        assert set(model) >= MODEL_KEYS
        assert model["default_weights"] in {weights["id"] for weights in model["weights"]}
        for weights in model["weights"]:
            assert set(weights) >= WEIGHTS_KEYS
            network = catalog.network(model["id"], weights["id"])
            assert weights["ready"] is network.ready
            assert weights["trained"] is network.trained
            assert weights["classes"] == network.graph.classes
            pulled = network.weights.origin if isinstance(network.weights.origin, Pulled) else None
            assert weights["pullable"] is (pulled is not None)
            assert weights["bundled"] is (pulled is None)
            assert weights["bytes"] == pulled.bytes if pulled else weights["bytes"] >= network.path.stat().st_size
            if not weights["trained"]:
                assert weights["accuracy"] is None


@every_model
def test_a_network_has_its_layer_table(api: httpx.Client, catalog: Catalog, model: str) -> None:
    network = catalog.network(model)
    detail = get(api, f"/{model}")
    assert detail["labels"] == list(network.labels)
    names = [layer["name"] for layer in detail["layers"]]
    assert names == [layer.name for layer in network.graph.layers]
    assert len(set(names)) == len(names)
    assert detail["layers"][0]["op"] == "input"
    channels, height, width = detail["layers"][0]["shape"]
    assert detail["input"] == {"channels": channels, "height": height, "width": width}
    seen: set[str] = set()
    for layer in detail["layers"]:
        assert set(layer) >= LAYER_KEYS
        assert set(layer["inputs"]) <= seen  # topological order
        seen.add(layer["name"])
        assert len(layer["shape"]) in (1, 3)
        assert "/" not in layer["name"]
        assert 0 <= layer["nonzero"] <= layer["parameters"]  # null is without numbers
    assert sum(layer["parameters"] for layer in detail["layers"]) == detail["parameters"]
    pairs = {(source, layer["name"]) for layer in detail["layers"] for source in layer["inputs"]}
    assert {tuple(edge) for edge in detail["edges"]} == pairs


@every_model
def test_a_structure_has_a_table_without_numbers(api: httpx.Client, catalog: Catalog, model: str) -> None:
    structure = next(w for w in catalog.network(model).manifest.weights if isinstance(w.origin, Structure))
    detail = get(api, f"/{model}?weights={structure.id}")
    assert all(layer["nonzero"] is None for layer in detail["layers"])
    assert detail["parameters"] == catalog.network(model, structure.id).graph.parameters
    mine = next(weights for weights in detail["weights"] if weights["id"] == structure.id)
    assert (mine["ready"], mine["trained"]) == (False, False)


@every_model
def test_filters_as_numbers_and_as_a_picture(api: httpx.Client, catalog: Catalog, model: str) -> None:
    network = catalog.network(model)
    layers = [layer for layer in network.graph.layers if layer.op == "conv"]
    assert layers
    for layer in (layers[0], layers[-1]):
        path = f"/api/v1/models/{model}/layers/{layer.name}"
        answer = api.get(f"{path}/filters.npy")
        assert answer.status_code == 200, answer.text
        filters = np.load(io.BytesIO(answer.content))
        assert filters.dtype == np.float32
        assert filters.shape[0] == layer.shape[0]
        assert filters.shape[2:] == layer.kernel
        np.testing.assert_array_equal(filters, network.filters(layer.name))
        answer = api.get(f"{path}/filters.png")
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert (picture.mode == "RGB") is (filters.shape[1] == 3)
            pixels = np.asarray(picture).astype(int)
        assert pixels.size >= filters.size
        assert pixels.max() == 255 or pixels.min() == 1  # the largest magnitude, on its side of zero
        etag = answer.headers["etag"]
        assert api.get(f"{path}/filters.png", headers={"If-None-Match": etag}).status_code == 304
        assert api.get(f"{path}/filters.npy", headers={"If-None-Match": etag}).status_code == 200


@every_model
def test_layers_without_filters_and_structures_say_so(api: httpx.Client, model: str) -> None:
    path = f"/api/v1/models/{model}/layers"
    first = get(api, f"/{model}")["layers"][0]["name"]
    problem_of(api.get(f"{path}/{first}/filters.npy"), 404, "layer-not-found")
    problem_of(api.get(f"{path}/nothing/filters.png"), 404, "layer-not-found")
    conv = next(layer["name"] for layer in get(api, f"/{model}")["layers"] if layer["op"] == "conv")
    problem_of(api.get(f"{path}/{conv}/filters.npy?weights=structure"), 409, "weights-not-ready")


@pytest.mark.parametrize("path", ["/nothing", "/nothing/layers/a/filters.png"])
def test_an_unknown_network_is_named_with_what_there_is(api: httpx.Client, catalog: Catalog, path: str) -> None:
    problem = problem_of(api.get(f"/api/v1/models{path}"), 404, "model-not-found")
    assert problem["value"] == "nothing"
    for manifest in catalog.models:
        assert manifest.id in problem["detail"]


@every_model
def test_unknown_weights_are_named_with_what_there_is(api: httpx.Client, catalog: Catalog, model: str) -> None:
    problem = problem_of(api.get(f"/api/v1/models/{model}?weights=nothing"), 404, "weights-not-found")
    assert problem["value"] == "nothing"
    for weights in catalog.network(model).manifest.weights:
        assert weights.id in problem["detail"]


def test_an_own_file_counts_with_its_numbers_and_may_go(make_settings: MakeSettings, tmp_path: Path) -> None:
    path, numbers, nothing = tmp_path / "own.onnx", tmp_path / "numbers.bin", tmp_path / "nothing"
    nothing.mkdir()
    onnx.save(classifier(), path, save_as_external_data=True, location=numbers.name, size_threshold=0)
    with serving_own(make_settings(onnx=path), nothing) as client:
        size = path.stat().st_size + numbers.stat().st_size
        assert [one["bytes"] for model in get(client, "")["models"] for one in model["weights"]] == [size]
        numbers.unlink()
        path.unlink()
        assert [one["bytes"] for model in get(client, "")["models"] for one in model["weights"]] == [0]
