"""Several networks answer together: the mean of their probabilities."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request

from app.errors import InvalidValue, NotSupported
from app.network import Network
from app.problems import documented
from app.queries import EnsembleQuery
from app.routes.bodies import IMAGE_BODY, REFUSALS
from app.routes.predictions import predictions_out
from app.routes.runs import elapsed_out, prediction_out
from app.schemas import EnsembleOut
from app.service import Desk, Service
from app.stores import Elapsed
from app.uploads import read_upload

router = APIRouter(prefix="/api/v1/ensembles", tags=["predictions"])


def members_of(service: Service, query: EnsembleQuery) -> list[Network]:
    """The networks that are asked for.

    Raises:
        ModelNotFound, WeightsNotFound: naming what there is.
        InvalidValue: one is named twice.
        NotSupported: their classes differ.
    """
    names = query.models.split(",")
    members = [service.catalog.network(name.strip(), query.weights, query.precision) for name in names]
    if len({member.id for member in members}) < len(members):
        raise InvalidValue(
            f"models={query.models} names a network twice; name each once.", query.models, field="models"
        )
    for member in members[1:]:
        if member.labels != members[0].labels:
            raise NotSupported(
                f"{members[0].id} tells {', '.join(members[0].labels[:3])}... apart and {member.id} "
                f"{', '.join(member.labels[:3])}...: only networks with the same classes can answer together.",
                query.models,
                field="models",
            )
    return members


@router.post("/predictions", responses=documented(*REFUSALS), openapi_extra=IMAGE_BODY)
async def predict_together(request: Request, service: Desk, query: Annotated[EnsembleQuery, Query()]) -> EnsembleOut:
    """What several networks take an image for: the mean of their probabilities, and each member's own answer."""
    members = members_of(service, query)
    for member in members:
        member.require_numbers()
    service.workers.require_room([member.id for member in members])
    data = await read_upload(request, service.settings.max_body_bytes)
    outcomes = await service.predict_together(members, data, query.how_many)
    mean = np.stack([outcome.probabilities for outcome in outcomes]).mean(axis=0)  # (classes,)
    times = [outcome.elapsed for outcome in outcomes]
    return EnsembleOut(
        models=[member.id for member in members],
        trained=all(member.trained for member in members),
        precision=query.precision,
        crops=query.how_many,
        predictions=[prediction_out(one) for one in members[0].rank(mean, query.top)],
        members=[predictions_out(member, outcome, query) for member, outcome in zip(members, outcomes, strict=True)],
        elapsed_ms=elapsed_out(
            Elapsed(
                decode=times[0].decode,
                preprocess=sum(one.preprocess for one in times),
                inference=sum(one.inference for one in times),
                total=max(one.total for one in times),
            )
        ),
    )
