"""Networks: what there is, the layer table, a layer's own weights."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app import png
from app.budget import charge
from app.errors import (
    InvalidValue,
    LayerNotFound,
    ModelNotFound,
    Overloaded,
    TourNotFound,
    WeightsNotFound,
    WeightsNotReady,
)
from app.manifest import Inline, Pulled
from app.maps import draw_filters
from app.mirrors import size_of
from app.network import Network
from app.places import BUNDLED
from app.problems import documented
from app.queries import NoQuery, WeightsQuery
from app.routes.answers import ASK_AGAIN, BINARY, PNG, Drawn, LayerName, ModelId, file_of, is_fresh, send, tag
from app.saliency import methods
from app.schemas import LayerOut, ModelDetail, ModelList, ModelOut, WeightsOut
from app.service import Desk, Service
from app.tensors import ArrayFile, is_mapped, npy
from app.tour import Tour

router = APIRouter(prefix="/api/v1/models", tags=["networks"])

UNKNOWN = (ModelNotFound, WeightsNotFound)


def weights_out(network: Network) -> WeightsOut:
    """One set of weights as answered."""
    weights = network.weights
    return WeightsOut(
        id=weights.id,
        title=weights.title,
        classes=network.classes,
        trained=weights.trained,
        ready=network.ready,
        bundled=network.path.is_relative_to(BUNDLED),
        pullable=isinstance(weights.origin, Pulled),
        bytes=bytes_of(network),
        accuracy=weights.accuracy.model_dump() if weights.accuracy else None,
        provider=network.provider_name,
        precisions=["fp32", "int8"] if weights.ranges else ["fp32"],
    )


def bytes_of(network: Network) -> int:
    """Size of the network's files: those that are here (still), or of the one that would be fetched."""
    origin = network.weights.origin
    if isinstance(origin, Pulled):
        return origin.bytes
    beside = network.external_files if isinstance(origin, Inline) else []
    return sum(map(size_of, [network.path, *beside])) + getattr(origin, "bytes", 0)


def model_out(service: Service, network: Network) -> ModelOut:
    """A network as answered, with the figures of these weights' graph."""
    manifest, graph = network.manifest, network.graph
    channels, height, width = graph.input_shape
    return ModelOut(
        id=manifest.id,
        title=manifest.title,
        family=manifest.family,
        year=manifest.year,
        summary=manifest.summary,
        input={"channels": channels, "height": height, "width": width},
        parameters=graph.parameters,
        multiply_adds=graph.multiply_adds,
        units=graph.units,
        weights=[weights_out(service.catalog.network(manifest.id, weights.id)) for weights in manifest.weights],
        default_weights=manifest.default_weights,
    )


def detail_out(service: Service, network: Network) -> ModelDetail:
    """A network with its labels, layer table and edges."""
    nonzero = network.nonzero
    return ModelDetail(
        **dict(model_out(service, network)),
        labels=network.labels,
        tour=service.catalog.has_tour(network.id),
        saliency=list(methods(network.graph)),
        layers=[
            LayerOut(
                **{name: getattr(layer, name) for name in LayerOut.model_fields if name != "nonzero"},
                nonzero=nonzero.get(layer.name, 0 if network.ready and not layer.parameters else None),
            )
            for layer in network.graph.layers
        ],
        edges=network.graph.edges,
    )


@router.get("", responses=documented(InvalidValue, Overloaded))
async def list_models(service: Desk, _: Annotated[NoQuery, Query()]) -> ModelList:
    """Every network, with its weights."""
    networks = [service.catalog.network(manifest.id) for manifest in service.catalog.models]
    return await service.look(lambda: ModelList(models=[model_out(service, network) for network in networks]))


@router.get("/{model}", responses=documented(*UNKNOWN, InvalidValue, Overloaded))
async def get_model(service: Desk, model: ModelId, query: Annotated[WeightsQuery, Query()]) -> ModelDetail:
    """One network: labels, layers in topological order, edges."""
    network = service.catalog.network(model, query.weights)
    return await service.look(lambda: detail_out(service, network))


@router.get("/{model}/tour", responses=documented(ModelNotFound, TourNotFound, InvalidValue))
async def get_tour(service: Desk, model: ModelId, _: Annotated[NoQuery, Query()]) -> Tour:
    """The network's guided tour, with placeholders for the figures of its layer table."""
    return service.catalog.tour(model)


async def answer_filters(
    request: Request, service: Service, network: Network, layer: str, media_type: str
) -> Response:
    """A layer's weights as a picture or as an array; the network's digest says whether they changed."""
    network.graph.layer(layer)
    network.require_numbers()
    etag = tag(await service.look(lambda: network.digest), layer, media_type)
    headers = {"ETag": etag, "Cache-Control": ASK_AGAIN}
    if is_fresh(request, etag):
        return Response(status_code=304, headers=headers)

    def draw() -> Drawn:
        filters = network.filters(layer)
        return Drawn(png.encode(draw_filters(filters)) if media_type == PNG else npy(filters))

    drawn = await service.look(draw)
    if isinstance(drawn.body, ArrayFile) and not all(is_mapped(array) for array in drawn.body.arrays):
        charge(request, drawn.body.nbytes)
    return send(drawn, media_type, headers)


@router.get(
    "/{model}/layers/{layer}/filters.png",
    response_class=Response,
    responses=file_of(PNG, "The layer's weights; zero is 128, the largest magnitude 1 or 255.")
    | documented(*UNKNOWN, LayerNotFound, WeightsNotReady, InvalidValue, Overloaded),
)
async def get_filters_picture(
    request: Request, service: Desk, model: ModelId, layer: LayerName, query: Annotated[WeightsQuery, Query()]
) -> Response:
    """The layer's own weights as a picture: in colour where it reads 3 maps, else outputs down and inputs across."""
    network = service.catalog.network(model, query.weights)
    return await answer_filters(request, service, network, layer, PNG)


@router.get(
    "/{model}/layers/{layer}/filters.npy",
    response_class=Response,
    responses=file_of(BINARY, "float32 (out, in / groups, height, width), or (out, in) of a full layer.")
    | documented(*UNKNOWN, LayerNotFound, WeightsNotReady, InvalidValue, Overloaded),
)
async def get_filters_array(
    request: Request, service: Desk, model: ModelId, layer: LayerName, query: Annotated[WeightsQuery, Query()]
) -> Response:
    """The layer's own weights, exactly, for `numpy.load`."""
    network = service.catalog.network(model, query.weights)
    return await answer_filters(request, service, network, layer, BINARY)
