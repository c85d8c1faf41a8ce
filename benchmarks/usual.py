"""Every layer's maps of a picture as PNGs, written three ways.

As usual: PyTorch, a forward hook on every layer, min-max scaling, Pillow's PNGs, one after the other. With this
package, in a script as that one is, also one after the other. And over HTTP, where a few are asked for at a time.
"""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from app import png
from app.maps import draw_atlas
from app.network import Network
from benchmarks.floor import decode_and_resize
from benchmarks.place import Place
from models.architectures import build
from models.shipped import load_numbers

CONNECTIONS = 4


def atlas(maps: npt.NDArray[np.float32], tile: int) -> Image.Image:
    """(C, H, W) as one picture: every map scaled to its own minimum and maximum, shrunk to the tile, in a grid.

    A vector, (C, 1, 1), is one map.
    """
    columns = int(np.ceil(np.sqrt(len(maps))))
    side = min(tile, max(maps.shape[1:]))
    if side == 1:
        grid = np.zeros(columns * -(-len(maps) // columns), np.float32)
        grid[: len(maps)] = (maps.ravel() - maps.min()) / (maps.max() - maps.min() + 1e-12) * 255
        return Image.fromarray(grid.astype(np.uint8).reshape(-1, columns))
    sheet = Image.new("L", (columns * side, -(-len(maps) // columns) * side))
    for channel, one in enumerate(maps):
        low, high = one.min(), one.max()
        grey = ((one - low) / (high - low + 1e-12) * 255).astype(np.uint8)
        picture = Image.fromarray(grey).resize((side, side), Image.Resampling.BOX)
        sheet.paste(picture, (channel % columns * side, channel // columns * side))
    return sheet


def with_hooks(served: Network, threads: int, tile: int) -> Callable[[bytes], int]:
    """A function from an encoded image to the number of PNG bytes of all its layers, as it is usually written."""
    network = build(served.id, served.graph.classes)
    load_numbers(network, dict(served.initializers))
    network.eval()
    seen: dict[str, npt.NDArray[np.float32]] = {}

    def remember(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen[name] = output[0].numpy()

        return hook

    for path, name in network.layer_names().items():
        network.get_submodule(path).register_forward_hook(remember(name))
    channels = served.graph.input_shape[0]

    def work(image: bytes) -> int:
        torch.set_num_threads(threads)
        picture = np.asarray(decode_and_resize(image, served), dtype=np.float32) / 255
        tensor = torch.from_numpy(picture.reshape(*picture.shape[:2], -1)).permute(2, 0, 1)[None, :channels]
        with torch.inference_mode():
            network(tensor.contiguous())
        written = 0
        for maps in seen.values():
            file = io.BytesIO()
            atlas(maps.reshape(len(maps), *(maps.shape[1:] or (1, 1))), tile).save(file, "PNG")
            written += file.tell()
        return written

    return work


def in_a_script(network: Network, tile: int) -> Callable[[bytes], int]:
    """The same with this package."""

    def work(image: bytes) -> int:
        run = network.run(image)
        written = 0
        for layer in network.graph.layers[1:]:
            maps = run[layer.name]
            written += len(png.encode(draw_atlas(maps, range(len(maps)), tile, "map").pixels))
        return written

    return work


def over_http(place: Place, network: Network, tile: int) -> Callable[[bytes], int]:
    """The same asked of a server: a run, and then every layer's atlas."""
    clients = [place.client() for _ in range(CONNECTIONS)]
    names = [layer.name for layer in network.graph.layers[1:]]

    def work(image: bytes) -> int:
        run = clients[0].json("POST", f"/api/v1/models/{network.id}/runs", image)["id"]

        def fetch(which: int) -> int:
            paths = (f"/api/v1/runs/{run}/layers/{name}/maps.png?tile={tile}" for name in names[which::CONNECTIONS])
            return sum(len(clients[which].ask("GET", path)) for path in paths)

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            return sum(pool.map(fetch, range(CONNECTIONS)))

    return work
