"""The same job as it is usually written: PyTorch, a forward hook on every layer, min-max scaling, Pillow's PNGs."""

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from app.network import Network
from benchmarks.floor import decode_and_resize
from models.architectures import build
from models.shipped import load_numbers


def atlas(maps: npt.NDArray[np.float32], tile: int) -> Image.Image:
    """(C, H, W) as one picture: every map scaled to its own minimum and maximum, shrunk to the tile, in a grid."""
    columns = int(np.ceil(np.sqrt(len(maps))))
    side = min(tile, max(maps.shape[1:]))
    sheet = Image.new("L", (columns * side, -(-len(maps) // columns) * side))
    for channel, one in enumerate(maps):
        low, high = one.min(), one.max()
        grey = ((one - low) / (high - low + 1e-12) * 255).astype(np.uint8)
        picture = Image.fromarray(grey).resize((side, side), Image.Resampling.BOX)
        sheet.paste(picture, (channel % columns * side, channel // columns * side))
    return sheet


def job(served: Network, threads: int, tile: int) -> Callable[[bytes], int]:
    """A function from a JPEG to the number of PNG bytes of all its layers."""
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

    def work(jpeg: bytes) -> int:
        torch.set_num_threads(threads)
        picture = np.asarray(decode_and_resize(jpeg, served), dtype=np.float32) / 255
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
