"""Writes `models/bundled/`: the five networks as the service reads them.

    python -m models.bundle             all five
    python -m models.bundle alexnet     one

Every network has its published structure, without numbers, and one set of weights: an untrained one that seeded numpy
fills at first start, until training ships its own (`ship`). Weights that are trained stay as they are.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import onnx
import torch

from app.manifest import Inline, Manifest, Seeded, Structure, Weights, read_manifest
from app.numbers import place_externally
from app.weights import replacing, write_seeded
from models.architectures import build
from models.architectures.lenet5 import C3_TABLE
from models.architectures.network import Network
from models.compress import pack
from models.describe import DESCRIPTIONS
from models.export import Exported, export

BUNDLED = Path(__file__).parent / "bundled"

# Layer -> connection table, which a graph with a dense kernel cannot say.
CONNECTIONS = {"lenet5": {"C3": C3_TABLE}}


def write_atomically(path: Path, data: bytes) -> None:
    """Write the file under another name, then rename it: it is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(data)


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write `folder`/manifest.json, keys in the order of the model, for a person to read and to compare."""
    write_atomically(folder / "manifest.json", (manifest.model_dump_json(indent=2) + "\n").encode())


def write_graph(model: onnx.ModelProto, path: Path) -> str:
    """Write the graph and return its sha256."""
    data: bytes = model.SerializeToString(deterministic=True)
    write_atomically(path, data)
    return hashlib.sha256(data).hexdigest()


def structure_weights(name: str, folder: Path) -> tuple[Weights, Exported]:
    """The published structure as a weights entry; writes its graph."""
    description = DESCRIPTIONS[name]
    with torch.device("meta"):
        exported = export(build(name, description.published_classes), name)
    weights = Weights(
        id="structure",
        title=f"Published structure, {description.published_classes} classes",
        graph="structure.onnx",
        sha256=write_graph(exported.model, folder / "structure.onnx"),
        origin=Structure(),
        preprocessing=description.preprocessing,
        labels=description.labels if len(description.labels) == description.published_classes else (),
    )
    return weights, exported


def untrained_weights(name: str, folder: Path) -> Weights:
    """The untrained numbers as a weights entry: a graph and the digest of the file that seeded numpy will make."""
    description = DESCRIPTIONS[name]
    with torch.device("meta"):
        model = export(build(name, len(description.labels)), name).model
    file = f"{description.weights_id}.bin"
    place_externally(model, file)
    with tempfile.TemporaryDirectory() as scratch:
        size, digest = write_seeded(model, description.seed, Path(scratch) / file)
    return Weights(
        id=description.weights_id,
        title=description.weights_title,
        graph=f"{description.weights_id}.onnx",
        sha256=write_graph(model, folder / f"{description.weights_id}.onnx"),
        origin=Seeded(seed=description.seed, file=file, bytes=size, sha256=digest),
        preprocessing=description.preprocessing,
        labels=description.labels,
        data=description.data,
    )


def trained_weights(name: str, network: Network, folder: Path) -> Weights:
    """The numbers of `network` as a weights entry, inside its graph; not measured yet."""
    description = DESCRIPTIONS[name]
    path = folder / f"{description.weights_id}.onnx"
    return Weights(
        id=description.weights_id,
        title=description.trained_title,
        graph=path.name,
        sha256=write_graph(export(network, name).model, path),
        origin=Inline(),
        trained=True,
        preprocessing=description.preprocessing,
        labels=description.labels,
        data=description.trained_data,
    )


def packed_weights(name: str, network: Network, folder: Path) -> Weights:
    """The numbers of `network` as a weights entry, 8 bits each in an archive beside the graph; not measured yet."""
    description = DESCRIPTIONS[name]
    with torch.device("meta"):
        blank = export(build(name, len(description.labels)), name).model
    origin = pack(export(network, name).model, blank, folder, description.weights_id)
    graph = folder / f"{description.weights_id}.onnx"
    return Weights(
        id=description.weights_id,
        title=description.trained_title,
        graph=graph.name,
        sha256=hashlib.sha256(graph.read_bytes()).hexdigest(),
        origin=origin,
        trained=True,
        preprocessing=description.preprocessing,
        labels=description.labels,
        data=description.trained_data,
    )


def write_bundle(name: str, make: Callable[[str, Path], Weights], folder: Path) -> Manifest:
    """Write manifest and graphs of a network into `folder`, with the weights that `make` gives."""
    description = DESCRIPTIONS[name]
    structure, exported = structure_weights(name, folder)
    manifest = Manifest(
        id=name,
        title=description.title,
        family=description.family,
        year=description.year,
        summary=description.summary,
        paper=description.paper,
        order=list(DESCRIPTIONS).index(name),
        default_weights=description.weights_id,
        weights=(make(name, folder), structure),
        layers=exported.layers,
        connections=CONNECTIONS.get(name, {}),
        fixed=exported.constants,
    )
    write_manifest(manifest, folder)
    return manifest


def ship(name: str, network: Network, folder: Path | None = None) -> Manifest:
    """Bundle a trained network; `models.calibrate` and then `models.accuracy` go on with it."""
    return write_bundle(name, lambda _, place: trained_weights(name, network, place), folder or BUNDLED / name)


def ship_packed(name: str, network: Network, folder: Path | None = None) -> Manifest:
    """Bundle a trained network in 8 bits a weight; `models.calibrate` and then `models.accuracy` go on with it."""
    return write_bundle(name, lambda _, place: packed_weights(name, network, place), folder or BUNDLED / name)


def keep_trained(name: str, folder: Path) -> Weights:
    """The weights that lie in `folder` if they are trained, untrained ones otherwise."""
    if (folder / "manifest.json").exists():
        shipped = read_manifest(folder / "manifest.json").get_weights(DESCRIPTIONS[name].weights_id)
        if shipped.trained:
            return shipped
    return untrained_weights(name, folder)


def main() -> None:
    """Write the bundles named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m models.bundle", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("networks", nargs="*", help="default: all five")
    for name in parser.parse_args().networks or DESCRIPTIONS:
        if name not in DESCRIPTIONS:
            parser.error(f"there is no network '{name}' to bundle; there are {', '.join(DESCRIPTIONS)}")
        manifest = write_bundle(name, keep_trained, BUNDLED / name)
        print(f"{BUNDLED / name}: {', '.join(weights.title for weights in manifest.weights)}")


if __name__ == "__main__":
    main()
