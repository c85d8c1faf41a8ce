"""The pages for people."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

from app.places import TEMPLATES
from app.service import Desk, Service
from app.version import VERSION

router = APIRouter(include_in_schema=False)
templates = Jinja2Templates(directory=TEMPLATES)


def render(request: Request, service: Service, name: str) -> Response:
    """A page, with what the templates say they need."""
    settings = service.settings
    context = {
        "root_path": request.scope.get("root_path", ""),
        "version": VERSION,
        "keep_seconds": settings.run_ttl_seconds,
        "max_body_bytes": settings.max_body_bytes,
        "max_pixels": settings.max_pixels,
        "manifests": service.catalog.models,
    }
    return templates.TemplateResponse(request, name, context, headers={"Cache-Control": "no-cache"})


@router.get("/", response_class=HTMLResponse)
async def get_index(request: Request, service: Desk) -> Response:
    """The scene."""
    return render(request, service, "index.html")


@router.get("/about", response_class=HTMLResponse)
async def get_about(request: Request, service: Desk) -> Response:
    """Papers, data, licences."""
    return render(request, service, "about.html")


@router.get("/docs", response_class=HTMLResponse)
async def get_docs(request: Request, service: Desk) -> Response:
    """The API's reference."""
    return render(request, service, "docs.html")
