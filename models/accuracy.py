"""Measure shipped networks through the service's own path, and write the figures where they are shown.

    python -m models.accuracy lenet5       one network; without a name, every trained one

Nothing else writes `accuracy`: a figure in a manifest is one that this measured on the file beside it. The README's
table and the confusion matrices in docs/ are written from the same measurement. Where training left the float32 graph
of a packed network in checkpoints/NAME.onnx, that is measured too.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from tqdm import tqdm

from app.imaging import Image, decode
from app.int8 import Int8Network
from app.manifest import Accuracy, Inline, Manifest, Weights, read_manifest
from app.network import Network
from models import imagenette, mnist
from models.bundle import BUNDLED, write_manifest
from models.compress import step_sizes
from models.curves import draw_confusion
from models.describe import DESCRIPTIONS
from models.paired import chance, paired
from models.readme import write_table

ROOT = Path(__file__).parents[1]
BATCH = 50

# A decoded picture and the index of its class.
Example = tuple[Image, int]


@dataclass(frozen=True)
class TestSet:
    """Pictures that nothing was trained on, and how they are called."""

    name: str
    read: Callable[[Path | None, int], Iterator[Example]]  # of a folder (None: the usual one), every so-manieth


def mnist_test(folder: Path | None, step: int = 1) -> Iterator[Example]:
    """MNIST's 10,000 test digits, as anyone would upload them: 28x28, light on dark."""
    digits, labels = mnist.read_mnist("test", folder or mnist.DEFAULT_FOLDER)
    for digit, label in zip(digits[::step], labels[::step], strict=True):
        yield Image.of(np.repeat(digit[:, :, None], 3, axis=2)), int(label)


def imagenette_validation(folder: Path | None, step: int = 1) -> Iterator[Example]:
    """Imagenette's 3,925 validation photos, decoded as an upload is."""
    photos = imagenette.read(folder or imagenette.DEFAULT_FOLDER, "val")
    for file, label in zip(photos.files[::step], photos.labels[::step], strict=True):
        yield decode(file, max_pixels=10**7), int(label)


PHOTOS = TestSet("Imagenette validation", imagenette_validation)
TESTS = {name: TestSet("MNIST test", mnist_test) if name == "lenet5" else PHOTOS for name in DESCRIPTIONS}


def answer(network: Network, examples: list[Example]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """What the network says of the examples: each one's most probable class and its probability, (examples,)."""
    answers, certainties = [], []
    for start in tqdm(range(0, len(examples), BATCH), desc=network.id, unit="batch"):
        inputs = np.stack([network.tensor(image) for image, _ in examples[start : start + BATCH]])
        probabilities = network.engine.probabilities(inputs)
        answers.append(probabilities.argmax(axis=1))
        certainties.append(probabilities.max(axis=1))
    return np.concatenate(answers), np.concatenate(certainties)


def confusion(labels: NDArray[np.int64], answers: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """How often each class (row) was answered as each class (column), (classes, classes)."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, answers), 1)
    return counts


def unfamiliar_below(certainties: NDArray[np.float32]) -> float:
    """The largest probability below which an image is said to look like none of the classes.

    Hendrycks and Gimpel 2017, "A baseline for detecting misclassified and out-of-distribution examples in neural
    networks": the largest softmax probability tells. One in a hundred pictures that do belong to a class is below.
    """
    return round(float(np.quantile(certainties, 0.01)), 3)


def accuracy_of(labels: NDArray[np.int64], answers: NDArray[np.int64], dataset: str) -> Accuracy:
    """Top-1 of answers (images,)."""
    return Accuracy(dataset=dataset, top1=float((answers == labels).mean()), images=len(labels))


def open_weights(manifest: Manifest, weights: Weights, path: Path, cache: Path, threads: int = 0) -> Network:
    """The network ready to run on the CPU; 0 `threads` are as many as there are cores."""
    network = Network(manifest, weights, path, cache, threads=threads, provider="cpu")
    network.prepare()
    return network


def check_packed(numbers: Mapping[str, NDArray[np.float32]], unpacked: Path) -> None:
    """Raise ValueError unless packing the float32 graph in the file `unpacked` gives these numbers, by name."""
    for tensor in onnx.load(unpacked).graph.initializer:
        exact, packed = numpy_helper.to_array(tensor), numbers[tensor.name]
        step = step_sizes(exact) if exact.ndim > 1 else np.zeros(1)
        off = np.abs(exact - packed).reshape(len(step), -1).max(axis=1)
        if (off > 1.001 * step).any():
            raise ValueError(
                f"{unpacked} is not what was packed: '{tensor.name}' is {off.max():.3g} off, more than a step of "
                "8 bits. Remove the file, or pack it again."
            )


def measure(
    name: str, data: Path | None, folder: Path, unpacked: Path | None = None, pictures: Path | None = None
) -> Accuracy:
    """Measure the default weights in `folder` and write the result into its manifest.

    Args:
        name: the network.
        data: folder of its test set; None for the usual place.
        folder: graph and manifest.
        unpacked: the float32 graph that packed weights were made from, measured too where it is there.
        pictures: folder for the confusion matrix.

    Raises:
        NetworkUnusable: the graph is not the one that the manifest was written for.
        ValueError: `unpacked` is not what was packed.
        FileNotFoundError: the test set is not there.
    """
    manifest = read_manifest(folder / "manifest.json")
    weights = manifest.get_weights(manifest.default_weights)
    tests = TESTS[name]
    examples = list(tests.read(data, 1))
    labels = np.array([label for _, label in examples])
    with tempfile.TemporaryDirectory() as cache:
        shipped = open_weights(manifest, weights, folder / weights.graph, Path(cache))
        if unpacked is not None and unpacked.exists():  # before minutes of measuring
            check_packed(shipped.initializers, unpacked)
        answers, certainties = answer(shipped, examples)
        accuracy = accuracy_of(labels, answers, tests.name)
        found: dict[str, Any] = {"accuracy": accuracy, "unfamiliar_below": unfamiliar_below(certainties)}
        if weights.ranges:
            rounded, _ = answer(Int8Network(shipped), examples)
            found["accuracy_int8"] = accuracy_of(labels, rounded, tests.name)
            found["paired_int8"] = paired(labels, answers, rounded)
            print(f"{name} on 8 bits: {found['paired_int8']}, p = {chance(found['paired_int8']):.2f}")
        if unpacked is not None and unpacked.exists():
            digest = hashlib.sha256(unpacked.read_bytes()).hexdigest()
            whole = weights.model_copy(update={"origin": Inline(), "sha256": digest})
            before, _ = answer(open_weights(manifest, whole, unpacked, Path(cache)), examples)
            found["accuracy_before_packing"] = accuracy_of(labels, before, tests.name)
    measured = tuple(
        entry.model_copy(update=found) if entry.id == weights.id else entry for entry in manifest.weights
    )
    write_manifest(manifest.model_copy(update={"weights": measured}), folder)
    if pictures is not None:
        counts = confusion(labels, answers, len(weights.labels))
        draw_confusion(counts, weights.labels, f"{manifest.title}, {tests.name}", pictures / f"confusion-{name}.png")
    return accuracy


def main() -> None:
    """Measure the networks named on the command line, and write the README's table."""
    parser = argparse.ArgumentParser(prog="python -m models.accuracy", description="Measure a shipped network.")
    parser.add_argument("network", nargs="?", choices=list(TESTS), help="default: every trained one")
    parser.add_argument("--data", type=Path, help="folder of the data set; default: its place beside the repository")
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "checkpoints", help="default: %(default)s")
    arguments = parser.parse_args()
    for name in [arguments.network] if arguments.network else TESTS:
        manifest = read_manifest(BUNDLED / name / "manifest.json")
        if not manifest.get_weights(manifest.default_weights).trained:
            print(f"{name}: not trained, so there is nothing to measure")
            continue
        unpacked = arguments.checkpoints / f"{name}.onnx"
        print(name, measure(name, arguments.data, BUNDLED / name, unpacked, ROOT / "docs"))
    write_table(ROOT / "README.md", [BUNDLED / name for name in TESTS])


if __name__ == "__main__":
    main()
