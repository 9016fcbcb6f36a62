"""IndexFaces at a face API on this machine, without what an SDK's client does for each request.

There the importing process shares its processors with the one that looks at the photos, and a
boto3 client takes two milliseconds of them for each photo. This way takes a third of one: it signs
the request with botocore and sends it through urllib3, which botocore stands on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Final

import orjson
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.importing.raw import request_of

IndexFaces = Callable[..., Mapping[str, Any]]

# Seconds for which every photo is left to the client after something went wrong: it waits before
# it asks again, and all the longer the busier the service says that it is.
_CAREFUL: Final = 30.0


class Direct:
    """IndexFaces with photos as they are; may be used by several threads.

    What is not answered at once is left to the client, which repeats it, or raises what it means;
    asking twice for one photo changes nothing.

    Args:
        client: IndexFaces of a boto3 client.
        endpoint: the face API's address, of HTTP without a proxy.
        region: that requests are signed for.
        concurrency: most requests at once.
    """

    def __init__(
        self,
        client: IndexFaces,
        endpoint: str,
        *,
        credentials: Credentials,
        region: str,
        concurrency: int,
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._credentials = credentials
        self._region = region
        # As long as botocore waits.
        self._pool = urllib3.PoolManager(maxsize=concurrency, timeout=60.0)
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
        try:
            answer = self._pool.request(
                "POST", url, body=photo, headers=dict(signed.headers), retries=False
            )
        except urllib3.exceptions.HTTPError:
            self._careful_until = monotonic() + _CAREFUL
            return None
        if answer.status == 200:
            return _read(answer.data)
        if answer.status == 429 or answer.status >= 500:
            self._careful_until = monotonic() + _CAREFUL
        return None


def _read(data: bytes) -> Mapping[str, Any] | None:
    try:
        answer = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None  # not from a face API: the client says so
    return answer if isinstance(answer, dict) else None
