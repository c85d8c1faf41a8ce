"""Torch's own activations, layer by layer, against the engine's on the same numbers."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.catalog import Catalog
from app.engine import Engine
from app.graph import read_graph
from models.accuracy import open_weights
from models.architectures import build
from models.architectures.network import Network
from models.bundle import BUNDLED
from models.export import export
from models.shipped import load_numbers

Arrays = dict[str, NDArray[np.float32]]


def torch_activations(network: Network, x: Tensor) -> Arrays:
    """Layer name -> output (C, H, W) or (N,), by forward hooks."""
    seen: Arrays = {}

    def remember(path: str, name: str) -> None:
        def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen[name] = output[0].numpy().copy()

        network.get_submodule(path).register_forward_hook(hook)

    for path, name in network.layer_names().items():
        remember(path, name)
    with torch.no_grad():
        network.eval()(x)
    return seen


def assert_equal(ours: Mapping[str, NDArray[np.float32]], torchs: Arrays) -> None:
    """Equal as the REST contract defines it: |a - b| <= 1e-4 max(|b|, standard deviation of the layer)."""
    assert torchs
    for name, expected in torchs.items():
        found = ours[name]
        assert found.shape == expected.shape, name
        allowed = 1e-4 * np.maximum(np.abs(expected), expected.std())
        worst = (np.abs(found - expected) - allowed).max()
        assert worst <= 0, f"{name}: off by {worst} more than allowed"


@pytest.mark.parametrize("name", sorted(path.parent.name for path in BUNDLED.glob("*/manifest.json")))
def test_every_layer_of_every_bundled_network(catalog: Catalog, name: str) -> None:
    known = catalog.network(name)
    # with as many threads as the service takes by itself
    served = open_weights(known.manifest, known.weights, known.known, known.cache_dir)
    network = build(name, served.graph.classes)
    load_numbers(network, dict(served.initializers))
    x = np.random.default_rng(7).normal(size=served.graph.input_shape).astype(np.float32)
    torchs = torch_activations(network, torch.from_numpy(x)[None])
    ours = served.engine.run(x)
    assert_equal(ours, torchs)
    assert set(ours) - set(torchs) == {served.graph.layers[0].name}, "every layer but the input is compared"


def randomise_normalisation(network: nn.Module) -> None:
    """Statistics and affine parameters as training might leave them, negative scales included."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.5)
            module.running_var.uniform_(0.3, 3)
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.5)


@pytest.mark.parametrize("name", ["resnet18", "resnet34_a", "googlenet_torchvision", "vgg11_lrn"])
def test_batch_normalisation_is_folded_and_options_export(name: str) -> None:
    torch.manual_seed(5)
    network = build(name, 7)
    randomise_normalisation(network)
    model = export(network, name).model
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    graph = read_graph(model)
    x = np.random.default_rng(7).normal(size=network.input_shape).astype(np.float32)
    ours = Engine(model, None, graph, threads=0, provider="cpu").run(x)
    assert_equal(ours, torch_activations(network, torch.from_numpy(x)[None]))
