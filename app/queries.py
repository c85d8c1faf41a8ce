"""What may be asked in a query: one model a kind of request; an unknown parameter is refused."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.crops import Crops
from app.maps import CHANNELS_LENGTH, CHANNELS_PATTERN, Scale
from app.saliency import Method


class NoQuery(BaseModel):
    """No parameters."""

    model_config = ConfigDict(extra="forbid")


def none_if_empty(value: str | None) -> str | None:
    """`?layers=` asks for the same as leaving `layers` out."""
    return value or None


OptionalText = Annotated[str | None, AfterValidator(none_if_empty)]


class WeightsQuery(NoQuery):
    """Which weights."""

    weights: OptionalText = Field(
        None, description="Id of the network's weights; its default ones when left out.", examples=["imagenette"]
    )


class PredictQuery(WeightsQuery):
    """What to do with an image."""

    precision: Literal["fp32", "int8"] = Field(
        "fp32",
        description="Arithmetic of the network: 32-bit floats, or 8-bit integers where its ranges are calibrated.",
        examples=["fp32"],
    )
    crops: Crops | Literal[""] = Field(
        Crops.ONE,
        description="Crops of the image whose probabilities are averaged: the centre; 10 (Krizhevsky et al. 2012); "
        "144 (Szegedy et al. 2014).",
        examples=[1],
    )
    top: int = Field(5, ge=1, description="How many classes to answer; all when more.", examples=[5])

    @property
    def how_many(self) -> Crops:
        """The crops; one where `?crops=` is left empty."""
        return self.crops or Crops.ONE


class EnsembleQuery(PredictQuery):
    """Which networks answer together."""

    models: str = Field(
        min_length=1,
        max_length=1000,
        description="Ids of the networks, comma separated; they must share their classes.",
        examples=["googlenet,resnet34"],
    )


class SaliencyQuery(NoQuery):
    """Where the network looked, by which method and for which class."""

    method: Method | Literal[""] = Field(
        "occlusion",
        description="cam (Zhou et al. 2016), grad_cam (Selvaraju et al. 2017), occlusion (Zeiler and Fergus 2014).",
        examples=["occlusion"],
    )
    index: Annotated[int, Field(ge=0, le=1_000_000)] | Literal[""] | None = Field(
        None, alias="class", description="Index of the class; the most probable one when left out.", examples=[0]
    )


class MapsQuery(NoQuery):
    """How to draw a layer's maps."""

    channels: OptionalText = Field(
        None,
        pattern=f"^$|{CHANNELS_PATTERN}",
        max_length=CHANNELS_LENGTH,
        description="Channels to draw, such as 3, 0-15 or 0-3,7; all when left out.",
        examples=["0-3"],
    )
    tile: int = Field(32, ge=1, le=4096, description="Longest side of a map as drawn, in pixels.", examples=[32])
    scale: Scale = Field(
        "map",
        description="map: each map's own minimum to maximum; layer: the layer's; signed: zero is 128.",
        examples=["map"],
    )
    columns: Annotated[int, Field(ge=1, le=1_000_000)] | Literal[""] | None = Field(
        None, description="Maps a row; nearly square when left out.", examples=[8]
    )


class LayersQuery(NoQuery):
    """Which layers."""

    layers: OptionalText = Field(
        None, description="Layer names, comma separated; all when left out.", examples=["conv1_1,pool1"]
    )


class OverviewQuery(LayersQuery):
    """Which layers, how large."""

    tile: int = Field(32, ge=1, le=4096, description="Longest side of a map as drawn, in pixels.", examples=[32])
