"""Torchvision's ImageNet weights in this project's architectures, as an ONNX file and the manifest beside it.

The files lie on PyTorch's download host; the eight hexadecimal digits in a name are the start of the file's sha256,
which is checked before anything of it is read (torch.hub.load_state_dict_from_url, `check_hash`). They load strictly:
every parameter of the architecture, and no other. Three things are torchvision's and not the papers':

- its `alexnet` is the one-column variant of Krizhevsky 2014 (64 first filters, no normalisation);
- its `googlenet` has 3x3 kernels where the paper has 5x5, and batch normalisation;
- its `resnet50` and deeper stride in the 3x3 where the paper's stride in the first 1x1. They would load into either
  and compute something else, so the variant that they were trained in is built here.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch

from app.manifest import Inline, Manifest, Paper, PhotoPreprocessing, Weights
from models.architectures import build
from models.bundle import write_atomically, write_graph
from models.describe import DESCRIPTIONS
from models.export import export
from models.model_zoo import LABELS, PULLABLE

BASE_URL = "https://download.pytorch.org/models"

USUAL = PhotoPreprocessing()
LARGER = PhotoPreprocessing(resize=232)  # the second recipe's weights were measured so
# The weights came from TensorFlow, where a value is (pixel/255 - 0.5) / 0.5; torchvision's `transform_input` is that.
HALVES = PhotoPreprocessing(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Pretrained:
    """One file of torchvision's, the architecture it was trained in, and how an image becomes its input."""

    file: str
    architecture: str
    like: str  # the bundled network whose words it shares
    title: str
    preprocessing: PhotoPreprocessing = USUAL
    deviation: str = ""  # from the paper, in a sentence


STRIDE = "Its blocks stride in the 3x3 convolution, where the paper's stride in the first 1x1."

PRETRAINED: dict[str, Pretrained] = {
    "alexnet": Pretrained(
        "alexnet-owt-7be5be79.pth",
        "alexnet_torchvision",
        "alexnet",
        "AlexNet (torchvision)",
        deviation="The one-column variant of Krizhevsky 2014: 64 first filters, 224 pixels, no normalisation.",
    ),
    "vgg11": Pretrained("vgg11-8a719046.pth", "vgg11", "vgg16", "VGG-11 (torchvision)"),
    "vgg13": Pretrained("vgg13-19584684.pth", "vgg13", "vgg16", "VGG-13 (torchvision)"),
    "vgg16": Pretrained("vgg16-397923af.pth", "vgg16", "vgg16", "VGG-16 (torchvision)"),
    "vgg19": Pretrained("vgg19-dcbb9e9d.pth", "vgg19", "vgg16", "VGG-19 (torchvision)"),
    "googlenet": Pretrained(
        "googlenet-1378be20.pth",
        "googlenet_torchvision",
        "googlenet",
        "GoogLeNet (torchvision)",
        HALVES,
        "It has 3x3 kernels where the paper has 5x5, and batch normalisation.",
    ),
    "resnet18": Pretrained("resnet18-f37072fd.pth", "resnet18", "resnet34", "ResNet-18 (torchvision)"),
    "resnet34": Pretrained("resnet34-b627a593.pth", "resnet34", "resnet34", "ResNet-34 (torchvision)"),
    "resnet50": Pretrained(
        "resnet50-11ad3fa6.pth", "resnet50_torchvision", "resnet34", "ResNet-50 (torchvision)", LARGER, STRIDE
    ),
    "resnet101": Pretrained(
        "resnet101-cd907fc2.pth", "resnet101_torchvision", "resnet34", "ResNet-101 (torchvision)", LARGER, STRIDE
    ),
    "resnet152": Pretrained(
        "resnet152-f82ba261.pth", "resnet152_torchvision", "resnet34", "ResNet-152 (torchvision)", LARGER, STRIDE
    ),
}


def load(name: str, base_url: str, folder: Path) -> dict[str, torch.Tensor]:
    """Torchvision's parameters of `name`, fetched into `folder` once, with a bar, and checked by its digest.

    Raises:
        RuntimeError: the digest is not the one in the file's name; nothing of the file is kept.
        OSError: the host cannot be reached, or has no such file.
    """
    file = PRETRAINED[name].file
    kept = folder / file
    if kept.is_file() and not digest_of(kept).startswith(promised(file)):
        kept.unlink()  # torch trusts a file that is there; this one was damaged since
    state: dict[str, torch.Tensor] = torch.hub.load_state_dict_from_url(
        f"{base_url.rstrip('/')}/{file}",
        model_dir=str(folder),
        map_location="cpu",
        check_hash=True,
        weights_only=True,
    )
    return state


def promised(file: str) -> str:
    """The digits of the sha256 that a file's name ends in."""
    return file.removesuffix(".pth").rpartition("-")[2]


def digest_of(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def export_pretrained(name: str, state: dict[str, torch.Tensor], folder: Path) -> tuple[Path, Path]:
    """Write `NAME.onnx` with the parameters of `state` and `NAME.json`, its manifest; returns both paths.

    Raises:
        RuntimeError: the parameters are not exactly the architecture's; the message names those that differ.
    """
    published = PRETRAINED[name]
    network = build(published.architecture)
    network.load_state_dict(state, strict=True)
    exported = export(network, name)
    onnx.checker.check_model(exported.model)
    like = DESCRIPTIONS[published.like]
    paper: Paper = like.paper
    path, manifest_path = folder / f"{name}.onnx", folder / f"{name}.json"
    weights = Weights(
        id="imagenet",
        title="ImageNet, 1000 classes",
        graph=path.name,
        sha256=write_graph(exported.model, path),
        origin=Inline(),
        trained=True,
        preprocessing=published.preprocessing,
        labels=tuple((PULLABLE / LABELS).read_text(encoding="utf-8").splitlines()),
        data=f"ImageNet (ILSVRC 2012); torchvision's {published.file}. {published.deviation}".strip(),
    )
    manifest = Manifest(
        id=f"{name}-torchvision",
        title=published.title,
        family=like.family,
        year=like.year,
        summary=published.deviation,
        paper=paper,
        default_weights=weights.id,
        weights=(weights,),
        layers=exported.layers,
        fixed=exported.constants,
    )
    write_atomically(manifest_path, (manifest.model_dump_json(indent=2) + "\n").encode())
    return path, manifest_path
