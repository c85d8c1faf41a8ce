"""A tour beside everything else: on a phone, before the first answer, and while weights change."""

import httpx
import pytest
from playwright.sync_api import expect

from benchmarks.chromium import NARROW
from tests.browser.conftest import LIST, Open
from tests.browser.test_haste import hold, until_held
from tests.browser.test_notices import STRUCTURE
from tests.browser.test_scene import layers_of, rest, spot_of

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("view", ["", LIST])
def test_on_a_phone_the_input_gives_way_to_the_tour_until_its_tab_is_pressed(visit: Open, view: str) -> None:
    seen = visit(view, size=NARROW)
    tab, side, tour = (seen.page.locator(one) for one in ("#show-side", "#side", ".tour"))
    expect(tab).to_have_attribute("aria-expanded", "true")
    expect(seen.page.locator(".tour-button")).not_to_have_attribute("hidden", "")  # its steps are there
    seen.page.keyboard.press("g")
    expect(tour).to_be_visible()
    expect(side).to_be_hidden()
    expect(tab).to_have_attribute("aria-expanded", "false")
    tab.click()
    expect(side).to_be_visible()
    expect(tab).to_have_attribute("aria-expanded", "true")
    before = seen.run()
    side.get_by_role("button", name="Sample: Digit 3").click()  # nothing lies over it
    seen.page.wait_for_selector(f"body[data-busy='false']:not([data-run='{before}'])")
    tab.click()
    expect(side).to_be_hidden()
    tour.get_by_role("button", name="End the tour").click()
    expect(tour).to_be_hidden()
    expect(side).to_be_hidden()  # the reader closed it
    seen.page.keyboard.press("g")
    tour.get_by_role("button", name="End the tour").click()
    expect(tour).to_be_hidden()
    expect(side).to_be_hidden()
    tab.click()
    seen.page.keyboard.press("g")
    expect(side).to_be_hidden()
    tour.get_by_role("button", name="End the tour").click()
    expect(side).to_be_visible()  # the tour closed it
    expect(tab).to_have_attribute("aria-expanded", "true")


def test_a_step_opens_its_unit_as_soon_as_there_are_numbers(visit: Open, api: httpx.Client) -> None:
    seen = visit()
    model = str(seen.page.locator(".layer-list").get_attribute("data-model"))
    steps = api.get(f"/api/v1/models/{model}/tour").json()["steps"]
    table = api.get(f"/api/v1/models/{model}").json()
    at, step = next((at, one) for at, one in enumerate(steps) if one["unit"] is not None)
    seen.page.locator("#weights").select_option(STRUCTURE)
    expect(seen.page.locator(".predictions")).to_contain_text("no numbers")
    expect(seen.page.locator(".tour-button")).not_to_have_attribute("hidden", "")
    name = layers_of(api, model)[1]["name"]
    reading = seen.page.locator(".reading-note")
    rest(seen)
    seen.page.mouse.move(*spot_of(seen.page, name, [0, 3, 3]))
    expect(reading).to_contain_text("structure only")
    held = hold(seen, "**/runs?*")
    seen.page.locator("#weights").select_option(table["default_weights"])
    until_held(seen, held)
    rest(seen)
    seen.page.mouse.move(*spot_of(seen.page, name, [0, 4, 4]))
    expect(reading).to_contain_text("on their way")
    seen.page.keyboard.press("g")
    for _ in range(at):
        seen.page.keyboard.press("n")
    expect(seen.page.locator(".tour")).to_have_attribute("data-step", str(at + 1))
    expect(seen.page.locator("#inspector")).to_be_hidden()
    for route in held:
        route.continue_()
    seen.page.unroute("**/runs?*")
    expect(seen.page.locator("#inspector h2")).to_contain_text(step["layer"])
    expect(seen.page.locator(".tour")).to_have_attribute("data-step", str(at + 1))
