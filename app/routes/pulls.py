"""Pulls: weights that are fetched on demand, who may fetch them, and how far that is."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.errors import InvalidValue, ModelNotFound, NotSupported, Overloaded, PullNotAllowed, WeightsNotFound
from app.network import Network
from app.problems import Responses, documented
from app.pulls import Progress
from app.queries import NoQuery
from app.routes.answers import ModelId, WeightsId
from app.schemas import PullList, PullOut
from app.service import Desk, Service
from app.visitors import is_at_this_machine

router = APIRouter(prefix="/api/v1", tags=["pulls"])

PATH = "/models/{model}/weights/{weights}/pull"
UNKNOWN = (ModelNotFound, WeightsNotFound, NotSupported)
STARTED: Responses = {
    200: {"model": PullOut, "description": "The weights are here already."},
    202: {"description": "The pull runs; GET tells how far it is."},
}
NOW = {"Cache-Control": "no-store"}


def is_allowed(request: Request, service: Service) -> bool:
    """Whether the settings let this visitor make the service fetch weights."""
    who = service.settings.pull_allowed
    return who == "anyone" or (who == "machine" and is_at_this_machine(request, service.settings.root_path))


def require_allowed(request: Request, service: Service, network: Network) -> None:
    """Raises PullNotAllowed, which says what to do instead."""
    if is_allowed(request, service):
        return
    who = service.settings.pull_allowed
    why = (
        "nobody may" if who == "nobody" else "only somebody at the server's own machine may, without a proxy between"
    )
    raise PullNotAllowed(
        f"This server does not fetch weights for you: by its setting pull_allowed={who} {why}. Ask whoever runs it "
        f"for `{network.command}`, or for CONVSCOPE_PULL_ALLOWED=anyone.",
        who,
    )


def pull_out(service: Service, network: Network, progress: Progress, allowed: bool) -> PullOut:
    """One pull as answered; where files lie is for those who may mend it."""
    error = progress.error
    if error is not None and not allowed:
        error = service.without_places(error)
    return PullOut(
        model=network.id,
        title=network.manifest.title,
        weights=network.weights_id,
        classes=network.classes,
        state=progress.state,
        done=progress.done,
        bytes=progress.bytes,
        rate=round(progress.rate, 1),
        seconds_left=None if progress.seconds_left is None else round(progress.seconds_left, 1),
        error=error,
        allowed=allowed,
        command=network.command,
    )


@router.get("/pulls", responses=documented(InvalidValue, Overloaded))
async def list_pulls(request: Request, response: Response, service: Desk, _: Annotated[NoQuery, Query()]) -> PullList:
    """All weights that are fetched on demand, also of networks that are listed only once they are here."""
    response.headers.update(NOW)
    allowed = is_allowed(request, service)
    return await service.look(
        lambda: PullList(
            pulls=[
                pull_out(service, network, service.pulls.progress(network), allowed)
                for network in service.catalog.pullable
            ]
        )
    )


@router.get(PATH, responses=documented(*UNKNOWN, InvalidValue))
async def get_pull(
    request: Request,
    response: Response,
    service: Desk,
    model: ModelId,
    weights: WeightsId,
    _: Annotated[NoQuery, Query()],
) -> PullOut:
    """How far these weights are; ask once a second while they come."""
    response.headers.update(NOW)
    network = service.catalog.network(model, weights)
    return pull_out(service, network, service.pulls.progress(network), is_allowed(request, service))


@router.post(PATH, status_code=202, responses=STARTED | documented(*UNKNOWN, PullNotAllowed, InvalidValue))
async def start_pull(
    request: Request,
    response: Response,
    service: Desk,
    model: ModelId,
    weights: WeightsId,
    _: Annotated[NoQuery, Query()],
) -> PullOut:
    """Fetch these weights, or join whoever fetches them already; what came before a break is kept and continued."""
    response.headers.update(NOW)
    network = service.catalog.network(model, weights)
    progress = service.pulls.progress(network)
    if progress.state != "ready":
        require_allowed(request, service, network)
        progress = service.pulls.start(network)
    response.status_code = 200 if progress.state == "ready" else 202
    return pull_out(service, network, progress, is_allowed(request, service))


@router.delete(PATH, responses=documented(*UNKNOWN, PullNotAllowed, InvalidValue))
async def stop_pull(
    request: Request,
    response: Response,
    service: Desk,
    model: ModelId,
    weights: WeightsId,
    _: Annotated[NoQuery, Query()],
) -> PullOut:
    """Stop fetching these weights; what has come is kept, and the next pull goes on from there."""
    response.headers.update(NOW)
    network = service.catalog.network(model, weights)
    service.pulls.progress(network)
    require_allowed(request, service, network)
    return pull_out(service, network, service.pulls.cancel(network), True)
