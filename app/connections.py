"""One client's connection, cut when the client neither asks nor takes its answer; uvicorn's own waits for ever."""

import asyncio
import fcntl
import logging
import socket
import struct
import termios
from typing import ClassVar, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.headers import HEADERS
from app.problems import in_protocol, problem

log = logging.getLogger(__name__)

LONGEST_URL = 65_535  # bytes that the parser takes, https://github.com/MagicStack/httptools
LEAST_RATE = 1024  # bytes a second that a client takes of an answer; a phone's worst reception gives ten times that


class Connection(HttpToolsProtocol):
    """HTTP/1.1 over one connection, with two limits that uvicorn does not have.

    What uvicorn sends lies in the transport's buffer until the client takes it, and keeps alive the arrays that it is
    part of; closing waits for that buffer, too. So whoever takes less than LEAST_RATE over `send_seconds` is cut off.
    And the head of a request has to be there `head_seconds` after its first byte, or after connecting.
    """

    head_seconds: ClassVar[float]
    send_seconds: ClassVar[float]

    _head: asyncio.TimerHandle | None = None
    _sending: asyncio.TimerHandle | None = None
    _left = 0  # bytes, when the timer of sending was set

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there: its first request is awaited."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request; where none is under way, its head begins."""
        if self._head is None and (self.cycle is None or self.cycle.response_complete):
            self._await_head()
        super().data_received(data)

    def on_url(self, url: bytes) -> None:
        """A part of the URL is there; no more of it is gathered than is read."""
        super().on_url(url)
        if len(self.url) > LONGEST_URL:
            raise ValueError("the URL is too long")  # which the parser tells of as an error of its own

    def send_400_response(self, msg: str) -> None:
        """A problem document for what cannot be read as HTTP/1.1, where uvicorn has bare text; then the end.

        An answer that is under way to a request before it is given first, and then nothing more.
        """
        cycle, url = self.cycle, self.url or b""
        if cycle is not None and not cycle.response_complete and (cycle.response_started or not cycle.more_body):
            cycle.keep_alive = False
            return
        if len(url) > LONGEST_URL:
            detail = f"The URL has over {LONGEST_URL:,} bytes, which is all that is read. Ask for fewer at a time."
            answer = problem(414, "url-too-long", "The URL is too long", detail, {"value": len(url)})
        else:
            detail = f"{msg} It is not HTTP/1.1 as in RFC 9112. Ask with a usual client, http:// as in the address."
            answer = problem(400, "not-http", "The request cannot be read", detail, {"value": None})
        answer = in_protocol({"path": url.partition(b"?")[0].decode("latin-1")}, answer)
        answer.headers.update({**HEADERS, "Connection": "close"})
        named = (*self.server_state.default_headers, *answer.raw_headers)
        fields = b"".join(b"%b: %b\r\n" % field for field in named)
        self.transport.write(STATUS_LINE[answer.status_code] + fields + b"\r\n" + bytes(answer.body))
        self.transport.close()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._forget_head()
        self._unset_keepalive_if_required()  # set if the end of a body came with it, whose answer came before
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is there; if its answer was before it, a next request is awaited as after any answer."""
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete:
            self._forget_head()
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def pause_writing(self) -> None:
        """More than the kernel takes is to be sent."""
        super().pause_writing()
        self._await_taking()

    def on_response_complete(self) -> None:
        """The answer was given to the transport, which may still hold some of it."""
        super().on_response_complete()
        self._await_taking()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, and nothing waits for it."""
        self._forget_head()
        if self._sending is not None:
            self._sending.cancel()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _forget_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _await_taking(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
        self._left = self._untaken()
        self._sending = self.loop.call_later(self.send_seconds, self._look)

    def _look(self) -> None:
        """Cut off whoever took too little since the last look; look again while there is something to send."""
        if not self.transport.get_write_buffer_size():
            return
        if self._left - self._untaken() >= LEAST_RATE * self.send_seconds:
            self._await_taking()
            return
        request = self.cycle.scope if self.cycle is not None else None
        named = f"{request['method']} {request['path']}" if request else "a request without a head"
        log.warning("%s: the client stopped reading, and is cut off with %d bytes to go.", named, self._untaken())
        # with a reset: closed in order, the kernel would keep what it holds and go on offering it
        at_once = struct.pack("ii", 1, 0)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.transport.abort()

    def _untaken(self) -> int:
        """Bytes that the client has not acknowledged: the transport's and the kernel's.

        The kernel asks for more only when a third of its own buffer, of up to some megabytes, is free: a slow client
        takes that long without the transport noticing.
        """
        bytes_left: int = self.transport.get_write_buffer_size()
        connection = self.transport.get_extra_info("socket")
        try:
            (queued,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4))
        except OSError:  # a closed connection, or a kernel that does not tell
            return bytes_left
        return bytes_left + int(queued)


def connections(head_seconds: float, send_seconds: float) -> type[Connection]:
    """The class that uvicorn makes connections of, with those limits."""
    return type("Connection", (Connection,), {"head_seconds": head_seconds, "send_seconds": send_seconds})
