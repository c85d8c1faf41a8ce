"""What a layer computes: one type an operation, with the attributes and the ONNX names of the constants it uses.

`op` is the layer's `op` in the API. `trained` are the constants that training changes.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from app.arithmetic import Window

Order = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Input:
    """The image itself."""

    op: ClassVar[str] = "input"
    trained: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True)
class Convolution:
    """Sum of kernel times window over a group's maps, plus biases."""

    op: ClassVar[str] = "conv"
    window: Window
    groups: int
    weights: str  # (out, in / groups, kh, kw)
    biases: tuple[str, ...]

    @property
    def trained(self) -> tuple[str, ...]:
        """Kernel and biases."""
        return self.weights, *self.biases


@dataclass(frozen=True, eq=False)
class Full:
    """alpha * (weights times the whole source) + beta * biases.

    `outputs_first` tells whether the weights are (out, in) or (in, out). `order` is where the node's i-th input
    lies in the flattened source layer; None where it is the i-th itself.
    """

    op: ClassVar[str] = "full"
    weights: str
    outputs_first: bool
    biases: tuple[str, ...]
    alpha: float = 1.0
    beta: float = 1.0
    order: Order | None = None

    @property
    def trained(self) -> tuple[str, ...]:
        """Weights and biases."""
        return self.weights, *self.biases


@dataclass(frozen=True)
class Subsampling:
    """Mean of a window, times factors (one trained coefficient a map among them), plus biases.

    Source: LeCun et al. 1998, section II.B, layer S2.
    """

    op: ClassVar[str] = "subsampling"
    window: Window
    factors: tuple[str, ...]  # those of one element only turn the mean into a sum and are no parameters
    biases: tuple[str, ...]
    trained: tuple[str, ...]


@dataclass(frozen=True)
class Pool:
    """Largest value or mean of a window; `whole` where the window is the map itself."""

    largest: bool
    window: Window
    whole: bool = False
    counts_padding: bool = False
    trained: ClassVar[tuple[str, ...]] = ()

    @property
    def op(self) -> str:
        """max_pool, average_pool or global_average_pool."""
        if self.largest:
            return "max_pool"
        return "global_average_pool" if self.whole else "average_pool"


@dataclass(frozen=True)
class LocalResponseNorm:
    """x / (bias + alpha/size * sum of squares over `size` neighbouring maps)^beta, as ONNX's LRN has it.

    Krizhevsky et al. 2012, section 3.3, write alpha without the division by size.
    """

    op: ClassVar[str] = "lrn"
    trained: ClassVar[tuple[str, ...]] = ()
    alpha: float
    beta: float
    size: int
    bias: float


@dataclass(frozen=True)
class Activation:
    """A function of each number alone, as a layer of its own."""

    function: str  # "relu", "tanh", "sigmoid" or "scaled_tanh"
    trained: ClassVar[tuple[str, ...]] = ()

    @property
    def op(self) -> str:
        """The function; a scaled tanh is a tanh."""
        return "tanh" if self.function == "scaled_tanh" else self.function


@dataclass(frozen=True)
class RadialBasis:
    """Squared Euclidean distance of the source vector to each unit's code.

    `units_first` tells whether the codes are (units, in) or (in, units). Source: LeCun et al. 1998, equation 7.
    """

    op: ClassVar[str] = "rbf"
    codes: str
    units_first: bool

    @property
    def trained(self) -> tuple[str, ...]:
        """The codes; a manifest may call them fixed."""
        return (self.codes,)


@dataclass(frozen=True)
class Add:
    """Sum of several layers."""

    op: ClassVar[str] = "add"
    trained: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True)
class Concat:
    """The maps of several layers behind one another."""

    op: ClassVar[str] = "concat"
    trained: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True)
class Softmax:
    """exp(x) / sum of exp(x), over the channels of a pixel or over everything; x is the input times `factor`."""

    op: ClassVar[str] = "softmax"
    trained: ClassVar[tuple[str, ...]] = ()
    everything: bool
    factor: float = 1.0


@dataclass(frozen=True)
class BatchNorm:
    """scale * (x - mean) / sqrt(variance + epsilon) + bias, per map."""

    op: ClassVar[str] = "batch_norm"
    scale: str
    bias: str
    mean: str
    variance: str
    epsilon: float

    @property
    def trained(self) -> tuple[str, ...]:
        """Scale and bias; mean and variance are measured, not trained."""
        return self.scale, self.bias


@dataclass(frozen=True)
class Affine:
    """Each number times, divided by, plus or minus constants (or negated): an arithmetic node of its own.

    `shape` is the tensor's without batch, against which the constants broadcast.
    """

    op: str  # the ONNX operator: Mul, Add, Sub, Div or Neg
    constant: str | None
    constant_first: bool
    shape: tuple[int, ...]
    trained: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Rearrangement:
    """The source's numbers in another order or shape; `order[i]` is where the i-th lies in the flattened source."""

    op: str
    order: Order | None
    trained: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True)
class Opaque:
    """An operator without a rule here: its maps are shown, its units are not explained.

    `pointwise` tells whether a unit reads what is at its own place only. `shift` is of a Pad with a constant: a unit
    reads what is so many cells further up and left. Without either it may read everything.
    """

    op: str  # the ONNX operator
    trained: tuple[str, ...]
    pointwise: bool = False
    shift: tuple[int, int] | None = None


Operation = (
    Input
    | Convolution
    | Full
    | Subsampling
    | Pool
    | LocalResponseNorm
    | Activation
    | RadialBasis
    | Add
    | Concat
    | Softmax
    | BatchNorm
    | Affine
    | Rearrangement
    | Opaque
)
