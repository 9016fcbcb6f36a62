"""A connection of the HTTP server, with limits on clients that send or read nothing."""

from __future__ import annotations

import asyncio
import logging
import sys
import uuid
from http import HTTPStatus
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from facedex.api.media_types import JSON_1_1
from facedex.api.writing import write_error
from facedex_local.http.exchange import IDLE
from facedex_local.http.framing import Connection, Malformed

_logger: Final = logging.getLogger("facedex")

_INVALID: Final = "The request is not HTTP/1.1, or the length or coding of its body is invalid."


class Protocol(H11Protocol):
    """A connection that closes if its client sends or reads nothing for too long.

    uvicorn itself waits without limit for a request's head and for a client to read its response.
    """

    conn: Connection
    _last_received = 0.0  # time of the event loop, in seconds
    _silence: asyncio.TimerHandle | None = None
    _congestion: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn = Connection()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch the client for silence."""
        super().connection_made(transport)
        self._last_received = self.loop.time()
        self._silence = self.loop.call_later(IDLE, self._close_if_silent)

    def data_received(self, data: bytes) -> None:
        """Note that the client has sent something."""
        self._last_received = self.loop.time()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the watch."""
        for timer in (self._silence, self._congestion):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to watch a client that does not read."""
        super().pause_writing()
        self._congestion = self.loop.call_later(IDLE, self.transport.abort)

    def resume_writing(self) -> None:
        """End the watch of a client that has read."""
        super().resume_writing()
        if self._congestion:
            self._congestion.cancel()

    def send_400_response(self, msg: str) -> None:
        """Answer invalid HTTP with an error that SDKs understand, and close the connection."""
        _logger.debug("%s", msg)
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        error = sys.exception()
        status = HTTPStatus(error.error_status_hint if isinstance(error, Malformed) else 400)
        message = str(error) if isinstance(error, Malformed) else _INVALID
        request_id = str(uuid.uuid4())
        body = write_error("SerializationException", message, request_id)
        headers = [
            ("Content-Type", JSON_1_1),
            ("x-amzn-RequestId", request_id),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        for event in (
            h11.Response(status_code=status, headers=headers, reason=status.phrase.encode()),
            # The answer to HEAD has the headers of a body, and none.
            h11.Data(data=b"" if self.conn.method == b"HEAD" else body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        if self.cycle:
            # A request that was already being answered: h11 would refuse its other answer.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def _close_if_silent(self) -> None:
        idle = self.cycle is None or self.cycle.response_complete
        remaining = self._last_received + IDLE - self.loop.time()
        if idle and remaining <= 0:
            self.transport.abort()
        else:
            self._silence = self.loop.call_later(max(remaining, 1.0), self._close_if_silent)
