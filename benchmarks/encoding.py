"""An atlas as PNG: this package's encoder against Pillow's."""

import io
from collections.abc import Sequence

from PIL import Image

from app import png
from app.maps import draw_atlas
from app.network import Network
from benchmarks.measures import Measure, interleave

CHANNELS, TILE = 512, 32


def atlas_encoding(networks: Sequence[Network], jpeg: bytes, repetitions: int) -> list[Measure]:
    """One layer's atlas, 512 maps at tile 32, against Pillow's PNG of the same pixels: speed and size.

    The largest such maps that one of the networks makes of the picture; nothing where none has any.
    """
    fitting = [
        (layer.shape[1:], network, layer.name)
        for network in networks
        for layer in network.graph.layers
        if layer.shape[0] == CHANNELS and len(layer.shape) == 3 and 1 < max(layer.shape[1:]) <= TILE
    ]
    if not fitting:
        return []
    _, network, name = max(fitting, key=lambda found: found[0])
    pixels = draw_atlas(network.run(jpeg)[name], range(CHANNELS), TILE, "layer").pixels

    def pillow() -> int:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        return file.tell()

    ours_ms, pillow_ms = interleave((lambda: png.encode(pixels), pillow), repetitions)
    size = len(png.encode(pixels)) / pillow()
    detail = f"{ours_ms:.2f} ms against {pillow_ms:.2f} ms, {name} of {network.id}"
    return [
        Measure("atlas PNG, Pillow's time / ours", "", pillow_ms / ours_ms, ">= 5", detail),
        Measure("atlas PNG, our bytes / Pillow's", "", size, "<= 1.5"),
    ]
