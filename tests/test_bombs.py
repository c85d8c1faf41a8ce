"""What takes far more than its header tells is refused by what its bytes say, and nothing else is."""

import io

import pytest
from PIL import Image as Pillow

from app.bombs import MOST_SCANS, count_scans, refuse_bombs
from app.errors import ImageTooLarge, ImageUndecodable
from tests.conftest import draw_scene, encode
from tests.mutations import encode_with, scanned, tiled

LIMIT = 50_000_000


def held(data: bytes, max_pixels: int = LIMIT) -> int:
    """The pixels that are held of a file."""
    with Pillow.open(io.BytesIO(data)) as picture:
        return refuse_bombs(picture, data, max_pixels)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"progressive": True, "subsampling": 0}])
def test_the_scans_of_a_jpeg_are_counted(options: dict[str, object]) -> None:
    data = encode_with(draw_scene(1, 200, 120), "JPEG", options)
    plain = count_scans(data)
    assert plain == (10 if options else 1)  # libjpeg's own script for colours
    thumbnail = encode(draw_scene(2, 64, 64))
    exif = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    assert count_scans(data[:2] + exif + data[2:]) == plain
    assert count_scans(data + thumbnail) == plain  # as the film that a telephone puts behind its photo
    assert count_scans(data[:-2]) == plain  # without an end
    assert count_scans(b"\xff\xd8\xff") == 0


def test_restart_markers_and_stuffed_bytes_are_data() -> None:
    data = encode_with(draw_scene(3, 300, 200), "JPEG", {"restart_marker_blocks": 1, "quality": 98})
    assert data.count(b"\xff\x00") > 10 and data.count(b"\xff\xd3") > 10
    assert count_scans(data) == 1


def test_a_jpeg_of_too_many_scans_is_refused() -> None:
    first = count_scans(scanned(64, 1))
    assert held(scanned(64, 1 + MOST_SCANS - first)) == 64 * 64
    with pytest.raises(ImageUndecodable, match=f"has {MOST_SCANS + 1} scans, .* 64 x 64 .* limit is {MOST_SCANS}"):
        held(scanned(64, 2 + MOST_SCANS - first))


def test_scans_behind_the_end_do_no_harm() -> None:
    data = encode(draw_scene(1, 64, 48))
    assert held(data + b"\xff\xda" * (MOST_SCANS + 1)) == 64 * 48


def test_a_tile_counts_as_much_as_the_picture() -> None:
    assert held(tiled(16)) == 256
    assert held(tiled(512)) == 512 * 512
    with pytest.raises(ImageTooLarge, match=r"tile of the TIFF image has 512 x 512 = 262144 .* limit is 1000"):
        held(tiled(512), 1000)


@pytest.mark.parametrize("kind", [1, 2, 6, 17])
def test_a_tile_whose_size_pillow_does_not_see_is_refused(kind: int) -> None:
    with pytest.raises(ImageUndecodable, match="tiles have no usual size"):
        held(tiled(240, kind))


@pytest.mark.parametrize("options", [{}, {"big_tiff": True}, {"compression": "tiff_lzw"}])
def test_pictures_in_strips_have_no_tiles(options: dict[str, object]) -> None:
    assert held(encode_with(draw_scene(1, 60, 40), "TIFF", options)) == 60 * 40
