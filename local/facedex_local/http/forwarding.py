"""Forwarding of requests from one server process to another; bodies are streamed."""

from __future__ import annotations

import asyncio
import hmac
from contextlib import suppress
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import h11

from facedex_local.http.environs import HEADERS, LISTENING
from facedex_local.http.exchange import Disconnected, Exchange
from facedex_local.http.listener import Application
from facedex_local.http.service_errors import write_error

# A header with the token, the address that the client connected to, and the client's address.
_HEADER: Final = b"x-facedex-forwarded"
# The same in a WSGI environment.
FORWARDED_KEY: Final = "HTTP_X_FACEDEX_FORWARDED"
# Headers that concern a single connection, and so are not forwarded.
_OF_CONNECTION: Final = (b"connection", b"keep-alive", b"transfer-encoding", b"expect", _HEADER)
_PIECE: Final = 64 * 1024
_LINGER: Final = 2.0  # seconds in which a body is still read after the other process rejected it


class Forwarder:
    """Forwards every request to another process of this server.

    Args:
        url: the address of that process.
        token: proves to that process that this class forwarded the request.
    """

    def __init__(self, url: str, token: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname, address.port
        self._token = token

    async def __call__(self, exchange: Exchange) -> None:
        """Answer a request with the other process's response."""
        try:
            reader, writer = await asyncio.open_connection(self._host, self._port)
            try:
                await self._exchange(exchange, reader, writer)
            finally:
                writer.close()
        except (OSError, h11.RemoteProtocolError):
            if exchange.status:
                return  # the response is cut off, as it was in the other process
            message = "The server process for S3 and other services does not answer; try again."
            await exchange.answer(
                write_error(
                    exchange.environ,
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "ServiceUnavailable",
                    message,
                ),
                close=True,
            )

    async def _exchange(
        self, exchange: Exchange, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connection = h11.Connection(h11.CLIENT)
        writer.write(connection.send(self._request(exchange)) or b"")
        upload = asyncio.ensure_future(_upload(exchange, connection, writer))
        try:
            await _download(exchange, connection, reader)
        finally:
            upload.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await upload
        if not exchange.complete:
            await exchange.discard(_LINGER)
        await exchange.finish()

    def _request(self, exchange: Exchange) -> h11.Request:
        environ = exchange.environ
        headers = [pair for pair in environ[HEADERS] if pair[0] not in (*_OF_CONNECTION, b"host")]
        # The name in a target in absolute form replaces the header's.
        headers.append((b"host", environ.get("HTTP_HOST", "").encode("latin-1")))
        origin = f"{self._token} {environ[LISTENING]} {environ['REMOTE_ADDR']}"
        headers += [(_HEADER, origin.encode()), (b"connection", b"close")]
        if "HTTP_TRANSFER_ENCODING" in environ:
            headers.append((b"transfer-encoding", b"chunked"))
        return h11.Request(
            method=environ["REQUEST_METHOD"], target=environ["REQUEST_URI"], headers=headers
        )


class Forwarded:
    """Restores the addresses of forwarded requests, as the forwarding process saw them.

    Args:
        application: answers the requests.
        token: the token of the trusted ``Forwarder``.
    """

    def __init__(self, application: Application, token: str) -> None:
        self._application = application
        self._token = token

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        environ = exchange.environ
        token, _, addresses = environ.pop(FORWARDED_KEY, "").partition(" ")
        if hmac.compare_digest(token.encode(), self._token.encode()):
            environ[LISTENING], environ["REMOTE_ADDR"] = addresses.split(" ")
        await self._application(exchange)


async def _upload(
    exchange: Exchange, connection: h11.Connection, writer: asyncio.StreamWriter
) -> None:
    """Forward the body, then wait for the client's disconnect and close the connection."""
    try:
        while (piece := await exchange.receive()) != b"":
            if piece:
                writer.write(connection.send(h11.Data(data=piece)) or b"")
                await writer.drain()
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await exchange.wait_for_disconnect()
    except Disconnected:
        pass
    except OSError:
        return  # the other process rejected the body, and its response contains the reason
    writer.transport.abort()


async def _download(
    exchange: Exchange, connection: h11.Connection, reader: asyncio.StreamReader
) -> None:
    """Forward the response, without finishing it."""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_PIECE))
        elif isinstance(event, h11.Response):
            headers = [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in event.headers
                if name not in (*_OF_CONNECTION, b"date", b"server")
            ]
            if not exchange.complete:
                headers.append(("Connection", "close"))
            await exchange.start(event.status_code, headers)
        elif isinstance(event, h11.Data):
            await exchange.send(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            return
        elif not isinstance(event, h11.InformationalResponse):
            raise ConnectionError("The other process has closed the connection.")
