"""A layer's numbers as its units use them: kernels per output map, biases per unit."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from app.constants import Constants, Index
from app.errors import LayerNotFound, NotExplainable
from app.graph import Graph
from app.layer import Layer
from app.operations import BatchNorm, Convolution, Full, RadialBasis, Subsampling
from app.sources import Array


class Parameters:
    """The trained numbers and codes of a network, brought into one form whatever form its file has."""

    def __init__(self, graph: Graph, initializers: Mapping[str, npt.NDArray[Any]]) -> None:
        self.graph = graph
        self.constants: Constants = graph.constants.with_arrays(initializers)
        self.biases = lru_cache(maxsize=None)(self._biases)
        self.affine = lru_cache(maxsize=None)(self._affine)

    def constant(self, name: str) -> npt.NDArray[Any]:
        """A constant's numbers; memory-mapped ones stay on the disk until they are read.

        Raises:
            NotExplainable: the file does not hold them.
        """
        return self._part(name, ...)

    def _part(self, name: str, index: Index) -> npt.NDArray[Any]:
        value = self.constants.part(name, index)
        if value is None:
            raise NotExplainable(f"The numbers of '{name}' are not in the file, so nothing can be recomputed.", name)
        return np.asarray(value)

    def kernel(self, operation: Convolution, channel: int) -> Array:
        """The kernel of one output map, (in / groups, kh, kw)."""
        return _float32(self._part(operation.weights, channel))

    def row(self, operation: Full, unit: int) -> Array:
        """The weights of one unit of a full layer, (in,), in the order of the flattened source layer."""
        row = _float32(self._part(operation.weights, unit if operation.outputs_first else (slice(None), unit)))
        if operation.alpha != 1:
            row = row * np.float32(operation.alpha)
        if operation.order is None:
            return row
        ordered = np.empty_like(row)
        ordered[operation.order] = row
        return ordered

    def codes(self, operation: RadialBasis) -> Array:
        """The codes of a radial-basis layer, (units, in)."""
        codes = self.constant(operation.codes)
        codes = codes.reshape(codes.shape[-2:])
        return _float32(codes if operation.units_first else codes.T)

    def filters(self, layer: Layer) -> Array:
        """A layer's own weights: (out, in / groups, kh, kw) of a convolution, (out, in) of a full or rbf layer.

        Raises:
            LayerNotFound: the layer has no filters; the message names those that have.
        """
        operation = layer.operation
        if isinstance(operation, Convolution):
            return _float32(self.constant(operation.weights))
        if isinstance(operation, RadialBasis):
            return self.codes(operation)
        if isinstance(operation, Full):
            weights = self.constant(operation.weights)
            weights = _float32(weights if operation.outputs_first else weights.T)
            if operation.order is not None:
                weights = weights[:, np.argsort(operation.order)]
            return weights if operation.alpha == 1 else weights * np.float32(operation.alpha)
        having = [
            one.name for one in self.graph.layers if isinstance(one.operation, Convolution | Full | RadialBasis)
        ]
        raise LayerNotFound(f"'{layer.name}' ({layer.op}) has no filters; {', '.join(having)} have.", layer.name)

    def _biases(self, layer: Layer) -> npt.NDArray[np.float64]:
        """One bias an output map or unit, (C,)."""
        operation, count = layer.operation, layer.shape[0]
        total = np.zeros(count)
        if isinstance(operation, Convolution | Full | Subsampling):
            for name in operation.biases:
                total += np.broadcast_to(self.constant(name).astype(np.float64).reshape(-1), (count,))
        return total * operation.beta if isinstance(operation, Full) else total

    def _affine(self, layer: Layer) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Factor and shift of every map, (C,) each: of a subsampling's window sum, or of a batch norm."""
        operation, count = layer.operation, layer.shape[0]
        if isinstance(operation, BatchNorm):
            names = (operation.scale, operation.bias, operation.mean, operation.variance)
            scale, bias, mean, variance = (self.constant(name).astype(np.float64) for name in names)
            factor = scale / np.sqrt(variance + operation.epsilon)
            return factor, bias - mean * factor
        factor = np.ones(count)
        if isinstance(operation, Subsampling):
            factor /= math.prod(operation.window.kernel)  # the file has the mean, the layer the sum
            for name in operation.factors:
                factor = factor * self.constant(name).astype(np.float64).reshape(-1)
        return factor, self.biases(layer)


def _float32(numbers: npt.NDArray[Any]) -> Array:
    return numbers.astype(np.float32, copy=False)
