"""Where networks look: class activation maps against the logit, occlusion against forward passes, over HTTP."""

import io
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from app.cam import class_activation_map, find_tail, gradient_class_activation_map
from app.catalog import Catalog
from app.engine import Engine
from app.errors import NotSupported
from app.graph import read_graph
from app.imaging import decode
from app.network import Network
from app.occlusion import PATCHES, places
from app.parameters import Parameters
from app.saliency import methods, saliency
from tests.conftest import Serve, every_model, post_run, problem_of
from tests.small_onnx import classifier

Array = npt.NDArray[np.float32]


def has_tail(network: Network) -> bool:
    try:
        find_tail(network.graph)
    except NotSupported:
        return False
    return True


def pooled(catalog: Catalog) -> list[Network]:
    """The networks that end in a global average pool and one full layer."""
    networks = [catalog.network(manifest.id) for manifest in catalog.models]
    return [network for network in networks if has_tail(network)]


def test_the_graph_tells_who_has_class_activation_maps(catalog: Catalog) -> None:
    found = pooled(catalog)
    assert found
    for network in (catalog.network(manifest.id) for manifest in catalog.models):
        ops = [layer.op for layer in network.graph.layers]
        assert (network in found) is ("global_average_pool" in ops and ops.count("full") == 1), network.id
    with pytest.raises(NotSupported, match="occlusion"):
        find_tail(read_graph(classifier()))


def test_averages_that_pass_an_activation_are_not_weighed_as_they_are(catalog: Catalog) -> None:
    graph = pooled(catalog)[0].graph
    pool = next(layer for layer in reversed(graph.layers) if layer.op == "global_average_pool")
    assert pool.activation is None
    layers = tuple(replace(layer, activation="tanh") if layer is pool else layer for layer in graph.layers)
    with pytest.raises(NotSupported, match=r"an activation \(tanh\) between the averages"):
        find_tail(replace(graph, layers=layers))


def test_the_mean_of_a_class_activation_map_is_the_logit(catalog: Catalog, photo: bytes) -> None:
    for network in pooled(catalog):
        run = network.run(photo)
        graph = network.graph
        assert graph.logits is not None
        logits = run.activations[graph.logits.name].reshape(-1)
        parameters = Parameters(graph, network.initializers)
        biases = parameters.biases(find_tail(graph).full)
        for index in range(graph.classes):
            cam = class_activation_map(graph, parameters, run.activations, index)
            assert cam.shape == find_tail(graph).maps.shape[1:]
            assert cam.mean(dtype=np.float64) + biases[index] == pytest.approx(logits[index], abs=1e-3)
            gradient = gradient_class_activation_map(graph, parameters, run.activations, index)
            np.testing.assert_allclose(gradient, np.maximum(cam, 0) / cam.size, rtol=1e-6)
            assert saliency(network, run.activations, "cam", index).shape == graph.input_shape[1:]


def test_grad_cam_is_the_gradient_of_the_logit(catalog: Catalog, photo: bytes) -> None:
    """By differences: onnxruntime computes the logits again from maps one cell of which was nudged."""
    for network in pooled(catalog):
        run, tail = network.run(photo), find_tail(network.graph)
        head = behind(network, tail.maps.tensor, tail.full.tensor)
        maps = run[tail.maps.name]  # (K, h, w)
        before = head(maps)
        np.testing.assert_allclose(before, run[tail.full.name].reshape(-1), rtol=1e-4, atol=1e-4)
        nudge = 1000.0  # the logits are linear in the maps
        gradients = np.empty((network.graph.classes, len(maps)))  # of a logit by one cell of a map
        for k in range(len(maps)):
            moved = maps.copy()
            moved[k, 1, 2] += nudge
            gradients[:, k] = (head(moved) - before) / nudge
        parameters = Parameters(network.graph, network.initializers)
        for index in (0, network.graph.classes - 1):
            expected = np.maximum(np.tensordot(gradients[index], maps, axes=1), 0)
            found = gradient_class_activation_map(network.graph, parameters, run.activations, index)
            np.testing.assert_allclose(found, expected, atol=1e-3 * expected.max())


def behind(network: Network, first: str, last: str) -> Callable[[Array], Array]:
    """The part of a network between two tensors, in onnxruntime: (C, H, W) to (N,)."""
    given = helper.make_tensor_value_info(first, onnx.TensorProto.FLOAT, None)
    whole = onnx.ModelProto()
    whole.CopyFrom(network.model)
    del whole.graph.input[:], whole.graph.output[:], whole.graph.initializer[:]
    whole.graph.input.append(given)
    whole.graph.output.append(onnx.ValueInfoProto(name=last))
    needed, nodes = {last}, list[onnx.NodeProto]()
    for node in reversed(network.model.graph.node):
        if needed & set(node.output) and first not in node.output:
            nodes.insert(0, node)
            needed |= set(node.input)
    del whole.graph.node[:]
    whole.graph.node.extend(nodes)
    whole.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in network.initializers.items() if name in needed
    )
    session = ort.InferenceSession(whole.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda maps: np.asarray(session.run([last], {first: maps[None]})[0], dtype=np.float32).reshape(-1)


@pytest.mark.parametrize(("size", "patch"), [(224, 32), (10, 3), (5, 5), (7, 1)])
def test_patches_cover_every_pixel(size: int, patch: int) -> None:
    starts = places(size, patch)
    covered = {pixel for start in starts for pixel in range(start, start + patch)}
    assert covered == set(range(size))
    assert len(set(starts)) == len(starts)


def test_occlusion_is_the_fall_of_the_probability(catalog: Catalog, digit: bytes) -> None:
    network = min((one for one in catalog.networks if one.ready), key=lambda one: one.graph.multiply_adds)
    tensor = network.tensor(decode(digit, 10**6))
    activations = network.engine.run(tensor)
    index = network.predict(decode(digit, 10**6), 2)[1].index  # the first is certain, whatever is covered
    told: list[tuple[int, int]] = []
    heat = saliency(network, activations, "occlusion", index, lambda done, of: told.append((done, of)))
    assert heat.shape == tensor.shape[1:] and heat.dtype == np.float32
    passes = 1 + len(places(tensor.shape[1], round(min(tensor.shape[1:]) / PATCHES))) ** 2
    assert told[0] == (0, passes) and told[-1] == (passes, passes) and len(told) > 2
    assert told == sorted(told)
    patch = round(min(tensor.shape[1:]) / PATCHES)

    def fall(top: int, left: int) -> float:
        hidden = tensor.copy()
        hidden[:, top : top + patch, left : left + patch] = tensor.min()  # paper
        whole, covered = network.engine.probabilities(np.stack([tensor, hidden]))[:, index]
        return float(whole - covered)

    height, width = tensor.shape[1:]
    for y, x in ((0, 0), (height // 2, width // 2), (height - 1, 3)):
        tops = [top for top in places(height, patch) if top <= y < top + patch]
        lefts = [left for left in places(width, patch) if left <= x < left + patch]
        mean = np.mean([fall(top, left) for top in tops for left in lefts])
        assert heat[y, x] == pytest.approx(mean, abs=1e-6)


# --- over HTTP ------------------------------------------------------------------------------------------------


def array_of(client: httpx.Client, path: str) -> np.typing.NDArray[Any]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    array: np.typing.NDArray[Any] = np.load(io.BytesIO(answer.content))
    return array


@every_model
def test_maps_have_the_inputs_size_or_say_why_not(
    api: httpx.Client, catalog: Catalog, model: str, photo: bytes
) -> None:
    run = post_run(api, model, photo)
    path, size = f"/api/v1/runs/{run['id']}", catalog.network(model).graph.input_shape[1:]
    named = api.get(f"/api/v1/models/{model}").json()["saliency"]
    assert named == methods(catalog.network(model).graph) and named[-1] == "occlusion"
    assert ("cam" in named) is ("grad_cam" in named) is has_tail(catalog.network(model))
    for method in ("cam", "grad_cam"):
        url = f"{path}/saliency.npy?method={method}"
        if not has_tail(catalog.network(model)):
            problem = problem_of(api.get(url), 409, "not-supported")
            assert "occlusion" in problem["detail"]
            continue
        heat = array_of(api, url)
        assert heat.shape == size and heat.dtype == np.float32
        answer = api.get(f"{path}/saliency.png?method={method}&class=")
        assert answer.headers["saliency-class"] == str(run["predictions"][0]["index"])
        with Image.open(io.BytesIO(answer.content)) as picture:
            levels = np.asarray(picture, dtype=np.float64)
        assert levels.shape == size
        span = heat.max() - heat.min()
        np.testing.assert_allclose(levels, (heat - heat.min()) / span * 255, atol=0.51)
        other = array_of(api, f"{url}&class={(run['predictions'][0]['index'] + 1) % 10}")
        assert not np.array_equal(other, heat)


def test_occlusion_over_http_is_kept_and_cacheable(api: httpx.Client, catalog: Catalog, digit: bytes) -> None:
    model = catalog.models[0].id
    run = post_run(api, model, digit)
    url = f"/api/v1/runs/{run['id']}/saliency.npy?method=occlusion"
    first = api.get(url)
    assert first.status_code == 200 and "immutable" in first.headers["cache-control"]
    network = catalog.network(model)
    expected = saliency(network, network.run(digit).activations, "occlusion", run["predictions"][0]["index"])
    np.testing.assert_allclose(np.load(io.BytesIO(first.content)), expected, atol=1e-6)
    assert api.get(url, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    problem = problem_of(api.get(f"{url}&class=10"), 422, "invalid-value")
    assert (problem["field"], problem["value"], problem["range"]) == ("class", 10, "0 to 9")
    problem = problem_of(api.get(f"/api/v1/runs/{run['id']}/saliency.png?method=guess"), 422, "invalid-value")
    assert problem["field"] == "method" and "occlusion" in problem["range"]
    assert api.delete(f"/api/v1/runs/{run['id']}").status_code == 204
    problem_of(api.get(url), 404, "run-not-found")


def test_how_far_it_is_can_be_asked_while_it_is_computed(
    serve: Serve, catalog: Catalog, digit: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    classify, gate, entered = Engine.classify, threading.Event(), threading.Event()

    def slow(engine: Engine, tensors: Iterable[Array]) -> Iterator[Array]:
        for batch in classify(engine, tensors):
            yield batch
            entered.set()
            gate.wait(30)

    client, network = serve(), min((one for one in catalog.networks if one.ready), key=lambda one: one.engine.batch)
    run = post_run(client, network.id, digit)["id"]
    monkeypatch.setattr(Engine, "classify", slow)
    url = f"/api/v1/runs/{run}/saliency"
    with ThreadPoolExecutor(1) as pool:
        map_of_it = pool.submit(client.get, f"{url}.npy?method=occlusion&class=3")
        try:
            assert entered.wait(30)
            answer = client.get(f"{url}/progress?method=occlusion&class=3")
            other = client.get(f"{url}/progress?method=occlusion&class=4").json()
        finally:
            gate.set()
        assert map_of_it.result().status_code == 200
    far = answer.json()
    assert 0 < far["done"] == min(network.engine.batch, far["of"]) and far["of"] > 100
    assert answer.headers["cache-control"] == "no-store"
    assert other == {"done": 0, "of": 0} == client.get(f"{url}/progress?method=occlusion&class=3").json()
    assert problem_of(client.get(f"{url}/progress?class=10"), 422, "invalid-value")["field"] == "class"
    problem_of(client.get(f"/api/v1/runs/{'0' * 40}/saliency/progress"), 404, "run-not-found")
