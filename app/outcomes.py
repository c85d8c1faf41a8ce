"""Outcomes: bytes -> image -> tensor -> activations and probabilities, before anything is kept of them."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from app.activations import NOTHING, Activations
from app.crops import Crops
from app.engine import class_probabilities, require_finite
from app.imaging import Enough, Image
from app.network import Network
from app.stores import Elapsed

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Encoded:
    """An image as it came.

    `max_pixels` limits its pixels; `started` is `time.perf_counter()` when the work was asked for.
    """

    data: bytes
    max_pixels: int
    started: float = field(default_factory=time.perf_counter, init=False)

    @cached_property
    def sha256(self) -> str:
        """The digest of the bytes."""
        return hashlib.sha256(self.data).hexdigest()

    def decode(self, network: Network, turn: ExitStack) -> Image:
        """As much of it as the network looks at; large pictures take turns, which end with `turn`."""
        return network.decode(self.data, self.max_pixels, self.sha256, turn)


@dataclass(frozen=True)
class Outcome:
    """One image through one network."""

    sha256: str
    width: int
    height: int
    activations: Activations
    probabilities: Array  # (classes,)
    elapsed: Elapsed


@dataclass(frozen=True)
class Decoded:
    """What stays of an image that was decoded for a network; the picture itself, which is large, is let go."""

    sha256: str
    width: int
    height: int
    decode: float  # milliseconds
    preprocess: float


@dataclass(frozen=True)
class Prepared(Decoded):
    """An image as one network sees it, before it has gone through."""

    tensor: Array  # (C, H, W)


@dataclass(frozen=True)
class Cropped(Decoded):
    """An image as the crops that one network is shown, before they have gone through."""

    network: Network
    tensors: Iterator[Array]  # (C, H, W) each
    centre: Array | None  # (C, H, W), where its activations are wanted


def prepare(network: Network, encoded: Encoded) -> Prepared:
    """Decode and preprocess: bytes -> image -> tensor.

    Raises:
        ImageUndecodable, ImageTooLarge, MediaTypeUnsupported: the bytes.
        WeightsNotReady: the network has no numbers here.
    """
    _ = network.engine  # loading it is no part of the decoding
    with ExitStack() as turn:  # the picture goes with the call, before the next one's turn
        return _prepare(network, encoded, turn)


def _prepare(network: Network, encoded: Encoded, turn: ExitStack) -> Prepared:
    begun = time.perf_counter()
    image = encoded.decode(network, turn)
    decoded = time.perf_counter()
    tensor = network.tensor(image)
    preprocess = 1000 * (time.perf_counter() - decoded)
    return Prepared(image.sha256, image.width, image.height, 1000 * (decoded - begun), preprocess, tensor)


def compute(network: Network, encoded: Encoded, crops: Crops = Crops.ONE, *, keep: bool = True) -> Outcome:
    """Decode, preprocess, run: bytes -> image -> tensor -> activations.

    Args:
        network: ready to run.
        encoded: the image.
        crops: how many crops' probabilities are averaged; the activations are those of the centre crop.
        keep: whether to give every layer's activation, or the probabilities alone, which takes less memory.

    Raises:
        ImageUndecodable, ImageTooLarge, MediaTypeUnsupported: the bytes.
        NotSupported: a network that is not shown crops, or gives something else than numbers for this image.
        WeightsNotReady: the network has no numbers here.
        Abandoned: nobody waits for it any more.
    """
    if crops is not Crops.ONE:
        return _compute_crops([network], encoded, crops, keep=keep)[0]
    prepared = prepare(network, encoded)
    begun = time.perf_counter()
    activations = NOTHING
    if keep:
        activations = network.engine.run(prepared.tensor)
        probabilities = require_finite(class_probabilities(network.graph, activations), network.graph)
    else:
        (row,) = network.engine.classify([prepared.tensor])  # (1, classes)
        probabilities = row[0]
    done = time.perf_counter()
    elapsed = Elapsed(
        decode=prepared.decode,
        preprocess=prepared.preprocess,
        inference=1000 * (done - begun),
        total=1000 * (done - encoded.started),
    )
    return Outcome(prepared.sha256, prepared.width, prepared.height, activations, probabilities, elapsed)


def compute_ensemble(networks: Sequence[Network], encoded: Encoded, crops: Crops) -> list[Outcome]:
    """One image, decoded once for all that look at the same of it, through several networks one after the other.

    Raises:
        as `compute` does.
    """
    return _compute_crops(networks, encoded, crops, keep=False)


def _compute_crops(networks: Sequence[Network], encoded: Encoded, crops: Crops, *, keep: bool) -> list[Outcome]:
    for network in networks:
        _ = network.engine
    with ExitStack() as turn:  # as in `prepare`; a turn ends before minutes of 144 crops begin
        cut = [*_cut(networks, encoded, crops, keep, turn)]
    return [_classify(one, encoded.started) for one in cut]


def _cut(
    networks: Sequence[Network], encoded: Encoded, crops: Crops, keep: bool, turn: ExitStack
) -> Iterator[Cropped]:
    decoded: dict[Enough | None, tuple[Image, float]] = {}
    for network in networks:
        if network.enough not in decoded:
            begun = time.perf_counter()
            decoded[network.enough] = encoded.decode(network, turn), 1000 * (time.perf_counter() - begun)
    for network in networks:
        image, decode = decoded[network.enough]
        begun = time.perf_counter()
        tensors, centre = network.tensors(image, crops), network.tensor(image) if keep else None
        preprocess = 1000 * (time.perf_counter() - begun)
        yield Cropped(image.sha256, image.width, image.height, decode, preprocess, network, tensors, centre)


def _classify(cropped: Cropped, started: float) -> Outcome:
    """The crops' probabilities, averaged."""
    network, preprocessing = cropped.network, 0.0

    def timed(tensors: Iterator[Array]) -> Iterator[Array]:
        nonlocal preprocessing
        while True:
            begun = time.perf_counter()
            tensor = next(tensors, None)
            preprocessing += time.perf_counter() - begun
            if tensor is None:
                return
            yield tensor

    begun = time.perf_counter()
    rows = np.concatenate(list(network.engine.classify(timed(cropped.tensors))))  # (crops, classes)
    activations = NOTHING if cropped.centre is None else network.engine.run(cropped.centre)
    done = time.perf_counter()
    elapsed = Elapsed(
        decode=cropped.decode,
        preprocess=cropped.preprocess + 1000 * preprocessing,
        inference=1000 * (done - begun - preprocessing),
        total=1000 * (done - started),
    )
    return Outcome(cropped.sha256, cropped.width, cropped.height, activations, rows.mean(axis=0), elapsed)
