"""Predictions over HTTP, the same as through the package."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from app.catalog import Catalog
from app.imaging import decode
from tests.conftest import MakeSettings, draw_scene, encode, every_model, problem_of, serving_own
from tests.small_onnx import rooted, save


@every_model
def test_predictions_are_the_networks_own(api: httpx.Client, catalog: Catalog, model: str, photo: bytes) -> None:
    network = catalog.network(model)
    answer = api.post(f"/api/v1/models/{model}/predictions?top=10000000000", content=photo)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["model"], body["weights"]) == (model, network.weights_id)
    assert (body["precision"], body["crops"]) == ("fp32", 1)
    expected = network.predict(decode(photo, 10**6), network.graph.classes)
    assert [one["index"] for one in body["predictions"]] == [one.index for one in expected]
    for one, other in zip(body["predictions"], expected, strict=True):
        assert one["label"] == other.label
        assert one["probability"] == pytest.approx(other.probability, abs=1e-5)
    probabilities = [one["probability"] for one in body["predictions"]]
    assert sum(probabilities) == pytest.approx(1, abs=1e-4)
    assert probabilities == sorted(probabilities, reverse=True)
    elapsed = body["elapsed_ms"]
    assert set(elapsed) == {"decode", "preprocess", "inference", "total"}
    assert elapsed["total"] >= elapsed["inference"] > 0


def test_the_ways_to_send_an_image_agree(api: httpx.Client, catalog: Catalog, photo: bytes) -> None:
    url = f"/api/v1/models/{catalog.models[0].id}/predictions"
    answers = [
        api.post(url, content=photo),
        api.post(url, content=photo, headers={"Content-Type": "image/png"}),
        api.post(url, content=photo, headers={"Content-Type": "image/jpeg"}),  # the bytes decide
        api.post(url, content=photo, headers={"Content-Type": "image/*"}),
        api.post(url, content=photo, headers={"Content-Type": "application/octet-stream"}),
        api.post(url, files={"image": ("cat.png", photo, "image/png")}),
        api.post(url, files={"image": ("cat", photo)}, data={"note": "hello"}),
        api.post(url, content=iter([photo[:100], photo[100:]])),  # chunked, without Content-Length
    ]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert all(answer.json()["predictions"] == answers[0].json()["predictions"] for answer in answers)


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_every_format_is_read(api: httpx.Client, catalog: Catalog, kind: str) -> None:
    url = f"/api/v1/models/{catalog.models[0].id}/predictions"
    image = encode(draw_scene(3), kind)
    headers = {"Content-Type": f"image/{kind.lower()}"}
    assert api.post(url, content=image, headers=headers).status_code == 200


@pytest.mark.parametrize("top", [1, 3, 10])
def test_top_cuts_the_list(api: httpx.Client, catalog: Catalog, photo: bytes, top: int) -> None:
    answer = api.post(f"/api/v1/models/{catalog.models[0].id}/predictions?top={top}", content=photo)
    assert len(answer.json()["predictions"]) == top


@every_model
def test_a_structure_cannot_predict(api: httpx.Client, catalog: Catalog, model: str, photo: bytes) -> None:
    url = f"/api/v1/models/{model}/predictions?weights=structure"
    problem = problem_of(api.post(url, content=photo), 409, "weights-not-ready")
    assert problem["value"] == "structure"
    assert catalog.network(model).weights_id in problem["detail"]


@pytest.fixture
def partial(make_settings: MakeSettings, tmp_path: Path) -> Iterator[httpx.Client]:
    """A service of a network that gives no numbers for a dark image."""
    (tmp_path / "nothing").mkdir()
    with serving_own(make_settings(onnx=save(rooted(), tmp_path / "own.onnx")), tmp_path / "nothing") as client:
        yield client


def plain(level: int) -> bytes:
    return encode(Image.new("RGB", (16, 16), (level, level, level)))


@pytest.mark.parametrize("path", ["models/own/predictions", "models/own/predictions?crops=10", "models/own/runs"])
def test_a_network_that_gives_nan_says_so(partial: httpx.Client, path: str) -> None:
    assert partial.post(f"/api/v1/{path}", content=plain(255)).status_code in (200, 201)
    for _ in range(2):  # and nothing is kept of it
        problem = problem_of(partial.post(f"/api/v1/{path}", content=plain(0)), 409, "not-supported")
        assert "'scores' comes to nan" in problem["detail"] and problem["value"] == "scores"


def test_a_nan_is_told_to_none_but_who_sent_the_image(partial: httpx.Client) -> None:
    def predict(level: int) -> int:
        return partial.post("/api/v1/models/own/predictions", content=plain(level)).status_code

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(predict, [255, 0] * 12)) == [200, 409] * 12


def test_a_tensor_that_gives_nan_is_answered_with_null_as_documented(partial: httpx.Client) -> None:
    tensor = {"name": "image", "shape": [1, 3, 8, 8], "datatype": "FP32", "data": [-1.0] * 192}
    answer = partial.post("/v2/models/own/infer", json={"inputs": [tensor]})
    assert answer.json()["outputs"][0]["data"] == [None] * 5
