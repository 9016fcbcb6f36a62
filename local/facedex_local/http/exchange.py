"""An HTTP request and its response, for applications on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import Executor
from io import SEEK_END, BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, ParamSpec, TypeAlias, TypeVar

from facedex_local.http.gateway import Answer, Environ

# Seconds without a byte after which the server closes a connection. Longer than the 60 s for which
# SDKs keep idle connections.
IDLE: Final = 65.0
_PIECE: Final = 256 * 1024  # bytes given to the connection in one write
_IN_MEMORY: Final = 16 * 1024 * 1024  # size in bytes above which a body is kept in a file

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Disconnected(Exception):
    """The client has disconnected, or has sent nothing for too long."""


class Exchange:
    """A request and the methods that answer it.

    Args:
        environ: the request as a WSGI environment without a body.
        receive: the request's ASGI receive function.
        send: the request's ASGI send function.
        threads: runs functions that would block the event loop.
        stopping: returns whether the server is about to stop.

    Attributes:
        environ: the request as a WSGI environment without a body.
        status: the response's status, 0 until the response has started.
        on_start: called once with the status when the response starts.
        amend: returns the headers to send in place of those of the response.
        stopping: returns whether the server is about to stop, so that no request should wait.
    """

    def __init__(
        self,
        environ: Environ,
        receive: Receive,
        send: Send,
        threads: Executor,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.environ = environ
        self.status = 0
        self.on_start: Callable[[int], None] | None = None
        self.amend: Callable[[Iterable[tuple[str, str]]], Iterable[tuple[str, str]]] = iter
        self._receive = receive
        self._send = send
        self._threads = threads
        self.stopping = stopping
        self._complete = False
        self._kept: IO[bytes] | None = None

    @property
    def complete(self) -> bool:
        """True if the complete body has been read."""
        return self._complete

    async def run(
        self,
        function: Callable[Parameters, Result],
        *arguments: Parameters.args,
        **_named: Parameters.kwargs,
    ) -> Result:
        """Call a function in a thread of the server's pool."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *arguments)

    async def receive(self, seconds: float = IDLE) -> bytes | None:
        """Return the next piece of the body.

        Returns:
            The piece, empty at the end of the body, or None if no data arrived within ``seconds``.

        Raises:
            Disconnected: if the client has disconnected.
        """
        if self._kept is not None:
            return self._kept.read(_PIECE)
        if self._complete:
            return b""
        try:
            async with asyncio.timeout(seconds):
                message = await self._receive()
        except TimeoutError:
            return None
        if message["type"] == "http.disconnect":
            raise Disconnected
        self._complete = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece or await self.receive(seconds)

    async def read(self, limit: int) -> bytes | None:
        """Return the complete body, or None as soon as it proves longer than ``limit`` bytes.

        Raises:
            Disconnected: if the client has disconnected or stopped sending.
        """
        if int(self.environ.get("CONTENT_LENGTH") or 0) > limit:
            return None
        pieces: list[bytes] = []
        size = 0
        while piece := await self._receive_piece():
            size += len(piece)
            if size > limit:
                return None
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def keep(
        self, *, inspect: Callable[[bytes], None] | None = None, size: int = 0
    ) -> IO[bytes]:
        """Read the complete body and return it as a file; after ``rewind`` it can be read again.

        Args:
            inspect: called in a thread with the start of the body, before the rest is read; an
                exception ends the reading.
            size: bytes of the start, if the body has as many.

        Raises:
            Disconnected: if the client has disconnected or stopped sending.
        """
        head = b""
        if inspect:
            while len(head) < size and (piece := await self._receive_piece()):
                head += piece
            await self.run(inspect, head)
        kept = await self.spool(head)
        kept.seek(0)
        self._kept = kept
        return kept

    def put_back(self, body: bytes) -> None:
        """Make the complete body, which has been read, readable again."""
        self._kept = BytesIO(body)

    def rewind(self) -> None:
        """Continue at the start of a body that was kept or put back."""
        if self._kept is not None:
            self._kept.seek(0)

    def forget(self) -> None:
        """Discard a body that was kept."""
        if self._kept is not None:
            self._kept.close()

    async def spool(self, head: bytes = b"") -> IO[bytes]:
        """Return the complete body as a file, which is in memory unless it is large.

        The file's position is its end.

        Args:
            head: the start of the body, which has already been read.

        Raises:
            Disconnected: if the client has disconnected or stopped sending.
        """
        if self._kept is not None:
            self._kept.seek(0, SEEK_END)
            return self._kept
        file = SpooledTemporaryFile[bytes](_IN_MEMORY)
        try:
            file.write(head)
            while piece := await self._receive_piece():
                file.write(piece)
        except BaseException:
            file.close()
            raise
        return file

    async def discard(self, seconds: float) -> None:
        """Read and discard the rest of the body, for at most ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                while await self.receive():
                    pass
        except (TimeoutError, Disconnected):
            return

    async def wait_for_disconnect(self) -> None:
        """Wait until the client disconnects."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def start(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """Send the response's status line and headers."""
        self.status = status
        if self.on_start:
            self.on_start(status)
        encoded = [
            (name.lower().encode("latin-1"), value.strip().encode("latin-1", "replace"))
            for name, value in self.amend(headers)
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    async def send(self, data: bytes) -> None:
        """Send a piece of the response's body, after the client has read most earlier pieces."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, data: bytes = b"") -> None:
        """Send the last piece of the response's body."""
        for at in range(0, len(data) - _PIECE, _PIECE):
            await self.send(data[at : at + _PIECE])
        last = data[(len(data) - 1) // _PIECE * _PIECE :] if len(data) > _PIECE else data
        await self._send({"type": "http.response.body", "body": last, "more_body": False})

    async def answer(self, answer: Answer, *, close: bool = False, linger: float = IDLE) -> None:
        """Send a complete response.

        Args:
            answer: the response.
            close: whether to close the connection after the response.
            linger: seconds in which the rest of the request's body is read and discarded before
                the connection closes. If a connection is closed with unread bytes, the client may
                lose the response.
        """
        headers = [header for header in answer.headers if header[0].lower() != "content-length"]
        headers.append(("Content-Length", str(len(answer.body))))
        unread = not self._complete
        # A client that waits for "100 Continue" may or may not send the body, so its next bytes
        # could belong to the body or to another request.
        close = close or (unread and "HTTP_EXPECT" in self.environ)
        if close:
            headers.append(("Connection", "close"))
        await self.start(answer.status, headers)
        if unread and (close or self.environ.get("HTTP_CONNECTION", "").lower() == "close"):
            await self.send(answer.body)
            await self.discard(linger)
            await self.finish()
        else:
            await self.finish(answer.body)

    async def _receive_piece(self) -> bytes:
        piece = await self.receive()
        if piece is None:
            raise Disconnected
        return piece
