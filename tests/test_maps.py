"""Activations -> pictures, held against brute force."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.errors import InvalidValue, UnitNotFound
from app.maps import (
    Ranges,
    draw_atlas,
    draw_filters,
    draw_map,
    draw_overview,
    fit,
    lay_out,
    measure,
    parse_channels,
    shrink,
    to_8_bit,
)

Array = npt.NDArray[np.float32]
VALUES = st.floats(-1000, 1000, width=32)


@st.composite
def layers(draw: st.DrawFn, most: int = 12) -> Array:
    """An activation (C, H, W)."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, most), st.integers(1, most)))
    return draw(arrays.arrays(np.float32, shape, elements=VALUES))


def area_mean(plane: Array, rows: int, columns: int) -> npt.NDArray[np.float64]:
    """The mean over each cell of (H, W), pixel by pixel."""
    height, width = plane.shape
    result = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            top, bottom = row * height / rows, (row + 1) * height / rows
            left, right = column * width / columns, (column + 1) * width / columns
            total = 0.0
            for y in range(height):
                for x in range(width):
                    inside = max(0, min(bottom, y + 1) - max(top, y)) * max(0, min(right, x + 1) - max(left, x))
                    total += inside * float(plane[y, x])
            result[row, column] = total / ((bottom - top) * (right - left))
    return result


@given(layers(), st.integers(1, 14))
def test_shrinking_is_the_exact_area_mean(maps: Array, tile: int) -> None:
    shrunk = shrink(maps, tile)
    rows, columns = fit(maps.shape[1], maps.shape[2], tile)
    assert shrunk.shape == (len(maps), rows, columns)
    assert max(rows, columns) <= tile
    expected = np.stack([area_mean(plane, rows, columns) for plane in maps])
    np.testing.assert_allclose(shrunk, expected, atol=1e-5 * max(1.0, float(np.abs(maps).max())))


def test_a_wide_map_is_shrunk_to_its_exact_area_mean_too() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 7, 41)).astype(np.float32)
    assert fit(7, 41, 12) == (2, 12)  # rows first, and no whole number of them in a cell
    np.testing.assert_allclose(shrink(maps, 12), [area_mean(plane, 2, 12) for plane in maps], atol=1e-6)


def test_maps_that_fit_keep_their_size() -> None:
    maps = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert shrink(maps, 4) is maps


@pytest.mark.parametrize(("size", "tile", "drawn"), [((64, 32), 16, (16, 8)), ((3, 300), 10, (1, 10))])
def test_the_longer_side_becomes_the_tile(size: tuple[int, int], tile: int, drawn: tuple[int, int]) -> None:
    assert fit(*size, tile) == drawn


def scaled(value: float, low: float, high: float) -> int:
    return round(max(0.0, min(255.0, (value - low) / (high - low) * 255))) if high > low else 0


@given(layers(), st.integers(1, 14), st.data())
def test_scales_use_the_range_of_the_full_maps(maps: Array, tile: int, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(maps) - 1), min_size=1, unique=True))
    small = shrink(maps, tile)
    largest = float(np.abs(maps).max())
    maps.flags.writeable = False  # a run's activations are drawn from where they lie
    for scale in ("map", "layer", "signed"):
        atlas = draw_atlas(maps, chosen, tile, scale, columns=1)
        cells = atlas.pixels.reshape(len(chosen), *small.shape[1:])
        for cell, channel in zip(cells, chosen, strict=True):
            plane = maps if scale == "layer" else maps[channel]
            for got, value in zip(cell.flat, small[channel].flat, strict=True):
                if scale == "signed":
                    wanted = 128 + (round(127 * float(value) / largest) if largest else 0)
                else:
                    wanted = scaled(float(value), float(plane.min()), float(plane.max()))
                assert abs(int(got) - wanted) <= 1  # float32 may fall on the other side of a half


def test_signed_zero_is_128_and_the_extremes_are_reached() -> None:
    maps = np.array([[[-4.0, 0.0, 2.0]], [[4.0, 0.0, -0.0]]], np.float32)
    assert draw_atlas(maps, [0, 1], 8, "signed", 1).pixels.tolist() == [[1, 128, 192], [255, 128, 128]]


def test_a_constant_map_is_0_and_128_when_signed_and_zero() -> None:
    maps = np.full((1, 2, 2), 7, np.float32)
    assert (draw_atlas(maps, [0], 8, "map", None).pixels == 0).all()
    assert (draw_atlas(np.zeros_like(maps), [0], 8, "signed", None).pixels == 128).all()


def test_layer_scale_counts_maps_that_are_not_drawn() -> None:
    maps = np.stack([np.full((2, 2), value, np.float32) for value in (0, 5, 10)])
    assert (draw_atlas(maps, [1], 8, "layer", None).pixels == 128).all()


def test_what_is_not_finite_is_drawn_as_zero_and_counts_in_no_range() -> None:
    maps = np.array([[[np.nan, -1.0], [np.inf, 1.0]]], np.float32)
    finite, ranges = measure(maps)
    assert (ranges.low.tolist(), ranges.high.tolist()) == ([-1.0], [1.0])
    assert finite.tolist() == [[[0.0, -1.0], [0.0, 1.0]]]
    assert draw_map(maps, 0).tolist() == [[128, 0], [128, 255]]
    nothing = measure(np.full((1, 2, 2), np.nan, np.float32))[1]
    assert (nothing.low.tolist(), nothing.high.tolist()) == ([0.0], [0.0])


@pytest.mark.parametrize("magnitude", [1e-40, 1e-20, 1.0, 1e20, 3e38])
def test_any_magnitude_fills_the_range(magnitude: float) -> None:
    maps = np.array([[[-magnitude, 0.0, magnitude]]], np.float32)
    assert draw_map(maps, 0).tolist() == [[0, 128, 255]]


@given(st.integers(1, 20), st.integers(1, 5), st.integers(1, 5), st.none() | st.integers(1, 25))
def test_an_atlas_has_every_map_in_its_cell(count: int, height: int, width: int, columns: int | None) -> None:
    maps = np.random.default_rng(count).integers(1, 256, (count, height, width), dtype=np.uint8)
    atlas = lay_out(maps, columns)
    assert atlas.pixels.shape == (atlas.rows * height, atlas.columns * width)
    assert (atlas.tile_height, atlas.tile_width, atlas.channels) == (height, width, count)
    assert atlas.columns * (atlas.rows - 1) < count <= atlas.columns * atlas.rows
    if columns is not None:
        assert atlas.columns == min(columns, count)
    for index, expected in enumerate(maps):
        row, column = divmod(index, atlas.columns)
        cell = atlas.pixels[row * height : (row + 1) * height, column * width : (column + 1) * width]
        np.testing.assert_array_equal(cell, expected)
    rest = atlas.pixels[(atlas.rows - 1) * height :, (count - (atlas.rows - 1) * atlas.columns) * width :]
    assert (rest == 0).all()


def test_the_default_atlas_is_nearly_square() -> None:
    assert lay_out(np.zeros((64, 8, 8), np.uint8)).columns == 8
    assert lay_out(np.zeros((10, 1, 4), np.uint8)).columns == math.ceil(math.sqrt(10 / 4))


def test_a_vector_is_drawn_as_maps_of_one_pixel() -> None:
    atlas = draw_atlas(np.array([0, 5, 10], np.float32), [0, 1, 2], 32, "layer", 3)
    assert atlas.pixels.tolist() == [[0, 128, 255]]
    pixels, ranges = draw_overview(np.array([3, 4], np.float32), 32)
    assert pixels.shape == (2, 1, 1)
    assert ranges.low.tolist() == ranges.high.tolist() == [3, 4]


@given(layers(), st.integers(1, 14))
def test_the_overview_is_the_atlas_of_all_maps(maps: Array, tile: int) -> None:
    pixels, ranges = draw_overview(maps, tile)
    np.testing.assert_array_equal(ranges.low, maps.min(axis=(1, 2)))
    np.testing.assert_array_equal(ranges.high, maps.max(axis=(1, 2)))
    atlas = draw_atlas(maps, range(len(maps)), tile, "map", 1)
    np.testing.assert_array_equal(pixels.reshape(-1, pixels.shape[2]), atlas.pixels)


def test_first_layer_filters_are_in_colour() -> None:
    filters = np.random.default_rng(0).normal(size=(5, 3, 2, 2)).astype(np.float32)
    picture = draw_filters(filters)
    assert picture.shape == (4, 6, 3)  # 5 kernels of 2 x 2, three a row
    largest = np.abs(filters).max()
    expected = 128 + np.rint(127 * filters[1].transpose(1, 2, 0) / largest)
    assert np.abs(picture[:2, 2:4].astype(float) - expected).max() <= 1


def test_other_filters_have_a_row_an_output_and_a_column_an_input() -> None:
    filters = np.random.default_rng(0).normal(size=(4, 6, 3, 5)).astype(np.float32)
    picture = draw_filters(filters)
    assert picture.shape == (4 * 3, 6 * 5)
    expected = 128 + np.rint(127 * filters[2, 4] / np.abs(filters).max())
    assert np.abs(picture[6:9, 20:25].astype(float) - expected).max() <= 1


def test_a_full_layer_is_its_matrix_shrunk_where_it_is_long() -> None:
    matrix = np.array([[0.0, 1.0], [-1.0, 0.5], [0, 0]], np.float32)
    assert draw_filters(matrix).tolist() == [[128, 255], [1, 192], [128, 128]]
    assert draw_filters(np.ones((100, 4096), np.float32)).shape == (25, 1024)


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6, 7]),
        ("3", [3]),
        ("0-3,7", [0, 1, 2, 3, 7]),
        ("5-2", [5, 4, 3, 2]),
        ("7,0-1,1", [7, 0, 1]),
        ("0-6," * 1000 + "7-0", [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_channels(text: str | None, channels: list[int]) -> None:
    assert parse_channels(text, 8) == channels


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "1,,2", "0 - 3", "1-2-3", "٣", "1," * 5000 + "1"])
def test_channels_in_another_form_name_field_value_and_range(text: str) -> None:
    with pytest.raises(InvalidValue, match="0 to 7") as caught:
        parse_channels(text, 8)
    assert caught.value.extra == {"field": "channels", "range": "0-7"}


@pytest.mark.parametrize("text", ["8", "0-8", "9-2", "3,999999"])
def test_channels_that_are_not_there(text: str) -> None:
    with pytest.raises(UnitNotFound, match="the layer has 8"):
        parse_channels(text, 8)


def test_to_8_bit_is_held_to_the_range() -> None:
    ranges = Ranges(np.zeros(1, np.float32), np.ones(1, np.float32))
    assert to_8_bit(np.array([[[-9.0, 9.0]]], np.float32), ranges, "map").tolist() == [[[0, 255]]]
