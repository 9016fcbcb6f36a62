"""Adapter that runs a WSGI application, such as moto, on the event loop.

A thread runs the application only after the complete body has arrived, and is free again before
the response is sent. A slow client therefore never blocks a thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, TypeAlias

from facedex_local.http.exchange import Exchange
from facedex_local.http.gateway import Answer, Environ
from facedex_local.http.service_errors import write_error
from facedex_local.room import NO_ROOM

WsgiApplication: TypeAlias = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Wsgi:
    """Serves a WSGI application whose responses fit into memory.

    Args:
        application: the WSGI application.
    """

    def __init__(self, application: WsgiApplication) -> None:
        self._application = application

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        try:
            spooled = await exchange.spool()
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            await exchange.answer(_refuse(exchange.environ))
            return
        with spooled as body:
            size = body.tell()
            environ = {
                name: value
                for name, value in exchange.environ.items()
                if name != "HTTP_TRANSFER_ENCODING"
            }
            environ |= {
                "wsgi.input": body,
                "wsgi.input_terminated": True,
                "wsgi.errors": sys.stderr,
            }
            if size:
                environ["CONTENT_LENGTH"] = str(size)
            answer = await self._answer(exchange, environ)
        bodiless = exchange.environ["REQUEST_METHOD"] == "HEAD" or answer.status in (204, 304)
        if not bodiless:
            await exchange.answer(answer)
            return
        # Content-Length, if present, is the length of the body that a GET would return.
        await exchange.start(answer.status, answer.headers)
        await exchange.finish()

    async def _answer(self, exchange: Exchange, environ: Environ) -> Answer:
        """Return the application's response; its body is read from the start."""
        environ["wsgi.input"].seek(0)
        return await exchange.run(call, self._application, environ)


def _refuse(environ: Environ) -> Answer:
    return write_error(
        environ,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "ServiceUnavailable",
        "The disk for temporary files (TMPDIR) is full, so nothing was stored; try again when it"
        " has room.",
    )


def call(application: WsgiApplication, environ: Environ) -> Answer:
    """Return a WSGI application's response to a request."""
    begun: list[tuple[str, list[tuple[str, str]]]] = []
    pieces: list[bytes] = []

    def start(status: str, headers: list[tuple[str, str]], *_rest: Any) -> Callable[[bytes], None]:
        begun.append((status, headers))
        return pieces.append

    iterable = application(environ, start)
    try:
        pieces.extend(iterable)
    finally:
        close: Callable[[], None] | None = getattr(iterable, "close", None)
        if close:
            close()
    status, headers = begun[-1]
    return Answer(int(status.partition(" ")[0]), headers, b"".join(pieces))
