"""What a frame draws: only what has changed, and not so much at once that the page stops answering."""

import httpx
import pytest

from tests.browser.conftest import Open
from tests.browser.test_scene import layers_of, middle, rest, spot_of
from tests.conftest import MODELS

pytestmark = pytest.mark.browser

# every drawing of plates and of names from now on, with the frame in which it was
WATCH = """() => {
  window.drawings = { plates: [], names: [] };
  const note = (of) => { drawings[of].push(document.timeline.currentTime); };
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


def test_pointing_at_a_unit_marks_it_and_leaves_the_plates(visit: Open, api: httpx.Client) -> None:
    seen = visit(f"#model={MODELS[-1]}")
    rest(seen)
    seen.page.evaluate(WATCH)
    for layer in layers_of(api, MODELS[-1])[1:3]:
        seen.page.mouse.move(*spot_of(seen.page, layer["name"], middle(layer["shape"])))
        seen.page.wait_for_selector(f"#reading[data-layer='{layer['name']}']:not([data-value=''])")
    seen.page.wait_for_timeout(200)
    drawn = seen.page.evaluate("() => drawings")
    assert drawn["names"]
    assert drawn["plates"] == []
    seen.page.mouse.wheel(0, -200)
    seen.page.wait_for_function("() => drawings.plates.length > 0")


def test_plates_and_names_in_other_colours_take_a_frame_each(visit: Open) -> None:
    seen = visit(f"#model={MODELS[-1]}")
    rest(seen)
    seen.page.evaluate(WATCH)
    seen.page.locator("[data-theme-toggle]").click()
    seen.page.wait_for_function("() => drawings.names.length > 0 && drawings.plates.length > 0")
    seen.page.wait_for_timeout(500)
    drawn = seen.page.evaluate("() => drawings")
    assert set(drawn["names"]).isdisjoint(drawn["plates"])
