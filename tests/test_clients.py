"""Slow and vanished clients hold nothing; a server under twice its load answers right, or 503 at once."""

import errno
import gc
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI, Response

from app.catalog import Catalog
from app.imaging import Image as Picture
from app.network import Network
from app.routes.answers import BINARY, Drawn, send
from app.tensors import npy
from benchmarks import load
from tests.conftest import Serve, draw_scene, encode, problem_of, serving


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


@pytest.mark.parametrize("path", ["/api/v1/models/{model}/predictions", "/v2/models/{model}/infer"])
def test_a_body_that_does_not_come_is_given_up(serve: Serve, catalog: Catalog, path: str) -> None:
    client = serve(body_seconds=2)
    path = path.format(model=catalog.models[0].id)
    with open_request(client, path, b"abc", 1000) as connection:
        connection.settimeout(20)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))  # until the server closes
        assert answer.startswith(b"HTTP/1.1 408") and b"The body was not there 2.0 seconds after the head." in answer
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


def ask_without_reading(client: httpx.Client, path: str, after: str = "keep-alive") -> socket.socket:
    """A GET whose answer is not read, on a connection that takes little unread; `after`: what becomes of it then."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((client.base_url.host, client.base_url.port or 0))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: {after}\r\n\r\n".encode())
    return connection


def is_cut_off(connection: socket.socket) -> bool:
    """Whether the server has reset the connection; nothing is read."""
    try:
        connection.getpeername()
    except OSError as error:
        return error.errno == errno.ENOTCONN
    return False


def large_run(client: httpx.Client, catalog: Catalog, photo: bytes) -> str:
    """Path of a run whose activations no socket holds."""
    largest = max((one for one in catalog.networks if one.ready), key=lambda one: one.graph.units)
    return f"/api/v1/runs/{client.post(f'/api/v1/models/{largest.id}/runs', content=photo).json()['id']}"


def test_a_client_that_does_not_read_is_cut_off(serve: Serve, catalog: Catalog, photo: bytes) -> None:
    client = serve(send_seconds=0.5)
    run = large_run(client, catalog, photo)
    connection = ask_without_reading(client, f"{run}/activations.safetensors")
    wait_for(lambda: is_cut_off(connection))
    route = 'route="/api/v1/runs/{run}/activations.safetensors"'
    wait_for(lambda: route in client.get("/metrics").text)  # counted: the server is done with it
    connection.close()


@pytest.mark.parametrize("after", ["keep-alive", "close"])
def test_so_is_one_whose_answer_was_given_whole(after: str) -> None:
    app = FastAPI()
    app.add_route("/", lambda _: Response(bytes(16_000_000)))  # done with long before it is sent
    with serving(app, send_seconds=0.5) as url, httpx.Client(base_url=url, timeout=60) as client:
        connection = ask_without_reading(client, "/", after)
        wait_for(lambda: is_cut_off(connection))
        connection.close()


def test_what_was_not_read_is_given_back() -> None:
    app, size = FastAPI(), 16_000_000
    app.add_route("/", lambda _: send(Drawn(npy(np.zeros(size // 4, np.float32))), BINARY, {}))
    with serving(app, send_seconds=4) as url, httpx.Client(base_url=url, timeout=60) as client:
        tracemalloc.start()
        try:
            assert len(client.get("/").content) > size
            gc.collect()
            resting = tracemalloc.get_traced_memory()[0]
            waiting = [ask_without_reading(client, "/") for _ in range(4)]
            wait_for(lambda: tracemalloc.get_traced_memory()[0] - resting > 3 * size)
            wait_for(lambda: all(is_cut_off(one) for one in waiting))
            wait_for(lambda: tracemalloc.get_traced_memory()[0] - resting < size)
        finally:
            tracemalloc.stop()
        for one in waiting:
            one.close()


def address(url: str) -> tuple[str, int]:
    """Where a server listens, by its base URL."""
    at = httpx.URL(url)
    return at.host, at.port or 0


def ask_again(connection: socket.socket) -> bytes:
    """The answer to a GET on a connection that stays open; empty when the server has closed it."""
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    return answer_of(connection)


def answer_of(connection: socket.socket) -> bytes:
    """What comes up to the body `here`, or to the end."""
    connection.settimeout(20)
    answer = b""
    while not answer.endswith(b"here"):
        part = connection.recv(65536)
        if not part:
            break
        answer += part
    return answer


def test_an_idle_connection_is_closed_after_its_time_and_no_sooner_than_clients_close_theirs() -> None:
    app = FastAPI()
    app.add_route("/", lambda _: Response(b"here"))
    with serving(app, keep_alive_seconds=1) as url, socket.create_connection(address(url)) as connection:
        assert ask_again(connection).endswith(b"here")
        assert connection.recv(65536) == b""
    with serving(app) as url, socket.create_connection(address(url)) as connection:
        assert ask_again(connection).endswith(b"here")
        time.sleep(6)  # httpx gives its connections up after 5, which is uvicorn's own limit, too
        assert ask_again(connection).endswith(b"here")


def test_a_connection_whose_answer_came_before_the_body_can_be_used_again() -> None:
    app = FastAPI()
    app.add_route("/", lambda _: Response(b"here"), methods=["GET", "POST"])  # reads no body
    with (
        serving(app, body_seconds=2, keep_alive_seconds=5) as url,
        socket.create_connection(address(url)) as connection,
    ):
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n" + bytes(50))
        assert answer_of(connection).endswith(b"here")
        connection.sendall(bytes(50))
        time.sleep(3)  # a head that began with the second half of the body would be late by now
        assert ask_again(connection).endswith(b"here")
        assert connection.recv(65536) == b""


def test_a_client_that_reads_slowly_gets_all(serve: Serve, catalog: Catalog, photo: bytes) -> None:
    client = serve(send_seconds=2)  # a busy machine may leave this thread waiting for half a second
    path = f"{large_run(client, catalog, photo)}/activations.safetensors"
    expected = client.get(path).content
    with ask_without_reading(client, path) as connection:
        connection.settimeout(20)
        got, slow_until = b"", time.monotonic() + 5  # looked at twice
        while time.monotonic() < slow_until:
            got += connection.recv(1024)
            time.sleep(0.02)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        pieces, whole = [got], got.index(b"\r\n\r\n") + 4 + len(expected)
        while sum(map(len, pieces)) < whole:
            pieces.append(connection.recv(1 << 20))
            assert pieces[-1], "closed before its end"
    assert b"".join(pieces).endswith(expected)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n\r\n"])
def test_a_head_that_does_not_come_is_given_up(serve: Serve, begun: bytes) -> None:
    client = serve(body_seconds=2)
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as connection:
        connection.sendall(begun)
        connection.settimeout(20)
        assert connection.recv(1) == b""


def test_who_asks_and_then_waits_keeps_the_connection(serve: Serve) -> None:
    client = serve(body_seconds=2)
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as connection:
        connection.settimeout(20)
        for pause in (0, 3):
            time.sleep(pause)
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(65536) or b"}"  # closed: it ends here, and is no 200
            assert answer.startswith(b"HTTP/1.1 200")


def test_twice_the_load_for_a_moment(cache_dir: Path, catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    assert catalog.ready
    arguments = ["--seconds", "4", "--connections", "64", "--queue", "8", "--cache-dir", str(cache_dir)]
    # on a machine that does other things too, the time is left to the long run
    status = load.main([*arguments, "--factor", "1000", "--model", catalog.models[0].id])
    assert status == 0, capsys.readouterr().out
