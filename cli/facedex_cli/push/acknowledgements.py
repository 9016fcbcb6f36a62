"""The answer to PutMedia, read while media is still being sent: JSON lines in an HTTP response."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import h11

_LARGEST: Final = 1 << 20  # bytes of a line


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
    """The response to one request, as it comes.

    Args:
        connection: that of the request, whose head has been sent.

    Attributes:
        status: its status, None until that is there.
        over: whether nothing more comes.
    """

    def __init__(self, connection: h11.Connection) -> None:
        self.status: int | None = None
        self.over = False
        self._connection = connection
        self._text = b""

    def feed(self, data: bytes) -> Iterator[Acknowledgement]:
        """Read bytes as they come; no bytes mean that the connection has ended.

        Raises:
            ValueError: that is no HTTP response, or no acknowledgement.
        """
        self._text += self._read_body(data)
        if len(self._text) > _LARGEST:
            raise ValueError("The answer's lines have no end.")
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

    def _read_body(self, data: bytes) -> bytes:
        """Return what there is of the body in the bytes that have come."""
        body = b""
        try:
            self._connection.receive_data(data)
            while (event := self._connection.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Response):
                    self.status = event.status_code
                elif isinstance(event, h11.Data):
                    body += event.data
                elif not isinstance(event, h11.InformationalResponse):
                    self.over = True  # its end, or that of the connection
                    break
        except h11.RemoteProtocolError as error:
            if data or self.status is None:
                raise ValueError(f"The answer is not HTTP: {error}") from None
            self.over = True  # the connection was cut off within the answer
        return body


def _read(line: bytes) -> Acknowledgement:
    said: Any = json.loads(line)
    said = said.get("Acknowledgement", said)
    code, number = said.get("ErrorCode", ""), said.get("ErrorId", "")
    error = f"{code} ({number})" if code and number else str(code or number)
    return Acknowledgement(
        str(said.get("EventType", "")), str(said.get("FragmentNumber", "")), error
    )
