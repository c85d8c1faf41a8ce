"""What the graphs cannot say about the five networks: title, paper, labels, preprocessing."""

from dataclasses import dataclass

from app.manifest import DigitPreprocessing, Paper, PhotoPreprocessing, Preprocessing


@dataclass(frozen=True)
class Description:
    """The words of one network's manifest."""

    title: str
    family: str
    year: int
    summary: str
    paper: Paper
    preprocessing: Preprocessing
    weights_id: str  # of the weights shipped besides the structure
    weights_title: str  # while they are not trained
    trained_title: str
    labels: tuple[str, ...]
    data: str  # while they are not trained
    trained_data: str
    published_classes: int
    seed: int  # of the untrained numbers


# Of ImageNet's classes those of Imagenette, in its order.
IMAGENETTE = (
    "tench",
    "English springer",
    "cassette player",
    "chain saw",
    "church",
    "French horn",
    "garbage truck",
    "gas pump",
    "golf ball",
    "parachute",
)
UNTRAINED = "Seeded random numbers, not trained: what this network says is no prediction."


def photo_network(
    title: str, family: str, year: int, size: int, summary: str, paper: Paper, seed: int, remark: str = ""
) -> Description:
    """A network for photos: shorter side to 256, centre crop of `size`, ImageNet's mean and deviation.

    `remark`: what its readers have to know of how the shipped weights were trained.
    """
    return Description(
        title=title,
        family=family,
        year=year,
        summary=summary,
        paper=paper,
        preprocessing=PhotoPreprocessing(resize=256, crop=(size, size)),
        weights_id="imagenette",
        weights_title="Imagenette, 10 classes (untrained)",
        trained_title="Imagenette, 10 classes",
        labels=IMAGENETTE,
        data=UNTRAINED,
        trained_data="Imagenette: 9,469 photos of ten of ImageNet's classes (J. Howard, fast.ai), trained by this "
        f"project's own recipe.{remark}",
        published_classes=1000,
        seed=seed,
    )


DESCRIPTIONS: dict[str, Description] = {
    "lenet5": Description(
        title="LeNet-5",
        family="LeNet",
        year=1998,
        summary="Reads handwritten digits. Convolution and subsampling in turn, scaled tanh after each, and ten "
        "output units that measure the distance to a stylised picture of their digit.",
        paper=Paper(
            title="Gradient-based learning applied to document recognition",
            authors="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner",
            venue="Proceedings of the IEEE 86(11), 1998",
            url="https://doi.org/10.1109/5.726791",
        ),
        preprocessing=DigitPreprocessing(),
        weights_id="mnist",
        weights_title="MNIST, 10 digits",
        trained_title="MNIST, 10 digits",
        labels=tuple("0123456789"),
        data=UNTRAINED,
        trained_data="MNIST: 60,000 handwritten digits (Y. LeCun, C. Cortes, C. Burges; CC BY-SA 3.0), trained by "
        "this project's own recipe.",
        published_classes=10,
        seed=1998,
    ),
    "alexnet": photo_network(
        "AlexNet",
        "AlexNet",
        2012,
        227,
        "Won ILSVRC 2012 by a wide margin: five convolutions, three of them in two groups (one group per GPU), ReLU, "
        "local response normalisation, three full layers.",
        Paper(
            title="ImageNet classification with deep convolutional neural networks",
            authors="A. Krizhevsky, I. Sutskever, G. E. Hinton",
            venue="NIPS 2012",
            url="https://papers.nips.cc/paper/4824",
        ),
        2012,
    ),
    "vgg16": photo_network(
        "VGG-16",
        "VGG",
        2014,
        224,
        "Configuration D: thirteen 3x3 convolutions and three full layers; depth out of the smallest kernel that "
        "knows left from right.",
        Paper(
            title="Very deep convolutional networks for large-scale image recognition",
            authors="K. Simonyan, A. Zisserman",
            venue="ICLR 2015",
            url="https://arxiv.org/abs/1409.1556",
        ),
        20141,
        " It learned with half of its channels and then grew, keeping what it computes: so its maps come in pairs, "
        "and half of its kernels are zero.",
    ),
    "googlenet": photo_network(
        "GoogLeNet",
        "GoogLeNet",
        2014,
        224,
        "Nine inception modules: 1x1, 3x3 and 5x5 convolutions and a pool side by side, made cheap by 1x1 "
        "reductions, and one full layer.",
        Paper(
            title="Going deeper with convolutions",
            authors="C. Szegedy, W. Liu, Y. Jia, P. Sermanet, S. Reed, D. Anguelov, D. Erhan, V. Vanhoucke, "
            "A. Rabinovich",
            venue="CVPR 2015",
            url="https://arxiv.org/abs/1409.4842",
        ),
        20142,
    ),
    "resnet34": photo_network(
        "ResNet-34",
        "ResNet",
        2015,
        224,
        "Sixteen residual blocks: each adds to what it was given, so that gradients find a way through 34 layers.",
        Paper(
            title="Deep residual learning for image recognition",
            authors="K. He, X. Zhang, S. Ren, J. Sun",
            venue="CVPR 2016",
            url="https://arxiv.org/abs/1512.03385",
        ),
        2015,
    ),
}
