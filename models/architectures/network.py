"""What every architecture here offers to training and export."""

from typing import ClassVar

from torch import Tensor, nn


class Network(nn.Module):
    """A classifier: `forward` gives probabilities, `logits` what the training criterion wants.

    Every step with a result worth seeing is a submodule, so that a forward hook sees it and an exported node can
    bear its name.
    """

    input_shape: ClassVar[tuple[int, int, int]]  # (C, H, W)

    def logits(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to unnormalised log-probabilities (N, classes)."""
        raise NotImplementedError(f"{type(self).__name__} defines no logits().")

    def training_logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) to the logits that training looks at: the network's own and those of auxiliary classifiers."""
        return (self.logits(x),)

    def layer_names(self) -> dict[str, str]:
        """Path of a submodule -> the course's name of the layer that its output is, in order of computation."""
        raise NotImplementedError(f"{type(self).__name__} defines no layer_names().")


def initialise(network: nn.Module) -> None:
    """He-normal kernels and zero biases, for training from scratch with ReLU.

    Source: He et al. 2015, "Delving deep into rectifiers", section 2.2.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
