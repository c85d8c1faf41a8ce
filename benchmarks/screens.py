"""Pictures of the page for docs/screens: `python -m benchmarks.screens [--url http://127.0.0.1:8000]`.

Every network as it is first seen, wide and narrow, dark and light in turn, what pointing at a unit shows, and where
the network looked for its first guess.
"""

import argparse
import io
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page

from app.catalog import Catalog
from app.cores import available_cores
from app.places import CHECKOUT
from app.settings import Settings
from benchmarks.chromium import NARROW, WIDE, chromium, context_of, open_page, settle
from benchmarks.place import serving

FOLDER = CHECKOUT / "docs" / "screens"
LARGEST = 250_000


def save(picture: bytes, path: Path) -> None:
    """As WebP, as good as fits the size; written beside its place and renamed."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    for quality in (90, 80, 70, 55, 40):
        file = io.BytesIO()
        image.save(file, "WEBP", quality=quality, method=6)
        if file.tell() <= LARGEST:
            break
    part = path.with_suffix(".part")
    part.write_bytes(file.getvalue())
    part.replace(path)
    print(f"{path.relative_to(CHECKOUT)}: {file.tell() / 1000:.0f} kB at quality {quality}")


def point_at(page: Page, channel_share: float) -> None:
    """Points at the unit in the middle of a map of the second convolution."""
    layer = page.locator(".layer[data-op=conv]").nth(1)
    channels, height, width = (int(size) for size in str(layer.get_attribute("data-shape")).split(","))
    unit = [int(channels * channel_share), height // 2, width // 2]
    spot = page.evaluate(
        "([layer, unit]) => convscope.screenOf(layer, unit)", [layer.get_attribute("data-layer"), unit]
    )
    page.mouse.move(spot["x"], spot["y"])
    page.wait_for_selector("#reading:not([data-value=''])")
    page.wait_for_timeout(600)


def look(page: Page) -> None:
    """Asks where the network looked, by the quickest way it has."""
    page.locator(".bar-row").first.click()
    page.wait_for_selector(".looked")
    methods = page.locator(".looked button[data-method]")
    if methods.count() == 1:
        methods.click()
    page.locator(".looked canvas[data-method]").wait_for(timeout=300_000)
    page.locator(".looked").scroll_into_view_if_needed()
    page.mouse.move(0, 0)
    page.wait_for_timeout(600)


def take(browser: Browser, url: str, model: str, size: tuple[int, int], theme: Literal["dark", "light"]) -> None:
    """One network, one window."""
    context = context_of(browser, size, theme, calm=True)
    page = open_page(context, url, f"#model={model}")
    kind = "wide" if size == WIDE else "narrow"
    save(page.screenshot(), FOLDER / f"{model}-{kind}-{theme}.webp")
    if size == WIDE and theme == "dark":
        page.keyboard.press("v")
        settle(page)
        save(page.screenshot(), FOLDER / f"{model}-flat.webp")
        page.keyboard.press("v")
        settle(page)
        point_at(page, 0.3)
        save(page.screenshot(), FOLDER / f"{model}-hover.webp")
    if size == WIDE and theme == "light":
        look(page)
        save(page.screenshot(), FOLDER / f"{model}-looked.webp")
    context.close()


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a server that is running; one is started without it")
    parser.add_argument("--network", help="only this one")
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    catalog = Catalog.open(Settings())
    with ExitStack() as stack:
        url = arguments.url
        if url is None:
            catalog.prepare()
            url = f"http://127.0.0.1:{stack.enter_context(serving(available_cores())).port}"
        browser = stack.enter_context(chromium())
        for manifest in catalog.models:
            if arguments.network not in (None, manifest.id):
                continue
            take(browser, url, manifest.id, WIDE, "dark")
            take(browser, url, manifest.id, WIDE, "light")
            take(browser, url, manifest.id, NARROW, "dark")


if __name__ == "__main__":
    main()
