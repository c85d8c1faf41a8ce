"""Image -> input tensor, as the manifest says, and back to the picture that the network saw."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from app.crops import Crops, boxes
from app.digit import WORK, digit_field
from app.errors import NetworkUnusable
from app.imaging import Enough
from app.manifest import DigitPreprocessing, PhotoPreprocessing, Preprocessing

Pixels = npt.NDArray[np.uint8]
Tensor = npt.NDArray[np.float32]

RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def to_tensor(picture: Image.Image, how: Preprocessing, channels: int) -> Tensor:
    """A picture (RGB or L) to the network's input, float32 (channels, height, width).

    Raises:
        NetworkUnusable: `mean` or `std` fit no input of so many channels.
    """
    if isinstance(how, DigitPreprocessing):
        return digit_to_tensor(picture, how, channels)
    return next(photo_to_tensors(picture, how, channels, Crops.ONE))


def enough_for(how: Preprocessing) -> Enough | None:
    """As much of a picture as the preprocessing looks at, if it is not all of it."""
    return Enough(WORK) if isinstance(how, DigitPreprocessing) else None


def field_of(how: Preprocessing) -> tuple[int, int]:
    """Height and width of the input that the preprocessing makes."""
    return how.size if isinstance(how, DigitPreprocessing) else how.crop


def to_picture(tensor: Tensor, how: Preprocessing) -> Pixels:
    """The input tensor (C, H, W) as a picture: uint8 (H, W, 3) RGB, or (H, W) grey for one channel."""
    if isinstance(how, DigitPreprocessing):
        levels = (tensor[:1] - how.background) / (how.foreground - how.background) * 255
    else:
        mean, std = statistics(how, len(tensor))
        levels = (tensor * std + mean) / how.scale
    picture = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    if len(picture) != 3:
        return np.ascontiguousarray(picture[0])
    if not isinstance(how, DigitPreprocessing) and how.color == "BGR":
        picture = picture[::-1]
    return np.ascontiguousarray(picture.transpose(1, 2, 0))


def digit_to_tensor(picture: Image.Image, how: DigitPreprocessing, channels: int) -> Tensor:
    """The digit cut out, scaled and centred; ink is `foreground`, paper `background`."""
    grey = np.asarray(picture.convert("L"))  # (H, W)
    ink = digit_field(grey, *how.size)  # (height, width) in [0, 1]
    field = np.float32(how.background) + ink * np.float32(how.foreground - how.background)
    return np.ascontiguousarray(np.broadcast_to(field, (channels, *how.size)))


def photo_to_tensors(picture: Image.Image, how: PhotoPreprocessing, channels: int, crops: Crops) -> Iterator[Tensor]:
    """The inputs of as many crops, float32 (C, H, W) each, made one by one; a crop and its mirror follow one another.

    Shorter side to `resize`, crop, colours in order, `(pixel * scale - mean) / std`. All crops are cut at once, so
    that the picture, which may be large, can be let go while they are used.

    Raises:
        NetworkUnusable: `mean` or `std` fit no input of so many channels.
    """
    size, mode = (how.crop[1], how.crop[0]), "L" if how.color == "L" or channels == 1 else "RGB"
    cut = []
    for box in boxes(picture.size, how, crops):
        cropped = picture.resize(size, RESAMPLING[how.interpolation], box=box)
        cut.append(np.asarray(cropped if cropped.mode == mode else cropped.convert(mode)))
    return _normalised(cut, how, channels, mirrored=crops is not Crops.ONE)


def _normalised(cut: list[Pixels], how: PhotoPreprocessing, channels: int, mirrored: bool) -> Iterator[Tensor]:
    """The inputs of crops, uint8 (H, W) or (H, W, 3) each, and of their mirror images where these are wanted."""
    mean, std = statistics(how, channels)
    for pixels in cut:
        planes = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        tensor = np.empty((channels, *how.crop), np.float32)
        tensor[...] = planes[::-1] if how.color == "BGR" and pixels.ndim == 3 else planes
        # in place: arithmetic with the colours still side by side takes ten times as long
        tensor *= np.float32(how.scale)
        tensor -= mean
        tensor /= std
        yield tensor
        if mirrored:
            yield np.ascontiguousarray(tensor[:, :, ::-1])


def statistics(how: PhotoPreprocessing, channels: int) -> tuple[Tensor, Tensor]:
    """`mean` and `std` as (C, 1, 1) or (1, 1, 1)."""
    for name, numbers in (("mean", how.mean), ("std", how.std)):
        if len(numbers) not in (1, channels):
            raise NetworkUnusable(
                f"The manifest's preprocessing gives {len(numbers)} numbers for {name}, and the network's input has "
                f"{channels} channels: give one number, or one a channel.",
                list(numbers),
            )
    mean, std = np.array(how.mean, dtype=np.float32), np.array(how.std, dtype=np.float32)
    return mean.reshape(-1, 1, 1), std.reshape(-1, 1, 1)
