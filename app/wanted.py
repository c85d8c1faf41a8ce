"""Whether anybody still waits for the work that a thread is doing: long work asks between its steps."""

import threading
from contextvars import ContextVar


class Abandoned(Exception):
    """Nobody waits for the result any more; the work stops and its place is free."""


ABANDONED: ContextVar[threading.Event | None] = ContextVar("ABANDONED", default=None)


def check_wanted() -> None:
    """Raises Abandoned when everybody who asked for the work that runs here has gone."""
    event = ABANDONED.get()
    if event is not None and event.is_set():
        raise Abandoned
