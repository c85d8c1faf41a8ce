"""Pruning: the share of zeros rises to what was asked for, and the smallest go first."""

import pytest
import torch
from torch import nn

from models.prune import Pruner, Pruning


def zeros(weight: torch.Tensor) -> float:
    """The share of zeros."""
    return 1 - int(torch.count_nonzero(weight)) / weight.numel()


def test_zeros_rise_to_their_share_and_are_the_smallest() -> None:
    torch.manual_seed(0)
    convolution, full = nn.Conv2d(8, 16, 3), nn.Linear(64, 50)
    network = nn.Sequential(convolution, nn.Flatten(), full)
    before = full.weight.detach().clone()
    pruner = Pruner(network, Pruning(kernels=0.5, full=0.9, begins=0.2, ends=0.8, spared=100))
    shares = []
    for done in (0.1, 0.4, 0.6, 1.0):
        pruner.choose(done)
        pruner.apply(network)
        shares.append(zeros(full.weight))
    assert shares == sorted(shares) and shares[0] == 0
    assert shares[-1] == pytest.approx(0.9, abs=1e-3)
    assert zeros(convolution.weight) == pytest.approx(0.5, abs=1e-2)
    kept = before[full.weight != 0].abs()
    assert before[full.weight == 0].abs().max() <= kept.min()


def test_small_layers_are_spared() -> None:
    network = nn.Sequential(nn.Linear(10, 10))
    pruner = Pruner(network, Pruning(full=0.9))
    pruner.choose(1.0)
    assert pruner.masks == {}
