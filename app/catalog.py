"""The networks there are: every manifest in `models/bundled`, and the operator's own ONNX file."""

import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from app.errors import ConvscopeError, ModelNotFound, NetworkUnusable, TourNotFound, WeightsNotFound
from app.graph import read_graph
from app.manifest import (
    DigitPreprocessing,
    Inline,
    Manifest,
    Packed,
    PhotoPreprocessing,
    Seeded,
    Weights,
    read_manifest,
)
from app.network import Network
from app.places import BUNDLED
from app.settings import Settings
from app.tour import Tour, read_tour
from app.weights import check_external

log = logging.getLogger(__name__)


class Catalog:
    """Networks by id and weights; refuses duplicates."""

    def __init__(self) -> None:
        self.models: list[Manifest] = []
        self.problem: ConvscopeError | None = None  # why the weights could not be prepared
        self._networks: dict[str, dict[str, Network]] = {}
        self._tours: dict[str, Tour] = {}
        self._done = 0  # bytes of weight files made or verified
        self._lock = Lock()
        self.ready = False

    @classmethod
    def open(cls, settings: Settings, bundled: Path = BUNDLED) -> "Catalog":
        """Read every manifest; no numbers are touched yet.

        Raises:
            NetworkUnusable: a manifest or the operator's ONNX file cannot be served, with the reason.
        """
        catalog = cls()
        paths = sorted(bundled.glob("*/manifest.json"))
        for manifest, folder in sorted(
            ((read_manifest(path), path.parent) for path in paths), key=lambda pair: (pair[0].order, pair[0].id)
        ):
            catalog.add(manifest, {weights.id: folder / weights.graph for weights in manifest.weights}, settings)
            tour = read_tour(folder / "tour.json")
            if tour is not None:
                catalog._tours[manifest.id] = tour
        if settings.onnx is not None:
            catalog.add_own(settings.onnx, settings.manifest, settings)
        return catalog

    def add(self, manifest: Manifest, paths: dict[str, Path], settings: Settings) -> None:
        """Add a network whose weights' graphs lie at `paths`; NetworkUnusable when its id is taken."""
        if manifest.id in self._networks:
            raise NetworkUnusable(
                f"Two networks are called '{manifest.id}'. Give one another id in its manifest.", manifest.id
            )
        self.models.append(manifest)
        self._networks[manifest.id] = {
            weights.id: Network(
                manifest,
                weights,
                paths[weights.id],
                settings.cache_dir,
                threads=settings.threads,
                provider=settings.provider,
            )
            for weights in manifest.weights
        }

    def add_own(self, path: Path, manifest_path: Path | None, settings: Settings) -> None:
        """Add the operator's ONNX file, loaded now, so that what is wrong with it shows at start.

        Raises:
            NetworkUnusable: not ONNX, no image classifier, external data outside its folder, unknown operators.
        """
        if not path.is_file():
            raise NetworkUnusable(f"There is no file {path}. Give the path of an ONNX file.", str(path))
        manifest = read_manifest(manifest_path) if manifest_path else describe(path)
        self.add(manifest, {weights.id: path for weights in manifest.weights}, settings)
        network = self.network(manifest.id, manifest.default_weights)
        check_external(network.model, path)
        _ = network.labels, network.engine

    def network(self, model: str, weights: str | None = None) -> Network:
        """The network `model` with `weights` (its default ones when None).

        Raises:
            ModelNotFound, WeightsNotFound: naming what there is.
        """
        if model not in self._networks:
            raise ModelNotFound(f"There is no network '{model}'. There are: {', '.join(self._networks)}.", model)
        sets = self._networks[model]
        chosen = weights if weights is not None else next(iter(sets.values())).manifest.default_weights
        if chosen not in sets:
            raise WeightsNotFound(f"{model} has no weights '{chosen}'. It has: {', '.join(sets)}.", chosen)
        return sets[chosen]

    def tour(self, model: str) -> Tour:
        """The guided tour of a network.

        Raises:
            ModelNotFound, TourNotFound: naming what there is.
        """
        network = self.network(model)
        if model not in self._tours:
            with_one = ", ".join(self._tours) or "none"
            raise TourNotFound(f"{network.manifest.title} has no guided tour. Networks with one: {with_one}.", model)
        return self._tours[model]

    @property
    def networks(self) -> list[Network]:
        """Every network with every set of weights."""
        return [network for sets in self._networks.values() for network in sets.values()]

    @property
    def bytes_total(self) -> int:
        """Bytes of the weight files to make or verify at start."""
        return sum(origin.bytes for n in self.networks if isinstance(origin := n.weights.origin, Seeded | Packed))

    @property
    def bytes_done(self) -> int:
        """Bytes made or verified so far."""
        return self._done

    def prepare(self, progress: Callable[[int], None] | None = None) -> None:
        """Make or verify every weight file, two at a time; `progress` is told bytes as they are done.

        A network whose file cannot be made leaves the others ready; `problem` keeps the first reason.
        """

        def count(done: int) -> None:
            with self._lock:
                self._done += done
            if progress:
                progress(done)

        def one(network: Network) -> None:
            try:
                network.prepare(count)
            except ConvscopeError as error:
                log.error("%s: %s", network.id, error.detail)
                self.problem = self.problem or error

        with ThreadPoolExecutor(2, thread_name_prefix="prepare") as pool:
            list(pool.map(one, self.networks))
        self.ready = self.problem is None


def describe(path: Path) -> Manifest:
    """A manifest for an ONNX file that came without one, by its input's shape.

    Three channels are taken as a photo with ImageNet's usual mean and deviation (shorter side to 256/224 of the
    crop), one channel as a drawn digit in 0..255; other numbers of channels are no image.

    Raises:
        NetworkUnusable: the file cannot be read, or its input is no image.
    """
    name = re.sub(r"[^a-z0-9_.-]+", "-", path.stem.lower()).strip("-.") or "own"
    blank = Weights(id="own", title="Your own", graph=path.name, sha256="", preprocessing=PhotoPreprocessing())
    shell = Manifest(id=name, title=path.stem, default_weights="own", weights=(blank,))
    model = Network(shell, blank, path, path.parent).model
    channels, height, width = read_graph(model, shell, title=path.stem).input_shape
    preprocessing: PhotoPreprocessing | DigitPreprocessing
    if channels == 3:
        preprocessing = PhotoPreprocessing(resize=round(min(height, width) * 256 / 224), crop=(height, width))
    else:
        preprocessing = DigitPreprocessing(size=(height, width), background=0, foreground=255)
    own = blank.model_copy(update={"preprocessing": preprocessing, "trained": True, "origin": Inline()})
    return shell.model_copy(update={"weights": (own,)})
