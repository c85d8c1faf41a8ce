"""Keys, focus and links: nobody loses their place, whatever keyboard they have."""

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LIST, Open
from tests.browser.test_haste import in_order
from tests.browser.test_scene import layers_of, rest, spot_of
from tests.conftest import MODELS

pytestmark = pytest.mark.browser


def focused(page: Page) -> str:
    """The id of the element that has the focus, or its tag."""
    return str(page.evaluate("document.activeElement.id || document.activeElement.tagName"))


def press(page: Page, **init: str | bool) -> None:
    """A key as another keyboard would send it."""
    page.evaluate("init => document.body.dispatchEvent(new KeyboardEvent('keydown', {...init, bubbles: true}))", init)


def test_the_skip_link_lists_the_layers_and_leaves_the_address(visit: Open) -> None:
    seen = visit()
    seen.page.locator("#skip").focus()
    seen.page.keyboard.press("Enter")
    expect(seen.page.locator("#layers")).to_be_focused()
    expect(seen.page.locator(".layer").first).to_be_visible()
    seen.page.wait_for_timeout(500)
    assert "model=" in seen.page.url and "#layers" not in seen.page.url


def test_a_link_put_into_the_address_is_followed(visit: Open) -> None:
    seen = visit()
    other = MODELS[-1]
    seen.page.evaluate("model => { location.hash = `model=${model}&view=list`; }", other)
    seen.page.locator(f".layer-list[data-model='{other}']").wait_for()
    seen.settle()
    assert f"model={other}" in seen.page.url


def test_escape_gives_the_focus_back_to_the_scene(visit: Open, api: httpx.Client) -> None:
    seen = visit()
    name = layers_of(api, in_order(api)[0])[1]["name"]
    seen.page.mouse.click(*spot_of(seen.page, name, [0, 0, 0]))
    seen.page.locator(f".explanation[data-layer='{name}']").wait_for()
    seen.page.locator("#inspector button").first.focus()
    seen.page.keyboard.press("Escape")
    assert focused(seen.page) == "scene"


def test_arrows_in_a_panel_do_not_move_the_scene(visit: Open) -> None:
    seen = visit()
    rest(seen)
    stood = seen.page.evaluate("convscope.stage.pose()")
    seen.page.locator("#shelf button").first.focus()
    seen.page.keyboard.press("ArrowDown")
    seen.page.wait_for_timeout(400)
    rest(seen)
    assert seen.page.evaluate("convscope.stage.pose()") == stood
    seen.page.locator("#scene").focus()
    seen.page.keyboard.press("ArrowDown")
    seen.page.wait_for_timeout(400)
    rest(seen)
    assert seen.page.evaluate("convscope.stage.pose()") != stood


def test_brackets_of_other_keyboards_and_caps_lock(visit: Open) -> None:
    seen = visit()
    at = seen.page.locator("#scene")
    for altgr in ({"altKey": True, "ctrlKey": True}, {"altKey": True}):
        before = at.get_attribute("data-at")
        press(seen.page, key="]", **altgr)
        assert at.get_attribute("data-at") not in (None, before)
    press(seen.page, key="L")
    expect(seen.page.locator("#layers")).to_be_visible()
    press(seen.page, key="L", ctrlKey=True)  # the browser's own
    expect(seen.page.locator("#layers")).to_be_visible()


def test_the_frame_stands_on_its_map_when_the_list_narrows(visit: Open, api: httpx.Client) -> None:
    model = in_order(api)[-1]
    seen = visit(f"{LIST}&model={model}")
    layer = next(one for one in layers_of(api, model) if one["op"] == "conv")
    canvas = seen.page.locator(f"[data-layer='{layer['name']}'] .maps canvas")
    canvas.scroll_into_view_if_needed()
    canvas.focus()
    seen.page.keyboard.press("End")
    seen.page.keyboard.press("Enter")  # the panel takes its room from the list
    seen.page.locator("#inspector").wait_for()
    seen.page.wait_for_timeout(500)
    mark = seen.page.locator(f"[data-layer='{layer['name']}'] .tile-mark").bounding_box()
    box = canvas.bounding_box()
    assert mark is not None and box is not None
    assert abs(mark["y"] + mark["height"] - (box["y"] + box["height"])) < 12  # the last row, as is the last map


def test_other_weights_end_the_comparison_with_the_run_before(visit: Open, api: httpx.Client) -> None:
    seen = visit(f"#model={MODELS[-1]}")
    compare = seen.page.get_by_role("button", name="Compare")
    expect(compare).to_be_enabled()
    weights = api.get(f"/api/v1/models/{MODELS[-1]}").json()["weights"]
    structure = next(one["id"] for one in weights if not one["ready"] and not one["bundled"])
    seen.page.locator("#weights").select_option(structure)
    seen.page.wait_for_selector("body[data-run='']")
    expect(compare).to_be_disabled()


@pytest.mark.parametrize("when", ["opening", "choosing"])
def test_what_was_asked_of_a_server_that_is_gone_is_done_when_it_is_back(
    when: str, visit: Open, api: httpx.Client
) -> None:
    seen = visit()
    paths = ("**/api/**", "**/healthz")
    for path in paths:
        seen.page.route(path, lambda route: route.abort())
    if when == "opening":
        seen.page.reload()
    else:
        seen.page.keyboard.press("2")
    expect(seen.page.locator("#alert")).to_contain_text("goes on by itself")
    for path in paths:
        seen.page.unroute(path)
    shown = in_order(api)[0 if when == "opening" else 1]
    seen.page.locator(f".layer-list[data-model='{shown}']").wait_for(state="attached")
    seen.settle()
    expect(seen.page.locator("#alert")).to_be_hidden()
    seen.errors.clear()  # Chromium logs the requests that failed


def test_without_the_worker_that_paints_the_page_paints_its_samples(visit: Open, api: httpx.Client) -> None:
    seen = visit(f"#model={MODELS[-1]}")  # a scene, painted by the worker
    thumbs = seen.page.locator(".sample.scene img")
    expect(thumbs.last).to_have_js_property("naturalWidth", 320)
    by_worker = api.get(f"/api/v1/runs/{seen.run()}").json()["image"]
    seen.page.route("**/paint.js", lambda route: route.abort())
    seen.go(f"#model={MODELS[-1]}")
    expect(thumbs.last).to_have_js_property("naturalWidth", 320)
    by_page = api.get(f"/api/v1/runs/{seen.run()}").json()["image"]
    assert (by_page["width"], by_page["height"]) == (by_worker["width"], by_worker["height"])
    seen.errors.clear()  # Chromium logs the request that failed


def test_a_part_of_the_page_that_does_not_come_is_no_lack_of_webgl(visit: Open) -> None:
    seen = visit()
    seen.page.route("**/canvas*.js", lambda route: route.abort())
    seen.go()
    expect(seen.page.locator("#notice")).to_contain_text("did not come")
    expect(seen.page.locator(".layer .maps canvas").first).to_be_visible()
    seen.errors.clear()  # Chromium logs the request that failed


def test_a_link_to_a_map_that_there_is_not_shows_the_last_one(visit: Open, api: httpx.Client) -> None:
    layer = layers_of(api, MODELS[-1])[1]
    seen = visit(f"{LIST}&model={MODELS[-1]}&layer={layer['name']}&unit=9999,0,0")
    last = layer["shape"][0] - 1
    seen.page.wait_for_selector(f".explanation[data-unit='{last},0,0']")
    expect(seen.page.locator("#inspector h2")).to_contain_text(f"map {last}")


def test_the_button_that_folds_all_begins_anew_with_each_network(visit: Open, api: httpx.Client) -> None:
    seen, models = visit(LIST), in_order(api)
    seen.page.get_by_role("button", name="Fold all").and_(seen.page.locator(".toolbar button")).click()
    fold = seen.page.locator(".toolbar button")
    expect(fold).to_have_text("Unfold all")
    seen.page.keyboard.press("2")
    seen.page.locator(f".layer-list[data-model='{models[1]}']").wait_for()
    expect(fold).to_have_text("Fold all")
    expect(seen.page.locator(".layer.folded")).to_have_count(0)
