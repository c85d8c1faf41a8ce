"""Panels never cover what they explain: units, maps and predictions stay clear of them, wide and narrow."""

import math
import re

import httpx
import pytest
from playwright.sync_api import FloatRect, expect

from benchmarks.chromium import NARROW, WIDE
from tests.browser.conftest import Open, Visit
from tests.browser.test_scene import fly, layers_of, middle, rest, spot_of
from tests.conftest import MODELS

pytestmark = pytest.mark.browser

PANELS = ("#bar", "#side", "#shelf", "#inspector", "#sheets")


def box_of(seen: Visit, selector: str) -> FloatRect:
    box = seen.page.locator(selector).bounding_box()
    assert box is not None, selector
    return box


def is_clear(seen: Visit, layer: str, unit: list[int]) -> bool:
    """Whether a unit is seen inside the window, beside every panel that is open."""
    x, y = spot_of(seen.page, layer, unit)
    size = seen.page.viewport_size
    assert size is not None
    if not (0 < x < size["width"] and 0 < y < size["height"]):
        return False
    for selector in PANELS:
        box = seen.page.locator(selector).bounding_box()
        if box is None:
            continue
        if box["x"] < x < box["x"] + box["width"] and box["y"] < y < box["y"] + box["height"]:
            return False
    return True


def corners(shape: list[int]) -> list[list[int]]:
    """The first map's corners, and that of a vector's first unit."""
    if len(shape) < 3:
        return [[0]]
    return [[0, y, x] for y in (0, shape[1] - 1) for x in (0, shape[2] - 1)]


@pytest.mark.parametrize("model", MODELS[::2])
def test_a_flight_shows_maps_that_can_be_read_and_a_panel_moves_them_aside(
    visit: Open, api: httpx.Client, model: str
) -> None:
    seen = visit(f"#model={model}")
    table = layers_of(api, model)
    convolutions = [layer for layer in table if layer["op"] == "conv"]
    for layer in (convolutions[0], max(convolutions, key=lambda one: one["shape"][0])):
        name, shape = layer["name"], layer["shape"]
        fly(seen, name)
        assert all(is_clear(seen, name, unit) for unit in corners(shape)), f"{name} after flying"
        if shape[1] > 1:
            left, right = spot_of(seen.page, name, [0, 0, 0]), spot_of(seen.page, name, [0, 0, shape[2] - 1])
            assert math.dist(left, right) > 30, f"{name}: a map is too small to be read"
        seen.page.mouse.click(*spot_of(seen.page, name, [0, shape[1] // 2, shape[2] // 2]))
        seen.page.locator(f".explanation[data-layer='{name}']").wait_for()
        rest(seen)
        assert all(is_clear(seen, name, unit) for unit in corners(shape)), f"{name} beside its panel"
        seen.page.keyboard.press("Escape")


def test_a_unit_under_the_panel_comes_out_where_the_hand_holds_the_camera(visit: Open, api: httpx.Client) -> None:
    seen = visit()
    table = layers_of(api, str(seen.page.locator(".layer-list").get_attribute("data-model")))
    name, shape = table[1]["name"], table[1]["shape"]
    unit = [shape[0] - 1, *middle(shape)[1:]]
    fly(seen, name)
    seen.page.mouse.move(1000, 640)
    seen.page.mouse.down(button="right")
    x, _ = spot_of(seen.page, name, unit)
    seen.page.mouse.move(1000 + (1150 - x), 640, steps=3)  # to where the panel will be
    seen.page.mouse.up(button="right")
    seen.page.wait_for_timeout(700)
    seen.page.mouse.click(*spot_of(seen.page, name, unit))
    seen.page.locator(f".explanation[data-unit='{','.join(map(str, unit))}']").wait_for()
    rest(seen)
    assert is_clear(seen, name, unit)


@pytest.mark.parametrize("model", MODELS[1::2])
def test_on_a_phone_the_answer_is_seen_at_once_and_the_sheets_leave_the_scene(
    visit: Open, api: httpx.Client, model: str
) -> None:
    seen = visit(f"#model={model}", size=NARROW, touch=True)
    table = layers_of(api, model)
    foot = box_of(seen, "#sheets")["y"]
    for selector in (".bars li:last-child", ".samples"):
        box = box_of(seen, selector)
        assert box["y"] + box["height"] <= foot, f"{selector} lies below the fold"
    layer = next(one for one in table if one["op"] == "conv")
    unit = middle(layer["shape"])
    for name, place in ((layer["name"], unit), (table[0]["name"], middle(table[0]["shape"]))):
        assert is_clear(seen, name, place)
    seen.page.touchscreen.tap(*spot_of(seen.page, layer["name"], unit))
    seen.page.locator(".explanation").wait_for()
    rest(seen)
    for name, place in ((layer["name"], unit), (table[0]["name"], middle(table[0]["shape"]))):
        assert is_clear(seen, name, place), f"the panel covers {name}"


def test_the_tour_shows_the_maps_that_a_unit_is_made_of(visit: Open, api: httpx.Client) -> None:
    steps = api.get("/api/v1/models/lenet5/tour").json()["steps"]
    at = next(index for index, step in enumerate(steps) if step["layer"] == "C3" and step.get("unit"))
    seen = visit(f"#model=lenet5&tour={at + 1}")
    seen.page.locator(".explanation[data-layer='C3']").wait_for()
    rest(seen)
    assert is_clear(seen, "C3", steps[at]["unit"])
    for channel in range(6):
        assert is_clear(seen, "S2", [channel, 7, 7]), f"S2 map {channel}, which the unit reads"


def test_on_a_phone_the_calculator_is_whole_and_the_network_can_be_seen_whole_again(visit: Open) -> None:
    seen = visit(size=NARROW)
    seen.page.get_by_role("button", name="Whole network").click()
    seen.page.locator("#scene").focus()
    seen.page.keyboard.press("k")
    dialog = box_of(seen, "dialog.calculator-dialog")
    for field in seen.page.locator("dialog.calculator-dialog :is(input, select, button)").all():
        box = field.bounding_box()
        assert box is not None
        assert dialog["x"] <= box["x"] and box["x"] + box["width"] <= dialog["x"] + dialog["width"]


def test_on_a_phone_scale_order_and_gamma_are_chosen_in_the_sheet_of_layers(visit: Open) -> None:
    seen = visit("#model=lenet5", size=NARROW, touch=True)
    scale = seen.page.locator("#shelf #scale")
    assert not scale.is_visible()
    seen.page.get_by_role("button", name="Layers", exact=True).click()
    scale.select_option("map")
    seen.page.locator("#shelf #order").select_option("strongest")
    assert seen.page.locator("#shelf #gamma").is_visible()
    expect(seen.page).to_have_url(re.compile("scale=map"))
    list_, sheet = box_of(seen, ".shelf-list"), box_of(seen, "#shelf")
    assert list_["height"] > 100 and list_["y"] + list_["height"] <= sheet["y"] + sheet["height"] + 1
    seen.page.set_viewport_size({"width": 1000, "height": 700})
    seen.page.locator("#strip #scale").wait_for()


def test_every_name_in_the_list_of_layers_is_read_in_full(visit: Open) -> None:
    for size in (WIDE, NARROW):
        seen = visit("#model=googlenet", size=size)
        if size == NARROW:
            seen.page.get_by_role("button", name="Layers", exact=True).click()
        seen.page.locator(".shelf-name").first.wait_for()
        cut = seen.page.locator(".shelf-name").evaluate_all(
            "names => names.filter(name => name.scrollWidth > name.clientWidth).map(name => name.textContent)"
        )
        assert cut == []


def test_the_whole_network_is_a_click_away_from_an_open_panel(visit: Open) -> None:
    seen = visit("#model=lenet5")
    fly(seen, "C3")
    seen.page.mouse.click(*spot_of(seen.page, "C3", [3, 5, 5]))
    seen.page.locator(".explanation[data-layer='C3']").wait_for()
    far = seen.page.evaluate("convscope.stage.pose().distance")
    seen.page.get_by_role("button", name="Whole network").click()
    seen.page.wait_for_timeout(300)
    assert seen.page.evaluate("convscope.stage.pose().distance") > far
    assert seen.page.evaluate("convscope.stage.whole")


def test_on_a_phone_the_panel_can_be_closed_wherever_it_is_scrolled(visit: Open, api: httpx.Client) -> None:
    layer = next(one for one in layers_of(api, MODELS[-1]) if one["op"] == "conv")
    unit = ",".join(map(str, middle(layer["shape"])))
    seen = visit(f"#model={MODELS[-1]}&layer={layer['name']}&unit={unit}", size=NARROW)
    seen.page.locator(".explanation").wait_for()
    seen.page.evaluate("() => { const panel = document.querySelector('#inspector'); panel.scrollTop = 1e6; }")
    assert seen.page.evaluate("document.querySelector('#inspector').scrollTop") > 100
    close = seen.page.locator("#inspector").get_by_role("button", name="Close")
    expect(close).to_be_in_viewport()  # a click would scroll to it
    close.click()
    expect(seen.page.locator("#inspector")).to_be_hidden()


def test_compared_maps_say_that_each_has_its_own_range(visit: Open) -> None:
    model = MODELS[-1]
    for scale, told in (("map", 2), ("layer", 0)):
        seen = visit(f"#view=list&model={model}&scale={scale}&with={model}")
        seen.page.locator(".pair-columns").wait_for()
        expect(seen.page.locator(".pair-column", has_text="its own minimum")).to_have_count(told)
