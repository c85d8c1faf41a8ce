"""A Chromium for measuring and photographing the page: software WebGL, nothing kept, every byte and frame counted."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",  # WebGL without a graphics card; frames are put together as on any such machine
]
WIDE, NARROW = (1440, 900), (390, 844)

# Long tasks, and the moment when the maps of a run have been painted, noted by the page itself.
WATCH = """
window.seen = { longest: 0, painted: {}, pressed: 0 };
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.seen.longest = Math.max(window.seen.longest, task.duration);
}).observe({ type: "longtask", buffered: true });
addEventListener("click", () => { window.seen.pressed = performance.now(); }, true);
addEventListener("DOMContentLoaded", () => {
  new MutationObserver(() => {
    const run = document.body.dataset.painted;
    if (run && !(run in window.seen.painted)) window.seen.painted[run] = performance.now();
  }).observe(document.body, { attributes: true, attributeFilter: ["data-painted"] });
});
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium.

    Raises:
        RuntimeError: there is none on PATH.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise RuntimeError("There is no chromium on PATH (Debian: apt install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def context_of(
    browser: Browser, size: tuple[int, int] = WIDE, theme: Literal["dark", "light"] = "dark", calm: bool = False
) -> BrowserContext:
    """A fresh profile."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=theme,
        reduced_motion="reduce" if calm else "no-preference",
    )
    context.add_init_script(WATCH)
    return context


def open_page(context: BrowserContext, url: str, fragment: str = "") -> Page:
    """The page, when the first run's maps are painted and nothing moves any more."""
    page = context.new_page()
    page.set_default_timeout(180_000)
    page.goto(f"{url}/{fragment}")
    settle(page)
    return page


def settle(page: Page) -> None:
    """Waits until the maps are painted, and until no frame is drawn for a second."""
    page.wait_for_selector("body[data-painted][data-busy='false']")
    page.wait_for_selector("#scene:not([data-graphics='starting'])", state="attached")
    frames = None
    while frames != (frames := page.locator("#scene").get_attribute("data-frames")):
        page.wait_for_timeout(1200)
        page.wait_for_selector("body[data-busy='false']")
