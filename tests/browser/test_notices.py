"""What is said at the top of the page: it covers nothing else that is said there, and goes when it holds no more."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LIST, Open
from tests.browser.test_panels import box_of
from tests.browser.test_refusals import upload
from tests.conftest import MODELS

pytestmark = pytest.mark.browser

STRUCTURE = "structure"  # the contract's name for shapes without numbers


def test_a_link_to_a_network_that_is_not_here_opens_the_usual_one_and_says_so(visit: Open, api: httpx.Client) -> None:
    usual = visit(LIST).page.locator(".layer-list").get_attribute("data-model")
    weights = api.get(f"/api/v1/models/{usual}").json()["default_weights"]
    seen = visit(f"{LIST}&model=gone&weights=gone-too&layer=gone&unit=1")
    notice = seen.page.locator("#notice")
    expect(notice).to_contain_text("no network “gone”")
    expect(seen.page).to_have_url(re.compile(f"model={usual}&weights={weights}"))
    expect(seen.page.locator("#alert")).to_be_hidden()
    notice.get_by_role("button", name="Close").click()
    expect(notice).to_be_hidden()
    seen.go(f"{LIST}&model={MODELS[-1]}&weights=gone-too")
    expect(notice).to_contain_text("no weights “gone-too”")
    assert seen.page.locator(".layer-list").get_attribute("data-model") == MODELS[-1]
    seen.page.locator(f".network[data-model='{usual}']").click()
    seen.page.locator(f".layer-list[data-model='{usual}']").wait_for(state="attached")
    expect(notice).to_be_hidden()  # it was about another network


def test_a_photo_that_waits_is_said_beside_an_error_and_no_longer_when_it_has_run(
    visit: Open, api: httpx.Client, photo: bytes
) -> None:
    seen = visit()
    model = seen.page.locator(".layer-list").get_attribute("data-model")
    table = api.get(f"/api/v1/models/{model}").json()
    seen.page.locator("#weights").select_option(STRUCTURE)
    expect(seen.page.locator(".predictions")).to_contain_text("no numbers")
    upload(seen, photo)
    notice, alert = seen.page.locator("#notice"), seen.page.locator("#alert")
    expect(notice).to_contain_text("waits for weights")
    seen.page.evaluate(
        "() => { Blob.prototype.arrayBuffer = () => Promise.reject(new DOMException('', 'NotFoundError')); }"
    )
    upload(seen, photo, "gone.png")
    expect(alert).to_contain_text("cannot be read")
    above, below = box_of(seen, "#alert"), box_of(seen, "#notice")
    assert above["y"] + above["height"] <= below["y"]
    alert.get_by_role("button", name="Close").click()
    seen.page.locator("#weights").select_option(table["default_weights"])
    seen.settle()
    expect(notice).to_be_hidden()
