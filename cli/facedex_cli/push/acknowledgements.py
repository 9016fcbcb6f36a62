"""The answer to PutMedia, read while media is still being sent: HTTP's frame, then JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_LARGEST: Final = 1 << 20  # bytes of a head, of a line
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What the service says of a fragment.

    Attributes:
        event: BUFFERING, RECEIVED, PERSISTED, ERROR or IDLE.
        number: of the fragment; empty where it is about none.
        error: name and number of an error, or empty.
    """

    event: str
    number: str = ""
    error: str = ""


class Answer:
    """An HTTP response in the making.

    Attributes:
        status: its status, None until that is there.
        over: whether nothing more comes.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.over = False
        self._chunked = False
        self._left: int | None = None
        self._raw = b""
        self._text = b""

    def feed(self, data: bytes) -> Iterator[Acknowledgement]:
        """Take bytes as they come; no bytes mean that the connection has ended.

        Raises:
            ValueError: that is no HTTP response.
        """
        self.over = self.over or not data
        self._raw += data
        if len(self._raw) > _LARGEST or len(self._text) > _LARGEST:
            raise ValueError("The answer's lines have no end.")
        if self.status is None and not self._open():
            return
        self._unwrap()
        if self.status != 200:
            return
        *lines, self._text = self._text.split(b"\n")
        yield from (_read(line) for line in lines if line.strip())

    @property
    def refusal(self) -> str:
        """What the service says where it refuses the request."""
        try:
            said = json.loads(self._text)
            return str(said.get("Message") or said.get("message"))
        except (ValueError, AttributeError):
            return f"HTTP status {self.status}"

    def _open(self) -> bool:
        """Read the head; whether it was there."""
        head, separator, rest = self._raw.partition(b"\r\n\r\n")
        if not separator:
            return False
        status = _STATUS.match(head)
        if not status:
            raise ValueError("The answer is not HTTP.")
        self._raw = rest
        if status[1] == b"100":
            return self._open()
        self.status = int(status[1])
        fields = head.lower().split(b"\r\n")[1:]
        headers = dict(field.split(b":", 1) for field in fields if b":" in field)
        self._chunked = b"chunked" in headers.get(b"transfer-encoding", b"")
        length = headers.get(b"content-length", b"").strip()
        self._left = int(length) if length.isdigit() else None
        return True

    def _unwrap(self) -> None:
        if not self._chunked:
            self._text += self._raw
            if self._left is not None:
                self._left -= len(self._raw)
                self.over = self.over or self._left <= 0
            self._raw = b""
            return
        while True:
            line, separator, rest = self._raw.partition(b"\r\n")
            if not separator:
                return
            size = int(line.split(b";")[0], 16)
            if len(rest) < size + 2:
                return
            self._text += rest[:size]
            self._raw = rest[size + 2 :]
            if not size:
                self.over = True
                return


def _read(line: bytes) -> Acknowledgement:
    said: Any = json.loads(line)
    said = said.get("Acknowledgement", said)
    code, number = said.get("ErrorCode", ""), said.get("ErrorId", "")
    error = f"{code} ({number})" if code and number else str(code or number)
    return Acknowledgement(
        str(said.get("EventType", "")), str(said.get("FragmentNumber", "")), error
    )
