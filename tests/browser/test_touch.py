"""By finger and by pen: taps open units however small they are, and the pad is drawn on by real pointer events."""

import math
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import CDPSession, expect

from app.catalog import Catalog
from benchmarks.chromium import NARROW
from tests.browser.conftest import Open, Visit
from tests.browser.test_page import answer, shown_predictions
from tests.browser.test_scene import layers_of, middle, rest, spot_of
from tests.conftest import MODELS

pytestmark = pytest.mark.browser

Spot = tuple[float, float]
Draw = Callable[[CDPSession, list[Spot]], None]


def touch(session: CDPSession, kind: str, *spots: Spot) -> None:
    points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(spots)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def by_finger(session: CDPSession, stroke: list[Spot]) -> None:
    touch(session, "touchStart", stroke[0])
    for spot in stroke[1:]:
        touch(session, "touchMove", spot)
    touch(session, "touchEnd")


def by_pen(session: CDPSession, stroke: list[Spot]) -> None:
    def pen(kind: str, spot: Spot, down: bool) -> None:
        session.send(
            "Input.dispatchMouseEvent",
            {
                "type": kind,
                "x": spot[0],
                "y": spot[1],
                "button": "left" if down or kind == "mouseReleased" else "none",
                "buttons": 1 if down else 0,
                "clickCount": 1,
                "pointerType": "pen",
                "force": 0.5,
            },
        )

    pen("mouseMoved", stroke[0], False)
    pen("mousePressed", stroke[0], True)
    for spot in stroke[1:]:
        pen("mouseMoved", spot, True)
    pen("mouseReleased", stroke[-1], False)


def stroke_on_pad(seen: Visit, shares: list[Spot]) -> list[Spot]:
    """Places on the pad, given as shares of its side."""
    box = seen.page.locator("canvas.pad").bounding_box()
    assert box is not None
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in shares]


@pytest.mark.parametrize(("draw", "kind"), [(by_finger, "touch"), (by_pen, "pen")])
def test_a_digit_is_drawn_on_the_pad(visit: Open, api: httpx.Client, draw: Draw, kind: str) -> None:
    seen = visit(size=NARROW, touch=True)
    seen.page.evaluate(
        "window.kinds = new Set(); document.querySelector('canvas.pad')"
        ".addEventListener('pointermove', (event) => { if (event.buttons) kinds.add(event.pointerType); })"
    )
    shown = seen.run()
    seen.page.get_by_role("button", name="Clear").click()
    seen.page.wait_for_selector(f"body[data-busy='false']:not([data-run='{shown}']):not([data-run=''])")
    seen.settle()
    before, scroll = seen.run(), seen.page.evaluate("document.getElementById('side').scrollTop")
    session = seen.page.context.new_cdp_session(seen.page)
    draw(session, stroke_on_pad(seen, [(0.5, 0.15 + 0.05 * step) for step in range(15)]))
    seen.settle()
    assert seen.page.evaluate("[...kinds]") == [kind]
    assert seen.run() != before
    assert shown_predictions(seen) == answer(api, seen.run())
    assert shown_predictions(seen)[0][0] == "1"
    assert seen.page.evaluate("document.getElementById('side').scrollTop") == scroll  # a stroke does not scroll
    seen.page.get_by_role("button", name="Eraser").click()
    expect(seen.page.get_by_role("button", name="Eraser")).to_have_attribute("aria-pressed", "true")
    drawn = seen.run()
    draw(session, stroke_on_pad(seen, [(0.3 + 0.04 * step, 0.5) for step in range(10)]))  # through its middle
    seen.settle()
    assert seen.run() != drawn
    seen.page.get_by_role("button", name="Undo").click()
    seen.page.wait_for_selector(f"body[data-busy='false'][data-run='{drawn}']")


def test_one_tap_opens_a_unit_of_a_deep_network(visit: Open, api: httpx.Client, catalog: Catalog) -> None:
    joined = [one for one in MODELS if any(layer.op == "add" for layer in catalog.network(one).graph.layers)]
    for network in joined:
        seen = visit(f"#model={network}", size=NARROW, touch=True)
        table = [layer for layer in layers_of(api, network) if len(layer["shape"]) == 3 and layer["shape"][2] > 1]
        for layer in table[3 :: len(table) // 6]:
            (_, height, width), name = layer["shape"], layer["name"]
            rest(seen)  # the network comes back from beside the panel
            edge = spot_of(seen.page, name, [0, height // 2, width - 1])
            other = spot_of(seen.page, name, [1, height // 2, 0])
            between = ((edge[0] + other[0]) / 2, (edge[1] + other[1]) / 2)  # no cell lies here
            seen.page.touchscreen.tap(*between)
            opened = seen.page.locator(".explanation")
            opened.wait_for()
            unit = [int(one) for one in str(opened.get_attribute("data-unit")).split(",")]
            spot = spot_of(seen.page, str(opened.get_attribute("data-layer")), unit)
            assert 0 < spot[0] < NARROW[0] and 0 < spot[1] < NARROW[1]
            seen.page.keyboard.press("Escape")
            seen.page.locator("#inspector").wait_for(state="hidden")


def test_a_finger_that_trembles_taps_and_one_that_moves_turns(visit: Open, api: httpx.Client) -> None:
    seen = visit(size=NARROW, touch=True)
    table = layers_of(api, str(seen.page.locator(".layer-list").get_attribute("data-model")))
    name, unit = table[1]["name"], middle(table[1]["shape"])
    session = seen.page.context.new_cdp_session(seen.page)
    x, y = spot_of(seen.page, name, unit)
    azimuth = seen.page.evaluate("convscope.stage.pose().azimuth")
    touch(session, "touchStart", (x, y))
    for step in range(8):
        touch(session, "touchMove", (x + 3 * math.sin(step), y + 3 * math.cos(step)))
    touch(session, "touchMove", (x, y))
    touch(session, "touchEnd")
    seen.page.locator(f".explanation[data-layer='{name}']").wait_for()
    assert seen.page.evaluate("convscope.stage.pose().azimuth") == azimuth
    seen.page.keyboard.press("Escape")
    by_finger(session, [(200 + 8 * step, 250) for step in range(6)])
    assert seen.page.evaluate("convscope.stage.pose().azimuth") != azimuth
    # not by touch: while a browser without a graphics card is busy drawing, a tap may become a long press
    seen.page.get_by_role("button", name="?").click()
    expect(seen.page.locator(".help h3").first).to_have_text("Touch")  # what this device is used with comes first
