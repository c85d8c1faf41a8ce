"""Pulling weights on the page: the button, the bar, stopping, what comes after, and who may."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from benchmarks.chromium import NARROW, WIDE
from tests.browser.conftest import SETTLED
from tests.conftest import MakeSettings
from tests.stage import Stage, build_stage

pytestmark = pytest.mark.browser

Show = Callable[..., tuple[Stage, Page]]


def logged(line: ConsoleMessage) -> bool:
    """Whether the console tells of an error."""
    return line.type == "error"


@pytest.fixture
def show(chromium: Browser, tmp_path: Path, make_settings: MakeSettings) -> Iterator[Show]:
    """Opens the page of a stage; no error may have been logged when the test ends."""
    errors: list[str] = []
    with ExitStack() as running:

        def open_page(
            mirror: dict[str, Any] | None = None, size: tuple[int, int] = WIDE, theme: str = "dark", **settings: Any
        ) -> tuple[Stage, Page]:
            stage = build_stage(running, tmp_path, make_settings, mirror, **settings)
            context = chromium.new_context(
                viewport={"width": size[0], "height": size[1]},
                color_scheme="light" if theme == "light" else "dark",
                reduced_motion="reduce",
            )
            running.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(20_000)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda line: errors.append(line.text) if logged(line) else None)
            page.goto(str(stage.client.base_url))
            page.wait_for_selector(SETTLED)
            return stage, page

        yield open_page
    assert errors == []


def test_weights_are_pulled_with_a_bar_and_then_used(show: Show) -> None:
    stage, page = show({"gate": threading.Event()})
    gate = stage.mirror.gate
    assert gate
    page.select_option("#weights", "more")
    expect(page.locator(".predictions")).to_contain_text("not on this machine yet")
    expect(page.locator(".layer")).to_have_count(6)  # the structure's table is there already
    row = page.locator('[data-pull="small/more"]')
    expect(row).to_have_attribute("data-state", "absent")
    row.get_by_role("button", name="Get them").click()
    page.wait_for_selector('[data-pull="small/more"][data-state="pulling"]:not([data-done="0"])')
    bar = row.locator("progress")
    told = stage.pull().json()
    expect(bar).to_have_attribute("max", str(told["bytes"]))
    assert bar.evaluate("bar => bar.value") == told["done"]
    row.get_by_role("button", name="Stop").click()
    page.wait_for_selector('[data-pull="small/more"][data-state="cancelled"]')
    gate.set()
    row.get_by_role("button", name="Go on").click()
    page.wait_for_selector(".bars li")  # they are used as soon as they are here
    assert page.locator("#weights").input_value() == "more"
    expect(row).to_have_count(0)
    assert page.locator("body").get_attribute("data-run")
    expect(page.locator('.network[data-model="further"]')).to_have_count(0)


def test_a_network_that_is_only_pulled_joins_the_list(show: Show) -> None:
    _, page = show()
    expect(page.locator(".network")).to_have_count(1)
    page.get_by_text("More networks").click()
    page.locator('[data-pull="further/more"]').get_by_role("button").click()
    page.wait_for_selector('.network[data-model="further"][aria-pressed="true"]')
    page.wait_for_selector(SETTLED)
    expect(page.locator(".more")).to_be_hidden()
    for key, model in (("1", "small"), ("2", "further")):
        page.keyboard.press(key)
        page.wait_for_selector(f'.network[data-model="{model}"][aria-pressed="true"]')
        page.wait_for_selector(SETTLED)
    page.keyboard.press("c")
    page.wait_for_selector("dialog.compare[data-busy='false']")
    expect(page.locator("#compare-model option")).to_have_count(2)


def test_a_failure_is_told_and_tried_again(show: Show) -> None:
    stage, page = show({"status": 404})
    page.select_option("#weights", "more")
    row = page.locator('[data-pull="small/more"]')
    row.get_by_role("button", name="Get them").click()
    page.wait_for_selector('[data-pull="small/more"][data-state="failed"]')
    expect(row).to_contain_text("404")
    stage.mirror.status = 200
    row.get_by_role("button", name="Try again").click()
    page.wait_for_selector(".bars li")


def test_who_may_not_pull_is_told_the_command(show: Show) -> None:
    stage, page = show(pull_allowed="nobody", size=NARROW)
    page.select_option("#weights", "more")
    row = page.locator('[data-pull="small/more"]')
    expect(row.locator("code")).to_have_text(stage.pull().json()["command"])
    expect(row.get_by_role("button")).to_have_count(0)
    width = page.locator("html").evaluate("html => [html.scrollWidth, html.clientWidth]")
    assert width[0] <= width[1]


def test_a_picture_like_none_of_the_classes_suggests_what_knows_more(show: Show) -> None:
    stage, page = show()
    expect(page.locator("[data-unfamiliar]")).to_have_count(0)
    network = stage.catalog.network("small")
    network.weights = network.weights.model_copy(update={"unfamiliar_below": 1.0})
    page.reload()
    page.wait_for_selector(SETTLED)
    note = page.locator("[data-unfamiliar]")
    expect(note).to_contain_text("none of the 5 classes")
    note.get_by_role("button").click()
    page.wait_for_selector('[data-pull="small/more"][data-state="absent"]')
    assert page.locator("#weights").input_value() == "more"
