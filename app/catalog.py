"""The networks there are: those of `models/bundled`, what can be pulled, and the operator's own ONNX file."""

import hashlib
import logging
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock

import numpy as np

from app.engine import OpenSession
from app.errors import (
    ConvscopeError,
    InvalidValue,
    ModelNotFound,
    NetworkUnusable,
    NotSupported,
    TourNotFound,
    WeightsNotFound,
)
from app.graph import read_graph
from app.imaging import as_image
from app.int8 import Int8Network
from app.manifest import (
    DigitPreprocessing,
    Inline,
    Manifest,
    Packed,
    PhotoPreprocessing,
    Pulled,
    Seeded,
    Structure,
    Weights,
    read_manifest,
)
from app.network import Network
from app.places import BUNDLED, PULLABLE
from app.settings import Settings
from app.tour import Tour, read_tour
from app.weights import check_external, is_stamped, place, sweep

log = logging.getLogger(__name__)

PRECISIONS = ("fp32", "int8")


class Ended(Exception):
    """The process ends: what is being made is not wanted any more."""


class Catalog:
    """Networks by id and weights; refuses duplicates."""

    def __init__(self, open_session: OpenSession | None = None) -> None:
        self.open_session = open_session
        self.manifests: list[Manifest] = []
        self.folders: tuple[Path, ...] = ()  # of what comes with the package
        self.damaged: list[ConvscopeError] = []  # bundled networks that are left out
        self.flaws: list[ConvscopeError] = []  # further things that are left out, without which all networks work
        self.unprepared: list[ConvscopeError] = []  # why weights could not be prepared
        self._networks: dict[str, dict[str, Network]] = {}
        self._on_demand: set[str] = set()  # networks of which nothing is bundled: listed while something is pulled
        self._tours: dict[str, Tour] = {}
        self._done = 0  # bytes of weight files made or verified
        self._lock = Lock()
        self._int8: dict[tuple[str, str], Int8Network] = {}
        self.ready = False

    @classmethod
    def open(
        cls,
        settings: Settings,
        bundled: Path = BUNDLED,
        pullable: Path = PULLABLE,
        open_session: OpenSession | None = None,
    ) -> "Catalog":
        """Read every manifest; no numbers are touched yet. `open_session` opens sessions elsewhere than here.

        A network that comes with the package and is damaged is left out, and `damaged` says why.

        Raises:
            NetworkUnusable: the operator's ONNX file or manifest cannot be served, with the reason.
        """
        catalog = cls(open_session)
        catalog.folders = (bundled, pullable)
        further = {manifest.id: (manifest, paths) for manifest, paths in read_folders(pullable, catalog.flaws)}
        for manifest, paths in read_folders(bundled, catalog.damaged):
            if manifest.id in further:
                catalog.add(*with_further(manifest, paths, *further.pop(manifest.id)), settings)
            else:
                catalog.add(manifest, paths, settings)
            try:
                tour = read_tour(bundled / manifest.id / "tour.json")
            except NetworkUnusable as error:
                catalog.flaws.append(error)
                continue
            if tour is not None:
                catalog._tours[manifest.id] = tour
        for manifest, paths in further.values():
            catalog.add(manifest, paths, settings)
            catalog._on_demand.add(manifest.id)
        if settings.onnx is not None:
            catalog.add_own(settings.onnx, settings.manifest, settings)
        for told in (*catalog.damaged, *catalog.flaws):
            log.error("%s", told.detail)
        return catalog

    @property
    def problem(self) -> ConvscopeError | None:
        """The first thing that keeps a network from being served."""
        return next(iter((*self.damaged, *self.unprepared)), None)

    def add(self, manifest: Manifest, paths: dict[str, Path], settings: Settings) -> None:
        """Add a network whose weights' graphs lie at `paths`; NetworkUnusable when its id is taken."""
        if manifest.id in self._on_demand:  # the operator's own file is meant
            self._on_demand.remove(manifest.id)
            self.manifests = [one for one in self.manifests if one.id != manifest.id]
        elif manifest.id in self._networks:
            raise NetworkUnusable(
                f"Two networks are called '{manifest.id}'. Give one another id in its manifest.", manifest.id
            )
        self.manifests.append(manifest)
        self._networks[manifest.id] = {
            weights.id: Network(
                manifest,
                weights,
                paths[weights.id],
                settings.cache_dir,
                threads=settings.threads,
                provider=settings.provider,
                open_session=self.open_session,
            )
            for weights in manifest.weights
        }

    def add_own(self, path: Path, manifest_path: Path | None, settings: Settings) -> None:
        """Add the operator's ONNX file, loaded now, so that what is wrong with it shows at start.

        Raises:
            NetworkUnusable: not ONNX, no image classifier, external data outside its folder, unknown operators, or a
                manifest that does not fit.
        """
        if not path.is_file():
            raise NetworkUnusable(f"There is no file {path}. Give the path of an ONNX file.", str(path))
        manifest = read_manifest(manifest_path) if manifest_path else describe(path)
        paths = {weights.id: path for weights in manifest.weights}
        check_graphs(manifest, paths)
        self.add(manifest, paths, settings)
        for weights in manifest.weights:
            network = self.network(manifest.id, weights.id)
            _ = network.graph, network.labels  # kept: the file may be gone when they are asked for
            check_preprocessing(network)
        network = self.network(manifest.id, manifest.default_weights)
        check_external(network.model, path)
        _ = network.engine

    def network(self, model: str, weights: str | None = None, precision: str = "fp32") -> Network:
        """The network `model` with `weights` (its default ones when None), on 32-bit floats or 8-bit integers.

        Raises:
            ModelNotFound, WeightsNotFound: naming what there is.
            InvalidValue: another precision.
            NotSupported, WeightsNotReady: int8, of a network that nobody has calibrated, with or without numbers.
        """
        if model not in self._networks:
            listed = ", ".join(manifest.id for manifest in self.models)
            raise ModelNotFound(f"There is no network '{model}'. There are: {listed}.", model)
        sets = self._networks[model]
        chosen = weights if weights is not None else next(iter(sets.values())).manifest.default_weights
        if chosen not in sets:
            raise WeightsNotFound(f"{model} has no weights '{chosen}'. It has: {', '.join(sets)}.", chosen)
        if precision not in PRECISIONS:
            known = " and ".join(PRECISIONS)
            raise InvalidValue(
                f"There is no precision '{precision}'. There are {known}.", precision, field="precision"
            )
        network = self._current(sets[chosen])
        return network if precision == "fp32" else self._on_8_bits(network)

    def _on_8_bits(self, network: Network) -> Network:
        """The 8-bit form of a network, the same one each time."""
        key = (network.id, network.weights_id)
        with self._lock:
            known = self._int8.get(key)
            if known is None or known.whole is not network:  # its file was pulled anew, or has gone
                known = self._int8[key] = Int8Network(network)
            return known

    @property
    def models(self) -> list[Manifest]:
        """The networks that are listed: those with numbers on this machine or a place in the course."""
        return [one for one in self.manifests if one.id not in self._on_demand or self._has_any(one.id)]

    def has_tour(self, model: str) -> bool:
        """Whether somebody wrote a tour of the network."""
        return model in self._tours

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
        """Every listed network with every set of weights."""
        return [self.network(manifest.id, weights.id) for manifest in self.models for weights in manifest.weights]

    @property
    def everything(self) -> list[Network]:
        """Every network with every set of weights, whether it is listed or can only be pulled."""
        return [self.network(manifest.id, weights.id) for manifest in self.manifests for weights in manifest.weights]

    @property
    def pullable(self) -> list[Network]:
        """Every set of weights that is fetched on demand, whether it is here or not."""
        return [network for network in self.everything if isinstance(network.weights.origin, Pulled)]

    def _has_any(self, model: str) -> bool:
        return any(self._current(network).ready for network in list(self._networks[model].values()))

    def _current(self, network: Network) -> Network:
        """The network with its pulled file where that has come, without it where that has gone.

        Looked at each time, since another process may pull or clear: a file's times and its stamp, nothing more.
        """
        origin = network.weights.origin
        if not isinstance(origin, Pulled):
            return network
        path = place(network.cache_dir, origin)
        if is_stamped(path, origin.sha256) != network.ready:
            network = network.at(None if network.ready else path)
            self._networks[network.id][network.weights_id] = network
        return network

    @property
    def bytes_total(self) -> int:
        """Bytes of the weight files to make or verify at start."""
        return sum(origin.bytes for n in self.networks if isinstance(origin := n.weights.origin, Seeded | Packed))

    @property
    def bytes_done(self) -> int:
        """Bytes made or verified so far."""
        return self._done

    def prepare(self, progress: Callable[[int], None] | None = None, ending: Event | None = None) -> None:
        """Make or verify every weight file, two at a time; `progress` is told bytes as they are done.

        Nothing goes on once `ending` is set.

        A network whose file cannot be made leaves the others ready; `unprepared` keeps the reasons. May be called
        again, when the reason may have gone.
        """
        freed, unprepared = 0, list[ConvscopeError]()
        self._done = 0
        for cache_dir in {network.cache_dir for network in self.everything}:
            freed += sweep(cache_dir)
        if freed:
            log.info("Removed %.1f MB that an interrupted start had left in the cache folder.", freed / 1e6)

        given_up = Event()

        def go_on() -> None:
            if given_up.is_set() or (ending is not None and ending.is_set()):
                raise Ended

        def count(done: int) -> None:
            go_on()
            with self._lock:
                self._done += done
            if progress:
                progress(done)

        def one(network: Network) -> None:
            go_on()
            try:
                network.prepare(count)
            except ConvscopeError as error:
                log.error("%s: %s", network.id, error.detail)
                unprepared.append(error)

        with ThreadPoolExecutor(2, thread_name_prefix="prepare") as pool:
            try:
                list(pool.map(one, self.everything))
            except Ended:
                return
            except BaseException:  # Ctrl-C: what is under way would be waited for
                given_up.set()
                raise
        self.unprepared = unprepared
        self.ready = self.problem is None


def read_folders(root: Path, damaged: list[ConvscopeError]) -> list[tuple[Manifest, dict[str, Path]]]:
    """Every manifest below `root` in order, each with its graphs by weights; those that are wrong go to `damaged`."""
    found: list[tuple[Manifest, dict[str, Path]]] = []
    for path in sorted(root.glob("*/manifest.json")):
        try:
            manifest = read_manifest(path)
            paths = {weights.id: path.parent / weights.graph for weights in manifest.weights}
            check_graphs(manifest, paths)
        except NetworkUnusable as error:
            damaged.append(error)
        else:
            found.append((manifest, paths))
    return sorted(found, key=lambda pair: (pair[0].order, pair[0].id))


def check_graphs(manifest: Manifest, paths: dict[str, Path]) -> None:
    """Compare the graph files with the digests that the manifest has of them.

    Raises:
        NetworkUnusable: one is missing or is another.
    """
    for weights in manifest.weights:
        path = paths[weights.id]
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest() if weights.sha256 else ""
        except OSError as error:
            raise NetworkUnusable(
                f"The graph {path} cannot be read: {error.strerror}. Install it again.", str(path)
            ) from error
        if weights.sha256 != found:
            raise NetworkUnusable(
                f"{path} has the digest {found}, not {weights.sha256} as its manifest says: one of the two is "
                "damaged. Install it again.",
                found,
            )


def check_preprocessing(network: Network) -> None:
    """Put a small blank picture through the preprocessing, which else the first upload would find out about.

    Raises:
        NetworkUnusable: it does not give what the network takes.
    """
    try:
        with np.errstate(all="ignore"):
            tensor = network.tensor(as_image(np.zeros((8, 8, 3), np.uint8)))
    except NotSupported as error:
        raise NetworkUnusable(error.detail, error.value) from error
    if not np.isfinite(tensor).all():
        raise NetworkUnusable(
            f"The preprocessing of the weights '{network.weights_id}' of {network.id} makes numbers of a blank image "
            "that are not finite. Correct scale, mean and std in the manifest; no std may be 0.",
            network.weights_id,
        )


def with_further(
    manifest: Manifest, paths: dict[str, Path], further: Manifest, further_paths: dict[str, Path]
) -> tuple[Manifest, dict[str, Path]]:
    """A network with weights that can be pulled beside its own; the structure without numbers stays last.

    Raises:
        NetworkUnusable: both have weights of one name.
    """
    twice = paths.keys() & further_paths.keys()
    if twice:
        name = min(twice)
        raise NetworkUnusable(f"Two sets of weights of {manifest.id} are called '{name}'. Rename one.", name)
    weights: Iterable[Weights] = (*manifest.weights, *further.weights)
    ordered = tuple(sorted(weights, key=lambda one: isinstance(one.origin, Structure)))
    return manifest.model_copy(update={"weights": ordered}), paths | further_paths


def describe(path: Path) -> Manifest:
    """A manifest for an ONNX file that came without one, by its input's shape.

    Three channels are taken as a photo with ImageNet's usual mean and deviation (shorter side to 256/224 of the
    crop), one channel as a drawn digit in 0..255; other numbers of channels are no image.

    Raises:
        NetworkUnusable: the file cannot be read, or its input is no image.
    """
    # what an id may hold, and begin with
    name = re.sub(r"[^a-z0-9_.-]+", "-", path.stem.lower()).rstrip("-.").lstrip("-._") or "own"
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
