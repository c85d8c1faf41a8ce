"""Safe by default: the token, other origins, salted ids, and errors that tell nothing of the inside."""

import httpx
import pytest
from pydantic import ValidationError

from app.access import HEALTH
from app.catalog import Catalog
from app.errors import WeightsUnwritable
from app.places import CHECKOUT
from app.settings import Settings
from app.version import VERSION
from tests.conftest import Serve, post_run, problem_of

PATHS = ["/", "/docs", "/openapi.json", "/metrics", "/api/v1/models", "/v2", "/v2/models/x", "/static/x", "/nothing"]


def test_everything_but_health_asks_for_the_token(serve: Serve, catalog: Catalog, photo: bytes) -> None:
    client = serve(token="a secret")
    for path in HEALTH:
        assert client.get(path).status_code == 200
    for path in PATHS:
        for value in (None, "Bearer wrong", "Bearer", "Basic a secret", "Bearer a secrez"):
            answer = client.get(path, headers={} if value is None else {"Authorization": value})
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.headers["x-content-type-options"] == "nosniff"
            if path.startswith("/v2"):
                assert list(answer.json()) == ["error"]
            else:
                assert "secret" not in problem_of(answer, 401, "unauthorized")["detail"]
    url = f"/api/v1/models/{catalog.models[0].id}/runs"
    assert client.post(url, content=photo).status_code == 401
    assert client.post(url, content=photo, headers={"Authorization": "bearer a secret"}).status_code == 201


def test_the_token_opens(serve: Serve, catalog: Catalog, photo: bytes) -> None:
    client = serve(token="1234")
    client.headers["Authorization"] = "Bearer 1234"
    assert post_run(client, catalog.models[0].id, photo)["id"]
    assert client.get("/docs").status_code == 200
    assert "token" not in repr(Settings(token="1234")) and "1234" not in repr(Settings(token="1234"))


def test_behind_a_token_no_cache_that_others_share_keeps_a_run(
    api: httpx.Client, serve: Serve, catalog: Catalog, photo: bytes
) -> None:
    guarded = serve(token="1234")
    guarded.headers["Authorization"] = "Bearer 1234"
    for client, reach in ((api, "public"), (guarded, "private")):
        run = post_run(client, catalog.models[0].id, photo)["id"]
        for path in ("input.png", "saliency.png"):
            answer = client.get(f"/api/v1/runs/{run}/{path}")
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == f"{reach}, max-age=31536000, immutable"


def test_a_token_is_taken_without_the_line_end_of_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_TOKEN", "1234\n")
    assert Settings().token == "1234"
    monkeypatch.setenv("CONVSCOPE_TOKEN", " \n")  # would open what was meant to be closed
    with pytest.raises(ValidationError, match="leave it out"):
        Settings()


def test_no_other_origin_unless_set(api: httpx.Client, serve: Serve) -> None:
    asked = {"Origin": "https://lab.example", "Access-Control-Request-Method": "POST"}
    answer = api.options("/api/v1/models", headers=asked)
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert "access-control-allow-origin" not in api.get("/api/v1/models", headers=asked).headers
    client = serve(cors_origins="https://lab.example, https://other.example", token="1234")
    answer = client.options("/api/v1/models", headers=asked)  # a preflight has no token
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://lab.example"
    answer = client.get("/api/v1/models", headers={**asked, "Authorization": "Bearer 1234"})
    assert answer.headers["access-control-allow-origin"] == "https://lab.example"
    assert "Location" in answer.headers["access-control-expose-headers"]
    answer = client.get("/api/v1/models", headers={"Origin": "https://evil.example", "Authorization": "Bearer 1234"})
    assert "access-control-allow-origin" not in answer.headers


def test_runs_of_two_deployments_are_kept_apart(serve: Serve, catalog: Catalog, photo: bytes) -> None:
    model = catalog.models[0].id
    here, replica, there = (post_run(serve(salt=salt), model, photo)["id"] for salt in ("a", "a", "b"))
    assert here == replica != there


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/nothing", b""),
        ("GET", "/api/v1/models/nothing", b""),
        ("GET", "/api/v1/models/x?y=z", b""),
        ("POST", "/api/v1/models/{model}/runs", b"no image"),
        ("POST", "/v2/models/{model}/infer", b"{"),
        ("GET", "/static/../../etc/passwd", b""),
    ],
)
def test_errors_tell_nothing_of_the_inside(
    api: httpx.Client, catalog: Catalog, method: str, path: str, body: bytes
) -> None:
    answer = api.request(method, path.format(model=catalog.models[0].id), content=body)
    assert answer.status_code >= 400
    for word in (VERSION, str(CHECKOUT), "Traceback", "site-packages", 'File "', "uvicorn", "python"):
        assert word not in answer.text and word not in str(answer.headers).lower()


def test_a_failure_of_this_machine_is_told_without_its_paths(
    api: httpx.Client, catalog: Catalog, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise WeightsUnwritable("The weight file /secret/path cannot be written.", "/secret/path")

    monkeypatch.setattr("app.network.Network.require_numbers", fail)
    answer = api.post(f"/api/v1/models/{catalog.models[0].id}/predictions", content=photo)
    assert "secret" not in problem_of(answer, 503, "weights-unwritable")["detail"]
    assert "secret" not in answer.text
