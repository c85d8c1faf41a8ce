"""Calibrate the activation ranges of a shipped network, for `precision=int8`.

    python -m models.calibrate googlenet     one network; without a name, every trained one
    python -m models.calibrate --images 500

Training images, never test images, go through the service's own preprocessing and session. A tensor's range is the
mean over the images of its smallest and largest value, as in Krishnamoorthi 2018, "Quantizing deep convolutional
networks for efficient inference", which takes moving averages of both: a range that a single image stretched would
take steps from all the others.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tqdm import tqdm

from app.imaging import Image, decode
from app.manifest import read_manifest
from app.network import Network
from app.quantise import with_numbers
from models import imagenette, mnist
from models.accuracy import open_weights
from models.bundle import BUNDLED, write_manifest
from models.describe import DESCRIPTIONS


def training_images(name: str, data: Path | None, count: int) -> Iterator[Image]:
    """So many training images of a network, evenly from all of them (which lie by class)."""
    if name == "lenet5":
        digits, _ = mnist.read_mnist("train", data or mnist.DEFAULT_FOLDER)
        for digit in digits[evenly(len(digits), count)]:
            yield Image.of(np.repeat(digit[:, :, None], 3, axis=2))
        return
    photos = imagenette.read(data or imagenette.DEFAULT_FOLDER, "train")
    for index in evenly(len(photos), count):
        yield decode(photos.files[index], max_pixels=10**7)


def evenly(available: int, count: int) -> NDArray[np.int64]:
    """`count` indices from the first to the last of those available, or all of these where they are fewer."""
    return np.linspace(0, available - 1, min(count, available)).astype(np.int64)


def calibrate(network: Network, images: Iterator[Image], count: int) -> dict[str, tuple[float, float]]:
    """Tensor -> the mean over the images of its smallest and largest value, the input among them."""
    names = [name for node in network.model.graph.node for name in node.output]
    model = with_numbers(network.model, network.initializers)
    del model.graph.output[:]
    for name in names:
        model.graph.output.add().name = name
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    entry = network.graph.input_name
    lows: dict[str, list[float]] = {name: [] for name in (entry, *names)}
    highs: dict[str, list[float]] = {name: [] for name in (entry, *names)}
    for image in tqdm(images, total=count, desc=network.id, unit="image"):
        tensor = network.tensor(image)[None]
        for name, array in zip((entry, *names), (tensor, *session.run(names, {entry: tensor})), strict=True):
            lows[name].append(float(array.min()))
            highs[name].append(float(array.max()))
    return {
        # zero is always a step: padding is exact
        name: (min(0.0, float(np.float32(np.mean(lows[name])))), max(0.0, float(np.float32(np.mean(highs[name])))))
        for name in lows
    }


def main() -> None:
    """Calibrate the networks named on the command line, and write their manifests."""
    parser = argparse.ArgumentParser(prog="python -m models.calibrate", description="Calibrate activation ranges.")
    parser.add_argument("network", nargs="?", choices=list(DESCRIPTIONS), help="default: every trained one")
    parser.add_argument("--data", type=Path, help="folder of the data set; default: its place beside the repository")
    parser.add_argument("--images", type=int, default=300, help="training images to look at (default %(default)s)")
    arguments = parser.parse_args()
    if arguments.images < 1:
        parser.error(f"--images is {arguments.images}; without an image there is no range")
    for name in [arguments.network] if arguments.network else DESCRIPTIONS:
        folder = BUNDLED / name
        manifest = read_manifest(folder / "manifest.json")
        weights = manifest.get_weights(manifest.default_weights)
        if not weights.trained:
            print(f"{name}: not trained, so there is nothing to calibrate")
            continue
        with tempfile.TemporaryDirectory() as cache:
            network = open_weights(manifest, weights, folder / weights.graph, Path(cache))
            images = training_images(name, arguments.data, arguments.images)
            ranges = calibrate(network, images, arguments.images)
        calibrated = weights.model_copy(update={"ranges": ranges, "accuracy_int8": None, "paired_int8": None})
        entries = tuple(calibrated if entry.id == weights.id else entry for entry in manifest.weights)
        write_manifest(manifest.model_copy(update={"weights": entries}), folder)
        print(f"{name}: {len(ranges)} ranges; measure it with: python -m models.accuracy {name}")


if __name__ == "__main__":
    main()
