"""Slow and vanished clients hold nothing; a server under twice its load answers right, or 503 at once."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.catalog import Catalog
from app.imaging import Image as Picture
from app.network import Network
from benchmarks import load
from tests.conftest import Serve, draw_scene, encode, problem_of


def pending(client: httpx.Client) -> float:
    lines = client.get("/metrics").text.splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("convscope_inferences_pending ")))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def open_request(client: httpx.Client, path: str, body: bytes, length: int) -> socket.socket:
    """A request whose answer is not read; `length` may promise more body than there is."""
    connection = socket.create_connection((client.base_url.host, client.base_url.port or 0))
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {length}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


def test_a_client_that_vanishes_frees_its_place(
    serve: Serve, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocess, gate = Network.tensor, threading.Event()

    def slow(network: Network, image: Picture) -> np.typing.NDArray[np.float32]:
        gate.wait(30)
        return preprocess(network, image)

    monkeypatch.setattr(Network, "tensor", slow)
    client = serve(concurrency=1, queue=2)
    path = f"/api/v1/models/{catalog.models[0].id}/predictions"
    image = encode(draw_scene(1, 64, 48))
    try:
        asked = [open_request(client, path, image, len(image)) for _ in range(3)]
        wait_for(lambda: pending(client) == 3)
        problem_of(client.post(path, content=image), 503, "overloaded")
        for one in asked[1:]:
            one.close()
        wait_for(lambda: pending(client) == 1)  # the two that waited are gone, at once
        asked[0].close()
    finally:
        gate.set()
    wait_for(lambda: pending(client) == 0)
    assert client.post(path, content=image).status_code == 200
    assert 'status="499"' in client.get("/metrics").text


def test_a_body_that_does_not_come_is_given_up(serve: Serve, catalog: Catalog) -> None:
    client = serve(body_seconds=0.3)
    path = f"/api/v1/models/{catalog.models[0].id}/predictions"
    with open_request(client, path, b"abc", 1000) as connection:
        connection.settimeout(20)
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 408") and b"upload-too-slow" in answer + connection.recv(65536)
    assert pending(client) == 0


def test_uploads_together_take_no_more_than_the_setting(serve: Serve, catalog: Catalog) -> None:
    client, model = serve(upload_bytes=100_000), catalog.models[0].id
    path, image = f"/api/v1/models/{model}/predictions", encode(draw_scene(3, 200, 100), "BMP")
    assert 50_000 < len(image) < 100_000
    assert client.post(path, content=image).status_code == 200
    with open_request(client, path, image[:-100], len(image)):
        time.sleep(1)  # nothing tells when it has been read; were another first, this one would be refused
        problem = problem_of(client.post(path, content=image), 503, "overloaded")
        assert "CONVSCOPE_UPLOAD_BYTES" in problem["detail"]
        assert client.get("/api/v1/models").status_code == 200
    wait_for(lambda: client.post(path, content=image).status_code == 200)  # given up, and its place is free


def test_a_client_that_does_not_read_is_given_up(serve: Serve, catalog: Catalog, photo: bytes) -> None:
    client = serve(send_seconds=0.3)
    largest = max((one for one in catalog.networks if one.ready), key=lambda one: one.graph.units)
    run = client.post(f"/api/v1/models/{largest.id}/runs", content=photo).json()["id"]
    connection = socket.create_connection((client.base_url.host, client.base_url.port or 0))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(f"GET /api/v1/runs/{run}/activations.safetensors HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    route = 'route="/api/v1/runs/{run}/activations.safetensors"'
    wait_for(lambda: route in client.get("/metrics").text)  # counted: the server is done with it
    connection.close()


def test_twice_the_load_for_a_moment(cache_dir: Path, catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    assert catalog.ready
    arguments = ["--seconds", "4", "--connections", "64", "--queue", "8", "--cache-dir", str(cache_dir)]
    # on a machine that does other things too, the time is left to the long run
    status = load.main([*arguments, "--factor", "1000", "--model", catalog.models[0].id])
    assert status == 0, capsys.readouterr().out
