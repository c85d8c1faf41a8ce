"""Which parts of a picture a network is shown: one crop, ten, or 144.

A crop is a box in the picture's own pixels (fractions allowed), which is resized to the network's input in one step:
what no crop shows is never computed.
"""

from collections.abc import Iterator, Sequence
from enum import IntEnum

from app.manifest import PhotoPreprocessing

Size = tuple[int, int]  # (width, height)
Box = tuple[float, float, float, float]  # (left, top, right, bottom)

SCALES = (256, 288, 320, 352)  # Szegedy et al. 2014, section 7: the shorter side, for crops of 224 x 224
SCALES_CROP = 224


class Crops(IntEnum):
    """How many crops of a picture are classified, their probabilities averaged."""

    ONE = 1
    TEN = 10
    MANY = 144


def boxes(size: Size, how: PhotoPreprocessing, crops: Crops) -> Iterator[Box]:
    """The boxes of a picture of `size`; with more than one crop each is shown as it is and mirrored.

    1: the centre. 10: four corners and the centre, and their mirrors (Krizhevsky et al. 2012, section 4.1). 144: four
    scales, of each three squares, of each four corners, the centre and the whole square, and their mirrors (Szegedy
    et al. 2014, section 7); for an input that is not about 224 pixels the four scales grow or shrink with it. Each is
    resized once, not twice as in the paper, so that a whole square is the same at all four scales and counts four
    times.
    """
    height, width = how.crop
    if crops is Crops.MANY:
        larger = max(height, width)
        factor = 1.0 if SCALES_CROP <= larger <= SCALES[0] else larger / SCALES_CROP
        for scale in SCALES:
            yield from _of_squares(size, round(scale * factor), (width, height))
        return
    resized = resize(size, how.resize, (width, height))
    across, down = resized[0] - width, resized[1] - height  # room around the crop
    places = [(across // 2, down // 2)]
    if crops is Crops.TEN:
        places = [*_corners(across, down), *places]
    for left, top in places:
        yield _in_picture(size, resized, (left, top, left + width, top + height))


def resize(size: Size, shorter: int, least: Size) -> Size:
    """The size with the shorter side `shorter`, enlarged where a crop of the size `least` would reach outside it."""
    factor = max(shorter / min(size), least[0] / size[0], least[1] / size[1])
    return max(least[0], round(size[0] * factor)), max(least[1], round(size[1] * factor))


def _of_squares(size: Size, scale: int, crop: Size) -> Iterator[Box]:
    """Left, centre and right square (top, centre and bottom of an upright picture), of each six boxes."""
    resized = resize(size, scale, (scale, scale))
    across, down = resized[0] - scale, resized[1] - scale
    for share in (0, 1, 2):
        left, top = across * share // 2, down * share // 2
        room = scale - crop[0], scale - crop[1]
        for x, y in (*_corners(*room), (room[0] // 2, room[1] // 2)):
            yield _in_picture(size, resized, (left + x, top + y, left + x + crop[0], top + y + crop[1]))
        yield _in_picture(size, resized, (left, top, left + scale, top + scale))


def _corners(across: int, down: int) -> Sequence[tuple[int, int]]:
    """Left and top of the four corner crops."""
    return (0, 0), (across, 0), (0, down), (across, down)


def _in_picture(size: Size, resized: Size, box: tuple[int, int, int, int]) -> Box:
    """A box of the resized picture in the pixels of the picture itself."""
    across, down = size[0] / resized[0], size[1] / resized[1]  # source pixels a resized pixel
    left, top, right, bottom = box
    return left * across, top * down, min(right * across, size[0]), min(bottom * down, size[1])
