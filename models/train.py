"""Train a network by the project's own recipe, and ship it.

    python -m models.train lenet5                  resumes where an interrupted run stopped
    python -m models.train lenet5 --data FOLDER    MNIST somewhere else

Checkpoints go to checkpoints/, the curve to docs/training-NAME.png, graph and manifest to models/bundled/NAME, where
`python -m models.accuracy NAME` measures the file as shipped.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from app.manifest import DigitPreprocessing
from models.architectures import build
from models.bundle import ship
from models.curves import draw_curves
from models.digit_recipe import DigitRecipe, train
from models.mnist import DEFAULT_FOLDER, read_mnist, to_inputs

ROOT = Path(__file__).parents[1]


def train_lenet5(data: Path | None, checkpoint: Path) -> None:
    """LeNet-5 on MNIST's 60,000 training digits."""
    recipe, how = DigitRecipe(), DigitPreprocessing()
    torch.manual_seed(recipe.seed)
    network = build("lenet5", 10)
    digits, labels = read_mnist("train", data or DEFAULT_FOLDER)
    pictures = torch.from_numpy(to_inputs(digits, how))
    epochs = train(network, recipe, pictures, torch.from_numpy(labels).long(), how.background, checkpoint)
    draw_curves(epochs, "LeNet-5 on MNIST", ROOT / "docs" / "training-lenet5.png")
    ship("lenet5", network)


# Network -> its whole training: data folder (None: the usual place), checkpoint file.
TRAININGS: dict[str, Callable[[Path | None, Path], None]] = {"lenet5": train_lenet5}


def main() -> None:
    """Train the network named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m models.train", description="Train a network and ship it.")
    parser.add_argument("network", choices=list(TRAININGS))
    parser.add_argument("--data", type=Path, help="folder of the data set; default: its place beside the repository")
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "checkpoints", help="default: %(default)s")
    arguments = parser.parse_args()
    TRAININGS[arguments.network](arguments.data, arguments.checkpoints / f"{arguments.network}.pt")


if __name__ == "__main__":
    main()
