"""Preprocessing: photos as the manifest says, digits cut out, scaled and centred."""

import io

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.errors import NetworkUnusable
from app.imaging import decode
from app.manifest import DigitPreprocessing, PhotoPreprocessing
from app.preprocess import Pixels, enough_for, to_picture, to_tensor

Field = npt.NDArray[np.float32]
DIGIT = DigitPreprocessing()

noise = st.builds(
    lambda seed, height, width, levels: np.random.default_rng(seed).integers(
        0, levels, (height, width, 3), dtype=np.uint8
    ),
    st.integers(0, 1000),
    st.integers(1, 300),
    st.integers(1, 300),
    st.sampled_from([1, 2, 20, 256]),
)


def seven(size: int, thickness: int, paper: int = 255, ink: int = 0, at: tuple[int, int] = (0, 0)) -> Pixels:
    """A bar and a stem in a square of half the field, its corner a quarter in, moved by `at` (down, right)."""
    grey = np.full((size, size), paper, dtype=np.uint8)
    top, left, side = size // 4 + at[0], size // 4 + at[1], size // 2
    grey[top : top + thickness, left : left + side] = ink
    grey[top : top + side, left + side - thickness : left + side] = ink
    return np.repeat(grey[:, :, None], 3, axis=2)


def ink_of(pixels: Pixels) -> Field:
    """The digit's field in [0, 1]."""
    tensor = to_tensor(Image.fromarray(pixels), DIGIT, 1)
    field: Field = (tensor[0] - np.float32(DIGIT.background)) / np.float32(DIGIT.foreground - DIGIT.background)
    return field


@given(noise)
def test_any_picture_gives_a_field_in_range(pixels: Pixels) -> None:
    tensor = to_tensor(Image.fromarray(pixels), DIGIT, 1)
    assert tensor.shape == (1, 32, 32) and tensor.dtype == np.float32
    assert np.isfinite(tensor).all()
    assert tensor.min() >= DIGIT.background - 1e-6 and tensor.max() <= DIGIT.foreground + 1e-6
    assert to_picture(tensor, DIGIT).shape == (32, 32)


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("size", [(1, 1), (28, 28), (300, 200)])
def test_a_blank_picture_is_an_empty_field(level: int, size: tuple[int, int]) -> None:
    blank = np.full((*size, 3), level, dtype=np.uint8)
    assert (to_tensor(Image.fromarray(blank), DIGIT, 1) == np.float32(DIGIT.background)).all()


def test_either_polarity_is_the_same_digit() -> None:
    np.testing.assert_allclose(ink_of(seven(200, 20)), ink_of(255 - seven(200, 20)), atol=0.01)


def test_faint_pencil_is_full_ink() -> None:
    np.testing.assert_allclose(ink_of(seven(200, 20)), ink_of(seven(200, 20, 180, 130)), atol=0.03)


def test_place_does_not_matter() -> None:
    for at in ((-48, -48), (40, 30), (-30, 45)):
        np.testing.assert_allclose(ink_of(seven(200, 20)), ink_of(seven(200, 20, at=at)), atol=0.02)


@pytest.mark.parametrize("size", [64, 280, 1500])
def test_size_hardly_matters(size: int) -> None:
    difference = np.abs(ink_of(seven(size, size // 10)) - ink_of(seven(400, 40)))
    assert difference.mean() < 0.03


def test_the_digit_fits_twenty_pixels_and_is_centred() -> None:
    field = ink_of(seven(200, 20))
    rows, columns = np.nonzero(field > 0.2)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    weights = field / field.sum()
    assert abs((weights.sum(axis=1) * (np.arange(32) + 0.5)).sum() - 16) <= 0.51
    assert abs((weights.sum(axis=0) * (np.arange(32) + 0.5)).sum() - 16) <= 0.51


@pytest.mark.parametrize("thickness", [2, 4, 8])
def test_thin_strokes_are_thickened(thickness: int) -> None:
    field = ink_of(seven(400, thickness))
    middle = field[:, :][16:24].max(axis=0)  # rows that the stem crosses
    assert middle.max() > 0.8, "full ink"
    assert 1.5 <= middle.sum() <= 4, "as thick as a pen's stroke"


def test_a_shadow_over_the_paper_is_no_ink() -> None:
    shaded = seven(200, 20).astype(np.float64)
    shade = np.linspace(1.0, 0.55, 200)[None, :, None]
    np.testing.assert_allclose(ink_of((shaded * shade).astype(np.uint8)), ink_of(seven(200, 20)), atol=0.35)
    assert np.abs(ink_of((shaded * shade).astype(np.uint8)) - ink_of(seven(200, 20))).mean() < 0.02


def test_mnist_like_digits_pass_unchanged() -> None:
    digit = np.zeros((28, 28, 3), dtype=np.uint8)
    digit[4:7, 5:22] = 255
    digit[4:24, 19:22] = 255
    field = ink_of(digit)
    assert sorted(np.rint(field[field > 0] * 255)) == sorted(digit[:, :, 0][digit[:, :, 0] > 0])


def test_other_field_sizes_and_channels() -> None:
    tensor = to_tensor(
        Image.fromarray(seven(100, 10)), DigitPreprocessing(size=(28, 28), background=0, foreground=255), 3
    )
    assert tensor.shape == (3, 28, 28) and tensor.max() == 255 and tensor.min() == 0
    assert (tensor[0] == tensor[2]).all()
    tiny = to_tensor(Image.fromarray(seven(100, 10)), DigitPreprocessing(size=(8, 12)), 1)
    assert tiny.shape == (1, 8, 12)


# --- photos -------------------------------------------------------------------------------------------


def gradient(height: int, width: int) -> Pixels:
    rng = np.random.default_rng(3)
    small = rng.integers(0, 256, (max(2, height // 20), max(2, width // 20), 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("size", [(300, 400), (401, 299), (256, 256), (224, 500), (100, 90)])
def test_a_photo_is_resized_then_cropped(size: tuple[int, int]) -> None:
    how, pixels = PhotoPreprocessing(), gradient(*size)
    height, width = size
    factor = 256 / min(size)
    resized = Image.fromarray(pixels).resize(
        (round(width * factor), round(height * factor)), Image.Resampling.BILINEAR
    )
    left, top = (resized.width - 224) // 2, (resized.height - 224) // 2
    wanted = np.asarray(resized.crop((left, top, left + 224, top + 224)), dtype=np.float32) / 255
    wanted = (wanted - np.array(how.mean, np.float32)) / np.array(how.std, np.float32)
    found = to_tensor(Image.fromarray(pixels), how, 3)
    assert found.shape == (3, 224, 224) and found.flags.c_contiguous
    one_level = 1 / 255 / min(how.std)
    assert np.abs(found - wanted.transpose(2, 0, 1)).max() <= 1.5 * one_level


@given(noise, st.sampled_from(["RGB", "BGR"]))
def test_the_picture_is_what_the_network_saw(pixels: Pixels, color: str) -> None:
    how = PhotoPreprocessing.model_validate({"resize": 40, "crop": (32, 36), "color": color})
    plain = PhotoPreprocessing(resize=40, crop=(32, 36), scale=1, mean=(0,), std=(1,))
    seen = to_picture(to_tensor(Image.fromarray(pixels), how, 3), how)
    assert seen.shape == (32, 36, 3) and seen.dtype == np.uint8
    assert (seen == to_tensor(Image.fromarray(pixels), plain, 3).transpose(1, 2, 0)).all()


def test_colour_orders() -> None:
    red = np.zeros((50, 50, 3), dtype=np.uint8)
    red[:, :, 0] = 200
    caffe = PhotoPreprocessing(crop=(8, 8), color="BGR", scale=1, mean=(104, 117, 123), std=(1,))
    assert to_tensor(Image.fromarray(red), caffe, 3)[:, 0, 0].tolist() == [-104, -117, 200 - 123]
    grey = PhotoPreprocessing(crop=(8, 8), color="L", scale=1, mean=(0,), std=(1,))
    assert to_tensor(Image.fromarray(red), grey, 1).shape == (1, 8, 8)
    assert to_tensor(Image.fromarray(red), grey, 1)[0, 0, 0] == pytest.approx(200 * 0.299, abs=1)
    assert to_picture(to_tensor(Image.fromarray(red), grey, 1), grey).shape == (8, 8)


def test_a_crop_larger_than_the_resized_photo_enlarges_it() -> None:
    how = PhotoPreprocessing(resize=20, crop=(64, 48))
    assert to_tensor(Image.fromarray(gradient(30, 30)), how, 3).shape == (3, 64, 48)


def test_a_sliver_costs_no_more_than_a_photo() -> None:
    sliver = np.full((20_000, 1, 3), 90, dtype=np.uint8)
    assert to_tensor(Image.fromarray(sliver), PhotoPreprocessing(), 3).shape == (3, 224, 224)


def test_statistics_that_fit_no_channel_count() -> None:
    with pytest.raises(NetworkUnusable, match=r"3 numbers for mean.*1 channels"):
        to_tensor(Image.fromarray(gradient(40, 40)), PhotoPreprocessing(), 1)


def test_a_jpeg_of_a_digit_is_decoded_as_far_as_it_is_looked_at() -> None:
    file = io.BytesIO()
    Image.fromarray(seven(1600, 130)).save(file, "JPEG", quality=90)
    enough = enough_for(DIGIT)
    assert enough is not None
    assert enough_for(PhotoPreprocessing()) is None
    small, whole = decode(file.getvalue(), 10**7, enough), decode(file.getvalue(), 10**7)
    assert small.picture.size == (400, 400) and small.picture.mode == "L"
    assert (small.width, small.height) == (whole.width, whole.height) == (1600, 1600)
    inks = [to_tensor(image.picture, DIGIT, 1) for image in (small, whole)]
    spread = DIGIT.foreground - DIGIT.background
    assert np.abs(inks[0] - inks[1]).mean() < 0.01 * spread
    png = io.BytesIO()
    Image.fromarray(seven(1600, 130)).save(png, "PNG")
    assert decode(png.getvalue(), 10**7, enough).picture.size == (1600, 1600)
