"""Lessons before the training proper: a smaller network learns first, at a fraction of the cost, and grows."""

from pathlib import Path

import torch
from torch import nn

from models.architectures.network import Network, initialise
from models.architectures.resnet import Block
from models.architectures.vgg import VGG
from models.grow import grow
from models.imagenette import CLASSES, normalise
from models.normalised import learning_form, published_form
from models.photo_recipe import Progress, Recipe, Samples, train
from models.shipped import SOME, learning_on


def lessons(
    recipe: Recipe, network: Network, photos: Samples, watched: Samples, checkpoint: Path
) -> tuple[Network, Progress]:
    """Smaller students learn one after the other, each grown from the one before; the last grows into `network`.

    Returns:
        `network` in its published form, computing what the last student does, and the progress of all.
    """
    assert isinstance(network, VGG)
    every, small = Progress([], []), None
    for number, lesson in enumerate(recipe.before, start=1):
        assert lesson.student is not None
        torch.manual_seed(lesson.seed)
        student = start(lesson.student(len(CLASSES)))
        assert isinstance(student, VGG)
        if small is None:
            student = learning_form(student, lesson.normalise_full)
        else:
            student = learning_on(grow(small, student), lesson.normalise_full, normalise(photos[0][::SOME]))
        learned, progress = train(
            student, lesson, photos, watched, checkpoint.with_stem(f"{checkpoint.stem}-{number}")
        )
        every.losses += progress.losses
        every.top1 += progress.top1
        plain = published_form(learned.cpu(), lesson.student(len(CLASSES)))
        assert isinstance(plain, VGG)
        small = plain
    assert small is not None
    return grow(small, network), every


def start(network: Network) -> Network:
    """The network before it learns, with He-normal kernels.

    Residual blocks begin as the identity: their last normalisation scales by zero (Goyal et al. 2017, "Accurate,
    large minibatch SGD", section 5.1), which few epochs profit from.
    """
    initialise(network)
    for block in network.modules():
        if isinstance(block, Block) and block.add is not None:
            nn.init.zeros_((block.bn3 if block.convolutions == 3 else block.bn2).weight)
    return network
