"""Runs through a real Redis: made on one replica, read on the other, byte for byte; Redis gone and back."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest

from app import redis_records
from app.catalog import Catalog
from app.errors import InvalidValue, RunsUnavailable
from app.main import create_app
from app.redis_records import RedisRecords, pack, unpack
from app.stores import Elapsed, Record
from benchmarks.port import free_port
from tests.conftest import MakeSettings, Serve, draw_scene, encode, post_run, problem_of, serving
from tests.small_onnx import classifier, save
from tests.test_api_runs import urls_of


class Redis:
    """A redis-server of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir"]
        self.process = subprocess.Popen([*command, str(self.folder)], stdout=subprocess.DEVNULL)
        wait_for(self.answers)

    def answers(self) -> bool:
        with socket.socket() as knocking:
            return knocking.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    if shutil.which("redis-server") is None:
        pytest.skip("there is no redis-server on PATH (Debian: apt install redis-server)")
    running = Redis(tmp_path)
    running.start()
    yield running
    running.stop()


def record(name: str, expires: float) -> Record:
    shares = np.array([0.25, 0.75], np.float32)
    return Record(name, "m", "w", "fp32", 1, b"\0image\xff", "ab", 3, 2, shares, 5, Elapsed(1, 2, 3, 4), 1, expires)


def same(one: Record, other: Record) -> bool:
    return pack(one) == pack(other)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def test_a_record_survives_packing() -> None:
    packed = record("a", 2000.5)
    again = unpack(pack(packed))
    np.testing.assert_array_equal(again.probabilities, packed.probabilities)
    assert (again.image, again.elapsed, again.expires) == (packed.image, packed.elapsed, packed.expires)
    assert same(again, packed)


def test_records_live_as_long_as_they_should(redis: Redis) -> None:
    gone = list[str]()
    store, other = RedisRecords(redis.url, 60, forget=gone.append), RedisRecords(redis.url, 60)
    assert store.find("a") is None and not store.remove("a")
    gone.clear()
    store.put(record("a", time.time() + 60))
    store.put(record("b", time.time() + 0.2))
    found = other.find("a")
    assert found is not None and same(found, record("a", found.expires))
    assert (len(store), len(other)) == (2, 1) and store.nbytes > 0
    wait_for(lambda: other.find("b") is None)
    assert other.remove("a")
    store.sweep()
    assert sorted(gone) == ["a", "b"] and len(store) == 0
    assert store.share("word", "first") == "first" == other.share("word", "second")


def test_gone_and_back(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    store = RedisRecords(redis.url, 60)
    store.put(record("a", time.time() + 60))
    redis.stop()
    for _ in range(3):
        with pytest.raises(RunsUnavailable):
            store.find("a")
    redis.start()
    assert store.find("a") is None  # it kept nothing on disk
    said = [line.message for line in caplog.records]
    assert len(said) == 2 and "is gone" in said[0] and "is back" in said[1]  # once each


def test_one_that_does_not_answer_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_records, "TIMEOUT", 0.5)
    monkeypatch.setattr(redis_records, "SILENT", 60.0)
    with socket.socket() as silent:  # takes connections, and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = RedisRecords(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", 60)
        with pytest.raises(RunsUnavailable):
            store.find("a")
        silent.settimeout(0)
        for ask in (
            partial(store.find, "a"),
            store.check,
            partial(store.share, "a", "b"),
            partial(store.remove, "a"),
        ):
            with pytest.raises(RunsUnavailable, match="cannot be reached"):
                ask()
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()  # the four did not even connect


def test_one_that_answers_again_is_used_again(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_records, "TIMEOUT", 1.0)
    monkeypatch.setattr(redis_records, "SILENT", 0.2)
    store = RedisRecords(redis.url, 60)
    store.put(record("a", time.time() + 60))
    assert redis.process is not None
    redis.process.send_signal(signal.SIGSTOP)
    with pytest.raises(RunsUnavailable):
        store.find("a")
    redis.process.send_signal(signal.SIGCONT)

    def is_back() -> bool:
        try:
            return store.find("a") is not None
        except RunsUnavailable:
            return False

    wait_for(is_back)


def test_an_address_that_is_none(make_settings: MakeSettings) -> None:
    with pytest.raises(InvalidValue, match="CONVSCOPE_RUNS"):
        RedisRecords("http://x", 60)
    with pytest.raises(ValueError, match="runs"):
        make_settings(runs="http://x")


def test_made_on_one_replica_and_read_on_the_other(redis: Redis, serve: Serve, catalog: Catalog) -> None:
    first, second = serve(runs=redis.url), serve(runs=redis.url)
    image = encode(draw_scene(5))
    for manifest in catalog.models[:2]:
        run = post_run(first, manifest.id, image)
        path = f"/api/v1/runs/{run['id']}"
        assert second.get(path).json() == run
        assert second.post(f"/api/v1/models/{manifest.id}/runs", content=image).status_code == 200
        for url in urls_of(run):
            here, there = first.get(path + url), second.get(path + url)
            assert (here.status_code, there.status_code) == (200, 200), url
            assert here.content == there.content, url
            assert here.headers["etag"] == there.headers["etag"]
        assert second.delete(path).status_code == 204
        problem_of(first.get(path), 404, "run-not-found")
        problem_of(first.get(f"{path}/input.png"), 404, "run-not-found")


def test_what_a_run_was_made_from_is_fetched_once_an_answer(
    redis: Redis, serve: Serve, catalog: Catalog, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, count = RedisRecords.find, 0

    def counted(store: RedisRecords, run: str) -> Record | None:
        nonlocal count
        count += 1
        return find(store, run)

    client = serve(runs=redis.url)
    path = f"/api/v1/runs/{post_run(client, catalog.models[0].id, photo)['id']}"
    client.get(f"{path}/saliency.npy")  # computed, which asks whether the run is still there
    monkeypatch.setattr(RedisRecords, "find", counted)
    for number, url in enumerate((f"{path}/input.png", f"{path}/saliency.npy"), start=1):
        assert client.get(url).status_code == 200 and count == number


def test_a_run_of_a_file_that_was_replaced_is_not_shown_as_the_new_one_s(
    redis: Redis, make_settings: MakeSettings, photo: bytes, tmp_path: Path
) -> None:
    run = ""
    for classes, status in ((8, 200), (5, 404)):
        save(classifier(classes=classes), tmp_path / "own.onnx")
        settings = make_settings(runs=redis.url, onnx=tmp_path / "own.onnx")
        catalog = Catalog.open(settings)
        catalog.prepare()
        with serving(create_app(settings, catalog)) as url, httpx.Client(base_url=url, timeout=60) as client:
            run = run or str(post_run(client, "own", photo)["id"])
            for path in (f"/api/v1/runs/{run}", f"/api/v1/runs/{run}/input.png"):
                answer = client.get(path)
                assert answer.status_code == status, answer.text
            if status == 404:
                assert client.delete(f"/api/v1/runs/{run}").status_code == 204  # whoever made it can take it back
    assert "Post the image again" in problem_of(answer, 404, "run-not-found")["detail"]


def test_without_redis_everything_else_works(redis: Redis, serve: Serve, catalog: Catalog, photo: bytes) -> None:
    client = serve(runs=redis.url)
    model = catalog.models[0].id
    run = post_run(client, model, photo)["id"]
    redis.stop()
    state = client.get("/readyz")
    assert state.status_code == 200 and state.json()["status"] == "degraded"
    assert "cannot be reached" in state.json()["problems"][0]
    for answer in (
        client.get(f"/api/v1/runs/{run}"),
        client.get(f"/api/v1/runs/{run}/input.png"),
        client.delete(f"/api/v1/runs/{run}"),
        client.post(f"/api/v1/models/{model}/runs", content=photo),
    ):
        problem_of(answer, 503, "runs-unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert str(redis.port) not in answer.text
    assert client.post(f"/api/v1/models/{model}/predictions", content=photo).status_code == 200
    assert client.get("/api/v1/models").status_code == 200
    redis.start()
    assert client.get("/readyz").json()["status"] == "ready"
    assert httpx.codes.is_success(client.post(f"/api/v1/models/{model}/runs", content=photo).status_code)
