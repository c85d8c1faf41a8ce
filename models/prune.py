"""Pruning: the smallest weights become zero, more and more of them, while training goes on.

Han et al. 2015, "Learning both weights and connections for efficient neural networks"; the share of zeros rises along
the cubic of Zhu and Gupta 2017, "To prune, or not to prune", section 3, equation 1: s(t) = S (1 - (1 - t)^3).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Pruning:
    """Shares of zeros to end with, and the part of the training (0 to 1) in which they come about."""

    kernels: float = 0.0  # of every convolution with more than `spared` weights
    full: float = 0.0  # of every full layer with more than `spared` weights
    begins: float = 0.5
    ends: float = 0.85  # from here on the zeros stay and the rest is tuned
    spared: int = 50_000  # small layers hold little and matter much

    def share(self, module: nn.Module, done: float) -> float:
        """The share of zeros in a module's weight after the fraction `done` of all steps."""
        weight = getattr(module, "weight", None)
        if not isinstance(weight, Tensor) or weight.numel() <= self.spared:
            return 0.0
        final = self.full if isinstance(module, nn.Linear) else self.kernels if isinstance(module, nn.Conv2d) else 0.0
        t = min(max((done - self.begins) / (self.ends - self.begins), 0.0), 1.0)
        return final * (1 - (1 - t) ** 3)


class Pruner:
    """Holds the masks of a network in training."""

    def __init__(self, network: nn.Module, pruning: Pruning) -> None:
        self.pruning = pruning
        self.modules = [(name, module) for name, module in network.named_modules() if pruning.share(module, 1.0) > 0]
        self.masks: dict[str, Tensor] = {}

    @torch.no_grad()
    def choose(self, done: float) -> None:
        """New masks by the size of the weights as they are now; what was pruned is small, and mostly stays so."""
        for name, module in self.modules:
            weight = module.weight
            assert isinstance(weight, Tensor)
            zeros = int(self.pruning.share(module, done) * weight.numel())
            if zeros:
                threshold = weight.abs().flatten().kthvalue(zeros).values
                self.masks[name] = weight.abs() > threshold

    @torch.no_grad()
    def apply(self, network: nn.Module) -> None:
        """Set what is masked to zero, in this network or in another of the same modules (the average)."""
        for name, mask in self.masks.items():
            weight = network.get_submodule(name).weight
            assert isinstance(weight, Tensor)
            weight.mul_(mask)
