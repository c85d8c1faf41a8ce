"""Damaged images: every format in several modes, with bytes changed, cut, repeated, mixed, and headers that lie."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from tests.conftest import draw_scene, encode

Random = np.random.Generator

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
MODES = {
    "JPEG": ("RGB", "L", "CMYK"),
    "PNG": ("RGB", "RGBA", "P", "L", "LA", "1", "I;16"),
    "GIF": ("P", "L"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("RGB", "P", "L"),
    "TIFF": ("RGB", "RGBA", "L", "F", "I;16", "CMYK"),
    "AVIF": ("RGB", "RGBA"),
}


def corpus() -> list[bytes]:
    """Small whole images."""
    found = []
    for kind, modes in MODES.items():
        for number, mode in enumerate(modes):
            picture = draw_scene(number, 40 + 8 * number, 48)
            if mode == "I;16":
                picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
            found.append(encode(picture.convert(mode) if mode != "I;16" else picture, kind))
    return found


def change(data: bytearray, rng: Random) -> bytearray:
    """A few bytes become others, more often near the head, where sizes and types are."""
    for _ in range(int(rng.integers(1, 12))):
        reach = len(data) if rng.random() < 0.5 else min(len(data), 64)
        data[int(rng.integers(reach))] = int(rng.choice([0, 1, 127, 128, 255, int(rng.integers(256))]))
    return data


def cut(data: bytearray, rng: Random) -> bytearray:
    """The end is missing."""
    return data[: int(rng.integers(len(data)))]


def lose(data: bytearray, rng: Random) -> bytearray:
    """A part in the middle is missing."""
    start = int(rng.integers(len(data)))
    del data[start : start + int(rng.integers(1, 64))]
    return data


def repeat(data: bytearray, rng: Random) -> bytearray:
    """A part comes many times."""
    start = int(rng.integers(len(data)))
    part = data[start : start + int(rng.integers(1, 200))]
    return data[:start] + part * int(rng.integers(2, 200)) + data[start:]


def lie(data: bytearray, rng: Random) -> bytearray:
    """Somewhere near the head stands a number that is far too large, of either endianness."""
    number = int(rng.choice([0, 1, 7000, 16383, 65535, 2**31 - 1, 2**32 - 1]))
    form = str(rng.choice([">H", "<H", ">I", "<I"]))
    limit = 2 ** (8 * struct.calcsize(form)) - 1
    place = int(rng.integers(max(1, min(len(data), 120) - 4)))
    data[place : place + struct.calcsize(form)] = struct.pack(form, min(number, limit))
    return data


MUTATIONS: tuple[Callable[[bytearray, Random], bytearray], ...] = (change, cut, lose, repeat, lie)


def mutated(images: list[bytes], rng: Random) -> bytes:
    """One damaged image, sometimes the head of one format with the body of another."""
    data = bytearray(images[int(rng.integers(len(images)))])
    if rng.random() < 0.05:
        other = images[int(rng.integers(len(images)))]
        data = data[: int(rng.integers(len(data)))] + bytearray(other[int(rng.integers(len(other))) :])
    for _ in range(int(rng.integers(1, 4))):
        if data:
            data = MUTATIONS[int(rng.integers(len(MUTATIONS)))](data, rng)
    return bytes(data)


def largest(kind: str, side: int = 7000, **options: Any) -> bytes:
    """A whole picture of 49 million pixels, just under the limit, in a few kB: a decompression bomb."""
    mode = {"PNG": "RGBA", "TIFF": "F"}.get(kind, "L" if kind == "GIF" else "RGB")
    return encode_with(Image.new(mode, (side, side)), kind, options)


def encode_with(picture: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    """A picture as a file, with options of the format."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def tiled(side: int, kind: int = 4) -> bytes:
    """A TIFF of 16 x 16 grey pixels in one tile of side x side, deflated; `kind` is the type of the tile's width."""
    tile = zlib.compress(bytes(side * side))
    fields = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: side, 323: side, 324: 8, 325: len(tile)}
    entries = b"".join(
        struct.pack("<HHII", tag, kind if tag == 322 else 4, 1, value) for tag, value in sorted(fields.items())
    )
    return struct.pack("<2sHI", b"II", 42, 8 + len(tile)) + tile + struct.pack("<H", len(fields)) + entries + bytes(4)


def scanned(side: int, times: int) -> bytes:
    """A flat progressive JPEG of side x side grey pixels whose last scan comes so many times."""
    whole = encode_with(Image.new("L", (side, side), 90), "JPEG", {"progressive": True})
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * times + whole[-2:]
