"""Runs: one image through one network, every layer kept; and what concerns all of its layers."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app import png
from app.errors import InvalidValue, LayerNotFound, Overloaded, RunNotFound, RunsUnavailable
from app.overviews import draw_overviews
from app.preprocess import to_picture
from app.problems import Responses, documented
from app.queries import LayersQuery, NoQuery, OverviewQuery, PredictQuery
from app.routes.answers import BINARY, PNG, Drawn, ModelId, RunId, derive, file_of
from app.routes.bodies import IMAGE_BODY, REFUSALS
from app.run import Prediction
from app.schemas import ElapsedOut, ImageOut, PredictionOut, RunLayer, RunOut
from app.service import Desk, OpenRun, Service
from app.stores import Elapsed, Record
from app.tensors import safetensors
from app.uploads import read_upload

router = APIRouter(prefix="/api/v1", tags=["runs"])

LOCATION = {"Location": {"schema": {"type": "string"}, "description": "Path of the run."}}
CREATED: Responses = {
    200: {"model": RunOut, "description": "The run was there already.", "headers": LOCATION},
    201: {"description": "A new run.", "headers": LOCATION},
}
FORGOTTEN: Responses = {204: {"description": "Forgotten."}}


def prediction_out(prediction: Prediction) -> PredictionOut:
    """A prediction as answered."""
    return PredictionOut(index=prediction.index, label=prediction.label, probability=prediction.probability)


def elapsed_out(elapsed: Elapsed) -> ElapsedOut:
    """Times as answered, to a microsecond."""
    return ElapsedOut(
        decode=round(elapsed.decode, 3),
        preprocess=round(elapsed.preprocess, 3),
        inference=round(elapsed.inference, 3),
        total=round(elapsed.total, 3),
    )


def run_out(service: Service, record: Record, top: int) -> RunOut:
    """A run as answered."""
    network = service.runs.network(record)
    return RunOut(
        id=record.id,
        model=record.model,
        weights=record.weights,
        trained=network.trained,
        precision=record.precision,
        crops=record.crops,
        image=ImageOut(width=record.width, height=record.height, sha256=record.sha256),
        predictions=[prediction_out(one) for one in service.runs.predictions(record, top)],
        unfamiliar=network.looks_unfamiliar(record.probabilities),
        elapsed_ms=elapsed_out(record.elapsed),
        expires_at=datetime.fromtimestamp(record.expires, UTC).isoformat(timespec="seconds"),
        layers=[RunLayer(name=layer.name, op=layer.op, shape=list(layer.shape)) for layer in network.graph.layers],
    )


@router.post(
    "/models/{model}/runs",
    status_code=201,
    responses=CREATED | documented(*REFUSALS),
    openapi_extra=IMAGE_BODY,
)
async def create_run(
    request: Request, response: Response, service: Desk, model: ModelId, query: Annotated[PredictQuery, Query()]
) -> RunOut:
    """Run an image through a network and keep every layer; the same image again is the same run."""
    network = service.catalog.network(model, query.weights, query.precision)
    network.require_numbers()
    service.workers.require_room([network.id])
    data = await read_upload(request, service.settings.max_body_bytes)
    record, created = await service.create(network, data, query.top, query.how_many)
    response.status_code = 201 if created else 200
    response.headers["Location"] = f"{request.scope.get('root_path', '')}/api/v1/runs/{record.id}"
    return run_out(service, record, query.top)


@router.get("/runs/{run}", responses=documented(RunNotFound, InvalidValue, RunsUnavailable, Overloaded))
async def get_run(service: Desk, run: RunId, _: Annotated[NoQuery, Query()]) -> RunOut:
    """A run, as first answered."""
    record = await service.record(run)
    return run_out(service, record, record.top)


@router.delete(
    "/runs/{run}",
    status_code=204,
    response_class=Response,
    responses=FORGOTTEN | documented(RunNotFound, InvalidValue, RunsUnavailable, Overloaded),
)
async def delete_run(service: Desk, run: RunId, _: Annotated[NoQuery, Query()]) -> Response:
    """Forget a run, its image and everything derived from it."""
    await service.look(lambda: service.runs.remove(run))
    return Response(status_code=204)


@router.get(
    "/runs/{run}/input.png",
    response_class=Response,
    responses=file_of(PNG, "The network's input as a picture.") | documented(RunNotFound, InvalidValue, Overloaded),
)
async def get_input(request: Request, service: Desk, run: RunId, _: Annotated[NoQuery, Query()]) -> Response:
    """Exactly what the network saw, after preprocessing."""

    def draw(opened: OpenRun) -> Drawn:
        tensor = opened.activation(opened.network.graph.layers[0].name)  # (C, H, W)
        return Drawn(png.encode(to_picture(tensor, opened.network.weights.preprocessing)))

    return await derive(service, request, run, PNG, draw)


@router.get(
    "/runs/{run}/overview.safetensors",
    response_class=Response,
    responses=file_of(BINARY, "safetensors: uint8 `{layer}` (C, h, w), float32 `{layer}.min`, `{layer}.max` (C).")
    | documented(RunNotFound, LayerNotFound, InvalidValue, Overloaded),
)
async def get_overview(
    request: Request, service: Desk, run: RunId, query: Annotated[OverviewQuery, Query()]
) -> Response:
    """Every layer's maps in one answer, shrunk by area mean, each scaled by its own range."""

    def draw(opened: OpenRun) -> Drawn:
        return Drawn(safetensors(draw_overviews(opened.chosen(query.layers), query.tile)))

    return await derive(service, request, run, BINARY, draw)


@router.get(
    "/runs/{run}/activations.safetensors",
    response_class=Response,
    responses=file_of(BINARY, "safetensors: float32 `{layer}` of the declared shape.")
    | documented(RunNotFound, LayerNotFound, InvalidValue, Overloaded),
)
async def get_activations(
    request: Request, service: Desk, run: RunId, query: Annotated[LayersQuery, Query()]
) -> Response:
    """Every layer's exact activations in one answer."""
    return await derive(service, request, run, BINARY, lambda opened: Drawn(safetensors(opened.chosen(query.layers))))
