"""GoogLeNet. Szegedy et al. 2014, "Going deeper with convolutions"."""

from torch import Tensor, nn

from models.architectures.inception import Auxiliary, Convolution, Form, Inception, Widths
from models.architectures.network import Network

# Table 1 of the paper. A 3x3 max pool with stride 2 comes before 3a, 4a and 5a.
MODULES = {
    "3a": Widths(64, 96, 128, 16, 32, 32),
    "3b": Widths(128, 128, 192, 32, 96, 64),
    "4a": Widths(192, 96, 208, 16, 48, 64),
    "4b": Widths(160, 112, 224, 24, 64, 64),
    "4c": Widths(128, 128, 256, 24, 64, 64),
    "4d": Widths(112, 144, 288, 32, 64, 64),
    "4e": Widths(256, 160, 320, 32, 128, 128),
    "5a": Widths(256, 160, 320, 32, 128, 128),
    "5b": Widths(384, 192, 384, 48, 128, 128),
}


def response_normalisation() -> nn.LocalResponseNorm:
    """The paper gives no constants; these are those of the authors' published reimplementation (BVLC)."""
    return nn.LocalResponseNorm(size=5, alpha=1e-4, beta=0.75, k=1.0)


class GoogLeNet(Network):
    """Nine inception modules; 6,998,552 parameters with 1000 classes, without the auxiliary classifiers.

    The paper's form, its naive module, or torchvision's form (3x3 for the 5x5, batch normalisation instead of local
    response normalisation, a 2x2 pool before 5a), whose parameter names all forms share. The auxiliary classifiers
    are for training only: `training_logits` uses them, `forward` and the exported graph do not.
    """

    input_shape = (3, 224, 224)

    def __init__(self, form: Form = "paper", classes: int = 1000, auxiliary: bool = True) -> None:
        super().__init__()
        self.form = form
        self.conv1 = Convolution(form, 3, 64, 7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = Convolution(form, 64, 64, 1)
        self.conv3 = Convolution(form, 64, 192, 3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.maxpool4 = nn.MaxPool2d(2 if form == "torchvision" else 3, stride=2, ceil_mode=True)
        self.norm1 = None if form == "torchvision" else response_normalisation()
        self.norm2 = None if form == "torchvision" else response_normalisation()

        # Every module takes what the one before it gives; the naive form's pool makes that grow and grow.
        self.inception3a = Inception(form, 192, MODULES["3a"])
        self.inception3b = Inception(form, self.inception3a.out_channels, MODULES["3b"])
        self.inception4a = Inception(form, self.inception3b.out_channels, MODULES["4a"])
        self.inception4b = Inception(form, self.inception4a.out_channels, MODULES["4b"])
        self.inception4c = Inception(form, self.inception4b.out_channels, MODULES["4c"])
        self.inception4d = Inception(form, self.inception4c.out_channels, MODULES["4d"])
        self.inception4e = Inception(form, self.inception4d.out_channels, MODULES["4e"])
        self.inception5a = Inception(form, self.inception4e.out_channels, MODULES["5a"])
        self.inception5b = Inception(form, self.inception5a.out_channels, MODULES["5b"])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(0.2 if form == "torchvision" else 0.4)
        self.fc = nn.Linear(self.inception5b.out_channels, classes)
        self.prob = nn.Softmax(dim=1)
        self.aux1 = Auxiliary(form, self.inception4a.out_channels, classes) if auxiliary else None
        self.aux2 = Auxiliary(form, self.inception4d.out_channels, classes) if auxiliary else None

    def stem(self, x: Tensor) -> Tensor:
        """(N, 3, 224, 224) to (N, 192, 28, 28)."""
        x = self.maxpool1(self.conv1(x))  # (N, 64, 56, 56)
        if self.norm1 is not None:
            x = self.norm1(x)
        x = self.conv3(self.conv2(x))  # (N, 192, 56, 56)
        if self.norm2 is not None:
            x = self.norm2(x)
        x = self.maxpool2(x)  # (N, 192, 28, 28)
        return x

    def half_way(self, x: Tensor) -> Tensor:
        """(N, 3, 224, 224) to the output of 4a, (N, 512, 14, 14)."""
        x = self.stem(x)  # (N, 192, 28, 28)
        x = self.inception3a(x)  # (N, 256, 28, 28)
        x = self.inception3b(x)  # (N, 480, 28, 28)
        x = self.inception4a(self.maxpool3(x))  # (N, 512, 14, 14)
        return x

    def further(self, x: Tensor) -> Tensor:
        """The output of 4a to that of 4d, (N, 528, 14, 14)."""
        x = self.inception4b(x)  # (N, 512, 14, 14)
        x = self.inception4c(x)  # (N, 512, 14, 14)
        x = self.inception4d(x)  # (N, 528, 14, 14)
        return x

    def head(self, x: Tensor) -> Tensor:
        """The output of 4d to (N, classes)."""
        x = self.inception4e(x)  # (N, 832, 14, 14)
        x = self.inception5a(self.maxpool4(x))  # (N, 832, 7, 7)
        x = self.inception5b(x)  # (N, 1024, 7, 7)
        x = self.flatten(self.avgpool(x))  # (N, 1024)
        x = self.fc(self.dropout(x))  # (N, classes)
        return x

    def logits(self, x: Tensor) -> Tensor:
        """(N, 3, 224, 224) to (N, classes)."""
        return self.head(self.further(self.half_way(x)))

    def training_logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, 224, 224) to the logits of the main and both auxiliary classifiers, each (N, classes)."""
        if self.aux1 is None or self.aux2 is None:
            raise ValueError("This GoogLeNet was built with auxiliary=False: it has no classifiers half way.")
        first = self.half_way(x)  # (N, 512, 14, 14)
        second = self.further(first)  # (N, 528, 14, 14)
        return self.head(second), self.aux1(first), self.aux2(second)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 224, 224) to probabilities (N, classes)."""
        x = self.prob(self.logits(x))
        return x

    def layer_names(self) -> dict[str, str]:
        """conv1.7x7_s2 ... inception_3a.1x1 ... loss3.classifier prob: BVLC's names with dots for slashes."""
        names = {"maxpool1": "pool1.3x3_s2", "maxpool2": "pool2.3x3_s2", "maxpool3": "pool3.3x3_s2"}
        names["maxpool4"] = "pool4.2x2_s2" if self.form == "torchvision" else "pool4.3x3_s2"
        stem = {
            "conv1": ("conv1", "7x7_s2", "relu_7x7"),
            "conv2": ("conv2", "3x3_reduce", "relu_3x3_reduce"),
            "conv3": ("conv2", "3x3", "relu_3x3"),
        }
        for path, (prefix, convolution, relu) in stem.items():
            names[f"{path}.bn" if self.form == "torchvision" else f"{path}.conv"] = f"{prefix}.{convolution}"
            names[f"{path}.relu"] = f"{prefix}.{relu}"
        if self.norm1 is not None:
            names |= {"norm1": "pool1.norm1", "norm2": "conv2.norm2"}
        for name in MODULES:
            module = self.get_submodule(f"inception{name}")
            assert isinstance(module, Inception)
            for path, layer in module.layer_names(f"inception_{name}"):
                names[f"inception{name}.{path}"] = layer
        return names | {"avgpool": "pool5.7x7_s1", "fc": "loss3.classifier", "prob": "prob"}
