"""Predictions only: nothing is kept."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.network import Network
from app.outcomes import Outcome
from app.problems import documented
from app.queries import PredictQuery
from app.routes.answers import ModelId
from app.routes.bodies import IMAGE_BODY, REFUSALS
from app.routes.runs import elapsed_out, prediction_out
from app.schemas import PredictionsOut
from app.service import Desk
from app.uploads import read_upload

router = APIRouter(prefix="/api/v1/models", tags=["predictions"])


def predictions_out(network: Network, outcome: Outcome, query: PredictQuery) -> PredictionsOut:
    """A network's predictions as answered."""
    return PredictionsOut(
        model=network.id,
        weights=network.weights_id,
        trained=network.trained,
        precision=network.precision,
        crops=query.how_many,
        predictions=[prediction_out(one) for one in network.rank(outcome.probabilities, query.top)],
        unfamiliar=network.looks_unfamiliar(outcome.probabilities),
        elapsed_ms=elapsed_out(outcome.elapsed),
    )


@router.post("/{model}/predictions", responses=documented(*REFUSALS), openapi_extra=IMAGE_BODY)
async def predict(
    request: Request, service: Desk, model: ModelId, query: Annotated[PredictQuery, Query()]
) -> PredictionsOut:
    """What a network takes an image for."""
    network = service.catalog.network(model, query.weights, query.precision)
    network.require_numbers()
    service.workers.require_room([network.id])
    data = await read_upload(request, service.settings.max_body_bytes)
    outcome = await service.predict(network, data, query.how_many)
    return predictions_out(network, outcome, query)
