"""What a pixel's neighbours make of it: median and largest of a square around it, as whole-array operations."""

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

# Exchanges that bring the median of nine to the middle (J. L. Smith 1996, "Implementing median filters in XC4000E
# FPGAs"): after (a, b) the smaller of the two is at a.
EXCHANGES = (
    (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3),
    (5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2),
)  # fmt: skip


def median(grey: Pixels) -> Pixels:
    """The median of each 3x3 square, uint8 (H, W) to the same shape; the border repeats outside."""
    height, width = grey.shape
    padded = np.pad(grey, 1, mode="edge")
    nine = [padded[row : row + height, column : column + width].copy() for row in range(3) for column in range(3)]
    larger = np.empty_like(grey)
    for a, b in EXCHANGES:
        np.maximum(nine[a], nine[b], out=larger)
        np.minimum(nine[a], nine[b], out=nine[a])
        nine[b], larger = larger, nine[b]
    return nine[4]


def largest(grey: Pixels, radius: int) -> Pixels:
    """The largest of each square of side 2 * radius + 1, uint8 (H, W) to the same shape; nothing lies outside."""
    rows = _largest_along_rows(grey, radius)
    return np.ascontiguousarray(_largest_along_rows(rows.T, radius).T)


def _largest_along_rows(grey: Pixels, radius: int) -> Pixels:
    width = grey.shape[1]
    padded = np.pad(grey, ((0, 0), (radius, radius)))
    found = padded[:, :width].copy()
    for shift in range(1, 2 * radius + 1):
        np.maximum(found, padded[:, shift : shift + width], out=found)
    return found
