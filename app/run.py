"""One image through one network, as a notebook has it: its predictions, and every layer by name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.errors import UnitNotFound
from app.explain import Explainer, Explanation
from app.graph import Graph
from app.imaging import Image

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Prediction:
    """One class and its probability (0 to 1)."""

    index: int
    label: str
    probability: float


@dataclass(frozen=True)
class Run:
    """One image through one network, every layer kept; `run["CONV2"]` is that layer's activation."""

    graph: Graph
    explainer: Explainer
    image: Image
    activations: Mapping[str, Array]  # layer name -> (C, H, W) or (N,)
    predictions: tuple[Prediction, ...]  # all classes, most probable first

    def __getitem__(self, layer: str) -> Array:
        """The activation of a layer, float32 (C, H, W) or (N,); LayerNotFound names what there is."""
        return self.activations[self.graph.layer(layer).name]

    def __iter__(self) -> Iterator[str]:
        """The layers' names, from the input on."""
        return iter(self.activations)

    def __contains__(self, layer: object) -> bool:
        return layer in self.activations

    def explain(self, layer: str, *unit: int) -> Explanation:
        """How one number came about: `run.explain("CONV2", c, y, x)`, or `run.explain("FC6", i)`.

        Raises:
            LayerNotFound: no such layer.
            UnitNotFound: the layer has no such unit.
            NotExplainable: there is no rule for the layer's operator.
        """
        if not all(isinstance(index, int | np.integer) for index in unit):
            raise UnitNotFound(f"A unit is whole numbers, c, y, x or i, not {unit}.", list(map(str, unit)))
        return self.explainer.explain(layer, tuple(map(int, unit)), self.activations)
