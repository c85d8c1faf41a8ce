"""Ray Serve on a real cluster of three nodes: the same answers, also while replicas and a machine are killed."""

import logging
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.catalog import Catalog
from app.errors import InvalidValue, ModelNotFound, Overloaded
from app.wanted import ABANDONED, Abandoned
from benchmarks.port import free_port
from tests.conftest import draw_scene, encode, post_run, problem_of
from tests.test_mirrors import wait_until
from tests.test_redis_records import Redis, redis

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

__all__ = ["redis"]  # the fixture

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(280)]  # Ray warns of itself

ALIVE = "ALIVE"


@pytest.fixture
def environment(redis: Redis, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings = {"CONVSCOPE_RUNS": redis.url, "CONVSCOPE_CACHE_DIR": str(cache_dir), "CONVSCOPE_PROVIDER": "cpu"}
    for name, value in (settings | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_LOG_TO_STDERR": "0"}).items():
        monkeypatch.setenv(name, value)
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:  # short: sockets lie in it
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield


@pytest.fixture
def cluster(environment: None) -> Iterator["Cluster"]:
    """A head with Serve's controller and proxy, and two nodes for replicas."""
    import ray
    from ray import serve
    from ray.cluster_utils import Cluster

    running = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(2):
            running.add_node(wait=False, num_cpus=4)
        running.wait_for_nodes()
        ray.init(address=running.address, log_to_driver=False, logging_level=logging.ERROR, namespace="test")
        yield running
        serve.shutdown()  # type: ignore[no-untyped-call]
    finally:
        ray.shutdown()
        running.shutdown()  # type: ignore[no-untyped-call]


def replicas(deployment: str) -> dict[str, str]:
    """The living replicas of a deployment: name -> node."""
    from ray._private.state import actors  # what the cluster knows, without a dashboard

    found: dict[str, Any] = actors()
    return {
        one["Name"]: one["Address"]["NodeID"]
        for one in found.values()
        if f"#{deployment}#" in one["Name"] and one["State"] == ALIVE
    }


class Load:
    """Clients that ask without a pause, and ask once more where an answer does not come or is a failure."""

    def __init__(self, url: str, path: str, calm: httpx.Client, threads: int = 4) -> None:
        self.url, self.path = url, path
        self.images = [encode(draw_scene(seed)) for seed in range(6)]
        self.expected = [self.numbers(calm.post(path, content=image)) for image in self.images]
        self.counts: Counter[str] = Counter()
        self.lost: list[str] = []
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=(number,)) for number in range(threads)]

    @staticmethod
    def numbers(answer: httpx.Response) -> dict[int, float]:
        assert answer.status_code == 200, answer.text
        return {one["index"]: one["probability"] for one in answer.json()["predictions"]}

    def ask(self, number: int) -> None:
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while not self.ending.is_set():
                number = (number + 1) % len(self.images)
                for last in (False, True):
                    try:
                        answer = client.post(self.path, content=self.images[number])
                        failed = "" if answer.status_code == 200 else f"{answer.status_code} {answer.text[:200]}"
                    except httpx.TransportError as error:
                        failed = repr(error)
                    if not failed:
                        self.counts["answered"] += 1
                        assert self.numbers(answer) == pytest.approx(self.expected[number], abs=1e-4)
                        self.counts["right"] += 1
                        break
                    self.counts["asked again"] += 1
                    if last:
                        self.lost.append(failed)
                    time.sleep(0.5)

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        for thread in self.threads:
            thread.join(60)

    def more(self, answers: int) -> None:
        """Wait until so many more have been answered."""
        goal = self.counts["answered"] + answers
        wait_until(lambda: self.counts["answered"] >= goal or bool(self.lost), 90)


def test_answers_are_the_same_while_replicas_and_a_machine_are_killed(
    cluster: "Cluster", api: httpx.Client, catalog: Catalog, photo: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    import ray
    from ray import serve

    from app.cluster import Arguments, build

    model, port = catalog.models[0].id, free_port()
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
    serve.run(build(Arguments(networks=model, least=2)))
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, timeout=60) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200, 60)
        run, calm = post_run(client, model, photo), post_run(api, model, photo)
        tensors = [f"layers/{layer['name']}/tensor.npy" for layer in run["layers"]]
        before = [client.get(f"/api/v1/runs/{run['id']}/{path}").content for path in tensors]
        assert before == [api.get(f"/api/v1/runs/{calm['id']}/{path}").content for path in tensors]
        problem_of(client.get(f"/api/v1/runs/{run['id']}/layers/nothing"), 404, "layer-not-found")
        problem_of(client.post(f"/api/v1/models/{model}/runs", content=b"no image"), 422, "image-undecodable")

        with Load(url, f"/api/v1/models/{model}/predictions", api) as load:
            load.more(20)
            first, ingress = replicas(model), replicas("ingress")
            assert len(first) == 2 and len(ingress) == 2
            for name in (next(iter(first)), next(iter(ingress))):
                ray.kill(ray.get_actor(name, namespace="serve"))
                load.more(40)
            doomed = replicas(model)
            (node,) = [one for one in cluster.worker_nodes if one.node_id == next(iter(doomed.values()))][:1]
            cluster.remove_node(node, allow_graceful=False)
            load.more(40)
            wait_until(lambda: len(replicas(model)) >= 2 and len(replicas("ingress")) >= 2, 60)
            load.more(20)
        assert load.lost == []
        assert load.counts["right"] == load.counts["answered"] >= 160
        assert len(set(replicas("ingress")) & set(ingress)) < 2 and len(set(replicas(model)) & set(first)) < 2

        after = [client.get(f"/api/v1/runs/{run['id']}/{path}").content for path in tensors]
        assert after == before  # from other replicas, through Redis, byte for byte
        assert client.get(f"/api/v1/runs/{run['id']}").json() == run
    with capsys.disabled():
        print(f" {dict(load.counts)} ", end="")


class Deadly:
    """A deployment whose replicas end with every request."""

    asked = 0

    def __getattr__(self, method: str) -> "Deadly":
        return self

    def remote(self, *_: object) -> "Deadly":
        self.asked += 1
        return self

    def result(self, timeout_s: float) -> None:
        from ray.exceptions import RayActorError

        raise RayActorError


def test_a_request_that_its_replicas_end_with_is_not_sent_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    from app import cluster

    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 0.5)
    deadly: Any = Deadly()
    session = cluster.RemoteSession(deadly, "some", "own")
    with pytest.raises(Overloaded, match="No replica of some answered"):
        session.run([], {})
    assert deadly.asked >= 2  # one loss is nobody's fault
    gone, before = threading.Event(), deadly.asked
    gone.set()

    def work() -> None:
        ABANDONED.set(gone)
        session.run([], {})

    with ThreadPoolExecutor(1) as pool, pytest.raises(Abandoned):
        pool.submit(work).result()
    assert deadly.asked == before + 1  # its client has left


def test_what_cannot_be_built_is_refused(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.cluster import Arguments, build

    with pytest.raises(ModelNotFound, match="nothing"):
        build(Arguments(networks="nothing"))
    monkeypatch.delenv("CONVSCOPE_RUNS")
    with pytest.raises(InvalidValue, match=r"CONVSCOPE_RUNS.*ingresses=1"):
        build(Arguments())
    assert build(Arguments(ingresses=1)) is not None
