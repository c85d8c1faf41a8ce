"""Pulled weights over HTTP: listed before they are here, fetched, followed, stopped, refused, used, cleared."""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from app.cache import clear, stored
from app.catalog import Catalog
from app.cli import main
from app.main import create_app
from app.places import BUNDLED, CHECKOUT, PULLABLE
from app.visitors import is_loopback
from tests.conftest import MakeSettings, problem_of, serving
from tests.mirror import Mirror, serving_mirror
from tests.stage import Stage, build_stage
from tests.test_mirrors import wait_until

DATA = CHECKOUT.parent / "shared" / "data"
BVLC = DATA / "onnx" / "googlenet-bvlc.onnx"


Build = Callable[..., Stage]


@pytest.fixture
def build(tmp_path: Path, make_settings: MakeSettings) -> Iterator[Build]:
    """Builds stages; what they run stops when the test ends."""
    with ExitStack() as running:
        yield lambda mirror=None, **settings: build_stage(running, tmp_path, make_settings, mirror, **settings)


def test_weights_are_listed_before_they_are_here_and_say_how_to_get_them(build: Build, photo: bytes) -> None:
    stage = build()
    models = stage.client.get("/api/v1/models").json()["models"]
    assert [model["id"] for model in models] == ["small"]  # the other one is listed once it is here
    entry = next(one for one in models[0]["weights"] if one["id"] == "more")
    assert (entry["ready"], entry["bundled"], entry["pullable"], entry["classes"]) == (False, False, True, 8)
    assert entry["bytes"] == len(stage.mirror.content)
    detail = stage.client.get("/api/v1/models/small?weights=more").json()
    assert len(detail["layers"]) == 6 and detail["labels"] == list("abcdefgh")
    assert all(layer["nonzero"] is None for layer in detail["layers"])
    for path in ("small/runs?weights=more", "small/predictions?weights=more", "further/runs"):
        answer = stage.client.post(f"/api/v1/models/{path}", content=photo)
        problem = problem_of(answer, 409, "weights-not-ready")
        name = path.split("/", maxsplit=1)[0]
        assert problem["command"] == f"convscope pull {name} --cache-dir {stage.cache}"
        assert problem["command"] in problem["detail"]
    problem_of(
        stage.client.get("/api/v1/models/small/layers/a.conv/filters.npy?weights=more"), 409, "weights-not-ready"
    )


def test_a_pull_is_followed_and_its_weights_are_used_without_a_restart(build: Build, photo: bytes) -> None:
    stage = build({"gate": threading.Event()})
    gate = stage.mirror.gate
    assert gate
    before = stage.pull().json()
    assert (before["state"], before["done"], before["allowed"]) == ("absent", 0, True)
    answer = stage.pull("POST")
    assert answer.status_code == 202
    assert stage.pull("POST").status_code == 202  # joined
    wait_until(lambda: stage.pull().json()["done"] > 0)
    told = stage.pull().json()
    assert told["state"] == "pulling" and 0 < told["done"] < told["bytes"]
    gate.set()
    wait_until(lambda: stage.state() == "ready")
    assert len(stage.mirror.asked) == 1
    assert stage.pull("POST").status_code == 200
    # the file is read now, and its layers have the names of the bundled graph
    detail = stage.client.get("/api/v1/models/small?weights=more").json()
    names = [layer["name"] for layer in detail["layers"]]
    bundled = [layer["name"] for layer in stage.client.get("/api/v1/models/small").json()["layers"]]
    assert names == bundled[:-1]  # it ends in logits
    assert any(layer["nonzero"] for layer in detail["layers"])
    run = stage.client.post("/api/v1/models/small/runs?weights=more", content=photo).json()
    assert sum(one["probability"] for one in run["predictions"]) == pytest.approx(1)
    unit = stage.client.get(f"/api/v1/runs/{run['id']}/layers/a.conv/units/1/2/3").json()
    assert unit["sources"] and unit["op"] == "conv"
    # the network of which nothing is bundled is listed from now on
    listed = stage.client.get("/api/v1/models").json()["models"]
    assert [(model["id"], model["weights"][0]["ready"]) for model in listed] == [("small", True), ("further", True)]


def test_weights_that_another_process_pulls_or_clears_come_and_go(
    build: Build, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = build()
    assert stage.state() == "absent"
    origin = stage.catalog.pullable[0].weights.origin
    file = stage.cache / "weights" / getattr(origin, "sha256", "")[:32] / "small.onnx"
    file.parent.mkdir(parents=True)
    file.write_bytes(stage.mirror.content)  # put there by hand: believed after it was verified, at a start
    assert stage.state() == "absent"
    stage.catalog.prepare()
    assert stage.state() == "ready"
    assert stage.client.post("/api/v1/models/small/runs?weights=more", content=photo).status_code == 201
    clear([entry for entry in stored(stage.cache, stage.catalog.everything) if entry.model])
    assert stage.state() == "absent"
    problem_of(stage.client.post("/api/v1/models/small/runs?weights=more", content=photo), 409, "weights-not-ready")


def test_a_pull_is_stopped_and_goes_on_later(build: Build) -> None:
    stage = build({"gate": threading.Event()})
    assert stage.mirror.gate
    stage.pull("POST")
    wait_until(lambda: stage.pull().json()["done"] > 0)
    assert stage.pull("DELETE").json()["state"] == "cancelled"
    stage.mirror.gate.set()
    assert stage.state() == "cancelled"
    assert stage.pull("POST").status_code == 202
    wait_until(lambda: stage.state() == "ready")
    assert stage.mirror.asked[0] == "" and len(stage.mirror.asked) <= 2


def test_a_failed_pull_says_why_and_can_be_tried_again(build: Build) -> None:
    stage = build({"status": 404})
    assert stage.pull("POST").status_code == 202
    wait_until(lambda: stage.state() == "failed")
    told = stage.pull().json()
    assert "404" in told["error"] and stage.mirror.url in told["error"]
    stage.mirror.status = 200
    stage.pull("POST")
    wait_until(lambda: stage.state() == "ready")


def test_where_files_lie_is_told_only_to_somebody_at_the_machine(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = build()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
    stage.pull("POST")
    wait_until(lambda: stage.state() == "failed")
    assert f"more bytes in {stage.cache}" in stage.pull().json()["error"]
    elsewhere = {"X-Forwarded-For": "192.0.2.7"}
    listed = stage.client.get("/api/v1/pulls", headers=elsewhere).json()["pulls"]
    for told in (stage.pull(headers=elsewhere).json(), listed[0]):
        assert "more bytes in the cache folder/" in told["error"] and str(stage.cache) not in told["error"]


def test_what_is_part_of_the_installation_is_not_pulled(build: Build) -> None:
    stage = build()
    for method in ("GET", "POST", "DELETE"):
        problem = problem_of(stage.pull(method, weights="own"), 409, "not-supported")
        assert "'more'" in problem["detail"]
        problem_of(stage.pull(method, weights="nothing"), 404, "weights-not-found")
        problem_of(stage.pull(method, model="nothing"), 404, "model-not-found")
    pulls = stage.client.get("/api/v1/pulls").json()["pulls"]
    assert [(one["model"], one["weights"], one["state"]) for one in pulls] == [
        ("small", "more", "absent"),
        ("further", "more", "absent"),
    ]


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Host": "localhost:8000"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"X-Forwarded-For": "192.0.2.7"}, False),
        ({"Forwarded": "for=127.0.0.1"}, False),
        ({"Via": "1.1 proxy"}, False),
        ({"Host": "cnn.example.org"}, False),
        ({"Host": "["}, False),
        ({"Host": "127.0.0.1.example.org"}, False),
        ({"Origin": "https://evil.example.org"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
    ],
)
def test_only_somebody_at_the_machine_may_pull(build: Build, headers: dict[str, str], allowed: bool) -> None:
    stage = build({"status": 404})
    assert stage.pull("GET", headers=headers).json()["allowed"] is allowed
    answer = stage.pull("POST", headers=headers)
    if allowed:
        assert answer.status_code == 202
    else:
        problem = problem_of(answer, 403, "pull-not-allowed")
        assert "convscope pull small" in problem["detail"] and "CONVSCOPE_PULL_ALLOWED" in problem["detail"]
        problem_of(stage.pull("DELETE", headers=headers), 403, "pull-not-allowed")
        assert stage.mirror.asked == []


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ({"pull_allowed": "nobody"}, False),
        ({"root_path": "/lab"}, False),  # a reverse proxy is in front
        ({"root_path": "/lab", "pull_allowed": "anyone"}, True),
    ],
)
def test_the_setting_decides_who_may(build: Build, settings: dict[str, str], allowed: bool) -> None:
    stage = build(**settings)
    answer = stage.pull("POST", headers={"X-Forwarded-For": "192.0.2.7"} if allowed else {})
    if allowed:
        assert answer.status_code == 202
        wait_until(lambda: stage.state() == "ready")
    else:
        problem_of(answer, 403, "pull-not-allowed")


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("app.localhost", True),
        ("192.0.2.1", False),
        ("::ffff:192.0.2.1", False),
        ("", False),
        ("localhost.example.org", False),
    ],
)
def test_loopback(host: str, is_here: bool) -> None:
    assert is_loopback(host) is is_here


# --- how one tells that an image looks like none of the classes ---------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "trained", "says"),
    [(1.0, True, True), (0.0, True, False), (None, True, False), (1.0, False, False)],
)
def test_an_image_that_looks_like_none_of_the_classes_is_told(
    build: Build, photo: bytes, threshold: float | None, trained: bool, says: bool
) -> None:
    stage = build()
    network = stage.catalog.network("small")
    network.weights = network.weights.model_copy(update={"unfamiliar_below": threshold, "trained": trained})
    for path in ("predictions", "runs"):
        answer = stage.client.post(f"/api/v1/models/small/{path}", content=photo).json()
        assert answer["unfamiliar"] is says
        assert max(one["probability"] for one in answer["predictions"]) < 1


# --- the genuine network ------------------------------------------------------------------------------------


@pytest.mark.skipif(not BVLC.exists(), reason=f"{BVLC} is not on this machine")
def test_the_genuine_googlenet_is_pulled_and_names_the_photos(
    tmp_path: Path, make_settings: MakeSettings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that stands for the Model Zoo's, by the command line, then over REST in the service that runs."""
    content = BVLC.read_bytes()
    pullable = tmp_path / "pullable"
    shutil.copytree(PULLABLE, pullable)
    path = pullable / "googlenet" / "manifest.json"
    manifest = json.loads(path.read_text())
    origin = manifest["weights"][0]["origin"]
    origin |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    path.write_text(json.dumps(manifest))
    with serving_mirror(
        Mirror(content, piece=1 << 16, breaks_after=lambda number: 9_000_000 if number == 0 else None)
    ) as mirror:
        settings = make_settings(cache_dir=tmp_path / "cache", pull_urls=mirror.url)
        catalog = Catalog.open(settings, pullable=pullable)
        catalog.ready = True  # nothing is to be unpacked here
        with serving(create_app(settings, catalog)) as url, httpx.Client(base_url=url, timeout=120) as client:
            monkeypatch.setattr("app.housekeeping.Catalog.open", lambda _: catalog)
            words = ["--cache-dir", str(tmp_path / "cache"), "--pull-urls", mirror.url]
            assert main(["pull", "googlenet", *words]) == 0
            assert "28.0 MB" in capsys.readouterr().out
            assert mirror.asked == ["", "bytes=9000000-"]
            assert mirror.paths[0] == f"/{origin['path']}"
            detail = client.get("/api/v1/models/googlenet?weights=imagenet").json()
            table = client.get("/api/v1/models/googlenet?weights=structure").json()
            assert [layer["name"] for layer in detail["layers"]] == [layer["name"] for layer in table["layers"]]
            assert [layer["shape"] for layer in detail["layers"]] == [layer["shape"] for layer in table["layers"]]
            assert detail["labels"][0] == "tench" and len(detail["labels"]) == 1000
            photos = sorted((DATA / "photos").iterdir())
            assert len(photos) == 40
            right = []
            for photo in photos:
                answer = client.post(
                    "/api/v1/models/googlenet/predictions?weights=imagenet&top=1", content=photo.read_bytes()
                )
                assert answer.status_code == 200, answer.text
                if answer.json()["predictions"][0]["index"] == int(photo.name[:3]):
                    right.append(photo.name)
            assert len(right) >= 26, right
            run = client.post("/api/v1/models/googlenet/runs?weights=imagenet", content=photos[0].read_bytes()).json()
            unit = client.get(f"/api/v1/runs/{run['id']}/layers/inception_3a.3x3/units/5/10/10").json()
            assert unit["op"] == "conv" and unit["sources"][0]["layer"] == "inception_3a.relu_3x3_reduce"
            assert main(["cache", "--model", "googlenet", *words[:2]]) == 0
            assert "28.0 MB" in capsys.readouterr().out
            assert main(["cache", "clear", "--model", "googlenet", *words[:2]]) == 0
            assert "28.0 MB removed" in capsys.readouterr().out
            assert client.get("/api/v1/models/googlenet/weights/imagenet/pull").json()["state"] == "absent"


def test_what_can_be_pulled_is_the_ten_of_the_model_zoo(catalog: Catalog) -> None:
    assert len(catalog.pullable) == 10
    for network in catalog.pullable:
        assert network.trained and network.classes == network.graph.classes == 1000
        assert len(network.labels) == 1000
        assert not network.known.is_relative_to(BUNDLED)
