"""IndexFaces at a face API on this machine, without what an SDK's client does for each request.

There the importing process shares its processors with the one that looks at the photos, and a
boto3 client takes two milliseconds of them for each photo. This way takes half of one: botocore
signs the request, and Python's own HTTP client sends it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from threading import local
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from facedex_cli.importing.raw import request_of

IndexFaces = Callable[..., Mapping[str, Any]]

# Seconds for which every photo is left to the client after something went wrong: it waits before
# it asks again, and all the longer the busier the service says that it is.
_CAREFUL: Final = 30.0

_PATIENCE: Final = 60.0  # seconds, as botocore has it


class Direct:
    """IndexFaces with photos as they are; may be used by several threads.

    What is not answered at once is left to the client, which repeats it, or raises what it means;
    asking twice for one photo changes nothing.

    Args:
        client: IndexFaces of a boto3 client.
        endpoint: the face API's address, of HTTP without a proxy.
        region: that requests are signed for.
    """

    def __init__(
        self,
        client: IndexFaces,
        endpoint: str,
        *,
        credentials: Credentials,
        region: str,
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._credentials = credentials
        self._region = region
        self._host = urlsplit(endpoint).netloc
        self._of_thread = local()
        self._careful_until = 0.0

    def __call__(self, **request: Any) -> Mapping[str, Any]:
        """As the client's method of the name.

        Raises:
            BotoCoreError, ClientError: what the client raises.
        """
        answer = None
        if "Bytes" in request["Image"] and monotonic() >= self._careful_until:
            answer = self._ask(request)
        return self._client(**request) if answer is None else answer

    def _ask(self, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The answer, or None if there is another one than success."""
        url, headers, photo = request_of(request, self._endpoint)
        signed = AWSRequest("POST", url, headers=headers, data=photo)
        SigV4Auth(self._credentials.get_frozen_credentials(), "rekognition", self._region).add_auth(
            signed
        )
        target = url[len(f"http://{self._host}") :]
        connection = self._connection()
        try:
            connection.request("POST", target, photo, dict(signed.headers))
            with connection.getresponse() as answer:
                status, data = answer.status, answer.read()
        except (HTTPException, OSError):
            connection.close()
            status, data = 503, b""
        if status == 429 or status >= 500:
            self._careful_until = monotonic() + _CAREFUL
        return _read(data) if status == 200 else None

    def _connection(self) -> HTTPConnection:
        """This thread's own, which opens itself."""
        if not hasattr(self._of_thread, "connection"):
            self._of_thread.connection = HTTPConnection(self._host, timeout=_PATIENCE)
        connection: HTTPConnection = self._of_thread.connection
        return connection


def _read(data: bytes) -> Mapping[str, Any] | None:
    try:
        answer = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None  # not from a face API: the client says so
    return answer if isinstance(answer, dict) else None
