"""VGG. Simonyan, Zisserman 2014, "Very deep convolutional networks for large-scale image recognition"."""

from torch import Tensor, nn

from models.architectures.network import Network

# Table 1 of the paper, one entry a stage: the convolutions' output channels. A number is a 3x3 convolution; "1x1"
# marks configuration C's; "LRN" is local response normalisation. A 2x2 max pool ends every stage.
CONFIGURATIONS: dict[str, tuple[tuple[int | str, ...], ...]] = {
    "A": ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    "A-LRN": ((64, "LRN"), (128,), (256, 256), (512, 512), (512, 512)),
    "B": ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512)),
    "C": ((64, 64), (128, 128), (256, 256, "256 1x1"), (512, 512, "512 1x1"), (512, 512, "512 1x1")),
    "D": ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)),
    "E": ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512, 512, 512), (512, 512, 512, 512)),
}


class VGG(Network):
    """One of the six configurations; parameter names are torchvision's (`features.N`, `classifier.N`).

    138,357,544 parameters for D with 1000 classes. Torchvision's adaptive pooling to 7 x 7 does nothing at this
    input size and is left out.
    """

    input_shape = (3, 224, 224)

    def __init__(self, configuration: str = "D", classes: int = 1000, share: float = 1.0) -> None:
        """`share`: of the published number of channels and hidden units; less than 1 only to begin learning with."""
        super().__init__()
        if configuration not in CONFIGURATIONS:
            raise ValueError(f"VGG has no configuration '{configuration}'; there are {', '.join(CONFIGURATIONS)}.")
        self.features = nn.Sequential()
        self._names: dict[str, str] = {}
        channels = 3
        for stage, entries in enumerate(CONFIGURATIONS[configuration], start=1):
            convolution = 0
            for entry in entries:
                if entry == "LRN":
                    # The paper takes AlexNet's constants (section 2.1).
                    self._append(f"norm{stage}_{convolution}", nn.LocalResponseNorm(5, 1e-4, 0.75, 2.0))
                    continue
                convolution += 1
                width = int(int(str(entry).split()[0]) * share)
                kernel = 1 if str(entry).endswith("1x1") else 3
                layer = nn.Conv2d(channels, width, kernel, padding=kernel // 2)  # height and width stay
                self._append(f"conv{stage}_{convolution}", layer)
                self._append(f"relu{stage}_{convolution}", nn.ReLU())
                channels = width
            self._append(f"pool{stage}", nn.MaxPool2d(2, stride=2))  # 224 -> 112 -> 56 -> 28 -> 14 -> 7
        self.flatten = nn.Flatten()
        hidden = int(4096 * share)
        self.classifier = nn.Sequential(
            nn.Linear(channels * 7 * 7, hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(hidden, classes),
        )
        self.prob = nn.Softmax(dim=1)

    def _append(self, name: str, module: nn.Module) -> None:
        self._names[f"features.{len(self.features)}"] = name
        self.features.append(module)

    def logits(self, x: Tensor) -> Tensor:
        """(N, 3, 224, 224) to (N, classes)."""
        x = self.features(x)  # (N, 512, 7, 7)
        x = self.flatten(x)  # (N, 25088)
        x = self.classifier(x)  # (N, classes)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 224, 224) to probabilities (N, classes)."""
        x = self.prob(self.logits(x))
        return x

    def layer_names(self) -> dict[str, str]:
        """conv1_1 relu1_1 ... pool5 fc6 relu6 fc7 relu7 fc8 prob, as in the authors' own model file."""
        classifier = {0: "fc6", 1: "relu6", 3: "fc7", 4: "relu7", 6: "fc8"}
        return {
            **self._names,
            **{f"classifier.{position}": name for position, name in classifier.items()},
            "prob": "prob",
        }
