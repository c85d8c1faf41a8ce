"""Fixtures shared by all tests: a catalog with its weights, a running server, images made by code."""

import io
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from hypothesis import HealthCheck
from hypothesis import settings as examples
from PIL import Image, ImageDraw

from app.catalog import Catalog
from app.connections import connections
from app.main import create_app
from app.places import BUNDLED
from app.settings import Settings

for name in [name for name in os.environ if name.startswith("CONVSCOPE_")]:
    if name != "CONVSCOPE_REQUIRE_BROWSER":  # whoever runs the tests may have a service of their own
        del os.environ[name]

MakeSettings = Callable[..., Settings]
Serve = Callable[..., httpx.Client]

# no test fails because another one has the processor: hypothesis would give an example 0.2 s by the clock
examples.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
examples.load_profile("unhurried")

NOWHERE = "http://127.0.0.1:9"  # no test fetches anything from another machine


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--cases`: how many hostile inputs."""
    parser.addoption("--cases", type=int, default=1000, help="mutated images; benchmarks.fuzz sends 20,000")


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Weights are made here once a session, and removed: they are large."""
    folder = tmp_path_factory.mktemp("cache")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def make_settings(cache_dir: Path) -> MakeSettings:
    """Settings that do not depend on the machine, with changes.

    One thread an inference: tests run side by side, where a second one mostly spins on a core that another wants.
    """

    def make(**changes: Any) -> Settings:
        return Settings(**{"cache_dir": cache_dir, "provider": "cpu", "threads": 1, "pull_urls": NOWHERE, **changes})

    return make


@pytest.fixture(scope="session")
def catalog(make_settings: MakeSettings) -> Catalog:
    """Every bundled network, ready to run."""
    opened = Catalog.open(make_settings())
    opened.prepare()
    assert opened.ready, opened.problem
    return opened


@contextmanager
def serving(
    app: FastAPI,
    body_seconds: float = 60,
    send_seconds: float = 60,
    keep_alive_seconds: int = Settings.model_fields["keep_alive_seconds"].default,
) -> Iterator[str]:
    """A real server on a free port, for as long as the block runs; gives its base URL."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=connections(body_seconds, send_seconds),
                log_level="warning",
                timeout_keep_alive=keep_alive_seconds,
                ws="none",
                timeout_graceful_shutdown=5,
                server_header=False,
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)


@contextmanager
def serving_own(settings: Settings, nothing: Path) -> Iterator[httpx.Client]:
    """A service of the operator's own file (`settings.onnx`) alone; `nothing` is a folder without networks."""
    catalog = Catalog.open(settings, bundled=nothing, pullable=nothing)
    catalog.prepare()
    with serving(create_app(settings, catalog)) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def server(make_settings: MakeSettings, catalog: Catalog) -> Iterator[str]:
    """The base URL of a running service with the default settings."""
    with serving(create_app(make_settings(), catalog)) as url:
        yield url


@pytest.fixture(scope="session")
def api(server: str) -> Iterator[httpx.Client]:
    """A client of that service."""
    with httpx.Client(base_url=server, timeout=120) as client:
        yield client


@pytest.fixture
def serve(make_settings: MakeSettings, catalog: Catalog) -> Iterator[Serve]:
    """Starts further services with other settings; they stop when the test ends."""
    with ExitStack() as running:

        def start(**changes: Any) -> httpx.Client:
            settings = make_settings(**changes)
            url = running.enter_context(
                serving(create_app(settings, catalog), settings.body_seconds, settings.send_seconds)
            )
            return running.enter_context(httpx.Client(base_url=url, timeout=120))

        yield start


def encode(picture: Image.Image, kind: str = "PNG") -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def draw_scene(seed: int = 0, width: int = 320, height: int = 240) -> Image.Image:
    """A picture with edges, colours and texture, another for each seed."""
    rng = np.random.default_rng(seed)
    picture = Image.fromarray(rng.integers(60, 190, (height // 8, width // 8, 3), dtype=np.uint8))
    picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    pencil = ImageDraw.Draw(picture)
    for _ in range(12):
        left, top, across, down, red, green, blue = (int(value) for value in rng.integers(10, 256, 7))
        corner = (left % width, top % height)
        pencil.ellipse((*corner, corner[0] + across // 3, corner[1] + down // 3), fill=(red, green, blue))
    return picture


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A PNG in colour, 320 x 240."""
    return encode(draw_scene())


@pytest.fixture(scope="session")
def digit() -> bytes:
    """A PNG of a seven, dark on light."""
    picture = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(picture).line([(60, 50), (140, 50), (90, 160)], fill=0, width=14)
    return encode(picture)


# --- what tests iterate over ------------------------------------------------------------------------------

MODELS = sorted(json.loads(path.read_text())["id"] for path in BUNDLED.glob("*/manifest.json"))
every_model = pytest.mark.parametrize("model", MODELS)


def post_run(client: httpx.Client, model: str, image: bytes) -> dict[str, Any]:
    """A run of an image, as answered."""
    answer = client.post(f"/api/v1/models/{model}/runs", content=image, headers={"Content-Type": "image/png"})
    assert answer.status_code in (200, 201), answer.text
    run: dict[str, Any] = answer.json()
    return run


def problem_of(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """A problem document, checked for what all of them have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["type"].endswith(kind)
    assert problem["title"] and problem["detail"]
    return problem
