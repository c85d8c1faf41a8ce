"""A small VGG becomes a large one that computes the same: what it has learned is not learned again.

Simonyan and Zisserman began their deep configurations with configuration A's weights (section 3.1); here the rest
begins as something that changes nothing, too. Chen, Goodfellow and Shlens 2015, "Net2Net: Accelerating learning via
knowledge transfer": a new layer starts as the identity, which ReLU lets pass (Net2DeeperNet); a wider layer repeats
its channels (Net2WiderNet). Where the paper divides a repeated channel's outgoing weights among its copies, here each
weight goes to one copy, drawn at random: as exact, it leaves half of the weights zero, and the copies get different
gradients from the first step on.

As long as the large network has not learned anything itself, the small one can be had back from it, also when it was
packed in 8 bits a weight meanwhile.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.architectures.vgg import VGG
from models.compress import step_sizes

Layer = nn.Conv2d | nn.Linear


@dataclass(frozen=True)
class Step:
    """How one layer of the large network comes from the small one."""

    layer: Layer  # of the large network
    small: Layer | None  # what it repeats; None where it begins as the identity
    outputs: Tensor  # (out,): for every output, that of the small layer which it repeats
    inputs: Tensor  # (in,): likewise
    shares: Tensor  # (out, in, 1 ...): 1 at the one copy of an input that an output reads, 0 at the others


@torch.no_grad()
def grow(small: VGG, large: VGG, seed: int = 0) -> VGG:
    """`large`, in evaluation, filled so that it computes what `small` does.

    Both have five stages; `large` has at least as many convolutions in each, and a multiple of the channels.

    Raises:
        ValueError: `large` is no such network.
    """
    for step in _steps(small, large, seed):
        weight, bias = _numbers(step.small) if step.small is not None else _identity(step)
        step.layer.weight.copy_(weight[step.outputs][:, step.inputs] * step.shares)
        _numbers(step.layer)[1].copy_(bias[step.outputs])
    return large.eval()


@torch.no_grad()
def shrink(large: VGG, small: VGG, seed: int = 0) -> VGG:
    """`small`, in evaluation, filled with what `large` grew from: `grow` makes the same large network of it.

    Copies of a channel may differ by a step of 8 bits (`models.compress.quantise`), and count by their mean.

    Raises:
        ValueError: `large` has other layers than `small`, or learned something after it had grown.
    """
    for step in _steps(small, large, seed):
        if step.small is None:
            raise ValueError("The larger network has layers that the smaller has not.")
        weight, bias = _numbers(step.layer)
        small_weight, small_bias = _numbers(step.small)
        copies = step.outputs.argsort(stable=True).view(len(small_bias), -1).T  # (times, out): copies of each output
        read = weight * step.shares
        first, *others = [torch.zeros_like(small_weight).index_add_(1, step.inputs, read[copy]) for copy in copies]
        small_weight.copy_(first + sum(((other - first) / len(copies) for other in others), torch.zeros(())))
        small_bias.copy_(bias[copies[0]])
        off = (small_weight[step.outputs][:, step.inputs] * step.shares - weight).flatten(1).abs()
        near = torch.allclose(small_bias[step.outputs], bias, rtol=1e-4, atol=1e-5)
        if not near or (off > _tolerance(weight)).any():
            raise ValueError("The larger network has learned since it grew: copies of a channel differ.")
    return small.eval()


def _tolerance(weight: Tensor) -> Tensor:
    """By how much copies may be off, each (out, ...) flattened: a step of 8 bits, where the numbers are such."""
    rows = weight.flatten(1)
    step = torch.from_numpy(step_sizes(weight.numpy()))[:, None].clamp(min=1e-30)  # (out, 1)
    packed = bool(((rows / step).frac().abs() - 0.5).abs().min() > 0.49)  # all of them whole steps
    return 1.001 * step if packed else 1e-6 + 1e-4 * rows.abs()


def _steps(small: VGG, large: VGG, seed: int) -> Iterator[Step]:
    """From the first layer to the last. Which copy reads what is drawn by the seed."""
    draws = torch.Generator().manual_seed(seed)
    origin = torch.arange(3)  # for every channel of `large`, the channel of `small` that it repeats; the picture's do
    learned = {name: small.get_submodule(path) for path, name in small.layer_names().items()}
    layers = large.layer_names()
    if lost := learned.keys() - layers.values():
        raise ValueError(f"The larger network has no {', '.join(sorted(lost))}.")
    for path, name in layers.items():
        module = large.get_submodule(path)
        if not isinstance(module, Layer):
            continue
        channels = int(origin.max()) + 1
        before = learned.get(name)
        if before is None and isinstance(module, nn.Linear):
            raise ValueError(f"'{name}' is a full layer that the smaller network has not.")
        assert before is None or isinstance(before, Layer)
        least, read = (channels, channels) if before is None else before.weight.shape[:2]
        if module.weight.shape[0] % least:
            raise ValueError(f"'{name}' has {module.weight.shape[0]} outputs, no multiple of {least}.")
        if isinstance(module, nn.Linear) and read > channels:  # behind the flattening
            cells = read // channels
            origin = (origin[:, None] * cells + torch.arange(cells)).flatten()
        last = module.weight.shape[0] == least
        copies = torch.arange(module.weight.shape[0]) % least
        outputs = copies if last else copies[torch.randperm(len(copies), generator=draws)]
        yield Step(module, before, outputs, origin, _shares(len(outputs), origin, draws, module.weight.ndim))
        origin = outputs


def _numbers(layer: Layer) -> tuple[Tensor, Tensor]:
    """A layer's weight and bias, not copies."""
    assert layer.bias is not None
    return layer.weight, layer.bias


def _identity(step: Step) -> tuple[Tensor, Tensor]:
    """Kernel (channels, channels, size, size) and bias of a convolution that changes nothing."""
    channels, size = int(step.inputs.max()) + 1, step.layer.weight.shape[-1]
    kernel = torch.zeros(channels, channels, size, size)
    kernel[torch.arange(channels), torch.arange(channels), size // 2, size // 2] = 1
    return kernel, torch.zeros(channels)


def _shares(outputs: int, origin: Tensor, draws: torch.Generator, ndim: int) -> Tensor:
    """(outputs, inputs, 1 ...): for every output and every repeated input, 1 at one of the copies and 0 elsewhere."""
    times = len(origin) // (int(origin.max()) + 1)
    order = origin.argsort(stable=True).view(-1, times)  # (inputs of the small network, copies of each)
    shares = torch.zeros(outputs, len(origin))
    chosen = torch.randint(times, (outputs, order.shape[0]), generator=draws)  # which copy
    shares.scatter_(1, order[torch.arange(order.shape[0]), chosen], 1.0)
    return shares.view(*shares.shape, *(1,) * (ndim - 2))
