"""The app as a whole: readiness, prefix, headers, pages, errors of the framework."""

import re
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from app.catalog import Catalog
from app.main import create_app
from app.places import PAGE
from app.service import Service
from tests.conftest import MakeSettings, Serve, post_run, problem_of, serving


def test_alive_and_ready(api: httpx.Client, catalog: Catalog) -> None:
    assert api.get("/healthz").json() == {"status": "ok"}
    assert api.get("/readyz").json() == {
        "status": "ready",
        "models": [one.id for one in catalog.models],
        "problems": [],
    }


def test_not_ready_until_the_weights_are_prepared(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, prepare = threading.Event(), Catalog.prepare

    def wait(catalog: Catalog, progress: Callable[[int], None], ending: threading.Event) -> None:
        gate.wait(30)
        prepare(catalog, progress, ending)

    monkeypatch.setattr(Catalog, "prepare", wait)
    app = create_app(make_settings())
    with serving(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        try:
            assert client.get("/healthz").status_code == 200
            answer = client.get("/readyz")
            problem = problem_of(answer, 503, "not-ready")
            assert int(answer.headers["retry-after"]) >= 1
            assert 0 <= problem["done"] < problem["total"]
            models = client.get("/api/v1/models").json()["models"]  # tables need no weights
            waiting = [
                m["id"] for m in models for w in m["weights"] if w["id"] == m["default_weights"] and not w["ready"]
            ]
            for model in waiting:
                answer = client.post(f"/api/v1/models/{model}/runs", content=b"x")
                problem_of(answer, 409, "weights-not-ready")
                assert int(answer.headers["retry-after"]) >= 1
        finally:
            gate.set()


def test_a_failed_preparation_is_told(make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(Catalog, "prepare", fail)
    app = create_app(make_settings())
    with serving(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        deadline = time.monotonic() + 20
        while "could not be prepared" not in client.get("/readyz").text and time.monotonic() < deadline:
            time.sleep(0.02)
        problem = problem_of(client.get("/readyz"), 503, "not-ready")
        assert "could not be prepared" in problem["detail"]
        assert "fire" not in problem["detail"]
        assert client.get("/healthz").status_code == 200


def test_expired_runs_are_swept_without_being_asked_for(
    serve: Serve, catalog: Catalog, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.main.SWEEP_SECONDS", 0.1)
    client = serve(run_ttl_seconds=4)
    post_run(client, catalog.models[0].id, photo)
    assert re.search(r"^convscope_runs 1", client.get("/metrics").text, re.MULTILINE)
    deadline = time.monotonic() + 20
    while "convscope_runs 1" in client.get("/metrics").text and time.monotonic() < deadline:
        time.sleep(0.1)
    text = client.get("/metrics").text
    assert re.search(r"^convscope_runs 0", text, re.MULTILINE)
    assert re.search(r"^convscope_cache_bytes 0", text, re.MULTILINE)  # nor is anything derived from it left


def test_a_path_prefix_is_in_every_link(serve: Serve, catalog: Catalog, photo: bytes) -> None:
    client = serve(root_path="/lab/")
    for prefix in ("", "/lab"):  # a proxy that takes the prefix off, and one that passes it on
        assert client.get(f"{prefix}/healthz").status_code == 200
        answer = client.post(f"{prefix}/api/v1/models/{catalog.models[0].id}/runs", content=photo)
        assert answer.headers["location"].startswith("/lab/api/v1/runs/")
        assert client.get(answer.headers["location"]).status_code == 200
        assert client.get(f"{prefix}/openapi.json").json()["servers"] == [{"url": "/lab"}]
        for page in ("/", "/course", "/about", "/docs"):
            html = client.get(f"{prefix}{page}").text
            links = re.findall(r'(?:href|src|data-openapi)="(/[^"]*)"', html)
            assert links
            assert all(link.startswith("/lab/") for link in links)
            if PAGE.is_dir():
                for link in links:
                    assert client.get(link).status_code == 200, link


@pytest.mark.parametrize("path", ["/", "/course", "/about", "/docs"])
def test_pages_ask_no_other_host_and_have_no_inline_script(api: httpx.Client, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    for element in re.findall(r"<(?:script|link|img)[^>]*>", answer.text):
        assert not re.search(r'(?:src|href)="(?:https?:)?//', element)
    assert all(re.search(r"\bsrc=", script) for script in re.findall(r"<script[^>]*>", answer.text))


@pytest.mark.parametrize("path", ["/", "/docs", "/healthz", "/api/v1/models", "/nothing", "/static/nothing"])
def test_security_headers_are_on_every_answer(api: httpx.Client, path: str) -> None:
    headers = api.get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]  # so default-src holds: no inline script
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/api/v1/models/a/b/c"])
def test_nothing_there(api: httpx.Client, path: str) -> None:
    assert problem_of(api.get(path), 404, "not-found")["value"] == path


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/v1/models", "GET, HEAD"),
        ("PUT", "/api/v1/runs/abc", "DELETE, GET, HEAD"),
        ("GET", "/api/v1/models/abc/runs", "POST"),
        ("DELETE", "/healthz", "GET, HEAD"),
    ],
)
def test_methods_that_are_not_allowed(api: httpx.Client, method: str, path: str, allowed: str) -> None:
    answer = api.request(method, path)
    problem = problem_of(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == allowed
    assert problem["detail"].endswith(f"what is: {allowed}.")
    assert problem["value"] == method


def test_head_is_get_without_the_body(api: httpx.Client, catalog: Catalog, photo: bytes) -> None:
    run = post_run(api, catalog.models[0].id, photo)
    path = f"/api/v1/runs/{run['id']}/layers/{run['layers'][1]['name']}/tensor.npy"
    whole, head = api.get(path), api.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    assert head.headers["etag"] == whole.headers["etag"]
    assert api.head("/nothing").status_code == 404
    assert api.head("/healthz").status_code == 200
    assert 'method="HEAD",route="/healthz",status="200"' in api.get("/metrics").text


def test_a_defect_is_told_without_the_inside(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret/path")

    monkeypatch.setattr(Service, "look", fail)
    answer = api.get("/api/v1/models")
    problem_of(answer, 500, "internal")
    assert "secret" not in answer.text and "RuntimeError" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_metrics_count_by_route(api: httpx.Client) -> None:
    api.get("/api/v1/models/nothing")
    text = api.get("/metrics").text
    assert 'convscope_requests_total{method="GET",route="/api/v1/models/{model}",status="404"}' in text
    assert "convscope_cache_bytes" in text
    assert "/api/v1/models/nothing" not in text
