"""Requests that one process of the server passes on to another, their bodies as they come."""

from __future__ import annotations

import asyncio
import hmac
from contextlib import suppress
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import h11

from facedex_local.http.exchange import HEADERS, LISTENING, Disconnected, Exchange
from facedex_local.http.listener import Application
from facedex_local.http.refusals import refuse

_WORD: Final = b"x-facedex-forwarded"
_ENVIRON_WORD: Final = "HTTP_X_FACEDEX_FORWARDED"
# They are about one connection, and each side has its own.
_OF_CONNECTION: Final = (b"connection", b"keep-alive", b"transfer-encoding", b"expect", _WORD)
_PIECE: Final = 64 * 1024
_LINGER: Final = 2.0  # seconds for which a body that the other process refuses is still read


class Forwarder:
    """Passes every request on to another process of this server.

    Args:
        url: where that process listens.
        token: shows it that the request has come through this class.
    """

    def __init__(self, url: str, token: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname, address.port
        self._token = token

    async def __call__(self, exchange: Exchange) -> None:
        """Answer as the other process does."""
        try:
            reader, writer = await asyncio.open_connection(self._host, self._port)
            try:
                await self._exchange(exchange, reader, writer)
            finally:
                writer.close()
        except (OSError, h11.RemoteProtocolError):
            if exchange.status:
                return  # it is cut off here as it was there
            message = "The process that has S3 and the other services does not answer; try again."
            await exchange.answer(
                refuse(
                    exchange.environ,
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "ServiceUnavailableException",
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
        headers = [pair for pair in environ[HEADERS] if pair[0] not in _OF_CONNECTION]
        word = f"{self._token} {environ[LISTENING]} {environ['REMOTE_ADDR']}"
        headers += [(_WORD, word.encode()), (b"connection", b"close")]
        if "HTTP_TRANSFER_ENCODING" in environ:
            headers.append((b"transfer-encoding", b"chunked"))
        return h11.Request(
            method=environ["REQUEST_METHOD"], target=environ["REQUEST_URI"], headers=headers
        )


class Forwarded:
    """Takes what a ``Forwarder`` says about a request's client for the truth.

    Args:
        application: answers the requests.
        token: the forwarder's.
    """

    def __init__(self, application: Application, token: str) -> None:
        self._application = application
        self._token = token

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        environ = exchange.environ
        token, _, client = environ.pop(_ENVIRON_WORD, "").partition(" ")
        if hmac.compare_digest(token.encode(), self._token.encode()):
            environ[LISTENING], environ["REMOTE_ADDR"] = client.split(" ")
        await self._application(exchange)


async def _upload(
    exchange: Exchange, connection: h11.Connection, writer: asyncio.StreamWriter
) -> None:
    """Pass the body on, and then that the client has gone."""
    try:
        while (piece := await exchange.receive()) != b"":
            if piece:
                writer.write(connection.send(h11.Data(data=piece)) or b"")
                await writer.drain()
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await exchange.wait_until_gone()
    except Disconnected:
        pass
    except OSError:
        return  # it has refused the body, and the answer says why
    writer.transport.abort()


async def _download(
    exchange: Exchange, connection: h11.Connection, reader: asyncio.StreamReader
) -> None:
    """Pass the response on, but for its end."""
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
