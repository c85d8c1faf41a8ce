"""Every line of the contract's table of bad input."""

import concurrent.futures
import struct
import threading
import zlib

import httpx
import numpy as np
import pytest
from PIL import Image

from app.catalog import Catalog
from app.imaging import Image as Picture
from app.network import Network
from app.uploads import MOST_PARTS
from tests.conftest import Serve, draw_scene, encode, problem_of


@pytest.fixture(params=["predictions", "runs"])
def url(request: pytest.FixtureRequest, catalog: Catalog) -> str:
    """Where an image can be sent."""
    return f"/api/v1/models/{catalog.models[0].id}/{request.param}"


def kept(client: httpx.Client) -> float:
    """How many runs the server keeps, by its own count."""
    lines = client.get("/metrics").text.splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("convscope_runs ")))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_a_truncated_image_is_undecodable(api: httpx.Client, url: str, kind: str) -> None:
    whole, before = encode(draw_scene(), kind), kept(api)
    problem_of(api.post(url, content=whole[: len(whole) // 2]), 422, "image-undecodable")
    assert kept(api) == before


@pytest.mark.parametrize("body", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_is_not_an_image_is_undecodable_and_nothing_is_stored(api: httpx.Client, url: str, body: bytes) -> None:
    before = kept(api)
    problem_of(api.post(url, content=body), 422, "image-undecodable")
    problem_of(api.post(url, files={"image": body}), 422, "image-undecodable")
    assert kept(api) == before


@pytest.mark.parametrize("form", [False, True])
def test_a_body_over_the_limit_is_refused_before_it_is_read(serve: Serve, url: str, form: bool) -> None:
    client = serve(max_body_bytes=100_000)
    body = bytes(3_000_000)
    answer = client.post(url, files={"image": body}) if form else client.post(url, content=body)
    problem = problem_of(answer, 413, "body-too-large")
    assert problem["limit"] == 100_000
    assert str(problem["value"]) in problem["detail"]
    pieces = [bytes(50_000)] * 10
    chunked = client.post(url, content=iter(pieces), headers={"Content-Type": "image/png"})  # no Content-Length
    problem = problem_of(chunked, 413, "body-too-large")
    assert 100_000 < problem["value"] < 500_000
    assert client.post(url, content=encode(draw_scene(0, 64, 48))).status_code in (200, 201)


def test_more_pixels_than_the_limit_by_the_header(serve: Serve, url: str) -> None:
    client = serve(max_pixels=10_000)
    assert client.post(url, content=encode(Image.new("RGB", (100, 100)))).status_code in (200, 201)
    problem = problem_of(client.post(url, content=encode(Image.new("RGB", (100, 101)))), 413, "image-too-large")
    assert (problem["width"], problem["height"], problem["limit"], problem["value"]) == (100, 101, 10_000, 10_100)


def test_a_header_that_claims_a_huge_picture_is_not_decoded(api: httpx.Client, url: str) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    bomb = b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    problem = problem_of(api.post(url, content=bomb), 413, "image-too-large")
    assert problem["value"] == 3_600_000_000


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/json", "application/x-www-form-urlencoded", "video/mp4", "image/svg+xml", "x"],
)
def test_other_media_types(api: httpx.Client, url: str, photo: bytes, media_type: str) -> None:
    answer = api.post(url, content=photo, headers={"Content-Type": media_type})
    problem = problem_of(answer, 415, "media-type-unsupported")
    assert problem["value"] == media_type
    answer = api.post(url, files={"image": ("a", photo, media_type)})
    problem_of(answer, 415, "media-type-unsupported")


@pytest.mark.parametrize("media_type", ["image/heic", "application/octet-stream"])
def test_heic_by_name_or_by_bytes_is_told_to_be_converted(api: httpx.Client, url: str, media_type: str) -> None:
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(1000)
    answer = api.post(url, content=heic, headers={"Content-Type": media_type})
    assert "convert" in problem_of(answer, 415, "media-type-unsupported")["detail"]


@pytest.mark.parametrize(
    ("action", "query", "kind"),
    [("nothing/predictions", "", "model-not-found"), ("{model}/runs", "?weights=nothing", "weights-not-found")],
)
def test_unknown_names(api: httpx.Client, catalog: Catalog, photo: bytes, action: str, query: str, kind: str) -> None:
    path = action.format(model=catalog.models[0].id)
    problem = problem_of(api.post(f"/api/v1/models/{path}{query}", content=photo), 404, kind)
    assert problem["value"] == "nothing"
    assert "nothing" in problem["detail"]


def test_a_structure_asked_to_run_says_what_to_do(api: httpx.Client, url: str, photo: bytes) -> None:
    problem = problem_of(api.post(f"{url}?weights=structure", content=photo), 409, "weights-not-ready")
    assert "weights=" in problem["detail"]
    assert problem["command"] in problem["detail"]
    assert problem["command"].startswith(("convscope models --prepare", "convscope pull "))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("top=0", "top"),
        ("top=many", "top"),
        ("crops=7", "crops"),
        ("crops=0", "crops"),
        ("precision=int4", "precision"),
        ("tpo=3", "tpo"),
    ],
)
def test_a_query_out_of_range_or_unknown(api: httpx.Client, url: str, photo: bytes, query: str, field: str) -> None:
    problem = problem_of(api.post(f"{url}?{query}", content=photo), 422, "invalid-value")
    assert problem["field"] == field
    assert problem["value"] == query.partition("=")[2]
    assert field in problem["detail"]
    assert (problem["range"] is None) is (field == "tpo")


@pytest.mark.parametrize("path", ["/api/v1/models", "/healthz", "/readyz", "/metrics"])
def test_unknown_parameters_are_refused_everywhere(api: httpx.Client, path: str) -> None:
    assert problem_of(api.get(f"{path}?surprise=1"), 422, "invalid-value")["field"] == "surprise"


@pytest.mark.parametrize("name", ["models", "models="])
def test_an_ensemble_of_nothing_says_what_is_missing(api: httpx.Client, photo: bytes, name: str) -> None:
    query = "" if name == "models" else f"?{name}"
    problem = problem_of(api.post(f"/api/v1/ensembles/predictions{query}", content=photo), 422, "invalid-value")
    assert problem["field"] == "models"
    expected = "'models' is missing; it must be given." if not query else "it must be 1 or more characters long."
    assert problem["detail"].endswith(expected)
    assert problem["value"] == (None if not query else "")


@pytest.mark.parametrize("path", ["/api/v1/models", "/api/v1/models/lenet5", "/healthz"])
def test_a_parameter_given_twice_is_refused_not_half_heard(api: httpx.Client, path: str) -> None:
    problem = problem_of(api.get(f"{path}?weights=mnist&weights=structure"), 422, "invalid-value")
    assert problem["field"] == "weights"
    assert problem["value"] == ["mnist", "structure"]


def test_under_v2_too_a_parameter_given_twice_is_refused(api: httpx.Client) -> None:
    answer = api.get("/v2?a=1&a=2")
    assert answer.status_code == 400
    assert "'a' is given 2 times" in answer.json()["error"]


def test_a_form_without_the_field_or_with_too_many_parts(api: httpx.Client, url: str, photo: bytes) -> None:
    problem = problem_of(api.post(url, files={"picture": photo}), 422, "invalid-value")
    assert problem["field"] == "image"
    assert "picture" in problem["detail"]
    many = [("note", (None, b"x"))] * MOST_PARTS + [("image", ("a.png", photo))]
    problem_of(api.post(url, files=many), 422, "invalid-value")
    broken = {"Content-Type": "multipart/form-data"}
    problem_of(api.post(url, content=photo, headers=broken), 422, "invalid-value")


def test_more_work_than_the_server_holds(serve: Serve, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    preprocess, gate, entered = Network.tensor, threading.Event(), threading.Event()

    def slow(network: Network, image: Picture) -> np.typing.NDArray[np.float32]:
        entered.set()
        gate.wait(30)
        return preprocess(network, image)

    monkeypatch.setattr(Network, "tensor", slow)
    client = serve(concurrency=1, queue=0)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, url, content=encode(draw_scene(1, 64, 48)))
        try:
            assert entered.wait(30)
            refused = client.post(url, content=encode(draw_scene(2, 64, 48)))
            assert client.get("/healthz").status_code == 200  # the event loop is free
        finally:
            gate.set()
        problem_of(refused, 503, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        assert first.result().status_code in (200, 201)
    assert client.post(url, content=encode(draw_scene(2, 64, 48))).status_code in (200, 201)
