"""AlexNet. Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification with deep convolutional neural networks".

And its first author's one-column variant ("One weird trick for parallelizing convolutional neural networks",
Krizhevsky 2014), which is what torchvision calls AlexNet.
"""

from torch import Tensor, nn

from models.architectures.network import Network


def response_normalisation() -> nn.LocalResponseNorm:
    """Section 3.3 of the paper: a / (k + alpha * sum of n neighbours' squares)^beta, k=2, n=5, alpha=1e-4, beta=.75.

    The formula as printed does not divide the sum by n; the authors' program (cuda-convnet), torch and ONNX all do,
    and that is the arithmetic here: alpha / n * sum.
    """
    return nn.LocalResponseNorm(size=5, alpha=1e-4, beta=0.75, k=2.0)


class AlexNet(Network):
    """The two-GPU original: CONV2, CONV4 and CONV5 see only the half of the maps on their own GPU (two groups).

    60,965,224 parameters with 1000 classes. Deviations from the paper: the input is 227 x 227 (it says 224, which
    gives 55 x 55 only with a padding that it does not mention); pooling comes before normalisation, as the course
    lists it (the paper normalises first: `norm_first`). Published weights want 224 after all, where CONV1 gives 54
    x 54 and POOL1 rounds up.
    """

    input_shape = (3, 227, 227)

    def __init__(self, classes: int = 1000, size: int = 227, norm_first: bool = False) -> None:
        super().__init__()
        self.input_shape = (3, size, size)  # type: ignore[misc]  # of this one
        self.norm_first = norm_first
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(3, stride=2, ceil_mode=size != 227)
        self.norm1 = response_normalisation()
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(3, stride=2)
        self.norm2 = response_normalisation()
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.relu3 = nn.ReLU()
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.relu4 = nn.ReLU()
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        self.relu5 = nn.ReLU()
        self.pool3 = nn.MaxPool2d(3, stride=2)
        self.flatten = nn.Flatten()
        self.fc6 = nn.Linear(256 * 6 * 6, 4096)
        self.relu6 = nn.ReLU()
        self.drop6 = nn.Dropout(0.5)
        self.fc7 = nn.Linear(4096, 4096)
        self.relu7 = nn.ReLU()
        self.drop7 = nn.Dropout(0.5)
        self.fc8 = nn.Linear(4096, classes)
        self.prob = nn.Softmax(dim=1)

    def logits(self, x: Tensor) -> Tensor:
        """(N, 3, 227, 227) to (N, classes)."""
        x = self.relu1(self.conv1(x))  # (N, 96, 55, 55)
        x = self.pool1(self.norm1(x)) if self.norm_first else self.norm1(self.pool1(x))  # (N, 96, 27, 27)
        x = self.relu2(self.conv2(x))  # (N, 256, 27, 27)
        x = self.pool2(self.norm2(x)) if self.norm_first else self.norm2(self.pool2(x))  # (N, 256, 13, 13)
        x = self.relu3(self.conv3(x))  # (N, 384, 13, 13)
        x = self.relu4(self.conv4(x))  # (N, 384, 13, 13)
        x = self.relu5(self.conv5(x))  # (N, 256, 13, 13)
        x = self.pool3(x)  # (N, 256, 6, 6)
        x = self.flatten(x)  # (N, 9216)
        x = self.drop6(self.relu6(self.fc6(x)))  # (N, 4096)
        x = self.drop7(self.relu7(self.fc7(x)))  # (N, 4096)
        x = self.fc8(x)  # (N, classes)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 227, 227) to probabilities (N, classes)."""
        x = self.prob(self.logits(x))
        return x

    def layer_names(self) -> dict[str, str]:
        """The course writes them in capitals; flatten and dropout change no number and are no layers."""
        hidden = ("flatten", "drop6", "drop7")
        return {name: name.upper() for name, _ in self.named_children() if name not in hidden}


class OneWeirdTrick(Network):
    """Torchvision's `alexnet`, parameter names and all: 64 first filters, no groups, no normalisation.

    61,100,840 parameters with 1000 classes. Torchvision's adaptive pooling to 6 x 6 does nothing at this input size.
    """

    input_shape = (3, 224, 224)

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),  # (N, 64, 55, 55)
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),  # (N, 64, 27, 27)
            nn.Conv2d(64, 192, 5, padding=2),  # (N, 192, 27, 27)
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),  # (N, 192, 13, 13)
            nn.Conv2d(192, 384, 3, padding=1),  # (N, 384, 13, 13)
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),  # (N, 256, 13, 13)
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),  # (N, 256, 13, 13)
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),  # (N, 256, 6, 6)
        )
        self.flatten = nn.Flatten()  # (N, 9216)
        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, classes),
        )
        self.prob = nn.Softmax(dim=1)

    def logits(self, x: Tensor) -> Tensor:
        """(N, 3, 224, 224) to (N, classes)."""
        x = self.classifier(self.flatten(self.features(x)))
        return x

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 224, 224) to probabilities (N, classes)."""
        x = self.prob(self.logits(x))
        return x

    def layer_names(self) -> dict[str, str]:
        """The names of the original, without its norms."""
        stages = (("CONV1", "RELU1", "POOL1"), ("CONV2", "RELU2", "POOL2"), ("CONV3", "RELU3"))
        features = [name for stage in stages for name in stage]
        features += ["CONV4", "RELU4", "CONV5", "RELU5", "POOL3"]
        classifier = {1: "FC6", 2: "RELU6", 4: "FC7", 5: "RELU7", 6: "FC8"}
        return {
            **{f"features.{position}": name for position, name in enumerate(features)},
            **{f"classifier.{position}": name for position, name in classifier.items()},
            "prob": "PROB",
        }
