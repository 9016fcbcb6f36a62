"""One PutMedia request: media goes out in pieces, acknowledgements come in beside it.

boto3 does not have PutMedia, and HTTP clients read an answer only once they have sent the request;
this one lasts for hours and is answered all the while.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import h11
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from facedex_cli.push.acknowledgements import Acknowledgement, Answer
from facedex_cli.stream_errors import ServiceLost

_SERVICE: Final = "kinesisvideo"
_TIMEOUT: Final = 15.0  # seconds
_PIECE: Final = 64 * 1024


class PutMedia:
    """A session with a stream's endpoint.

    Args:
        endpoint: what GetDataEndpoint says, for PUT_MEDIA.
        stream: name of the stream.
        credentials: botocore's.
        region: that of the stream.

    Raises:
        ServiceLost: the endpoint does not answer.
    """

    def __init__(self, endpoint: str, stream: str, credentials: Any, region: str) -> None:
        self._connection = h11.Connection(h11.CLIENT)
        self._answer = Answer(self._connection)
        url = f"{endpoint.rstrip('/')}/putMedia"
        parts = urlsplit(url)
        headers = _signed(url, parts.netloc, stream, credentials, region)
        request = h11.Request(method="POST", target=parts.path, headers=list(headers.items()))
        try:
            self._socket = _connect(parts.scheme, parts.hostname or "", parts.port)
        except OSError as error:
            raise ServiceLost(f"{endpoint} does not answer ({error}).") from None
        try:
            self._write(request)
        except ServiceLost:
            self._socket.close()
            raise
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)

    def send(self, data: bytes) -> Iterator[Acknowledgement]:
        """Send a piece of media; what has come back meanwhile.

        Raises:
            ServiceLost: the session is over.
        """
        for at in range(0, len(data), _PIECE):
            piece = data[at : at + _PIECE]
            self._write(h11.Data(data=piece))
        yield from self.listen(0)

    def listen(self, seconds: float) -> Iterator[Acknowledgement]:
        """Wait for so long; what comes back meanwhile.

        Raises:
            ServiceLost: the session is over.
        """
        end = time.monotonic() + seconds
        while True:
            left = max(0.0, end - time.monotonic())
            pending = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()
            if not pending and not self._selector.select(left):
                return
            yield from self._read()
            if self._answer.over:
                raise ServiceLost(self._farewell())

    def finish(self) -> Iterator[Acknowledgement]:
        """End the request, and wait for the last acknowledgements.

        Raises:
            ServiceLost: they do not come.
        """
        self._write(h11.EndOfMessage())
        end = time.monotonic() + _TIMEOUT
        while not self._answer.over:
            if not self._selector.select(max(0.0, end - time.monotonic())):
                raise ServiceLost("The service does not acknowledge the last fragments.")
            yield from self._read()
        if self._answer.status != 200:
            raise ServiceLost(self._farewell())

    def close(self) -> None:
        """Give up the connection."""
        self._selector.close()
        self._socket.close()

    def _write(self, event: h11.Event) -> None:
        try:
            self._socket.sendall(self._connection.send(event) or b"")
        except (OSError, h11.LocalProtocolError) as error:
            raise ServiceLost(f"The connection to the service broke ({error}).") from None

    def _read(self) -> Iterator[Acknowledgement]:
        try:
            yield from self._answer.feed(self._socket.recv(_PIECE))
        except (OSError, ValueError) as error:
            raise ServiceLost(f"The connection to the service broke ({error}).") from None

    def _farewell(self) -> str:
        if self._answer.status in (None, 200):
            return "The service has ended the session."
        return self._answer.refusal


def _connect(scheme: str, host: str, port: int | None) -> socket.socket:
    """Return a connection, with TLS where the scheme asks for it.

    Raises:
        OSError: there is none to be had.
    """
    secure = scheme == "https"
    plain = socket.create_connection((host, port or (443 if secure else 80)), timeout=_TIMEOUT)
    # Small pieces leave at once.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not secure:
        return plain
    try:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    except OSError:
        plain.close()
        raise


def _signed(url: str, host: str, stream: str, credentials: Any, region: str) -> dict[str, str]:
    request = AWSRequest(
        "POST",
        url,
        headers={
            "x-amzn-stream-name": stream,
            "x-amzn-fragment-timecode-type": "ABSOLUTE",
            "x-amzn-fragment-acknowledgment-required": "1",
            "x-amzn-producer-start-timestamp": f"{time.time():.3f}",
        },
    )
    # The service takes the signature of an empty body: nobody knows the whole one beforehand.
    SigV4Auth(credentials, _SERVICE, region).add_auth(request)
    return {"Host": host, "Transfer-Encoding": "chunked", **dict(request.headers.items())}
