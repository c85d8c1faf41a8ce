"""Crops and ensembles over HTTP: means of what the networks say by themselves."""

import httpx
import pytest

from app.catalog import Catalog
from app.manifest import DigitPreprocessing
from tests.conftest import problem_of

TOP = "top=1000000"


@pytest.fixture(scope="module")
def alike(catalog: Catalog) -> list[str]:
    """Networks that share their classes, the cheapest first."""
    networks = [catalog.network(manifest.id) for manifest in catalog.models]
    photos = [one for one in networks if not isinstance(one.weights.preprocessing, DigitPreprocessing)]
    assert len({one.labels for one in photos}) == 1
    return [one.id for one in sorted(photos, key=lambda one: one.graph.multiply_adds)]


def shares(answer: dict[str, list[dict[str, float]]]) -> dict[float, float]:
    return {one["index"]: one["probability"] for one in answer["predictions"]}


@pytest.mark.parametrize("crops", ["", "10"])
def test_an_ensemble_is_the_mean_of_its_members(
    api: httpx.Client, alike: list[str], photo: bytes, crops: str
) -> None:
    members = alike[:2]
    url = f"/api/v1/ensembles/predictions?models={','.join(members)}&{TOP}&crops={crops}"
    answer = api.post(url, content=photo)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["models"] == members and body["crops"] == int(crops or 1)
    assert body["trained"] is all(one["trained"] for one in body["members"])
    alone = []
    for member in members:
        one = api.post(f"/api/v1/models/{member}/predictions?{TOP}&crops={crops}", content=photo).json()
        alone.append(shares(one))
        told = next(other for other in body["members"] if other["model"] == member)
        assert shares(told) == pytest.approx(shares(one), abs=1e-5)
    mean = {index: sum(one[index] for one in alone) / len(alone) for index in alone[0]}
    assert shares(body) == pytest.approx(mean, abs=1e-5)
    assert sum(mean.values()) == pytest.approx(1, abs=1e-4)
    listed = [one["probability"] for one in body["predictions"]]
    assert listed == sorted(listed, reverse=True)


def test_crops_change_the_answer_and_are_told(api: httpx.Client, alike: list[str], photo: bytes) -> None:
    url = f"/api/v1/models/{alike[0]}/predictions?{TOP}"
    one, ten = api.post(f"{url}&crops=1", content=photo).json(), api.post(f"{url}&crops=10", content=photo).json()
    assert (one["crops"], ten["crops"]) == (1, 10)
    assert shares(one) != shares(ten)
    run = api.post(f"/api/v1/models/{alike[0]}/runs?{TOP}&crops=10", content=photo).json()
    assert run["crops"] == 10
    assert shares(run) == pytest.approx(shares(ten), abs=1e-6)
    plain = api.post(f"/api/v1/models/{alike[0]}/runs?{TOP}", content=photo).json()
    assert plain["id"] != run["id"] and plain["crops"] == 1


def test_members_must_exist_once_and_share_their_classes(
    api: httpx.Client, catalog: Catalog, alike: list[str], photo: bytes
) -> None:
    url = "/api/v1/ensembles/predictions"
    other = next(manifest.id for manifest in catalog.models if manifest.id not in alike)
    problem = problem_of(api.post(f"{url}?models={alike[0]},{other}", content=photo), 409, "not-supported")
    assert problem["field"] == "models"
    for models in (f"{alike[0]},{alike[0]}", ""):
        problem = problem_of(api.post(f"{url}?models={models}", content=photo), 422, "invalid-value")
        assert problem["field"] == "models"
    assert problem_of(api.post(url, content=photo), 422, "invalid-value")["field"] == "models"
    problem = problem_of(api.post(f"{url}?models={alike[0]},nothing", content=photo), 404, "model-not-found")
    assert problem["value"] == "nothing"
    asked = f"{url}?models={alike[0]}&weights=structure"
    problem_of(api.post(asked, content=photo), 409, "weights-not-ready")


def test_a_network_of_digits_takes_one_crop(
    api: httpx.Client, catalog: Catalog, alike: list[str], digit: bytes
) -> None:
    other = next(manifest.id for manifest in catalog.models if manifest.id not in alike)
    problem = problem_of(
        api.post(f"/api/v1/models/{other}/predictions?crops=10", content=digit), 409, "not-supported"
    )
    assert "crops=1" in problem["detail"]
