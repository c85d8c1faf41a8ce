"""Answers that routes share: files, and things derived from a run, which never change."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from fastapi import Path, Request, Response
from starlette.types import Receive, Scope, Send

from app.budget import charge
from app.problems import Responses
from app.service import OpenRun, Service
from app.tensors import ArrayFile
from app.version import VERSION

PNG = "image/png"
BINARY = "application/octet-stream"
JSON = "application/json"

FOR_EVER = "max-age=31536000, immutable"  # a run's id is a digest of all that its numbers depend on
ASK_AGAIN = "no-cache"  # kept, but shown only after asking whether it changed

ModelId = Annotated[str, Path(description="Id of the network.", examples=["lenet5"])]
WeightsId = Annotated[str, Path(description="Id of the network's weights.", examples=["imagenet"])]
LayerName = Annotated[str, Path(description="Name of the layer.", examples=["input"])]
RunId = Annotated[str, Path(description="Id of the run.", examples=["5d41402abc4b2a76b9719d911017c592ae1f03c2"])]


@dataclass(frozen=True)
class Drawn:
    """The body of an answer, and headers that tell of it."""

    body: bytes | ArrayFile
    headers: Mapping[str, str] = field(default_factory=dict)


class Pieces(Response):
    """Arrays as an answer, sent from where they lie.

    Starlette's StreamingResponse would hop to a thread and back for every piece, and leave what a client did not take
    in a reference cycle.
    """

    def __init__(self, file: ArrayFile, media_type: str, headers: Mapping[str, str]) -> None:
        super().__init__(media_type=media_type, headers={**headers, "Content-Length": str(file.nbytes)})
        self.file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, then the pieces as the client takes them."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        left = self.file.nbytes
        for piece in self.file.chunks():
            left -= len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": left > 0})


def for_ever(service: Service) -> str:
    """The Cache-Control of what never changes; where a token is asked for, no cache that others share keeps it."""
    return f"{'private' if service.settings.token else 'public'}, {FOR_EVER}"  # RFC 9111, sections 3.5 and 5.2.2.7


def tag(*parts: str) -> str:
    """A strong ETag for what those parts (and this version's way of drawing) determine."""
    digest = hashlib.sha256("\0".join((VERSION, *parts)).encode())
    return f'"{digest.hexdigest()[:24]}"'


def is_fresh(request: Request, etag: str) -> bool:
    """Whether the client has this version already (If-None-Match; RFC 9110, section 13.1.2).

    `*` asks whether there is any version, which is not known before it is drawn; unlike there, that gets the answer.
    """
    known = request.headers.get("if-none-match", "")
    return etag in {one.strip().removeprefix("W/") for one in known.split(",")}


def send(drawn: Drawn, media_type: str, headers: Mapping[str, str]) -> Response:
    """The drawn body as a response."""
    joined = {**headers, **drawn.headers}
    if isinstance(drawn.body, ArrayFile):
        return Pieces(drawn.body, media_type, joined)
    return Response(drawn.body, media_type=media_type, headers=joined)


async def derive(
    service: Service, request: Request, run: str, media_type: str, draw: Callable[[OpenRun], Drawn]
) -> Response:
    """Something derived from a run: drawn off the event loop, cacheable for ever, 304 where the client has it.

    An array that is sent stays in memory until the client has taken it, also when its run is forgotten meanwhile; so
    it counts as a large answer.

    Raises:
        RunNotFound, Overloaded, and what `draw` raises.
    """
    record = await service.record(run)
    etag = tag(request.url.path, request.url.query)
    headers = {"ETag": etag, "Cache-Control": for_ever(service)}
    if is_fresh(request, etag):
        return Response(status_code=304, headers=headers)
    opened = await service.open(record)

    def drawn_apart() -> Drawn:
        drawn = draw(opened)
        return replace(drawn, body=drawn.body.apart()) if isinstance(drawn.body, ArrayFile) else drawn

    drawn = await service.look(drawn_apart)
    if isinstance(drawn.body, ArrayFile):
        charge(request, drawn.body.nbytes)
    return send(drawn, media_type, headers)


def file_of(media_type: str, description: str, headers: Mapping[str, str] | None = None) -> Responses:
    """The OpenAPI `responses` of a route that answers a file, with the headers named and described."""
    described: dict[str, Any] = {
        "ETag": {"schema": {"type": "string"}, "description": "Changes when the file does."},
        **{name: {"schema": {"type": "integer"}, "description": text} for name, text in (headers or {}).items()},
    }
    return {
        200: {
            "description": description,
            "content": {media_type: {"schema": {"type": "string", "format": "binary"}}},
            "headers": described,
        },
        304: {"description": "The client has it already (If-None-Match)."},
    }
