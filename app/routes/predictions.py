"""Predictions only: nothing is kept."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.problems import documented
from app.routes.answers import ModelId
from app.routes.bodies import IMAGE_BODY, REFUSALS
from app.routes.runs import elapsed_out, prediction_out
from app.runs import PRECISION
from app.schemas import PredictionsOut, PredictQuery
from app.service import Desk
from app.uploads import read_upload

router = APIRouter(prefix="/api/v1/models", tags=["predictions"])


@router.post("/{model}/predictions", responses=documented(*REFUSALS), openapi_extra=IMAGE_BODY)
async def predict(
    request: Request, service: Desk, model: ModelId, query: Annotated[PredictQuery, Query()]
) -> PredictionsOut:
    """What a network takes an image for."""
    network = service.catalog.network(model, query.weights)
    network.require_numbers()
    data = await read_upload(request, service.settings.max_body_bytes)
    outcome = await service.predict(network, data)
    return PredictionsOut(
        model=network.id,
        weights=network.weights_id,
        precision=PRECISION,
        crops=query.crops,
        predictions=[prediction_out(one) for one in network.rank(outcome.probabilities, query.top)],
        unfamiliar=network.looks_unfamiliar(outcome.probabilities),
        elapsed_ms=elapsed_out(outcome.elapsed),
    )
