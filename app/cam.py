"""Class activation maps, for networks that end in a global average pool and one full layer: found from the graph."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.errors import NotSupported
from app.graph import Graph, Layer
from app.operations import Full, Pool, Rearrangement
from app.parameters import Parameters

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Tail:
    """The end of such a network: maps -> global average pool -> full layer (the logits)."""

    maps: Layer  # (K, h, w)
    full: Layer  # (classes,)


def find_tail(graph: Graph) -> Tail:
    """The maps that are averaged, and the full layer that weighs the averages.

    Raises:
        NotSupported: the network ends otherwise, and the message says how.
    """
    full = graph.logits
    if full is None or not isinstance(full.operation, Full):
        raise _unfit(graph, f"the classes come from '{full.name if full else '?'}', which is no full layer")
    pool = graph.layer(full.inputs[0])
    while isinstance(pool.operation, Rearrangement) and pool.operation.order is None:  # a flatten or dropout by name
        pool = graph.layer(pool.inputs[0])
    if not (isinstance(pool.operation, Pool) and pool.operation.whole and not pool.operation.largest):
        raise _unfit(graph, f"'{full.name}' reads '{pool.name}' ({pool.op}), not a global average pool")
    if pool.activation is not None:
        raise _unfit(
            graph, f"'{pool.name}' has an activation ({pool.activation}) between the averages and '{full.name}'"
        )
    return Tail(graph.layer(pool.inputs[0]), full)


def class_activation_map(graph: Graph, parameters: Parameters, activations: Mapping[str, Array], index: int) -> Array:
    """M_c(x, y) = sum over k of w_k^c f_k(x, y), float32 (h, w); its mean plus the bias is the class's logit.

    Source: Zhou et al. 2016, "Learning deep features for discriminative localization", equation 2.

    Raises:
        NotSupported: the network does not end in a global average pool and one full layer.
    """
    tail = find_tail(graph)
    assert isinstance(tail.full.operation, Full)
    weights = parameters.row(tail.full.operation, index)  # (K,)
    return np.tensordot(weights, activations[tail.maps.name], axes=1).astype(np.float32)  # (K) . (K, h, w)


def gradient_class_activation_map(
    graph: Graph, parameters: Parameters, activations: Mapping[str, Array], index: int
) -> Array:
    """ReLU(sum over k of a_k^c f_k), a_k^c the mean over the map of the logit's gradient by f_k; float32 (h, w).

    Behind a global average pool and one full layer that gradient is w_k^c / Z at each of a map's Z cells, so
    this is the class activation map, without what is negative, over Z: exactly, and no derivative is needed. Source:
    Selvaraju et al. 2017, "Grad-CAM", equations 1 and 2, section 3.1.

    Raises:
        NotSupported: the network does not end so; its gradients would need a backward pass.
    """
    cam = class_activation_map(graph, parameters, activations, index)
    return (np.maximum(cam, 0) / cam.size).astype(np.float32)


def _unfit(graph: Graph, how: str) -> NotSupported:
    return NotSupported(
        f"A class activation map needs a network that ends in a global average pool and one full layer; here {how}. "
        "Ask for method=occlusion, which every network can do.",
        graph.output.name,
        field="method",
    )
