"""No change to a signed request is accepted, unless it remains the same request.

Every mutation is made to a request that was valid before, and has to be refused.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import botocore.auth
import pytest

from facedex.access.signatures import verify
from facedex.api.catalog import OPERATIONS
from facedex.api.errors import InvalidImageFormatException, SerializationException, ServiceError
from facedex.api.rest import read_members
from facedex.runtime.faults import service_error
from facedex.vision import images
from facedex.vision.vision_errors import InvalidImage
from tests.unit.forging import UNROUTED, forgeries, set_header
from tests.unit.signing import (
    KEY,
    KEY_ID,
    NOW,
    TARGET,
    Event,
    call,
    check,
    event_of,
    find,
    sign,
)

_BODY = b'{"CollectionId":"staff"}'
_PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
_BLACKLISTED = ("content-type", "content-length", "user-agent", "expect", "x-amzn-trace-id")


@pytest.fixture(autouse=True)
def _client_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: NOW)


def originals(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Event, bytes]]:
    """Return valid requests: AWS JSON and REST, signed in the header and in the query."""
    full = call(body=_BODY, content_type="application/x-amz-json-1.1", x_amz_target=TARGET)
    put = sign("POST", "/v1/faces/detect", _PNG, content_type="image/png")
    get = sign("GET", "/v1/collections/staff/faces?MaxResults=5&UserId=a&UserId=b", b"")
    url = sign("GET", "/v1/collections/staff/faces?MaxResults=5", b"", expires=600)
    delete = sign("DELETE", "/v1/collections/staff", b"", expires=60)
    found = {
        "json": (full, _BODY),
        "photo": (event_of(put, resource="/v1/faces/detect"), _PNG),
        "list": (event_of(get, resource="/v1/collections/{CollectionId}/faces"), b""),
        "url": (event_of(url, resource="/v1/collections/{CollectionId}/faces"), b""),
        "delete": (event_of(delete, resource="/v1/collections/{CollectionId}"), b""),
        "unsigned type": (unsigned_type(monkeypatch, _BODY), _BODY),
    }
    for event, body in found.values():
        assert check(event, body) == KEY.key
    return found


def unsigned_type(monkeypatch: pytest.MonkeyPatch, body: bytes) -> Event:
    """Return a call as AWS's SDKs for JavaScript (version 2), PHP and Android sign it."""
    with monkeypatch.context() as patched:
        patched.setattr(botocore.auth, "SIGNED_HEADERS_BLACKLIST", list(_BLACKLISTED))
        event = call(body=body)
    assert "content-type" not in event["multiValueHeaders"]["Authorization"][0]
    return event


def test_no_forged_request_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: set[str] = set()
    accepted: list[str] = []
    for title, (event, body) in originals(monkeypatch).items():
        for what, forged, sent in forgeries(event, body):
            tried.add(f"{title}: {what}")
            if forged["resource"] == UNROUTED:
                continue  # answered with 404 before the signature is looked at
            with suppress(ServiceError):
                check(forged, sent)
                accepted.append(f"{title}: {what}")
    assert accepted == [], "\n".join(accepted)
    assert len(tried) >= 300


@pytest.mark.parametrize("kind", ["", "text/plain", "image/jpeg", "application/json", None])
def test_an_sdk_that_does_not_sign_the_content_type_is_accepted(
    monkeypatch: pytest.MonkeyPatch, kind: str | None
) -> None:
    event = unsigned_type(monkeypatch, _BODY)
    set_header(event, "Content-Type", kind or "")
    if kind is None:
        del event["multiValueHeaders"]["Content-Type"]
    assert check(event, _BODY) == KEY.key


def test_a_request_of_the_javascript_sdk_version_2_is_accepted() -> None:
    # Sent by AWS.Rekognition#listCollections of aws-sdk 2.1693.0.
    scope = f"{KEY_ID}/20261127/eu-central-1/rekognition/aws4_request"
    sent = {
        "User-Agent": "aws-sdk-nodejs/2.1693.0 linux/v20.20.2",
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": TARGET,
        "X-Amz-Content-Sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "Content-Length": "2",
        "Host": "api.example.com",
        "X-Amz-Date": "20261127T162302Z",
        "Authorization": (
            f"AWS4-HMAC-SHA256 Credential={scope},"
            " SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-target,"
            " Signature=d3d0379fcf47f37dfe5039af0d27a11ca1ada9ae14b1d33402aa001fa34040df"
        ),
    }
    event: dict[str, Any] = {
        "httpMethod": "POST",
        "path": "/",
        "resource": "/",
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
    }
    now = datetime(2026, 11, 27, 16, 23, 2, tzinfo=UTC)
    assert verify(event, b"{}", find, now=now) == KEY.key
    for name in sent:
        if name not in ("User-Agent", "Content-Type", "Content-Length"):
            other = {**event["multiValueHeaders"], name: [f"{sent[name]}0"]}
            with pytest.raises(ServiceError):
                verify({**event, "multiValueHeaders": other}, b"{}", find, now=now)


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=lambda row: row.name)
def test_an_unsigned_content_type_cannot_give_a_rest_body_another_meaning(row: Any) -> None:
    def read(kind: str, body: bytes) -> dict[str, Any]:
        return read_members(row.name, headers={"content-type": kind}, path={}, query={}, body=body)

    # A document that is sent on as a photo is no photo.
    for document in (b"{}", _BODY, b' {"Image":{"Bytes":""}}', b"\n[]", b""):
        for kind in ("image/jpeg", "IMAGE/png", "application/octet-stream"):
            try:
                photo = read(kind, document)["Image"]["Bytes"]
            except SerializationException:
                continue
            with pytest.raises(InvalidImage) as raised:
                images.decode(photo)
            assert isinstance(service_error(raised.value), InvalidImageFormatException)
    # A photo that is sent on as a document is no document.
    for photo in (_PNG, b"\xff\xd8\xff\xe0" + bytes(20)):
        for kind in ("", "application/json", "text/plain", "multipart/form-data"):
            with pytest.raises(SerializationException):
                read(kind, photo)
