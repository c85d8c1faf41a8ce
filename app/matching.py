"""A foreign graph of a known architecture: which of its layers is which of the course's, and so what it is called.

The same network exported by another tool has other names, its branches in another order, batch normalisation beside
its convolution instead of folded into it, a dropout, or no softmax at its end. Two layers are the same when the same
computation leads to both and the same computation follows on both.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from app.graph import Graph
from app.layer import Layer

Places = dict[str, tuple[str, ...]]  # layer -> the layers it reads, those passed over left out


def match(graph: Graph, known: Graph) -> dict[str, str]:
    """Layer of `graph` -> layer of `known` that computes the same; empty when the networks are not the same.

    Compared are operation, maps (or units), kernel, stride and groups, and what is joined to what; not height and
    width, which follow from the input's size, nor padding, which tools write differently. An operation that only one
    of the two graphs has, and that reads one layer, is passed over.
    """
    ops, known_ops = ({layer.op for layer in one.layers} for one in (graph, known))
    skeleton, known_skeleton = _skeleton(graph, known_ops), _skeleton(known, ops)
    keys, known_keys = _keys(graph, skeleton), _keys(known, known_skeleton)
    if Counter(keys.values()) != Counter(known_keys.values()):
        return {}
    waiting: dict[str, list[str]] = {}
    for name, key in known_keys.items():
        waiting.setdefault(key, []).append(name)
    return {name: waiting[key].pop(0) for name, key in keys.items()}


def rename(graph: Graph, names: Mapping[str, str]) -> Graph:
    """The graph with its layers called by `names`; one that is not among them is called after the one it reads.

    Batch normalisation behind `conv2_1` becomes `conv2_1.batch_norm`.
    """
    taken = set(names.values())
    given: dict[str, str] = {}
    for layer in graph.layers:
        name = names.get(layer.name)
        if name is None:
            base = free = f"{given[layer.inputs[0]]}.{layer.op}"
            number = 2
            while free in taken:
                free, number = f"{base}_{number}", number + 1
            name = free
            taken.add(name)
        given[layer.name] = name
    layers = {
        layer.name: replace(layer, name=given[layer.name], inputs=tuple(given[source] for source in layer.inputs))
        for layer in graph.layers
    }
    return replace(graph, layers=tuple(layers.values()), output=layers[graph.output.name])


def _skeleton(graph: Graph, ops: Iterable[str]) -> Places:
    """What each layer reads, past the layers whose operation is not among `ops`."""
    allowed = set(ops)
    stands_for: dict[str, str] = {}
    places: dict[str, tuple[str, ...]] = {}
    for layer in graph.layers:
        sources = tuple(stands_for[source] for source in layer.inputs)
        if layer.op not in allowed and len(sources) == 1:
            stands_for[layer.name] = sources[0]
        else:
            stands_for[layer.name] = layer.name
            places[layer.name] = sources
    return places


def _keys(graph: Graph, places: Places) -> dict[str, str]:
    """A digest for each layer of all that leads to it and all that follows on it."""
    before: dict[str, str] = {}
    for name, sources in places.items():
        layer = graph.layer(name)
        parts = [before[source] for source in sources]
        before[name] = _digest(_traits(layer), *(sorted(parts) if layer.op == "add" else parts))
    after: dict[str, str] = {}
    readers: dict[str, list[tuple[str, int]]] = {name: [] for name in places}
    for name, sources in places.items():
        for position, source in enumerate(sources):
            readers[source].append((name, 0 if graph.layer(name).op == "add" else position))
    for name in reversed(places):
        parts = sorted(f"{position} {after[reader]}" for reader, position in readers[name])
        after[name] = _digest(_traits(graph.layer(name)), *parts)
    return {name: _digest(before[name], after[name]) for name in places}


def _traits(layer: Layer) -> str:
    """What two layers that compute the same have in common."""
    window = (layer.kernel, layer.stride) if layer.op != "global_average_pool" else None
    return repr((layer.op, layer.shape[0], len(layer.shape) if layer.op == "full" else None, window, layer.groups))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
