"""Photos to measure with: made here, each different, so that no answer comes out of a cache."""

import io
import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image


def photo(width: int, height: int, quality: int, detail: float, seed: int = 7) -> bytes:
    """A JPEG of soft shapes and fine grain, like a photo to a decoder; `detail` sets how much grain."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, size=(9, 12, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
    grain = rng.normal(0, detail, size=(height, width, 1)).astype(np.float32)
    pixels = np.clip(soft + grain, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def half_megabyte() -> bytes:
    """A JPEG of 1600 x 1200 pixels and 500 kB, to within a tenth."""
    return min((photo(1600, 1200, 85, detail) for detail in range(4, 16)), key=lambda data: abs(len(data) - 500_000))


def variants(jpeg: bytes) -> Iterator[bytes]:
    """The same picture for ever, each time with another comment: other bytes, the same work."""
    number = 0
    while True:
        comment = struct.pack(">Q", number)
        yield jpeg[:2] + b"\xff\xfe" + struct.pack(">H", 2 + len(comment)) + comment + jpeg[2:]
        number += 1
