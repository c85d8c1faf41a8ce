"""The Open Inference Protocol, version 2: what KServe's and Triton's clients speak. Every layer is an output."""

import math
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from app.budget import charge
from app.errors import (
    BodyTooLarge,
    ConvscopeError,
    InvalidValue,
    LayerNotFound,
    MediaTypeUnsupported,
    ModelNotFound,
    NotReady,
    Overloaded,
    UploadTooSlow,
    WeightsNotFound,
    WeightsNotReady,
)
from app.network import Network
from app.problems import Responses
from app.queries import NoQuery
from app.routes.answers import BINARY, JSON, Drawn, ModelId, send
from app.schemas import Wire
from app.service import Desk
from app.tensor_protocol import (
    DATATYPE,
    LARGE_JSON_BYTES,
    TEXT,
    Array,
    Asked,
    InferRequest,
    json_length,
    read_request,
    write_answer,
)
from app.uploads import read_body

router = APIRouter(prefix="/v2", tags=["inference protocol"])

PROBABILITIES = "probabilities"  # the output of a network whose last layer is none
OUTPUT_BYTES = 512 * 1024 * 1024  # of one answer's numbers
HEADER_LENGTH = "Inference-Header-Content-Length"

Version = Annotated[str, Path(description="Id of the network's weights.", examples=["structure"])]


class ErrorOut(Wire):
    """What went wrong, as this protocol tells it."""

    error: str = Field(examples=["There is no network 'x'. There are: lenet5, alexnet."])


class ServerOut(Wire):
    """Which server this is."""

    name: str = Field(examples=["convscope"])
    version: str = Field(examples=["2"], description="Of the protocol; the server's own is not told.")
    extensions: list[str] = Field(examples=[["binary_tensor_data"]])


class LiveOut(Wire):
    """The process answers."""

    live: bool = Field(examples=[True])


class ReadyOut(Wire):
    """The networks' files are verified."""

    ready: bool = Field(examples=[True])


class ModelReadyOut(ReadyOut):
    """One network can compute."""

    name: str = Field(examples=["alexnet"])


class TensorOut(Wire):
    """A tensor's name, type and shape; -1 is the batch."""

    name: str = Field(examples=["input"])
    datatype: str = Field(examples=[DATATYPE])
    shape: list[int] = Field(examples=[[-1, 3, 227, 227]])


class MetadataOut(Wire):
    """A network, its input, and every layer as an output."""

    name: str = Field(examples=["alexnet"])
    versions: list[str] = Field(examples=[["imagenette", "structure"]], description="Ids of its weights.")
    platform: str = Field(examples=["onnx_onnxruntime"])
    inputs: list[TensorOut]
    outputs: list[TensorOut]


class AnswerParameters(Wire):
    """What is told of an output whose numbers follow the JSON."""

    binary_data_size: int = Field(examples=[40], description="Bytes of its numbers, little-endian.")


class OutputOut(TensorOut):
    """One output; its numbers are in `data`, or where it has `parameters`, behind the JSON in the outputs' order."""

    name: str = Field(examples=["pool1"])
    shape: list[int] = Field(examples=[[1, 2]], description="The batch first.")
    data: list[float | None] | None = Field(None, examples=[[0.25, 0.75]], description="Row by row.")
    parameters: AnswerParameters | None = None


class InferOut(Wire):
    """What a network makes of its inputs."""

    model_name: str = Field(examples=["alexnet"])
    model_version: str = Field(examples=["imagenette"], description="Id of its weights.")
    id: str | None = Field(None, examples=["42"], description="The request's, if it has one.")
    outputs: list[OutputOut]


def refused(*errors: type[ConvscopeError]) -> Responses:
    """The OpenAPI `responses` for these errors, as this protocol tells them."""
    kinds: dict[int, list[str]] = {}
    for error in errors:
        kinds.setdefault(400 if error.status == 422 else error.status, []).append(error.title)
    return {status: {"model": ErrorOut, "description": ". ".join(titles)} for status, titles in kinds.items()}


UNKNOWN = (ModelNotFound, WeightsNotFound, InvalidValue)


@router.get("", responses=refused(InvalidValue))
async def get_server(_: Annotated[NoQuery, Query()]) -> ServerOut:
    """Name and extensions of the server."""
    return ServerOut(name="convscope", version="2", extensions=["binary_tensor_data"])


@router.get("/health/live", responses=refused(InvalidValue))
async def get_live(_: Annotated[NoQuery, Query()]) -> LiveOut:
    """The process answers."""
    return LiveOut(live=True)


@router.get("/health/ready", responses=refused(NotReady, InvalidValue))
async def get_ready(service: Desk, _: Annotated[NoQuery, Query()]) -> ReadyOut:
    """200 once the networks' files are verified."""
    if not service.catalog.ready:
        raise NotReady("The networks' weights are being prepared; /readyz tells how far that is.")
    return ReadyOut(ready=True)


@router.get("/models/{model}", responses=refused(*UNKNOWN, Overloaded))
async def get_metadata(service: Desk, model: ModelId, _: Annotated[NoQuery, Query()]) -> MetadataOut:
    """The network's input and outputs."""
    return await service.look(lambda: metadata(service.catalog.network(model)))


@router.get("/models/{model}/versions/{version}", responses=refused(*UNKNOWN, Overloaded))
async def get_version_metadata(
    service: Desk, model: ModelId, version: Version, _: Annotated[NoQuery, Query()]
) -> MetadataOut:
    """The same of other weights."""
    return await service.look(lambda: metadata(service.catalog.network(model, version)))


@router.get("/models/{model}/ready", responses=refused(*UNKNOWN, WeightsNotReady))
async def get_model_ready(service: Desk, model: ModelId, _: Annotated[NoQuery, Query()]) -> ModelReadyOut:
    """200 where the network can compute."""
    network = service.catalog.network(model)
    network.require_numbers()
    return ModelReadyOut(name=network.id, ready=True)


@router.get("/models/{model}/versions/{version}/ready", responses=refused(*UNKNOWN, WeightsNotReady))
async def get_version_ready(
    service: Desk, model: ModelId, version: Version, _: Annotated[NoQuery, Query()]
) -> ModelReadyOut:
    """The same of other weights."""
    network = service.catalog.network(model, version)
    network.require_numbers()
    return ModelReadyOut(name=network.id, ready=True)


RAW = {"schema": {"type": "string", "format": "binary"}}
INFER: dict[str, Any] = {
    "responses": {
        200: {
            "model": InferOut,
            "description": "The outputs in JSON; where some are asked for in binary, their raw numbers behind it.",
            "content": {BINARY: RAW},
            "headers": {
                HEADER_LENGTH: {
                    "schema": {"type": "integer", "examples": [180]},
                    "description": "Bytes of the JSON, where raw numbers follow it.",
                }
            },
        },
        **refused(
            *UNKNOWN, LayerNotFound, WeightsNotReady, BodyTooLarge, MediaTypeUnsupported, UploadTooSlow, Overloaded
        ),
    },
    "openapi_extra": {
        "parameters": [
            {
                "name": HEADER_LENGTH,
                "in": "header",
                "description": "Bytes of the JSON, where the input's raw numbers follow it.",
                "schema": {"type": "integer", "minimum": 0, "examples": [130]},
            }
        ],
        "requestBody": {
            "required": True,
            "description": "The request in JSON; behind it, the input's raw numbers where it has binary_data_size. "
            "What it is, the header says, not its media type.",
            "content": {JSON: {"schema": InferRequest.model_json_schema(ref_template="{model}")}, BINARY: RAW},
        },
    },
    "response_class": Response,
}
# a schema of its own, without references to the document's components
_schema = INFER["openapi_extra"]["requestBody"]["content"][JSON]["schema"]
_definitions = _schema.pop("$defs")
_schema["properties"]["inputs"]["items"] = _definitions["InputTensor"]
_schema["properties"]["outputs"]["anyOf"][0]["items"] = _definitions["WantedOutput"]


@router.post("/models/{model}/infer", **INFER)
async def infer(request: Request, service: Desk, model: ModelId, _: Annotated[NoQuery, Query()]) -> Response:
    """Preprocessed tensors through the network: the probabilities, or the layers that `outputs` names."""
    return await answer(request, service, service.catalog.network(model))


@router.post("/models/{model}/versions/{version}/infer", **INFER)
async def infer_version(
    request: Request, service: Desk, model: ModelId, version: Version, _: Annotated[NoQuery, Query()]
) -> Response:
    """The same with other weights."""
    return await answer(request, service, service.catalog.network(model, version))


def input_shape(network: Network) -> list[int]:
    """The input's shape as the graph has it, the batch as -1."""
    channels, height, width = network.graph.input_shape
    return [-1, channels, height, width] if network.graph.input_layout == "NCHW" else [-1, height, width, channels]


def metadata(network: Network) -> MetadataOut:
    """A network as this protocol describes it."""
    graph = network.graph
    outputs = [TensorOut(name=one.name, datatype=DATATYPE, shape=[-1, *one.shape]) for one in graph.layers]
    if probabilities_name(network) == PROBABILITIES:
        outputs.append(TensorOut(name=PROBABILITIES, datatype=DATATYPE, shape=[-1, graph.classes]))
    return MetadataOut(
        name=network.id,
        versions=[weights.id for weights in network.manifest.weights],
        platform="onnx_onnxruntime",
        inputs=[TensorOut(name=graph.input_name, datatype=DATATYPE, shape=input_shape(network))],
        outputs=outputs,
    )


def probabilities_name(network: Network) -> str:
    """The output with the probabilities: the last layer, or one of its own where that is no softmax."""
    return network.graph.output.name if network.graph.output_is_probability else PROBABILITIES


async def answer(request: Request, service: Desk, network: Network) -> Response:
    """One inference request, answered."""
    network.require_numbers()
    service.workers.require_room([network.id])
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise MediaTypeUnsupported(f"Content-Encoding is {encoding[:40]}; send the body as it is.", encoding[:40])
    body = await read_body(request, service.settings.max_body_bytes)
    length = json_length(body, request.headers.get(HEADER_LENGTH))
    read = service.workers.read if length > LARGE_JSON_BYTES else service.workers.draw
    asked = await read(lambda: read_request(body, length))
    (names, size), tensors = wanted(network, asked), inputs(network, asked)
    charge(request, size)
    outputs = await service.infer(network, tensors, names)
    about = {"model_name": network.id, "model_version": network.weights_id}
    file, head = await service.look(lambda: write_answer(asked, outputs, about))
    headers = {} if head is None else {HEADER_LENGTH: str(head)}
    return send(Drawn(file), JSON if head is None else BINARY, headers)


def wanted(network: Network, asked: Asked) -> tuple[list[str], int]:
    """The outputs that are asked for, and how many bytes the answer takes: numbers in JSON are three times as long.

    Raises:
        LayerNotFound: an output that is not there.
        InvalidValue: more than an answer holds.
    """
    chosen = asked.request.outputs
    names = [one.name for one in chosen] if chosen else [probabilities_name(network)]
    names = list(dict.fromkeys(names))
    size, sent = 0, 0
    for name in names:
        if name != PROBABILITIES or probabilities_name(network) != PROBABILITIES:
            held = 4 * math.prod(network.graph.layer(name).shape)
            size += held
            sent += held if asked.wants_binary(name) else TEXT * held
    batch = asked.tensor.shape[0] if asked.tensor.ndim else 1
    if size * batch > OUTPUT_BYTES:
        raise InvalidValue(
            f"The outputs of {batch} inputs hold {size * batch} bytes; an answer holds at most {OUTPUT_BYTES}. Ask "
            "for fewer outputs, or send fewer inputs at once.",
            size * batch,
            field="outputs",
        )
    return names, sent * batch


def inputs(network: Network, asked: Asked) -> Array:
    """The input as float32 (B, C, H, W); InvalidValue names the shape and the name that there are."""
    given, shape = asked.request.inputs[0], input_shape(network)
    if given.name != network.graph.input_name:
        raise InvalidValue(
            f"{network.id} has no input '{given.name}'; its input is '{network.graph.input_name}'.", given.name
        )
    tensor = asked.tensor
    if tensor.ndim != 4 or list(tensor.shape[1:]) != shape[1:] or tensor.shape[0] < 1:
        raise InvalidValue(
            f"The input's shape is {given.shape}; {network.id} takes {shape}, -1 being how many images.", given.shape
        )
    return np.ascontiguousarray(tensor.transpose(0, 3, 1, 2)) if network.graph.input_layout == "NHWC" else tensor
