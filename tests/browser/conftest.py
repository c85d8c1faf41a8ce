"""A browser for the page's tests: Chromium as the system has it, every console error and foreign request noted."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from app.places import CHECKOUT
from benchmarks.chromium import ARGUMENTS, WIDE

SETTLED = "body[data-busy='false']:not([data-run=''])"
LIST = "#view=list"  # the layers as a list, instead of the scene
PATIENCE = 30_000  # milliseconds that a page may take for anything, on a machine that does other things, too

expect.set_options(timeout=PATIENCE)


@dataclass
class Visit:
    """An open page, and what went wrong on it."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    underway: set[Request] = field(default_factory=set)

    def go(self, fragment: str = "") -> None:
        """Opens the page afresh and waits until the first run's maps are there and nothing moves any more."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}/{fragment}")
        self.settle()

    def read(self, path: str) -> None:
        """Opens one of the pages that are for reading, and waits until there is something to read."""
        self.page.goto(f"{self.url}/{path}")
        expect(self.page.locator(".opblock" if path == "docs" else "main h2").first).to_be_visible()

    def settle(self) -> None:
        """Waits until no run is in progress, and none follows (on these calm pages a digit draws itself at once)."""
        self.page.wait_for_selector(SETTLED)
        self.page.wait_for_selector("#scene[data-graphics]:not([data-graphics='starting'])", state="attached")
        run = None
        while run != (run := self.page.locator("body").get_attribute("data-run")):
            self.page.wait_for_timeout(300)
            self.page.wait_for_selector(SETTLED)

    def begin(self, request: Request) -> None:
        """Something is asked for."""
        self.underway.add(request)

    def end(self, request: Request) -> None:
        """It is here, or will not come."""
        self.underway.discard(request)

    def draw(self) -> None:
        """Waits for what is due in the next frames: sizes are told in one, and drawn in the one after."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def run(self) -> str:
        """The id of the run that is shown."""
        return self.page.locator("body").get_attribute("data-run") or ""


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The system's Chromium; its absence is a failure where CONVSCOPE_REQUIRE_BROWSER is set."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    missing = "no chromium on PATH" if path is None else None
    if not (CHECKOUT / "static" / "dist" / "main.js").exists():
        missing = "the page is not built: run `npm ci && npm run build` in static/"
    if missing is not None:
        if os.environ.get("CONVSCOPE_REQUIRE_BROWSER"):
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


Open = Callable[..., Visit]


@pytest.fixture
def visit(chromium: Browser, server: str) -> Iterator[Open]:
    """Opens pages; when the test ends, no page may have logged an error or asked another host."""
    visits: list[Visit] = []
    contexts = []

    def open_page(
        fragment: str | None = "",
        size: tuple[int, int] = WIDE,
        theme: str = "dark",
        touch: bool = False,
        calm: bool = True,
    ) -> Visit:
        """`fragment` is the link's; None opens nothing yet."""
        scheme: Literal["light", "dark"] = "light" if theme == "light" else "dark"
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce" if calm else "no-preference",
            has_touch=touch,
            is_mobile=touch,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        seen = Visit(page, server)
        visits.append(seen)
        host = urlsplit(server).netloc
        page.on("request", seen.begin)
        page.on("requestfinished", seen.end)
        page.on("requestfailed", seen.end)
        page.on("pageerror", lambda error: seen.errors.append(f"error: {error}"))
        page.on("console", lambda line: seen.errors.append(line.text) if line.type == "error" else None)
        page.on(
            "request",
            lambda asked: (
                seen.errors.append(f"another host: {asked.url}")
                if asked.url.startswith("http") and urlsplit(asked.url).netloc != host
                else None
            ),
        )
        if fragment is not None:
            seen.go(fragment)
        return seen

    yield open_page
    for context in contexts:
        context.close()
    assert [error for seen in visits for error in seen.errors] == []
