"""Requests signed with Signature Version 4 by botocore, and their verification."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import botocore.auth
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from facedex.access.signatures import verify
from facedex.api.errors import ServiceError
from facedex.store.access_keys import AccessKey, Credentials, Permission

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
KEY_ID = "FDXABCDEFGHIJKLMNOPQ"
SECRET = "a secret that nobody else has"
KEY = Credentials(AccessKey(KEY_ID, "door", Permission.ALL, NOW, None), SECRET)
HOST = "api.example.com"
TARGET = "RekognitionService.ListCollections"

Event = dict[str, Any]


def find(access_key_id: str) -> Credentials | None:
    return KEY if access_key_id == KEY_ID else None


def set_client_clock(monkeypatch: pytest.MonkeyPatch, off: timedelta) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: NOW + off)


def sign(
    method: str = "POST",
    target: str = "/",
    body: bytes = b"{}",
    *,
    key: tuple[str, str] = (KEY_ID, SECRET),
    service: str = "rekognition",
    expires: int | None = None,
    token: str | None = None,
    **headers: str,
) -> AWSRequest:
    """Return a request signed by botocore, in its header or, with ``expires``, in its query."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest(method, f"https://{HOST}{target}", headers=named, data=body)
    credentials = ReadOnlyCredentials(*key, token)
    if expires is None:
        SigV4Auth(credentials, service, "eu-central-1").add_auth(request)
    else:
        SigV4QueryAuth(credentials, service, "eu-central-1", expires=expires).add_auth(request)
    return request


def event_of(request: AWSRequest, *, stage: str = "", resource: str = "/") -> Event:
    """Return API Gateway's event of a request; ``stage`` is the part of the path that names one."""
    parts = urlsplit(str(request.url))
    headers = {"Host": HOST, **dict(request.headers.items())}
    query: dict[str, list[str]] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        query.setdefault(name, []).append(value)
    return {
        "resource": resource,
        "path": parts.path.removeprefix(stage),
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": None,
        "requestContext": {"path": parts.path, "stage": stage.strip("/")},
    }


def call(**options: Any) -> Event:
    """Return a signed AWS JSON call."""
    headers = {"content_type": "application/x-amz-json-1.1", "x_amz_target": TARGET}
    return event_of(sign(**{**headers, **options}))


def check(event: Event, body: bytes = b"{}") -> AccessKey:
    return verify(event, body, find, now=NOW)


def refused(kind: type[ServiceError], event: Event, body: bytes = b"{}") -> str:
    with pytest.raises(kind) as error:
        check(event, body)
    assert error.value.status == 400
    authorization = event["multiValueHeaders"].get("Authorization", [""])[0]
    signature = authorization.rpartition("Signature=")[2]
    assert not signature or signature not in error.value.message
    return error.value.message


def presigned(target: str = "/v1/collections?MaxResults=5", expires: int = 60) -> Event:
    request = sign("GET", target, b"", expires=expires)
    return event_of(request, resource="/v1/collections")
