"""Sessions: an input tensor in, every layer's activation out. onnxruntime does the arithmetic."""

import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from opentelemetry import trace

from app.activations import Activations, relu
from app.cores import available_cores
from app.errors import ConvscopeError, NetworkUnusable, NotSupported
from app.graph import Graph
from app.kept import KeptSession
from app.layer import Layer
from app.observed import note_session
from app.response_norm import quicken_norms
from app.wanted import check_wanted

Array = npt.NDArray[np.float32]
log = logging.getLogger(__name__)

TRACER = trace.get_tracer("convscope")  # does nothing where no OpenTelemetry is set up

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
BEST = {"cuda": CUDA, "tensorrt": TENSORRT}  # what was asked for by name, and must then come up
# By default CUDA rounds the factors of float32 products to TensorFloat-32's 10 bits, 1e-3 of a number, on Ampere and
# later; activations are shown as the numbers that the network computes in float32.
PROVIDER_OPTIONS = {CUDA: {"use_tf32": "0"}}
BATCH_BYTES, BATCH = 128 * 1024 * 1024, 32  # the most that one forward pass may hold: activations, and images

# Another core has woken up when the first has done about so much. A digit's network on two cores takes as long as on
# one where they are idle, and three times as long on average where they are not.
WORTH_A_THREAD = 4_000_000  # multiply-adds, parameters and units

ROUNDED = 1e-3  # off the sum of 1: more than float32 is, less than 8 bits mostly are

NVIDIA_DEVICE = Path("/dev/nvidiactl")


def choose_providers(wanted: str) -> list[str]:
    """onnxruntime's execution providers for the setting `auto`, `cpu`, `cuda` or `tensorrt`, best first."""
    if wanted == "tensorrt":
        return [TENSORRT, CUDA, CPU]
    if wanted == "cuda" or (wanted == "auto" and NVIDIA_DEVICE.exists() and CUDA in ort.get_available_providers()):
        return [CUDA, CPU]
    return [CPU]


def useful_threads(graph: Graph, threads: int) -> int:
    """How many of so many threads a forward pass of this network is worth; at least 1."""
    work = graph.multiply_adds + graph.parameters + graph.units  # the last two also count for unknown operators
    return max(1, min(threads, work // WORTH_A_THREAD))


class Session(Protocol):
    """What computes: onnxruntime's session here, or one on another machine."""

    def run(self, names: list[str], feeds: dict[str, Array]) -> list[npt.NDArray[Any]]:
        """Those tensors of the graph, for this input by name."""

    def get_providers(self) -> list[str]:
        """Execution providers, the one in use first."""


OpenSession = Callable[[str, str], Session | None]  # of a network and its weights; None where it is opened here


class Engine:
    """One loaded network.

    Every layer's tensor is made an output of the graph, so one forward pass gives all activations; only ReLUs
    are made from the layer before, when somebody reads them. This keeps onnxruntime from fusing a ReLU into the
    convolution before it, so probabilities alone come from a second session without those outputs, made when first
    asked for: the same numbers, faster where there are many layers.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        folder: Path | None,
        graph: Graph,
        threads: int = 0,
        provider: str = "auto",
        session: Session | None = None,
        refill: Callable[[], None] = lambda: None,
    ) -> None:
        """Load `model`, whose external data (if any) lies in `folder`; nothing is loaded where there is a `session`.

        `refill` is called before the external data are read, now or when another session is made.

        Raises:
            what `refill` raises.
            NetworkUnusable: onnxruntime refuses the graph (unknown operator, broken shapes, damaged data), or the
                provider that was asked for cannot be had.
        """
        self.graph = graph
        self._model, self._elsewhere, self._refill = model, session, refill
        self._making = threading.Lock()
        options = ort.SessionOptions()
        # its threads spin for work while it runs; afterwards the cores belong to decoding and drawing
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.log_severity_level = 4  # failures come back as exceptions; the log would only repeat them
        options.intra_op_num_threads = useful_threads(graph, threads or available_cores())
        if folder is not None:
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
        self._options, self._providers = options, choose_providers(provider)
        if session is None and self._providers[0] == CUDA and CUDA in ort.get_available_providers():
            with redirect_stdout(sys.stderr):  # where it prints what it does not find
                ort.preload_dlls()  # CUDA and cuDNN out of their Python packages, where the system has none
        try:
            self.session: Session = session or self._load(layer.tensor for layer in self._computed)
        except ConvscopeError:
            raise
        except Exception as error:  # onnxruntime raises a dozen unrelated types here
            raise NetworkUnusable(
                f"onnxruntime cannot load the network: {str(error).strip().splitlines()[0]}. Check it with "
                "onnx.checker, or export it with the operators of a standard opset.",
                graph.input_name,
            ) from error
        self.provider: str = self.session.get_providers()[0]
        if provider in BEST and self.provider != BEST[provider]:
            raise NetworkUnusable(
                f"{BEST[provider]} was asked for but {self.provider} came up. Install NVIDIA's driver and the "
                f"libraries that onnxruntime {ort.__version__} needs (pip install 'onnxruntime-gpu[cuda,cudnn]'), or "
                "set CONVSCOPE_PROVIDER=cpu.",
                provider,
            )
        if session is None and self.provider != self._providers[0]:
            _tell_once(f"There is a GPU, but {self._providers[0]} cannot be loaded: {self.provider} computes.")

    def _load(self, outputs: Iterable[str]) -> Session:
        """A session that can also give out the named tensors."""
        self._refill()
        model = _with_outputs(self._model, outputs)
        if self._providers == [CPU]:
            quicken_norms(model, self.graph)
        session: Session = ort.InferenceSession(
            model.SerializeToString(),
            self._options,
            providers=[(name, PROVIDER_OPTIONS.get(name, {})) for name in self._providers],
        )
        return session

    @property
    def elsewhere(self) -> bool:
        """Whether another machine computes, or several, which then gather what comes at the same time."""
        return self._elsewhere is not None

    @property
    def classifier(self) -> Session:
        """The session for the probabilities alone, made when first asked for."""
        with self._making:
            return self._classifier

    @cached_property
    def _classifier(self) -> Session:
        return self._elsewhere or self._load([self.graph.output.tensor])

    def run(self, tensor: Array) -> Activations:
        """All activations of one input.

        Args:
            tensor: the preprocessed input, float32 (C, H, W).

        Returns:
            Layer name -> float32 (C, H, W) or (N,), in the table's order, the input layer included.
        """
        layers = self._computed
        names = [layer.tensor for layer in layers]
        arrays = self._forward(tensor[None], names, self._keeper) if names else []  # for none it would give all
        computed = {self.graph.layers[0].name: np.ascontiguousarray(tensor, dtype=np.float32)}
        # where it must be; or always, as the other images of a fixed batch would be kept with a view of the first
        copy = None if self.graph.batch in (None, 1) else True
        for layer, array in zip(layers, arrays, strict=True):
            # (B, ...) of a batch that repeats the image, or no batch axis at all after a squeezing reshape
            channels_last = (*layer.shape[1:], layer.shape[0])
            first = array.reshape(-1, *(channels_last if layer.channels_last else layer.shape))[0]
            first = first.transpose(2, 0, 1) if layer.channels_last else first  # (H, W, C) to (C, H, W)
            computed[layer.name] = np.array(first, dtype=np.float32, order="C", copy=copy)
        return Activations((layer.name for layer in self.graph.layers), computed, self._relus)

    @cached_property
    def _keeper(self) -> Session:
        """The session for all activations, which writes them into memory from the reserve where it computes here."""
        if self.elsewhere or self.provider != CPU:
            return self.session
        return KeptSession(self.session, [layer.tensor for layer in self._computed])

    @cached_property
    def _computed(self) -> list[Layer]:
        """The layers that the session hands out: all but the input and the ReLUs."""
        return [layer for layer in self.graph.layers if layer.op != "input" and layer.name not in self._relus]

    @cached_property
    def _relus(self) -> dict[str, str]:
        """The layers that are a ReLU of another layer's very tensor -> that layer, or what it is a ReLU of itself."""
        nodes = {output: node for node in self._model.graph.node for output in node.output}
        layers = {layer.tensor: layer for layer in self.graph.layers}
        relus: dict[str, str] = {}
        for layer in self.graph.layers:
            node = nodes.get(layer.tensor)
            source = layers.get(node.input[0]) if node is not None and node.op_type == "Relu" else None
            if source is not None and (source.shape, source.channels_last) == (layer.shape, layer.channels_last):
                relus[layer.name] = relus.get(source.name, source.name)
        return relus

    def make_ready(self) -> None:
        """Have the memory for the next run's activations ready, once nothing has run for a while."""
        if isinstance(self._keeper, KeptSession):
            self._keeper.prepare()

    def probabilities(self, tensors: Array) -> Array:
        """Class probabilities of a batch.

        Args:
            tensors: preprocessed inputs, float32 (B, C, H, W).

        Returns:
            float32 (B, classes); each row sums to 1.
        """
        names = [self.graph.output.tensor]
        session = self.classifier
        if self.graph.batch is None:
            rows = self._forward(tensors, names, session)[0].reshape(len(tensors), -1)
        else:
            each = [self._forward(one[None], names, session)[0] for one in tensors]
            rows = np.stack([one.reshape(self.graph.batch, -1)[0] for one in each])
        return to_probabilities(rows, self.graph.output_is_softmaxed)

    def classify(self, tensors: Iterable[Array]) -> Iterator[Array]:
        """Class probabilities of any number of inputs, in batches that hold a bounded amount of memory.

        Args:
            tensors: preprocessed inputs, float32 (C, H, W) each; taken as they are needed.

        Yields:
            float32 (B, classes) of B inputs at a time.

        Raises:
            Abandoned: nobody waits for the rest.
            NotSupported: the network gives something else than numbers.
        """
        waiting = iter(tensors)
        while batch := list(islice(waiting, self.batch)):
            check_wanted()
            yield require_finite(self.probabilities(np.stack(batch)), self.graph)

    @cached_property
    def batch(self) -> int:
        """How many inputs may be classified at once: two layers' activations at a time stay under BATCH_BYTES."""
        return self._fit(2 * max(math.prod(layer.shape) for layer in self.graph.layers))

    def _fit(self, numbers: int) -> int:
        """How many inputs go through a session at once, if it holds so many numbers for each."""
        return max(1, min(BATCH, BATCH_BYTES // (4 * numbers)))

    def layers(self, tensors: Array, names: Sequence[str]) -> dict[str, Array]:
        """Some layers' activations of a batch, computed in parts that hold a bounded amount of memory.

        Args:
            tensors: preprocessed inputs, float32 (B, C, H, W).
            names: of the layers.

        Returns:
            Layer name -> float32 (B, C, H, W) or (B, N).

        Raises:
            Abandoned: nobody waits for it any more.
        """
        held = sum(math.prod(layer.shape) for layer in self.graph.layers)
        step = self._fit(held) if self.graph.batch is None else 1
        sources = {name: self._relus.get(name, name) for name in names}
        whole = {name: np.empty((len(tensors), *self.graph.layer(name).shape), np.float32) for name in names}
        asked = [self.graph.layer(name) for name in dict.fromkeys(sources.values())]
        computed = [layer for layer in asked if layer.op != "input"]
        for start in range(0, len(tensors), step):
            check_wanted()
            part = tensors[start : start + step]
            arrays = self._forward(part, [layer.tensor for layer in computed]) if computed else []
            found = {self.graph.layers[0].name: part}
            for layer, array in zip(computed, arrays, strict=True):
                stored = (*layer.shape[1:], layer.shape[0]) if layer.channels_last else layer.shape
                some = array.reshape(-1, *stored)[: len(part)]
                found[layer.name] = some.transpose(0, 3, 1, 2) if layer.channels_last else some
            for name, source in sources.items():
                whole[name][start : start + step] = found[source] if name == source else relu(found[source])
        return whole

    def _forward(self, batch: Array, names: list[str], session: Session | None = None) -> list[npt.NDArray[Any]]:
        """Run (B, C, H, W) through the session; B is 1 where the graph's batch size is fixed."""
        if self.graph.batch is not None:
            batch = np.repeat(batch, self.graph.batch, axis=0)
        if self.graph.input_layout == "NHWC":
            batch = np.ascontiguousarray(batch.transpose(0, 2, 3, 1))
        begun = time.perf_counter()
        with TRACER.start_as_current_span("session") as span:
            span.set_attributes({"convscope.inputs": len(batch), "convscope.outputs": len(names)})
            outputs = (session or self.session).run(names, {self.graph.input_name: batch})
        note_session(len(batch), time.perf_counter() - begun)
        return outputs


@cache  # once a process, not once a network
def _tell_once(line: str) -> None:
    log.warning("%s", line)


def to_probabilities(scores: npt.NDArray[Any], already: bool) -> Array:
    """Softmax over the last axis of (..., classes), in float64; left alone where the graph ends in a softmax.

    One on 8 bits is only brought to sum to 1 again.
    """
    with np.errstate(invalid="ignore"):  # infinite scores give NaN, which is for the caller to tell
        if already:
            shares = np.asarray(scores, dtype=np.float32)
            sums = shares.sum(axis=-1, keepdims=True)
            return shares if (np.abs(sums - 1) < ROUNDED).all() else shares / sums
        shifted = np.exp(scores.astype(np.float64) - scores.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=np.float32)


def class_probabilities(graph: Graph, activations: Mapping[str, Array]) -> Array:
    """The class probabilities (classes,) that a run's activations already hold.

    A copy: they are kept longer than the activations, all of which are parts of one block of memory.
    """
    return to_probabilities(activations[graph.output.name].reshape(-1), graph.output_is_softmaxed).copy()


def require_finite(probabilities: Array, graph: Graph) -> Array:
    """The probabilities (..., classes) of one image, or of parts of it, as they are.

    Raises:
        NotSupported: some are NaN, which is neither a probability nor JSON.
    """
    wrong = np.argwhere(~np.isfinite(probabilities))
    if len(wrong):
        raise NotSupported(
            f"The network has no probabilities for this image: for class {wrong[0][-1]}, '{graph.output.name}' comes "
            f"to {probabilities[tuple(wrong[0])]}. On the way there, numbers overflow or are divided by zero: "
            "`convscope activations` writes those of each layer. Check the network's weights, and scale, mean and "
            "std in its manifest.",
            graph.output.name,
        )
    return probabilities


def _with_outputs(model: onnx.ModelProto, names: Iterable[str]) -> onnx.ModelProto:
    """A copy of the graph that also gives out the named tensors (their types are inferred by onnxruntime)."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    given = {value.name for value in copy.graph.output} | {value.name for value in copy.graph.input}
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names) if name not in given)
    known: set[str] = set()
    for node in copy.graph.node:  # ONNX lets two nodes have one name, onnxruntime does not; it needs none
        if node.name in known:
            node.ClearField("name")
        known.add(node.name)
    return copy
