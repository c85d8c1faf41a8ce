"""What explains: tour, sliding window, calculator, evidence, comparison, camera, all with the API's numbers."""

import io
import math
import re
import shutil
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Route, expect

from app.catalog import Catalog
from app.places import CHECKOUT
from benchmarks.chromium import ARGUMENTS, NARROW, WIDE
from tests.browser.conftest import Open, Visit
from tests.conftest import every_model

pytestmark = pytest.mark.browser

AXE = CHECKOUT / "static" / "node_modules" / "axe-core" / "axe.min.js"


def number(place: Locator, name: str) -> float:
    return float(str(place.get_attribute(name)))


def layers_of(api: httpx.Client, model: str) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = api.get(f"/api/v1/models/{model}").json()["layers"]
    return layers


def layer_with(api: httpx.Client, model: str, op: str, **wanted: Any) -> dict[str, Any]:
    """The first layer of a network with that operator and those figures."""
    for layer in layers_of(api, model):
        if layer["op"] == op and all(layer[name] == value for name, value in wanted.items()):
            return layer
    raise AssertionError(f"{model} has no {op} with {wanted}")


def told(api: httpx.Client, run: str, layer: str, unit: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/api/v1/runs/{run}/layers/{layer}/units/{unit}").json()
    return found


def no_serious_violation(seen: Visit) -> None:
    seen.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = seen.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    serious = [
        (one["id"], [node["html"][:120] for node in one["nodes"][:3]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []


# --- the explanation ----------------------------------------------------------------------------------------


def printed_lines(explanation: Locator) -> dict[str, float]:
    lines = explanation.locator(".steps dd").all()
    return {str(line.get_attribute("data-line")): number(line, "data-printed") for line in lines}


def printed_sources(explanation: Locator) -> list[float]:
    shown = explanation.locator(".sources-head ~ * [data-printed], .source[data-printed]").all()
    return [number(one, "data-printed") for one in shown]


def test_what_is_printed_adds_up_and_all_sources_can_be_shown(visit: Open, api: httpx.Client) -> None:
    layer = next(one for one in layers_of(api, "alexnet") if one["op"] == "conv" and one["groups"] == 2)
    seen = visit(f"#view=list&model=alexnet&layer={layer['name']}&unit=3,5,6")
    explanation = seen.page.locator(".explanation")
    explanation.wait_for()
    answer = told(api, seen.run(), layer["name"], "3/5/6")
    lines = printed_lines(explanation)
    assert math.isclose(sum(printed_sources(explanation)), lines["shown"], abs_tol=1e-9)
    assert math.isclose(lines["shown"] + lines["others"], lines["products"], abs_tol=1e-9)
    assert math.isclose(lines["products"] + lines["bias"], lines["sum"], abs_tol=1e-9)
    assert math.isclose(lines["sum"], answer["sum"], abs_tol=6e-4 * max(1, abs(answer["sum"])))
    explanation.locator(".show-all").click()
    expect(explanation.locator(".source")).to_have_count(len(answer["sources"]))
    expect(explanation.locator("dd[data-line='others']")).to_have_count(0)
    lines = printed_lines(explanation)
    assert math.isclose(sum(printed_sources(explanation)), lines["products"], abs_tol=1e-6)
    totals = [
        abs(
            sum(
                v * w for row, ws in zip(s["values"], s["weights"], strict=True) for v, w in zip(row, ws, strict=True)
            )
        )
        for s in answer["sources"]
    ]
    shown = [abs(number(one, "data-total")) for one in explanation.locator(".source").all()]
    np.testing.assert_allclose(shown, sorted(totals, reverse=True), rtol=1e-6, atol=1e-9)


def test_the_connection_table_shows_what_a_map_reads(visit: Open, api: httpx.Client) -> None:
    models = [model["id"] for model in api.get("/api/v1/models").json()["models"]]
    model, layer = next((m, one) for m in models for one in layers_of(api, m) if one["table"])
    channel = layer["shape"][0] // 2
    seen = visit(f"#view=list&model={model}&layer={layer['name']}&unit={channel},1,1")
    table = seen.page.locator(".join-table")
    table.wait_for()
    own = [str(source) for source, joined in enumerate(layer["table"]) if channel in joined]
    assert table.get_attribute("data-own") == ",".join(own)
    assert table.locator("td[data-joined='true']").count() == sum(map(len, layer["table"]))
    sources = told(api, seen.run(), layer["name"], f"{channel}/1/1")["sources"]
    assert [str(source["channel"]) for source in sources] == own


@pytest.mark.parametrize("op", ["lrn", "max_pool", "relu", "concat", "add", "softmax", "rbf", "subsampling"])
def test_every_operator_is_explained_in_its_own_words(visit: Open, api: httpx.Client, op: str) -> None:
    models = [model["id"] for model in api.get("/api/v1/models").json()["models"]]
    model, layer = next((m, one) for m in models for one in layers_of(api, m) if one["op"] == op)
    unit = ",".join(str(size // 2) for size in layer["shape"])
    seen = visit(f"#view=list&model={model}&layer={layer['name']}&unit={unit}")
    explanation = seen.page.locator(".explanation")
    explanation.wait_for()
    answer = told(api, seen.run(), layer["name"], unit.replace(",", "/"))
    assert number(explanation, "data-value") == answer["value"]
    mark = {
        "lrn": "tr.own",
        "max_pool": ".matrix .winner",
        "concat": ".branches li.own",
        "softmax": "tr.own",
        "rbf": ".code",
        "subsampling": ".matrix.worded",
    }.get(op, ".lines tbody tr")
    assert explanation.locator(mark).count() >= 1
    if op == "rbf":
        differs = [s["values"][0][0] * s["weights"][0][0] < 0 for s in answer["sources"]]
        assert number(explanation.locator(".code"), "data-differ") == sum(differs)
    if op == "add":
        expect(explanation.locator(".words")).to_contain_text("shortcut")


def test_a_cell_of_a_patch_leads_to_its_unit(visit: Open, api: httpx.Client) -> None:
    layer = layer_with(api, "lenet5", "subsampling")
    seen = visit(f"#view=list&model=lenet5&layer={layer['name']}&unit=1,3,4")
    explanation = seen.page.locator(".explanation")
    patch = explanation.locator(".source .matrix").first
    patch.focus()
    seen.page.keyboard.press("ArrowDown")
    seen.page.keyboard.press("ArrowRight")
    seen.page.keyboard.press("Enter")
    below = layer["inputs"][0]
    seen.page.wait_for_selector(f".explanation[data-layer='{below}'][data-unit='1,7,9']")
    no_serious_violation(seen)


# --- the window slides --------------------------------------------------------------------------------------


def tensor(api: httpx.Client, run: str, layer: str) -> Any:
    return np.load(io.BytesIO(api.get(f"/api/v1/runs/{run}/layers/{layer}/tensor.npy").content))


@pytest.mark.parametrize(
    ("model", "op"), [("lenet5", "conv"), ("lenet5", "subsampling"), ("alexnet", "max_pool"), ("alexnet", "relu")]
)
def test_the_window_slides_with_the_api_s_numbers(visit: Open, api: httpx.Client, model: str, op: str) -> None:
    layer = layer_with(api, model, op)
    height, width = layer["shape"][1:]
    seen = visit(f"#view=list&model={model}&layer={layer['name']}&unit=2,0,0&panel=window")
    player = seen.page.locator(".player")
    player.wait_for()
    expect(player.locator(".player-figures")).to_contain_text(layer["formula"] or "each cell of its map by itself")
    output = player.locator(".output-frame canvas")
    # both pictures show cells of one size, or of a whole number of times that size
    into = player.locator(".map-frame:not(.output-frame) canvas")
    sides = [float(one.evaluate("canvas => canvas.getBoundingClientRect().width")) for one in (into, output)]
    source = next(one for one in layers_of(api, model) if one["name"] == layer["inputs"][0])
    ratio = (sides[1] / layer["shape"][2]) / (sides[0] / source["shape"][2])
    assert math.isclose(ratio, max(1, source["shape"][2] // layer["shape"][2]), rel_tol=0.02)
    output.focus()
    numbers = tensor(api, seen.run(), layer["name"])[2]
    spread = float(numbers.std())
    for keys, place in (
        (["ArrowRight"], (0, 1)),
        (["ArrowDown", "ArrowDown"], (2, 1)),
        (["End"], (height - 1, width - 1)),
    ):
        for key in keys:
            seen.page.keyboard.press(key)
        assert (number(player, "data-row"), number(player, "data-column")) == place
        answer = told(api, seen.run(), layer["name"], f"2/{place[0]}/{place[1]}")
        assert abs(number(player, "data-value") - answer["value"]) <= 1e-4 * max(abs(answer["value"]), spread)
        if op == "conv":
            assert math.isclose(number(player, "data-sum"), answer["sum"], rel_tol=1e-6, abs_tol=1e-6)
    elsewhere = seen.page.locator(".elsewhere")
    player.get_by_role("button", name="Step on").click()
    row, column = (int(number(player, name)) for name in ("data-row", "data-column"))
    elsewhere.get_by_role("button").click()  # the explanation follows the window
    seen.page.wait_for_selector(f".explanation[data-unit$=',{row},{column}']")
    expect(elsewhere).to_be_hidden()
    player.get_by_role("button", name="Start again").click()
    expect(elsewhere).to_be_visible()
    player.get_by_label("Speed").select_option(label="Fast")
    player.locator(".play").click()
    seen.page.wait_for_selector(f".player[data-filled='{height * width}'][data-playing='false']")
    assert number(player, "data-difference") <= 1e-4 * max(spread, float(np.abs(numbers).max()))
    expect(player.locator(".done")).to_contain_text(f"All {height * width:,} cells")
    box = output.bounding_box()
    assert box is not None
    output.hover(position={"x": box["width"] * 2.5 / width, "y": box["height"] * 1.5 / height})
    assert (number(player, "data-row"), number(player, "data-column")) == (1, 2)
    output.click(position={"x": box["width"] * 2.5 / width, "y": box["height"] * 1.5 / height})
    seen.page.wait_for_selector(".explanation[data-unit='2,1,2']")
    no_serious_violation(seen)


def test_playing_pauses_and_goes_on(visit: Open, api: httpx.Client) -> None:
    layer = layer_with(api, "lenet5", "conv")
    seen = visit(f"#view=list&model=lenet5&layer={layer['name']}&unit=0")
    seen.page.keyboard.press("w")
    player = seen.page.locator(".player")
    player.wait_for()
    seen.page.keyboard.press("w")
    expect(player).to_have_attribute("data-playing", "true")
    seen.page.wait_for_function("() => Number(document.querySelector('.player').dataset.filled) > 3")
    seen.page.keyboard.press("w")
    expect(player).to_have_attribute("data-playing", "false")
    filled = player.get_attribute("data-filled")
    seen.page.wait_for_timeout(300)
    assert player.get_attribute("data-filled") == filled


def test_a_panels_calculator_keeps_what_was_typed(visit: Open, api: httpx.Client, catalog: Catalog) -> None:
    model = catalog.models[0].id
    layer = layer_with(api, model, "conv", padding=[0, 0, 0, 0])
    seen = visit(f"#model={model}&layer={layer['name']}&unit=0&panel=calculator")
    stride = seen.page.locator("#inspector [data-field=stride]")
    stride.fill("3")
    seen.page.locator("#inspector [data-focus=next]").click()
    expect(seen.page.locator("#inspector h2")).to_contain_text("map 1")
    expect(stride).to_have_value("3")
    stride.focus()
    seen.page.emulate_media(color_scheme="light")
    seen.page.keyboard.press("Escape")
    expect(seen.page.locator("#inspector")).to_be_hidden()


def test_the_calculator_does_the_course_s_exercises(visit: Open) -> None:
    seen = visit(size=NARROW)
    seen.page.keyboard.press("k")
    dialog = seen.page.locator(".calculator-dialog")
    answer = dialog.locator(".calculator-answer")

    def exercise(**fields: int) -> None:
        for name, value in fields.items():
            dialog.locator(f"[data-field={name}]").fill(str(value))

    exercise(size=7, filter=3, stride=3, padding=0, depth=1, filters=1)
    expect(answer.locator(".misfit")).to_contain_text("2.33: does not fit")
    exercise(stride=2)
    assert answer.get_attribute("data-fits") == "true"
    assert answer.get_attribute("data-side") == "3"
    exercise(size=32, filter=5, stride=1, padding=2, depth=3, filters=10)
    assert [answer.get_attribute(f"data-{name}") for name in ("maps", "side", "parameters")] == ["10", "32", "760"]
    dialog.locator("[data-field=filter]").fill("")
    expect(answer).to_contain_text("Whole numbers")
    no_serious_violation(seen)


# --- evidence and tour ----------------------------------------------------------------------------------------


def check_evidence(seen: Visit, api: httpx.Client, model: str) -> None:
    """What speaks for the second class sums to its score."""
    row = seen.page.locator(".bars li").nth(1)
    row.locator(".bar-row").focus()
    evidence = seen.page.locator(".evidence")
    evidence.wait_for()
    layers = layers_of(api, model)
    scores = layers[-1]["inputs"][0]  # every bundled network ends in a softmax
    assert evidence.get_attribute("data-layer") == scores
    index = str(row.get_attribute("data-index"))
    answer = told(api, seen.run(), scores, index)
    assert number(evidence, "data-value") == answer["value"]
    if answer["op"] == "rbf":
        agree = [s["values"][0][0] * s["weights"][0][0] >= 0 for s in answer["sources"]]
        assert number(evidence.locator(".code"), "data-agree") == sum(agree)
        return
    total = evidence.locator(".evidence-sum")
    parts = {name: number(total, f"data-{name}") for name in ("for", "against", "bias", "sum")}
    assert math.isclose(parts["for"] + parts["against"] + parts["bias"], parts["sum"], abs_tol=1e-9)
    products = [
        v * w
        for source in answer["sources"]
        for values, weights in zip(source["values"], source["weights"], strict=True)
        for v, w in zip(values, weights, strict=True)
    ]
    tolerance = 1e-3 * max(1.0, sum(map(abs, products)))
    assert abs(parts["for"] - sum(p for p in products if p > 0)) <= tolerance
    assert abs(parts["sum"] - answer["sum"]) <= 1e-3 * max(1, abs(answer["sum"]))
    strongest = number(evidence.locator(".evidence-for li").first, "data-total")
    assert math.isclose(strongest, max(products), rel_tol=1e-6)


Array = np.typing.NDArray[np.float32]


def check_looked(seen: Visit, api: httpx.Client, model: str) -> None:
    """Where the network looked for the second class: the API's numbers, by the quickest method it has."""
    named = api.get(f"/api/v1/models/{model}").json()["saliency"]
    looked = seen.page.locator(".looked")
    assert [one.get_attribute("data-method") for one in looked.locator("button[data-method]").all()] == named
    if named == ["occlusion"]:
        expect(looked.locator("canvas")).to_have_count(0)
        expect(looked).to_contain_text("covered")  # says what it would do, and waits
        return
    check_heat(seen, api, named[0])
    looked.locator("button[data-method=grad_cam]").click()
    expect(looked.locator("canvas[data-method=grad_cam]")).to_be_visible()
    check_heat(seen, api, "grad_cam")


def check_heat(seen: Visit, api: httpx.Client, method: str) -> Array:
    canvas = seen.page.locator(f".looked canvas[data-method={method}]")
    index = str(seen.page.locator(".bars li").nth(1).get_attribute("data-index"))
    expect(canvas).to_have_attribute("data-class", index)
    answer = api.get(f"/api/v1/runs/{seen.run()}/saliency.npy?method={method}&class={index}")
    heat: Array = np.load(io.BytesIO(answer.content))
    row, column = int(number(canvas, "data-row")), int(number(canvas, "data-column"))
    limit = np.float32(number(canvas, "data-limit"))
    assert limit == np.abs(heat).max() > 0
    assert np.float32(number(canvas, "data-strongest")) == heat[row, column] == heat.max()

    def reddish(flat: np.intp) -> int:
        """Red less blue where that cell is drawn: above 0 in orange, below in blue, and 0 in the picture's grey."""
        y, x = (int(at) for at in np.unravel_index(flat, heat.shape))
        script = "(one, [x, y]) => [...one.getContext('2d').getImageData(x, y, 1, 1).data]"
        red, _, blue, _ = canvas.evaluate(script, [x, y])
        return int(red - blue)

    if heat.max() > limit / 2:
        assert reddish(heat.argmax()) > 20
    if heat.min() < -limit / 2:
        assert reddish(heat.argmin()) < -20
    nothing = np.abs(heat).argmin()
    if np.abs(heat).flat[nothing] < limit / 1000:
        assert abs(reddish(nothing)) <= 2
    assert (canvas.evaluate("one => one.height"), canvas.evaluate("one => one.width")) == heat.shape
    return heat


def test_patches_are_covered_when_asked_for_and_the_pointer_reads_what_each_costs(
    visit: Open, api: httpx.Client, catalog: Catalog
) -> None:
    seen = visit(f"#model={catalog.models[0].id}")
    seen.page.locator(".bars li").nth(1).locator(".bar-row").click()
    seen.page.locator(".looked button[data-method=occlusion]").click()
    heat = check_heat(seen, api, "occlusion")
    with seen.page.expect_download() as saved:
        seen.page.locator(".looked .downloads button").click()
    with Image.open(saved.value.path()) as picture:
        assert (picture.height, picture.width) == heat.shape, "the picture that is seen"
    canvas, (row, column) = seen.page.locator(".looked canvas[data-method]"), (heat.shape[0] // 2, heat.shape[1] // 3)
    box = canvas.bounding_box()
    assert box is not None
    cell = box["width"] / heat.shape[1]
    canvas.hover(position={"x": (column + 0.5) * cell, "y": (row + 0.5) * cell})
    readout = seen.page.locator(".looked .readout")
    expect(readout).to_contain_text(f"row {row}, column {column}")
    assert np.float32(number(readout, "data-value")) == heat[row, column]
    no_serious_violation(seen)
    seen.page.locator(".bars li").nth(2).locator(".bar-row").hover()
    seen.page.wait_for_timeout(600)
    expect(canvas).to_be_visible()  # what took long is not thrown away for a pointer at rest
    seen.page.locator(".bars li").nth(2).locator(".bar-row").click()
    expect(canvas).to_have_count(0)


def test_while_patches_are_covered_the_page_tells_how_far_it_is(visit: Open, catalog: Catalog) -> None:
    seen = visit(f"#model={catalog.models[0].id}")
    held: list[Route] = []

    def hold(route: Route) -> None:  # not `held.append` itself: Playwright notes something on its handlers
        held.append(route)

    seen.page.route("**/saliency.npy*", hold)
    passes = {"done": 60, "of": 170}
    seen.page.route("**/saliency/progress*", lambda route: route.fulfill(json=passes))
    seen.page.locator(".bars li").nth(1).locator(".bar-row").click()
    seen.page.locator(".looked button[data-method=occlusion]").click()
    bar = seen.page.locator(".looked progress")
    expect(bar).to_be_visible()
    expect(seen.page.locator(".patches")).to_contain_text("60 of 170 passes, ")
    assert (bar.evaluate("one => one.value"), bar.evaluate("one => one.max")) == (60, 170)
    passes["done"] = 150
    expect(seen.page.locator(".patches")).to_contain_text("150 of 170 passes, ")
    no_serious_violation(seen)
    for route in held:
        route.continue_()
    expect(seen.page.locator(".looked canvas[data-method=occlusion]")).to_be_visible()
    expect(bar).to_have_count(0)


def test_where_nothing_speaks_for_a_class_the_page_says_so(visit: Open, catalog: Catalog) -> None:
    seen = visit(f"#model={catalog.models[0].id}")
    seen.page.get_by_role("button", name="Clear").click()
    expect(seen.page.locator(".predictions h2")).to_have_text("Nothing is drawn")
    seen.settle()
    seen.page.locator(".bars li").first.locator(".bar-row").click()
    seen.page.locator(".looked button[data-method=occlusion]").click()
    expect(seen.page.locator(".looked .readout")).to_have_text("No place speaks for it")
    expect(seen.page.locator(".looked .legend")).to_have_count(0)


@every_model
def test_a_class_has_its_evidence_and_the_tour_walks_to_its_end(visit: Open, api: httpx.Client, model: str) -> None:
    steps = api.get(f"/api/v1/models/{model}/tour").json()["steps"]
    seen = visit(f"#model={model}")
    check_evidence(seen, api, model)
    check_looked(seen, api, model)
    seen.page.keyboard.press("g")
    tour = seen.page.locator(".tour")
    for index, step in enumerate(steps):
        expect(tour).to_have_attribute("data-step", str(index + 1))
        words = tour.locator(".tour-words").inner_text()
        assert "{" not in words and "undefined" not in words and "NaN" not in words
        expect(seen.page).to_have_url(re.compile(f"tour={index + 1}(&|$)"))  # the link follows when all is still
        if step["layer"] is not None and step["unit"] is not None:
            expect(seen.page.locator("#inspector h2")).to_contain_text(step["layer"])
        else:
            expect(seen.page.locator("#inspector")).to_be_hidden()
        seen.page.keyboard.press("n")
    expect(tour).to_be_hidden()
    expect(seen.page).not_to_have_url(re.compile("tour="))


@pytest.mark.parametrize(("size", "theme"), [(WIDE, "dark"), (NARROW, "light")])
def test_a_step_of_the_tour_has_a_link_and_a_list(
    visit: Open, api: httpx.Client, size: tuple[int, int], theme: str
) -> None:
    steps = api.get("/api/v1/models/lenet5/tour").json()["steps"]
    seen = visit("#model=lenet5&tour=6", size=size, theme=theme)
    tour = seen.page.locator(".tour")
    expect(tour).to_have_attribute("data-step", "6")
    expect(tour.locator("[aria-live]")).to_contain_text(steps[5]["title"])
    seen.page.locator(".explanation").wait_for()
    no_serious_violation(seen)
    tour.get_by_role("button", name="Steps").click()
    assert tour.locator(".tour-list li").count() == len(steps)
    tour.locator(".tour-list button").nth(1).click()
    expect(tour).to_have_attribute("data-step", "2")
    tour.get_by_role("button", name="Back").click()
    expect(tour).to_have_attribute("data-step", "1")
    tour.get_by_role("button", name="End the tour").click()
    expect(tour).to_be_hidden()
    wide = seen.page.locator("html").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert wide[0] <= wide[1]


def test_a_network_without_a_tour_offers_none(visit: Open) -> None:
    seen = visit()
    seen.page.route("**/tour", lambda route: route.fulfill(status=404, json={"title": "none", "detail": "none"}))
    seen.page.keyboard.press("2")
    seen.settle()
    expect(seen.page.locator(".tour-button")).to_be_hidden()
    seen.errors.clear()  # Chromium logs the 404 itself


# --- comparison, camera, colours ------------------------------------------------------------------------------


def test_two_pictures_are_compared(visit: Open, api: httpx.Client) -> None:
    seen = visit("#view=list&model=lenet5&sample=digit-7&with=lenet5&withSample=digit-1")
    maps = seen.page.locator(".compare-maps[data-right-run]")
    maps.wait_for()
    runs = [str(maps.get_attribute(f"data-{side}-run")) for side in ("left", "right")]
    assert runs[0] == seen.run() != runs[1]
    layer = str(maps.get_attribute("data-left"))
    a, b = (tensor(api, run, layer).astype(np.float64) for run in runs)
    pair = seen.page.locator(".pair-columns")
    assert math.isclose(number(pair, "data-mean"), np.abs(a - b).mean(), rel_tol=1e-5)
    assert math.isclose(number(pair, "data-largest"), np.abs(a - b).max(), rel_tol=1e-5)
    correlation = np.corrcoef(a.ravel(), b.ravel())[0, 1]
    assert math.isclose(number(pair, "data-correlation"), correlation, rel_tol=1e-4, abs_tol=1e-6)
    for side, run in zip(seen.page.locator(".compare-answer").all(), runs, strict=True):
        first = api.get(f"/api/v1/runs/{run}").json()["predictions"][0]
        assert side.locator(".bars li").first.get_attribute("data-label") == first["label"]
        assert number(side.locator(".bars li").first, "data-probability") == first["probability"]
    no_serious_violation(seen)
    seen.page.keyboard.press("Escape")
    expect(seen.page.locator("dialog.compare")).to_be_hidden()
    expect(seen.page).not_to_have_url(re.compile("with="))


def test_two_networks_are_compared_and_the_link_shows_the_same_again(visit: Open, api: httpx.Client) -> None:
    seen = visit("#view=list&model=lenet5&sample=digit-3")
    seen.page.keyboard.press("c")
    seen.page.locator(".pair-columns").wait_for()
    seen.page.select_option("#compare-picture", "=")
    seen.page.select_option("#compare-model", "alexnet")
    right = seen.page.locator(".compare-answer").nth(1)
    expect(right).to_contain_text("AlexNet", timeout=60_000)
    pair = seen.page.locator(".pair-columns")
    pair.wait_for()
    names = {side: {one["name"] for one in layers_of(api, side)} for side in ("lenet5", "alexnet")}
    maps = seen.page.locator(".compare-maps")
    seen.page.wait_for_function(
        "(names) => names.includes(document.querySelector('.compare-maps').dataset.right)",
        arg=sorted(names["alexnet"]),
    )
    assert maps.get_attribute("data-left") in names["lenet5"]
    assert pair.get_attribute("data-same") == "false"
    expect(pair).to_contain_text("different shapes")
    run = right.get_attribute("data-run")
    expect(seen.page).to_have_url(re.compile("alexnet"))  # the link follows when all is still
    again = visit(seen.page.url.split("/")[-1])
    expect(again.page.locator(".compare-answer").nth(1)).to_have_attribute("data-run", str(run))


def test_the_camera_takes_a_still(chromium: Browser, server: str, api: httpx.Client) -> None:
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    host = urlsplit(server)
    # a name that is neither localhost nor HTTPS leads to the same server: there the page gets no camera
    rules = f"--host-resolver-rules=MAP plain.test {host.hostname}"
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    browser = chromium.browser_type.launch(executable_path=path, args=[*ARGUMENTS, *flags, rules])
    try:
        page = browser.new_page(reduced_motion="reduce")
        page.goto(f"{server}/#model=alexnet")
        page.wait_for_selector("body[data-busy='false']:not([data-run=''])")
        before = page.locator("body").get_attribute("data-run")
        page.get_by_role("button", name="Camera", exact=True).click()
        page.get_by_role("button", name="Take the picture").click()
        page.wait_for_selector(f"body[data-busy='false']:not([data-run='{before}'])")
        run = page.locator("body").get_attribute("data-run")
        image = api.get(f"/api/v1/runs/{run}").json()["image"]
        assert image["width"] >= 320 and image["height"] >= 240
        assert page.locator("dialog.camera").is_hidden()
        assert page.evaluate("() => document.querySelector('.camera video').srcObject") is None
        page.goto(f"http://plain.test:{host.port}/")
        page.wait_for_selector("body[data-busy='false']:not([data-run=''])")
        page.get_by_role("button", name="Camera", exact=True).click()
        expect(page.locator("dialog.camera")).to_contain_text("only to pages over HTTPS or on localhost")
        expect(page.get_by_role("button", name="Take the picture")).to_be_disabled()
    finally:
        browser.close()


def test_gamma_bends_the_colours_and_stays_in_the_link(visit: Open) -> None:
    seen = visit("#model=lenet5&view=list")
    slider = seen.page.locator("#gamma")
    picture = "() => document.querySelector('.layer:nth-child(2) .maps canvas').toDataURL()"
    plain = seen.page.evaluate(picture)
    slider.focus()
    for _ in range(4):
        seen.page.keyboard.press("ArrowRight")
    expect(seen.page).to_have_url(re.compile("gamma=1$|gamma=1&"))
    assert seen.page.evaluate(picture) != plain
    slider.dblclick()
    expect(seen.page).not_to_have_url(re.compile("gamma"))
    assert seen.page.evaluate(picture) == plain
