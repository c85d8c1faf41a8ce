"""Where a network looked: one map of the size of its input, by one of several methods."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from app.cam import class_activation_map, find_tail, gradient_class_activation_map
from app.errors import NotSupported
from app.graph import Graph
from app.manifest import DigitPreprocessing
from app.network import Network
from app.occlusion import Tell, occlusion

Array = npt.NDArray[np.float32]
Method = Literal["cam", "grad_cam", "occlusion"]


def methods(graph: Graph) -> list[Method]:
    """What a network can do, the quickest first; occlusion is for every network."""
    try:
        find_tail(graph)
    except NotSupported:
        return ["occlusion"]
    return ["cam", "grad_cam", "occlusion"]


def saliency(
    network: Network,
    activations: Mapping[str, Array],
    method: Method,
    index: int,
    tell: Tell = lambda done, of: None,
) -> Array:
    """Where the network looked for the class `index`, float32 (H, W) of the input's size.

    Args:
        network: ready to run.
        activations: of a run, by layer.
        method: `cam` and `grad_cam` are in units of the logit, `occlusion` is a fall of probability.
        index: of the class.
        tell: called where it takes long, with the passes through the network that are done, and how many there are.

    Raises:
        NotSupported: a method that this network cannot do, with the reason.
        Abandoned: nobody waits for it any more.
    """
    graph, parameters = network.graph, network.explainer.parameters
    tensor = activations[graph.layers[0].name]  # (C, H, W)
    match method:
        case "cam":
            return enlarge(class_activation_map(graph, parameters, activations, index), tensor.shape[1:])
        case "grad_cam":
            return enlarge(gradient_class_activation_map(graph, parameters, activations, index), tensor.shape[1:])
        case "occlusion":
            how = network.weights.preprocessing
            # a photo's mean is 0 behind the preprocessing; a digit's paper is not
            fill = how.background if isinstance(how, DigitPreprocessing) else 0.0
            return occlusion(network.engine, tensor, fill, index, tell)


def enlarge(heat: Array, size: tuple[int, ...]) -> Array:
    """A map (h, w) at the size (H, W), by bilinear interpolation."""
    height, width = size
    picture = Image.fromarray(heat, mode="F") if heat.dtype == np.float32 else Image.fromarray(heat)
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)
