"""The figures of a layer, from its operation and shapes: parameters, connections, multiply-adds, formula, reach."""

import math
from collections.abc import Sequence

from app.arithmetic import Span, Window, union
from app.operations import (
    Affine,
    BatchNorm,
    Concat,
    Convolution,
    Full,
    LocalResponseNorm,
    Opaque,
    Operation,
    Pool,
    RadialBasis,
    Rearrangement,
    Softmax,
    Subsampling,
)

Shape = tuple[int, ...]  # (C, H, W) or (N,)
Reach = tuple[Span, Span]  # what a unit sees of the input, down and across
Table = tuple[tuple[int, ...], ...]  # for each input map, the output maps that it is joined to


def map_size(shape: Shape) -> tuple[int, int]:
    """Height and width; a vector is N x 1 x 1."""
    return (shape[1], shape[2]) if len(shape) == 3 else (1, 1)


def window_of(operation: Operation) -> Window | None:
    """The sliding window of an operation that has one."""
    return operation.window if isinstance(operation, Convolution | Subsampling | Pool) else None


def unjoined(operation: Operation, source: Shape, shape: Shape, table: Table | None) -> int:
    """Kernel weights that a connection table fixes at zero."""
    if table is None or not isinstance(operation, Convolution):
        return 0
    joined = sum(len(targets) for targets in table)
    return (source[0] * shape[0] - joined) * math.prod(operation.window.kernel)


def connections(operation: Operation, sources: Sequence[Shape], shape: Shape, table: Table | None) -> int:
    """Links into the layer's units, biases counted as links: LeCun et al. 1998's count.

    A kernel's cells in the padding count. An operator without a rule counts none.
    """
    units = math.prod(shape)
    match operation:
        case Convolution(window=window, groups=groups, biases=biases):
            kernel = math.prod(window.kernel)
            taps = kernel * (sources[0][0] // groups) * shape[0] - unjoined(operation, sources[0], shape, table)
            return (taps + (shape[0] if biases else 0)) * math.prod(map_size(shape))
        case Full(biases=biases):
            return (math.prod(sources[0]) + (1 if biases else 0)) * units
        case Subsampling(window=window, biases=biases):
            return (math.prod(window.kernel) + (1 if biases else 0)) * units
        case Pool(window=window):
            return math.prod(window.kernel) * units
        case RadialBasis():
            return math.prod(sources[0]) * units
        case LocalResponseNorm(size=size):
            return size * units
        case Softmax(everything=everything):
            return (units if everything else shape[0]) * units
        case Concat():
            return units
        case Opaque():
            return 0
        case _:
            return len(sources) * units


def multiply_adds(operation: Operation, sources: Sequence[Shape], shape: Shape, table: Table | None) -> int:
    """Multiply-adds of weights with inputs; sums, maxima and functions of single numbers are not counted.

    A subsampling unit, a batch-norm unit and one number of plain arithmetic are one multiply-add each.
    """
    units = math.prod(shape)
    match operation:
        case Convolution(window=window, groups=groups):
            kernel = math.prod(window.kernel)
            taps = kernel * (sources[0][0] // groups) * shape[0] - unjoined(operation, sources[0], shape, table)
            return taps * math.prod(map_size(shape))
        case Full() | RadialBasis():
            return math.prod(sources[0]) * units
        case Subsampling() | BatchNorm() | Affine():
            return units
        case _:
            return 0


def formula(operation: Operation, sources: Sequence[Shape], shape: Shape) -> str:
    """The output's size in numbers; empty where it is the input's."""
    window = window_of(operation)
    if window is not None:
        return window.formula(map_size(sources[0]))
    match operation:
        case Full() | RadialBasis():
            source = sources[0]
            inputs = f"{'*'.join(map(str, source))} = {math.prod(source)}" if len(source) == 3 else f"{source[0]}"
            return f"{inputs} -> {shape[0]}"
        case Concat():
            return f"{' + '.join(str(source[0]) for source in sources)} = {shape[0]}"
        case Rearrangement():
            return f"{'*'.join(map(str, sources[0]))} -> {'*'.join(map(str, shape))}"
        case _:
            return ""


def reach(operation: Operation, sources: Sequence[Shape], reaches: Sequence[Reach], shape: Shape) -> Reach:
    """What a unit sees of the input."""
    size = map_size(shape)
    window = window_of(operation)
    if window is not None:
        down, across = reaches[0]
        return down.through(window.y), across.through(window.x)
    if isinstance(operation, Opaque) and operation.shift is not None:
        (down, across), (top, left) = reaches[0], operation.shift
        return down.moved(-top), across.moved(-left)
    sizes = [map_size(source) for source in sources]
    everything = _reads_everything(operation) or any(one not in (size, (1, 1)) for one in sizes)
    seen = [  # a map of one cell is the same for all units
        (down.whole(one[0]), across.whole(one[1])) if everything or one != size else (down, across)
        for (down, across), one in zip(reaches, sizes, strict=True)
    ]
    return union((down for down, _ in seen), size[0]), union((across for _, across in seen), size[1])


def _reads_everything(operation: Operation) -> bool:
    """Whether a unit may read all cells of its sources' maps, not only those at its own place."""
    match operation:
        case Full() | RadialBasis() | Rearrangement():
            return True
        case Softmax(everything=everything):
            return everything
        case Opaque(pointwise=pointwise):
            return not pointwise
        case _:
            return False
