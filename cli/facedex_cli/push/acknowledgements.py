"""PutMedia's response, JSON lines that arrive while media is still being sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import h11

_MAX_LINE: Final = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """An acknowledgement of a fragment by the service.

    Attributes:
        event: BUFFERING, RECEIVED, PERSISTED, ERROR or IDLE.
        number: the fragment's number, empty if the event does not concern a fragment.
        error: name and number of an error, or empty.
    """

    event: str
    number: str = ""
    error: str = ""


class Answer:
    """The response to one request, read piece by piece.

    Args:
        connection: the request's connection; the request's head has been sent.

    Attributes:
        status: the response's status, None until its head has arrived.
        over: whether the response has ended.
    """

    def __init__(self, connection: h11.Connection) -> None:
        self.status: int | None = None
        self.over = False
        self._connection = connection
        self._text = b""

    def feed(self, data: bytes) -> Iterator[Acknowledgement]:
        """Parse received bytes; no bytes mean that the connection has ended.

        Raises:
            ValueError: if the bytes are not an HTTP response or not an acknowledgement.
        """
        self._text += self._read_body(data)
        if len(self._text) > _MAX_LINE:
            raise ValueError(f"A line of the response has more than {_MAX_LINE} bytes.")
        if self.status != 200:
            return
        *lines, self._text = self._text.split(b"\n")
        yield from (_read(line) for line in lines if line.strip())

    @property
    def refusal(self) -> str:
        """The service's error message, if it rejects the request."""
        try:
            error = json.loads(self._text)
            return str(error.get("Message") or error.get("message"))
        except (ValueError, AttributeError):
            return f"HTTP status {self.status}"

    def _read_body(self, data: bytes) -> bytes:
        """Return the part of the body that the received bytes contain."""
        body = b""
        try:
            self._connection.receive_data(data)
            while (event := self._connection.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Response):
                    self.status = event.status_code
                elif isinstance(event, h11.Data):
                    body += event.data
                elif not isinstance(event, h11.InformationalResponse):
                    self.over = True  # the end of the response or of the connection
                    break
        except h11.RemoteProtocolError as error:
            if data or self.status is None:
                raise ValueError(f"The response is not HTTP: {error}") from None
            self.over = True  # the connection was cut off within the response
        return body


def _read(line: bytes) -> Acknowledgement:
    parsed: Any = json.loads(line)
    fields = parsed.get("Acknowledgement", parsed)
    code, number = fields.get("ErrorCode", ""), fields.get("ErrorId", "")
    error = f"{code} ({number})" if code and number else str(code or number)
    return Acknowledgement(
        str(fields.get("EventType", "")), str(fields.get("FragmentNumber", "")), error
    )
