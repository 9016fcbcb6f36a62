"""Requests that last: media that comes in or goes out for hours, beside a pool of few threads."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from typing import Any, Final

from cheroot.server import HTTPConnection

from facedex_local.http import bodies

# In a request's environ: a ``Lasting``.
LASTING: Final = "facedex.lasting"
_MOST: Final = 128  # on one listener; each is a thread
_GRACE: Final = 1.0  # seconds in which they may end by themselves when the server stops
_LINGER: Final = 2.0  # seconds in which a client may read the answer before the connection goes


class LastingRequests:
    """Those of one server: each gives the pool a thread for the one that it keeps.

    Args:
        server: cheroot's; its pool of threads is ``server.requests``.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self._changed = threading.Condition()
        self._connections: set[HTTPConnection] = set()
        self._ending = False

    def enter(self, connection: HTTPConnection) -> bool:
        """Take one in; whether there is room for it."""
        with self._changed:
            if self._ending or len(self._connections) >= _MOST:
                return False
            self._connections.add(connection)
            self._server.requests.grow(1)
            return True

    def leave(self, connection: HTTPConnection) -> None:
        """Take the thread back from the pool."""
        with self._changed:
            self._connections.discard(connection)
            if not self._ending:
                self._server.requests.shrink(1)
            self._changed.notify_all()

    def end(self) -> None:
        """Let them end, and cut off those that do not."""
        with self._changed:
            self._ending = True
            self._changed.wait_for(lambda: not self._connections, _GRACE)
            for connection in self._connections:
                _shut(connection.socket, socket.SHUT_RDWR)


class Lasting:
    """A request's own way to last, and to read its body as it comes.

    Attributes:
        begun: whether it lasts.
        closing: whether its connection is closed behind its answer.

    Args:
        request: cheroot's.
        others: those of its server.
    """

    def __init__(self, request: Any, others: LastingRequests) -> None:
        self.begun = False
        self.closing = False
        self._request = request
        self._others = others

    def begin(self) -> bool:
        """From now on the request may take any time; whether there is room for it.

        The connection is closed behind it.
        """
        if not self.begun and self._others.enter(self._request.conn):
            self.begun = True
            self.hang_up()
        return self.begun

    def hang_up(self) -> None:
        """Close the connection behind the answer, and do not wait for the rest of the body."""
        self.closing = True
        self._request.close_connection = True

    def arrived(self, seconds: float) -> bool:
        """Whether more of the body, or its end, has come; waits for it that long."""
        if not self._unread() or self._request.conn.rfile.has_data():
            return True
        return _readable(self._request.conn.socket, seconds)

    def read(self) -> bytes:
        """What has come of the body; nothing at its end.

        Raises:
            MalformedBody: it is broken off, or its coding is broken.
            OSError: the connection is.
        """
        body = self._request.rfile
        if isinstance(body, bodies.Chunks):
            return body.read_some()
        if not body.remaining:
            return b""
        piece: bytes = body.rfile.read1(min(body.remaining, bodies.PIECE))
        body.remaining -= len(piece)
        if not piece:
            raise bodies.MalformedBody("The body ends before its length.")
        return piece

    def left(self) -> bool:
        """Whether the client has gone."""
        connection = self._request.conn
        if connection.rfile.has_data() or not _readable(connection.socket, 0):
            return False
        try:
            return not connection.socket.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def finish(self) -> None:
        """End it, once its answer is complete."""
        try:
            self._linger()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """End it, its answer cut off."""
        if self.begun:
            self._others.leave(self._request.conn)

    def _linger(self) -> None:
        """Read on for a moment: unread bytes at its end would take the answer with them."""
        connection = self._request.conn.socket
        end = time.monotonic() + _LINGER
        if not self._unread():
            return
        _shut(connection, socket.SHUT_WR)
        try:
            while (left := end - time.monotonic()) > 0:
                connection.settimeout(left)
                if not connection.recv(bodies.PIECE):
                    return
        except OSError:
            return

    def _unread(self) -> bool:
        """Whether more of the body has to come."""
        body: Any = self._request.rfile
        if isinstance(body, bodies.Chunks):
            return not body.closed
        return bool(body.remaining > 0)


def _readable(connection: socket.socket, seconds: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        return bool(selector.select(seconds))


def _shut(connection: socket.socket, how: int) -> None:
    try:
        connection.shutdown(how)
    except OSError:
        return
