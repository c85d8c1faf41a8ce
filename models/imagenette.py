"""Imagenette: photos of ten ImageNet classes, read from the data set's tar files into memory.

9,469 for training and 3,925 for validation, JPEG 224x224, in folders by WordNet id; greyscale ones become RGB.
"""

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

DEFAULT_FOLDER = Path(__file__).parents[2] / "shared" / "data" / "imagenette"
CLASSES = {  # WordNet id -> label, in the order of the network's outputs
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, on pixels in 0..1


@dataclass(frozen=True)
class Photos:
    """Encoded photos and their classes."""

    files: list[bytes]
    labels: NDArray[np.int64]  # (N,)

    def __len__(self) -> int:
        return len(self.files)

    def decode(self) -> NDArray[np.uint8]:
        """All pictures, uint8 (N, 224, 224, 3)."""
        return np.stack([np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in self.files])


def read(data: Path, split: Literal["train", "val"]) -> Photos:
    """The photos of a split, in the order of their names.

    Raises:
        FileNotFoundError: the folder has no tar files of that split.
    """
    tars = sorted(data.glob(f"{split}*.tar"))
    if not tars:
        raise FileNotFoundError(f"There is no {split}*.tar in {data}. Give the folder of Imagenette's tar files.")
    found: dict[str, bytes] = {}
    for path in tars:
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file is not None and member.name.lower().endswith((".jpeg", ".jpg")):
                    found[member.name] = file.read()
    ids = list(CLASSES)
    names = sorted(found)
    labels = np.array([ids.index(Path(name).parent.name) for name in names])
    return Photos([found[name] for name in names], labels)


def random_view(
    picture: NDArray[np.uint8], size: int, rng: np.random.Generator, areas: tuple[float, float]
) -> NDArray[np.uint8]:
    """A random crop of (H, W, 3) resized to (size, size, 3), half of the time mirrored.

    A fraction of the picture's area between the two of `areas`, aspect ratio 3/4..4/3 (Szegedy et al. 2014, "Going
    deeper with convolutions", section 6, with a larger smallest area, since there are few photos).
    """
    height, width = picture.shape[:2]
    area = height * width * rng.uniform(*areas)
    aspect = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    w, h = min(width, np.sqrt(area * aspect)), min(height, np.sqrt(area / aspect))
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    view = np.asarray(
        Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR, (left, top, left + w, top + h))
    )
    return view[:, ::-1] if rng.random() < 0.5 else view


def recolour(views: NDArray[np.uint8], most: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Views (N, H, W, 3), each with its own brightness, contrast and saturation, times 1 - `most` to 1 + `most`.

    After Howard 2013, "Some improvements on deep convolutional neural network based image classification", section
    2.2. All three are linear in a pixel, so that one matrix (3, 3) and one offset a view do them together.
    """
    brightness, contrast, saturation = rng.uniform(1 - most, 1 + most, (3, len(views), 1, 1))
    grey = np.array([[0.299], [0.587], [0.114]])  # ITU-R BT.601
    mean = views.mean(axis=(1, 2))[:, None] @ grey  # (N, 1, 1), which contrast leaves as it is
    own = saturation * np.eye(3) + (1 - saturation) * (grey @ np.ones((1, 3)))  # (N, 3, 3)
    matrix = (brightness * contrast * own).astype(np.float32)
    offset = (brightness * (1 - contrast) * mean).astype(np.float32)
    pixels = views.reshape(len(views), -1, 3).astype(np.float32) @ matrix + offset  # (N, H * W, 3)
    recoloured: NDArray[np.uint8] = np.clip(pixels + 0.5, 0, 255).astype(np.uint8).reshape(views.shape)
    return recoloured


def normalise(pixels: NDArray[np.uint8]) -> Tensor:
    """uint8 (N, H, W, 3) to float32 (N, 3, H, W), channels last in memory."""
    scaled = torch.from_numpy(np.ascontiguousarray(pixels)).float().div_(255)
    normal = scaled.sub_(torch.tensor(MEAN)).div_(torch.tensor(STD))
    return normal.permute(0, 3, 1, 2)  # the (N, H, W, C) storage is torch's channels_last


def central_view(photos: NDArray[np.uint8], size: int, device: torch.device) -> Tensor:
    """The centre crop of photos (N, H, W, 3), enlarged by 256/224 as the service does: float32 (N, 3, size, size)."""
    enlarged = round(size * 256 / 224)
    corner = (enlarged - size) // 2
    inputs = normalise(photos).to(device)
    inputs = F.interpolate(inputs, size=(enlarged, enlarged), mode="bilinear", antialias=True)
    return inputs[:, :, corner : corner + size, corner : corner + size]
