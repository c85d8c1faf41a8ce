"""The form in which a network learns: batch normalisation after its layers, folded away before shipping.

Networks that were published before batch normalisation (Ioffe and Szegedy 2015) hardly learn from few photos without
it. In evaluation it is an affine map of each channel, so it folds into the layer before it, and what is shipped
is the paper's graph, with the paper's number of parameters.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.architectures.network import Network
from models.winograd import quicken


class Normalised(nn.Module):
    """A convolution, (N, in, H, W) to (N, out, H', W'), or full layer, (N, in) to (N, out), and its normalisation.

    The normalisation's addend is the layer's bias.
    """

    def __init__(self, plain: nn.Conv2d | nn.Linear) -> None:
        super().__init__()
        self.layer: nn.Conv2d | nn.Linear
        self.norm: nn.BatchNorm1d | nn.BatchNorm2d
        if isinstance(plain, nn.Linear):
            self.layer = nn.Linear(plain.in_features, plain.out_features, bias=False)
            self.norm = nn.BatchNorm1d(plain.out_features)
        else:
            assert plain.padding_mode == "zeros" and not isinstance(plain.padding, str)
            self.layer = nn.Conv2d(
                plain.in_channels,
                plain.out_channels,
                (plain.kernel_size[0], plain.kernel_size[1]),
                (plain.stride[0], plain.stride[1]),
                (plain.padding[0], plain.padding[1]),
                groups=plain.groups,
                bias=False,
            )
            self.norm = nn.BatchNorm2d(plain.out_channels)
        with torch.no_grad():
            self.layer.weight.copy_(plain.weight)
            if plain.bias is not None:
                self.norm.bias.copy_(plain.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised by the batch in training, by the running statistics afterwards."""
        x = self.norm(self.layer(x))
        return x

    @torch.no_grad()
    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight (out, in, kh, kw) or (out, in), and bias (out,), of the layer that does the same in evaluation."""
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = self.layer.weight
        return weight * factor.reshape(-1, *[1] * (weight.ndim - 1)), norm.bias - norm.running_mean * factor


class BandResponseNorm(nn.Module):
    """Local response normalisation with the neighbours' squares summed by a 1x1 convolution with a band of ones.

    The same function as torch's LocalResponseNorm, which pools in three dimensions and is several times slower.
    """

    band: Tensor

    def __init__(self, plain: nn.LocalResponseNorm) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = plain.size, plain.alpha, plain.beta, plain.k
        self.register_buffer("band", torch.empty(0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        if self.band.shape[0] != x.shape[1] or self.band.device != x.device:
            index = torch.arange(x.shape[1], device=x.device)
            distance = index[None, :] - index[:, None]
            near = (distance >= -(self.size // 2)) & (distance <= (self.size - 1) // 2)
            self.band = near.float()[:, :, None, None]  # (C, C, 1, 1)
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            scale = self.k + self.alpha / self.size * F.conv2d(x * x, self.band)
            if self.beta == 0.75:  # two square roots, which a processor has; a power is ten times slower
                root = scale.rsqrt()
                return x * (root * root.sqrt())
            x = x * scale**-self.beta
        return x


class PooledFlatten(nn.Module):
    """Flattening behind an average pool to the grid that the full layers see at the network's own input size.

    At that size the pool changes nothing; on the smaller pictures of early epochs it keeps the full layers usable.
    """

    def __init__(self, grid: tuple[int, int]) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(grid)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to (N, C * H * W)."""
        x = self.pool(x).flatten(1)
        return x


def grids_at_flattening(network: Network) -> dict[str, tuple[int, int]]:
    """Path of every flattening -> height and width of what it gets at the network's own input size."""
    seen: dict[str, tuple[int, int]] = {}
    handles = [
        module.register_forward_pre_hook(
            lambda _module, inputs, path=path: seen.update({path: tuple(inputs[0].shape[2:])})
        )
        for path, module in network.named_modules()
        if isinstance(module, nn.Flatten)
    ]
    with torch.no_grad():
        network.eval().training_logits(torch.zeros(1, *network.input_shape))
    for handle in handles:
        handle.remove()
    return seen


def learning_form(network: Network, full: bool = False) -> Network:
    """`network`, changed in place: its convolutions normalised where they are not yet, all of it quick to train.

    `full`: the hidden full layers, too. VGG's two of 4,096 do not begin to learn without: the loss stays at chance.
    """
    if any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        quicken(network)
        return network  # ResNet's own normalisation; what it was published with
    for path, grid in grids_at_flattening(network).items():
        if grid != (1, 1):
            network.set_submodule(path, PooledFlatten(grid))
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            hidden = isinstance(parent, nn.Sequential) and child is not parent[-1]
            if isinstance(child, nn.Conv2d) or (isinstance(child, nn.Linear) and hidden and full):
                setattr(parent, name, Normalised(child))
            elif isinstance(child, nn.AvgPool2d):
                # GoogLeNet's auxiliary classifiers pool 14 x 14 to 4 x 4, 5x5 with stride 3; smaller pictures have no
                # 14 x 14, so here windows fit the maps: a deviation from the paper, in training alone
                setattr(parent, name, nn.AdaptiveAvgPool2d(4))
            elif isinstance(child, nn.LocalResponseNorm):
                setattr(parent, name, BandResponseNorm(child))
    quicken(network)
    return network


@torch.no_grad()
def published_form(learned: Network, plain: Network) -> Network:
    """`plain`, a network as published, filled with what `learned` (its learning form) knows.

    Raises:
        KeyError, RuntimeError: the two are not forms of the same network.
    """
    state = dict(learned.state_dict())
    for path, module in learned.named_modules():
        if isinstance(module, Normalised):
            for key in [key for key in state if key.startswith(f"{path}.")]:
                del state[key]
            state[f"{path}.weight"], state[f"{path}.bias"] = module.folded()
    plain.load_state_dict(state, strict=True)
    return plain.eval()
