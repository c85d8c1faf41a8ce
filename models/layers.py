"""Layers of the five papers that torch has no module for. Maps are (N, C, H, W), vectors (N, C)."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F


class ScaledTanh(nn.Module):
    """1.7159 tanh(2x/3): f(1) = 1, f(-1) = -1, and the curvature is largest there.

    Source: LeCun et al. 1998, appendix A.
    """

    amplitude = 1.7159
    slope = 2 / 3

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        return self.amplitude * torch.tanh(self.slope * x)


class Subsampling(nn.Module):
    """The sum of each 2x2 window, times one trainable coefficient a map, plus one trainable bias a map.

    Source: LeCun et al. 1998, section II.B (layer S2).
    """

    window = 2

    def __init__(self, channels: int) -> None:
        super().__init__()
        # A quarter makes the layer start as a plain mean of the window.
        self.coefficient = nn.Parameter(torch.full((channels,), 0.25))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H/2, W/2)."""
        total = F.avg_pool2d(x, self.window) * self.window**2
        return total * self.coefficient[:, None, None] + self.bias[:, None, None]


class TableConv2d(nn.Conv2d):
    """A convolution whose output maps are joined only to some input maps.

    `table[i]` lists the output maps that input map i is joined to (LeCun et al. 1998, table I). The kernel is kept
    dense, (out, in, kh, kw), with zeros where nothing is joined.
    """

    mask: Tensor

    def __init__(self, out_channels: int, kernel_size: int, table: Sequence[Sequence[int]]) -> None:
        super().__init__(len(table), out_channels, kernel_size)
        joined = np.zeros((out_channels, len(table), 1, 1), dtype=np.float32)
        for source, targets in enumerate(table):
            joined[list(targets), source] = 1
        self.register_buffer("mask", torch.from_numpy(joined), persistent=False)

    def masked_weight(self) -> Tensor:
        """The kernel with its structural zeros, (out, in, kh, kw)."""
        return self.weight * self.mask.to(self.weight.device)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) to (N, out, H-kh+1, W-kw+1)."""
        return F.conv2d(x, self.masked_weight(), self.bias)


class RadialBasis(nn.Module):
    """Squared Euclidean distance of the input vector to each of a set of fixed codes.

    Source: LeCun et al. 1998, section II.B, equation 7.
    """

    codes: Tensor

    def __init__(self, codes: NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("codes", torch.from_numpy(codes), persistent=False)  # (classes, C)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C) to (N, classes)."""
        return ((x[:, None, :] - self.codes) ** 2).sum(dim=2)


class DistancePosterior(nn.Module):
    """Distances as probabilities: exp(-y_i / T) / sum_j exp(-y_j / T), the nearer the likelier.

    A squared distance is, up to a factor, the negative log-likelihood of a Gaussian around the code, so this is the
    posterior of the class. Source: LeCun et al. 1998, equation 9, without the constant of its "rubbish" class, and
    with the temperature T of the criterion that the network is trained by: without it the codes, which are 76 or more
    apart, would make every answer certain.
    """

    temperature = 16.0

    def forward(self, distances: Tensor) -> Tensor:
        """(N, classes) to (N, classes), rows sum to 1."""
        return torch.softmax(distances / -self.temperature, dim=1)


class Add(nn.Module):
    """The sum of a residual and its shortcut."""

    def forward(self, residual: Tensor, shortcut: Tensor) -> Tensor:
        """Two (N, C, H, W) to one of the same shape."""
        return residual + shortcut


class Concat(nn.Module):
    """The maps of several branches behind one another."""

    def forward(self, branches: list[Tensor]) -> Tensor:
        """(N, C_i, H, W) to (N, sum of C_i, H, W)."""
        return torch.cat(branches, dim=1)


class Subsample(nn.Module):
    """Every `stride`-th pixel of every `stride`-th row: the stride of a shortcut without parameters."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, ceil(H/stride), ceil(W/stride))."""
        return x[:, :, :: self.stride, :: self.stride]


class ZeroChannels(nn.Module):
    """Empty maps behind the given ones, up to `channels` in all."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.extra = channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, channels, H, W)."""
        return F.pad(x, (0, 0, 0, 0, 0, self.extra))
