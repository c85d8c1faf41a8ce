"""Occlusion: how much less probable a class becomes where a patch of the image is covered. For every network."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from app.engine import Engine

Array = npt.NDArray[np.float32]
Tell = Callable[[int, int], None]  # how many inputs have gone through the network, and how many will have

PATCHES = 7  # a patch is one seventh of the shorter side: 32 of 224 pixels
STEPS = 2  # and moves by half of itself: 13 x 13 places


def places(size: int, patch: int) -> list[int]:
    """Where patches begin along a side of `size` pixels: every half patch, the last one at the far edge."""
    step = max(1, patch // STEPS)
    return [*range(0, size - patch, step), size - patch]


def occlusion(engine: Engine, tensor: Array, fill: float, index: int, tell: Tell = lambda done, of: None) -> Array:
    """The mean fall of the class's probability over the patches that cover a pixel, float32 (H, W).

    Positive where the network needs what is there. Source: Zeiler and Fergus 2014, "Visualizing and understanding
    convolutional networks", section 4.2 (a grey square, moved over the image).

    Args:
        engine: of the network.
        tensor: the network's input, float32 (C, H, W).
        fill: what a patch holds.
        index: of the class.
        tell: called before the first batch and after each.

    Raises:
        Abandoned: nobody waits for it any more.
    """
    height, width = tensor.shape[1:]
    patch = max(1, round(min(height, width) / PATCHES))
    corners = [(top, left) for top in places(height, patch) for left in places(width, patch)]

    def covered() -> Iterator[Array]:
        yield tensor
        for top, left in corners:
            hidden = tensor.copy()
            hidden[:, top : top + patch, left : left + patch] = fill
            yield hidden

    shares = np.empty(0, np.float32)
    tell(0, 1 + len(corners))
    for batch in engine.classify(covered()):  # (B, classes)
        shares = np.append(shares, batch[:, index])  # (1 + places,) in the end
        tell(len(shares), 1 + len(corners))
    falls = shares[0] - shares[1:]
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for (top, left), fall in zip(corners, falls, strict=True):
        total[top : top + patch, left : left + patch] += fall
        count[top : top + patch, left : left + patch] += 1
    return (total / count).astype(np.float32)
