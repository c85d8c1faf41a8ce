"""Who may ask: an optional bearer token, and pages of other origins, as ASGI middleware."""

import hmac
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import Unauthorized
from app.problems import in_protocol, problem

HEALTH = frozenset({"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"})

READABLE = (  # headers of answers that a page of another origin may read
    *("ETag", "Location", "Retry-After", "Request-Id", "Inference-Header-Content-Length", "Saliency-Class"),
    *("Atlas-Columns", "Atlas-Rows", "Atlas-Tile-Width", "Atlas-Tile-Height", "Atlas-Channels"),
)


class BearerToken:
    """Asks for `Authorization: Bearer TOKEN` (RFC 6750) everywhere but at the health checks."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app, self.token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on where it has the token."""
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or path in HEALTH or self._has_token(scope):
            await self.app(scope, receive, send)
            return
        detail = "This service asks for a token: send the header `Authorization: Bearer TOKEN`."
        headers = {"WWW-Authenticate": "Bearer"}
        kind = Unauthorized
        answer = in_protocol(scope, problem(kind.status, kind.type, kind.title, detail, {}, headers))
        await answer(scope, receive, send)

    def _has_token(self, scope: Scope) -> bool:
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        # in constant time, so that a wrong token does not tell how much of it is right
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self.token)


def cors(origins: str) -> dict[str, Any]:
    """What Starlette's CORSMiddleware takes for a comma separated list of origins."""
    return {
        "allow_origins": [origin.strip() for origin in origins.split(",")],
        "allow_methods": ["GET", "POST", "DELETE"],
        "allow_headers": ["Authorization", "Content-Type", "If-None-Match", "Inference-Header-Content-Length"],
        "expose_headers": READABLE,
        "max_age": 3600,
    }
