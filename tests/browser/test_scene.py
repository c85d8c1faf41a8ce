"""The scene as a reader walks through it: units by their place on the screen, the API's numbers, camera and link."""

import itertools
import json
import math
import re
import time
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from benchmarks.chromium import NARROW, WIDE
from tests.browser.conftest import Open, Visit
from tests.browser.test_page import answer, shown_predictions
from tests.conftest import MODELS

pytestmark = pytest.mark.browser

FULL_DRAW_CALLS = 150


def spot_of(page: Page, layer: str, unit: list[int]) -> tuple[float, float]:
    """Where a unit is seen on the screen."""
    spot = page.evaluate("([layer, unit]) => convscope.screenOf(layer, unit)", [layer, unit])
    assert spot is not None, f"{layer} {unit} is not on the screen"
    return float(spot["x"]), float(spot["y"])


def rest(seen: Visit) -> None:
    """Waits until camera and panel stand still and no frame is drawn any more.

    The network moves aside once a panel has got its height, and names come a moment after it stands.
    """
    panel = "document.querySelector('#inspector').getBoundingClientRect()"
    frames = "document.querySelector('#scene').dataset.frames"
    still = f"() => JSON.stringify([convscope.stage?.pose(), {panel}, {frames}])"
    before = None
    while before != (before := seen.page.evaluate(still)):
        seen.page.wait_for_timeout(300)  # longer than any of the page's own pauses
        seen.draw()


def fly(seen: Visit, layer: str, channel: int | None = None) -> None:
    """Flies to a layer, or one of its maps; at once, as the tests ask for calm."""
    seen.page.evaluate(
        "([layer, channel]) => channel === null ? convscope.stage.fly(layer) : convscope.stage.fly(layer, channel)",
        [layer, channel],
    )
    seen.page.wait_for_timeout(100)
    seen.draw()


def hover(seen: Visit, layer: str, unit: list[int]) -> float:
    """Points at a unit; the value that the page shows for it."""
    seen.page.mouse.move(*spot_of(seen.page, layer, unit))
    name = ",".join(str(one) for one in unit)
    seen.page.wait_for_selector(f"#reading[data-layer='{layer}'][data-unit='{name}']:not([data-value=''])")
    return float(str(seen.page.locator("#reading").get_attribute("data-value")))


def layers_of(api: httpx.Client, model: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = api.get(f"/api/v1/models/{model}").json()["layers"]
    return listed


def middle(shape: list[int]) -> list[int]:
    return [size // 2 for size in shape]


def scene(seen: Visit, name: str) -> int:
    return int(str(seen.page.locator("#scene").get_attribute(name)))


def captions(seen: Visit) -> list[str]:
    """Layers whose names are written in the scene."""
    return str(seen.page.locator("#scene").get_attribute("data-captioned")).split()


def expect_caption(seen: Visit, layer: str) -> None:
    """Waits until the name of a layer is written in the scene."""
    word = re.compile(rf"(^|\s){re.escape(layer)}(\s|$)")
    expect(seen.page.locator("#scene")).to_have_attribute("data-captioned", word)


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_every_layer_of_a_deep_network_is_reached_by_name(
    visit: Open, api: httpx.Client, size: tuple[int, int]
) -> None:
    model = max(MODELS, key=lambda one: len(layers_of(api, one)))
    seen = visit(f"#model={model}", size=size)
    names = [layer["name"] for layer in layers_of(api, model)]
    written = captions(seen)
    assert len(written) > (12 if size == WIDE else 5)
    if size == WIDE:  # thinned evenly: no long stretch without a name
        places = sorted(names.index(name) for name in written)
        assert max(after - before for before, after in itertools.pairwise(places)) < len(names) / 4
    if size == NARROW:
        seen.page.get_by_role("button", name="Layers", exact=True).click()
    left_out = next(name for name in names[5:] if name not in written)
    seen.page.locator(f"#shelf li[data-layer='{left_out}']").hover()
    expect_caption(seen, left_out)
    if size == WIDE:
        box = seen.page.locator(".minimap").bounding_box()
        assert box is not None
        seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(seen.page.locator(".minimap-name")).to_be_visible()
        pointed = seen.page.locator(".minimap-name").inner_text()
        assert pointed in names
        expect_caption(seen, pointed)
        fly(seen, left_out)
        for name in names[names.index(left_out) - 1 :][:3]:
            expect_caption(seen, name)  # names appear as one comes nearer


@pytest.mark.parametrize("model", MODELS)
def test_every_layer_stands_and_its_units_are_found_by_place(visit: Open, api: httpx.Client, model: str) -> None:
    seen = visit(f"#model={model}")
    assert scene(seen, "data-draw-calls") <= FULL_DRAW_CALLS
    table = layers_of(api, model)
    assert seen.page.locator("#shelf li").count() == len(table)
    outputs = table[-1]["shape"][0]
    assert str(seen.page.locator("#scene").get_attribute("data-named")) == ",".join(map(str, range(outputs)))
    by_op = {layer["op"]: layer for layer in table}  # the last layer of every operator
    for layer in by_op.values():
        unit = middle(layer["shape"])
        fly(seen, layer["name"], unit[0])
        told = api.get(f"/api/v1/runs/{seen.run()}/layers/{layer['name']}/units/{'/'.join(map(str, unit))}").json()
        assert hover(seen, layer["name"], unit) == told["value"], layer["name"]
        expect_caption(seen, layer["name"])


@pytest.mark.parametrize("view", ["", "#view=flat"])
def test_a_click_opens_the_unit_with_patch_kernel_and_sum(visit: Open, api: httpx.Client, view: str) -> None:
    seen = visit(view)
    model = str(seen.page.locator(".layer-list").get_attribute("data-model"))
    layer = next(one for one in layers_of(api, model) if one["op"] == "conv" and one["inputs"] != ["image"])
    unit = middle(layer["shape"])
    hover(seen, layer["name"], unit)
    seen.page.mouse.click(*spot_of(seen.page, layer["name"], unit))
    explanation = seen.page.locator(".explanation")
    explanation.wait_for()
    name = ",".join(map(str, unit))
    assert explanation.get_attribute("data-unit") == name
    told = api.get(f"/api/v1/runs/{seen.run()}/layers/{layer['name']}/units/{name.replace(',', '/')}").json()
    for figure in ("value", "sum", "bias"):
        assert float(str(explanation.get_attribute(f"data-{figure}"))) == told[figure]
    block = explanation.locator(".source").first
    source = next(one for one in told["sources"] if str(one["channel"]) == block.get_attribute("data-channel"))
    patch, kernel, products = (
        np.array([float(str(cell.get_attribute("data-value"))) for cell in grid.locator("span").all()])
        for grid in block.locator(".matrix").all()
    )
    assert patch.tolist() == np.array(source["values"]).ravel().tolist()
    assert kernel.tolist() == np.array(source["weights"]).ravel().tolist()
    np.testing.assert_allclose(products, patch * kernel)
    # the panel does not cover what it explains
    rest(seen)
    x, y = spot_of(seen.page, layer["name"], unit)
    panel = seen.page.locator("#inspector").bounding_box()
    assert panel is not None
    assert not (panel["x"] <= x and panel["y"] <= y)


def test_one_walks_back_in_the_scene_to_the_pixels(visit: Open, api: httpx.Client) -> None:
    seen = visit()
    table = layers_of(api, str(seen.page.locator(".layer-list").get_attribute("data-model")))
    seen.page.mouse.click(*spot_of(seen.page, table[-1]["name"], [3]))
    while (here := seen.page.locator(".explanation").get_attribute("data-layer")) != table[0]["name"]:
        seen.page.locator(".explanation .walk").first.click()
        seen.page.wait_for_selector(f'.explanation:not([data-layer="{here}"])')
        rest(seen)
        reached = seen.page.locator(".explanation")
        unit = [int(one) for one in str(reached.get_attribute("data-unit")).split(",")]
        x, y = spot_of(seen.page, str(reached.get_attribute("data-layer")), unit)
        assert 0 < x < WIDE[0] and 0 < y < WIDE[1]  # where the walk leads can be seen


def test_layers_fold_open_and_hide(visit: Open, api: httpx.Client) -> None:
    seen = visit()
    table = layers_of(api, str(seen.page.locator(".layer-list").get_attribute("data-model")))
    name = table[2]["name"]
    row = seen.page.locator(f"#shelf li[data-layer='{name}']")
    x, y = spot_of(seen.page, name, [table[2]["shape"][0] // 2, 0, 0])
    row.hover()
    row.locator(".fold-one").click()
    assert seen.page.evaluate("layer => convscope.screenOf(layer, [0, 0, 0])", name) is None  # a mean has no units
    expect(row.locator(".fold-one")).to_have_attribute("aria-pressed", "true")
    centre = seen.page.evaluate("layer => convscope.centreOf(layer)", name)
    seen.page.mouse.click(centre["x"], centre["y"])  # a click on the mean opens it
    expect(row.locator(".fold-one")).to_have_attribute("aria-pressed", "false")
    again = spot_of(seen.page, name, [table[2]["shape"][0] // 2, 0, 0])
    assert math.dist((x, y), again) < 2
    calls = scene(seen, "data-draw-calls")
    row.hover()
    row.locator(".hide-one").click()
    seen.page.wait_for_selector(f"#scene[data-draw-calls='{calls - 1}']")
    row.hover()
    row.locator(".hide-one").click()
    seen.page.wait_for_selector(f"#scene[data-draw-calls='{calls}']")


def test_a_link_holds_what_is_folded_and_hidden(visit: Open, api: httpx.Client) -> None:
    model = MODELS[0]
    table = layers_of(api, model)
    names = [layer["name"] for layer in table]
    first = visit(f"#model={model}")

    def press(seen: Visit, layer: str, what: str) -> None:
        row = seen.page.locator(f"#shelf li[data-layer='{layer}']")
        row.hover()
        row.locator(what).click()

    press(first, names[1], ".fold-one")
    press(first, names[4], ".fold-one")
    press(first, names[6], ".hide-one")
    drawn = len(names) - 1 + 2  # one layer is hidden; the picture and the ground stand before them
    expect(first.page.locator("#scene")).to_have_attribute("data-draw-calls", str(drawn))
    first.page.wait_for_function("() => location.hash.includes('hidden=')")
    second = visit(first.page.url.split("/")[-1])
    for layer, what in ((names[1], ".fold-one"), (names[4], ".fold-one"), (names[6], ".hide-one")):
        row = second.page.locator(f"#shelf li[data-layer='{layer}']")
        expect(row.locator(what)).to_have_attribute("aria-pressed", "true")
    assert second.page.locator("#shelf [aria-pressed='true']").count() == 3
    for layer in names:
        here, there = (one.page.evaluate("layer => convscope.centreOf(layer)", layer) for one in (first, second))
        if layer == names[6]:
            assert here is None and there is None
        else:
            assert math.dist((here["x"], here["y"]), (there["x"], there["y"])) < 1, layer
    second.page.get_by_role("button", name="Fold all").click()
    second.page.wait_for_function("() => location.hash.includes('folded=*') || location.hash.includes('folded=%2A')")
    other = next(one for one in MODELS if one != model)
    second.page.locator(f".network[data-model='{other}']").click()
    second.page.wait_for_function("model => location.hash.includes(model)", arg=other)
    second.page.wait_for_function("() => !location.hash.includes('folded=')")


def test_nothing_is_drawn_at_rest_and_every_way_of_moving_draws(visit: Open) -> None:
    seen = visit()
    page = seen.page
    rest(seen)
    frames = scene(seen, "data-frames")
    page.wait_for_timeout(1500)
    assert scene(seen, "data-frames") == frames

    def pose() -> Any:
        return page.evaluate("JSON.stringify(convscope.stage.pose())")

    before = pose()

    def moves(what: str) -> None:
        nonlocal before
        page.wait_for_timeout(150)
        assert pose() != before, what
        before = pose()

    page.mouse.move(1080, 620)
    page.mouse.down()
    page.mouse.move(1000, 600, steps=4)
    page.mouse.up()
    moves("drag turns")
    page.mouse.down(button="right")
    page.mouse.move(1040, 620, steps=4)
    page.mouse.up(button="right")
    moves("the right button moves")
    page.mouse.wheel(0, -200)
    moves("the wheel zooms")
    for key in ("ArrowLeft", "ArrowUp", "+", "-", "q", "o", "]", "v"):
        page.keyboard.press(key)
        moves(key)
    assert json.loads(before)["flat"] is True
    assert scene(seen, "data-frames") > frames


def test_the_wheel_zooms_to_the_pointer(visit: Open, api: httpx.Client) -> None:
    seen = visit()
    table = layers_of(api, str(seen.page.locator(".layer-list").get_attribute("data-model")))
    unit = middle(table[1]["shape"])
    spot = spot_of(seen.page, table[1]["name"], unit)
    seen.page.mouse.move(*spot)
    seen.page.mouse.wheel(0, -240)
    seen.page.wait_for_timeout(300)
    assert math.dist(spot, spot_of(seen.page, table[1]["name"], unit)) < 12


def test_a_layer_is_found_and_flown_to(visit: Open, api: httpx.Client) -> None:
    model = max(MODELS, key=lambda one: len(layers_of(api, one)))
    seen = visit(f"#model={model}")
    name = layers_of(api, model)[-5]["name"]
    before = seen.page.evaluate("layer => convscope.screenOf(layer, [0, 0, 0])", name)
    seen.page.keyboard.press("/")
    seen.page.keyboard.type(name)
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_timeout(300)
    after = seen.page.evaluate("layer => convscope.screenOf(layer, [0, 0, 0])", name)
    assert before != after
    assert 0 < after["x"] < WIDE[0] and 0 < after["y"] < WIDE[1]


def test_a_link_holds_network_sample_unit_and_camera(visit: Open, api: httpx.Client) -> None:
    model = MODELS[0]
    layer = next(one for one in layers_of(api, model) if one["op"] == "conv")
    first = visit(f"#model={model}&sample=parachute")
    fly(first, layer["name"], 2)
    first.page.mouse.click(*spot_of(first.page, layer["name"], [2, 5, 7]))
    first.page.locator(".explanation").wait_for()
    first.page.wait_for_function("() => location.hash.includes('camera=') && location.hash.includes('unit=2,5,7')")
    rest(first)
    link = None
    while link != (link := first.page.url):  # it follows the camera a moment later
        first.page.wait_for_timeout(500)
    where = first.page.evaluate("convscope.stage.pose()")
    second = visit(link.split("/")[-1])
    second.page.locator(".explanation").wait_for()
    assert second.run() == first.run()
    rest(second)
    there = second.page.evaluate("convscope.stage.pose()")
    for name in ("distance", "azimuth", "elevation"):
        assert math.isclose(where[name], there[name], rel_tol=1e-4), name
    assert np.allclose(where["target"], there["target"], rtol=1e-4, atol=1e-3)
    assert second.page.locator(".explanation").get_attribute("data-unit") == "2,5,7"


def test_a_lost_context_comes_back(visit: Open) -> None:
    seen = visit()
    rest(seen)
    shown = seen.page.locator("#scene").screenshot()
    seen.page.evaluate(
        "window.lost = document.querySelector('canvas.gl').getContext('webgl2').getExtension('WEBGL_lose_context')"
    )
    seen.page.evaluate("lost.loseContext()")
    seen.page.wait_for_selector("#scene[data-context=lost]")
    seen.page.evaluate("lost.restoreContext()")
    seen.page.wait_for_selector("#scene[data-context=restored]")
    deadline = time.monotonic() + 20
    while (drawn := seen.page.locator("#scene").screenshot()) != shown and time.monotonic() < deadline:
        seen.page.wait_for_timeout(500)
    assert drawn == shown


def test_without_webgl_the_list_stands_in_and_says_so(visit: Open) -> None:
    seen = visit()
    seen.page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        " return kind.startsWith('webgl') ? null : get.call(this, kind, ...rest); };"
    )
    seen.go()
    expect(seen.page.locator("#notice")).to_contain_text("no WebGL")
    expect(seen.page.locator(".layer .maps canvas").first).to_be_visible()
    expect(seen.page.get_by_role("button", name="3D")).to_be_disabled()
    seen.errors.clear()  # three.js logs the missing context as an error


def test_a_server_that_goes_is_told_and_comes_back(visit: Open) -> None:
    seen = visit()
    before = seen.run()
    for path in ("**/api/**", "**/healthz"):
        seen.page.route(path, lambda route: route.abort())
    seen.page.get_by_role("button", name="Sample: Digit 3").click()
    expect(seen.page.locator("#alert")).to_contain_text("does not answer")
    for path in ("**/api/**", "**/healthz"):
        seen.page.unroute(path)
    seen.page.wait_for_selector(f"body[data-busy='false']:not([data-run='{before}'])")
    expect(seen.page.locator("#alert")).to_be_hidden()
    seen.errors.clear()  # Chromium logs the requests that failed


def test_the_view_is_saved_as_a_picture(visit: Open) -> None:
    seen = visit()
    with seen.page.expect_download() as download:
        seen.page.keyboard.press("p")
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


def test_a_phone_draws_reads_and_explains(visit: Open, api: httpx.Client) -> None:
    seen = visit(size=NARROW)
    before = seen.run()
    seen.page.get_by_role("button", name="Clear").click()
    box = seen.page.locator("canvas.pad").bounding_box()
    assert box is not None
    mouse = seen.page.mouse
    side = box["width"]
    mouse.move(box["x"] + 0.5 * side, box["y"] + 0.15 * side)
    mouse.down()
    mouse.move(box["x"] + 0.5 * side, box["y"] + 0.85 * side, steps=12)
    mouse.up()
    seen.settle()
    assert seen.run() != before
    assert shown_predictions(seen) == answer(api, seen.run())
    assert shown_predictions(seen)[0][0] == "1"
    last, foot = (seen.page.locator(one).bounding_box() for one in (".bars li:last-child", "#sheets"))
    assert last is not None and foot is not None and last["y"] + last["height"] <= foot["y"]  # without scrolling
    table = layers_of(api, str(seen.page.locator(".layer-list").get_attribute("data-model")))
    unit = middle(table[1]["shape"])
    hover(seen, table[1]["name"], unit)
    seen.page.mouse.click(*spot_of(seen.page, table[1]["name"], unit))
    seen.page.locator(".explanation").wait_for()
    rest(seen)
    _, y = spot_of(seen.page, table[1]["name"], unit)
    panel = seen.page.locator("#inspector").bounding_box()
    assert panel is not None and y < panel["y"]
    sizes = seen.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert sizes[0] <= sizes[1]


def test_maps_in_view_become_as_fine_as_the_screen_shows(visit: Open, api: httpx.Client) -> None:
    model = next(one for one in MODELS if api.get(f"/api/v1/models/{one}").json()["input"]["channels"] == 3)
    layer = next(one for one in layers_of(api, model) if one["op"] == "conv")
    seen = visit(f"#model={model}")
    with seen.page.expect_response(
        lambda answer: f"tile={layer['shape'][1]}&layers={layer['name']}" in answer.url, timeout=30_000
    ):
        fly(seen, layer["name"], 1)


def test_a_layer_is_opened_and_left_by_keys_alone(visit: Open, api: httpx.Client) -> None:
    seen = visit()
    table = layers_of(api, str(seen.page.locator(".layer-list").get_attribute("data-model")))
    keys = seen.page.keyboard
    seen.page.locator("#scene").focus()
    keys.press("]")  # the first layer, then the second
    keys.press("]")
    keys.press("Enter")
    expect(seen.page.locator("#inspector h2")).to_contain_text(table[1]["name"])
    expect(seen.page.locator(".enlarged canvas")).to_be_focused()
    keys.press("ArrowRight")
    seen.page.locator(".explanation").wait_for()
    keys.press("]")  # the map takes the arrows, and leaves the scene its keys
    expect(seen.page.locator("#scene")).to_have_attribute("data-at", table[2]["name"])
    keys.press("[")
    keys.press("/")  # where the panel stands
    expect(seen.page.locator("#inspector")).to_be_hidden()
    expect(seen.page.locator("#shelf input[type=search]")).to_be_focused()
    seen.page.locator("#scene").focus()
    keys.press("Enter")
    expect(seen.page.locator(".enlarged canvas")).to_be_focused()
    keys.press("Escape")
    expect(seen.page.locator("#inspector")).to_be_hidden()
    seen.page.locator("#scene").focus()
    keys.press("f")
    row = seen.page.locator(f"#shelf li[data-layer='{table[1]['name']}']")
    expect(row.locator(".fold-one")).to_have_attribute("aria-pressed", "true")
    keys.press("l")
    expect(seen.page.locator(".layer .maps canvas").first).to_be_visible()


def test_fingers_turn_zoom_and_move(visit: Open) -> None:
    seen = visit(size=NARROW)
    session = seen.page.context.new_cdp_session(seen.page)

    def pose() -> Any:
        return seen.page.evaluate("convscope.stage.pose()")

    def touch(kind: str, *spots: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(spots)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    before = pose()
    touch("touchStart", (200, 300))
    touch("touchMove", (230, 300))
    touch("touchMove", (260, 300))
    touch("touchEnd")
    turned = pose()
    assert turned["azimuth"] != before["azimuth"]
    assert turned["distance"] == before["distance"]
    touch("touchStart", (180, 300), (220, 300))
    touch("touchMove", (160, 300), (240, 300))
    touch("touchMove", (130, 300), (270, 300))
    touch("touchEnd")
    pinched = pose()
    assert pinched["distance"] < turned["distance"]
    assert pinched["azimuth"] == turned["azimuth"]
    touch("touchStart", (160, 260), (200, 260), (240, 260))
    touch("touchMove", (160, 290), (200, 290), (240, 290))
    touch("touchMove", (160, 320), (200, 320), (240, 320))
    touch("touchEnd")
    moved = pose()
    assert moved["distance"] == pinched["distance"]
    assert moved["target"] != pinched["target"]
