"""The memory that request bodies take together, bounded, as ASGI middleware."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import Overloaded


class UploadBudget:
    """Counts the bytes of bodies from their arrival until their request is done; too many at once are Overloaded.

    The error is raised where the body is read. One request alone is never too much; its own limit is another setting.
    """

    def __init__(self, app: ASGIApp, upload_bytes: int) -> None:
        self.app, self.limit, self.held = app, upload_bytes, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what it receives."""
        own = 0

        async def counted() -> Message:
            nonlocal own
            message = await receive()
            size = len(message.get("body", b""))
            if own < self.held and self.held + size > self.limit:
                raise Overloaded(
                    f"Uploads of {self.held} bytes are being worked on and this server holds {self.limit}. Ask again "
                    "in a second, or raise CONVSCOPE_UPLOAD_BYTES.",
                    retry_after=1,
                )
            own += size
            self.held += size
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self.held -= own
