"""Answers that are derived from runs: what a slow client holds is counted, what it has already is not sent again."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import MakeSettings, post_run, problem_of, serving_own
from tests.small_onnx import classifier, save
from tests.test_mirrors import wait_until

LIMIT = 4_000_000  # bytes of answers; the largest layer has four times that


@pytest.fixture(scope="module")
def own(make_settings: MakeSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("own")
    (folder / "nothing").mkdir()
    settings = make_settings(onnx=save(classifier(size=1024), folder / "own.onnx"), answer_bytes=LIMIT)
    with serving_own(settings, folder / "nothing") as client:
        yield client


@pytest.fixture(scope="module")
def run(own: httpx.Client, photo: bytes) -> str:
    return f"/api/v1/runs/{post_run(own, 'own', photo)['id']}"


def test_arrays_that_clients_are_slow_to_read_take_no_more_than_the_setting(own: httpx.Client, run: str) -> None:
    tensor, everything = f"{run}/layers/a.conv/tensor.npy", f"{run}/activations.safetensors"
    etag = own.get(tensor).headers["etag"]  # one alone is never too much
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((own.base_url.host, own.base_url.port or 0))
        connection.sendall(f"GET {tensor} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert connection.recv(12) == b"HTTP/1.1 200"  # it is being sent, and not read on
        for url in (tensor, everything):
            refused = own.get(url)
            assert "CONVSCOPE_ANSWER_BYTES" in problem_of(refused, 503, "overloaded")["detail"]
            assert int(refused.headers["retry-after"]) >= 1
        assert own.get(f"{run}/overview.safetensors").status_code == 200  # the small ones wait for none
        assert own.get(f"{run}/layers/a.conv").status_code == 200
        assert own.get(tensor, headers={"If-None-Match": etag}).status_code == 304
    wait_until(lambda: own.get(everything).status_code == 200)  # its client is gone


def test_whoever_has_any_version_learns_whether_there_is_one(own: httpx.Client, run: str) -> None:
    some = {"If-None-Match": "*"}
    assert own.get(f"{run}/layers/a.conv/maps.png", headers=some).status_code == 200
    problem_of(own.get(f"{run}/layers/nothing/maps.png", headers=some), 404, "layer-not-found")
