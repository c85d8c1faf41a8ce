"""Writes `models/pullable/`: what `convscope pull` can fetch, as the service reads it.

    python -m models.model_zoo [IMAGENET_CLASS_INDEX]

The files are the ONNX Model Zoo's (https://github.com/onnx/models), pinned by size and digest and served as they
are. Each gets a manifest, and the graph of its structure, which stands for it until it is here and then gives its
layers the course's names. The names of the 1000 classes are written once, from the usual JSON file of
index -> [WordNet id, name], when it is given.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from app.manifest import Manifest, Paper, PhotoPreprocessing, Pulled, Weights
from models.architectures import build
from models.architectures.alexnet import AlexNet
from models.architectures.network import Network
from models.bundle import write_atomically, write_graph, write_manifest
from models.describe import DESCRIPTIONS
from models.export import export

PULLABLE = Path(__file__).parent / "pullable"
LABELS = "imagenet.txt"

# Caffe's networks: blue first, 0..255 minus the training set's mean a channel. Bicubic: of 40 photos GoogLeNet names
# 29, with bilinear 26. The others: ImageNet's usual mean and deviation, as torchvision has them.
CAFFE = PhotoPreprocessing(interpolation="bicubic", color="BGR", scale=1, mean=(104, 117, 123), std=(1, 1, 1))
USUAL = PhotoPreprocessing()

CAFFE_DATA = "ImageNet (ILSVRC 2012), trained by the BVLC for Caffe; from the ONNX Model Zoo."
USUAL_DATA = "ImageNet (ILSVRC 2012); from the ONNX Model Zoo."


@dataclass(frozen=True)
class Published:
    """One file of the Model Zoo, and the architecture that it has."""

    family: str  # the bundled network whose words it shares
    file: str
    bytes: int
    sha256: str
    preprocessing: PhotoPreprocessing
    architecture: Callable[[], Network]
    title: str = ""  # of a network of its own
    summary: str = ""


def resnet(depth: int, size: int, sha256: str, file: str, summary: str = "") -> Published:
    """A ResNet of that depth."""
    return Published(
        "resnet34", file, size, sha256, USUAL, lambda: build(f"resnet{depth}"), f"ResNet-{depth}", summary
    )


BOTTLENECKS = "Blocks of three convolutions: 1x1 to fewer maps, 3x3, and 1x1 back to four times as many."

# Network -> its file. The five of the course get further weights; the others are networks of their own.
ZOO: dict[str, Published] = {
    "alexnet": Published(
        "alexnet",
        "caffenet-12.onnx",
        243863798,
        "ea563e5c47d1f58e1717cf1a2d8bf288b8adc07af0ad228b622096cd243aeecb",
        CAFFE,
        lambda: AlexNet(size=224),
    ),
    "vgg16": Published(
        "vgg16",
        "vgg16-12.onnx",
        553437752,
        "722c42f53ca03a5480296bf8f9c85a151de3eed9ec982d7d2302ff6e2900c67b",
        USUAL,
        lambda: build("vgg16"),
    ),
    "googlenet": Published(
        "googlenet",
        "googlenet-12.onnx",
        28021836,
        "c99c507058eaf41de8723408fdda7db8325cb57f0a89f2ee07a716d6e963e14e",
        CAFFE,
        lambda: build("googlenet"),
    ),
    "resnet34": resnet(
        34, 87302588, "883a41b2e30ddc2e422c108b091b5e70b92d37dc5c345a2c563dcae27971e2cc", "resnet34-v1-7.onnx"
    ),
    "bvlcalexnet": Published(
        "alexnet",
        "bvlcalexnet-12.onnx",
        243863787,
        "6b0da9510f27f234ee96a85dc3809dd210150fdefad87f6850f9788513216945",
        CAFFE,
        lambda: AlexNet(size=224, norm_first=True),
        "AlexNet, paper's order",
        "AlexNet as its paper lists it: normalisation comes before pooling.",
    ),
    "vgg19": Published(
        "vgg16",
        "vgg19-7.onnx",
        574677321,
        "692f9f927f1df1b89033787a77a73eac59fd9b3344f9ecdf0b13221e41c2046f",
        USUAL,
        lambda: build("vgg19"),
        "VGG-19",
        "Configuration E: sixteen 3x3 convolutions and three full layers.",
    ),
    "resnet18": resnet(
        18,
        46820737,
        "4e8f8653e7a2222b3904cc3fe8e304cd8b339ce1d05fd24688162f86fb6df52c",
        "resnet18-v1-7.onnx",
        "Eight residual blocks of two 3x3 convolutions.",
    ),
    "resnet50": resnet(
        50,
        102576593,
        "3f03fdef724b22947eed826f1eef1dc5c34151bb4c37d634f1db89dfa2dd1526",
        "resnet50-v1-12.onnx",
        BOTTLENECKS,
    ),
    "resnet101": resnet(
        101,
        178914043,
        "760702f6ec0138f71ebac66f4e95d1c72dc9267a8544f4d4667a53075fd0497c",
        "resnet101-v1-7.onnx",
        BOTTLENECKS,
    ),
    "resnet152": resnet(
        152,
        241816206,
        "b0ec92437bf8c9d0739bf9bafdea9638e13f9e3c1e2fb766ad546cc182fd3f6d",
        "resnet152-v1-7.onnx",
        BOTTLENECKS,
    ),
}


def write_pullable(name: str, published: Published, root: Path = PULLABLE) -> Manifest:
    """Write manifest and structure of one network into its folder below `root`."""
    like = DESCRIPTIONS[published.family]
    folder = root / name
    with torch.device("meta"):
        structure = export(published.architecture(), name).model
    stem = published.file.removesuffix(".onnx")
    paper: Paper = like.paper
    weights = Weights(
        id="imagenet",
        title="ImageNet, 1000 classes",
        graph="structure.onnx",
        sha256=write_graph(structure, folder / "structure.onnx"),
        origin=Pulled(
            path=f"{stem}/resolve/main/{published.file}",
            file=published.file,
            bytes=published.bytes,
            sha256=published.sha256,
        ),
        trained=True,
        preprocessing=published.preprocessing,
        labels_file=f"../{LABELS}",
        data=CAFFE_DATA if published.preprocessing is CAFFE else USUAL_DATA,
    )
    manifest = Manifest(
        id=name,
        title=published.title or like.title,
        family=like.family,
        year=like.year,
        summary=published.summary or like.summary,
        paper=paper,
        order=100 + list(ZOO).index(name),
        default_weights=weights.id,
        weights=(weights,),
    )
    write_manifest(manifest, folder)
    return manifest


def write_labels(index: Path, root: Path = PULLABLE) -> tuple[str, ...]:
    """Write the classes' names, one a line in the order of the classes, from a JSON file of index -> [id, name]."""
    classes = json.loads(index.read_text(encoding="utf-8"))
    names = tuple(classes[str(number)][1].replace("_", " ") for number in range(len(classes)))
    write_atomically(root / LABELS, ("\n".join(names) + "\n").encode())
    return names


def main() -> None:
    """Write everything that can be pulled."""
    parser = argparse.ArgumentParser(
        prog="python -m models.model_zoo", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("labels", nargs="?", type=Path, help="imagenet_class_index.json; kept as it is when left out")
    options = parser.parse_args()
    if options.labels:
        print(f"{PULLABLE / LABELS}: {len(write_labels(options.labels))} classes")
    for name, published in ZOO.items():
        print(f"{PULLABLE / name}: {write_pullable(name, published).title}, {published.file}")


if __name__ == "__main__":
    main()
