"""What the page costs: `python -m benchmarks.page [--network vgg16]`.

A server of its own and a Chromium with software WebGL share this machine's cores. Printed: compressed bytes of the
page; for every network the draw calls of a frame, the bytes until the first picture of all its layers, the time from
the click to all layers painted against one plain onnxruntime forward of the same file (medians, taking turns),
frames a second while orbiting with everything open, how often the maps follow a drawing, and the longest task of the
main thread. Figures in absolute time
are those of this machine while it did this; the ratios are what counts.
"""

import argparse
import gzip
import math
import statistics
import time
from collections.abc import Callable

from playwright.sync_api import Browser, Page

from app.catalog import Catalog
from app.cores import available_cores
from app.network import Network
from app.places import PAGE, TEMPLATES
from app.settings import Settings
from benchmarks.chromium import chromium, context_of, open_page, settle
from benchmarks.floor import forward, open_networks
from benchmarks.measures import Measure
from benchmarks.place import serving
from benchmarks.report import machine, table

# what index.html loads, and main.js after it
FILES = ("main.js", "canvas.js", "theme.js", "warm.js", "paint.js", "scenes.js", "style.css")
FRAMES_TARGETS = {"lenet5": ">= 15", "vgg16": ">= 6"}
PAINTED_TARGETS = {"vgg16": "<= 3", "resnet34": "<= 6"}
FIRST_PAINT_TARGETS = {"vgg16": "<= 2"}
ORBIT_SECONDS = 5.0
HOVER_MS = 300  # a pointer is over a sample for some time before it presses: that frame is not the click's


def compressed_bytes() -> int:
    """Bytes of everything that the page loads before its first answer, by gzip."""
    files = [PAGE / name for name in FILES] + [TEMPLATES / "index.html", TEMPLATES / "base.html"]
    return sum(len(gzip.compress(path.read_bytes(), 9)) for path in files)


def longest_task(page: Page) -> float:
    """The longest task of the main thread since the last call, in milliseconds; tasks under 50 count as 0."""
    return float(page.evaluate("() => { const ms = seen.longest; seen.longest = 0; return ms; }"))


def frames_orbiting(page: Page) -> float:
    """Frames a second while the mouse drags the network round and round."""
    box = page.locator("#scene").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5
    count = "Number(document.getElementById('scene').dataset.frames)"
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y)
    first, begun = int(page.evaluate(count)), time.perf_counter()
    while (passed := time.perf_counter() - begun) < ORBIT_SECONDS:
        page.mouse.move(x + 160 * math.sin(2 * passed), y + 30 * math.sin(3.1 * passed))
    drawn = int(page.evaluate(count)) - first
    page.mouse.up()
    return drawn / passed


def first_paint_bytes(browser: Browser, url: str, network: Network) -> int:
    """Bytes of all answers of the API, until all layers of the network were painted for the first time."""
    context = context_of(browser)
    page = context.new_page()
    page.set_default_timeout(180_000)
    sizes: list[int] = []
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    wanted: set[str] = set()

    def note(event: dict[str, object]) -> None:
        answer = event["response"]
        if isinstance(answer, dict) and "/api/" in str(answer["url"]):
            wanted.add(str(event["requestId"]))

    def add(event: dict[str, object]) -> None:
        if event["requestId"] in wanted:
            sizes.append(int(str(event["encodedDataLength"])))

    session.on("Network.responseReceived", note)
    session.on("Network.loadingFinished", add)
    page.goto(f"{url}/#model={network.id}")
    page.wait_for_selector("body[data-painted]")
    total = sum(sizes)
    context.close()
    return total


def painting(page: Page) -> Callable[[], float]:
    """Clicks on one sample after the other; each call gives the milliseconds from the click to all layers painted."""
    samples = page.locator(".samples [data-sample]")
    names = [str(one.get_attribute("data-sample")) for one in samples.all()]
    left = [name for name in names if f"sample={name}" not in page.url]

    def once() -> float:
        before = page.locator("body").get_attribute("data-painted")
        sample = page.locator(f"[data-sample='{left.pop(0)}']")
        sample.hover()
        page.wait_for_timeout(HOVER_MS)
        sample.click()
        page.wait_for_selector(f"body[data-busy='false']:not([data-painted='{before}'])")
        took = page.evaluate("seen.painted[document.body.dataset.painted] - seen.pressed")
        settle(page)
        return float(took)

    return once


def maps_drawing(page: Page) -> float:
    """How often a second the maps follow, while a stroke is drawn without an end."""
    page.evaluate("seen.painted = {}")
    box = page.locator("canvas.pad").bounding_box()
    assert box is not None
    page.get_by_role("button", name="Clear").click()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    begun = time.perf_counter()
    while (passed := time.perf_counter() - begun) < ORBIT_SECONDS:
        share = passed / ORBIT_SECONDS
        x = 0.5 + 0.35 * math.sin(9 * passed)
        page.mouse.move(box["x"] + x * box["width"], box["y"] + (0.1 + 0.8 * share) * box["height"])
        page.wait_for_timeout(12)
    page.mouse.up()
    return int(page.evaluate("Object.keys(seen.painted).length")) / passed


def measure(browser: Browser, url: str, network: Network, repetitions: int) -> list[Measure]:
    """All rows of one network."""
    rows = []
    paint_bytes = first_paint_bytes(browser, url, network) + compressed_bytes()
    context = context_of(browser)
    page = open_page(context, url, f"#model={network.id}")
    opening = longest_task(page)
    calls = float(str(page.locator("#scene").get_attribute("data-draw-calls")))
    rows.append(Measure("draw calls a frame, everything open", network.id, calls, "<= 150"))
    target = FIRST_PAINT_TARGETS.get(network.id, "")
    rows.append(Measure("MB until all layers are painted, page included", network.id, paint_bytes / 1e6, target))

    floor = forward(network, available_cores())
    floor()
    once = painting(page)
    clicks, floors = [], []
    for _ in range(repetitions):
        clicks.append(once())
        begun = time.perf_counter()
        floor()
        floors.append(1000 * (time.perf_counter() - begun))
    ours, plain = statistics.median(clicks), statistics.median(floors)
    rows.append(
        Measure(
            "click to all layers painted, against one forward",
            network.id,
            ours / plain,
            PAINTED_TARGETS.get(network.id, ""),
            f"{ours:.0f} ms against {plain:.0f} ms",
        )
    )
    clicking = longest_task(page)
    frames = frames_orbiting(page)
    rows.append(
        Measure("frames a second, orbiting, everything open", network.id, frames, FRAMES_TARGETS.get(network.id, ""))
    )
    if network.graph.input_shape[0] == 1:
        rows.append(Measure("maps a second, while drawing", network.id, maps_drawing(page), ">= 10"))
    longest = max(opening, clicking, orbiting := longest_task(page))
    parts = f"opening {opening:.0f}, new picture {clicking:.0f}, orbiting {orbiting:.0f} (0: under 50)"
    rows.append(Measure("longest task of the main thread, ms", network.id, longest, "<= 100", parts))
    context.close()
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", help="only this one")
    parser.add_argument(
        "--repetitions", type=int, default=5, choices=range(1, 6), help="clicks a network (default 5)"
    )
    arguments = parser.parse_args()
    catalog = Catalog.open(Settings())
    catalog.prepare()
    rows = [Measure("kB of the page, compressed", "", compressed_bytes() / 1000, "<= 300")]
    with serving(available_cores()) as place, chromium() as browser:
        for network in open_networks(catalog, arguments.network):
            rows += measure(browser, f"http://127.0.0.1:{place.port}", network, arguments.repetitions)
    print("Measured on: " + ", ".join(f"{key} {value}" for key, value in machine().items()) + ".\n")
    print(table(rows))


if __name__ == "__main__":
    main()
