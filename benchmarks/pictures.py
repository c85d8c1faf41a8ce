"""Photos to measure with: made here, each different, so that no answer comes out of a cache."""

import io
import struct
import zlib
from collections.abc import Iterator
from itertools import count

import numpy as np
from PIL import Image

from app.places import CHECKOUT


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


def drawn_digit() -> bytes:
    """A drawn digit, the one of the README's commands: a PNG."""
    return (CHECKOUT / "docs" / "seven.png").read_bytes()


def variants(picture: bytes) -> Iterator[bytes]:
    """The same picture, JPEG or PNG, for ever, each time with another comment: other bytes, the same work."""
    jpeg = picture.startswith(b"\xff\xd8")
    behind = 2 if jpeg else 33  # the start of image, or the signature and IHDR
    for number in count():
        yield picture[:behind] + (jpeg_comment if jpeg else png_comment)(b"%d" % number) + picture[behind:]


def jpeg_comment(text: bytes) -> bytes:
    """A COM segment (ITU-T T.81, B.2.4.5)."""
    return b"\xff\xfe" + struct.pack(">H", 2 + len(text)) + text


def png_comment(text: bytes) -> bytes:
    """A tEXt chunk (PNG specification, 11.3.3.2)."""
    chunk = b"tEXtComment\0" + text
    return struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
