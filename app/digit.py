"""A drawing or photo of one digit -> ink on a small field, as MNIST's digits were made.

LeCun et al. 1998, section III.A: the digit is scaled to fit a 20x20 box, with grey levels from anti-aliasing, and its
centre of mass is put in the middle of the field. Beyond that, a stroke much thinner than a pen's is thickened first,
or scaling would leave a shadow of it.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from app.neighbours import largest, median

Array = npt.NDArray[np.float32]

BOX = 20  # longer side of the scaled digit, in pixels
WORK = 400  # longer side of a picture while it is looked at, in pixels
CUT = 120  # longer side of the cut-out digit before its strokes are thickened
THIN = 2.4  # strokes thinner than this are thickened, in pixels of the 20x20 box; MNIST's are 2 to 4
CONTRAST = 12.0  # grey levels (of 255) that ink must stand out from its paper
FAINT = 0.2  # share of full ink below which a pixel does not count for the digit's box


def digit_field(grey: npt.NDArray[np.uint8], height: int, width: int) -> Array:
    """Grey picture (H, W), dark on light or light on dark, to ink in [0, 1] on a field (height, width).

    A picture without a digit (nothing stands out from its border) gives an empty field.
    """
    ink = find_ink(shrink(grey))
    if not ink.any():
        return np.zeros((height, width), dtype=np.float32)
    return centre(scale(thicken(cut_out(ink)), min(BOX, height, width)), height, width)


def shrink(grey: npt.NDArray[np.uint8]) -> Array:
    """(H, W) to float32, the longer side at most WORK pixels; specks smaller than a stroke go."""
    picture = Image.fromarray(grey)
    factor = WORK / max(picture.size)
    if factor < 1:
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        picture = picture.resize(size, Image.Resampling.BOX)
    small = np.asarray(picture)
    return (median(small) if min(small.shape) >= WORK // 2 else small).astype(np.float32)


def find_ink(grey: Array) -> Array:
    """(H, W) grey levels to ink in [0, 1]: how far a pixel stands out from the paper, which the border shows."""
    paper = paper_levels(grey)
    ink: Array = grey - paper  # from here in place: new memory for each step takes longer than the steps do
    border, _ = border_terms(grey.shape)
    grain = 3 * float(np.median(np.abs(ink.ravel()[border])))  # about two standard deviations of the paper's noise
    # The side on which more stands out is the ink's, whatever is the lighter.
    dark = ink.max() <= -ink.min()
    if dark:
        np.negative(ink, out=ink)
    ink -= np.float32(grain)
    np.maximum(ink, 0, out=ink)
    if dark:  # dark ink takes away a share of the light, and there is less to take in a shadow
        lightest = paper.max()
        np.maximum(paper, 1, out=paper)
        ink *= np.divide(lightest, paper, out=paper)
    strongest = float(ink.max())
    if strongest < CONTRAST:
        return np.zeros_like(grey)
    ink /= np.percentile(ink[ink > strongest / 2], 90).astype(np.float32)
    return np.minimum(ink, 1, out=ink)


def paper_levels(grey: Array) -> Array:
    """(H, W): the paper's grey level at every pixel, a plane through the border, so that a shadow does not count.

    Pixels of the border that differ much from its median (a stroke that runs out of the picture) are left out.
    """
    border, terms = border_terms(grey.shape)
    levels = grey.ravel()[border]
    middle = np.median(levels)
    deviation = np.abs(levels - middle)
    near = deviation <= max(4.0, 3 * float(np.median(deviation)))
    terms = terms[near]
    # least squares by the normal equations, of which there are three; a picture of one row leaves some undetermined
    plane, *_ = np.linalg.lstsq(terms.T @ terms, terms.T @ levels[near].astype(np.float64), rcond=1e-9)
    down = plane[0] + plane[1] * np.arange(grey.shape[0]) / grey.shape[0]  # (H,)
    across = plane[2] * np.arange(grey.shape[1]) / grey.shape[1]  # (W,)
    paper: Array = np.add.outer(down.astype(np.float32), across.astype(np.float32))
    return np.clip(paper, levels.min(), levels.max(), out=paper)


@lru_cache(maxsize=8)  # pictures of one camera, or of one drawing pad, have one shape
def border_terms(shape: tuple[int, int]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """The border of a picture (H, W): its pixels' places in the flattened picture, and (1, y / H, x / W) of each."""
    places = np.flatnonzero(border_mask(shape))
    rows, columns = np.divmod(places, shape[1])
    return places, np.stack([np.ones(len(places)), rows / shape[0], columns / shape[1]], axis=1)


def border_mask(shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """True on the outermost pixels, a fiftieth of each side and at least one."""
    mask = np.ones(shape, dtype=np.bool_)
    rows, columns = (max(1, size // 50) for size in shape)
    mask[rows:-rows, columns:-columns] = False
    return mask


def cut_out(ink: Array) -> Array:
    """The smallest rectangle that holds all ink worth counting."""
    strong = ink > FAINT
    rows, columns = np.flatnonzero(strong.any(axis=1)), np.flatnonzero(strong.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def thicken(ink: Array) -> Array:
    """(h, w) with strokes of at least THIN pixels of the later box.

    A stroke of length l and thickness t has the area l*t and an outline of about 2*l, so t = 2 * area / outline.
    Digits as small as the box itself, such as MNIST's, are left alone.
    """
    longer = max(ink.shape)
    if longer <= BOX:
        return ink
    ink = resize(ink, CUT / longer)
    outline = float(np.abs(np.diff(np.pad(ink, 1), axis=0)).sum() + np.abs(np.diff(np.pad(ink, 1), axis=1)).sum())
    # Along the axes a slanted edge counts 4/pi times its length on average.
    thickness = 2 * float(ink.sum()) / (outline * np.pi / 4)
    missing = round((THIN * CUT / BOX - thickness) / 2)  # on each side of the stroke
    if missing < 1:
        return ink
    # a square makes corners that a round pen does not; at a sixth of the size none shows
    thicker = largest(np.rint(np.pad(ink, missing) * 255).astype(np.uint8), missing)
    return thicker.astype(np.float32) / np.float32(255)


def scale(ink: Array, box: int) -> Array:
    """(h, w) with the longer side scaled to `box`, and full ink where the stroke is strongest."""
    scaled = np.maximum(resize(ink, box / max(ink.shape)), 0)
    return np.minimum(scaled / max(float(np.percentile(scaled, 98)), 0.25), 1).astype(np.float32)


def resize(ink: Array, factor: float) -> Array:
    """(h, w) scaled by `factor`, at least one pixel each way; anti-aliased when it shrinks."""
    if factor == 1:
        return ink
    height, width = (max(1, round(size * factor)) for size in ink.shape)
    picture = Image.fromarray(ink).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(picture, dtype=np.float32)


def centre(ink: Array, height: int, width: int) -> Array:
    """(h, w) on a field (height, width), centre of mass in the middle as far as all of it stays inside."""
    field = np.zeros((height, width), dtype=np.float32)
    mass = float(ink.sum())
    down = float(ink.sum(axis=1) @ np.arange(ink.shape[0])) / mass + 0.5
    across = float(ink.sum(axis=0) @ np.arange(ink.shape[1])) / mass + 0.5
    top = min(max(round(height / 2 - down), 0), height - ink.shape[0])
    left = min(max(round(width / 2 - across), 0), width - ink.shape[1])
    field[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return field
