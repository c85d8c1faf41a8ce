"""The page's files: compressed for those who take it, the same either way."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from app.assets import Assets
from tests.conftest import serving

SCRIPT = b"const answer = 42;\n" * 200


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    (tmp_path / "deep").mkdir()
    for name in ("main.js", "deep/style.css", "plain.js"):
        (tmp_path / name).write_bytes(SCRIPT)
    for name in ("main.js", "deep/style.css"):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(SCRIPT))
    app = FastAPI()
    app.mount("/static", Assets(directory=tmp_path))
    with serving(app) as url, httpx.Client(base_url=url) as opened:
        yield opened


def get(client: httpx.Client, name: str, **headers: str) -> httpx.Response:
    return client.get(f"/static/{name}", headers={"accept-encoding": "identity", **headers})


@pytest.mark.parametrize(("name", "kind"), [("main.js", "javascript"), ("deep/style.css", "text/css")])
def test_who_takes_gzip_gets_the_twin(client: httpx.Client, name: str, kind: str) -> None:
    packed = get(client, name, **{"accept-encoding": "gzip, br"})
    plain = get(client, name)
    assert packed.content == plain.content == SCRIPT
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert int(packed.headers["content-length"]) < len(SCRIPT) / 5
    assert kind in packed.headers["content-type"] and kind in plain.headers["content-type"]
    for answer in (packed, plain):
        assert answer.headers["vary"] == "Accept-Encoding"
    again = get(client, name, **{"accept-encoding": "gzip", "if-none-match": packed.headers["etag"]})
    assert again.status_code == 304 and not again.content


def test_without_a_twin_the_file_comes_as_it_is(client: httpx.Client) -> None:
    answer = get(client, "plain.js", **{"accept-encoding": "gzip"})
    assert answer.content == SCRIPT and "content-encoding" not in answer.headers
    assert get(client, "nothing.js").status_code == 404
