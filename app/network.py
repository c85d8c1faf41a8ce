"""One network with one set of weights: its table, its engine, its answers.

The service, the command line and notebooks all come through here: image -> tensor -> engine -> activations.
"""

import hashlib
import os
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from app.crops import Crops
from app.engine import Engine, OpenSession, choose_providers, class_probabilities
from app.errors import NetworkUnusable, NotSupported, WeightsNotReady
from app.explain import Explainer
from app.graph import Graph, Layer, count_nonzero, read_graph
from app.imaging import Enough, Image, Picture, as_image, decode
from app.manifest import Inline, Manifest, Packed, PhotoPreprocessing, Pulled, Seeded, Structure, Weights
from app.matching import match, rename
from app.numbers import external_location
from app.outline import read_outline
from app.places import at_home
from app.preprocess import enough_for, field_of, photo_to_tensors, to_tensor
from app.run import Prediction, Run
from app.settings import Settings
from app.version import VERSION
from app.weights import ensure, is_verified, open_initializers, place

Array = npt.NDArray[np.float32]


class Network:
    """An ONNX file and its manifest entry. The session is loaded when first used, once.

    `path` is the graph beside the manifest, `pulled` the fetched file of pulled weights, None while it is not here;
    `open_session` opens the session elsewhere.
    """

    precision = "fp32"

    def __init__(
        self,
        manifest: Manifest,
        weights: Weights,
        path: Path,
        cache_dir: Path,
        *,
        threads: int = 0,
        provider: str = "auto",
        pulled: Path | None = None,
        open_session: OpenSession | None = None,
    ) -> None:
        self.open_session = open_session
        self.manifest, self.weights, self.cache_dir = manifest, weights, cache_dir
        self.known, self.pulled, self.path = path, pulled, pulled or path
        self.threads, self.provider = threads, provider
        self._folder: Path | None = self.path.parent if pulled or isinstance(weights.origin, Inline) else None
        self._loading = threading.Lock()
        self._engine: Engine | None = None

    @property
    def id(self) -> str:
        """The network's id, `{model}` in URLs."""
        return self.manifest.id

    @property
    def weights_id(self) -> str:
        """The id of these weights, `?weights=` in URLs."""
        return self.weights.id

    @property
    def trained(self) -> bool:
        """Whether the numbers were learned; seeded random numbers are not."""
        return self.weights.trained

    @property
    def ready(self) -> bool:
        """Whether the numbers are on this machine."""
        return self._folder is not None

    @property
    def classes(self) -> int:
        """How many classes these weights tell apart; the labels say it without reading a large file."""
        return len(self.weights.labels) or self.graph.classes

    def at(self, pulled: Path | None) -> "Network":
        """The same weights with their fetched file at that place, or without it."""
        return Network(
            self.manifest,
            self.weights,
            self.known,
            self.cache_dir,
            threads=self.threads,
            provider=self.provider,
            pulled=pulled,
            open_session=self.open_session,
        )

    @cached_property
    def model(self) -> onnx.ModelProto:
        """The graph file without its external data; of a fetched file, which is large, without its numbers."""
        return load_graph(self.path) if self.pulled is None else read_outline(self.pulled)

    @cached_property
    def graph(self) -> Graph:
        """The layer table and edges, computed from the graph file; a fetched file's layers by the course's names."""
        title = self.manifest.title
        if self.pulled is None:
            return read_graph(self.model, self.manifest, title=title)
        graph = read_graph(self.model, title=title)
        names = match(graph, read_graph(load_graph(self.known), self.manifest, title=title))
        return rename(graph, names) if names else graph

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The classes' names, or their numbers where nobody named them."""
        names = self.weights.labels
        if names and len(names) != self.graph.classes:
            raise NetworkUnusable(
                f"The manifest of {self.id} gives {len(names)} labels for {self.graph.classes} classes. "
                "Give one label a class, in order.",
                len(names),
            )
        return names or tuple(str(index) for index in range(self.graph.classes))

    @cached_property
    def digest(self) -> str:
        """sha256 over the network's files: the graph, and the numbers where they lie beside it."""
        if self.pulled is not None and isinstance(self.weights.origin, Pulled):
            digest = hashlib.sha256(bytes.fromhex(self.weights.origin.sha256))
        else:
            digest = hashlib.sha256(self.path.read_bytes())
        if isinstance(self.weights.origin, Seeded | Packed):
            digest.update(bytes.fromhex(self.weights.origin.sha256))
        elif isinstance(self.weights.origin, Inline):
            for file in self.external_files:
                with file.open("rb") as data:
                    digest.update(hashlib.file_digest(data, "sha256").digest())
        digest.update(self.weights.preprocessing.model_dump_json().encode())
        return digest.hexdigest()

    @cached_property
    def initializers(self) -> Mapping[str, npt.NDArray[Any]]:
        """The graph's numbers by ONNX name; external ones are memory-mapped."""
        self.require_numbers()
        self._refill()
        return open_initializers(self.model, self._folder)

    @property
    def nonzero(self) -> Mapping[str, int]:
        """Layer name -> trained numbers that are not zero; empty while the numbers are not on this machine."""
        return self._nonzero if self.ready else {}

    @cached_property
    def _nonzero(self) -> Mapping[str, int]:
        return count_nonzero(self.graph, self.initializers)

    @cached_property
    def explainer(self) -> Explainer:
        """Explains single units of this network."""
        return Explainer(self.graph, self.initializers)

    @property
    def engine(self) -> Engine:
        """The loaded session; loading happens once, in whichever thread comes first."""
        if self._engine is None:
            with self._loading:
                if self._engine is None:
                    self.require_numbers()
                    session = self.open_session(self.id, self.weights_id) if self.open_session else None
                    self._engine = Engine(
                        self.model, self._folder, self.graph, self.threads, self.provider, session, self._refill
                    )
        return self._engine

    @property
    def loaded(self) -> Engine | None:
        """The session, once something was computed."""
        return self._engine

    @property
    def provider_name(self) -> str:
        """onnxruntime's execution provider: the one that came up, or while nothing is loaded the one to be tried."""
        return self._engine.provider if self._engine is not None else choose_providers(self.provider)[0]

    @property
    def engine_version(self) -> str:
        """What computes: part of a run's identity, since another engine may round differently.

        This package's release is a part of it: it chooses how a graph is run (`response_norm`, `quantise`).
        """
        return f"convscope {VERSION} onnxruntime {onnxruntime.__version__} {self.engine.provider}"

    def _refill(self) -> None:
        """Make the numbers again where somebody emptied the cache folder since; called before they are read.

        Raises:
            WeightsUnwritable: they cannot be written.
        """
        origin = self.weights.origin
        if self._folder is None or not isinstance(origin, Seeded | Packed):
            return
        if not place(self.cache_dir, origin).exists():
            self.prepare()

    def prepare(self, progress: Callable[[int], None] | None = None) -> None:
        """Bring the numbers to this machine where that can be done without a network.

        Raises:
            WeightsUnwritable: the numbers cannot be written.
        """
        if isinstance(self.weights.origin, Pulled):  # a file that somebody put there is as good as a pulled one
            is_verified(place(self.cache_dir, self.weights.origin), self.weights.origin.sha256)
        if isinstance(self.weights.origin, Seeded | Packed):
            self._folder = ensure(self.model, self.weights.origin, self.path.parent, self.cache_dir, progress)

    def require_numbers(self) -> None:
        """Raises WeightsNotReady where there are no numbers to compute with."""
        if isinstance(self.weights.origin, Structure):
            others = [weights for weights in self.manifest.weights if not isinstance(weights.origin, Structure)]
            raise WeightsNotReady(
                f"'{self.weights_id}' of {self.id} is the published structure without numbers: it has a layer table "
                f"but cannot run. Ask for weights={' or weights='.join(one.id for one in others)}; what is not on "
                f"this machine comes with: {self.command}",
                self.weights_id,
                command=self.command,
            )
        if self._folder is None and isinstance(self.weights.origin, Pulled):
            raise WeightsNotReady(
                f"The weights '{self.weights_id}' of {self.id} are not on this machine. Get them "
                f"({self.weights.origin.bytes / 1e6:.1f} MB) with: {self.command}",
                self.weights_id,
                command=self.command,
            )
        if self._folder is None:
            raise WeightsNotReady(
                f"The weights '{self.weights_id}' of {self.id} are not on this machine yet. They are made when the "
                f"service starts: wait for /readyz, or run: {self.command}",
                self.weights_id,
                retry_after=1,
                command=self.command,
            )

    @property
    def command(self) -> str:
        """The command that gets these weights (of a structure: numbers for it) into the cache folder used here."""
        pulled = [weights.id for weights in self.manifest.weights if isinstance(weights.origin, Pulled)]
        words = ["convscope", "models", "--prepare"]
        if pulled and (self.weights_id in pulled or isinstance(self.weights.origin, Structure)):
            chosen = self.weights_id if self.weights_id in pulled else pulled[0]
            words = ["convscope", "pull", self.id, *(("--weights", chosen) if len(pulled) > 1 else ())]
        usual = at_home(Path(os.environ.get("CONVSCOPE_CACHE_DIR") or Settings.model_fields["cache_dir"].default))
        if self.cache_dir.absolute() != usual.absolute():
            words += ["--cache-dir", str(self.cache_dir)]
        return shlex.join(words)

    def looks_unfamiliar(self, probabilities: Array) -> bool:
        """Whether an image with these probabilities (classes,) looks like none of the classes.

        The largest softmax probability below a threshold that was measured for these weights (Hendrycks and Gimpel
        2017, "A baseline for detecting misclassified and out-of-distribution examples", section 3). Untrained
        weights, and those without a threshold, never say so.
        """
        threshold = self.weights.unfamiliar_below
        return self.trained and threshold is not None and float(probabilities.max()) < threshold

    def filters(self, layer: str) -> Array:
        """A layer's own weights: float32 (out, in / groups, kh, kw), or (out, in) of a full layer.

        Raises:
            LayerNotFound: no such layer, or one without filters.
            WeightsNotReady: a structure without numbers.
        """
        return self.explainer.filters(layer)

    def decode(self, data: bytes, max_pixels: int, sha256: str | None = None, turn: ExitStack | None = None) -> Image:
        """An encoded image, or as much of it as this network looks at; large ones take turns, which end with `turn`.

        Raises:
            ImageUndecodable, ImageTooLarge, MediaTypeUnsupported: the bytes.
        """
        return decode(data, max_pixels, self.enough, sha256, turn)

    @property
    def enough(self) -> Enough | None:
        """As much of a picture as it looks at, if it is not all of it."""
        return enough_for(self.weights.preprocessing)

    def tensor(self, image: Image) -> Array:
        """The network's input (C, H, W) for an image, by the manifest's preprocessing."""
        made = (self.graph.input_shape[0], *field_of(self.weights.preprocessing))
        if made != self.graph.input_shape:  # before it is made: a wrong number may be any size
            raise NotSupported(
                f"The manifest's preprocessing gives {made} but {self.id} takes {self.graph.input_shape} "
                "(C x H x W). Correct crop or size in the manifest.",
                list(made),
            )
        return to_tensor(image.picture, self.weights.preprocessing, made[0])

    def tensors(self, image: Image, crops: Crops) -> Iterator[Array]:
        """The network's inputs (C, H, W) for so many crops of an image, made one by one, without holding the image.

        Raises:
            NotSupported: a network of drawn digits, which are cut out and centred: there is nothing to crop.
        """
        how = self.weights.preprocessing
        if crops is Crops.ONE:
            return iter((self.tensor(image),))
        if not isinstance(how, PhotoPreprocessing):
            raise NotSupported(
                f"{self.id} is shown the digit alone, cut out and centred; its corners and its mirror image are no "
                "digits. Ask for crops=1.",
                int(crops),
                field="crops",
            )
        return photo_to_tensors(image.picture, how, self.graph.input_shape[0], crops)

    def predict(self, source: Picture, top: int = 5, crops: Crops = Crops.ONE) -> tuple[Prediction, ...]:
        """The `top` most probable classes of an image (as for `run`), by the mean of its crops' probabilities."""
        image = as_image(source, enough=self.enough)
        rows = np.concatenate(list(self.engine.classify(self.tensors(image, crops))))  # (crops, classes)
        return self.rank(rows.mean(axis=0), top)

    def run(self, source: Picture) -> Run:
        """One image through the network, every activation kept.

        Args:
            source: an encoded file's bytes, a path, a picture of Pillow's, uint8 pixels (H, W, 3) or (H, W), or an
                image that was decoded here.
        """
        image = as_image(source, enough=self.enough)
        activations = self.engine.run(self.tensor(image))
        probabilities = class_probabilities(self.graph, activations)
        return Run(self.graph, self.explainer, image, activations, self.rank(probabilities, len(probabilities)))

    def rank(self, probabilities: Array, top: int) -> tuple[Prediction, ...]:
        """The `top` classes of (classes,), most probable first, ties by index."""
        order = np.argsort(-probabilities, kind="stable")[:top]
        return tuple(Prediction(int(i), self.labels[i], float(probabilities[i])) for i in order)

    def layer(self, name: str) -> Layer:
        """A layer of the table; LayerNotFound names what there is."""
        return self.graph.layer(name)

    @property
    def external_files(self) -> list[Path]:
        """Where the numbers lie that the graph has outside of itself, each file once."""
        places = map(external_location, self.model.graph.initializer)
        return [self.path.parent / name for name in sorted({place["location"] for place in places if place})]


def load_graph(path: Path) -> onnx.ModelProto:
    """An ONNX file, without external data.

    Raises:
        NetworkUnusable: not ONNX, damaged, or without a graph.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf and onnx raise unrelated types for a damaged file
        raise NetworkUnusable(
            f"{path} is not an ONNX file, or a damaged one. Export the network to ONNX again.", str(path)
        ) from error
    if not model.graph.node:
        raise NetworkUnusable(f"{path} is not an ONNX file: it holds no graph.", str(path))
    return model
