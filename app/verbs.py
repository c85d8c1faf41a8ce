"""What the commands do, by the service's own way: catalog -> network -> image -> tensor -> engine."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson
import uvicorn
from pydantic import ValidationError
from tqdm import tqdm

from app import logs
from app.catalog import Catalog
from app.connections import connections
from app.errors import ConvscopeError, ImageUndecodable, InvalidValue
from app.imaging import Image, as_image
from app.main import create_app
from app.manifest import Pulled
from app.network import Network
from app.settings import Settings
from app.sources import to_json
from app.weights import replacing

SHUTDOWN_SECONDS = 20  # for answers under way

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif"})


def serve(options: argparse.Namespace) -> int:
    """Serve until stopped."""
    settings = read_settings(options)
    for name in ("ssl_certfile", "ssl_keyfile"):
        path: Path | None = getattr(settings, name)
        if path is not None and not path.is_file():
            raise InvalidValue(f"{flag(name)}: there is no file {path}.", str(path))
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s:     %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line a request
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http=connections(settings.body_seconds, settings.send_seconds),
        ws="none",
        log_level=settings.log_level,
        log_config=logs.configuration(settings.log_format, settings.log_level),
        access_log=False,  # app.logs has its own
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
        ssl_certfile=settings.ssl_certfile,
        ssl_keyfile=settings.ssl_keyfile,
    )
    return 0


def models(options: argparse.Namespace) -> int:
    """List every network with its weights."""
    catalog = Catalog.open(read_settings(options))
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
                "ready": network.ready,
                "accuracy": accuracy.model_dump() if accuracy else None,
                "layers": [layer.name for layer in network.graph.layers],
            }
            print(orjson.dumps(row).decode())
        else:
            known = f"{accuracy.top1:.2%} of {accuracy.dataset}" if accuracy else ""
            state = known or ("trained" if network.trained else "not trained")
            if isinstance(network.weights.origin, Pulled) and not network.ready:
                state = f"not here: {network.command}"
            print(
                f"{network.id:<12} {network.weights_id:<12} {channels}x{height}x{width} (C x H x W)  "
                f"{network.graph.classes:>4} classes  {network.graph.parameters:>11,} parameters  {state}"
            )
    return 0


def predict(options: argparse.Namespace) -> int:
    """Classify every image; one that cannot be read is reported and the others go on."""
    settings = read_settings(options)
    network = open_network(options, settings)
    status = 0
    for path in progress(find_images(options.images)):
        try:
            image = read_image(path, network, settings)
            (probabilities,) = next(network.engine.classify([network.tensor(image)]))  # (1, classes)
            predictions, unfamiliar = (
                network.rank(probabilities, options.top),
                network.looks_unfamiliar(probabilities),
            )
        except ConvscopeError as error:
            status = complain(f"{path}: {error.detail}")
            continue
        if options.json:
            row = {
                "image": str(path),
                "model": network.id,
                "weights": network.weights_id,
                "predictions": predictions,
                "unfamiliar": unfamiliar,
            }
            print(orjson.dumps(row).decode())
        else:
            doubt = " (looks like none of the classes it knows)" if unfamiliar else ""
            print(f"{path}: " + ", ".join(f"{one.label} {one.probability:.2%}" for one in predictions) + doubt)
    if not network.trained:
        print(f"{network.id} is not trained: its numbers are random.", file=sys.stderr)
    return status


def activations(options: argparse.Namespace) -> int:
    """Write the layers' activations of every image: float32 (C, H, W) or (N,)."""
    settings = read_settings(options)
    network = open_network(options, settings)
    layers = [network.layer(name).name for name in options.layer]  # an unknown one is refused before any work
    images = find_images(options.images)
    to_file = options.output.suffix == ".npy"
    if to_file and len(images) * len(layers) > 1:
        raise InvalidValue(
            f"{options.output} is one file, for {len(images)} images and {len(layers)} layers. Give a folder to -o.",
            str(options.output),
        )
    names = [path.name for path in images]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidValue(f"Two images are called {twice} and would overwrite each other. Write them apart.", twice)
    status = 0
    for path in progress(images):
        try:
            run = network.run(read_image(path, network, settings))
        except ConvscopeError as error:
            status = complain(f"{path}: {error.detail}")
            continue
        for layer in layers:
            target = options.output if to_file else options.output / f"{path.name}.{layer}.npy"
            write_array(target, run[layer])
            print(f"{target}: {layer} of {path}, {size(run[layer])}")
    return status


def size(activation: npt.NDArray[np.float32]) -> str:
    """The shape of (C, H, W) or (N,) in words, with the order of its axes."""
    axes = "C x H x W" if activation.ndim == 3 else "N"
    return f"{'x'.join(map(str, activation.shape))} ({axes})"


def explain(options: argparse.Namespace) -> int:
    """Explain one unit: its sources, weights and expression."""
    settings = read_settings(options)
    network = open_network(options, settings)
    network.layer(options.layer)
    explanation = network.run(read_image(options.images[0], network, settings)).explain(options.layer, *options.unit)
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


def read_settings(options: argparse.Namespace) -> Settings:
    """Flags over environment over defaults; InvalidValue names the flag that is wrong."""
    given = {name: value for name, value in vars(options).items() if name in Settings.model_fields}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        origin = flag(name) if name in given else f"CONVSCOPE_{name.upper()}"
        raise InvalidValue(f"{origin} is {first['input']!r}: {first['msg']}.", first["input"]) from error


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
    with bytes_bar(f"{network.id} weights") as advance:
        network.prepare(advance)
    network.require_numbers()
    return network


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The image files, those of folders included, in order; InvalidValue for a path that is not there."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in PICTURES)
            if not inside:
                raise InvalidValue(f"The folder {path} holds no images ({', '.join(sorted(PICTURES))}).", str(path))
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise InvalidValue(f"There is no file {path}.", str(path))
    return found


def read_image(path: Path, network: Network, settings: Settings) -> Image:
    """A decoded image file, within the service's limit on pixels."""
    if path.is_dir():
        raise ImageUndecodable(f"{path} is a folder; give one image file.", str(path))
    return as_image(path, settings.max_pixels, network.enough)


@contextmanager
def bytes_bar(title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar of bytes on a terminal; gives the function that moves it."""
    with tqdm(total=total, unit="B", unit_scale=True, desc=title, disable=None, leave=False) as bar:

        def advance(done: int) -> None:
            bar.update(done)

        yield advance


def progress(paths: list[Path]) -> Iterable[Path]:
    """The paths, with a bar on a terminal when there are several."""
    bar: Iterable[Path] = tqdm(paths, unit="image", disable=None if len(paths) > 1 else True, leave=False)
    return bar


def write_array(path: Path, array: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    """Write a .npy file, whole or not at all; InvalidValue where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            np.save(file, array, allow_pickle=False)
    except OSError as error:
        raise InvalidValue(f"{path} cannot be written: {error.strerror}.", str(path)) from error
