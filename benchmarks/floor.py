"""The floor: a forward pass, and decoding and resizing as a plain script does them with Pillow.

A script decodes the whole picture and resizes all of it before it cuts out the middle. The service decodes no more
of a JPEG than a small field needs, resizes only what the crop keeps, and may compute a graph in another way that
gives the same numbers; that is part of what is compared, and why a figure can lie below 1.
"""

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image

from app.catalog import Catalog
from app.manifest import PhotoPreprocessing
from app.network import Network

Array = npt.NDArray[np.float32]


def plain_session(network: Network, threads: int, alone: bool) -> ort.InferenceSession:
    """The network's float32 file as it lies there, probabilities its only output, onnxruntime's defaults.

    Except that its threads rest after a forward pass, unless it is `alone`: by default they spin on for 50 ms on
    Zen 4, and would take the cores from the other side.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    if not alone:
        options.add_session_config_entry("session.force_spinning_stop", "1")
    folder = network._folder  # where the numbers lie that are not inside the graph
    if folder is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    return ort.InferenceSession(network.model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def forward(network: Network, threads: int, batch: int = 1, *, alone: bool = False) -> Callable[[], object]:
    """One forward pass of random pictures; `alone`: nothing is measured beside it."""
    session = plain_session(network, threads, alone)
    shape = (batch, *network.graph.input_shape)
    tensor = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return lambda: session.run(None, {network.graph.input_name: tensor})


def served(network: Network, batch: int = 1) -> Callable[[], object]:
    """The probabilities of random pictures as the service computes them, without HTTP."""
    tensors = np.random.default_rng(0).normal(size=(batch, *network.graph.input_shape)).astype(np.float32)
    return lambda: network.engine.probabilities(tensors)


def decode(jpeg: bytes) -> Image.Image:
    """Pillow's decoding, whole."""
    picture = Image.open(io.BytesIO(jpeg))
    picture.load()
    return picture


def decode_and_resize(jpeg: bytes, network: Network) -> Image.Image:
    """Pillow's decoding and resizing to what the network looks at."""
    how = network.weights.preprocessing
    picture = decode(jpeg)
    if not isinstance(how, PhotoPreprocessing):
        return picture.convert("L").resize(how.size[::-1], Image.Resampling.BILINEAR)
    factor = how.resize / min(picture.size)
    size = (round(picture.width * factor), round(picture.height * factor))
    resized = picture.resize(size, Image.Resampling.BILINEAR)
    left, top = (size[0] - how.crop[1]) // 2, (size[1] - how.crop[0]) // 2
    return resized.crop((left, top, left + how.crop[1], top + how.crop[0]))


def open_networks(catalog: Catalog, only: str | None) -> list[Network]:
    """The default weights of the networks to measure."""
    ids = list(dict.fromkeys(network.id for network in catalog.networks))
    chosen = [catalog.network(model) for model in ids if only in (None, model)]
    if not chosen:
        raise SystemExit(f"There is no network '{only}'; there are {', '.join(ids)}.")
    return chosen
