"""One layer of a run: statistics, the tensor, its maps, and how one of its numbers came about."""

from typing import Annotated

import numpy as np
import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from app import png
from app.errors import InvalidValue, LayerNotFound, NotExplainable, Overloaded, RunNotFound, UnitNotFound
from app.maps import draw_atlas, draw_map, parse_channels
from app.problems import documented
from app.queries import MapsQuery, NoQuery
from app.routes.answers import BINARY, JSON, PNG, Drawn, LayerName, RunId, derive, file_of
from app.schemas import ExplanationOut, LayerStatistics
from app.service import Desk, OpenRun, Service
from app.sources import to_json
from app.tensors import npy

router = APIRouter(prefix="/api/v1/runs/{run}/layers/{layer}", tags=["layers"])

UNKNOWN = (RunNotFound, LayerNotFound, InvalidValue, Overloaded)

Index = Annotated[int, Path(examples=[0])]

ATLAS_HEADERS = {
    "Atlas-Columns": "Cells a row.",
    "Atlas-Rows": "Rows of cells.",
    "Atlas-Tile-Width": "Pixels of one cell.",
    "Atlas-Tile-Height": "Pixels of one cell.",
    "Atlas-Channels": "Maps drawn; cells left over are black.",
}


@router.get("", response_model=LayerStatistics, responses=documented(*UNKNOWN))
async def get_statistics(
    request: Request, service: Desk, run: RunId, layer: LayerName, _: Annotated[NoQuery, Query()]
) -> Response:
    """What the layer's numbers are like."""

    def draw(opened: OpenRun) -> Drawn:
        row, numbers = opened.layer(layer), opened.activation(layer)
        statistics = LayerStatistics(
            name=row.name,
            op=row.op,
            shape=list(row.shape),
            min=float(numbers.min()),
            max=float(numbers.max()),
            mean=float(numbers.mean(dtype=np.float64)),
            std=float(numbers.std(dtype=np.float64)),
            zeros=int(numbers.size - np.count_nonzero(numbers)),
        )
        return Drawn(orjson.dumps(statistics.model_dump()))

    return await derive(service, request, run, JSON, draw)


@router.get(
    "/tensor.npy",
    response_class=Response,
    responses=file_of(BINARY, "float32 of the declared shape.") | documented(*UNKNOWN),
)
async def get_tensor(
    request: Request, service: Desk, run: RunId, layer: LayerName, _: Annotated[NoQuery, Query()]
) -> Response:
    """The exact activations, for `numpy.load`."""
    return await derive(service, request, run, BINARY, lambda opened: Drawn(npy(opened.activation(layer))))


@router.get(
    "/maps.png",
    response_class=Response,
    responses=file_of(PNG, "The maps, 8-bit grey, without gutters.", ATLAS_HEADERS)
    | documented(*UNKNOWN, UnitNotFound),
)
async def get_maps(
    request: Request, service: Desk, run: RunId, layer: LayerName, query: Annotated[MapsQuery, Query()]
) -> Response:
    """The layer's maps side by side; larger ones than the tile are shrunk by area mean."""

    def draw(opened: OpenRun) -> Drawn:
        activation = opened.activation(layer)
        channels = parse_channels(query.channels, len(activation))
        atlas = draw_atlas(activation, channels, query.tile, query.scale, query.columns or None)
        headers = {
            "Atlas-Columns": str(atlas.columns),
            "Atlas-Rows": str(atlas.rows),
            "Atlas-Tile-Width": str(atlas.tile_width),
            "Atlas-Tile-Height": str(atlas.tile_height),
            "Atlas-Channels": str(atlas.channels),
        }
        return Drawn(png.encode(atlas.pixels), headers)

    return await derive(service, request, run, PNG, draw)


@router.get(
    "/channels/{channel}.png",
    response_class=Response,
    responses=file_of(PNG, "One map, 8-bit grey, its own minimum to maximum.") | documented(*UNKNOWN, UnitNotFound),
)
async def get_channel(
    request: Request, service: Desk, run: RunId, layer: LayerName, channel: Index, _: Annotated[NoQuery, Query()]
) -> Response:
    """One map at its full size."""

    def draw(opened: OpenRun) -> Drawn:
        activation = opened.activation(layer)
        if not 0 <= channel < len(activation):
            raise UnitNotFound(
                f"{layer} has no channel {channel}; it has {len(activation)}, numbered 0 to {len(activation) - 1}.",
                channel,
            )
        return Drawn(png.encode(draw_map(activation, channel)))

    return await derive(service, request, run, PNG, draw)


async def explain(service: Service, request: Request, run: str, layer: str, unit: tuple[int, ...]) -> Response:
    """How one number came about, as JSON."""

    def draw(opened: OpenRun) -> Drawn:
        explanation = opened.network.explainer.explain(layer, unit, opened.activations)
        return Drawn(to_json(explanation))

    return await derive(service, request, run, JSON, draw)


@router.get(
    "/units/{c}/{y}/{x}",
    response_model=ExplanationOut,
    responses=documented(*UNKNOWN, UnitNotFound, NotExplainable),
)
async def explain_map_unit(
    request: Request,
    service: Desk,
    run: RunId,
    layer: LayerName,
    c: Index,
    y: Index,
    x: Index,
    _: Annotated[NoQuery, Query()],
) -> Response:
    """How one number of a map came about: its sources, weights and expression."""
    return await explain(service, request, run, layer, (c, y, x))


@router.get("/units/{i}", response_model=ExplanationOut, responses=documented(*UNKNOWN, UnitNotFound, NotExplainable))
async def explain_vector_unit(
    request: Request, service: Desk, run: RunId, layer: LayerName, i: Index, _: Annotated[NoQuery, Query()]
) -> Response:
    """How one number of a vector came about."""
    return await explain(service, request, run, layer, (i,))
