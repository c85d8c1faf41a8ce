"""Every network by name, at its full published size."""

from collections.abc import Callable

from models.architectures.alexnet import AlexNet, OneWeirdTrick
from models.architectures.googlenet import GoogLeNet
from models.architectures.lenet5 import LeNet5
from models.architectures.network import Network
from models.architectures.resnet import ResNet
from models.architectures.vgg import VGG

# Name -> builder, given the number of classes.
NETWORKS: dict[str, Callable[[int], Network]] = {
    "lenet5": LeNet5,
    "alexnet": AlexNet,
    "alexnet_torchvision": OneWeirdTrick,
    "vgg11": lambda classes: VGG("A", classes),
    "vgg11_lrn": lambda classes: VGG("A-LRN", classes),
    "vgg13": lambda classes: VGG("B", classes),
    "vgg16_1x1": lambda classes: VGG("C", classes),
    "vgg16": lambda classes: VGG("D", classes),
    "vgg19": lambda classes: VGG("E", classes),
    "googlenet": lambda classes: GoogLeNet("paper", classes),
    "googlenet_naive": lambda classes: GoogLeNet("naive", classes),
    "googlenet_torchvision": lambda classes: GoogLeNet("torchvision", classes),
    "plain18": lambda classes: ResNet(18, "none", classes=classes),
    "plain34": lambda classes: ResNet(34, "none", classes=classes),
    "resnet18": lambda classes: ResNet(18, "B", classes=classes),
    "resnet34": lambda classes: ResNet(34, "B", classes=classes),
    "resnet34_a": lambda classes: ResNet(34, "A", classes=classes),
    "resnet34_c": lambda classes: ResNet(34, "C", classes=classes),
    "resnet50": lambda classes: ResNet(50, "B", classes=classes),
    "resnet101": lambda classes: ResNet(101, "B", classes=classes),
    "resnet152": lambda classes: ResNet(152, "B", classes=classes),
    "resnet50_torchvision": lambda classes: ResNet(50, "B", "3x3", classes),
    "resnet101_torchvision": lambda classes: ResNet(101, "B", "3x3", classes),
    "resnet152_torchvision": lambda classes: ResNet(152, "B", "3x3", classes),
}


def build(name: str, classes: int = 1000) -> Network:
    """The network of that name (torch module, random weights, in training mode).

    Raises:
        ValueError: no such network, or one whose number of classes is given otherwise.
    """
    if name not in NETWORKS:
        raise ValueError(f"There is no architecture '{name}'; there are {', '.join(NETWORKS)}.")
    return NETWORKS[name](classes)
