"""Which nodes are one layer: those a manifest joins, and a product with the constant that is added to it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import NetworkUnusable
from app.manifest import Manifest
from app.nodes import Node, Nodes

PRODUCTS = frozenset({"Conv", "MatMul"})


@dataclass(frozen=True)
class Group:
    """Nodes of one layer, in topological order. `joined` where a manifest says so."""

    name: str
    nodes: tuple[Node, ...]
    joined: bool

    @property
    def output(self) -> str:
        """The tensor that leaves the group."""
        return self.nodes[-1].output


def group_nodes(nodes: Nodes, manifest: Manifest | None) -> list[Group]:
    """Every node in exactly one group, groups in topological order of their last node.

    Raises:
        NetworkUnusable: the manifest names a node that is not there or names it twice, or a layer's inner tensor
            is used outside of the layer.
    """
    layers = manifest.layers if manifest is not None else {}
    members = {node: layer for layer, names in layers.items() for node in names}
    present = {node.name for node in nodes.nodes}
    for layer, names in layers.items():
        for name in names:
            if name not in present or members[name] != layer:
                fault = "is not in the graph" if name not in present else f"is in '{members[name]}' too"
                raise NetworkUnusable(
                    f"{nodes.title}: the manifest's layer '{layer}' names the node '{name}', which {fault}. "
                    "Correct the manifest's layers.",
                    name,
                )
    groups: dict[str, list[Node]] = {}
    for index, node in enumerate(nodes.nodes):
        key = members.get(node.name)
        if key is None:
            fused = _product_before(node, nodes, groups)
            groups.setdefault(fused if fused is not None else f"\0{index}", []).append(node)
        else:
            groups.setdefault(key, []).append(node)
    place = {id(node): index for index, node in enumerate(nodes.nodes)}
    made = [Group(_name(key, found), tuple(found), joined=not key.startswith("\0")) for key, found in groups.items()]
    for group in made:
        _refuse_hidden(group, nodes)
    return sorted(made, key=lambda group: place[id(group.nodes[-1])])


def url_safe(name: str) -> str:
    """A layer name for URLs: a slash becomes a dot, anything else that URLs escape an underscore."""
    safe = re.sub(r"[^A-Za-z0-9._~-]", "_", name.replace("/", "."))
    return safe if safe.strip(".") else f"layer{safe}"


def _product_before(node: Node, nodes: Nodes, groups: dict[str, list[Node]]) -> str | None:
    """The key of the single-node group whose product a constant Add completes."""
    operands = nodes.operands(node)
    if node.op != "Add" or len(operands) != 1 or nodes.consumers[operands[0]] != 1:
        return None
    for key, found in groups.items():
        if key.startswith("\0") and len(found) == 1 and found[0].op in PRODUCTS and found[0].output == operands[0]:
            return key if _is_bias(node, found[0], nodes) else None
    return None


def _is_bias(node: Node, product: Node, nodes: Nodes) -> bool:
    """Whether the constant of an Add is one number a map (of a Conv) or a unit (of a MatMul)."""
    constant = next(name for name in node.inputs if name not in nodes.dynamic)
    made = nodes.shapes.get(product.output, ())
    given = nodes.constant_shape(constant)
    padded = (1,) * (len(made) - len(given)) + given
    return len(padded) == len(made) and all(
        cells == 1 or (axis == 1 and cells == made[1]) for axis, cells in enumerate(padded)
    )


def _name(key: str, found: Sequence[Node]) -> str:
    if not key.startswith("\0"):
        return key
    return next((node.name for node in found if node.name), found[-1].output)


def _refuse_hidden(group: Group, nodes: Nodes) -> None:
    inside = [name for node in group.nodes for name in node.inputs]
    for node in group.nodes[:-1]:
        for tensor in node.outputs:
            if tensor and nodes.consumers[tensor] > inside.count(tensor):
                raise NetworkUnusable(
                    f"{nodes.title}: the layer '{group.name}' hides the tensor '{tensor}', which is used outside of "
                    "it. Take its node out of the manifest's layer.",
                    tensor,
                )
