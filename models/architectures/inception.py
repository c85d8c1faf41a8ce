"""GoogLeNet's parts: the inception module in its forms, and the auxiliary classifier."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from torch import Tensor, nn

from models.layers import Concat

Form = Literal["paper", "naive", "torchvision"]


class Widths(NamedTuple):
    """One row of the paper's table 1: output channels of a module's convolutions."""

    one: int  # 1x1
    three_reduce: int  # 1x1 before the 3x3
    three: int  # 3x3
    five_reduce: int  # 1x1 before the 5x5
    five: int  # 5x5
    pool: int  # 1x1 behind the pool


class Convolution(nn.Module):
    """Convolution and ReLU; torchvision's form has batch normalisation between them and no bias."""

    def __init__(
        self, form: Form, in_channels: int, out: int, kernel: int, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__()
        normalised = form == "torchvision"
        self.conv = nn.Conv2d(in_channels, out, kernel, stride=stride, padding=padding, bias=not normalised)
        self.bn = nn.BatchNorm2d(out, eps=0.001) if normalised else None
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) to (N, out, (H + 2*padding - kernel)/stride + 1, the same of W)."""
        x = self.conv(x)
        if self.bn is not None:
            x = self.bn(x)
        x = self.relu(x)
        return x

    def layer_names(self, prefix: str, name: str) -> Iterator[tuple[str, str]]:
        """Paths below this module and names; the convolution is named where batch normalisation is folded in."""
        yield ("conv" if self.bn is None else "bn"), f"{prefix}.{name}"
        yield "relu", f"{prefix}.relu_{name}"


class Inception(nn.Module):
    """Four branches on the same maps, concatenated (figure 2b; naive: figure 2a, without the 1x1 reductions).

    Torchvision's form has a 3x3 where the paper has the 5x5. Parameter names are torchvision's.
    """

    def __init__(self, form: Form, in_channels: int, widths: Widths) -> None:
        super().__init__()
        self.form = form
        self.out_channels = widths.one + widths.three + widths.five
        self.branch1 = Convolution(form, in_channels, widths.one, 1)
        if form == "naive":
            self.branch2 = nn.Sequential(Convolution(form, in_channels, widths.three, 3, padding=1))
            self.branch3 = nn.Sequential(Convolution(form, in_channels, widths.five, 5, padding=2))
            self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1))
            self.out_channels += in_channels
        else:
            kernel = 3 if form == "torchvision" else 5
            self.branch2 = nn.Sequential(
                Convolution(form, in_channels, widths.three_reduce, 1),
                Convolution(form, widths.three_reduce, widths.three, 3, padding=1),
            )
            self.branch3 = nn.Sequential(
                Convolution(form, in_channels, widths.five_reduce, 1),
                Convolution(form, widths.five_reduce, widths.five, kernel, padding=kernel // 2),
            )
            self.branch4 = nn.Sequential(
                # The output of a pool without stride keeps its size whatever the rounding; ceil is torchvision's.
                nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=form == "torchvision"),
                Convolution(form, in_channels, widths.pool, 1),
            )
            self.out_channels += widths.pool
        self.concat = Concat()

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) to (N, out_channels, H, W)."""
        x = self.concat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)])
        return x

    def layer_names(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Paths below this module and the names of their layers, as in the authors' own table."""
        third = "3x3_b" if self.form == "torchvision" else "5x5"
        branches: dict[str, tuple[str, ...]] = {
            "branch2": ("3x3",) if self.form == "naive" else ("3x3_reduce", "3x3"),
            "branch3": (third,) if self.form == "naive" else (f"{third}_reduce", third),
        }
        for path, name in self.branch1.layer_names(prefix, "1x1"):
            yield f"branch1.{path}", name
        for branch, steps in branches.items():
            for position, step in enumerate(steps):
                unit = self.get_submodule(f"{branch}.{position}")
                assert isinstance(unit, Convolution)
                for path, name in unit.layer_names(prefix, step):
                    yield f"{branch}.{position}.{path}", name
        yield "branch4.0", f"{prefix}.pool"
        if len(self.branch4) > 1:
            projection = self.branch4[1]
            assert isinstance(projection, Convolution)
            for path, name in projection.layer_names(prefix, "pool_proj"):
                yield f"branch4.1.{path}", name
        yield "concat", f"{prefix}.output"


class Auxiliary(nn.Module):
    """A classifier half way, for training only: its loss is added with weight 0.3 (section 5 of the paper).

    Torchvision's form pools adaptively to 4 x 4; from 14 x 14 that is averages of 4 x 4, where the paper's are 5 x 5
    with stride 3.
    """

    def __init__(self, form: Form, in_channels: int, classes: int) -> None:
        super().__init__()
        self.pool: nn.Module = nn.AdaptiveAvgPool2d(4) if form == "torchvision" else nn.AvgPool2d(5, stride=3)
        self.conv = Convolution(form, in_channels, 128, 1)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.relu = nn.ReLU()
        self.drop = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, 14, 14) to (N, classes)."""
        x = self.conv(self.pool(x))  # (N, 128, 4, 4)
        x = self.relu(self.fc1(self.flatten(x)))  # (N, 1024)
        x = self.fc2(self.drop(x))  # (N, classes)
        return x
