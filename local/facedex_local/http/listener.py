"""The HTTP server: uvicorn in its own thread, with limits on slow and idle clients."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final, TypeAlias

import uvicorn

from facedex_local import shutdown
from facedex_local.http.environs import Scope, environ_of
from facedex_local.http.exchange import IDLE, Disconnected, Exchange, Receive, Send
from facedex_local.http.protocol import Protocol
from facedex_local.http.refusals import refuse
from facedex_local.start_errors import PortTaken

Application: TypeAlias = Callable[[Exchange], Awaitable[None]]

_BACKLOG: Final = 256
# Errors of an address that is not one of this machine's, or not known.
_NOT_HERE: Final = (errno.EADDRNOTAVAIL, socket.EAI_NONAME, socket.EAI_AGAIN)
# Where processes share a socket: seconds that a process waits before it accepts a connection, for
# each connection that it already has, up to _MAX_DELAYS.
_DELAY: Final = 0.001
_MAX_DELAYS: Final = 20
_GRACE: Final = 5  # seconds in which running requests may end when the server stops

_logger: Final = logging.getLogger("facedex")
# Silences uvicorn's log, which reports invalid requests and requests that a stop cuts off. Errors
# of this server are logged in this module.
logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


class Listener:
    """A server for one application on one address, with its own event loop and threads.

    The constructor binds the port, so that a port in use is reported at once. Requests that arrive
    before ``start`` wait.
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
            threads: the maximum number of threads for requests.
            host: the address to listen on.
            port: the port to listen on.
            inherited: a listening socket to use instead of a new one.
            shares: whether other processes also accept connections from the socket.
            grace: seconds in which running requests may end when the server stops.

        Raises:
            PortTaken: if the address is in use or does not belong to this machine.
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
                http=Protocol,
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
            )
        )
        self._server.shares = shares
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve()), name="listener", daemon=True
        )

    @property
    def url(self) -> str:
        """The server's address for clients on this machine."""
        address = self._address
        if ip_address(address).is_unspecified:
            address = "::1" if ":" in address else "127.0.0.1"
        host = f"[{address}]" if ":" in address else address
        return f"http://{host}:{self.port}"

    def start(self) -> None:
        """Serve until ``stop``."""
        self._thread.start()

    def stop(self) -> None:
        """Wait a few seconds for running requests, then close every connection."""
        self._server.should_exit = True
        shutdown.join(self._thread, seconds=self._grace + shutdown.PATIENCE)
        self.release()

    def release(self) -> None:
        """Close the port; without ``start``, this is the only clean-up needed."""
        # A thread that is still running is abandoned, because it may wait without limit.
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.socket.close()

    async def _serve(self) -> None:
        await self._server.serve(sockets=[self.socket])
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # lets the event loop close the connections

    async def _serve_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(
            environ_of(scope, self._address),
            receive,
            send,
            self._threads,
            lambda: self._server.should_exit,
        )
        try:
            await self._application(exchange)
        except Disconnected:
            message = "The body of the request did not arrive."
            await _abort(exchange, HTTPStatus.REQUEST_TIMEOUT, "RequestTimeoutException", message)
        except asyncio.CancelledError:
            return  # the server is stopping, and uvicorn closes the connection
        except Exception:
            _logger.exception("A request could not be answered.")
            message = "The server could not process this request; see its log."
            await _abort(exchange, HTTPStatus.INTERNAL_SERVER_ERROR, "InternalServerError", message)


async def _abort(exchange: Exchange, status: HTTPStatus, code: str, message: str) -> None:
    """Send an error, unless the response has started; that response is cut off."""
    if not exchange.status:
        await exchange.answer(refuse(exchange.environ, status, code, message), close=True)


class _Server(uvicorn.Server):
    """uvicorn's server with support for a socket that several processes share.

    The process with the fewest connections waits the shortest time before it accepts the next
    connection. Without the wait, one idle process would accept most of the connections.
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
            return Protocol(self.config, self.server_state, self.lifespan.state, loop)

        while True:
            await _wait_for_connection(loop, listening)
            connections = len(self.server_state.connections)
            await asyncio.sleep(_DELAY * min(connections, _MAX_DELAYS))
            try:
                connection, _ = listening.accept()
            except (BlockingIOError, ConnectionError):
                continue  # another process accepted the connection, or its client has closed it
            except OSError:
                _logger.warning("Cannot accept a connection: too many connections are open.")
                await asyncio.sleep(1)
                continue
            connection.setblocking(False)
            await loop.connect_accepted_socket(make_protocol, connection)


async def _wait_for_connection(loop: asyncio.AbstractEventLoop, listening: socket.socket) -> None:
    arrived: asyncio.Future[None] = loop.create_future()

    def set_arrived() -> None:
        if not arrived.done():
            arrived.set_result(None)

    loop.add_reader(listening, set_arrived)
    try:
        await arrived
    finally:
        loop.remove_reader(listening)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            if port and os.name != "nt":
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Every connection inherits this option. Without it, a response's second packet would
            # wait about 40 ms for the client's delayed acknowledgement.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError:
            listening.close()
            raise
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        remedy = "another with --port, or any free one with --port 0"
        if isinstance(error, OSError) and error.errno in _NOT_HERE:
            remedy = "an address of this machine with --host"
        raise PortTaken(
            f"Port {port} on {host} cannot be used ({reason.lower()}); choose {remedy}."
        ) from None
    return listening
