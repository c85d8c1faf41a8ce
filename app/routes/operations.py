"""Operations: alive, ready, counted."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from app.errors import InvalidValue, NotReady
from app.problems import Responses, documented
from app.queries import NoQuery
from app.schemas import Health, Readiness
from app.service import Desk

router = APIRouter(tags=["operations"])

METRICS: Responses = {
    200: {
        "description": "Prometheus's text format.",
        "content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}},
    }
}


@router.get("/healthz", responses=documented(InvalidValue))
async def get_health(_: Annotated[NoQuery, Query()]) -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", responses=documented(NotReady, InvalidValue))
async def get_readiness(service: Desk, _: Annotated[NoQuery, Query()]) -> Readiness:
    """200 once the networks' files are verified; until then 503 with how far that is.

    `degraded` where a part does not work and the others do: the service still takes requests.
    """
    catalog = service.catalog
    if catalog.ready:
        problems = await service.workers.tell(service.problems)
        models = [manifest.id for manifest in catalog.models]
        problems = [service.without_places(problem) for problem in problems]
        return Readiness(status="degraded" if problems else "ready", models=models, problems=problems)
    done, total = catalog.bytes_done, catalog.bytes_total
    if catalog.problem is not None:
        why = service.without_places(catalog.problem.detail)
        raise NotReady(f"A network's weights could not be prepared: {why}", done=done, total=total)
    raise NotReady(
        f"The networks' weights are being prepared: {done} of {total} bytes are done. Ask again in a second.",
        done=done,
        total=total,
    )


@router.get("/openapi.json", include_in_schema=False)
async def get_document(request: Request, _: Annotated[NoQuery, Query()]) -> Response:
    """The OpenAPI document, whose server is where this one is reached."""
    document, prefix = request.app.openapi(), request.scope.get("root_path", "").rstrip("/")
    return JSONResponse({**document, "servers": [{"url": prefix}]} if prefix else document)


@router.get("/metrics", response_class=Response, responses=METRICS | documented(InvalidValue))
async def get_metrics(service: Desk, _: Annotated[NoQuery, Query()]) -> Response:
    """Counts and times since the start, for Prometheus."""
    return Response(await service.workers.tell(service.metrics.text), headers={"Content-Type": CONTENT_TYPE_LATEST})
