"""LeNet-5. LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition"."""

from torch import Tensor, nn

from models.architectures.codes import output_codes
from models.architectures.network import Network
from models.layers import DistancePosterior, RadialBasis, ScaledTanh, Subsampling, TableConv2d

# Table I of the paper: row = map of S2, numbers = the maps of C3 it is joined to; 60 of the 96 pairs.
C3_TABLE = (
    (0, 4, 5, 6, 9, 10, 11, 12, 14, 15),
    (0, 1, 5, 6, 7, 10, 11, 12, 13, 15),
    (0, 1, 2, 6, 7, 8, 11, 13, 14, 15),
    (1, 2, 3, 6, 7, 8, 9, 12, 14, 15),
    (2, 3, 4, 7, 8, 9, 10, 12, 13, 15),
    (3, 4, 5, 8, 9, 10, 11, 13, 14, 15),
)


class LeNet5(Network):
    """60,000 trained numbers. The paper's squashing function follows each of its layers up to F6.

    Deviations from the paper: S2 and S4 are squashed by the scaled tanh as all others (the paper says "sigmoidal
    function" there); the last layer, PROB, is an addition: the paper takes the nearest code.
    """

    input_shape = (1, 32, 32)

    def __init__(self, classes: int = 10) -> None:
        if classes != 10:
            raise ValueError(f"LeNet-5 has one output code a digit, so 10 classes, not {classes}.")
        super().__init__()
        self.c1 = nn.Sequential(nn.Conv2d(1, 6, 5), ScaledTanh())
        self.s2 = nn.Sequential(Subsampling(6), ScaledTanh())
        self.c3 = nn.Sequential(TableConv2d(16, 5, C3_TABLE), ScaledTanh())
        self.s4 = nn.Sequential(Subsampling(16), ScaledTanh())
        self.c5 = nn.Sequential(nn.Conv2d(16, 120, 5), ScaledTanh())
        self.flatten = nn.Flatten()
        self.f6 = nn.Sequential(nn.Linear(120, 84), ScaledTanh())
        self.output = RadialBasis(output_codes())
        self.prob = DistancePosterior()

    def distances(self, x: Tensor) -> Tensor:
        """(N, 1, 32, 32) to the squared distances to the ten codes, (N, 10)."""
        x = self.c1(x)  # (N, 6, 28, 28)
        x = self.s2(x)  # (N, 6, 14, 14)
        x = self.c3(x)  # (N, 16, 10, 10)
        x = self.s4(x)  # (N, 16, 5, 5)
        x = self.c5(x)  # (N, 120, 1, 1)
        x = self.flatten(x)  # (N, 120)
        x = self.f6(x)  # (N, 84)
        x = self.output(x)  # (N, 10)
        return x

    def logits(self, x: Tensor) -> Tensor:
        """(N, 1, 32, 32) to negated distances (N, 10)."""
        return -self.distances(x)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 32, 32) to probabilities (N, 10)."""
        x = self.prob(self.distances(x))
        return x

    def layer_names(self) -> dict[str, str]:
        """The paper's names; each joins its convolution or subsampling and the scaled tanh behind it."""
        names = ("c1", "s2", "c3", "s4", "c5", "f6", "output", "prob")
        return {name: name.upper() for name in names}
