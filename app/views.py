"""A layer's tensor as a node sees it: reshaping nodes are no layers, they only change the view."""

import math
from dataclasses import dataclass, replace

import numpy as np

from app.nodes import FLOATS, Node, Nodes
from app.operations import Order

RESHAPING = frozenset({"Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Dropout"})


@dataclass(frozen=True, eq=False)
class View:
    """The tensor `tensor`: the numbers of a layer, in `shape` (without batch).

    `order[i]` is where number i lies in the layer's own flattened tensor; None where it is the i-th itself. `node`
    is the last reshaping node, or the one before a layer that lies as its source does; None without such.
    """

    layer: str
    tensor: str
    shape: tuple[int, ...]
    order: Order | None = None
    node: Node | None = None

    def shows(self, shape: tuple[int, ...]) -> bool:
        """Whether a layer of this tensor would look as that of shape `shape` does.

        A vector and N x 1 x 1 maps are the same, a matrix is the one map that the layer has.
        """
        return self.order is None and _as_maps(layer_shape(self.shape)) == _as_maps(shape)

    def is_channels_last(self, shape: tuple[int, ...]) -> bool:
        """Whether it is the layer's (C, H, W) tensor stored as (H, W, C)."""
        if self.order is None or len(shape) != 3:
            return False
        last = (*shape[1:], shape[0])
        return self.shape == last and bool(np.array_equal(self.order, channels_last(shape)))


def channels_last(shape: tuple[int, ...]) -> Order:
    """Where the numbers of an (H, W, C) tensor lie in the flattened (C, H, W) one; `shape` is (C, H, W)."""
    return np.arange(math.prod(shape)).reshape(shape).transpose(1, 2, 0).reshape(-1)


def is_transparent(node: Node, nodes: Nodes) -> bool:
    """Whether a node changes no number: it reshapes or transposes within an image, or casts to a float.

    Raises:
        NetworkUnusable: shape inference could not tell a shape that it depends on.
    """
    if len(nodes.operands(node)) != 1 or node.inputs[0] not in nodes.dynamic:
        return False
    if node.op == "Transpose":
        return bool(node.attributes.get("perm", (1,))[0] == 0) and nodes.has_batch(node.inputs[0])
    if node.op == "Cast":
        return node.attributes["to"] in FLOATS
    if node.op not in RESHAPING:
        return False
    # where a file fixes a batch of several images, the rows of all of them may become one matrix
    before, after = (math.prod(nodes.inner_shape(name)) for name in (node.inputs[0], node.output))
    return before == after


def through(view: View, node: Node, nodes: Nodes) -> View:
    """The view behind a transparent node."""
    shape = nodes.inner_shape(node.output)
    order = view.order
    if node.op == "Transpose":
        perm = [axis - 1 for axis in node.attributes["perm"][1:]]
        order = np.arange(math.prod(view.shape)) if order is None else order
        order = order.reshape(view.shape).transpose(perm).reshape(-1)
        if np.array_equal(order, np.arange(order.size)):
            order = None
    return replace(view, tensor=node.output, shape=shape, order=order, node=node)


def layer_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A tensor's shape (without batch) as a layer shows it: (N,) or (C, H, W).

    A matrix is one map; leading axes beyond three are counted through as channels.
    """
    if len(shape) <= 1:
        return shape or (1,)
    return (math.prod(shape[:-2]), *shape[-2:])


def _as_maps(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A layer's shape as (C, H, W); a vector is N x 1 x 1."""
    return shape if len(shape) == 3 else (*shape, 1, 1)
