"""A network on 8 bits: made on this machine from the network's own numbers and the manifest's ranges."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx
import onnxruntime
from filelock import FileLock

from app.cores import adds_8_bit_products_whole
from app.engine import Engine
from app.errors import NotSupported
from app.graph import Graph
from app.network import Network
from app.quantise import FORM, Dequantised, quantise, rounded_from_zero, shown
from app.response_norm import quicken_norms
from app.version import VERSION
from app.weights import is_intact, locked_by, stamp, sweep_folder, unwritable, write_numbers


class Int8Network(Network):
    """The 8-bit form of a network: the same table and labels, other numbers.

    Its activations are those that its layers read, in float32: the 8-bit numbers times their scale. For them the
    session keeps every layer's tensor, so onnxruntime computes the same steps in float32; probabilities alone come
    from 8-bit arithmetic. The two differ where a sum lies between two steps.
    """

    precision = "int8"

    def __init__(self, whole: Network) -> None:
        """The 8-bit form of a network.

        Raises:
            NotSupported: nobody has calibrated the network.
            WeightsNotReady: nor are there numbers, which come first.
        """
        super().__init__(
            whole.manifest,
            whole.weights,
            whole.known,
            whole.cache_dir,
            threads=whole.threads,
            provider="cpu",  # the 8-bit kernels are the processor's
            pulled=whole.pulled,
        )
        self.whole = whole
        if not whole.weights.ranges:
            whole.require_numbers()
            raise NotSupported(
                f"The weights '{whole.weights_id}' of {whole.id} have no calibrated activation ranges, without which "
                "8 bits are no good. Ask for precision=fp32.",
                "int8",
                field="precision",
            )

    @property
    def ready(self) -> bool:
        """Whether the numbers are on this machine."""
        return self.whole.ready

    @cached_property
    def graph(self) -> Graph:
        """The layer table of the float32 network."""
        return self.whole.graph

    @cached_property
    def digest(self) -> str:
        """sha256 over the network's files and what the 8-bit numbers are made with."""
        parts = [self.whole.digest, VERSION, FORM, onnx.__version__, onnxruntime.__version__, self.narrow]
        ranges = {name: list(values) for name, values in self.weights.ranges.items()}
        return hashlib.sha256(json.dumps([parts, ranges]).encode()).hexdigest()

    @cached_property
    def narrow(self) -> bool:
        """Whether its kernels have 7 bits, since this processor would overflow with 8."""
        return not adds_8_bit_products_whole()

    @property
    def path_of_graph(self) -> Path:
        """Where the 8-bit graph lies in the cache folder, whether or not it is there."""
        return self.cache_dir / "weights" / self.digest[:32] / "int8.onnx"

    @cached_property
    def quantised(self) -> onnx.ModelProto:
        """The 8-bit graph, made once and kept in the cache folder.

        Raises:
            WeightsNotReady: the float32 numbers are not here.
            WeightsUnwritable: the cache folder cannot be written.
        """
        path = self.path_of_graph
        if not is_intact(path):
            self.whole.require_numbers()
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with FileLock(locked_by(path)):  # of several processes that want it at once, one makes it
                    sweep_folder(path.parent)
                    if not is_intact(path):
                        made = quantise(self.model, self.whole.initializers, self.weights.ranges, self.narrow)
                        _, digest = write_numbers([made.SerializeToString()], path)
                        stamp(path, digest)
            except OSError as error:
                raise unwritable(path, error) from error
        return onnx.load(path)

    @property
    def quick(self) -> onnx.ModelProto:
        """The 8-bit graph as it is run."""
        model = onnx.ModelProto()
        model.CopyFrom(self.quantised)
        quicken_norms(model, self.graph, rounded_from_zero(model))
        return model

    @cached_property
    def initializers(self) -> Mapping[str, npt.NDArray[Any]]:
        """The numbers it computes with, in float32, which they become when they are read."""
        return Dequantised(self.quantised)

    @property
    def engine(self) -> Engine:
        """The loaded session; made and loaded once, in whichever thread comes first."""
        if self._engine is None:
            with self._loading:
                if self._engine is None:
                    self.whole.require_numbers()
                    self._engine = Engine(
                        self.quick, None, as_shown(self.graph, shown(self.quantised)), self.threads, self.provider
                    )
        return self._engine

    def prepare(self, progress: Callable[[int], None] | None = None) -> None:
        """Bring the float32 numbers to this machine; the 8-bit ones are made from them when first used."""
        self.whole.prepare(progress)

    def require_numbers(self) -> None:
        """Raises WeightsNotReady where there are no numbers to compute with."""
        self.whole.require_numbers()


def as_shown(graph: Graph, names: Mapping[str, str]) -> Graph:
    """The graph with its layers' tensors replaced by those of `names`."""
    layers = tuple(replace(layer, tensor=names.get(layer.tensor, layer.tensor)) for layer in graph.layers)
    output = next(layer for layer in layers if layer.name == graph.output.name)
    return replace(graph, layers=layers, output=output)
