"""What goes wrong beside the picture: files that cannot be read, connections that break, runs that have gone."""

import json
import re

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import LIST, Open, Visit
from tests.browser.test_haste import hold, until_held
from tests.browser.test_scene import layers_of
from tests.conftest import MODELS, draw_scene, encode, post_run

pytestmark = pytest.mark.browser


def upload(seen: Visit, data: bytes, name: str = "photo.png") -> None:
    seen.page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": data})


def hold_first(seen: Visit, path: str) -> list[Route]:
    """The next request to it has to wait; those that follow do not."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    seen.page.route(path, keep)
    return held


def able(api: httpx.Client) -> str:
    """A network that runs on 8 bits, too."""
    listed = api.get("/api/v1/models").json()["models"]
    return next(
        str(model["id"])
        for model in listed
        for one in model["weights"]
        if one["id"] == model["default_weights"] and "int8" in one["precisions"] and model["input"]["channels"] == 3
    )


def test_a_file_that_cannot_be_read_is_said_and_not_sent(visit: Open, photo: bytes) -> None:
    seen = visit(LIST)
    run, sent = seen.run(), hold(seen, "**/runs?*")
    seen.page.evaluate(
        "() => { Blob.prototype.arrayBuffer = () => Promise.reject(new DOMException('', 'NotFoundError')); }"
    )
    upload(seen, photo, "gone.png")
    expect(seen.page.locator("#alert")).to_contain_text("“gone.png” cannot be read")
    assert (sent, seen.run()) == ([], run)


def test_a_picture_whose_connection_breaks_off_is_not_sent_for_ever(
    visit: Open, api: httpx.Client, photo: bytes
) -> None:
    seen = visit(LIST)
    before, tries = seen.run(), 0

    def break_off(route: Route) -> None:
        nonlocal tries
        tries += 1
        route.abort("connectionreset")

    seen.page.route("**/runs?*", break_off)
    upload(seen, photo)
    expect(seen.page.locator("#alert")).to_contain_text("though the server answers")
    assert 2 <= tries <= 4
    seen.page.wait_for_timeout(3000)
    assert tries <= 4 and seen.run() == before
    seen.page.unroute("**/runs?*")
    upload(seen, photo)
    seen.page.wait_for_selector(f"body[data-busy='false']:not([data-run='{before}'])")
    expect(seen.page.locator("#alert")).to_be_hidden()
    seen.errors.clear()  # Chromium logs the requests that failed


def test_a_photo_goes_on_to_a_network_that_is_chosen_before_its_answer(
    visit: Open, api: httpx.Client, photo: bytes
) -> None:
    first, other = MODELS[:2]
    seen = visit(f"{LIST}&model={first}")
    held = hold_first(seen, "**/runs?*")
    upload(seen, photo)
    until_held(seen, held)
    seen.page.locator(f".network[data-model='{other}']").click()
    seen.page.locator(f".layer-list[data-model='{other}']").wait_for(state="attached")
    for route in held:
        route.continue_()
    expected = post_run(api, other, photo)["id"]
    seen.page.wait_for_selector(f"body[data-busy='false'][data-run='{expected}']")
    expect(seen.page.locator("[data-sample][aria-pressed='true']")).to_have_count(0)


def test_numbers_that_are_still_unpacked_are_waited_for(visit: Open) -> None:
    seen = visit(LIST)
    asked = 0
    problem = {
        "type": "urn:convscope:problem:weights-not-ready",
        "title": "",
        "status": 409,
        "detail": "Not here yet.",
    }

    def later(route: Route) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            route.continue_()
            return
        headers = {"Content-Type": "application/problem+json", "Retry-After": "1"}
        route.fulfill(status=409, headers=headers, body=json.dumps(problem))

    seen.page.route("**/runs?*", later)
    before = seen.run()
    seen.page.keyboard.press("2")
    expect(seen.page.locator("#alert")).to_contain_text("still unpacking")
    seen.page.wait_for_selector(f"body[data-busy='false']:not([data-run='{before}']):not([data-run=''])")
    expect(seen.page.locator("#alert")).to_be_hidden()
    seen.errors.clear()  # Chromium logs the 409 itself


def test_what_is_said_of_a_file_outlasts_the_maps_of_the_picture_before(visit: Open, photo: bytes) -> None:
    seen = visit(f"{LIST}&model={MODELS[1]}")
    seen.page.wait_for_load_state("networkidle")  # the list's own maps of the picture before are all there
    before, held = seen.run(), hold_first(seen, "**/overview.safetensors*")
    upload(seen, photo)
    until_held(seen, held)
    upload(seen, b"no image", "x.png")
    expect(seen.page.locator("#alert")).to_contain_text("not an image")
    for route in held:
        route.continue_()
    seen.page.wait_for_selector(f"body[data-busy='false']:not([data-run='{before}'])")
    expect(seen.page.locator("#alert")).to_contain_text("not an image")
    seen.errors.clear()  # Chromium logs the 422 itself


def test_a_run_that_has_gone_is_made_again(visit: Open, api: httpx.Client) -> None:
    model = MODELS[1]
    seen = visit(f"{LIST}&model={model}")
    upload(seen, encode(draw_scene(31)))
    first = seen.run()
    seen.page.wait_for_selector(f"body[data-busy='false']:not([data-run='{first}'])")
    run = seen.run()
    assert api.delete(f"/api/v1/runs/{run}").status_code == 204
    name = layers_of(api, model)[1]["name"]
    seen.page.locator(f".layer[data-layer='{name}'] canvas").first.click(position={"x": 20, "y": 20})
    seen.page.locator(f".enlarged canvas, .explanation[data-layer='{name}']").first.wait_for()
    assert api.get(f"/api/v1/runs/{run}").status_code == 200  # the same picture is the same run
    seen.errors.clear()  # Chromium logs the 404 itself


def test_a_link_to_a_run_that_has_gone_says_so(visit: Open) -> None:
    seen = visit(f"{LIST}&run={'0' * 40}")
    expect(seen.page.locator("#notice")).to_contain_text("no longer kept")
    assert seen.run()
    seen.errors.clear()  # Chromium logs the 404 itself


def test_both_halves_have_the_same_weights_and_arithmetic(visit: Open, api: httpx.Client) -> None:
    seen = visit(f"{LIST}&model={able(api)}&precision=int8")
    seen.page.get_by_role("button", name="Compare", exact=True).click()
    seen.page.wait_for_selector("dialog.compare[data-busy='false'] .compare-maps[data-right-run]")
    runs = [str(one.get_attribute("data-run")) for one in seen.page.locator(".compare-answer").all()]
    assert len(set(runs)) == 2
    assert [api.get(f"/api/v1/runs/{run}").json()["precision"] for run in runs] == ["int8", "int8"]
    for heading in seen.page.locator(".compare-answer h3").all():
        expect(heading).to_contain_text("8 bits")


def test_without_the_picture_its_arithmetic_cannot_be_switched(visit: Open, api: httpx.Client, photo: bytes) -> None:
    model = able(api)
    seen = visit(f"{LIST}&model={model}&run={post_run(api, model, photo)['id']}")
    switch = seen.page.locator('.switches [data-precision="int8"]')
    expect(switch).to_be_disabled()
    expect(switch).to_have_attribute("title", re.compile("has not got the picture"))
    upload(seen, photo)
    expect(switch).to_be_enabled()


def test_the_keys_stay_where_the_reader_is(visit: Open, api: httpx.Client) -> None:
    model = able(api)
    layer = next(one for one in layers_of(api, model)[2:] if one["op"] == "relu" or one["op"] == "max_pool")
    seen = visit(f"{LIST}&model={model}&layer={layer['name']}&unit=1,1,1")
    seen.page.locator(f".explanation[data-layer='{layer['name']}']").wait_for()
    seen.page.locator("#inspector .walk").first.focus()
    seen.page.keyboard.press("Enter")
    seen.page.locator(f"#inspector .explanation:not([data-layer='{layer['name']}'])").wait_for()
    assert seen.page.evaluate("() => document.querySelector('#inspector').contains(document.activeElement)")
    weights = next(one for one in api.get("/api/v1/models").json()["models"] if one["id"] == model)["weights"]
    structure = next(one["id"] for one in weights if not one["ready"] and not one["bundled"])  # shown at once
    seen.page.locator("#weights").focus()
    seen.page.locator("#weights").select_option(structure)
    seen.page.wait_for_selector("body[data-run='']")
    expect(seen.page.locator("#weights")).to_have_value(structure)
    expect(seen.page.locator("#weights")).to_be_focused()


def test_the_calculator_says_what_of_a_layer_it_does_not_know(visit: Open, api: httpx.Client) -> None:
    layers = [
        (model, layer)
        for model in MODELS
        for layer in layers_of(api, model)
        if layer["op"] == "subsampling" or layer.get("table") is not None
    ]
    assert layers
    for model, layer in layers:
        seen = visit(f"{LIST}&model={model}&layer={layer['name']}&unit=0&panel=calculator")
        own = seen.page.locator("#inspector .calculator .own")
        expect(own).to_contain_text(f"This layer itself has {layer['parameters']:,}")
        seen.page.locator("#inspector .calculator [data-field='stride']").fill("3")
        expect(own).to_have_count(0)
