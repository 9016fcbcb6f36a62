"""The framing of requests as RFC 9112 defines it, with limits; everything else is refused.

h11 accepts some requests that another server, in front of this one, might split differently: a body
with two lengths, lines that end with LF alone, or folded lines. An attacker can use such a request
to hide another one in it ("request smuggling").
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

import h11
from h11._receivebuffer import ReceiveBuffer

_MAX_HEAD: Final = 64 * 1024  # bytes of a request's head, and of the trailers of a body
_MAX_FIELDS: Final = 256  # headers of a request
_MAX_CHUNK_LINE: Final = 1024  # bytes of the line before a chunk
_SIZE: Final = 16  # bytes of such a line that count as a size; the others are extensions
_MAX_EXTENSIONS: Final = 16 * 1024  # bytes of the extensions of all chunks of a body

_LEGAL: Final = bytes({*range(0x20, 0x100), *b"\t\r\n"} - {0x7F})  # in the lines of a head
# CR without LF, LF without CR, folded lines, and control characters.
_FORBIDDEN: Final = re.compile(rb"\r(?!\n|\Z)|(?<!\r)\n|\r\n[ \t]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NAME: Final = rb"(?:[\w.~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?"
_HOST: Final = re.compile(_NAME, re.ASCII)
# A path, or an address with a host, as clients send it to a proxy.
_TARGET: Final = re.compile(rb"(?:https?://" + _NAME + rb")?(?:/.*)?", re.ASCII | re.IGNORECASE)


class Malformed(h11.RemoteProtocolError):
    """A request that the server refuses; the message is one sentence."""


class Connection(h11.Connection):
    """The server's side of a connection whose requests have one possible meaning.

    Attributes:
        method: the method of the last request.
    """

    def __init__(self) -> None:
        super().__init__(h11.SERVER, _MAX_HEAD)
        self.method = b""
        self._receive_buffer = _Lines()

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next part of a request.

        Raises:
            h11.RemoteProtocolError: if it is refused; the connection must be closed.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            self.method = event.method
            _check(event)
        return event


class _Lines(ReceiveBuffer):
    """Bytes that have arrived, as lines that end with CRLF."""

    def __init__(self) -> None:
        super().__init__()
        self._checked = 0
        self._extensions = 0

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """Return the lines before the first empty one, or None if that has not arrived."""
        self._extensions = 0
        if self._data.startswith(b"\r\n"):
            self._extract(2)
            return []
        found = self._data.find(b"\r\n\r\n", max(0, self._checked - 3))
        end = len(self._data) if found < 0 else found + 4
        if end > _MAX_HEAD:
            raise _too_large(f"The headers of a request may have {_MAX_HEAD} bytes.")
        if not self._well_formed(end, complete=found >= 0):
            raise Malformed(
                "The lines of a request must end with CR and LF, and contain no other control"
                " characters; a line may not begin with a space."
            )
        self._checked = end
        if found < 0:
            return None
        self._checked = 0
        lines = self._extract(end)[:-4].split(b"\r\n")
        if len(lines) > _MAX_FIELDS:
            raise _too_large(f"A request may have {_MAX_FIELDS} headers.")
        return lines

    def _well_formed(self, end: int, *, complete: bool) -> bool:
        if not complete:
            return not _FORBIDDEN.search(self._data, max(0, self._checked - 2), end)
        # The same as the expression, and several times faster.
        head = self._data[:end]
        breaks = head.count(b"\r\n")
        return (
            breaks == head.count(b"\n") == head.count(b"\r")
            and b"\r\n " not in head
            and b"\r\n\t" not in head
            and not head.translate(None, _LEGAL)
        )

    def maybe_extract_next_line(self) -> bytearray | None:
        """Return the line before a chunk, or None if it has not arrived."""
        found = self._data.find(b"\r\n")
        end = len(self._data) if found < 0 else found
        line = self._data[: min(end, _MAX_CHUNK_LINE + 1)]
        # The CR at the end of what has arrived may be followed by LF.
        stray = line.rstrip(b"\r") if found < 0 else line
        self._extensions += max(0, found - _SIZE)
        if b"\r" in stray or b"\n" in stray:
            raise Malformed("The line before a chunk of the body must end with CR and LF.")
        if end > _MAX_CHUNK_LINE or self._extensions > _MAX_EXTENSIONS:
            raise Malformed("The extensions of the body's chunks are too long.")
        return None if found < 0 else self._extract(found + 2)


def _check(request: h11.Request) -> None:
    values = dict(request.headers)
    if not request.http_version.startswith(b"1."):
        hint = HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
        raise Malformed("This server speaks HTTP/1.1.", error_status_hint=hint)
    if b"transfer-encoding" in values:
        if b"content-length" in values:
            raise Malformed("A request has either Content-Length or Transfer-Encoding, not both.")
        if request.http_version == b"1.0":
            raise Malformed("A request of HTTP/1.0 has no Transfer-Encoding.")
    path, _, _ = request.target.partition(b"?")
    everything = path == b"*" and request.method == b"OPTIONS"
    if not path or not (everything or _TARGET.fullmatch(path)):
        raise Malformed("The target of a request must be a path or the address of this server.")
    if not _HOST.fullmatch(values.get(b"host", b"")):
        raise Malformed("The header Host is not the name of a host.")


def _too_large(message: str) -> Malformed:
    hint = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return Malformed(message, error_status_hint=hint)
