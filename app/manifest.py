"""What an ONNX graph cannot say about itself: title, labels, preprocessing, origin and digest of the weights."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import NetworkUnusable
from app.installation import differs


def is_empty(value: dict[str, object]) -> bool:
    """Whether a mapping is left out of the file because nothing is in it."""
    return not value


def is_none(value: object) -> bool:
    """Whether a field is left out of a manifest that is written."""
    return value is None


M = TypeVar("M", bound=BaseModel)


class Strict(BaseModel):
    """Base of the manifest's parts: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PhotoPreprocessing(Strict):
    """A photo: shorter side to `resize`, centre crop, `(pixel * scale - mean) / std` in `color` order."""

    kind: Literal["photo"] = "photo"
    resize: int = Field(256, ge=1, description="Shorter side after resizing, in pixels.")
    crop: tuple[int, int] = Field((224, 224), description="Height and width of the centre crop, in pixels.")
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    color: Literal["RGB", "BGR", "L"] = "RGB"
    scale: float = Field(1 / 255, description="Factor on the 0..255 pixel, before mean and std.")
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)


class DigitPreprocessing(Strict):
    """A drawn digit, cut out, scaled and centred by mass as MNIST's were, on a larger field.

    Source: LeCun et al. 1998, section III.A: the digit fits a 20x20 box, its centre of mass lies at the centre
    of a 28x28 field, and the field is padded to `size`; background is -0.1 and ink 1.175, so that the mean is
    about 0 and the variance about 1.
    """

    kind: Literal["digit"] = "digit"
    size: tuple[int, int] = Field((32, 32), description="Height and width of the network's input, in pixels.")
    background: float = -0.1
    foreground: float = 1.175


Preprocessing = Annotated[PhotoPreprocessing | DigitPreprocessing, Field(discriminator="kind")]


class Inline(Strict):
    """The numbers are inside the graph file."""

    kind: Literal["inline"] = "inline"


class Seeded(Strict):
    """The graph names an external data file that seeded numpy fills at first start: an untrained network.

    He-uniform: every weight of rank 2 or more is U(-b, b) with b = sqrt(6 / fan_in) (He et al. 2015, "Delving
    deep into rectifiers", section 2.2); every vector (bias) is 0.
    """

    kind: Literal["seeded"] = "seeded"
    seed: int
    file: str = Field(description="Name of the external data file, beside the graph.")
    bytes: int = Field(ge=0)
    sha256: str


class Packed(Strict):
    """Learned numbers, packed for shipping, that are unpacked into the external data file at first start.

    The archive is xz over safetensors: kernels as int8 with one float32 scale an output channel (`NAME.scale`),
    vectors as float32 (8 bits a weight and an entropy code, after Han et al. 2015, "Deep compression").
    """

    kind: Literal["packed"] = "packed"
    archive: str = Field(description="Name of the archive, beside the graph.")
    archive_sha256: str
    file: str = Field(description="Name of the external data file that comes out of it.")
    bytes: int = Field(ge=0)
    sha256: str


class Structure(Strict):
    """No numbers at all: the published shapes only. It has a layer table and cannot run."""

    kind: Literal["structure"] = "structure"


class Pulled(Strict):
    """A whole ONNX file that is fetched on demand and served as it is.

    Until it is here the manifest's own graph, which has its layers but no numbers, stands for it; afterwards
    that graph gives the layers of the file the course's names.
    """

    kind: Literal["pulled"] = "pulled"
    path: str = Field(description="Path of the file below a base URL (the setting `pull_urls`).")
    file: str = Field(description="Name of the file in the cache folder.")
    bytes: int = Field(ge=1)
    sha256: str


Origin = Annotated[Inline | Seeded | Packed | Structure | Pulled, Field(discriminator="kind")]


class Accuracy(Strict):
    """Top-1 as a fraction (0 to 1), as measured on `images` images of `dataset`; never copied from a paper."""

    dataset: str
    top1: float = Field(ge=0, le=1)
    images: int = Field(ge=1)


class Paired(Strict):
    """On how many of the same images only one form of a network was right."""

    only_float32: int = Field(ge=0)
    only_int8: int = Field(ge=0)


class Weights(Strict):
    """One set of numbers for a network."""

    id: str = Field(pattern="^[a-z0-9][a-z0-9_.-]*$")
    title: str
    graph: str = Field(description="File name of the ONNX graph, beside the manifest.")
    sha256: str = Field(description="Digest of the graph file.")
    origin: Origin = Inline()
    trained: bool = False
    preprocessing: Preprocessing
    labels: tuple[str, ...] = ()
    labels_file: str | None = Field(
        None,
        exclude_if=is_none,
        description="Text file with one label a line, beside the manifest; for long lists.",
    )
    data: str = Field("", description="What it was trained on and under which licence, for a person.")
    accuracy: Accuracy | None = None
    accuracy_before_packing: Accuracy | None = Field(
        None, description="The same measurement on the float32 weights that a packed network was made from."
    )
    ranges: dict[str, tuple[float, float]] = Field(
        default_factory=dict,
        exclude_if=is_empty,
        description="Tensor of the graph -> smallest and largest value that 8 bits hold; calibrated on images.",
    )
    accuracy_int8: Accuracy | None = Field(
        None, exclude_if=is_none, description="The same measurement on 8 bits (`precision=int8`)."
    )
    paired_int8: Paired | None = Field(
        None, exclude_if=is_none, description="Where the two measurements differ, image by image."
    )
    unfamiliar_below: float | None = Field(
        None,
        ge=0,
        le=1,
        exclude_if=is_none,
        description="Where the most probable class has less than this, the image looks like none of the classes: a "
        "measured threshold on the largest softmax probability (Hendrycks and Gimpel 2017, section 3).",
    )


class Paper(Strict):
    """Where the architecture was published."""

    title: str
    authors: str
    venue: str
    url: str


class Manifest(Strict):
    """A network: one architecture, one or more weights."""

    format: Literal[1] = 1
    id: str = Field(pattern="^[a-z0-9][a-z0-9_.-]*$")
    title: str
    family: str = ""
    year: int | None = None
    summary: str = Field("", description="One or two sentences for the page.")
    paper: Paper | None = None
    order: int = Field(1000, description="Place in the list of networks; the course's own come first.")
    default_weights: str
    weights: tuple[Weights, ...] = Field(min_length=1)
    layers: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Layer name -> ONNX node names, where a layer of the course is several nodes.",
    )
    connections: dict[str, tuple[tuple[int, ...], ...]] = Field(
        default_factory=dict,
        description="Layer name -> for each input map, the output maps it is joined to (a connection table).",
    )
    fixed: tuple[str, ...] = Field((), description="Initializers that are constants by design, not trained.")

    def get_weights(self, weights_id: str) -> Weights:
        """The weights of that id; KeyError when there are none."""
        for weights in self.weights:
            if weights.id == weights_id:
                return weights
        raise KeyError(weights_id)


def read_checked(path: Path, kind: type[M], what: str) -> M:
    """A JSON file as one of our models; `what` names it in errors.

    Raises:
        NetworkUnusable: unreadable, changed since it was installed, not JSON, or a key is missing, unknown or of the
            wrong type.
    """
    try:
        if differs(path):
            raise NetworkUnusable(
                f"The {what} {path} is damaged: its digest is not the one that was installed. Install it again.",
                str(path),
            )
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        return kind.model_validate(document)
    except OSError as error:
        raise NetworkUnusable(f"The {what} {path} cannot be read: {error.strerror}.", str(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise NetworkUnusable(
            f"The {what} {path} is wrong at '{where}': {first['msg']} (got {first['input']!r}).", str(path)
        ) from error
    except ValueError as error:
        raise NetworkUnusable(f"The {what} {path} is not JSON: {error}.", str(path)) from error


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest file.

    Raises:
        NetworkUnusable: unreadable, not JSON, or a key is missing, unknown or of the wrong type.
    """
    manifest = read_checked(path, Manifest, "manifest")
    weights = tuple(_with_labels(one, path) for one in manifest.weights)
    manifest = manifest.model_copy(update={"weights": weights})
    if manifest.default_weights not in {weights.id for weights in manifest.weights}:
        raise NetworkUnusable(
            f"The manifest {path} names default_weights '{manifest.default_weights}', which it does not list.",
            manifest.default_weights,
        )
    return manifest


def _with_labels(weights: Weights, path: Path) -> Weights:
    """The weights with the labels of their file, if they name one."""
    if not weights.labels_file:
        return weights
    if weights.labels:
        raise NetworkUnusable(
            f"The manifest {path} gives '{weights.id}' both labels and labels_file. Keep one of them.", weights.id
        )
    file = path.parent / weights.labels_file
    try:
        labels = tuple(line for line in file.read_text(encoding="utf-8").splitlines() if line)
    except (OSError, UnicodeDecodeError) as error:
        raise NetworkUnusable(
            f"The manifest {path} names the labels_file {file}, which cannot be read: {error}.", str(file)
        ) from error
    return weights.model_copy(update={"labels": labels})
