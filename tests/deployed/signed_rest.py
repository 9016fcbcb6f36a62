"""A client of the deployed REST routes that signs its requests for API Gateway."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from tests.deployed.emulator import REGION, ROOT
from tests.e2e.plain_http import Rest


class SignedRest(Rest):
    """Sends requests as the account's root user.

    Args:
        url: of the API, with its stage.
        authorities: path of the certificates to trust.
    """

    def __init__(self, url: str, authorities: str) -> None:
        self._url = url.removesuffix("/")
        # botocore-stubs knows no path here.
        self._session = URLLib3Session(verify=authorities, timeout=60)  # type: ignore[arg-type]
        own = Credentials(ROOT["aws_access_key_id"], ROOT["aws_secret_access_key"])
        self._signer = SigV4Auth(own, "execute-api", REGION)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        kind: str = "application/json",
        query: Any = (),
    ) -> tuple[int, Any]:
        target = f"{self._url}{path}"
        if query:
            target += f"?{urlencode(query, doseq=True)}"
        headers = {} if body is None else {"Content-Type": kind}
        request = AWSRequest(method, target, headers=headers, data=body)
        self._signer.add_auth(request)
        response = self._session.send(request.prepare())
        return response.status_code, json.loads(response.content)

    def close(self) -> None:
        self._session.close()
