"""The OpenAPI document: an example for every field, and a server that keeps to it."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from app.catalog import Catalog
from app.connections import LONGEST_URL
from app.main import create_app
from app.settings import Settings
from app.uploads import IMAGE_TYPES
from tests.conftest import draw_scene, encode, post_run, problem_of

IMAGES = st.builds(
    lambda seed, width, height, kind: encode(draw_scene(seed, width, height), kind),
    st.integers(0, 1000),
    st.integers(16, 60),
    st.integers(16, 60),
    st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"]),
)

for media_type in (*IMAGE_TYPES, "application/octet-stream"):
    schemathesis.openapi.media_type(media_type, IMAGES)
schemathesis.openapi.format("binary", IMAGES)


@pytest.fixture(scope="session")
def document(api: httpx.Client) -> dict[str, Any]:
    answer = api.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_field_has_an_example(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        for field, about in schema.get("properties", {}).items():
            parts = (about, about.get("items", {}), *about.get("anyOf", ()))
            told = any("$ref" in part or part.get("examples") or "const" in part for part in parts)
            assert told, f"{name}.{field}"


def test_every_parameter_has_an_example_and_a_description(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            schema = parameter["schema"]
            assert parameter.get("examples") or schema.get("examples") or "example" in parameter, (name, parameter)
            assert parameter.get("description") or parameter["in"] == "path", (name, parameter["name"])


def test_every_operation_tells_its_errors_as_problems(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert operation["description"], name
        protocol = "/v2" in name  # the Open Inference Protocol tells errors its own way
        assert ("400" if protocol else "422") in operation["responses"], name
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                kind = "application/json" if protocol else "application/problem+json"
                assert list(response["content"]) == [kind], (name, status)


def test_bodies_are_images_raw_or_in_a_form(document: dict[str, Any]) -> None:
    posts = [
        operation
        for name, operation in operations(document)
        if name.startswith("POST /api") and "requestBody" in operation
    ]
    assert len(posts) == 3
    for operation in posts:
        content = operation["requestBody"]["content"]
        assert set(content) == {*IMAGE_TYPES, "application/octet-stream", "multipart/form-data"}
        assert content["multipart/form-data"]["schema"]["required"] == ["image"]


def test_an_inference_tells_its_fields_both_ways(document: dict[str, Any]) -> None:
    found = [operation for name, operation in operations(document) if name.endswith("/infer")]
    assert len(found) == 2
    for operation in found:
        (length,) = (one for one in operation["parameters"] if one["in"] == "header")
        assert length["name"] == "Inference-Header-Content-Length" and not length.get("required")
        asked, answered = operation["requestBody"]["content"], operation["responses"]["200"]["content"]
        assert set(asked) == set(answered) == {"application/json", "application/octet-stream"}
        parts = [asked["application/json"]["schema"]]
        parts += [parts[0]["properties"]["inputs"]["items"], parts[0]["properties"]["outputs"]["anyOf"][0]["items"]]
        for part in parts:
            for one in part["properties"].values():
                forms = [one, *one.get("anyOf", ())]
                assert "examples" in one or any("items" in form for form in forms)
        kind = answered["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert set(document["components"]["schemas"][kind]["properties"]) == {
            *("model_name", "model_version", "id", "outputs")
        }


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_the_document_and_its_page_refuse_what_they_do_not_know(api: httpx.Client, path: str) -> None:
    assert api.get(path).status_code == api.head(path).status_code == 200
    assert problem_of(api.get(f"{path}?x=1"), 422, "invalid-value")["field"] == "x"


# --- the server keeps to the document -----------------------------------------------------------------------


# the document does not depend on a cache or a port, so it can be had while tests are collected
SCHEMA = schemathesis.openapi.from_dict(create_app(Settings(provider="cpu")).openapi())
EXAMPLES = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


def ask(case: "schemathesis.Case[Any]", server: str) -> None:
    """Call and check. The shape of a network's tensors and its classes are beyond what a schema can say."""
    response = with_few_crops(case).call(base_url=server, timeout=120)
    if len(response.request.path_url or "") > LONGEST_URL:  # never reaches what the document tells of
        assert response.status_code == 414
        return
    unknown_class = response.status_code == 422 and response.json().get("field") == "class"
    beyond = case.operation.path.endswith("/infer") or unknown_class
    excluded: Any = [schemathesis.checks.CHECKS.get_one("positive_data_acceptance")] if beyond else []
    case.validate_response(response, excluded_checks=excluded)


def with_few_crops(case: "schemathesis.Case[Any]") -> "schemathesis.Case[Any]":
    """144 forward passes a request are tested elsewhere."""
    if str(case.query.get("crops")) in ("10", "144"):
        case.query["crops"] = 1
    return case


@SCHEMA.parametrize()
@EXAMPLES
def test_any_request_is_answered_as_documented(case: "schemathesis.Case[Any]", server: str) -> None:
    ask(case, server)


@SCHEMA.parametrize()
@EXAMPLES
def test_requests_about_what_is_there_are_answered_as_documented(
    case: "schemathesis.Case[Any]", server: str, api: httpx.Client, catalog: Catalog, photo: bytes
) -> None:
    """The same with the names of a network, a run and a layer that exist, wherever the path asks for one."""
    run = post_run(api, catalog.models[0].id, photo)
    conv = next(layer["name"] for layer in run["layers"] if layer["op"] == "conv")
    there = {"model": run["model"], "run": run["id"], "layer": conv}
    case.path_parameters = {name: there.get(name, value) for name, value in case.path_parameters.items()}
    ask(case, server)
