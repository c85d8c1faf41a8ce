"""Guided tours: what is bundled agrees with the graphs, the route answers them, and what is wrong is refused."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.catalog import Catalog
from app.errors import NetworkUnusable, TourNotFound
from app.manifest import Structure
from app.settings import Settings
from app.tour import LAYER_FIGURES, MODEL_FIGURES, Tour, read_tour
from tests.conftest import every_model, problem_of
from tests.small_onnx import classifier, save


def step(**changes: Any) -> dict[str, Any]:
    return {"title": "T", "text": "x", **changes}


@every_model
def test_every_layer_unit_and_placeholder_of_a_tour_is_there(catalog: Catalog, model: str) -> None:
    tour = catalog.tour(model)
    assert 10 <= len(tour.steps) <= 15
    for weights in catalog.network(model).manifest.weights:
        graph = catalog.network(model, weights.id).graph
        tour.check([layer.name for layer in graph.layers])
        for one in tour.steps:
            if one.layer is None:
                continue
            layer = graph.layer(one.layer)
            unit = one.unit or []
            assert len(unit) in (0, 1, len(layer.shape)), one.title
            assert all(0 <= index < size for index, size in zip(unit, layer.shape, strict=False)), one.title
            if one.show == "window":
                assert layer.kernel is not None and len(unit) == 3, one.title


@every_model
def test_a_tour_is_short_to_read_and_types_no_figure_of_the_table(catalog: Catalog, model: str) -> None:
    """A figure of four digits or more comes from the table; years, and rates with a point, are history's."""
    tour = catalog.tour(model)
    words = sum(len(one.text.split()) for one in tour.steps)
    assert 300 <= words <= 700  # five minutes, with time to look
    table = {f"{layer.parameters:,}" for layer in catalog.network(model).graph.layers if layer.parameters > 999}
    for one in tour.steps:
        assert len(one.text.split()) <= 75, one.title
        typed = re.sub(r"\{[^{}]*\}", "", one.text)
        assert not set(re.findall(r"\d+(?:,\d{3})+", typed)) & table, one.title


@every_model
def test_the_route_answers_the_tour(api: httpx.Client, catalog: Catalog, model: str) -> None:
    answer = api.get(f"/api/v1/models/{model}/tour")
    assert answer.status_code == 200, answer.text
    assert answer.json() == catalog.tour(model).model_dump()


def test_unknown_networks_and_queries_are_refused(api: httpx.Client) -> None:
    problem_of(api.get("/api/v1/models/nothing/tour"), 404, "model-not-found")
    problem_of(api.get("/api/v1/models/lenet5/tour?step=1"), 422, "invalid-value")


def test_a_network_without_a_tour_says_so(tmp_path: Path) -> None:
    catalog = Catalog.open(
        Settings(cache_dir=tmp_path, provider="cpu", onnx=save(classifier(), tmp_path / "mine.onnx"))
    )
    with pytest.raises(TourNotFound, match="mine has no guided tour"):
        catalog.tour("mine")
    assert all(catalog.tour(manifest.id).steps for manifest in catalog.models if manifest.id != "mine")


def test_structures_have_the_same_layers_as_what_the_tour_walks(catalog: Catalog) -> None:
    for manifest in catalog.models:
        structure = next(one for one in manifest.weights if isinstance(one.origin, Structure))
        names = [layer.name for layer in catalog.network(manifest.id, structure.id).graph.layers]
        assert names == [layer.name for layer in catalog.network(manifest.id).graph.layers]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"title": "T", "steps": []}, "steps"),
        ({"title": "T", "steps": [step(place="C1")]}, "place"),
        ({"title": "T", "steps": [step(unit=[1])]}, "names its layer"),
        ({"title": "T"}, "steps"),
    ],
)
def test_a_wrong_tour_is_refused(tmp_path: Path, document: Any, message: str) -> None:
    path = tmp_path / "tour.json"
    path.write_text(json.dumps(document))
    with pytest.raises(NetworkUnusable, match=message):
        read_tour(path)
    path.write_text("{")
    with pytest.raises(NetworkUnusable, match="not JSON"):
        read_tour(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer": "C9"}, "'C9', which is no layer"),
        ({"emphasise": ["C9"]}, "'C9', which is no layer"),
        ({"text": "{C9.parameters}"}, r"\{C9.parameters\}"),
        ({"text": "{a.b.colour}"}, r"\{a.b.colour\}"),
        ({"title": "{model.colour}"}, r"\{model.colour\}"),
    ],
)
def test_a_tour_that_names_what_is_not_there_is_refused(changes: dict[str, Any], message: str) -> None:
    tour = Tour.model_validate({"title": "T", "steps": [step(**changes)]})
    with pytest.raises(NetworkUnusable, match=message):
        tour.check(["a.b", "C1"])


def test_every_figure_is_known_by_name() -> None:
    figures = [f"{{a.b.{name}}}" for name in LAYER_FIGURES] + [f"{{model.{name}}}" for name in MODEL_FIGURES]
    text = " ".join(figures)
    Tour.model_validate({"title": "T", "steps": [step(text=text)]}).check(["a.b"])
