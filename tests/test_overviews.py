"""Every layer's overview in one go: the same pictures as layer by layer."""

import threading
import time

import numpy as np
import numpy.typing as npt
import pytest

from app import overviews
from app.activations import Activations
from app.maps import draw_overview, shrink
from app.overviews import draw_overviews, groups

Array = npt.NDArray[np.float32]


@pytest.fixture
def activations() -> Activations:
    """Layers of many sizes, some with numbers that no byte can tell, and ReLUs of them."""
    rng = np.random.default_rng(4)
    computed = {
        "photo": rng.normal(size=(3, 224, 224)).astype(np.float32),
        "large": rng.normal(size=(70, 112, 112)).astype(np.float32),  # more than one block
        "odd": rng.normal(size=(5, 55, 37)).astype(np.float32),
        "flat": np.full((4, 7, 7), 3, np.float32),
        "dead": np.full((4, 7, 7), -3, np.float32),
        "holes": np.where(rng.random((6, 14, 14)) < 0.1, np.nan, 5 + rng.random((6, 14, 14))).astype(np.float32),
        "endless": np.array([[[np.inf, 1.0]], [[2.0, 3.0]]], np.float32),
        "huge": rng.normal(size=(2, 4, 4)).astype(np.float32) * np.float32(5e37),
        "hardly": np.array([[[-1.0, 1e-35]]], np.float32),  # its ReLU ends where floats do
        "narrow": np.where(np.arange(224) < 112, 1 + 100 * np.spacing(np.float32(1)), 1)
        .astype(np.float32)
        .repeat(224)
        .reshape(1, 224, 224),  # means that rounding carries past the range
        "vector": rng.normal(size=10).astype(np.float32),
    }
    relus = {f"relu of {name}": name for name in computed} | {"relu of relu": "large"}
    return Activations([*computed, *relus], computed, relus)


@pytest.mark.parametrize("cores", [1, 3])
def test_many_layers_at_once_are_drawn_as_each_alone(
    activations: Activations, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overviews, "available_cores", lambda: cores)
    together = draw_overviews(activations, 32)
    assert list(together) == [f"{name}{part}" for name in activations for part in ("", ".min", ".max")]
    for name, activation in activations.items():
        pixels, ranges = draw_overview(activation, 32)
        if not name.endswith("large"):  # a block's product may round otherwise than the whole's
            np.testing.assert_array_equal(together[name], pixels)
        assert np.abs(together[name].astype(int) - pixels).max() <= 1
        np.testing.assert_array_equal(together[f"{name}.min"], ranges.low)
        np.testing.assert_array_equal(together[f"{name}.max"], ranges.high)


def test_a_number_that_is_none_in_a_later_block_counts_for_its_map_alone(activations: Activations) -> None:
    broken = activations["large"].copy()
    broken[60, 7, 7] = np.nan
    assert 60 * broken[0].size > overviews.BLOCK
    layers = Activations(["conv", "relu"], {"conv": broken}, {"relu": "conv"})
    together = draw_overviews(layers, 32)
    for name, activation in layers.items():
        pixels, ranges = draw_overview(activation, 32)
        np.testing.assert_array_equal(together[name], pixels)
        np.testing.assert_array_equal(together[f"{name}.min"], ranges.low)


def test_a_relu_is_drawn_behind_its_layer_in_whatever_order_they_are_asked_for(activations: Activations) -> None:
    asked = activations.among(["relu of odd", "flat", "odd", "relu of relu", "relu of large"])
    assert groups(asked) == [["odd", "relu of odd"], ["flat"], ["relu of relu", "relu of large"]]
    together, every = draw_overviews(asked, 16), draw_overviews(activations, 16)
    assert list(together) == [f"{name}{part}" for name in asked for part in ("", ".min", ".max")]
    for name, array in together.items():
        np.testing.assert_array_equal(array, every[name])


@pytest.mark.parametrize("fails", [True, False])
def test_what_fails_on_one_core_is_told_and_ends_the_work_of_the_other(
    activations: Activations, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    caller, drawn = threading.get_ident(), [0]

    def fail(maps: Array, tile: int) -> Array:
        drawn[0] += 1
        if (threading.get_ident() == caller) is fails:
            raise MemoryError("no room")
        time.sleep(0.05)  # so that there is something left for the other
        return shrink(maps, tile)

    monkeypatch.setattr(overviews, "available_cores", lambda: 2)
    monkeypatch.setattr(overviews, "shrink", fail)
    many = Activations.of({f"{number}": activations["large"][:30] for number in range(30)})
    with pytest.raises(MemoryError, match="no room"):
        draw_overviews(many, 32)
    assert drawn[0] < 10
