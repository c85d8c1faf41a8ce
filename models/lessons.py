"""Lessons before the training proper: a smaller network learns first, at a fraction of the cost, and grows."""

from pathlib import Path

import torch
from torch import nn

from models.architectures.network import Network, initialise
from models.architectures.resnet import Block
from models.architectures.vgg import VGG
from models.grow import grow, shrink
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
        torch.manual_seed(lesson.seed)
        student = start(_student(lesson))
        assert isinstance(student, VGG)
        if small is None:
            student = learning_form(student, lesson.normalise_full)
        else:
            student = learning_on(grow(small, student), lesson.normalise_full, normalise(photos[0][::SOME]))
        small, progress = _learn(student, lesson, photos, watched, checkpoint, str(number))
        every.losses += progress.losses
        every.top1 += progress.top1
    assert small is not None
    return grow(small, network), every


def further_lesson(
    lesson: Recipe, network: Network, photos: Samples, watched: Samples, checkpoint: Path
) -> tuple[Network, Progress]:
    """The student that `network` grew from learns on, and grows into it again.

    Returns:
        `network` in its published form, computing what the student does, and the student's progress.

    Raises:
        ValueError: `network` did not grow from such a student, or has learned since.
    """
    assert isinstance(network, VGG)
    torch.manual_seed(lesson.seed)
    student = learning_on(shrink(network, _student(lesson)), lesson.normalise_full, normalise(photos[0][::SOME]))
    small, progress = _learn(student, lesson, photos, watched, checkpoint, "further")
    return grow(small, network), progress


def _student(lesson: Recipe) -> VGG:
    assert lesson.student is not None
    student = lesson.student(len(CLASSES))
    assert isinstance(student, VGG)
    return student


def _learn(
    student: Network, lesson: Recipe, photos: Samples, watched: Samples, checkpoint: Path, which: str
) -> tuple[VGG, Progress]:
    """What the student has learned, in its published form; the checkpoint is the lesson's own."""
    learned, progress = train(student, lesson, photos, watched, checkpoint.with_stem(f"{checkpoint.stem}-{which}"))
    published = published_form(learned.cpu(), _student(lesson))
    assert isinstance(published, VGG)
    return published, progress


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
