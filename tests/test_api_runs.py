"""Runs over HTTP: the same numbers as through the package, by every URL, also after eviction."""

import io
import time
from typing import Any

import httpx
import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from app.activations import Activations
from app.catalog import Catalog
from app.engine import Engine
from app.imaging import decode
from app.preprocess import to_picture
from tests.conftest import Serve, draw_scene, encode, every_model, post_run, problem_of


def fetch(client: httpx.Client, path: str) -> bytes:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.content


@every_model
def test_a_run_has_every_layer_of_its_network(api: httpx.Client, catalog: Catalog, model: str, photo: bytes) -> None:
    network = catalog.network(model)
    image = encode(draw_scene(11))
    first = api.post(f"/api/v1/models/{model}/runs", content=image)
    assert first.status_code == 201
    run = first.json()
    assert first.headers["location"] == f"/api/v1/runs/{run['id']}"
    assert [(one["name"], one["op"], one["shape"]) for one in run["layers"]] == [
        (layer.name, layer.op, list(layer.shape)) for layer in network.graph.layers
    ]
    decoded = decode(image, 10**6)
    assert run["image"] == {"width": 320, "height": 240, "sha256": decoded.sha256}
    again = api.post(f"/api/v1/models/{model}/runs", files={"image": image})
    assert again.status_code == 200
    assert again.headers["location"] == first.headers["location"]
    assert again.json() == run == api.get(first.headers["location"]).json()
    assert post_run(api, model, photo)["id"] != run["id"]

    expected = network.engine.run(network.tensor(decoded))
    tensors = safetensors.numpy.load(fetch(api, f"/api/v1/runs/{run['id']}/activations.safetensors"))
    assert set(tensors) == set(expected)
    for name, numbers in expected.items():
        np.testing.assert_array_equal(tensors[name], numbers)

    overview = safetensors.numpy.load(fetch(api, f"/api/v1/runs/{run['id']}/overview.safetensors?tile=16"))
    for name, numbers in expected.items():
        maps = numbers.reshape(len(numbers), -1)
        assert overview[name].dtype == np.uint8
        assert len(overview[name]) == len(numbers)
        assert max(overview[name].shape[1:]) <= 16
        np.testing.assert_array_equal(overview[f"{name}.min"], maps.min(axis=1))
        np.testing.assert_array_equal(overview[f"{name}.max"], maps.max(axis=1))
    assert len(overview) == 3 * len(expected)


@every_model
def test_the_input_picture_is_what_the_network_saw(
    api: httpx.Client, catalog: Catalog, model: str, photo: bytes
) -> None:
    network = catalog.network(model)
    run = post_run(api, model, photo)
    with Image.open(io.BytesIO(fetch(api, f"/api/v1/runs/{run['id']}/input.png"))) as picture:
        seen = np.asarray(picture)
    expected = to_picture(network.tensor(decode(photo, 10**6)), network.weights.preprocessing)
    np.testing.assert_array_equal(seen, expected)
    assert seen.shape[:2] == network.graph.input_shape[1:]


@every_model
def test_layers_can_be_chosen(api: httpx.Client, model: str, photo: bytes) -> None:
    run = post_run(api, model, photo)
    first, last = run["layers"][1]["name"], run["layers"][-1]["name"]
    path = f"/api/v1/runs/{run['id']}"
    chosen = safetensors.numpy.load(fetch(api, f"{path}/activations.safetensors?layers={last},{first}"))
    assert set(chosen) == {first, last}
    chosen = safetensors.numpy.load(fetch(api, f"{path}/overview.safetensors?layers={first}"))
    assert set(chosen) == {first, f"{first}.min", f"{first}.max"}
    problem = problem_of(api.get(f"{path}/overview.safetensors?layers={first},nothing"), 404, "layer-not-found")
    assert problem["value"] == "nothing"
    assert last in problem["detail"]


def test_a_run_can_be_deleted(api: httpx.Client, catalog: Catalog) -> None:
    image = encode(draw_scene(12))
    model = catalog.models[0].id
    run = post_run(api, model, image)
    path = f"/api/v1/runs/{run['id']}"
    deleted = api.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    for gone in (path, f"{path}/input.png", f"{path}/layers/{run['layers'][0]['name']}/tensor.npy"):
        problem = problem_of(api.get(gone), 404, "run-not-found")
        assert problem["value"] == run["id"]
    problem_of(api.delete(path), 404, "run-not-found")
    assert post_run(api, model, image)["id"] == run["id"]


def test_an_expired_run_is_not_found(serve: Serve, catalog: Catalog) -> None:
    client = serve(run_ttl_seconds=4)
    run = post_run(client, catalog.models[0].id, encode(draw_scene(13)))
    assert client.get(f"/api/v1/runs/{run['id']}").status_code == 200
    time.sleep(4.1)
    problem_of(client.get(f"/api/v1/runs/{run['id']}"), 404, "run-not-found")


def test_everything_under_a_run_may_be_cached_for_ever(api: httpx.Client, catalog: Catalog, photo: bytes) -> None:
    run = post_run(api, catalog.models[0].id, photo)
    paths = [f"/api/v1/runs/{run['id']}{path}" for path in urls_of(run)]
    tags = set()
    for path in paths:
        answer = api.get(path)
        assert "immutable" in answer.headers["cache-control"]
        tags.add(answer.headers["etag"])
        again = api.get(path, headers={"If-None-Match": f'"other", W/{answer.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == answer.headers["etag"]
    assert len(tags) == len(paths)


def urls_of(run: dict[str, Any]) -> list[str]:
    """Every URL under a run (one channel and one unit a layer)."""
    paths = ["/input.png", "/overview.safetensors?tile=8", "/activations.safetensors"]
    for layer in run["layers"]:
        base = f"/layers/{layer['name']}"
        middle = "/".join(str(size // 2) for size in layer["shape"])
        paths += [base, f"{base}/tensor.npy", f"{base}/maps.png?tile=8", f"{base}/channels/0.png"]
        paths += [] if layer["op"] == "input" else [f"{base}/units/{middle}"]
    return paths


def test_every_url_of_ten_runs_answers_the_same_bytes_with_a_tiny_cache(
    serve: Serve, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, count = Engine.run, 0

    def counted(engine: Engine, tensor: np.typing.NDArray[np.float32]) -> Activations:
        nonlocal count
        count += 1
        return forward(engine, tensor)

    monkeypatch.setattr(Engine, "run", counted)
    model = catalog.models[0].id
    size = sum(4 * np.prod(layer.shape) for layer in catalog.network(model).graph.layers)
    roomy, tiny = serve(), serve(cache_bytes=int(1.5 * size))  # tiny: there is room for one run
    images = [encode(draw_scene(seed, 64, 48)) for seed in range(10)]
    runs = [post_run(tiny, model, image) for image in images]
    assert [post_run(roomy, model, image)["id"] for image in images] == [run["id"] for run in runs]
    assert len({run["id"] for run in runs}) == 10
    paths = [f"/api/v1/runs/{run['id']}{path}" for path in urls_of(runs[0]) for run in runs]
    expected = {path: hash(fetch(roomy, path)) for path in paths}
    assert count == 20  # the roomy one computed nothing twice
    for path in paths:  # one URL of every run in turn, so that each evicts the one before
        assert hash(fetch(tiny, path)) == expected[path], path
    assert count >= 20 + len(paths) - 1
