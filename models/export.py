"""Torch module -> ONNX graph with the course's layer names.

    python -m models.export resnet50 --weights imagenet     torchvision's weights as resnet50.onnx and resnet50.json

Not `torch.onnx.export`: that takes local response normalisation apart into Pow, AveragePool and Transpose where ONNX
has one operator LRN, and names nodes after torch's paths. Here the module is traced (torch.fx) and each of its parts
becomes the ONNX operators that define it; the graph comes out as the paper draws it, one node a layer where ONNX has
one, and batch normalisation folded into its convolution.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper
from torch import fx, nn

from models.architectures import build
from models.architectures.network import Network
from models.layers import RadialBasis
from models.operators import GraphBuilder, fold

OPSET = 17
IR_VERSION = 9  # read by onnxruntime 1.16 and later
INPUT = "image"


@dataclass(frozen=True)
class Exported:
    """A graph and what its manifest says of it."""

    model: onnx.ModelProto
    layers: dict[str, tuple[str, ...]]  # layers of several nodes, and the names of those
    constants: tuple[str, ...]  # initializers that belong to the architecture: no training changes them


class LayerTracer(fx.Tracer):
    """Stops at torch's own layers and at ours, so that each is one call."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether the module is taken as one."""
        ours = type(m).__module__ == "models.layers"
        return ours or super().is_leaf_module(m, module_qualified_name)


def export(network: Network, title: str) -> Exported:
    """The graph of `network` as it predicts: (N, C, H, W) to probabilities (N, classes), N free.

    Parameters on torch's meta device become initializers that have a shape and no data.

    Raises:
        TypeError: the network calls something that no rule turns into ONNX.
    """
    network.eval()
    builder = GraphBuilder()
    names = network.layer_names()
    tensors: dict[fx.Node, str] = {}
    for call in LayerTracer().trace(network).nodes:
        if call.op == "placeholder":
            tensors[call] = INPUT
        elif call.op == "call_module":
            tensors[call] = emit_call(builder, network, names, call, [tensors[x] for x in call.all_input_nodes])
        elif call.op != "output":
            raise TypeError(f"{title}: '{call}' ({call.target}) is no submodule; make it one, so that it has a name.")
    nodes = builder.finish()
    graph = helper.make_graph(
        nodes,
        title,
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", *network.input_shape])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, ["N", count_classes(network)])],
        list(builder.initializers.values()),
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="convscope")
    return Exported(model, builder.joined(), tuple(builder.constants))


def emit_call(
    builder: GraphBuilder, network: Network, names: dict[str, str], call: fx.Node, inputs: list[str]
) -> str:
    """The nodes of one traced call; returns the name of its output tensor."""
    path = str(call.target)
    module = network.get_submodule(path)
    if isinstance(module, nn.BatchNorm2d):
        return inputs[0]  # its convolution has taken it in
    if isinstance(module, nn.Conv2d):
        following = next(iter(call.users))
        norm = network.get_submodule(str(following.target)) if following.op == "call_module" else None
        if isinstance(norm, nn.BatchNorm2d):
            layer = layer_of(str(following.target), names)
            return builder.convolution(module, *fold(module, norm), layer, inputs)
    return builder.emit(module, layer_of(path, names), inputs)


def layer_of(path: str, names: dict[str, str]) -> str:
    """The layer that the submodule at `path` is, or is a part of; its own path where the course has no name."""
    ancestor = path
    while ancestor:
        if ancestor in names:
            return names[ancestor]
        ancestor = ancestor.rpartition(".")[0]
    return path


def count_classes(network: Network) -> int:
    """How many classes the last layer tells apart."""
    counts = [
        module.out_features if isinstance(module, nn.Linear) else len(module.codes)
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | RadialBasis) and not name.startswith("aux")
    ]
    return counts[-1]


def structure(network_name: str, classes: int = 1000) -> onnx.ModelProto:
    """The graph of an architecture without numbers, at its published size; needs no memory for weights.

    Raises:
        ValueError: no such architecture, or it cannot have that many classes.
    """
    with torch.device("meta"):
        return export(build(network_name, classes), network_name).model


def main() -> int:
    """Write one network with torchvision's weights, for `convscope serve --onnx`; returns the exit status."""
    from models import pretrained  # noqa: PLC0415  # it exports by this module

    parser = argparse.ArgumentParser(prog="python -m models.export", description=pretrained.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("network", choices=pretrained.PRETRAINED, metavar="NETWORK", help="%(choices)s")
    parser.add_argument("--weights", required=True, choices=("imagenet",), help="which: torchvision's of ImageNet")
    parser.add_argument("-o", "--output", type=Path, default=Path(), metavar="FOLDER", help="default: this folder")
    parser.add_argument("--base-url", default=pretrained.BASE_URL, metavar="URL", help="default: %(default)s")
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    parser.add_argument(
        "--cache", type=Path, default=cache, metavar="FOLDER", help="of the fetched file: %(default)s"
    )
    options = parser.parse_args()
    name = options.network
    try:
        state = pretrained.load(name, options.base_url, options.cache)
        path, manifest = pretrained.export_pretrained(name, state, options.output)
    except (RuntimeError, OSError) as error:  # a wrong digest or other parameters; the network or the disk
        print(f"models.export: {name}: {error}", file=sys.stderr)
        return 1
    if pretrained.PRETRAINED[name].deviation:
        print(f"{name}: {pretrained.PRETRAINED[name].deviation}")
    print(f"{path} and {manifest}: convscope serve --onnx {path} --manifest {manifest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
