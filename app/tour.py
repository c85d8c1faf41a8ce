"""The guided tour of a network: numbered steps for the page, kept as data beside the manifest.

A text may hold placeholders such as `{CONV1.parameters}` or `{model.units}`; whoever shows it fills them with the
figures of the layer table, so that no figure of a graph is typed.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.errors import NetworkUnusable
from app.manifest import read_checked

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

LAYER_FIGURES = (
    *("shape", "channels", "height", "width", "kernel", "stride", "padding", "groups"),
    *("parameters", "fixed", "multiply_adds", "connections", "receptive_field", "formula", "inputs"),
)
MODEL_FIGURES = ("title", "year", "parameters", "multiply_adds", "units", "layers", "classes")


class Part(BaseModel):
    """Base of the tour's parts: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Step(Part):
    """One stop: where the camera goes, what is chosen there, and one or two sentences."""

    title: str = Field(min_length=1, examples=["What C3 joins"])
    text: str = Field(
        min_length=1,
        examples=["{C3.channels} maps of {C3.height} by {C3.width}; {C3.parameters} parameters."],
        description="May hold placeholders: {LAYER.FIGURE} or {model.FIGURE}, filled from the layer table.",
    )
    layer: str | None = Field(None, examples=["C3"], description="Where the camera goes; null: the whole network.")
    unit: list[int] | None = Field(
        None, examples=[[0, 4, 4]], description="What is opened there: [c] for a map, [c, y, x], or [i] of a vector."
    )
    emphasise: list[str] = Field(
        default=[], examples=[["S2", "C3"]], description="Layers that stand out; the others step back."
    )
    show: Literal["window"] | None = Field(
        None, examples=["window"], description="What else is opened at the layer: its sliding window."
    )

    @model_validator(mode="after")
    def _unit_needs_layer(self) -> "Step":
        if self.layer is None and (self.unit is not None or self.show is not None):
            raise ValueError("a step with a unit or a window names its layer")
        return self

    @property
    def names(self) -> Iterator[tuple[str, str]]:
        """(layer or "model", figure) of every placeholder; the last dot parts them, for layers have dots too."""
        for text in (self.title, self.text):
            for found in PLACEHOLDER.findall(text):
                layer, _, figure = found.rpartition(".")
                yield layer, figure


class Tour(Part):
    """A walk through one network."""

    title: str = Field(min_length=1, examples=["LeNet-5 in five minutes"])
    steps: list[Step] = Field(min_length=1)

    def check(self, layers: Sequence[str]) -> None:
        """Compare the tour with the names of a graph's layers.

        Raises:
            NetworkUnusable: a step or a placeholder names a layer or a figure that there is not.
        """
        for number, step in enumerate(self.steps, 1):
            for layer in (*([step.layer] if step.layer is not None else []), *step.emphasise):
                if layer not in layers:
                    raise NetworkUnusable(f"Step {number} of the tour names '{layer}', which is no layer.", layer)
            for layer, figure in step.names:
                known = MODEL_FIGURES if layer == "model" else LAYER_FIGURES if layer in layers else ()
                if figure not in known:
                    raise NetworkUnusable(
                        f"Step {number} of the tour has the placeholder '{{{layer}.{figure}}}', which nothing fills. "
                        f"There are {{LAYER.FIGURE}} with a figure out of {', '.join(LAYER_FIGURES)}; and "
                        f"{{model.FIGURE}} with one out of {', '.join(MODEL_FIGURES)}.",
                        f"{layer}.{figure}",
                    )


def read_tour(path: Path) -> Tour | None:
    """Read and check a tour file; None where there is none.

    Raises:
        NetworkUnusable: unreadable, not JSON, or a key is missing, unknown or of the wrong type.
    """
    return read_checked(path, Tour, "tour") if path.exists() else None
