"""What comes before routing, as ASGI middleware: a reverse proxy's path prefix, and HEAD."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class PathPrefix:
    """Serves the app under a path prefix, whether the proxy passes the prefix on or takes it off."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app, self.prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell the app of its prefix, which links then begin with."""
        if scope["type"] == "http" and self.prefix:
            path: str = scope["path"]
            if path != self.prefix and not path.startswith(self.prefix + "/"):
                scope = {**scope, "path": self.prefix + path}
            scope = {**scope, "root_path": self.prefix}
        await self.app(scope, receive, send)


class HeadOfGet:
    """Answers HEAD with the head that GET would have (RFC 9110, section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask for GET, and keep the body back."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        asked = {**scope, "method": "GET"}
        try:
            await self.app(asked, receive, send_head)
        finally:  # who counts the answer looks for the route where it passed the request on
            scope.update({name: asked[name] for name in ("route", "path_params") if name in asked})
