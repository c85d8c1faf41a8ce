"""create_app(settings): wiring only."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi

from app import access, problems
from app.access import BearerToken
from app.assets import Assets
from app.budget import AnswerBudget, UploadBudget
from app.catalog import Catalog
from app.clients import Clients
from app.cores import single_threaded_products
from app.errors import ConvscopeError, WeightsUnwritable
from app.headers import SecurityHeaders
from app.logs import RequestLog
from app.metrics import Measured
from app.places import PAGE
from app.proxy import HeadOfGet, PathPrefix
from app.routes import ensembles, inference, layers, models, operations, pages, predictions, pulls, runs, saliency
from app.service import Service
from app.settings import Settings
from app.version import VERSION

log = logging.getLogger(__name__)

PARTS = (models, pulls, predictions, ensembles, runs, layers, saliency, inference, operations, pages)
ROUTERS = tuple(part.router for part in PARTS)

SWEEP_SECONDS = 60
AGAIN_SECONDS = 15  # until the weights are tried again where they could not be written
TELL_SECONDS = 2  # between two lines about the same work

DESCRIPTION = """See what a convolutional network sees: predictions, and every activation of every layer, each of
whose numbers can be explained. Sizes are in pixels, times in milliseconds, tensors C x H x W (no batch axis), float32
little-endian. Errors are `application/problem+json` (RFC 9457)."""


def create_app(settings: Settings | None = None, catalog: Catalog | None = None) -> FastAPI:
    """The service for these settings (the environment's, when None), with a catalog opened before or its own.

    Raises:
        NetworkUnusable: a manifest or the operator's ONNX file cannot be served.
    """
    settings = settings or Settings()
    single_threaded_products()
    service = Service(settings, catalog or Catalog.open(settings))
    app = FastAPI(
        title="Convscope",
        description=DESCRIPTION,
        version=VERSION,
        openapi_url=None,  # a route of ours, which refuses what it does not know
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        telemetry={"auto_configure": True, "logs": False},  # by OpenTelemetry's own variables, where there are any
        dependencies=[Depends(problems.refuse_repeated)],
    )
    app.state.service = service
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # the way FastAPI documents
    for router in ROUTERS:
        app.include_router(router)
    if PAGE.is_dir():
        app.mount("/static", Assets(directory=PAGE), name="static")
    else:
        log.warning("The page is not built: %s is missing. Run `make page`; the REST API works without it.", PAGE)
    problems.install(app, [route for router in ROUTERS for route in router.routes])
    # the last one added is the first to see a request
    app.add_middleware(AnswerBudget, answer_bytes=settings.answer_bytes)
    app.add_middleware(UploadBudget, upload_bytes=settings.upload_bytes)
    app.add_middleware(Clients, body_seconds=settings.body_seconds)
    if settings.token:
        app.add_middleware(BearerToken, token=settings.token)
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, **access.cors(settings.cors_origins))
    app.add_middleware(SecurityHeaders)
    app.add_middleware(HeadOfGet)
    app.add_middleware(Measured, metrics=service.metrics)
    app.add_middleware(RequestLog)
    app.add_middleware(PathPrefix, prefix=settings.root_path.rstrip("/"))
    return app


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Prepare the weights beside serving (/healthz answers at once, /readyz when they are there); sweep old runs."""
    service: Service = app.state.service
    ending = threading.Event()
    if not service.catalog.ready:
        threading.Thread(target=prepare, args=(service.catalog, ending), name="prepare", daemon=True).start()
    sweeping = asyncio.create_task(sweep(service))
    yield
    ending.set()
    sweeping.cancel()
    service.pulls.stop()


def prepare(catalog: Catalog, ending: threading.Event) -> None:
    """Prepare the weights; where a file could not be written, again until it can: somebody may free the disk."""
    while not ending.is_set():
        prepare_once(catalog, ending)
        if not any(isinstance(error, WeightsUnwritable) for error in catalog.unprepared):
            return
        ending.wait(AGAIN_SECONDS)


def prepare_once(catalog: Catalog, ending: threading.Event) -> None:
    """Prepare the weights, telling the log how far that is; a failure that nobody foresaw shows in /readyz too."""
    told = time.monotonic()

    def tell(_: int) -> None:
        nonlocal told
        if time.monotonic() - told >= TELL_SECONDS:
            told = time.monotonic()
            done, total = catalog.bytes_done / 1e6, catalog.bytes_total / 1e6
            log.info("Unpacking the networks' weights: %.0f of %.0f MB.", done, total)

    try:
        catalog.prepare(tell, ending)
    except Exception:
        log.exception("The weights could not be prepared.")
        catalog.unprepared = [ConvscopeError("an unforeseen failure, which the server's log tells of.")]


async def sweep(service: Service) -> None:
    """Drop expired runs every minute, so that none is kept longer than was said."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            await asyncio.to_thread(service.runs.records.sweep)
        except Exception:  # whatever it was, the next minute's try is worth making
            log.exception("Expired runs could not be dropped.")


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        schema = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        document["components"]["schemas"]["Problem"] = schema
        for path, methods in document["paths"].items():
            if path.startswith("/v2"):  # the framework's own, which this protocol answers with 400
                for operation in methods.values():
                    operation["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(name, None)
        app.openapi_schema = document
    return app.openapi_schema
