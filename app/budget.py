"""The memory that request bodies take together, and large answers, bounded, as ASGI middleware."""

from starlette.requests import Request
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


SMALL = 1024 * 1024  # bytes: as many of these as inferences may wait are less than one large answer
CHARGE = "convscope.charge"  # in a request's scope: counts bytes of its answer


class AnswerBudget:
    """Counts the bytes that answers are said to have (`charge`) until they are sent; too many at once are Overloaded.

    A client may take minutes to read its answer, which is held so long. One answer alone is never too much, and a
    small one, such as probabilities, does not wait for the large ones of others.
    """

    def __init__(self, app: ASGIApp, answer_bytes: int) -> None:
        self.app, self.limit, self.held = app, answer_bytes, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with a way to count its answer."""
        own = 0

        def charge(size: int) -> None:
            nonlocal own
            if size > SMALL and own < self.held and self.held + size > self.limit:
                raise Overloaded(
                    f"Answers of {self.held} bytes are being computed or sent, this one has {size}, and this server "
                    f"holds {self.limit}. Ask again in a second, for fewer layers, or raise CONVSCOPE_ANSWER_BYTES.",
                    retry_after=1,
                )
            own += size
            self.held += size

        try:
            scope[CHARGE] = charge  # not in a copy, in which nobody outside of this would find the route
            await self.app(scope, receive, send)
        finally:
            self.held -= own


def charge(request: Request, size: int) -> None:
    """Count so many bytes of the request's answer, before they are computed.

    Raises:
        Overloaded: other answers hold too much.
    """
    request.scope[CHARGE](size)
