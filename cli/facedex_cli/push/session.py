"""A PutMedia request, which sends media in pieces and receives acknowledgements meanwhile.

boto3 does not support PutMedia, and most HTTP clients read a response only after they have sent the
complete request. This request lasts for hours, and its response arrives in the same time.
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
        endpoint: the address that GetDataEndpoint returns for PUT_MEDIA.
        stream: the stream's name.
        credentials: botocore credentials.
        region: the stream's region.

    Raises:
        ServiceLost: if the endpoint does not answer.
    """

    def __init__(self, endpoint: str, stream: str, credentials: Any, region: str) -> None:
        self._connection = h11.Connection(h11.CLIENT)
        self._answer = Answer(self._connection)
        url = f"{endpoint.rstrip('/')}/putMedia"
        parts = urlsplit(url)
        headers = _sign(url, parts.netloc, stream, credentials, region)
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
        """Send a piece of media, and yield the acknowledgements that have arrived.

        Raises:
            ServiceLost: if the session has ended.
        """
        for at in range(0, len(data), _PIECE):
            piece = data[at : at + _PIECE]
            self._write(h11.Data(data=piece))
        yield from self.listen(0)

    def listen(self, seconds: float) -> Iterator[Acknowledgement]:
        """Yield the acknowledgements that arrive within some seconds.

        Args:
            seconds: the time limit; with 0, only data that has already arrived is read.

        Raises:
            ServiceLost: if the session has ended.
        """
        end = time.monotonic() + seconds
        while True:
            remaining = max(0.0, end - time.monotonic())
            pending = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()
            if not pending and not self._selector.select(remaining):
                return
            yield from self._read()
            if self._answer.over:
                raise ServiceLost(self._describe_end())

    def finish(self) -> Iterator[Acknowledgement]:
        """End the request, and wait for the last acknowledgements.

        Raises:
            ServiceLost: if the last acknowledgements do not arrive.
        """
        self._write(h11.EndOfMessage())
        end = time.monotonic() + _TIMEOUT
        while not self._answer.over:
            if not self._selector.select(max(0.0, end - time.monotonic())):
                raise ServiceLost("The service did not acknowledge the last fragments.")
            yield from self._read()
        if self._answer.status != 200:
            raise ServiceLost(self._describe_end())

    def close(self) -> None:
        """Close the connection."""
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

    def _describe_end(self) -> str:
        if self._answer.status in (None, 200):
            return "The service has ended the session."
        return self._answer.refusal


def _connect(scheme: str, host: str, port: int | None) -> socket.socket:
    """Return a connection, with TLS if the scheme is https.

    Raises:
        OSError: if the connection fails.
    """
    secure = scheme == "https"
    plain = socket.create_connection((host, port or (443 if secure else 80)), timeout=_TIMEOUT)
    # Small pieces are sent at once.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not secure:
        return plain
    try:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    except OSError:
        plain.close()
        raise


def _sign(url: str, host: str, stream: str, credentials: Any, region: str) -> dict[str, str]:
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
    # The service expects the signature of an empty body, because the complete body is not known
    # when the request starts.
    SigV4Auth(credentials, _SERVICE, region).add_auth(request)
    return {"Host": host, "Transfer-Encoding": "chunked", **dict(request.headers.items())}
