"""A reader who is faster than the answers: what comes late is of no consequence."""

import re

import httpx
import pytest
from playwright.sync_api import Route, expect

from benchmarks.chromium import NARROW
from tests.browser.conftest import Open, Visit
from tests.browser.test_scene import layers_of, rest, spot_of
from tests.browser.test_touch import by_pen, stroke_on_pad
from tests.conftest import MODELS

pytestmark = pytest.mark.browser


def hold(seen: Visit, path: str) -> list[Route]:
    """Requests that have to wait from now on."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    seen.page.route(path, keep)
    return held


def until_held(seen: Visit, held: list[Route]) -> None:
    """Waits for the first of them."""
    while not held:
        seen.page.wait_for_timeout(50)


def test_a_panel_closed_while_its_numbers_come_stays_closed(visit: Open, api: httpx.Client) -> None:
    seen = visit(f"#model={MODELS[-1]}")
    held = hold(seen, "**/tensor.npy*")
    name = layers_of(api, MODELS[-1])[1]["name"]
    rest(seen)
    seen.page.mouse.click(*spot_of(seen.page, name, [0, 0, 0]))
    seen.page.locator("#inspector").wait_for()
    until_held(seen, held)
    seen.page.keyboard.press("Escape")
    expect(seen.page.locator("#inspector")).to_be_hidden()
    for route in held:
        route.continue_()
    seen.page.unroute("**/tensor.npy*")
    seen.page.wait_for_load_state("networkidle")
    seen.page.wait_for_timeout(500)
    expect(seen.page.locator("#inspector")).to_be_hidden()
    rest(seen)
    seen.page.mouse.click(*spot_of(seen.page, name, [0, 0, 0]))
    seen.page.locator(f".explanation[data-layer='{name}']").wait_for()


def test_a_chosen_sample_is_marked_before_its_answer_and_after(visit: Open, api: httpx.Client) -> None:
    seen = visit(f"#model={MODELS[-1]}")
    marked = seen.page.locator("[data-sample][aria-pressed='true']")
    before, run = str(marked.get_attribute("data-sample")), seen.run()
    names = seen.page.locator("[data-sample].scene").evaluate_all("all => all.map((one) => one.dataset.sample)")
    other = next(name for name in names if name != before)
    held = hold(seen, "**/runs?*")
    seen.page.locator(f"[data-sample='{other}']").click()
    until_held(seen, held)
    expect(marked).to_have_attribute("data-sample", other)
    assert seen.run() == run
    for route in held:
        route.continue_()
    seen.page.wait_for_selector(f"body[data-busy='false']:not([data-run='{run}'])")
    expect(marked).to_have_attribute("data-sample", other)
    expect(seen.page).to_have_url(re.compile(f"sample={other}"))


def in_order(api: httpx.Client) -> list[str]:
    """Networks as the page lists them: 1 is the first one's key."""
    return [str(model["id"]) for model in api.get("/api/v1/models").json()["models"]]


def test_the_network_chosen_last_is_shown_whichever_answers_first(visit: Open, api: httpx.Client) -> None:
    seen, models = visit(), in_order(api)
    first, last = models[1], models[2]
    held = hold(seen, f"**/api/v1/models/{first}?weights=*")
    for model in (first, last):
        seen.page.keyboard.press(str(models.index(model) + 1))
    seen.page.locator(f".layer-list[data-model='{last}']").wait_for(state="attached")
    for route in held:
        route.continue_()
    seen.page.wait_for_timeout(500)
    seen.settle()
    assert seen.page.locator(".layer-list").get_attribute("data-model") == last
    assert f"model={last}" in seen.page.url


def test_a_network_chosen_while_the_panel_closes_is_seen_whole(visit: Open, api: httpx.Client) -> None:
    seen = visit(calm=False)
    deep = max(MODELS, key=lambda model: len(layers_of(api, model)))
    name = layers_of(api, in_order(api)[0])[1]["name"]
    seen.page.mouse.click(*spot_of(seen.page, name, [0, 0, 0]))
    seen.page.locator(f".explanation[data-layer='{name}']").wait_for()
    rest(seen)
    seen.page.keyboard.press(str(in_order(api).index(deep) + 1))
    seen.page.locator(f".layer-list[data-model='{deep}']").wait_for(state="attached")
    seen.settle()
    rest(seen)
    framed = seen.page.evaluate("convscope.stage.pose()")
    seen.page.keyboard.press("o")
    rest(seen)
    assert seen.page.evaluate("convscope.stage.pose().distance") == pytest.approx(framed["distance"], rel=0.02)


def test_the_pad_draws_lines_where_the_browser_joins_no_events(visit: Open) -> None:
    seen = visit(size=NARROW, touch=True)
    seen.page.evaluate("delete PointerEvent.prototype.getCoalescedEvents")
    shown = seen.run()
    seen.page.get_by_role("button", name="Clear").click()
    seen.page.wait_for_selector(f"body[data-busy='false']:not([data-run='{shown}']):not([data-run=''])")
    seen.settle()
    before = seen.run()
    by_pen(
        seen.page.context.new_cdp_session(seen.page),
        stroke_on_pad(seen, [(0.5, 0.15 + 0.05 * step) for step in range(15)]),
    )
    seen.settle()
    assert seen.run() != before
    assert seen.page.locator("#status").text_content() == "LeNet-5: 1"


def test_what_is_cleared_while_it_draws_itself_stays_cleared(visit: Open) -> None:
    seen = visit(calm=False)
    seen.page.evaluate(
        "() => { document.querySelector('[data-sample=digit-3]').click();"
        " [...document.querySelectorAll('.pad-box button')].find((one) => one.textContent === 'Clear').click(); }"
    )
    seen.page.wait_for_timeout(1500)  # longer than a digit takes
    seen.settle()
    expect(seen.page.locator("#status")).to_contain_text("nothing is drawn")
