"""The HTTP server: uvicorn on a thread of its own, with bounds on what a client may hold up."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final, TypeAlias

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from facedex.api.media_types import JSON_1_1
from facedex_local import shutdown
from facedex_local.errors import PortTaken
from facedex_local.http.exchange import (
    IDLE,
    Disconnected,
    Exchange,
    Receive,
    Scope,
    Send,
    environ_of,
)
from facedex_local.http.refusals import refuse

Application: TypeAlias = Callable[[Exchange], Awaitable[None]]

_BACKLOG: Final = 256
# Where processes share a socket: seconds before one accepts, for each connection that it has.
_DELAY: Final = 0.001
_MOST_DELAYS: Final = 20
_GRACE: Final = 5  # seconds in which requests under way may end when the server stops
_MOST_HEAD: Final = 64 * 1024  # bytes of a request's head

_logger: Final = logging.getLogger("facedex")
# It logs what clients do wrong, and that requests are cut off at the end; faults are logged here.
logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


class Listener:
    """An application served on an address, on an event loop and in threads of its own.

    The port is taken when the object is made, so that a taken one is known at once; requests
    that arrive before ``start`` wait.
    """

    def __init__(
        self,
        application: Application,
        *,
        threads: int,
        host: str = "",
        port: int = 0,
        inherited: socket.socket | None = None,
        shares: bool = False,
        grace: int = _GRACE,
    ) -> None:
        """Listen on ``host`` and ``port`` (0 for any free one).

        Args:
            application: answers the requests.
            threads: most that run for requests at once.
            host: address to listen on.
            port: port to listen on.
            inherited: a socket that listens already, instead of a new one.
            shares: whether other processes accept connections from the socket too.
            grace: seconds in which requests under way may end when the server stops.

        Raises:
            PortTaken: the address is in use or not this machine's.
        """
        self.socket = inherited or _listen(host, port)
        address = self.socket.getsockname()
        self.port: int = address[1]
        self._address: str = address[0]
        self._application = application
        self._grace = grace
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._server = _Server(
            uvicorn.Config(
                self._serve_request,
                http=_Protocol,
                ws="none",
                loop="asyncio",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                headers=[("Server", "facedex")],
                backlog=_BACKLOG,
                timeout_keep_alive=int(IDLE),
                timeout_graceful_shutdown=grace,
                h11_max_incomplete_event_size=_MOST_HEAD,
            )
        )
        self._server.shares = shares
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve()), name="listener", daemon=True
        )

    @property
    def url(self) -> str:
        """Where clients on this machine find it."""
        address = self._address
        if ip_address(address).is_unspecified:
            address = "::1" if ":" in address else "127.0.0.1"
        host = f"[{address}]" if ":" in address else address
        return f"http://{host}:{self.port}"

    def start(self) -> None:
        """Serve until ``stop``."""
        self._thread.start()

    def stop(self) -> None:
        """Let running requests end, for a few seconds, and close every connection."""
        self._server.should_exit = True
        shutdown.join(self._thread, seconds=self._grace + shutdown.PATIENCE)
        self.release()

    def release(self) -> None:
        """Give the port back; enough where ``start`` was never called."""
        # A thread that still runs is abandoned: whatever it waits for may never come.
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.socket.close()

    async def _serve(self) -> None:
        await self._server.serve(sockets=[self.socket])
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # in which the loop closes them

    async def _serve_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(environ_of(scope, self._address), receive, send, self._threads)
        try:
            await self._application(exchange)
        except Disconnected:
            message = "The body of the request did not come."
            await _give_up(exchange, HTTPStatus.REQUEST_TIMEOUT, "RequestTimeoutException", message)
        except asyncio.CancelledError:
            return  # the server stops, and uvicorn closes the connection
        except Exception:
            _logger.exception("A request could not be answered.")
            message = "The server failed at this request; its log says where."
            await _give_up(
                exchange, HTTPStatus.INTERNAL_SERVER_ERROR, "InternalServerError", message
            )


async def _give_up(exchange: Exchange, status: HTTPStatus, code: str, message: str) -> None:
    """Refuse a request, unless its response has begun: that one is cut off."""
    if not exchange.status:
        await exchange.answer(refuse(exchange.environ, status, code, message), close=True)


class _Server(uvicorn.Server):
    """uvicorn's server, which may share its socket with other processes.

    The process with the fewest connections waits least before it accepts the next one. Without
    that, the same one would be first each time while all are idle.
    """

    accepting: asyncio.Task[None] | None = None
    shares = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if not (self.shares and sockets):
            await super().startup(sockets)
            return
        await self.lifespan.startup()
        self.servers = []
        self.accepting = asyncio.ensure_future(self._accept(sockets[0]))
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.accepting:
            self.accepting.cancel()
        await super().shutdown(sockets)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        listening.setblocking(False)

        def make_protocol() -> asyncio.Protocol:
            return _Protocol(self.config, self.server_state, self.lifespan.state, loop)

        while True:
            await _readable(loop, listening)
            connections = len(self.server_state.connections)
            await asyncio.sleep(_DELAY * min(connections, _MOST_DELAYS))
            try:
                connection, _ = listening.accept()
            except (BlockingIOError, ConnectionError):
                continue  # another process has it, or its client has gone
            except OSError:
                _logger.warning("A connection cannot be accepted: too many are open.")
                await asyncio.sleep(1)
                continue
            connection.setblocking(False)
            await loop.connect_accepted_socket(make_protocol, connection)


async def _readable(loop: asyncio.AbstractEventLoop, listening: socket.socket) -> None:
    arrived: asyncio.Future[None] = loop.create_future()

    def notice() -> None:
        if not arrived.done():
            arrived.set_result(None)

    loop.add_reader(listening, notice)
    try:
        await arrived
    finally:
        loop.remove_reader(listening)


class _Protocol(H11Protocol):
    """One connection, closed when its client has been silent or has read nothing for too long.

    uvicorn itself waits without limit for a request's head, and for a client to read its answer.
    """

    _heard = 0.0
    _silence: asyncio.TimerHandle | None = None
    _congestion: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._heard = self.loop.time()
        self._silence = self.loop.call_later(IDLE, self._close_if_silent)

    def data_received(self, data: bytes) -> None:
        self._heard = self.loop.time()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._silence, self._congestion):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._congestion = self.loop.call_later(IDLE, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._congestion:
            self._congestion.cancel()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP with an error that SDKs understand."""
        _logger.debug("%s", msg)
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        message = "The request is not HTTP/1.1, or the length or coding of its body is broken."
        body = json.dumps({"__type": "SerializationException", "Message": message}).encode()
        headers = [
            ("Content-Type", JSON_1_1),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        status = HTTPStatus.BAD_REQUEST
        for event in (
            h11.Response(status_code=status, headers=headers, reason=status.phrase.encode()),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _close_if_silent(self) -> None:
        waits = self.cycle is None or self.cycle.response_complete
        left = self._heard + IDLE - self.loop.time()
        if waits and left <= 0:
            self.transport.abort()
        else:
            self._silence = self.loop.call_later(max(left, 1.0), self._close_if_silent)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            if port and os.name != "nt":
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Inherited by every connection: without it an answer's second packet would wait
            # for the client's delayed acknowledgement, about 40 ms.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError:
            listening.close()
            raise
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PortTaken(
            f"Port {port} on {host} cannot be used ({reason.lower()}); "
            "choose another with --port, or any free one with --port 0."
        ) from None
    return listening
