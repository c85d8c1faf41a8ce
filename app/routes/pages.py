"""The pages for people."""

from math import log10
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

from app import worked
from app.catalog import Catalog
from app.errors import ModelNotFound, NetworkUnusable
from app.graph import Graph
from app.manifest import Structure
from app.places import TEMPLATES
from app.queries import NoQuery
from app.service import Desk, Service
from app.version import VERSION

router = APIRouter(include_in_schema=False)
templates = Jinja2Templates(directory=TEMPLATES)
templates.env.filters |= {
    "grouped": lambda number: f"{number:,}",  # 60,965,224
    "signed": lambda number, decimals: f"{number:+.{decimals}f}".replace("-", "−"),
    "size": lambda shape: " × ".join(str(length) for length in shape),  # C x H x W
    "log10": log10,
}


def render(request: Request, service: Service, name: str, **further: Any) -> Response:
    """A page, with what the templates say they need."""
    settings = service.settings
    context = {
        "root_path": request.scope.get("root_path", ""),
        "version": VERSION,
        "keep_seconds": settings.run_ttl_seconds,
        "max_body_bytes": settings.max_body_bytes,
        "max_pixels": settings.max_pixels,
        "manifests": service.catalog.models,
        **further,
    }
    return templates.TemplateResponse(request, name, context, headers={"Cache-Control": "no-cache"})


@router.get("/", response_class=HTMLResponse)
async def get_index(request: Request, service: Desk) -> Response:
    """The scene."""
    return render(request, service, "index.html")


@router.get("/course", response_class=HTMLResponse)
async def get_course(request: Request, service: Desk) -> Response:
    """The course's figures: computed from the graphs, counted from the architectures, or quoted with their paper."""

    def page() -> Response:
        return render(
            request,
            service,
            "course.html",
            course=service.course,
            worked=worked,
            graph_of=lambda model, published=True: graph_of(service.catalog, model, published),
        )

    return await service.look(page)


@router.get("/about", response_class=HTMLResponse)
async def get_about(request: Request, service: Desk) -> Response:
    """Papers, data, licences."""
    return render(request, service, "about.html")


@router.get("/docs", response_class=HTMLResponse)
async def get_docs(request: Request, service: Desk, _: Annotated[NoQuery, Query()]) -> Response:
    """The API's reference."""
    return render(request, service, "docs.html")


def graph_of(catalog: Catalog, model: str, published: bool) -> Graph | None:
    """The layer table of a network as published, or with its default weights; None where it is not served here."""
    try:
        manifest = catalog.network(model).manifest
        structures = [weights.id for weights in manifest.weights if isinstance(weights.origin, Structure)]
        return catalog.network(model, structures[0] if published and structures else None).graph
    except (ModelNotFound, NetworkUnusable):
        return None
