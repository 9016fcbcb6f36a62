"""The HTTP server: cheroot, with what SDKs expect of a keep-alive connection."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes

from cheroot import wsgi
from cheroot.server import HTTPConnection, HTTPRequest

from facedex_local import shutdown
from facedex_local.errors import PortTaken
from facedex_local.http import bodies
from facedex_local.http.bodies import Chunks
from facedex_local.http.gateway import raw_path
from facedex_local.http.long_requests import LASTING, Lasting, LastingRequests
from facedex_local.http.threads import Threads

Application: TypeAlias = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Header names as they were sent, for those that WSGI cannot tell apart ("_" and "-").
HEADER_NAMES: Final = "facedex.header_names"
# The address that the request came in on.
LISTENING: Final = "facedex.listening"
_BACKLOG: Final = 256
_IDLE: Final = 65  # seconds; longer than the 60 s for which SDKs keep idle connections


class Listener:
    """A WSGI application served on an address, in threads of its own.

    The port is taken when the object is made, so that a taken one is known at once; requests
    that arrive before ``start`` wait.
    """

    def __init__(self, application: Application, *, host: str, port: int, threads: int) -> None:
        """Listen on ``host`` and ``port`` (0 for any free one).

        Raises:
            PortTaken: the address is in use or not this machine's.
        """
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._server = _Server(self._socket, application, threads)
        self._thread = threading.Thread(target=self._serve, name="listener", daemon=True)

    @property
    def url(self) -> str:
        """Where clients on this machine find it."""
        address = self._socket.getsockname()[0]
        if ip_address(address).is_unspecified:
            address = "::1" if ":" in address else "127.0.0.1"
        host = f"[{address}]" if ":" in address else address
        return f"http://{host}:{self.port}"

    def start(self) -> None:
        """Serve until ``stop``."""
        self._server.prepare()
        self._thread.start()

    def stop(self) -> None:
        """Let running requests end, for a few seconds, and close every connection."""
        self._server.lasting.end()
        self._server.stop()
        shutdown.join(self._thread)
        self.release()

    def release(self) -> None:
        """Give the port back; enough where ``start`` was never called."""
        self._socket.close()

    def _serve(self) -> None:
        self._server.serve()


class _Request(HTTPRequest):
    malformed_length: bytes | None = None
    lasting: Lasting | None = None

    def header_reader(self, source: Any, headers: dict[bytes, bytes]) -> None:
        """Read the headers, and keep from cheroot a length that it would misread.

        It would read -1 as all that ever comes. The application hears of it, and has no body.
        """
        HTTPRequest.header_reader(source, headers)
        declared = headers.get(b"Content-Length", b"0")
        try:
            bodies.read_length(declared.decode("latin-1"))
        except bodies.MalformedBody:
            headers[b"Content-Length"] = b"0"
            self.malformed_length = declared

    def send_headers(self) -> None:
        if self.malformed_length is not None:
            # Nobody knows where the next request begins.
            self.close_connection = True
        if not self.chunked_read and not self._hangs_up():
            self._drop_body()
        with self.conn.wfile.holding():
            super().send_headers()

    def respond(self) -> None:
        try:
            super().respond()
            self.conn.wfile.flush()  # where no body came that would have taken the headers along
        except BaseException:
            if self.lasting:
                self.lasting.abandon()
            raise
        if self._hangs_up():
            assert self.lasting
            self.lasting.finish()
            return
        # Left in the stream it would be taken for the start of the next request.
        if self.chunked_read and not self.rfile.finish():
            self.close_connection = True

    def _hangs_up(self) -> bool:
        return self.lasting is not None and self.lasting.closing

    def _drop_body(self) -> None:
        """Read what the application left of the body, which cheroot would hold as a whole."""
        left = bodies.DISCARDED
        while left > 0 and (piece := self.rfile.read(1 << 16)):
            left -= len(piece)
        if self.rfile.remaining:
            self.close_connection = True


class _Writer:
    """What goes to the client, the headers in one packet with what comes behind them."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._holds = False
        self._held = b""

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Keep what is written, until something is written later."""
        self._holds = True
        try:
            yield
        finally:
            self._holds = False

    def write(self, data: bytes) -> None:
        """Send what has been kept, and this."""
        if self._holds:
            self._held += data
            return
        held, self._held = self._held, b""
        self._stream.write(held + data)

    def flush(self) -> None:
        """Send what has been kept."""
        if self._held:
            self.write(b"")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Connection(HTTPConnection):
    RequestHandlerClass = _Request

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.wfile = _Writer(self.wfile)


class _Gateway(wsgi.Gateway_10):
    # cheroot's stubs say that it returns nothing.
    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]
        if self.req.chunked_read:
            self.req.rfile = Chunks(self.req.conn.rfile)
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        # Cheroot leaves "%2F" encoded; WSGI wants the path decoded as a whole.
        environ["PATH_INFO"] = unquote_to_bytes(raw_path(environ)).decode("latin-1")
        environ["RAW_URI"] = environ["REQUEST_URI"]
        if self.req.malformed_length is not None:
            environ["CONTENT_LENGTH"] = self.req.malformed_length.decode("latin-1")
        environ[LISTENING] = self.req.server.bind_addr[0]
        self.req.lasting = Lasting(self.req, self.req.server.lasting)
        environ[LASTING] = self.req.lasting
        environ[HEADER_NAMES] = [name.decode("latin-1") for name in self.req.inheaders]
        return environ


class _Server(wsgi.Server):
    ConnectionClass = _Connection
    keep_alive_conn_limit = 1000
    expiration_interval = 0.1  # seconds; also how long a stop waits for the loop
    max_request_header_size = 64 * 1024

    def __init__(self, listening: socket.socket, application: Application, threads: int) -> None:
        super().__init__(
            listening.getsockname()[:2],
            application,
            numthreads=threads,
            server_name="facedex",
            request_queue_size=_BACKLOG,
            timeout=_IDLE,
            shutdown_timeout=5,
        )
        self.requests = Threads(self, min=threads)
        self.gateway = _Gateway
        self.lasting = LastingRequests(self)
        self._listening = listening

    def bind(self, *_address: int) -> socket.socket:
        self.socket = self._listening
        return self._listening

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        # Clients that go away are nobody's error; the application answers for its own.
        if traceback or level >= 40:
            super().error_log(msg, level, traceback)


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
