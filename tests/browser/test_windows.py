"""Windows at the edge: cells outside the map, rounding up, and the same colours for the same numbers everywhere."""

import math
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LIST, Open
from tests.browser.test_guide import layers_of, number, tensor
from tests.conftest import MODELS

pytestmark = pytest.mark.browser


def pool_with(api: httpx.Client, wanted: Any) -> tuple[str, dict[str, Any]]:
    """The first max pool like that of any network."""
    return next(
        (model, layer)
        for model in MODELS
        for layer in layers_of(api, model)
        if layer["op"] == "max_pool" and wanted(layer)
    )


def test_cells_outside_the_map_are_drawn_as_such_and_never_win(visit: Open, api: httpx.Client) -> None:
    model, layer = pool_with(api, lambda one: min(one["padding"][:2]) > 0)
    (rows, columns), (top, left) = layer["kernel"], layer["padding"][:2]
    seen = visit(f"{LIST}&model={model}&layer={layer['name']}&unit=0,0,0&panel=window")
    under = seen.page.locator(".player .calculation .matrix")
    expect(under.locator(".outside")).to_have_count(rows * columns - (rows - top) * (columns - left))
    expect(under.locator(".winner[data-value]")).to_have_count(1)
    legends = seen.page.locator(".player .legend")
    expect(legends).to_have_count(2)
    for legend, name in zip(legends.all(), (layer["inputs"][0], layer["name"]), strict=True):
        limit = float(np.abs(tensor(api, seen.run(), name)).max())  # of all maps of the layer
        assert math.isclose(number(legend, "data-to"), limit, rel_tol=1e-6)
        assert math.isclose(number(legend, "data-from"), -limit, rel_tol=1e-6)


def test_the_calculator_leaves_a_layer_its_own_rounding(visit: Open, api: httpx.Client) -> None:
    model, layer = pool_with(api, lambda one: "ceil" in one["formula"] and not any(one["padding"]))
    seen = visit(f"{LIST}&model={model}&layer={layer['name']}&unit=0&panel=calculator")
    expect(seen.page.locator("#inspector .calculator .own")).to_contain_text(layer["formula"])
