"""A small VGG becomes a large one that computes the same: what it has learned is not learned again.

Simonyan and Zisserman began their deep configurations with configuration A's weights (section 3.1); here the rest
begins as something that changes nothing, too. Chen, Goodfellow and Shlens 2015, "Net2Net: Accelerating learning via
knowledge transfer": a new layer starts as the identity, which ReLU lets pass (section 2.2); a wider layer repeats its
channels (section 2.1). Where the paper divides a repeated channel's outgoing weights among its copies, here each
weight goes to one copy, drawn at random: as exact, it leaves half of the weights zero, and the copies get different
gradients from the first step on.
"""

import torch
from torch import Tensor, nn

from models.architectures.vgg import VGG


@torch.no_grad()
def grow(small: VGG, large: VGG, seed: int = 0) -> VGG:
    """`large`, in evaluation, filled so that it computes what `small` does.

    Both have five stages; `large` has at least as many convolutions in each, and a multiple of the channels.

    Raises:
        ValueError: `large` is no such network.
    """
    draws = torch.Generator().manual_seed(seed)
    origin = torch.arange(3)  # for every channel of `large`, the channel of `small` that it repeats; the picture's do
    learned = {name: small.get_submodule(path) for path, name in small.layer_names().items()}
    for path, name in large.layer_names().items():
        module = large.get_submodule(path)
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        if name in learned:
            before = learned[name]
            assert isinstance(before, nn.Conv2d | nn.Linear) and before.bias is not None
            weight, bias = before.weight, before.bias
        elif isinstance(module, nn.Conv2d):
            weight, bias = _identity(int(origin.max()) + 1, module.kernel_size[0])
        else:
            raise ValueError(f"'{name}' is a full layer that the smaller network has not.")
        if module.weight.shape[0] % weight.shape[0]:
            raise ValueError(f"'{name}' has {module.weight.shape[0]} outputs, no multiple of {weight.shape[0]}.")
        if isinstance(module, nn.Linear) and weight.shape[1] > int(origin.max()) + 1:  # behind the flattening
            cells = weight.shape[1] // (int(origin.max()) + 1)
            origin = (origin[:, None] * cells + torch.arange(cells)).flatten()
        last = module.weight.shape[0] == weight.shape[0]
        copies = torch.arange(module.weight.shape[0]) % weight.shape[0]
        outputs = copies if last else copies[torch.randperm(len(copies), generator=draws)]
        module.weight.copy_(weight[outputs][:, origin] * _shares(len(outputs), origin, draws, weight.ndim))
        assert module.bias is not None
        module.bias.copy_(bias[outputs])
        origin = outputs
    return large.eval()


def _identity(channels: int, size: int) -> tuple[Tensor, Tensor]:
    """Kernel (channels, channels, size, size) and bias of a convolution that changes nothing."""
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
