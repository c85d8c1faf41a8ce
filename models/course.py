"""Counts what the course's page says of architectures, and writes it for the service.

python -m models.course      models/course/counted.json
"""

import argparse
import json
from pathlib import Path

from app.course import Counted, CountedLayer, CountedModule, CountedNetwork, CountedStep
from app.graph import Graph, read_graph
from app.places import COURSE
from models.architectures.googlenet import MODULES
from models.bundle import write_atomically
from models.export import structure

CLASSES = 1000  # ImageNet's, as published

VGG = ("vgg11", "vgg11_lrn", "vgg13", "vgg16_1x1", "vgg16", "vgg19")
RESIDUAL = (
    *("plain18", "plain34", "resnet18", "resnet34_a", "resnet34", "resnet34_c"),
    *("resnet50", "resnet101", "resnet152"),
)
INCEPTION = {"full": "googlenet", "naive": "googlenet_naive"}
NETWORKS = ("alexnet", *VGG, *INCEPTION.values(), *RESIDUAL)

WEIGHTED = ("conv", "full")
PLANNED = ("conv", "lrn", "max_pool", "full")


def depth(graph: Graph) -> int:
    """Convolutions and full layers on the longest way from input to output."""
    depths: dict[str, int] = {}
    for layer in graph.layers:  # in topological order
        before = max((depths[source] for source in layer.inputs), default=0)
        depths[layer.name] = before + (layer.op in WEIGHTED)
    return depths[graph.output.name]


def plan(graph: Graph) -> tuple[CountedLayer, ...]:
    """The layers that a drawing of the whole network names."""
    return tuple(
        CountedLayer(op=layer.op, kernel=layer.kernel[0] if layer.kernel else None, channels=layer.shape[0])
        for layer in graph.layers
        if layer.op in PLANNED
    )


def count_network(graph: Graph, planned: bool) -> CountedNetwork:
    """The figures of a whole network; batch normalisation is folded into its convolution (one bias a map)."""
    return CountedNetwork(
        classes=graph.classes,
        parameters=graph.parameters,
        multiply_adds=graph.multiply_adds,
        units=graph.units,
        convolutions=sum(layer.op == "conv" for layer in graph.layers),
        weight_layers=depth(graph),
        plan=plan(graph) if planned else (),
    )


def count_module(graph: Graph, name: str) -> CountedModule:
    """One inception module of a GoogLeNet's graph."""
    prefix = f"inception_{name}."
    layers = [layer for layer in graph.layers if layer.name.startswith(prefix)]
    pool = graph.layer(f"{prefix}pool")
    return CountedModule(
        name=name,
        inputs=pool.shape[0],
        channels=graph.layer(f"{prefix}output").shape[0],
        parameters=sum(layer.parameters for layer in layers),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
        steps={
            layer.name.removeprefix(prefix): CountedStep(
                channels=layer.shape[0], parameters=layer.parameters, multiply_adds=layer.multiply_adds
            )
            for layer in layers
            if layer.op == "conv"
        },
    )


def count() -> Counted:
    """Everything, from the architectures at their published sizes; no numbers are made."""
    graphs = {name: read_graph(structure(name, CLASSES), None, name) for name in NETWORKS}
    return Counted(
        format=1,
        networks={name: count_network(graph, name in VGG) for name, graph in graphs.items()},
        modules={
            form: tuple(count_module(graphs[network], name) for name in MODULES)
            for form, network in INCEPTION.items()
        },
    )


def write(folder: Path = COURSE) -> Path:
    """Write `counted.json` into the folder, and say where it is."""
    path = folder / "counted.json"
    write_atomically(path, text_of(count()).encode())
    return path


def text_of(counted: Counted) -> str:
    """The file's text: a network or a module a line, for a person to compare."""
    document = counted.model_dump(exclude_defaults=True)
    networks = [f"  {json.dumps(name)}: {json.dumps(figures)}" for name, figures in document["networks"].items()]
    modules = [
        f"  {json.dumps(form)}: [\n" + ",\n".join(f"   {json.dumps(one)}" for one in ones) + "\n  ]"
        for form, ones in document["modules"].items()
    ]
    joined = ",\n"
    return (
        f'{{\n "format": {counted.format},\n'
        f' "networks": {{\n{joined.join(networks)}\n }},\n'
        f' "modules": {{\n{joined.join(modules)}\n }}\n}}\n'
    )


def main() -> None:
    """Count and write."""
    argparse.ArgumentParser(
        prog="python -m models.course", description=(__doc__ or "").partition("\n")[0]
    ).parse_args()
    print(write())


if __name__ == "__main__":
    main()
