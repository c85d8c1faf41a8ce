"""Shipped numbers back into a torch module: the warm start of the next training run."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.manifest import read_manifest
from app.network import Network as Served
from models.architectures.network import Network
from models.layers import Subsampling
from models.normalised import Normalised, learning_form

SOME = 150  # every 150th training photo, by which normalisations settle: some of every class


def shipped_numbers(folder: Path, cache: Path) -> dict[str, NDArray[np.float32]] | None:
    """The initializers of the default weights in a bundled network's folder, or None where they are not trained."""
    manifest = read_manifest(folder / "manifest.json")
    weights = manifest.get_weights(manifest.default_weights)
    if not weights.trained:
        return None
    served = Served(manifest, weights, folder / weights.graph, cache, provider="cpu")
    served.prepare()
    return {name: np.array(array) for name, array in served.initializers.items()}


@torch.no_grad()
def load_numbers(network: Network, numbers: Mapping[str, NDArray[np.float32]]) -> None:
    """Put a graph's initializers into the torch module (published form); batch normalisation becomes the folded bias.

    Raises:
        ValueError: the graph has numbers that the module has no place for.
    """
    taken = set()

    def take(name: str) -> Tensor:
        taken.add(name)
        return torch.from_numpy(np.array(numbers[name]))

    for path, name in network.layer_names().items():
        module = network.get_submodule(path)
        if isinstance(module, nn.Sequential):  # LeNet-5's layers: the squashing function is second
            module = module[0]
        if isinstance(module, nn.BatchNorm2d):
            _before(network, path).weight.copy_(take(f"{name}.weight"))
            module.weight.fill_((1 + module.eps) ** 0.5)
            module.bias.copy_(take(f"{name}.bias"))
        elif isinstance(module, Subsampling):
            module.coefficient.copy_(take(f"{name}.factor")[:, 0, 0] / 4)
            module.bias.copy_(take(f"{name}.bias")[:, 0, 0])
        elif isinstance(module, nn.Conv2d | nn.Linear):
            assert module.bias is not None
            module.weight.copy_(take(f"{name}.weight"))
            module.bias.copy_(take(f"{name}.bias"))
    left = {name for name in numbers if name.endswith((".weight", ".bias", ".factor"))} - taken
    if left:
        raise ValueError(f"{type(network).__name__} has no place for {', '.join(sorted(left))}.")


@torch.no_grad()
def settle_normalisation(network: Network, inputs: Tensor) -> None:
    """Let every batch normalisation divide by what it sees, without changing what the network computes.

    Numbers that come from a folded graph leave the normalisation an affine map; training would normalise by the
    batch and so change the function. Here each takes mean and variance of `inputs` (N, C, H, W) as its statistics,
    and weight and bias that undo them.
    """

    def settle(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        assert isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
        assert module.running_mean is not None and module.running_var is not None
        maps = arguments[0].float()
        factor = module.weight / torch.sqrt(module.running_var + module.eps)
        shift = module.bias - module.running_mean * factor
        others = [dim for dim in range(maps.ndim) if dim != 1]
        mean, variance = maps.mean(dim=others), maps.var(dim=others, unbiased=False)
        module.running_mean.copy_(mean)
        module.running_var.copy_(variance)
        module.weight.copy_(factor * torch.sqrt(variance + module.eps))
        module.bias.copy_(shift + mean * factor)

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    handles = [norm.register_forward_pre_hook(settle) for norm in norms]
    network.eval().training_logits(inputs)
    for handle in handles:
        handle.remove()


@torch.no_grad()
def rescale(network: Network) -> None:
    """Give the kernels that a normalisation follows the length they began with, without changing what is computed.

    In evaluation outputs do not depend on that length, and in training neither, once the normalisations have settled
    (`settle_normalisation`, which must follow); but a step turns a kernel by the inverse square of it (van Laarhoven
    2017, "L2 regularization versus batch and weight normalization"). Folding leaves whatever length comes of it: in
    ResNet-34 the second kernels of the blocks had a squared length of 0.002, where He et al. 2015 begin with 2, and
    the first steps of a run wiped out what half of its layers knew.
    """
    for path, norm in network.named_modules():
        if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            continue
        kernel = _before(network, path).weight
        length = kernel.flatten(1).norm(dim=1)  # (out,)
        factor = torch.where(length > 0, 2**0.5 / length, 1.0)
        kernel.mul_(factor.reshape(-1, *[1] * (kernel.ndim - 1)))
        assert norm.running_mean is not None
        norm.running_mean.mul_(factor)
        norm.weight.div_(factor)


def _before(network: Network, path: str) -> nn.Conv2d | nn.Linear:
    """The layer whose outputs a normalisation gets: those of the learning form, of ResNet, of torchvision's forms."""
    for norm, layer in ((".norm", ".layer"), ("bn", "conv"), ("downsample.1", "downsample.0")):
        path = path.replace(norm, layer)
    before = network.get_submodule(path)
    assert isinstance(before, nn.Conv2d | nn.Linear)
    return before


def as_learned(network: Network) -> None:
    """Make the statistics of fresh normalisations those of an affine map that does nothing but add its bias."""
    for module in network.modules():
        if isinstance(module, Normalised):
            nn.init.constant_(module.norm.weight, (1 + module.norm.eps) ** 0.5)


def learning_on(network: Network, full: bool, inputs: Tensor) -> Network:
    """The learning form of a network that knows something already; as it is, it computes the same.

    Args:
        network: in its published form; changed in place.
        full: as for `learning_form`.
        inputs: of every class, (N, C, H, W), by which the normalisations settle.
    """
    network = learning_form(network, full)
    as_learned(network)
    rescale(network)
    settle_normalisation(network, inputs)
    return network
