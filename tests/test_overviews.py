"""Every layer's overview in one go: the same pictures as layer by layer."""

import math
import threading
import time

import numpy as np
import numpy.typing as npt
import pytest

from app import overviews
from app.activations import Activations
from app.maps import draw_overview, shrink
from app.overviews import LARGE, draw_overviews, groups, side_by_side

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


def in_one_block(shapes: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    """Random layers side by side in one block of memory, as a run's session writes them."""
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    block = np.random.default_rng(7).normal(size=sum(sizes.values())).astype(np.float32)
    ends = np.cumsum([*sizes.values()])
    return {
        name: block[end - sizes[name] : end].reshape(shape)
        for end, (name, shape) in zip(ends, shapes.items(), strict=True)
    }


def test_small_layers_side_by_side_are_drawn_together_and_as_each_alone() -> None:
    shapes: dict[str, tuple[int, ...]] = {
        "first": (20, 14, 14),
        "sum": (900, 14, 14),
        "other": (8, 14, 14),
        "wide": (8, 14, 28),
        "deep": (9, 7, 7),
    }
    assert math.prod(shapes["sum"]) >= LARGE
    shapes |= {"one": (40, 40, 40), "two": (3, 40, 40), "three": (30, 40, 40), "scores": (10,), "shares": (10,)}
    computed = in_one_block(shapes)
    relus = {"relu": "first", "last": "two", "again": "two"}
    activations = Activations([*computed, *relus], computed, relus)
    together = [[names[0] for names in layers] for layers in side_by_side(activations)]
    assert together == [
        ["first"], ["sum"], ["other"], ["wide"], ["deep"], ["one", "two", "three"], ["scores", "shares"]
    ]  # fmt: skip
    drawn = draw_overviews(activations, 32)
    assert list(drawn) == [f"{name}{part}" for name in activations for part in ("", ".min", ".max")]
    for name, activation in activations.items():
        pixels, ranges = draw_overview(activation, 32)
        assert np.abs(drawn[name].astype(int) - pixels).max() <= 1, name  # a block's product may round otherwise
        np.testing.assert_array_equal(drawn[f"{name}.min"], ranges.low)
        np.testing.assert_array_equal(drawn[f"{name}.max"], ranges.high)


def test_a_number_that_is_none_leaves_the_layers_beside_it_as_they_are() -> None:
    computed = in_one_block({"one": (5, 14, 14), "two": (6, 14, 14), "three": (7, 14, 14)})
    computed["two"][3, 2, 1] = np.inf
    activations = Activations([*computed, "relu"], computed, {"relu": "three"})
    assert len(side_by_side(activations)) == 1
    drawn = draw_overviews(activations, 8)
    for name, activation in activations.items():
        pixels, ranges = draw_overview(activation, 8)
        np.testing.assert_array_equal(drawn[name], pixels)
        np.testing.assert_array_equal(drawn[f"{name}.max"], ranges.high)


def test_layers_that_only_look_alike_are_drawn_apart() -> None:
    rng = np.random.default_rng(1)
    activations = Activations.of({name: rng.normal(size=(4, 6, 6)).astype(np.float32) for name in "abc"})
    assert side_by_side(activations) == [[["a"]], [["b"]], [["c"]]]
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys("abc", (4, 6, 6))
    block = in_one_block(shapes)
    swapped = Activations.of({name: block[name] for name in "bac"})
    assert side_by_side(swapped) == [[["b"]], [["a"]], [["c"]]]
