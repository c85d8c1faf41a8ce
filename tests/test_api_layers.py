"""One layer of a run over HTTP: statistics, tensor, maps, units."""

import io
import math

import httpx
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from app.catalog import Catalog
from app.imaging import decode
from app.maps import draw_atlas, draw_map
from tests.conftest import every_model, post_run, problem_of

Array = npt.NDArray[np.float32]


def picture(answer: httpx.Response) -> npt.NDArray[np.uint8]:
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as opened:
        assert opened.mode == "L"
        return np.asarray(opened)


@every_model
def test_every_layer_has_its_numbers_and_pictures(
    api: httpx.Client, catalog: Catalog, model: str, photo: bytes
) -> None:
    network = catalog.network(model)
    expected = network.engine.run(network.tensor(decode(photo, 10**6)))
    run = post_run(api, model, photo)
    for layer in run["layers"][:: max(1, len(run["layers"]) // 12)]:
        path, numbers = f"/api/v1/runs/{run['id']}/layers/{layer['name']}", expected[layer["name"]]
        tensor = np.load(io.BytesIO(api.get(f"{path}/tensor.npy").content))
        assert list(tensor.shape) == layer["shape"]
        assert tensor.dtype == np.float32
        np.testing.assert_array_equal(tensor, numbers)

        statistics = api.get(path).json()
        assert {key: statistics[key] for key in ("name", "op", "shape")} == layer
        assert (statistics["min"], statistics["max"]) == (float(tensor.min()), float(tensor.max()))
        assert statistics["mean"] == pytest.approx(float(tensor.astype(np.float64).mean()), rel=1e-9, abs=1e-12)
        assert statistics["std"] == pytest.approx(float(tensor.astype(np.float64).std()), rel=1e-9, abs=1e-12)
        assert statistics["zeros"] == int((tensor == 0).sum())

        last = layer["shape"][0] - 1
        np.testing.assert_array_equal(picture(api.get(f"{path}/channels/{last}.png")), draw_map(numbers, last))
        for scale in ("map", "layer", "signed"):
            channels = f"0-{min(5, last)}"
            answer = api.get(f"{path}/maps.png?channels={channels}&tile=8&scale={scale}&columns=2")
            atlas = draw_atlas(numbers, range(min(5, last) + 1), 8, scale, 2)
            np.testing.assert_array_equal(picture(answer), atlas.pixels)


@every_model
def test_an_atlas_tells_its_layout(api: httpx.Client, model: str, photo: bytes) -> None:
    run = post_run(api, model, photo)
    for layer in run["layers"][:3] + run["layers"][-2:]:
        answer = api.get(f"/api/v1/runs/{run['id']}/layers/{layer['name']}/maps.png?tile=20")
        columns, rows, width, height, channels = (
            int(answer.headers[f"atlas-{name}"])
            for name in ("columns", "rows", "tile-width", "tile-height", "channels")
        )
        assert picture(answer).shape == (rows * height, columns * width)
        assert channels == layer["shape"][0]
        assert rows == math.ceil(channels / columns)
        full = layer["shape"][1:] or [1, 1]
        assert [height, width] == [min(20, side) for side in full]  # the course's maps are square


@every_model
def test_a_unit_of_every_layer_is_explained(api: httpx.Client, catalog: Catalog, model: str, photo: bytes) -> None:
    network = catalog.network(model)
    expected = network.engine.run(network.tensor(decode(photo, 10**6)))
    run = post_run(api, model, photo)
    rng = np.random.default_rng(0)
    for layer in run["layers"]:
        if layer["op"] == "input":
            continue
        unit = [int(rng.integers(size)) for size in layer["shape"]]
        path = f"/api/v1/runs/{run['id']}/layers/{layer['name']}/units/{'/'.join(map(str, unit))}"
        answer = api.get(path)
        assert answer.status_code == 200, answer.text
        explanation = answer.json()
        assert explanation["layer"] == layer["name"]
        assert explanation["op"] == layer["op"]
        assert explanation["unit"] == unit
        assert explanation["value"] == pytest.approx(float(expected[layer["name"]][tuple(unit)]), rel=1e-6, abs=1e-9)
        assert explanation["sources"]
        for source in explanation["sources"]:
            assert source["layer"] in expected
            assert source["weights"] is None or np.shape(source["weights"]) == np.shape(source["values"])


@every_model
def test_what_is_not_there_is_named_with_what_there_is(api: httpx.Client, model: str, photo: bytes) -> None:
    run = post_run(api, model, photo)
    maps = next(layer for layer in run["layers"] if len(layer["shape"]) == 3 and layer["op"] != "input")
    channels, height, width = maps["shape"]
    vector = next(layer for layer in run["layers"] if len(layer["shape"]) == 1)
    base = f"/api/v1/runs/{run['id']}/layers"
    problem = problem_of(api.get(f"{base}/nothing"), 404, "layer-not-found")
    assert maps["name"] in problem["detail"]
    for path in (f"channels/{channels}.png", "channels/-1.png", f"maps.png?channels=0-{channels}"):
        problem = problem_of(api.get(f"{base}/{maps['name']}/{path}"), 404, "unit-not-found")
        assert str(channels - 1) in problem["detail"]
    for unit in (f"{channels}/0/0", f"0/{height}/0", f"0/0/{width}", "-1/0/0", "0"):
        problem_of(api.get(f"{base}/{maps['name']}/units/{unit}"), 404, "unit-not-found")
    for unit in (str(vector["shape"][0]), "0/0/0"):
        problem_of(api.get(f"{base}/{vector['name']}/units/{unit}"), 404, "unit-not-found")


def test_an_empty_value_is_the_same_as_leaving_it_out(api: httpx.Client, catalog: Catalog, photo: bytes) -> None:
    run = post_run(api, catalog.models[0].id, photo)
    path = f"/api/v1/runs/{run['id']}"
    maps = f"{path}/layers/{run['layers'][1]['name']}/maps.png"
    for url, query in (
        (maps, "?channels=&columns="),
        (f"{path}/overview.safetensors", "?layers="),
        (f"/api/v1/models/{run['model']}", "?weights="),
    ):
        plain, empty = api.get(url), api.get(url + query)
        assert plain.status_code == empty.status_code == 200
        assert plain.content == empty.content


@pytest.mark.parametrize(
    "query", ["tile=0", "tile=5000", "tile=a", "scale=log", "columns=0", "channels=x", "colour=1"]
)
def test_a_query_out_of_range_names_field_value_and_range(
    api: httpx.Client, catalog: Catalog, photo: bytes, query: str
) -> None:
    run = post_run(api, catalog.models[0].id, photo)
    path = f"/api/v1/runs/{run['id']}/layers/{run['layers'][1]['name']}/maps.png"
    problem = problem_of(api.get(f"{path}?{query}"), 422, "invalid-value")
    field, value = query.split("=")
    assert (problem["field"], problem["value"]) == (field, value)
    assert field in problem["detail"] and value in problem["detail"]
    if field in ("tile", "columns"):
        assert problem["range"].startswith("a whole number from 1 to ")
