"""MNIST: 60,000 + 10,000 handwritten digits, read from its four gzipped idx files."""

import gzip
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from app.manifest import DigitPreprocessing
from app.preprocess import to_tensor

DEFAULT_FOLDER = Path(__file__).parents[2] / "shared" / "data" / "mnist"
FILES = {"train": "train", "test": "t10k"}


def read_idx(path: Path) -> NDArray[np.uint8]:
    """One idx file of bytes: a magic number, the sizes as big-endian 32-bit numbers, the bytes.

    Raises:
        ValueError: not an idx file of unsigned bytes.
    """
    data = gzip.decompress(path.read_bytes())
    if data[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path} is no idx file of bytes: it starts with {data[:4].hex()}.")
    rank = data[3]
    shape = np.frombuffer(data, ">u4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def read_mnist(part: Literal["train", "test"], folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pictures (count, 28, 28), light on dark, and labels (count,).

    Raises:
        FileNotFoundError: the folder does not hold the data set; the message says what to put there.
    """
    pictures, labels = (folder / f"{FILES[part]}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
    if not pictures.exists() or not labels.exists():
        raise FileNotFoundError(f"MNIST is not in {folder}: put {pictures.name} and {labels.name} there, or --data.")
    return read_idx(pictures), read_idx(labels)


def to_inputs(pictures: NDArray[np.uint8], how: DigitPreprocessing) -> NDArray[np.float32]:
    """(count, 28, 28) to (count, 1, H, W), one by one through the service's own preprocessing."""
    return np.stack(
        [
            to_tensor(Image.fromarray(picture), how, 1)
            for picture in tqdm(pictures, desc="preprocessing", unit="digit", unit_scale=True)
        ]
    )
