"""Clients that go away hold nothing, as ASGI middleware; app.connections cuts off those that stop reading."""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import UploadTooSlow

NOTHING_MORE: Message = {"type": "http.request", "body": b"", "more_body": False}
GONE: Message = {"type": "http.disconnect"}


class Clients:
    """Cancels a request whose client is gone.

    A body that is not there after `body_seconds` is UploadTooSlow for whoever reads it.
    """

    def __init__(self, app: ASGIApp, body_seconds: float) -> None:
        self.app, self.body_seconds = app, body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on beside a watch over its connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body_read, gone, told = asyncio.Event(), asyncio.Event(), asyncio.Event()
        deadline = asyncio.get_running_loop().time() + self.body_seconds
        if not has_body(scope):
            body_read.set()

        async def receive_body() -> Message:
            """The body's messages, then word of the client's going; only one of the two waits for the server."""
            if not has_body(scope) and not gone.is_set() and not told.is_set():
                told.set()
                return NOTHING_MORE
            if body_read.is_set():
                await gone.wait()
                return GONE
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise UploadTooSlow(
                    f"The body was not there {self.body_seconds} seconds after the head. Send a smaller file, or "
                    "raise CONVSCOPE_BODY_SECONDS.",
                    self.body_seconds,
                ) from None
            if not message.get("more_body", False):
                body_read.set()
            return message

        async def watch() -> None:
            await body_read.wait()
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.set()

        async def answer() -> None:
            await self.app(scope, receive_body, send)

        answering = asyncio.create_task(answer())
        watching = asyncio.create_task(watch())
        try:
            await asyncio.wait({answering, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (watching, answering):
                task.cancel()
        with suppress(asyncio.CancelledError):
            await answering


def has_body(scope: Scope) -> bool:
    """Whether a request says that a body follows its head (RFC 9112, section 6)."""
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
