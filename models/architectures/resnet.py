"""ResNet and its plain twin. He, Zhang, Ren, Sun 2015, "Deep residual learning for image recognition"."""

from collections.abc import Iterator
from typing import Literal

from torch import Tensor, nn

from models.architectures.network import Network
from models.layers import Add, Subsample, ZeroChannels

Shortcut = Literal["A", "B", "C", "none"]
Stride = Literal["1x1", "3x3"]

# Table 1 of the paper: blocks a stage, and whether they are bottlenecks.
DEPTHS: dict[int, tuple[tuple[int, int, int, int], bool]] = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}


class Block(nn.Module):
    """Two 3x3 convolutions, or 1x1 3x3 1x1 (bottleneck), each with batch normalisation, and their shortcut.

    `stride_in` says which convolution of a bottleneck strides: the paper's is the first 1x1, torchvision's the 3x3.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        bottleneck: bool,
        shortcut: Shortcut,
        stride_in: Stride,
    ) -> None:
        super().__init__()
        out = width * 4 if bottleneck else width
        self.convolutions = 3 if bottleneck else 2
        if bottleneck:
            first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
            self.conv1 = nn.Conv2d(in_channels, width, 1, stride=first, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.relu1 = nn.ReLU()
            self.conv2 = nn.Conv2d(width, width, 3, stride=second, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.relu2 = nn.ReLU()
            self.conv3 = nn.Conv2d(width, out, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(out)
            self.relu3 = nn.ReLU()
        else:
            self.conv1 = nn.Conv2d(in_channels, width, 3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.relu1 = nn.ReLU()
            self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.relu2 = nn.ReLU()
        self.add = None if shortcut == "none" else Add()
        self.downsample = make_shortcut(in_channels, out, stride, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) to (N, out, H/stride, W/stride); the last ReLU comes after the addition."""
        y: Tensor = self.bn1(self.conv1(x))
        y = self.bn2(self.conv2(self.relu1(y)))
        last = self.relu2
        if self.convolutions == 3:
            y = self.bn3(self.conv3(self.relu2(y)))
            last = self.relu3
        if self.add is not None:
            y = self.add(y, x if self.downsample is None else self.downsample(x))
        y = last(y)
        return y


def make_shortcut(in_channels: int, out: int, stride: int, option: Shortcut) -> nn.Sequential | None:
    """The shortcut past a block, (N, in, H, W) to (N, out, H/stride, W/stride); None is the identity.

    Section 4.1: A pads with zero maps, B projects (1x1) where the dimensions grow, C projects everywhere.
    """
    grows = stride != 1 or in_channels != out
    if option == "C" or (option == "B" and grows):
        projection = nn.Conv2d(in_channels, out, 1, stride=stride, bias=False)
        return nn.Sequential(projection, nn.BatchNorm2d(out))
    if option == "A" and grows:
        return nn.Sequential(Subsample(stride), ZeroChannels(in_channels, out))
    return None


class ResNet(Network):
    """18 to 152 layers; shortcut "none" is the plain network. Parameter names are torchvision's.

    21,797,672 parameters for 34 layers, option B, 1000 classes.
    """

    input_shape = (3, 224, 224)

    def __init__(
        self, depth: int = 34, shortcut: Shortcut = "B", stride_in: Stride = "1x1", classes: int = 1000
    ) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise ValueError(f"ResNet has no form with {depth} layers; there are {', '.join(map(str, DEPTHS))}.")
        blocks, bottleneck = DEPTHS[depth]
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(3, stride=2, padding=1)
        channels = 64
        stages = []
        for number, (count, width) in enumerate(zip(blocks, (64, 128, 256, 512), strict=True), start=1):
            stage = nn.Sequential()
            for block in range(count):
                stride = 2 if number > 1 and block == 0 else 1
                stage.append(Block(channels, width, stride, bottleneck, shortcut, stride_in))
                channels = width * 4 if bottleneck else width
            stages.append(stage)
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, classes)
        self.prob = nn.Softmax(dim=1)

    def logits(self, x: Tensor) -> Tensor:
        """(N, 3, 224, 224) to (N, classes)."""
        x = self.relu1(self.bn1(self.conv1(x)))  # (N, 64, 112, 112)
        x = self.pool1(x)  # (N, 64, 56, 56)
        x = self.layer1(x)  # (N, 64, 56, 56); bottlenecks: 256 channels
        x = self.layer2(x)  # (N, 128, 28, 28); 512
        x = self.layer3(x)  # (N, 256, 14, 14); 1024
        x = self.layer4(x)  # (N, 512, 7, 7); 2048
        x = self.avgpool(x)  # (N, 512, 1, 1)
        x = self.fc(self.flatten(x))  # (N, classes)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 224, 224) to probabilities (N, classes)."""
        x = self.prob(self.logits(x))
        return x

    def layer_names(self) -> dict[str, str]:
        """conv1 relu1 pool1 conv2_1 relu2_1 ...: the paper's stages are numbered from conv2_x on.

        A convolution is named at its batch normalisation, into which it is folded.
        """
        names = {"bn1": "conv1", "relu1": "relu1", "pool1": "pool1"}
        for stage, blocks in enumerate((self.layer1, self.layer2, self.layer3, self.layer4), start=2):
            for path, name in stage_names(blocks):
                names[f"layer{stage - 1}.{path}"] = name.format(stage=stage)
        return {**names, "avgpool": "global_pool", "fc": "fc", "prob": "prob"}


def stage_names(blocks: nn.Sequential) -> Iterator[tuple[str, str]]:
    """Paths below a stage and the names of their layers, `{stage}` left open; convolutions count through."""
    convolution = 0
    for number, block in enumerate(blocks, start=1):
        assert isinstance(block, Block)
        path = number - 1
        for inner in range(1, block.convolutions + 1):
            convolution += 1
            yield f"{path}.bn{inner}", f"conv{{stage}}_{convolution}"
            yield f"{path}.relu{inner}", f"relu{{stage}}_{convolution}"
        if block.downsample is not None:
            projects = isinstance(block.downsample[0], nn.Conv2d)
            if not projects:
                yield f"{path}.downsample.0", f"shortcut{{stage}}_{number}.subsample"
            yield f"{path}.downsample.1", f"shortcut{{stage}}_{number}" + ("" if projects else ".pad")
        if block.add is not None:
            yield f"{path}.add", f"add{{stage}}_{number}"
