"""Groups of nodes -> layers, keeping for every tensor the view of the layer that it shows."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from app import figures
from app.arithmetic import Span
from app.constants import QUANTISING
from app.errors import NetworkUnusable
from app.groups import Group, url_safe
from app.layer import Layer
from app.manifest import Manifest
from app.nodes import Node, Nodes
from app.opaque import opaque
from app.operations import (
    Activation,
    Add,
    Affine,
    Convolution,
    Full,
    Input,
    Opaque,
    Operation,
    RadialBasis,
    Rearrangement,
    Softmax,
)
from app.patterns import recognise
from app.views import View, channels_last, is_transparent, layer_shape, through

REARRANGEMENTS = {"Flatten": "flatten", "Dropout": "dropout"}  # as the API calls them; else the ONNX operator


class LayerReader:
    """Makes the layers, group after group in topological order. `layers` holds them by name, the input first."""

    def __init__(self, nodes: Nodes, manifest: Manifest | None) -> None:
        self.nodes = nodes
        self.tables = dict(manifest.connections) if manifest is not None else {}
        self.fixed = frozenset(manifest.fixed) if manifest is not None else frozenset()
        self.layers: dict[str, Layer] = {}
        self.views: dict[str, View] = {}
        self.counted: set[str] = set()  # initializers that are already some layer's parameters
        channels, height, width = nodes.input_shape
        last = nodes.input_layout == "NHWC"
        self._append(
            Layer(
                name=url_safe(nodes.input_name),
                op="input",
                inputs=(),
                shape=nodes.input_shape,
                tensor=nodes.input_name,
                nodes=(),
                operation=Input(),
                reach=(Span(), Span()),
                channels_last=last,
            ),
            (height, width, channels) if last else nodes.input_shape,
        )

    def add(self, group: Group) -> None:
        """Make the layer of a group, or only a view where its one node reshapes."""
        if not group.joined and is_transparent(group.nodes[0], self.nodes):
            node = group.nodes[0]
            self.views[node.output] = through(self.views[node.inputs[0]], node, self.nodes)
            return
        chain = self._chain(group)
        if not chain:
            view = self._inner_view(group.nodes[0], group)
            for node in group.nodes[1:]:
                view = through(view, node, self.nodes)
            self._materialise(replace(view, node=group.nodes[0]), group.name)
            return
        found = recognise(chain, self.nodes) if self._is_line(chain, group) else None
        operation, activation = found if found is not None else (opaque(chain, self.nodes), None)
        operands = self._operands(group, chain)
        if self._is_pointwise(operation) and self._same_order(operands):
            self._add_aligned(group, operation, activation, operands)
        else:
            if isinstance(operation, Full):
                operation = replace(operation, order=operands[0].order)
            elif not (isinstance(operation, RadialBasis) and operands[0].order is None):
                operands = [self._as_stored(view) for view in operands]
                if isinstance(operation, Affine) and operation.shape != operands[0].shape:
                    operation = opaque(chain, self.nodes)
            stored = self.nodes.inner_shape(group.output)
            self._add_layer(group, operation, activation, operands, layer_shape(stored), stored)
        self._add_other_outputs(group)

    def output(self) -> Layer:
        """The layer with the predictions: the first output that is a vector of classes, or the softmax of it.

        One number alone, as an ArgMax's, is taken where there is nothing else.

        Raises:
            NetworkUnusable: no output is.
        """
        shapes = {name: self.nodes.inner_shape(name) for name in self.nodes.outputs if name in self.views}
        vectors = [
            name for name, shape in shapes.items() if shape and 0 not in shape and math.prod(shape) == max(shape)
        ]
        if not vectors:
            raise NetworkUnusable(
                f"{self.nodes.title}: no output is one number a class (the outputs have the shapes {shapes}). Only "
                "image classifiers can be served.",
                list(map(list, shapes.values())),
            )
        vectors.sort(key=lambda name: max(shapes[name]) == 1)
        first, *others = (self._before_rounding(self.layers[self.views[name].layer]) for name in vectors)
        if _is_softmax(first):
            return first
        # an embedding or the logits may come before what is made of them; other heads' probabilities are not meant
        return next((other for other in others if _is_softmax(other) and self._depends(other, first)), first)

    def leave_out_empty(self) -> None:
        """Take out the layers without a cell, as a Split may make one: there is nothing to see of them."""
        empty = {name for name, layer in self.layers.items() if 0 in layer.shape}
        if empty:
            self.layers = {
                name: replace(layer, inputs=tuple(one for one in layer.inputs if one not in empty))
                for name, layer in self.layers.items()
                if name not in empty
            }

    def _before_rounding(self, layer: Layer) -> Layer:
        """The softmax whose probabilities a layer only rounds; else the layer itself.

        Rounded to 8 bits they would not sum to 1.
        """
        source = before_rounding(layer, self.layers)
        return source if _is_softmax(source) else layer

    def _depends(self, layer: Layer, source: Layer) -> bool:
        """Whether a layer is computed from another, over however many between them."""
        known: set[str] = set()
        waiting: Iterable[str] = layer.inputs
        while waiting := {name for name in waiting if name not in known}:
            known |= waiting
            waiting = [name for one in waiting for name in self.layers[one].inputs]
        return source.name in known

    def _chain(self, group: Group) -> list[Node]:
        """The group's nodes that compute something."""
        if len(group.nodes) == 1 and not is_transparent(group.nodes[0], self.nodes):
            return list(group.nodes)
        return [node for node in group.nodes if not is_transparent(node, self.nodes)]

    def _is_line(self, chain: Sequence[Node], group: Group) -> bool:
        """Whether each node takes the one before (perhaps reshaped), and nothing else that depends on the image."""
        makers = {node.output: node for node in group.nodes}
        for before, node in pairwise(chain):
            sources = set(self.nodes.operands(node))
            while sources and (maker := makers.get(next(iter(sources)))) is not None and maker not in chain:
                if maker.op == "Transpose":
                    return False
                sources = {maker.inputs[0]}
            if sources != {before.output}:
                return False
        return True

    def _inner_view(self, node: Node, group: Group) -> View:
        """The view behind a transparent node of a joined group, whose inputs may be transparent in turn."""
        maker = next((one for one in group.nodes if one.output == node.inputs[0]), None)
        before = self._inner_view(maker, group) if maker is not None else self.views[node.inputs[0]]
        return through(before, node, self.nodes)

    def _operands(self, group: Group, chain: Sequence[Node]) -> list[View]:
        """The views that enter the group from outside, in order."""
        makers = {node.output: node for node in group.nodes}
        views = []
        for node in chain:
            for name in self.nodes.operands(node):
                maker = makers.get(name)
                while maker is not None and maker not in chain and maker.inputs[0] in makers:
                    maker = makers[maker.inputs[0]]
                if maker is None:
                    views.append(self.views[name])
                elif maker not in chain:
                    views.append(self._inner_view(makers[name], group))
        return views

    def _is_pointwise(self, operation: Operation) -> bool:
        return isinstance(operation, Activation | Add | Affine) or (
            isinstance(operation, Opaque) and operation.pointwise
        )

    def _same_order(self, views: Sequence[View]) -> bool:
        """Whether all views show layers of one shape in one order that an engine can undo."""
        shapes = {self.layers[view.layer].shape for view in views}
        if len(shapes) != 1 or len({view.shape for view in views}) != 1:
            return False
        shape = next(iter(shapes))
        plain = all(view.order is None for view in views)
        return plain or all(view.is_channels_last(shape) for view in views)

    def _add_aligned(
        self, group: Group, operation: Operation, activation: str | None, operands: Sequence[View]
    ) -> None:
        """A layer whose numbers lie as its sources' do: it has their shape, whatever the node's tensor has."""
        shape = self.layers[operands[0].layer].shape
        stored = self.nodes.inner_shape(group.output)
        if stored != operands[0].shape:  # a constant made it larger
            self._add_layer(
                group,
                opaque(group.nodes, self.nodes),
                None,
                [self._as_stored(view) for view in operands],
                layer_shape(stored),
                stored,
            )
            return
        self._add_layer(group, operation, activation, operands, shape, stored, last=operands[0].order is not None)
        # where the tensor is used as it is, a node that turned or flattened before the layer shows behind it
        self.views[group.output] = replace(self.views[group.output], node=operands[0].node)

    def _as_stored(self, view: View) -> View:
        """The view itself where it shows its layer as it is; else its reshaping node becomes a layer."""
        if view.shows(self.layers[view.layer].shape):
            return view
        return self._materialise(view, None)

    def _materialise(self, view: View, name: str | None) -> View:
        """Make a layer of a reshaping node, which a manifest names or whose result is used as it is."""
        node = view.node
        source = self.layers[view.layer]
        shape = layer_shape(view.shape)
        # Without a node it comes from the input as it is stored, channels last, and is taken so.
        op = REARRANGEMENTS.get(node.op, node.op) if node is not None else "Transpose"
        named = node.name or node.output if node is not None else view.tensor
        operation = Rearrangement(op, view.order)
        self._append(
            Layer(
                name=self._free_name(name or named),
                op=op,
                inputs=(source.name,),
                shape=shape,
                tensor=view.tensor,
                nodes=(named,) if node is not None else (),
                operation=operation,
                reach=figures.reach(operation, [source.shape], [source.reach], shape),
                connections=math.prod(shape),
                formula=figures.formula(operation, [source.shape], shape) if shape != source.shape else "",
            ),
            view.shape,
        )
        return self.views[view.tensor]

    def _add_layer(
        self,
        group: Group,
        operation: Operation,
        activation: str | None,
        operands: Sequence[View],
        shape: tuple[int, ...],
        stored: tuple[int, ...],
        last: bool = False,
    ) -> None:
        sources = [self.layers[view.layer] for view in operands]
        shapes = [source.shape for source in sources]
        if isinstance(operation, Convolution):  # a vector may enter as N x 1 x 1
            shapes = [(*one, 1, 1) if len(one) == 1 else one for one in shapes]
        name = self._free_name(group.name)
        table = self._table(group.name, operation, shapes, shape)
        parameters, fixed = self._count(operation, figures.unjoined(operation, shapes[0], shape, table))
        window = figures.window_of(operation)
        self._append(
            Layer(
                name=name,
                op=operation.op,
                inputs=tuple(source.name for source in sources),
                shape=shape,
                tensor=group.output,
                nodes=tuple(node.name or node.output for node in group.nodes),
                operation=operation,
                reach=figures.reach(operation, shapes, [one.reach for one in sources], shape),
                channels_last=last,
                activation=activation,
                table=table,
                kernel=window.kernel if window else None,
                stride=window.stride if window else None,
                padding=window.padding if window else None,
                dilation=window.dilation if window else None,
                groups=operation.groups if isinstance(operation, Convolution) else None,
                parameters=parameters,
                fixed=fixed,
                multiply_adds=figures.multiply_adds(operation, shapes, shape, table),
                connections=figures.connections(operation, shapes, shape, table),
                formula=figures.formula(operation, shapes, shape),
            ),
            stored,
        )

    def _add_other_outputs(self, group: Group) -> None:
        """Further outputs that somebody uses (of a Split, say) are layers too, numbered.

        There is no rule for them: the places of a MaxPool's largest values are none of the values. What the node
        learned and computes counts in its first output.
        """
        first, node = self.layers[self.views[group.output].layer], group.nodes[-1]
        sources = [self.layers[name] for name in first.inputs]
        shapes, reaches = [source.shape for source in sources], [source.reach for source in sources]
        operation = Opaque(node.op, ())
        for tensor in node.outputs:
            if not tensor or tensor == group.output or not self.nodes.consumers[tensor]:
                continue
            stored = self.nodes.inner_shape(tensor)
            shape = layer_shape(stored)
            alike = shape == first.shape  # as those places do, whose units see what the first output's do
            layer = Layer(
                name=self._free_name(group.name),
                op=node.op,
                inputs=first.inputs,
                shape=shape,
                tensor=tensor,
                nodes=first.nodes,
                operation=operation,
                reach=first.reach if alike else figures.reach(operation, shapes, reaches, shape),
            )
            self._append(layer, stored)

    def _table(
        self, name: str, operation: Operation, sources: Sequence[tuple[int, ...]], shape: tuple[int, ...]
    ) -> figures.Table | None:
        """The layer's connection table, checked against its maps."""
        table = self.tables.get(name)
        if table is None:
            return None
        maps = max((target for targets in table for target in targets), default=-1) + 1
        if not isinstance(operation, Convolution) or operation.groups != 1:
            raise NetworkUnusable(
                f"{self.nodes.title}: the manifest gives '{name}' a connection table, but it is {operation.op}. Only "
                "a convolution in one group can have one.",
                name,
            )
        if len(table) != sources[0][0] or maps > shape[0]:
            raise NetworkUnusable(
                f"{self.nodes.title}: the connection table of '{name}' has {len(table)} rows and joins up to {maps} "
                f"maps; the layer has {sources[0][0]} input and {shape[0]} output maps. Correct the manifest.",
                [len(table), maps],
            )
        return table

    def _count(self, operation: Operation, structural_zeros: int) -> tuple[int, int]:
        """(trained numbers, constants by design); a number shared by several layers counts in the first."""
        trained = fixed = 0
        for name in dict.fromkeys(operation.trained):
            sources = self.nodes.constants.sources(name)
            size = math.prod(self.nodes.constant_shape(name))
            if sources <= self.fixed:
                fixed += size
            elif not sources <= self.counted:
                trained += size
            self.counted.update(sources)
        return max(trained - structural_zeros, 0), fixed

    def _free_name(self, name: str) -> str:
        """The name for URLs, numbered where it is taken."""
        base = free = url_safe(name)
        number = 2
        while free in self.layers:
            free, number = f"{base}_{number}", number + 1
        return free

    def _append(self, layer: Layer, stored: tuple[int, ...]) -> None:
        """Add a layer, whose tensor has the shape `stored` (without batch)."""
        self.layers[layer.name] = layer
        order = channels_last(layer.shape) if layer.channels_last else None
        if order is not None and np.array_equal(order, np.arange(order.size)):
            order = None
        self.views[layer.tensor] = View(layer.name, layer.tensor, stored, order)


def before_rounding(layer: Layer, layers: Mapping[str, Layer]) -> Layer:
    """The layer whose numbers this one, and those between them, only round to 8 bits, scale back or reshape."""
    while layer.op in QUANTISING or (isinstance(layer.operation, Rearrangement) and layer.operation.order is None):
        layer = layers[layer.inputs[0]]
    return layer


def _is_softmax(layer: Layer) -> bool:
    """Whether a layer holds one probability a class."""
    return isinstance(layer.operation, Softmax) and layer.operation.everything
