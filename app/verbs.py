"""What the commands do, by the service's own way: catalog -> network -> image -> tensor -> engine."""

import argparse
import errno
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import orjson
from tqdm import tqdm

from app.catalog import Catalog
from app.errors import ConvscopeError, ImageUndecodable, InvalidValue
from app.imaging import Image, as_image
from app.manifest import Packed, Pulled, Seeded
from app.network import Network
from app.settings import Settings, read_settings
from app.sources import to_json
from app.tensors import npy
from app.weights import is_stamped, place, replacing

T = TypeVar("T")

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif"})


def models(options: argparse.Namespace) -> int:
    """List every network with its weights."""
    catalog = Catalog.open(settings_of(options))
    if options.prepare:
        with bytes_bar("weights", catalog.bytes_total) as advance:
            catalog.prepare(advance)
        if catalog.problem is not None:
            raise catalog.problem
    for network in catalog.networks:
        channels, height, width = network.graph.input_shape
        accuracy = network.weights.accuracy
        if options.json:
            row = {
                "id": network.id,
                "title": network.manifest.title,
                "weights": network.weights_id,
                "input": [channels, height, width],
                "classes": network.graph.classes,
                "parameters": network.graph.parameters,
                "trained": network.trained,
                "ready": is_there(network),
                "accuracy": accuracy.model_dump() if accuracy else None,
                "layers": [layer.name for layer in network.graph.layers],
            }
            say(orjson.dumps(row).decode())
        else:
            known = f"{accuracy.top1:.2%} of {accuracy.dataset}" if accuracy else ""
            state = known or ("trained" if network.trained else "not trained")
            if isinstance(network.weights.origin, Pulled) and not network.ready:
                state = f"not here: {network.command}"
            shape = f"{channels}x{height}x{width}"
            say(
                f"{network.id:<12} {network.weights_id:<12} {shape:>9} (C x H x W)  "
                f"{network.graph.classes:>4} classes  {network.graph.parameters:>11,} parameters  {state}"
            )
    return 0


def is_there(network: Network) -> bool:
    """Whether its numbers are on this machine, unpacked or not yet looked at since."""
    origin = network.weights.origin
    unpacked = isinstance(origin, Seeded | Packed) and is_stamped(place(network.cache_dir, origin), origin.sha256)
    return network.ready or unpacked


def predict(options: argparse.Namespace) -> int:
    """Classify every image; one that cannot be read is reported and the others go on."""
    settings = settings_of(options)
    network = open_network(options, settings)
    status = 0
    for path in progress([found.path for found in find_images(options.images)]):
        try:
            image = read_image(path, network, settings)
            (probabilities,) = next(network.engine.classify([network.tensor(image)]))  # (1, classes)
            predictions, unfamiliar = (
                network.rank(probabilities, options.top),
                network.looks_unfamiliar(probabilities),
            )
        except ConvscopeError as error:
            status = complain(f"{named(path)}: {error.detail}")
            continue
        if options.json:
            row = {
                "image": named(path),
                "model": network.id,
                "weights": network.weights_id,
                "trained": network.trained,
                "precision": network.precision,
                "predictions": predictions,
                "unfamiliar": unfamiliar,
            }
            say(orjson.dumps(row).decode())
        else:
            doubt = " (looks like none of the classes it knows)" if unfamiliar else ""
            say(f"{named(path)}: " + ", ".join(f"{one.label} {one.probability:.2%}" for one in predictions) + doubt)
    if not network.trained:
        print(f"{network.id} is not trained: its numbers are random.", file=sys.stderr)
    return status


def activations(options: argparse.Namespace) -> int:
    """Write the layers' activations of every image: float32 (C, H, W) or (N,)."""
    settings = settings_of(options)
    network = open_network(options, settings)
    layers = [network.layer(name).name for name in options.layer]  # an unknown one is refused before any work
    images = find_images(options.images)
    to_file = options.output.suffix == ".npy"
    if to_file and len(images) * len(layers) > 1:
        raise InvalidValue(
            f"{options.output} is one file, for {len(images)} images and {len(layers)} layers. Give a folder to -o.",
            str(options.output),
        )
    places: dict[Path, Path] = {}
    for number, image in enumerate(images, 1):
        other = places.setdefault(image.name, image.path)
        if len(places) != number:
            raise InvalidValue(
                f"{named(other)} and {named(image.path)} are both called {named(image.name)} and would overwrite "
                "each other. Write them apart.",
                named(image.name),
            )
    status = 0
    for name, path in progress([*places.items()]):
        try:
            run = network.run(read_image(path, network, settings))
        except ConvscopeError as error:
            status = complain(f"{named(path)}: {error.detail}")
            continue
        for layer in layers:
            target = options.output if to_file else options.output / f"{name}.{layer}.npy"
            write_array(target, run[layer])
            say(f"{named(target)}: {layer} of {named(path)}, {size(run[layer])}")
    return status


def size(activation: npt.NDArray[np.float32]) -> str:
    """The shape of (C, H, W) or (N,) in words, with the order of its axes."""
    axes = "C x H x W" if activation.ndim == 3 else "N"
    return f"{'x'.join(map(str, activation.shape))} ({axes})"


def explain(options: argparse.Namespace) -> int:
    """Explain one unit: its sources, weights and expression."""
    settings = settings_of(options)
    network = open_network(options, settings)
    network.layer(options.layer)
    path = options.images[0]
    if not path.is_dir():
        find_images([path])  # what is not there is said as everywhere
    explanation = network.run(read_image(path, network, settings)).explain(options.layer, *options.unit)
    if options.json:
        print(orjson.dumps(orjson.loads(to_json(explanation)), option=orjson.OPT_INDENT_2).decode())
        return 0
    field = explanation.receptive_field
    print(f"{explanation.layer} ({explanation.op}), unit {options.unit}: {explanation.value:.6g}")
    print(
        f"sees {field['height']} x {field['width']} pixels (height x width) of the input from top {field['top']}, "
        f"left {field['left']}"
    )
    print(f"from {len(explanation.sources)} sources: {explanation.expression}")
    return 0


# --- what they share ---------------------------------------------------------------------------------------


def complain(sentence: str, status: int = 1) -> int:
    """Write one sentence to stderr; returns the status."""
    print(f"convscope: {sentence}", file=sys.stderr)
    return status


def flag(setting: str) -> str:
    """The command line's name of a setting."""
    return "--" + setting.replace("_", "-")


def settings_of(options: argparse.Namespace) -> Settings:
    """Flags over environment over defaults; InvalidValue names the flag that is wrong."""
    return read_settings(**{name: value for name, value in vars(options).items() if name in Settings.model_fields})


def open_network(options: argparse.Namespace, settings: Settings) -> Network:
    """The network that was asked for, its weights in place."""
    catalog = Catalog.open(settings)
    model = options.model
    if model is None:
        if settings.onnx is None:
            known = ", ".join(manifest.id for manifest in catalog.models)
            raise InvalidValue(f"Say which network: --model ID, one of {known}; or --onnx FILE.")
        model = catalog.models[-1].id  # the operator's own file is added last
    network = catalog.network(model, options.weights, options.precision)
    origin = network.weights.origin
    total = origin.bytes if isinstance(origin, Seeded | Packed) else None
    with bytes_bar(f"{network.id} weights", total) as advance:
        network.prepare(advance)
    _ = network.engine  # what is wrong with the network is said once, not of every image
    return network


class Found(NamedTuple):
    """An image file, and what it is called below the folder that was named."""

    path: Path
    name: Path


def find_images(paths: Sequence[Path]) -> list[Found]:
    """The image files, those of folders included, in order; InvalidValue for what is not there or cannot be read."""
    found: list[Found] = []
    for path in paths:
        try:
            inside = sorted(_walk(path)) if stat.S_ISDIR(path.stat().st_mode) else None
        except (FileNotFoundError, NotADirectoryError) as error:
            hint = " Standard input is /dev/stdin." if str(path) == "-" else ""
            raise InvalidValue(f"There is no file {named(path)}.{hint}", named(path)) from error
        except OSError as error:
            where = named(Path(error.filename or path))
            raise InvalidValue(f"{where} cannot be read: {error.strerror}. Check it.", where) from error
        if inside is None:
            found.append(Found(path, Path(path.name)))
            continue
        if not inside:
            raise InvalidValue(
                f"The folder {named(path)} holds no images ({', '.join(sorted(PICTURES))}).", named(path)
            )
        found += [Found(file, file.relative_to(path)) for file in inside]
    return found


def _walk(folder: Path) -> Iterator[Path]:
    """The image files below a folder, links to folders followed, each folder once; OSError where one is closed."""

    def refuse(error: OSError) -> None:
        raise error

    seen: set[Path] = set()
    for inside, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        here = Path(inside)
        if here.resolve() in seen:
            folders.clear()
            continue
        seen.add(here.resolve())
        folders.sort(key=lambda name: ((here / name).is_symlink(), name))  # whatever order the disk has
        yield from (here / name for name in files if Path(name).suffix.lower() in PICTURES)


def named(path: Path) -> str:
    """A path as text; bytes that are no UTF-8, which a file's name may hold, are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def say(line: str) -> None:
    """Write a line to stdout; on a terminal, above a bar that is there."""
    tqdm.write(line, file=sys.stdout)


def read_image(path: Path, network: Network, settings: Settings) -> Image:
    """A decoded image file, within the service's limit on pixels."""
    if path.is_dir():
        raise ImageUndecodable(f"{named(path)} is a folder; give one image file.", named(path))
    return as_image(path, settings.max_pixels, network.enough)


@contextmanager
def bytes_bar(title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar of bytes on a terminal; gives the function that moves it."""
    with tqdm(total=total, unit="B", unit_scale=True, desc=title, disable=None, leave=False) as bar:

        def advance(done: int) -> None:
            bar.update(done)

        yield advance


def progress(images: list[T]) -> Iterable[T]:
    """The images, with a bar on a terminal when there are several."""
    bar: Iterable[T] = tqdm(images, unit="image", disable=None if len(images) > 1 else True, leave=False)
    return bar


def write_array(path: Path, array: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    """Write a .npy file, whole or not at all; ConvscopeError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            for piece in npy(array).chunks():
                file.write(piece)
    except OSError as error:
        advice = "free some space, or choose another place" if error.errno == errno.ENOSPC else "choose another place"
        raise ConvscopeError(
            f"{named(path)} cannot be written: {error.strerror}. To go on, {advice} with -o."
        ) from error
