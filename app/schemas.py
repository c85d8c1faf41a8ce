"""The wire types of the REST API: what is answered.

Sizes are in pixels, times in milliseconds, tensors C x H x W without a batch axis.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Shape = Annotated[list[int], Field(description="[C, H, W], or [N] of a vector.", examples=[[96, 55, 55]])]
Pair = Annotated[list[int], Field(min_length=2, max_length=2)]


class Wire(BaseModel):
    """Base of what is answered; the document says that nothing else is in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- networks -------------------------------------------------------------------------------------------


class InputSize(Wire):
    """What a network takes."""

    channels: int = Field(examples=[3])
    height: int = Field(examples=[227], description="Pixels.")
    width: int = Field(examples=[227], description="Pixels.")


class AccuracyOut(Wire):
    """As measured through this service, never copied from a paper."""

    dataset: str = Field(examples=["MNIST test"])
    top1: float = Field(examples=[0.991], description="A fraction, 0 to 1.")
    images: int = Field(examples=[10000])


class WeightsOut(Wire):
    """One set of numbers for a network."""

    id: str = Field(examples=["imagenette"])
    title: str = Field(examples=["Imagenette, ten classes"])
    classes: int = Field(examples=[10])
    trained: bool = Field(examples=[False], description="False: random or no numbers, so no prediction.")
    ready: bool = Field(examples=[True], description="The numbers are on this machine.")
    bundled: bool = Field(examples=[True], description="Comes with the package, without any download.")
    pullable: bool = Field(examples=[False], description="Fetched on demand: see `/pull`.")
    bytes: int = Field(examples=[227651304], description="Size of the network's files.")
    accuracy: AccuracyOut | None = Field(examples=[None], description="Null where it was not measured.")
    provider: str = Field(examples=["CPUExecutionProvider"], description="onnxruntime's provider that computes.")
    precisions: list[str] = Field(examples=[["fp32", "int8"]], description="What `precision` may be.")


class ModelOut(Wire):
    """A network."""

    id: str = Field(examples=["alexnet"])
    title: str = Field(examples=["AlexNet"])
    family: str = Field(examples=["AlexNet"])
    year: int | None = Field(examples=[2012])
    summary: str = Field(examples=["Five convolutions and three full layers; won ILSVRC 2012."])
    input: InputSize
    parameters: int = Field(examples=[56909194], description="Trained numbers.")
    multiply_adds: int = Field(examples=[720357440], description="Multiplications of one forward pass.")
    units: int = Field(examples=[658282], description="Outputs of convolutions and full layers.")
    weights: list[WeightsOut]
    default_weights: str = Field(examples=["imagenette"])


class ModelList(Wire):
    """Every network there is."""

    models: list[ModelOut]


class LayerOut(Wire):
    """One entry of the layer table, computed from the graph."""

    name: str = Field(examples=["CONV1"])
    op: str = Field(examples=["conv"])
    inputs: list[str] = Field(examples=[["input"]], description="The layers it reads.")
    shape: Shape
    kernel: Pair | None = Field(examples=[[11, 11]], description="[height, width].")
    stride: Pair | None = Field(examples=[[4, 4]], description="[vertical, horizontal].")
    padding: list[int] | None = Field(examples=[[0, 0, 0, 0]], description="[top, left, bottom, right].")
    dilation: Pair | None = Field(examples=[[1, 1]], description="[vertical, horizontal].")
    groups: int | None = Field(examples=[1])
    parameters: int = Field(examples=[34944], description="Trained numbers.")
    fixed: int = Field(examples=[0], description="Numbers that are constants by design.")
    nonzero: int | None = Field(examples=[34848], description="Parameters that are not 0; null without numbers.")
    multiply_adds: int = Field(examples=[105415200])
    connections: int = Field(examples=[105705600], description="Joined inputs of all units, the bias counted as one.")
    receptive_field: Pair = Field(examples=[[11, 11]], description="[height, width] in input pixels.")
    formula: str = Field(examples=["(227 - 11 + 2*0)/4 + 1 = 55"])
    activation: str | None = Field(examples=[None], description="An activation inside the layer.")
    table: list[list[int]] | None = Field(
        examples=[None],
        description="For each input map the output maps it is joined to; null where to all of its group.",
    )


class ModelDetail(ModelOut):
    """A network, its labels, its layers in topological order, and what feeds what."""

    labels: list[str] = Field(examples=[["tench", "English springer"]])
    tour: bool = Field(examples=[True], description="Whether it has a guided tour.")
    saliency: list[str] = Field(
        examples=[["cam", "grad_cam", "occlusion"]],
        description="The methods by which it can be asked where it looked, the quickest first.",
    )
    layers: list[LayerOut]
    edges: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(
        examples=[[["input", "CONV1"]]], description="[from, to]."
    )


# --- predictions and runs ---------------------------------------------------------------------------------


class PredictionOut(Wire):
    """One class."""

    index: int = Field(examples=[0])
    label: str = Field(examples=["tench"])
    probability: float = Field(examples=[0.87], description="0 to 1; over all classes they sum to 1.")


class ElapsedOut(Wire):
    """Milliseconds; `total` runs from the upload's last byte and includes waiting for a place."""

    decode: float = Field(examples=[2.1])
    preprocess: float = Field(examples=[1.4])
    inference: float = Field(examples=[16.3])
    total: float = Field(examples=[20.2])


Unfamiliar = Annotated[
    bool,
    Field(
        examples=[False],
        description="The image looks like none of the classes: the largest probability is below the threshold that "
        "was measured for these weights. Always false where none was.",
    ),
]


class PredictionsOut(Wire):
    """The answer of `predictions`."""

    model: str = Field(examples=["alexnet"])
    weights: str = Field(examples=["imagenette"])
    trained: bool = Field(examples=[False], description="False: the numbers are random, so this is no prediction.")
    precision: str = Field(examples=["fp32"])
    crops: int = Field(examples=[1])
    predictions: list[PredictionOut] = Field(description="Most probable first.")
    unfamiliar: Unfamiliar
    elapsed_ms: ElapsedOut


class EnsembleOut(Wire):
    """The mean of several networks' probabilities, and what each of them says."""

    models: list[str] = Field(examples=[["googlenet", "resnet34"]])
    trained: bool = Field(examples=[False], description="Whether every member's numbers were learned.")
    precision: str = Field(examples=["fp32"])
    crops: int = Field(examples=[1])
    predictions: list[PredictionOut] = Field(description="By the mean of the members' probabilities.")
    members: list[PredictionsOut]
    elapsed_ms: ElapsedOut


class ImageOut(Wire):
    """The image of a run."""

    width: int = Field(examples=[500], description="Pixels, after EXIF orientation.")
    height: int = Field(examples=[375], description="Pixels, after EXIF orientation.")
    sha256: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])


class RunLayer(Wire):
    """A layer whose activations a run has."""

    name: str = Field(examples=["CONV1"])
    op: str = Field(examples=["conv"])
    shape: Shape


class RunOut(Wire):
    """One image through one network, every layer kept."""

    id: str = Field(examples=["5d41402abc4b2a76b9719d911017c592ae1f03c2"])
    model: str = Field(examples=["alexnet"])
    weights: str = Field(examples=["imagenette"])
    trained: bool = Field(examples=[False], description="False: the numbers are random, so this is no prediction.")
    precision: str = Field(examples=["fp32"])
    crops: int = Field(examples=[1], description="Crops averaged for the predictions; the layers are the centre's.")
    image: ImageOut
    predictions: list[PredictionOut] = Field(description="Most probable first.")
    unfamiliar: Unfamiliar
    elapsed_ms: ElapsedOut
    expires_at: str = Field(examples=["2026-01-31T12:00:00+00:00"], description="ISO 8601, UTC.")
    layers: list[RunLayer]


class LayerStatistics(Wire):
    """What a layer's numbers are like; null where the layer holds no finite answer."""

    name: str = Field(examples=["CONV1"])
    op: str = Field(examples=["conv"])
    shape: Shape
    min: float | None = Field(examples=[-3.2])
    max: float | None = Field(examples=[4.1])
    mean: float | None = Field(examples=[0.02])
    std: float | None = Field(examples=[0.71], description="Population standard deviation.")
    zeros: int = Field(examples=[0], description="How many of the numbers are 0.")


# --- explanations -----------------------------------------------------------------------------------------


class ReceptiveField(Wire):
    """Input pixels that a unit sees; may reach outside the input."""

    top: int = Field(examples=[-2])
    left: int = Field(examples=[0])
    height: int = Field(examples=[11])
    width: int = Field(examples=[11])


class SourceOut(Wire):
    """A patch of one channel that a unit reads."""

    layer: str = Field(examples=["input"])
    channel: int = Field(examples=[0])
    top: int = Field(examples=[0], description="Row of the patch in its map; may be negative, in the padding.")
    left: int = Field(examples=[0], description="Column of the patch in its map.")
    values: list[list[float | None]] = Field(examples=[[[0.1, 0.4], [0.2, 0.3]]], description="[row][column].")
    weights: list[list[float | None]] | None = Field(examples=[[[0.5, -0.5], [1.0, 0.0]]])


class ExplanationOut(Wire):
    """How one number came about; recomputing `value` from it gives the tensor's number."""

    layer: str = Field(examples=["CONV1"])
    op: str = Field(examples=["conv"])
    unit: list[int] = Field(examples=[[0, 5, 7]], description="[c, y, x], or [i] of a vector.")
    value: float | None = Field(examples=[0.35])
    receptive_field: ReceptiveField
    sources: list[SourceOut]
    bias: float | None = Field(examples=[0.0])
    sum: float | None = Field(examples=[0.35])
    activation: str | None = Field(examples=[None])
    expression: str = Field(examples=["sum of 363 products + 0 = 0.35"])
    alpha: float | None = Field(None, examples=[0.0001])
    beta: float | None = Field(None, examples=[0.75])
    size: int | None = Field(None, examples=[5])


class AttentionOut(Wire):
    """How far a map of where the network looked is; 0 of 0 where it has not begun, is done, is quick, or is another
    replica's work."""

    done: int = Field(examples=[60], description="Passes through the network.")
    of: int = Field(examples=[170], description="How many it takes.")


# --- pulls ------------------------------------------------------------------------------------------------


class PullOut(Wire):
    """Weights that are fetched on demand, and how far that is."""

    model: str = Field(examples=["alexnet"])
    title: str = Field(examples=["AlexNet"], description="Of the network.")
    weights: str = Field(examples=["imagenet"])
    classes: int = Field(examples=[1000])
    state: Literal["absent", "waiting", "pulling", "checking", "ready", "failed", "cancelled"] = Field(
        examples=["pulling"], description="waiting: another process fetches the same file; checking: its digest."
    )
    done: int = Field(examples=[48772759], description="Bytes that are here; kept over a break.")
    bytes: int = Field(examples=[243863798])
    rate: float = Field(examples=[5200000.0], description="Bytes a second over the last seconds.")
    seconds_left: float | None = Field(examples=[37.5], description="At this rate; null while that is not known.")
    error: str | None = Field(examples=[None], description="Why the last pull failed, and what to do.")
    allowed: bool = Field(examples=[True], description="Whether whoever asks may pull here.")
    command: str = Field(examples=["convscope pull alexnet"], description="The same on the server's command line.")


class PullList(Wire):
    """All weights that are fetched on demand."""

    pulls: list[PullOut]


# --- operations -------------------------------------------------------------------------------------------


class Health(Wire):
    """The process answers."""

    status: Literal["ok"] = Field(examples=["ok"])


class Readiness(Wire):
    """The networks' files are verified and loadable."""

    status: Literal["ready", "degraded"] = Field(examples=["ready"])
    models: list[str] = Field(examples=[["lenet5", "alexnet"]])
    problems: list[str] = Field(examples=[["The store of runs cannot be reached."]], description="What is degraded.")
