"""axe-core finds no serious violation, in both themes, with a map and an explanation open."""

from typing import Any

import pytest

from app.places import CHECKOUT
from benchmarks.chromium import NARROW, WIDE
from tests.browser.conftest import LIST, Open

pytestmark = pytest.mark.browser

AXE = CHECKOUT / "static" / "node_modules" / "axe-core" / "axe.min.js"
RULES = "() => axe.run(document, {resultTypes: ['violations']})"


@pytest.mark.parametrize(("theme", "size"), [("dark", WIDE), ("light", WIDE), ("dark", NARROW)])
@pytest.mark.parametrize("path", ["", LIST, "course", "about", "docs"])
def test_no_serious_violation(visit: Open, theme: str, size: tuple[int, int], path: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run `npm ci` in static/")
    reading = path in ("course", "about", "docs")
    seen = visit(None if reading else path, size=size, theme=theme)
    if reading:
        seen.read(path)
        for folded in seen.page.locator("main details.layer-table").all():
            folded.evaluate("e => { e.open = true }")
    elif path == "":
        layer = seen.page.locator(".layer[data-op=conv]").first.get_attribute("data-layer")
        spot = seen.page.evaluate("layer => convscope.screenOf(layer, [0, 0, 0])", layer)
        seen.page.mouse.click(spot["x"], spot["y"])
        seen.page.locator(".explanation").wait_for()
    else:
        seen.page.locator(".layer:nth-child(2) .maps canvas").click(position={"x": 10, "y": 10})
        seen.page.locator(".enlarged canvas").click(position={"x": 50, "y": 50})
        seen.page.locator(".explanation").wait_for()
    seen.page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = seen.page.evaluate(RULES)
    serious = [
        (one["id"], one["help"], [node["html"][:120] for node in one["nodes"][:3]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
