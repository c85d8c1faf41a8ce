"""An atlas as PNG: this package's encoder against Pillow's."""

import io

import numpy as np
from PIL import Image

from app import png
from benchmarks.measures import Measure, interleave


def atlas_encoding(repetitions: int) -> list[Measure]:
    """One layer's atlas, 512 maps at tile 32, against Pillow's PNG of the same pixels: speed and size."""
    rng = np.random.default_rng(3)
    soft = np.asarray(
        Image.fromarray(rng.integers(0, 256, size=(92, 184), dtype=np.uint8)).resize((23 * 32, 23 * 32)),
        dtype=np.float32,
    )
    pixels = np.clip(soft + rng.normal(0, 8, size=soft.shape), 0, 255).astype(np.uint8)

    def pillow() -> int:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        return file.tell()

    ours_ms, pillow_ms = interleave((lambda: png.encode(pixels), pillow), repetitions)
    size = len(png.encode(pixels)) / pillow()
    detail = f"{ours_ms:.2f} ms against {pillow_ms:.2f} ms"
    return [
        Measure("atlas PNG, Pillow's time / ours", "", pillow_ms / ours_ms, ">= 5", detail),
        Measure("atlas PNG, our bytes / Pillow's", "", size, "<= 1.5"),
    ]
