"""Train a network by the project's own recipe, and ship it.

    python -m models.train lenet5                  resumes where an interrupted run stopped
    python -m models.train resnet34 --fresh        from nothing, though shipped weights could be its warm start
    python -m models.train lenet5 --data FOLDER    the data set somewhere else

Checkpoints lie in checkpoints/ (of a fresh run in checkpoints/fresh/) until the network is shipped; the curve goes
to docs/training-NAME.png, graph, numbers and manifest to models/bundled/NAME. There `python -m models.calibrate
NAME` finds the ranges for 8 bits, and `python -m models.accuracy NAME` then measures the file as shipped. A photo
network's float32 graph stays in checkpoints/NAME.onnx, to be measured, too.
"""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from app.manifest import DigitPreprocessing
from models.architectures import build
from models.architectures.network import Network
from models.bundle import BUNDLED, ship, ship_packed, write_graph
from models.curves import draw_curves, draw_progress
from models.describe import DESCRIPTIONS
from models.digit_recipe import DigitRecipe
from models.digit_recipe import train as train_digits
from models.export import export
from models.imagenette import DEFAULT_FOLDER as IMAGENETTE
from models.imagenette import normalise, read
from models.lessons import further_lesson, lessons, start
from models.mnist import DEFAULT_FOLDER as MNIST
from models.mnist import read_mnist, to_inputs
from models.normalised import learning_form, published_form
from models.photo_recipe import Progress, Recipe, Samples, renormalise, top1
from models.photo_recipe import train as train_photos
from models.photo_recipes import RECIPES
from models.shipped import SOME, learning_on, load_numbers, shipped_numbers

ROOT = Path(__file__).parents[1]
SETTLING = 8  # every eighth photo settles the statistics of the normalisations
WATCHED = 8  # every eighth validation photo tells how the training goes


def train_lenet5(data: Path | None, checkpoint: Path) -> None:
    """LeNet-5 on MNIST's 60,000 training digits, of which its recipe holds some out."""
    recipe, how = DigitRecipe(), DigitPreprocessing()
    torch.manual_seed(recipe.seed)
    network = build("lenet5", 10)
    digits, labels = read_mnist("train", data or MNIST)
    pictures = torch.from_numpy(to_inputs(digits, how))
    epochs = train_digits(network, recipe, pictures, torch.from_numpy(labels).long(), how.background, checkpoint)
    draw_curves(epochs, "LeNet-5 on MNIST", ROOT / "docs" / "training-lenet5.png")
    ship("lenet5", network)


def train_photo_network(name: str, data: Path | None, checkpoint: Path, fresh: bool, graphs: Path) -> None:
    """A network for photos on Imagenette's 9,469 training photos; its float32 graph goes to the folder `graphs`."""
    recipe, folder = RECIPES[name], data or IMAGENETTE
    training, validation = read(folder, "train"), read(folder, "val")
    photos = (training.decode(), training.labels)
    watched = (validation.decode()[::WATCHED], validation.labels[::WATCHED])
    numbers = None if fresh else shipped_numbers(BUNDLED / name, checkpoint.parent)
    torch.manual_seed(recipe.seed)
    network, earlier = begin(
        build(name, len(DESCRIPTIONS[name].labels)), recipe, numbers, photos, watched, checkpoint
    )
    learned, progress = train_photos(network, recipe, photos, watched, checkpoint)
    if recipe.renormalise:
        renormalise(learned, photos[0][::SETTLING])
    print(f"top-1 of the watched photos: {top1(learned, watched):.4f}")
    title = DESCRIPTIONS[name].title
    draw_progress(
        [*earlier.losses, *progress.losses],
        [*earlier.top1, *progress.top1],
        f"{title} on Imagenette",
        ROOT / "docs" / f"training-{name}.png",
    )
    published = published_form(learned.cpu(), build(name, len(DESCRIPTIONS[name].labels)))
    write_graph(export(published, name).model, graphs / f"{name}.onnx")
    ship_packed(name, published)


def begin(
    network: Network,
    recipe: Recipe,
    numbers: Mapping[str, NDArray[np.float32]] | None,
    photos: Samples,
    watched: Samples,
    checkpoint: Path,
) -> tuple[Network, Progress]:
    """The network in its learning form, and what its smaller students went through before.

    It knows the shipped `numbers`; without any, what its lessons taught, or nothing. One that has grown and does not
    learn itself stays in its published form, so that copies of a weight stay equal to the last bit.
    """
    network, progress = start(network), Progress([], [])
    if numbers is not None:
        load_numbers(network, numbers)
        if recipe.further is not None:
            network, progress = further_lesson(recipe.further, network, photos, watched, checkpoint)
    elif recipe.before:
        network, progress = lessons(recipe, network, photos, watched, checkpoint)
    else:
        return learning_form(network, recipe.normalise_full), progress
    if progress.losses and not recipe.epochs:
        return network, progress
    return learning_on(network, recipe.normalise_full, normalise(photos[0][::SOME])), progress


def main() -> None:
    """Train the network named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m models.train", description="Train a network and ship it.")
    parser.add_argument("network", choices=["lenet5", *RECIPES])
    parser.add_argument("--data", type=Path, help="folder of the data set; default: its place beside the repository")
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "checkpoints", help="default: %(default)s")
    parser.add_argument("--fresh", action="store_true", help="do not start from the shipped weights")
    arguments = parser.parse_args()
    folder = arguments.checkpoints / "fresh" if arguments.fresh else arguments.checkpoints
    checkpoint = folder / f"{arguments.network}.pt"
    if arguments.network == "lenet5":
        train_lenet5(arguments.data, checkpoint)
    else:
        train_photo_network(arguments.network, arguments.data, checkpoint, arguments.fresh, arguments.checkpoints)
    of_lessons = re.compile(rf"{re.escape(checkpoint.stem)}-(\d+|further){re.escape(checkpoint.suffix)}")
    for done in [*checkpoint.parent.iterdir()] if checkpoint.parent.is_dir() else []:
        if done == checkpoint or of_lessons.fullmatch(done.name):
            done.unlink()  # or the next training would find itself done


if __name__ == "__main__":
    main()
