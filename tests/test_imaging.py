"""bytes -> picture, for every kind of picture there is, and for bytes that are none."""

import io
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageOps

from app.errors import ImageTooLarge, ImageUndecodable, MediaTypeUnsupported
from app.imaging import FORMATS, decode

LIMIT = 50_000_000
EXIF_ORIENTATION = 0x0112


def scene(height: int = 24, width: int = 40) -> npt.NDArray[np.uint8]:
    """A picture without any symmetry, smooth enough for lossy formats: uint8 (H, W, 3)."""
    y, x = np.mgrid[:height, :width]
    channels = [255 * x / width, 255 * y / height, 255 * (x + y) / (width + height)]
    return np.stack(channels, axis=2).astype(np.uint8)


def encode(picture: Pillow.Image, kind: str, **options: Any) -> bytes:
    """A picture as a file of one kind."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


ENCODINGS = {kind: encode(Pillow.fromarray(scene()), kind) for kind in FORMATS}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_its_pixels(kind: str) -> None:
    image = decode(ENCODINGS[kind], LIMIT)
    assert (image.width, image.height) == (40, 24)
    assert image.pixels.dtype == np.uint8
    with Pillow.open(io.BytesIO(ENCODINGS[kind])) as expected:
        np.testing.assert_array_equal(image.pixels, np.asarray(expected.convert("RGB")))


@pytest.mark.parametrize("kind", ["PPM", "ICO", "TGA", "EPS", "PCX"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(ImageUndecodable, match="are not an image that can be read; JPEG, PNG"):
        decode(encode(Pillow.fromarray(scene()), kind), LIMIT)


def test_the_digest_is_of_the_bytes() -> None:
    first, second = decode(ENCODINGS["PNG"], LIMIT), decode(ENCODINGS["BMP"], LIMIT)
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert first.sha256 != second.sha256
    assert first.sha256 == decode(bytes(ENCODINGS["PNG"]), LIMIT).sha256


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied(kind: str, orientation: int) -> None:
    picture = Pillow.fromarray(scene())
    exif = Pillow.Exif()
    exif[EXIF_ORIENTATION] = orientation
    data = encode(picture, kind, exif=exif)
    with Pillow.open(io.BytesIO(data)) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    np.testing.assert_array_equal(decode(data, LIMIT).pixels, expected)
    assert expected.shape == ((40, 24, 3) if orientation >= 5 else (24, 40, 3))


@pytest.mark.parametrize("exif", [b"Exif\0\0II*\0garbage", b"Exif\0\0", b"MM\0*\0\0\0\x08\xff\xff" + bytes(20)])
def test_damaged_exif_counts_as_upright(exif: bytes) -> None:
    data = encode(Pillow.fromarray(scene()), "JPEG", exif=exif)
    assert decode(data, LIMIT).pixels.shape == (24, 40, 3)


def test_alpha_is_laid_on_white() -> None:
    colour, alpha = scene().astype(int), np.tile(np.arange(0, 240, 6, dtype=np.uint8), (24, 1))
    rgba = np.dstack([scene(), alpha])
    expected = np.rint((colour * alpha[:, :, None] + 255 * (255 - alpha[:, :, None].astype(int))) / 255)
    np.testing.assert_array_equal(decode(encode(Pillow.fromarray(rgba), "PNG"), LIMIT).pixels, expected)


def test_grey_with_alpha_is_laid_on_white() -> None:
    picture = Pillow.merge("LA", [Pillow.new("L", (3, 2), 100), Pillow.new("L", (3, 2), 0)])
    assert (decode(encode(picture, "PNG"), LIMIT).pixels == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_modes_become_rgb(mode: str) -> None:
    picture = Pillow.fromarray(scene()).convert(mode)
    kind = "TIFF" if mode in ("CMYK", "YCbCr") else "PNG"
    expected = np.asarray(picture.convert("RGB")).astype(int)
    pixels = decode(encode(picture, kind), LIMIT).pixels.astype(int)
    assert np.abs(pixels - expected).max() <= 1  # TIFF's YCbCr conversion rounds elsewhere


def test_cmyk_jpeg_keeps_its_colours() -> None:
    picture = Pillow.new("RGB", (16, 16), (200, 30, 90)).convert("CMYK")
    pixels = decode(encode(picture, "JPEG", quality=100), LIMIT).pixels.astype(int)
    assert np.abs(pixels - (200, 30, 90)).max() <= 4


def test_palette_with_a_transparent_colour() -> None:
    picture = Pillow.new("P", (4, 4), 1)
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((0, 0), 0)
    pixels = decode(encode(picture, "PNG", transparency=0), LIMIT).pixels
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[1, 1].tolist() == [40, 50, 60]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    values = np.linspace(0, 65535, 600).astype(np.uint16).reshape(20, 30)
    pixels = decode(encode(Pillow.fromarray(values), kind), LIMIT).pixels
    np.testing.assert_array_equal(pixels[:, :, 0], np.rint(values.astype(float) * 255 / 65535))
    assert (pixels == pixels[:, :, :1]).all()


def test_16_bit_grey_with_a_transparent_value() -> None:
    values = np.array([[1000, 2000], [3000, 4000]], np.uint16)
    pixels = decode(encode(Pillow.fromarray(values), "PNG", transparency=3000), LIMIT).pixels
    assert pixels[:, :, 0].tolist() == [[4, 8], [255, 16]]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_32_bit_pictures_are_scaled_by_their_own_range(dtype: type) -> None:
    values: npt.NDArray[Any] = np.arange(-100, 156).reshape(16, 16).astype(dtype)
    pixels = decode(encode(Pillow.fromarray(values), "TIFF"), LIMIT).pixels
    np.testing.assert_array_equal(pixels[:, :, 0], values - values.min())
    flat = decode(encode(Pillow.fromarray(np.full((4, 4), 7, dtype)), "TIFF"), LIMIT).pixels
    assert (flat == 0).all()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_show_their_first_frame(kind: str) -> None:
    first, second = Pillow.new("RGB", (8, 8), (250, 0, 0)), Pillow.new("RGB", (8, 8), (0, 0, 250))
    data = encode(first, kind, save_all=True, append_images=[second])
    assert decode(data, LIMIT).pixels.mean(axis=(0, 1)).argmax() == 0


def test_the_limit_is_read_from_the_header_before_decoding() -> None:
    data = encode(Pillow.new("1", (30_000, 20_000)), "PNG")
    assert len(data) < 200_000
    with warnings.catch_warnings():  # Pillow's own bomb warning would be one
        warnings.simplefilter("error")
        with pytest.raises(ImageTooLarge, match="30000 x 20000 = 600000000 pixels; the limit is 50000000") as caught:
            decode(data, LIMIT)
    assert caught.value.value == 600_000_000
    assert caught.value.extra == {"width": 30_000, "height": 20_000, "limit": LIMIT}
    with pytest.raises(ImageTooLarge):  # the rest of the file need not be there
        decode(data[:60], LIMIT)


def test_the_limit_itself_is_allowed() -> None:
    assert decode(ENCODINGS["PNG"], 40 * 24).width == 40
    with pytest.raises(ImageTooLarge):
        decode(ENCODINGS["PNG"], 40 * 24 - 1)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1"])
def test_heic_is_told_to_be_converted(brand: bytes) -> None:
    box = b"ftyp" + brand + bytes(4) + b"mif1heic"
    data = (len(box) + 4).to_bytes(4, "big") + box + bytes(500)
    with pytest.raises(MediaTypeUnsupported, match="convert it to JPEG or PNG"):
        decode(data, LIMIT)


def test_empty_bytes() -> None:
    with pytest.raises(ImageUndecodable, match="empty"):
        decode(b"", LIMIT)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_file_is_no_image(kind: str) -> None:
    data = ENCODINGS[kind]
    whole = decode(data, LIMIT).pixels
    for length in range(0, len(data), max(1, len(data) // 60)):
        try:
            image = decode(data[:length], LIMIT)
        except ImageUndecodable:
            continue
        # only what comes after the pixels may be missing (a trailer, metadata)
        np.testing.assert_array_equal(image.pixels, whole)
    with pytest.raises(ImageUndecodable):
        decode(data[: len(data) // 2], LIMIT)


def test_a_damaged_picture_is_let_go_before_its_error_is(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Pillow.Image] = []
    find = Pillow.open

    def noted(*arguments: Any, **options: Any) -> Pillow.Image:
        opened.append(find(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(Pillow, "open", noted)
    with pytest.raises(ImageUndecodable):
        decode(ENCODINGS["PNG"][:-40], LIMIT)
    with pytest.raises(ValueError, match="closed image"):
        _ = opened[0].im.size


@given(st.binary(max_size=400))
def test_random_bytes_raise_only_what_is_documented(data: bytes) -> None:
    with pytest.raises(ImageUndecodable):
        decode(data, LIMIT)


@given(kind=st.sampled_from(FORMATS), changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12))
def test_mutated_files_raise_only_what_is_documented(kind: str, changes: list[tuple[float, int]]) -> None:
    data = bytearray(ENCODINGS[kind])
    for where, value in changes:
        data[int(where * (len(data) - 1))] = value
    try:
        image = decode(bytes(data), 1_000_000)
    except (ImageUndecodable, ImageTooLarge, MediaTypeUnsupported) as error:
        assert error.detail
    else:
        assert image.pixels.dtype == np.uint8
        assert image.pixels.ndim == 3
        assert image.width * image.height <= 1_000_000
