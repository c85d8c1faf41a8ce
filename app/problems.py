"""Errors on the wire: the exception tree, and what the framework raises, as application/problem+json (RFC 9457)."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import ConvscopeError, InvalidValue, UploadTooSlow

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:convscope:problem:"


KEPT_HEADERS = ("retry-after", "allow", "www-authenticate", "connection")

Answer = Callable[[Request, Exception], Awaitable[Response]]
Responses = dict[int | str, dict[str, Any]]  # of a route, for the OpenAPI document


class Problem(BaseModel):
    """An error: `detail` says what was wrong, with the value, and what to do."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=[TYPE + "run-not-found"], description="The kind of error, as a URI.")
    title: str = Field(examples=["There is no such run"], description="The kind of error, for a person.")
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no run 'abc': it has expired. Post the image again."])
    value: Any = Field(None, examples=["abc"], description="The offending value.")
    field: str | None = Field(None, examples=["tile"], description="The parameter it was given for.")
    range: str | None = Field(None, examples=["1 to 4096"], description="What would have been accepted.")


def documented(*errors: type[ConvscopeError]) -> Responses:
    """The OpenAPI `responses` of a route that raises these errors; errors of one status are told together."""
    by_status: dict[int, list[type[ConvscopeError]]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    return {
        status: {
            "description": " ".join(f"{error.title} (`{error.type}`)." for error in kinds),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": {
                        "type": TYPE + kinds[0].type,
                        "title": kinds[0].title,
                        "status": status,
                        "detail": (kinds[0].__doc__ or kinds[0].title).strip().splitlines()[0],
                        "value": None,
                    },
                }
            },
        }
        for status, kinds in by_status.items()
    }


def problem(
    status: int,
    kind: str,
    title: str,
    detail: str,
    extra: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document as a response."""
    document = {"type": TYPE + kind, "title": title, "status": status, "detail": detail, **extra}
    return Response(
        json.dumps(document, default=str),  # not orjson: an offending value may be an integer of any size
        status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def install(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Answer every exception of the app with a problem document; `routes` tell what a 405 would have allowed."""
    app.state.routes = routes
    app.add_exception_handler(ConvscopeError, told(answer_own))
    app.add_exception_handler(RequestValidationError, told(answer_invalid))
    app.add_exception_handler(HTTPException, told(answer_framework))
    app.add_middleware(Unforeseen)


def told(answer: Answer) -> Answer:
    """The same answer, which under /v2 is told as the Open Inference Protocol does: `{"error": "..."}`."""

    async def tell(request: Request, error: Exception) -> Response:
        return in_protocol(request.scope, await answer(request, error))

    return tell


def in_protocol(scope: Scope, answer: Response) -> Response:
    """A problem document as it is; under /v2 its detail alone, and 400 for what is 422 elsewhere."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    if path != "/v2" and not path.startswith("/v2/"):
        return answer
    kept = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
    error = json.dumps({"error": json.loads(bytes(answer.body))["detail"]})
    status = 400 if answer.status_code == 422 else answer.status_code
    return Response(error, status, media_type="application/json", headers={"Cache-Control": "no-store", **kept})


async def answer_own(request: Request, error: Exception) -> Response:
    """One of our own errors."""
    assert isinstance(error, ConvscopeError)
    headers = {}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    elif isinstance(error, UploadTooSlow):
        headers["Connection"] = "close"  # nothing can follow a body that has no end (RFC 9110, section 15.5.9)
    elif error.status >= 500:  # of this machine: paths and the like are for its log alone
        log.error("%s %s: %s", request.method, request.url.path, error.detail)
        return problem(error.status, error.type, error.title, f"{error.title}; the server's log says why.", {})
    return problem(
        error.status, error.type, error.title, error.detail, {"value": error.value, **error.extra}, headers
    )


async def answer_invalid(request: Request, error: Exception) -> Response:
    """A parameter that pydantic refused: field, value and range."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place, *path = (str(part) for part in first["loc"])
    field, value, accepted = path[0] if path else place, first.get("input"), range_of(first)
    if first["type"] in ("greater_than_equal", "less_than_equal", "int_parsing"):
        accepted = bounds(request, field) or accepted
    if first["type"] == "extra_forbidden":
        detail = f"There is no {place} parameter '{field}' here (its value was {short(value)}). Leave it out."
    elif first["type"] == "missing":
        value = None
        detail = f"The {place} parameter '{field}' is missing; it must be {accepted}."
    else:
        detail = f"The {place} parameter '{field}' is {short(value)}; it must be {accepted}."
    kind, title = "invalid-value", "A value is out of range"
    return problem(422, kind, title, detail, {"value": value, "field": field, "range": accepted})


async def refuse_repeated(request: Request) -> None:
    """A dependency of every route: a parameter that is given twice has no value that could be answered for.

    Raises:
        InvalidValue: it names the parameter and its values.
    """
    for name in request.query_params:
        values = request.query_params.getlist(name)
        if len(values) > 1:
            raise InvalidValue(
                f"The query parameter '{name}' is given {len(values)} times ({short(', '.join(values))}); give it "
                "once. Where several names are taken, they stand together with commas between them.",
                values,
                field=name,
                range="one value",
            )


def bounds(request: Request, field: str) -> str | None:
    """The smallest and largest value of a parameter, if it has one, at once, as the OpenAPI document has them."""
    path, method = getattr(request.scope.get("route"), "path", ""), request.method.lower()
    operation = request.app.openapi()["paths"].get(path, {}).get(method, {})
    for parameter in operation.get("parameters", ()):
        for schema in (parameter["schema"], *parameter["schema"].get("anyOf", ())):
            if parameter["name"] == field and "minimum" in schema:
                least, most = schema["minimum"], schema.get("maximum")
                return f"a whole number from {least} {'on' if most is None else f'to {most}'}"
    return None


def range_of(error: Mapping[str, Any]) -> str | None:
    """What would have been accepted, from one of pydantic's errors."""
    context: Mapping[str, Any] = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return None
        case "greater_than_equal":
            return f"{context['ge']} or more"
        case "less_than_equal":
            return f"{context['le']} or less"
        case "literal_error" | "enum":
            return str(context["expected"])
        case "string_pattern_mismatch":
            return f"of the form {context['pattern']}"
        case "missing":
            return "given"
        case "string_too_short":
            return f"{context['min_length']} or more characters long"
        case "string_too_long":
            return f"at most {context['max_length']} characters long"
        case "int_parsing" | "int_parsing_size" | "int_type" | "int_from_float":
            return "a whole number"
        case _:
            return str(error["msg"])


def short(value: object) -> str:
    """A value as it appears in a sentence."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


async def answer_framework(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: 404, 405, and a body it cannot parse."""
    assert isinstance(error, HTTPException)
    path, status = request.url.path, error.status_code
    title = HTTPStatus(status).phrase
    if status == 404:
        detail = f"There is nothing at {path}. What there is: {request.scope.get('root_path', '')}/docs."
        return problem(404, "not-found", title, detail, {"value": path})
    if status == 405:
        allowed = allowed_methods(request.app.state.routes, request)
        detail = f"{request.method} is not allowed at {path}; what is: {', '.join(allowed)}."
        extra = {"value": request.method, "allowed": allowed}
        return problem(405, "method-not-allowed", title, detail, extra, {"Allow": ", ".join(allowed)})
    return problem(status, title.lower().replace(" ", "-"), title, str(error.detail), {}, error.headers)


def allowed_methods(routes: Sequence[BaseRoute], request: Request) -> list[str]:
    """Every method that some route takes at the request's path (RFC 9110, section 15.5.6)."""
    methods: set[str] = set()
    for route in routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)  # `HeadOfGet` answers every HEAD


class Unforeseen:
    """ASGI middleware for defects of ours: logged in full, told without any detail of the inside.

    Inside the other middleware, so that its answer is counted and gets its headers like every other.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer 500 when that fails before anything was sent."""
        begun = False

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception:
            if begun or scope["type"] != "http":
                raise
            log.exception("%s %s failed", scope["method"], scope["path"])
            detail = "The server failed to answer; its log says why. Please report it with what you asked."
            answer = in_protocol(scope, problem(500, "internal", "Something went wrong", detail, {}))
            await answer(scope, receive, send)
