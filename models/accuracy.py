"""Measure a shipped network through the service's own path, and write the figure into its manifest.

    python -m models.accuracy lenet5

Nothing else writes `accuracy`: a figure in a manifest is one that this measured on the file beside it.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from app.imaging import Image
from app.manifest import Accuracy, read_manifest
from app.network import Network
from models.bundle import BUNDLED, write_manifest
from models.mnist import DEFAULT_FOLDER, read_mnist

BATCH = 100

# A decoded picture (H, W, 3) and the index of its class.
Example = tuple[NDArray[np.uint8], int]


def mnist_test(folder: Path | None) -> Iterator[Example]:
    """MNIST's 10,000 test digits, as anyone would upload them: 28x28, light on dark."""
    digits, labels = read_mnist("test", folder or DEFAULT_FOLDER)
    for digit, label in zip(digits, labels, strict=True):
        yield np.repeat(digit[:, :, None], 3, axis=2), int(label)


# Network -> name of the test set, and its examples out of a folder (None: the usual place).
TESTS: dict[str, tuple[str, Callable[[Path | None], Iterator[Example]]]] = {
    "lenet5": ("MNIST test", mnist_test),
}


def top1(network: Network, examples: list[Example]) -> float:
    """Share of the examples whose most probable class is the right one."""
    right = 0
    for start in tqdm(range(0, len(examples), BATCH), desc=network.id, unit="batch"):
        part = examples[start : start + BATCH]
        inputs = np.stack([network.tensor(Image(pixels, "")) for pixels, _ in part])
        answers = network.engine.probabilities(inputs).argmax(axis=1)
        right += int((answers == [label for _, label in part]).sum())
    return right / len(examples)


def measure(name: str, data: Path | None, folder: Path) -> Accuracy:
    """Measure the default weights in `folder` and write the result into its manifest.

    Raises:
        NetworkUnusable: the graph is not the one that the manifest was written for.
        FileNotFoundError: the test set is not there.
    """
    manifest = read_manifest(folder / "manifest.json")
    weights = manifest.get_weights(manifest.default_weights)
    dataset, read = TESTS[name]
    examples = list(read(data))
    with tempfile.TemporaryDirectory() as cache:
        network = Network(manifest, weights, folder / weights.graph, Path(cache), provider="cpu")
        network.prepare()
        accuracy = Accuracy(dataset=dataset, top1=top1(network, examples), images=len(examples))
    measured = tuple(
        entry.model_copy(update={"accuracy": accuracy}) if entry.id == weights.id else entry
        for entry in manifest.weights
    )
    write_manifest(manifest.model_copy(update={"weights": measured}), folder)
    return accuracy


def main() -> None:
    """Measure the network named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m models.accuracy", description="Measure a shipped network.")
    parser.add_argument("network", choices=list(TESTS))
    parser.add_argument("--data", type=Path, help="folder of the data set; default: its place beside the repository")
    arguments = parser.parse_args()
    print(measure(arguments.network, arguments.data, BUNDLED / arguments.network))


if __name__ == "__main__":
    main()
