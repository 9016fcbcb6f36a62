"""Bodies of requests: how long they are said to be, and chunked ones read a piece at a time."""

from __future__ import annotations

import re
from typing import Any, Final

from cheroot.server import ChunkedRFile

# What is read and thrown away of a body that nobody wants, so that its sender comes to read the
# answer.
DISCARDED: Final = 256 * 1024 * 1024
# Most bytes that are read at once.
PIECE: Final = 64 * 1024
_LINE: Final = 8 * 1024  # bytes of a chunk's first line, or of a trailer's
_TRAILERS: Final = 100
# Long enough for any body, short enough for int().
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_CHUNK: Final = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?\r?\n")


class MalformedBody(ValueError):
    """The body's length or coding is not what HTTP says it is; the message is one sentence."""


def read_length(declared: str) -> int:
    """The number of bytes in a ``Content-Length`` header, 0 where there is none.

    Raises:
        MalformedBody: it is not a decimal number.
    """
    if not declared:
        return 0
    if not _LENGTH.fullmatch(declared):
        raise MalformedBody("Content-Length must be a decimal number of bytes.")
    return int(declared)


class Chunks(ChunkedRFile):
    """The stream of a chunked body.

    Cheroot's own holds a chunk as a whole, whatever size its sender gives it; this one holds a
    piece of it.
    """

    def __init__(self, source: Any) -> None:
        """Read from ``source``, which is at the first chunk's size."""
        super().__init__(source, 0)
        self._left = 0  # of the chunk that is being read
        self._broken = False

    def read(self, size: int | None = None) -> bytes:
        """At most ``size`` bytes, or all there are.

        Raises:
            MalformedBody: the coding is broken.
        """
        pieces: list[bytes] = []
        left = None if size is None or size < 0 else size
        while left is None or left > 0:
            if not self.buffer:
                self._fetch()
            if not self.buffer:
                break
            piece = self.buffer[:left]
            self.buffer = self.buffer[len(piece) :]
            pieces.append(piece)
            left = None if left is None else left - len(piece)
        return b"".join(pieces)

    def read_within(self, limit: int) -> bytes | None:
        """The whole body, or None as soon as it is known to have more than ``limit`` bytes.

        Raises:
            MalformedBody: the coding is broken.
        """
        pieces: list[bytes] = []
        held = 0
        while True:
            self._open_chunk()
            if held + self._left > limit:
                return None
            self._fetch()
            if not self.buffer:
                return b"".join(pieces)
            held += len(self.buffer)
            pieces.append(self.buffer)
            self.buffer = b""

    def read_some(self) -> bytes:
        """What has come, as soon as anything has; nothing at the body's end.

        Raises:
            MalformedBody: the coding is broken.
        """
        if not self.buffer:
            self._fetch(whole=False)
        piece: bytes = self.buffer
        self.buffer = b""
        return piece

    def finish(self) -> bool:
        """Read what was left over, down to the last line of the body's end.

        Returns:
            Whether that was reached, so that the next request begins there.
        """
        left = DISCARDED
        try:
            while not self._broken and left > 0 and (piece := self.read(PIECE)):
                left -= len(piece)
            return self.closed and self._skip_trailers()
        except MalformedBody:
            return False

    def _fetch(self, *, whole: bool = True) -> None:
        """Put the next piece into the empty buffer; nothing at the body's end.

        Args:
            whole: whether to wait until a piece is full.
        """
        self._open_chunk()
        if self.closed:
            return
        read = self.rfile.read if whole else self.rfile.read1
        self.buffer = read(min(self._left, PIECE))
        self._left -= len(self.buffer)
        if not self.buffer or (not self._left and self.rfile.read(2) != b"\r\n"):
            raise self._fault("A chunk of the body does not end where its size says.")

    def _open_chunk(self) -> None:
        """Read the size of the next chunk, unless one is being read."""
        if self.closed or self._left:
            return
        found = _CHUNK.fullmatch(self.rfile.readline(_LINE))
        if not found:
            raise self._fault("A chunk of the body does not begin with its size in hexadecimal.")
        self._left = int(found[1], 16)
        self.closed = self._left == 0

    def _fault(self, message: str) -> MalformedBody:
        self._broken = True
        self.buffer = b""
        return MalformedBody(message)

    def _skip_trailers(self) -> bool:
        for _number in range(_TRAILERS):
            line = self.rfile.readline(_LINE)
            if line in (b"\r\n", b"\n"):
                return True
            if not line.endswith(b"\n"):
                return False
        return False
