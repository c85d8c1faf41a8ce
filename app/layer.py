"""One entry of the layer table."""

from dataclasses import dataclass

from app.figures import Reach, Shape, Table
from app.operations import Operation


@dataclass(frozen=True, eq=False)
class Layer:
    """One entry of the table. Shapes are (C, H, W) or (N,); kernel, stride and dilation are (height, width).

    `tensor` is the ONNX tensor with the layer's output, stored channels last where `channels_last` says so.
    `fixed` counts constants by design, `nonzero` the trained numbers that are not zero (None until the numbers are
    there). `reach` is what a unit sees of the input down and across, in pixels.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: Shape
    tensor: str
    nodes: tuple[str, ...]
    operation: Operation
    reach: Reach
    channels_last: bool = False
    activation: str | None = None
    table: Table | None = None
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    padding: tuple[int, int, int, int] | None = None  # (top, left, bottom, right)
    dilation: tuple[int, int] | None = None
    groups: int | None = None
    parameters: int = 0
    fixed: int = 0
    nonzero: int | None = None
    multiply_adds: int = 0
    connections: int = 0
    formula: str = ""

    @property
    def receptive_field(self) -> tuple[int, int]:
        """(height, width) in input pixels; it may reach outside the input."""
        return self.reach[0].size, self.reach[1].size
