"""Signatures of sample events, for functions that are invoked without API Gateway.

A signature is valid for five minutes, and its key belongs to one deployment, so no file can contain
one.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_SERVICE = "rekognition"
_ADDED = ("X-Amz-Date", "Authorization")


def sign_event(
    event: Mapping[str, Any], access_key_id: str, secret: str, region: str
) -> dict[str, Any]:
    """Return a REST proxy event of API Gateway with the headers of a signature.

    Args:
        event: the event of a request.
        access_key_id: id of a key of the product.
        secret: the key's secret.
        region: region of the deployment.

    Raises:
        ValueError: if the event is not that of a request.
    """
    try:
        request = _request(event)
        SigV4Auth(Credentials(access_key_id, secret), _SERVICE, region).add_auth(request)
        added = {name: str(request.headers[name]) for name in _ADDED}
        several = {name: [value] for name, value in added.items()}
        return {
            **event,
            "headers": {**event["headers"], **added},
            "multiValueHeaders": {**(event.get("multiValueHeaders") or {}), **several},
        }
    except (AttributeError, KeyError, TypeError):
        raise ValueError(
            "This is not the event of a request through API Gateway, so it needs no signature."
        ) from None


def _request(event: Mapping[str, Any]) -> AWSRequest:
    """Return the request as its client sent it."""
    headers = {name: value for name, value in event["headers"].items() if name not in _ADDED}
    query = event.get("multiValueQueryStringParameters") or {}
    text = event.get("body") or ""
    address = f"https://{headers['Host']}{event['requestContext']['path']}"
    return AWSRequest(
        method=event["httpMethod"],
        url=f"{address}?{urlencode(query, doseq=True)}" if query else address,
        headers=headers,
        data=b64decode(text) if event.get("isBase64Encoded") else text.encode(),
    )
