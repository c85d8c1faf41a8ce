"""The Open Inference Protocol, spoken by the real client."""

import math
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from app.catalog import Catalog
from app.errors import InvalidValue
from app.imaging import decode
from app.layer import Layer
from app.network import Network
from app.routes.inference import probabilities_name
from app.tensor_protocol import LARGE_JSON_BYTES, read_request
from app.workers import Workers
from tests.conftest import Serve, every_model
from tests.test_mirrors import wait_until


@pytest.fixture
def client(server: str) -> Iterator[triton.InferenceServerClient]:
    speaking = triton.InferenceServerClient(server.removeprefix("http://"), network_timeout=120)
    yield speaking
    speaking.close()


def image_input(network: Network, tensors: np.typing.NDArray[np.float32], binary: bool) -> triton.InferInput:
    given = triton.InferInput(network.graph.input_name, list(tensors.shape), "FP32")
    given.set_data_from_numpy(tensors, binary_data=binary)
    return given


def test_the_server_tells_of_itself(client: triton.InferenceServerClient, catalog: Catalog) -> None:
    assert client.is_server_live() and client.is_server_ready()
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    for manifest in catalog.models:
        assert client.is_model_ready(manifest.id)
        assert client.is_model_ready(manifest.id, manifest.default_weights)
        assert not client.is_model_ready(manifest.id, "structure")
    assert not client.is_model_ready("nothing")


@every_model
def test_every_layer_is_an_output(client: triton.InferenceServerClient, catalog: Catalog, model: str) -> None:
    network = catalog.network(model)
    told = client.get_model_metadata(model)
    assert told["name"] == model and network.weights_id in told["versions"]
    assert told["inputs"] == [
        {"name": network.graph.input_name, "datatype": "FP32", "shape": [-1, *network.graph.input_shape]}
    ]
    outputs = {one["name"]: one["shape"] for one in told["outputs"]}
    for layer in network.graph.layers:
        assert outputs.pop(layer.name) == [-1, *layer.shape]
    assert list(outputs) == ([] if network.graph.output_is_probability else ["probabilities"])


@every_model
@pytest.mark.parametrize("binary", [True, False])
def test_layers_by_name_are_the_runs_own(
    client: triton.InferenceServerClient, catalog: Catalog, model: str, photo: bytes, binary: bool
) -> None:
    network = catalog.network(model)
    tensor = network.tensor(decode(photo, 10**6))
    expected = network.engine.run(tensor)
    small = sorted(network.graph.layers[1:], key=lambda layer: int(np.prod(layer.shape)))[:3]
    names = [layer.name for layer in small] + ([network.graph.layers[1].name] if binary else [])
    asked = [triton.InferRequestedOutput(name, binary_data=binary) for name in names]
    answer = client.infer(model, [image_input(network, tensor[None], binary)], outputs=asked, request_id="7")
    assert answer.get_response()["id"] == "7"
    assert answer.get_response()["model_version"] == network.weights_id
    for name in names:
        found = answer.as_numpy(name)
        assert found.shape == (1, *expected[name].shape) and found.dtype == np.float32
        spread = np.maximum(np.abs(expected[name]), expected[name].std())
        assert np.all(np.abs(found[0] - expected[name]) <= 1e-4 * spread + 1e-12)


@every_model
def test_without_outputs_the_probabilities_of_a_batch(
    client: triton.InferenceServerClient, catalog: Catalog, model: str, photo: bytes, digit: bytes
) -> None:
    network = catalog.network(model)
    batch = np.stack([network.tensor(decode(one, 10**6)) for one in (photo, digit, photo)])
    answer = client.infer(model, [image_input(network, batch, True)])
    (output,) = answer.get_response()["outputs"]
    assert output["name"] == probabilities_name(network)
    rows = answer.as_numpy(output["name"])
    assert rows.shape == (3, network.graph.classes)
    np.testing.assert_allclose(rows, network.engine.probabilities(batch), atol=1e-5)
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-4)


def test_errors_are_the_protocols(client: triton.InferenceServerClient, catalog: Catalog, api: httpx.Client) -> None:
    network = catalog.network(catalog.models[0].id)
    channels, height, width = network.graph.input_shape
    good = image_input(network, np.zeros((1, channels, height, width), np.float32), True)
    with pytest.raises(InferenceServerException, match="There is no network 'nothing'") as unknown:
        client.infer("nothing", [good])
    assert unknown.value.status() == "404"
    with pytest.raises(InferenceServerException, match="no layer 'nothing'"):
        client.infer(network.id, [good], outputs=[triton.InferRequestedOutput("nothing")])
    with pytest.raises(InferenceServerException, match="takes"):
        client.infer(network.id, [image_input(network, np.zeros((1, 2, 3, 4), np.float32), True)])
    other = triton.InferInput("nothing", [1], "FP32")
    other.set_data_from_numpy(np.zeros(1, np.float32))
    with pytest.raises(InferenceServerException, match="its input is"):
        client.infer(network.id, [other])
    with pytest.raises(InferenceServerException, match="structure"):
        client.infer(network.id, [good], model_version="structure")

    url = f"/v2/models/{network.id}/infer"
    name = network.graph.input_name
    for body, headers, status in (
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b'{"inputs": []}', {}, 400),
        (b'{"inputs": [{"name": "x", "shape": [1], "datatype": "INT8", "data": [1]}]}', {}, 400),
        (b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": ["a"]}]}', {}, 400),
        *(
            (f'{{"inputs": [{{"name": "x", "shape": [2], "datatype": "FP32", "data": {data}}}]}}'.encode(), {}, 400)
            for data in ('["1.5", "2"]', "[null, 1]", "[true, 1.5]", "[[1], [[]]]", "[{}, 1]")
        ),
        (b'{"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1]}]}', {}, 400),
        (b'{"inputs": [{"name": "x", "shape": [-1], "datatype": "FP32", "data": [1]}]}', {}, 400),
        (b'{"inputs": [{"name": "x", "shape": [], "datatype": "FP32", "data": [1]}]}', {}, 400),
        (f'{{"inputs": [{{"name": "{name}", "shape": [0, 1], "datatype": "FP32", "data": []}}]}}'.encode(), {}, 400),
        (
            f'{{"inputs": [{{"name": "{name}", "shape": {[1] * 100}, "datatype": "FP32", "data": [1]}}]}}'.encode(),
            {},
            400,
        ),
        (f'{{"inputs": [{{"name": "{name}", "shape": {[0, 2**62, 2**62]}, "datatype": "FP32"}}]}}'.encode(), {}, 400),
        (b"{}abc", {"Inference-Header-Content-Length": "9" * 5000}, 400),
        (b"{}abc", {"Inference-Header-Content-Length": "99"}, 400),
        (b"{}abc", {"Inference-Header-Content-Length": "-1"}, 400),
        (b"{}", {"Content-Encoding": "gzip"}, 415),
        (bytes(21 * 1024 * 1024), {}, 413),
    ):
        answer = api.post(url, content=body, headers=headers)
        assert answer.status_code == status, (body[:80], answer.text)
        assert list(answer.json()) == ["error"] and answer.headers["content-type"] == "application/json"
    for answer in (api.get("/v2/nothing"), api.get("/v2?x=1"), api.put("/v2"), api.get(url)):
        assert answer.status_code in (404, 400, 405)
        assert list(answer.json()) == ["error"]


def test_what_is_no_number_is_not_read_as_one() -> None:
    def given(data: str, parameters: str = "{}") -> bytes:
        one = f'{{"name": "x", "shape": [2], "datatype": "FP32", "data": {data}, "parameters": {parameters}}}'
        return f'{{"inputs": [{one}], "outputs": [{{"name": "y", "parameters": null}}], "parameters": null}}'.encode()

    for data in ('["1.5", "2"]', "[null, 1]", "[true, 1.5]", "[[1], [null]]"):
        with pytest.raises(InvalidValue, match="not numbers"):
            read_request(given(data), len(given(data)))
    body = given("[[1], [2.5]]", "null")
    asked = read_request(body, len(body))
    assert asked.tensor.tolist() == [1, 2.5] and not asked.wants_binary("y")


def test_large_json_takes_turns(api: httpx.Client, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    read, count = Workers.read, 0

    async def counted(workers: Workers, work: Callable[[], Any]) -> Any:
        nonlocal count
        count += 1
        return await read(workers, work)

    monkeypatch.setattr(Workers, "read", counted)
    network = catalog.network(catalog.models[0].id)
    path, body, headers = asking_for(network, network.graph.layers, binary=True)
    assert api.post(path, content=body, headers=headers).status_code == 200 and count == 0
    assert api.post(path, content=b" " * LARGE_JSON_BYTES + body, headers=headers).status_code == 400 and count == 0
    assert api.post(path, content=b" " * LARGE_JSON_BYTES + b"{}").status_code == 400 and count == 1


def asking_for(network: Network, layers: Sequence[Layer], binary: bool) -> tuple[str, bytes, dict[str, str]]:
    """Path, body and headers of a request for some layers of an empty picture."""
    shape = [1, *network.graph.input_shape]
    given = {
        "name": network.graph.input_name,
        "shape": shape,
        "datatype": "FP32",
        "parameters": {"binary_data_size": 4 * int(np.prod(shape))},
    }
    request = {
        "inputs": [given],
        "outputs": [{"name": layer.name} for layer in layers],
        "parameters": {"binary_data_output": binary},
    }
    asked = httpx.Request("POST", "http://x", json=request).content
    headers = {"Inference-Header-Content-Length": str(len(asked))}
    return f"/v2/models/{network.id}/infer", asked + bytes(4 * int(np.prod(shape))), headers


def one_at_a_time(client: httpx.Client, path: str, body: bytes, headers: dict[str, str]) -> None:
    """While somebody is slow to read the answer to this, nobody else gets it."""

    def answer() -> httpx.Response:
        return client.post(path, content=body, headers=headers)

    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((client.base_url.host, client.base_url.port or 0))
        told = "".join(
            f"{name}: {value}\r\n" for name, value in (headers | {"Content-Length": str(len(body))}).items()
        )
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n{told}\r\n".encode() + body)
        assert connection.recv(12) == b"HTTP/1.1 200"  # it is being sent, and not read on
        refused = answer()
        assert refused.status_code == 503 and "CONVSCOPE_ANSWER_BYTES" in refused.json()["error"]
        assert int(refused.headers["retry-after"]) >= 1
    wait_until(lambda: answer().status_code == 200)  # its client is gone


def test_answers_together_take_no_more_than_the_setting(catalog: Catalog, serve: Serve) -> None:
    large = [one for one in catalog.networks if one.ready and 4 * one.graph.units > 10_000_000]  # no socket holds it
    network = min(large, key=lambda one: one.graph.units)
    client = serve(answer_bytes=1_000_000)
    path, body, headers = asking_for(network, network.graph.layers, binary=True)
    answer = client.post(path, content=body, headers=headers)
    assert len(answer.content) > 4 * network.graph.units  # one alone is never too much
    one_at_a_time(client, path, body, headers)


def test_numbers_in_json_count_as_their_text(catalog: Catalog, serve: Serve) -> None:
    sizes = {
        (network, layer): math.prod(layer.shape)
        for network in catalog.networks
        if network.ready
        for layer in network.graph.layers
    }
    network, layer = max((one for one, size in sizes.items() if size < 2_000_000), key=lambda one: sizes[one])
    client = serve(answer_bytes=20 * sizes[network, layer])  # twice as much as numbers, not as text
    one_at_a_time(client, *asking_for(network, [layer], binary=False))


def test_an_answer_too_large_for_json_says_so(catalog: Catalog, api: httpx.Client) -> None:
    network = max((one for one in catalog.networks if one.ready), key=lambda one: one.graph.units)
    path, body, headers = asking_for(network, network.graph.layers, binary=False)
    answer = api.post(path, content=body, headers=headers)
    assert answer.status_code == 400 and "binary_data" in answer.json()["error"]
