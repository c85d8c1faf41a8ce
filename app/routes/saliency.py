"""Where the network of a run looked."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, Request, Response

from app import png
from app.errors import InvalidValue, NotSupported, Overloaded, RunNotFound, RunsUnavailable, WeightsNotReady
from app.maps import draw_map
from app.problems import documented
from app.queries import SaliencyQuery
from app.routes.answers import BINARY, PNG, Drawn, RunId, file_of, for_ever, is_fresh, send, tag
from app.schemas import AttentionOut
from app.service import Desk, Service
from app.stores import Record
from app.tensors import npy

router = APIRouter(prefix="/api/v1/runs/{run}", tags=["runs"])

REFUSED = documented(RunNotFound, InvalidValue, NotSupported, WeightsNotReady, Overloaded)
HEADERS = {"Saliency-Class": "Index of the class that the map is for."}


def chosen_class(service: Service, record: Record, query: SaliencyQuery) -> int:
    """The class asked for, the run's most probable one where none was; InvalidValue names the range."""
    if query.index is None or query.index == "":
        return int(np.argmax(record.probabilities))
    if query.index >= len(record.probabilities):
        most = len(record.probabilities) - 1
        raise InvalidValue(
            f"class={query.index} is no class of {record.model}, which has {most + 1}, numbered 0 to {most}.",
            query.index,
            field="class",
            range=f"0 to {most}",
        )
    return query.index


async def answer(request: Request, service: Service, run: str, query: SaliencyQuery, media_type: str) -> Response:
    """The map as a picture or as an array."""
    record = await service.record(run)
    index = chosen_class(service, record, query)
    method = query.method or "occlusion"
    etag = tag(run, "saliency", media_type, method, str(index))
    headers = {"ETag": etag, "Cache-Control": for_ever(service), "Saliency-Class": str(index)}
    if is_fresh(request, etag):
        return Response(status_code=304, headers=headers)
    heat = await service.attend(await service.open(record), method, index)  # (H, W)
    return send(await service.look(lambda: draw(heat, media_type)), media_type, headers)


def draw(heat: npt.NDArray[np.float32], media_type: str) -> Drawn:
    """The map as PNG (its minimum black, its maximum white) or as .npy."""
    return Drawn(png.encode(draw_map(heat[None], 0)) if media_type == PNG else npy(heat))


@router.get(
    "/saliency.png",
    response_class=Response,
    responses=file_of(PNG, "8-bit grey of the input's size: the map's own minimum to maximum.", HEADERS) | REFUSED,
)
async def get_saliency_picture(
    request: Request, service: Desk, run: RunId, query: Annotated[SaliencyQuery, Query()]
) -> Response:
    """Where the network looked, as a picture of the input's size."""
    return await answer(request, service, run, query, PNG)


@router.get(
    "/saliency.npy",
    response_class=Response,
    responses=file_of(BINARY, "float32 (H, W) of the input's size, for `numpy.load`.", HEADERS) | REFUSED,
)
async def get_saliency_array(
    request: Request, service: Desk, run: RunId, query: Annotated[SaliencyQuery, Query()]
) -> Response:
    """Where the network looked: (H, W) of the input's size, in units of the logit, or of probability (occlusion)."""
    return await answer(request, service, run, query, BINARY)


@router.get("/saliency/progress", responses=documented(RunNotFound, InvalidValue, Overloaded, RunsUnavailable))
async def get_saliency_progress(
    service: Desk, run: RunId, query: Annotated[SaliencyQuery, Query()], response: Response
) -> AttentionOut:
    """How far a map is that somebody waits for: where patches are covered, the network is asked over and over."""
    method, index = query.method or "occlusion", query.index
    done, of = service.attending(run, method, index) if isinstance(index, int) else (0, 0)
    if of == 0:  # else there is such a run, whose record would be fetched twice a second
        record = await service.record(run)
        done, of = service.attending(run, method, chosen_class(service, record, query))
    response.headers["Cache-Control"] = "no-store"
    return AttentionOut(done=done, of=of)
