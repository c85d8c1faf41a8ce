"""What a frame draws: only what has changed, and not so much at once that the page stops answering."""

from typing import Any

import httpx
import pytest

from tests.browser.conftest import Open, Visit
from tests.browser.test_scene import fly, layers_of, middle, rest, spot_of
from tests.conftest import MODELS

pytestmark = pytest.mark.browser

# every drawing of plates and of names from now on: its frame, and whether the frame before was of a motion
WATCH = """() => {
  window.drawings = { plates: [], names: [] };
  const scene = document.querySelector("#scene").dataset;
  const note = (of) => { drawings[of].push([document.timeline.currentTime, scene.moving === "true"]); };
  for (const name of ["drawElements", "drawArrays"]) {
    const draw = WebGL2RenderingContext.prototype[name];
    WebGL2RenderingContext.prototype[name] = function (...values) {
      note("plates");
      return draw.apply(this, values);
    };
  }
  const clear = CanvasRenderingContext2D.prototype.clearRect;
  CanvasRenderingContext2D.prototype.clearRect = function (...values) {
    if (this.canvas.className === "paper") note("names");
    return clear.apply(this, values);
  };
}"""

Drawings = dict[str, list[tuple[float, bool]]]


def watch(seen: Visit) -> None:
    """Notes drawings from now on, when finer maps have come and nothing moves."""
    rest(seen)
    seen.page.evaluate(WATCH)
    when_still(seen)
    seen.page.evaluate("() => { for (const all of Object.values(drawings)) all.length = 0; }")


def drawings(seen: Visit) -> Drawings:
    told: dict[str, list[list[Any]]] = seen.page.evaluate("() => drawings")
    return {of: [(float(frame), bool(moving)) for frame, moving in all_] for of, all_ in told.items()}


def when_still(seen: Visit) -> Drawings:
    """The drawings, once nothing has been drawn for a while, and nothing is on its way."""
    before: Drawings | None = None
    while before != (before := drawings(seen)) or seen.underway:
        seen.page.wait_for_timeout(700)
    return before


def until_both(seen: Visit) -> Drawings:
    """The drawings, once names and plates have been drawn and nothing moves any more."""
    seen.page.wait_for_function("() => drawings.names.length > 0 && drawings.plates.length > 0")
    return when_still(seen)


def test_pointing_at_a_unit_marks_it_and_leaves_the_plates(visit: Open, api: httpx.Client) -> None:
    seen = visit(f"#model={MODELS[-1]}")
    watch(seen)
    for layer in layers_of(api, MODELS[-1])[1:3]:
        seen.page.mouse.move(*spot_of(seen.page, layer["name"], middle(layer["shape"])))
        seen.page.wait_for_selector(f"#reading[data-layer='{layer['name']}']:not([data-value=''])")
    seen.page.wait_for_timeout(200)
    drawn = drawings(seen)
    assert drawn["names"]
    assert drawn["plates"] == []
    seen.page.mouse.wheel(0, -200)
    seen.page.wait_for_function("() => drawings.plates.length > 0")


def test_plates_and_names_in_other_colours_take_a_frame_each(visit: Open) -> None:
    seen = visit(f"#model={MODELS[-1]}")
    watch(seen)
    seen.page.locator("[data-theme-toggle]").click()
    drawn = until_both(seen)
    assert set(drawn["names"]).isdisjoint(drawn["plates"])


def test_names_go_with_the_plates_where_these_go_elsewhere(visit: Open, api: httpx.Client) -> None:
    seen = visit(f"#model={MODELS[-1]}", calm=False)
    layer = layers_of(api, MODELS[-1])[1]["name"]
    fly(seen, layer)
    watch(seen)
    moving: dict[str, set[float]] = {"plates": set(), "names": set()}
    for folded in (True, False, True, False, True):  # the motion is over in a third of a second: a frame may miss it
        if not moving["plates"]:
            seen.page.evaluate("([layer, folded]) => convscope.stage.fold([layer], folded)", [layer, folded])
            drawn = until_both(seen)
            moving = {of: {frame for frame, moves in drawn[of] if moves} for of in drawn}
    assert moving["plates"]
    assert moving["names"] == moving["plates"]
