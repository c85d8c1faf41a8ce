"""The log: a line a request with its id, as text for people or as JSON for machines."""

import json
import logging
import re
import secrets
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("convscope.access")

REQUEST_ID: ContextVar[str] = ContextVar("REQUEST_ID", default="")
GIVEN_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")  # of a proxy before us; anything else is not repeated

QUIET = frozenset({"/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})

LINE_BREAKS = str.maketrans(
    {"\n": "\\n", "\r": "\\r", "\x1b": "\\x1b"}
)  # a path must not look like a line of its own


class RequestLog:
    """ASGI middleware: gives every request an id (or keeps the proxy's X-Request-Id) and logs its answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; log what became of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if GIVEN_ID.fullmatch(given) else secrets.token_hex(8)
        REQUEST_ID.set(request_id)
        status, sent, begun = 499, 0, time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["Request-Id"] = request_id
            else:
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception:
            status = 500
            raise
        finally:
            path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
            level = logging.DEBUG if scope["path"] in QUIET else logging.INFO
            milliseconds = round(1000 * (time.perf_counter() - begun), 1)
            fields = {
                "method": scope["method"],
                "path": path,
                "status": status,
                "bytes": sent,
                "milliseconds": milliseconds,
            }
            log.log(
                level,
                "%s %s %d %d bytes %.1f ms",
                scope["method"],
                path,
                status,
                sent,
                milliseconds,
                extra={"fields": fields},
            )


class TextFormatter(logging.Formatter):
    """`time level logger [request] message`, one line but for the traceback of a defect."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        request = f" [{REQUEST_ID.get()}]" if REQUEST_ID.get() else ""
        line = f"{when} {record.levelname.lower():<7} {record.name}{request} "
        line += record.getMessage().translate(LINE_BREAKS)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if REQUEST_ID.get():
            line["request_id"] = REQUEST_ID.get()
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configuration(form: str, level: str) -> dict[str, Any]:
    """`logging.config.dictConfig`'s argument: everything to stderr, in the form `text` or `json`."""
    formatter = {"text": TextFormatter, "json": JsonFormatter}[form]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
    }
