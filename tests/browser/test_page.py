"""The page as a reader uses it: draw, upload, enlarge, explain; its numbers against the API's."""

import io
import json
import math
import re
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Route, expect

from benchmarks.chromium import NARROW
from tests.browser.conftest import LIST, Open, Visit
from tests.conftest import MODELS

pytestmark = pytest.mark.browser


def models_with(api: httpx.Client, channels: int) -> list[str]:
    listed = api.get("/api/v1/models").json()["models"]
    return [model["id"] for model in listed if model["input"]["channels"] == channels]


def shown_predictions(seen: Visit) -> list[tuple[str, float]]:
    rows = seen.page.locator(".bars li").all()
    return [(str(row.get_attribute("data-label")), float(str(row.get_attribute("data-probability")))) for row in rows]


def answer(api: httpx.Client, run: str) -> list[tuple[str, float]]:
    return [(one["label"], one["probability"]) for one in api.get(f"/api/v1/runs/{run}").json()["predictions"]]


def number(place: Locator, name: str) -> float:
    return float(str(place.get_attribute(name)))


def test_it_opens_alive(visit: Open, api: httpx.Client) -> None:
    seen = visit()
    rows = seen.page.locator(".layer")
    model = seen.page.locator(".layer-list").get_attribute("data-model")
    table = api.get(f"/api/v1/models/{model}").json()
    assert rows.count() == len(table["layers"])
    assert table["input"]["channels"] == 1
    for layer in table["layers"]:
        row = seen.page.locator(f'.layer[data-layer="{layer["name"]}"]')
        assert row.get_attribute("data-shape") == ",".join(str(size) for size in layer["shape"])
        figures = api.get(f"/api/v1/runs/{seen.run()}/layers/{layer['name']}").json()
        assert math.isclose(number(row, "data-min"), figures["min"], rel_tol=1e-5, abs_tol=1e-6)
        assert math.isclose(number(row, "data-max"), figures["max"], rel_tol=1e-5, abs_tol=1e-6)
    assert shown_predictions(seen) == answer(api, seen.run())


def test_it_is_alive_before_the_browser_s_graphics_have_started(visit: Open, api: httpx.Client) -> None:
    seen = visit()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    seen.page.route("**/warm.js", hold)
    # the page waits 8 seconds for its worker, in which a busy machine may not get as far as what is looked at here
    seen.page.add_init_script(
        "const set = setTimeout;"
        "window.setTimeout = (then, after, ...more) => set(then, after === 8000 ? 60000 : after, ...more);"
    )
    seen.page.goto("about:blank")
    seen.page.goto(seen.url)
    seen.page.wait_for_selector("#scene[data-graphics='starting']")
    seen.page.wait_for_selector("body[data-painted]")
    expect(seen.page.locator("#starting")).to_have_count(0)
    model = str(seen.page.locator(".layer-list").get_attribute("data-model"))
    table = api.get(f"/api/v1/models/{model}").json()["layers"]
    pictures = seen.page.locator(".sketch img")
    expect(pictures).to_have_count(len(table))
    for at in range(len(table)):
        assert pictures.nth(at).evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 0
    expect(seen.page.locator(".pad-early path")).not_to_have_count(0)  # the digit draws itself
    seen.page.wait_for_timeout(1200)
    assert shown_predictions(seen) == answer(api, seen.run())
    assert seen.page.locator("#scene").get_attribute("data-graphics") == "starting"
    # a plate is sketched where the scene will draw it
    spot = seen.page.evaluate("(layer) => convscope.centreOf(layer)", table[1]["name"])
    box = seen.page.locator(".sketch-slab").nth(1).bounding_box()
    assert box is not None and box["x"] < spot["x"] < box["x"] + box["width"]
    assert box["y"] < spot["y"] < box["y"] + box["height"]
    for route in held:
        route.continue_()
    seen.settle()
    assert seen.page.locator("#scene").get_attribute("data-graphics") == "ready"
    expect(seen.page.locator(".sketch, .pad-early")).to_have_count(0)


def test_drawing_runs_live(visit: Open, api: httpx.Client) -> None:
    seen = visit()
    before = seen.run()
    seen.page.get_by_role("button", name="Clear").click()
    box = seen.page.locator("canvas.pad").bounding_box()
    assert box is not None
    mouse = seen.page.mouse
    mouse.move(box["x"] + 60, box["y"] + 40)
    mouse.down()
    mouse.move(box["x"] + 62, box["y"] + 150, steps=8)
    seen.page.wait_for_selector(f"body[data-busy='false']:not([data-run='{before}'])")  # before the pen is lifted
    mouse.up()
    seen.settle()
    drawn = seen.run()
    assert drawn != before
    expect(seen.page.locator("[data-sample][aria-pressed='true']")).to_have_count(
        0
    )  # no longer the sample it opened with
    seen.page.wait_for_function(
        "run => location.hash.includes(`run=${run}`) && !location.hash.includes('sample=')", arg=drawn
    )
    assert shown_predictions(seen) == answer(api, drawn)
    mouse.move(box["x"] + 100, box["y"] + 40)
    mouse.down()
    mouse.move(box["x"] + 150, box["y"] + 40, steps=5)
    mouse.up()
    seen.settle()
    assert seen.run() != drawn
    seen.page.get_by_role("button", name="Undo").click()
    seen.page.wait_for_selector(f"body[data-busy='false'][data-run='{drawn}']")  # the same picture is the same run


@pytest.mark.parametrize("model", MODELS)
def test_an_upload_goes_through_every_network(visit: Open, api: httpx.Client, photo: bytes, model: str) -> None:
    seen = visit(f"#model={model}")
    before = seen.run()
    seen.page.set_input_files("#file", {"name": "photo.png", "mimeType": "image/png", "buffer": photo})
    seen.page.wait_for_selector(f"body[data-busy='false']:not([data-run='{before}']):not([data-run=''])")
    assert shown_predictions(seen) == answer(api, seen.run())
    weights = next(one for one in api.get("/api/v1/models").json()["models"] if one["id"] == model)
    chosen = next(one for one in weights["weights"] if one["id"] == weights["default_weights"])
    if not chosen["trained"]:
        expect(seen.page.locator(".predictions h2")).to_have_text("Output, not a prediction")
        expect(seen.page.locator(".predictions .warning")).to_contain_text("has not been trained")
    else:
        expect(seen.page.locator(".predictions h2")).to_have_text("Prediction")
    for label in api.get(f"/api/v1/models/{model}").json()["labels"]:
        expect(seen.page.locator("[data-classes]")).to_contain_text(label)


def test_what_is_no_image_is_said(visit: Open) -> None:
    seen = visit()
    seen.page.set_input_files("#file", {"name": "x.png", "mimeType": "image/png", "buffer": b"no image"})
    expect(seen.page.locator("#alert")).to_be_visible()
    expect(seen.page.locator("#alert")).not_to_be_empty()
    seen.errors.clear()  # Chromium logs the 422 itself
    expect(seen.page.locator("[data-sample][aria-pressed='true']")).to_have_count(1)  # what was shown is shown still
    seen.page.keyboard.press("2")  # and the next network does not meet the file again
    seen.page.wait_for_selector("body[data-busy='false']:not([data-run=''])")
    expect(seen.page.locator("#alert")).to_be_hidden()


def test_what_is_too_large_is_said_with_its_size(visit: Open, tmp_path: Path) -> None:
    seen = visit()
    alert, run = seen.page.locator("#alert"), seen.run()
    most = int(seen.page.locator("body").get_attribute("data-max-body-bytes") or 0)
    heavy = tmp_path / "heavy.png"
    heavy.write_bytes(bytes(most + 1))
    seen.page.set_input_files("#file", heavy)
    expect(alert).to_contain_text(f"{(most + 1) / 2**20:.1f} MiB")  # not even sent
    side = math.isqrt(int(seen.page.locator("body").get_attribute("data-max-pixels") or 0)) + 1
    wide = io.BytesIO()
    Image.new("1", (side, side)).save(wide, "PNG")
    seen.page.set_input_files("#file", {"name": "wide.png", "mimeType": "image/png", "buffer": wide.getvalue()})
    expect(alert).to_contain_text(f"{side} x {side} = {side * side} pixels")
    seen.errors.clear()  # Chromium logs the 413 itself
    assert seen.run() == run


def test_a_click_enlarges_and_a_pixel_explains(visit: Open, api: httpx.Client) -> None:
    seen = visit(LIST)
    model = seen.page.locator(".layer-list").get_attribute("data-model")
    layers = api.get(f"/api/v1/models/{model}").json()["layers"]
    layer = next(one for one in layers if one["op"] == "conv" and len(one["shape"]) == 3)["name"]
    seen.page.locator(f'.layer[data-layer="{layer}"] canvas').first.click(position={"x": 20, "y": 20})
    enlarged = seen.page.locator(".enlarged canvas")
    enlarged.click(position={"x": 100, "y": 130})
    explanation = seen.page.locator(".explanation")
    explanation.wait_for()
    unit = str(explanation.get_attribute("data-unit"))
    told = api.get(f"/api/v1/runs/{seen.run()}/layers/{layer}/units/{unit.replace(',', '/')}").json()
    for name in ("value", "sum", "bias"):
        assert number(explanation, f"data-{name}") == told[name]
    assert explanation.get_attribute("data-sources") == str(len(told["sources"]))
    expect(explanation.locator(".expression")).to_have_text(told["expression"])
    block = explanation.locator(".source").first
    source = next(one for one in told["sources"] if str(one["channel"]) == block.get_attribute("data-channel"))
    patch, kernel, products = (
        np.array([float(str(cell.get_attribute("data-value"))) for cell in grid.locator("span").all()])
        for grid in block.locator(".matrix").all()
    )
    assert patch.tolist() == np.array(source["values"]).ravel().tolist()
    assert kernel.tolist() == np.array(source["weights"]).ravel().tolist()
    np.testing.assert_allclose(products, patch * kernel)
    assert math.isclose(number(block, "data-total"), float((patch * kernel).sum()), rel_tol=1e-9, abs_tol=1e-12)


def test_one_walks_back_to_the_pixels(visit: Open, api: httpx.Client) -> None:
    model = models_with(api, 1)[0]
    layers = api.get(f"/api/v1/models/{model}").json()["layers"]
    seen = visit(f"#model={model}&layer={layers[-1]['name']}&unit=0")
    for _ in range(len(layers)):
        explanation = seen.page.locator(".explanation")
        explanation.wait_for()
        here = explanation.get_attribute("data-layer")
        if here == layers[0]["name"]:
            break
        explanation.locator(".walk").first.click()
        seen.page.wait_for_selector(f'.explanation:not([data-layer="{here}"])')
    assert seen.page.locator(".explanation").get_attribute("data-layer") == layers[0]["name"]
    seen.page.locator(".trail .walk").first.click()
    seen.page.wait_for_selector(f'.explanation[data-layer="{layers[-1]["name"]}"]')


def test_everything_by_keyboard(visit: Open, api: httpx.Client) -> None:
    seen = visit(LIST)
    keys = seen.page.keyboard
    keys.press("?")
    expect(seen.page.locator("dialog.help")).to_be_visible()
    keys.press("Escape")
    expect(seen.page.locator("dialog.help")).to_be_hidden()
    canvas = seen.page.locator(".layer:nth-child(2) .maps canvas")
    canvas.focus()
    keys.press("ArrowRight")
    assert canvas.get_attribute("aria-valuenow") == "1"
    keys.press("Enter")
    expect(seen.page.locator(".enlarged canvas")).to_be_focused()  # the list is long, the panel stands behind it
    keys.press("ArrowRight")
    seen.page.locator(".explanation").wait_for()
    keys.press("ArrowRight")
    seen.page.wait_for_selector(".explanation[data-unit='1,0,1']")
    keys.press("Escape")
    expect(seen.page.locator("#inspector")).to_be_hidden()
    expect(canvas).to_be_focused()
    keys.press("2")
    second = api.get("/api/v1/models").json()["models"][1]["id"]
    seen.page.wait_for_selector(f'.layer-list[data-model="{second}"]')


def test_a_link_shows_the_same_again(visit: Open, api: httpx.Client) -> None:
    model = models_with(api, 3)[0]
    layer = next(
        one["name"] for one in api.get(f"/api/v1/models/{model}").json()["layers"] if one["op"] == "max_pool"
    )
    first = visit(f"#model={model}&sample=golf-ball&layer={layer}&unit=1,2,3")
    first.page.locator(".explanation").wait_for()
    second = visit(first.page.url.split("/")[-1])
    second.page.locator(".explanation").wait_for()
    assert second.run() == first.run()
    winner = second.page.locator(".matrix .winner").first
    told = api.get(f"/api/v1/runs/{second.run()}/layers/{layer}/units/1/2/3").json()
    assert math.isclose(number(winner, "data-value"), told["value"], rel_tol=1e-6)  # both are rounded to float32


def test_a_structure_shows_its_table_and_says_why_no_maps(visit: Open, api: httpx.Client) -> None:
    seen = visit()
    seen.page.select_option("#weights", "structure")
    expect(seen.page.locator(".predictions")).to_contain_text("no numbers")
    expect(seen.page.locator(".looks-legend")).to_be_empty()  # no maps, no range of theirs
    model = seen.page.locator(".layer-list").get_attribute("data-model")
    table = api.get(f"/api/v1/models/{model}", params={"weights": "structure"}).json()
    assert seen.page.locator(".layer").count() == len(table["layers"])


def test_nothing_is_wider_than_a_phone(visit: Open) -> None:
    seen = visit(LIST, size=NARROW)
    seen.page.locator(".layer:nth-child(2) .maps canvas").click(position={"x": 10, "y": 10})
    seen.page.locator(".enlarged canvas").wait_for()
    sizes = json.loads(str(seen.page.locator("html").evaluate("e => JSON.stringify([e.scrollWidth, e.clientWidth])")))
    assert sizes[0] <= sizes[1]


@pytest.mark.parametrize("path", ["course", "about", "docs"])
def test_the_other_pages_come_without_errors_and_no_wider_than_a_phone(visit: Open, path: str) -> None:
    seen = visit(None, size=NARROW)
    seen.read(path)
    seen.page.wait_for_load_state("networkidle")
    for folded in seen.page.locator("main details").all():
        folded.evaluate("e => { e.open = true }")
    sizes = seen.page.locator("html").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert sizes[0] <= sizes[1]
    expect(seen.page.locator("nav[aria-label=Pages] a").first).to_be_visible()


def test_an_emptied_pad_is_no_prediction(visit: Open, api: httpx.Client) -> None:
    seen = visit()
    before = seen.run()
    seen.page.get_by_role("button", name="Clear").click()
    seen.page.wait_for_selector(f"body[data-busy='false']:not([data-run='{before}'])")
    expect(seen.page.locator(".predictions")).to_contain_text("Nothing is drawn")
    assert shown_predictions(seen) == answer(api, seen.run())  # what the maps show, told as worth nothing
    expect(seen.page.locator(".bars")).to_have_class("bars untrained")


def test_the_arithmetic_can_be_switched_and_both_answers_are_shown(visit: Open, api: httpx.Client) -> None:
    listed = api.get("/api/v1/models").json()["models"]
    able = [
        model["id"]
        for model in listed
        if any(one["id"] == model["default_weights"] and "int8" in one["precisions"] for one in model["weights"])
    ]
    unable = [model["id"] for model in listed if model["id"] not in able]
    seen = visit(f"{LIST}&model={able[0]}")
    assert api.get(f"/api/v1/runs/{seen.run()}").json()["precision"] == "fp32"
    before = seen.run()
    seen.page.locator('.switches [data-precision="int8"]').click()
    expect(seen.page.locator("body")).not_to_have_attribute("data-run", before)
    rows = seen.page.locator(".answers tbody tr")
    expect(rows).to_have_count(2)
    run = api.get(f"/api/v1/runs/{seen.run()}").json()
    assert run["precision"] == "int8"
    assert shown_predictions(seen) == answer(api, seen.run())
    expect(seen.page).to_have_url(re.compile("precision=int8"))
    shares = {str(row.get_attribute("data-precision")): number(row, "data-probability") for row in rows.all()}
    assert math.isclose(shares["fp32"], answer(api, before)[0][1], abs_tol=1e-4)
    assert math.isclose(shares["int8"], run["predictions"][0]["probability"], abs_tol=0.1)
    seen.page.locator('.switches [data-precision="fp32"]').click()
    expect(seen.page.locator("body")).to_have_attribute("data-run", before)
    expect(rows).to_have_count(0)
    for model in unable[:1]:
        seen.go(f"{LIST}&model={model}")
        expect(seen.page.locator(".arithmetic")).to_be_hidden()
